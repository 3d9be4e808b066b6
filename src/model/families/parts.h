// PartFinder: looks up the tensors of a plan by name and checks each against the shape that the Config
// requires. It remembers its first error (and returns empty parts from then on), and which tensors were
// requested: a model whose file holds a tensor that was never requested would be computed wrongly. Without a
// file, it imagines each requested tensor. For the families only.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cairn/status.h"
#include "files/tensor.h"
#include "model/model_plan.h"

namespace cairn {

enum class MatrixLayout {
  kRowsAreOutputs,     // [out, in], as everywhere
  kColumnsAreOutputs,  // [in, out], GPT-2's Conv1D in Hugging Face files
};

class PartFinder {
 public:
  PartFinder(std::span<const Tensor> tensors, MatrixLayout layout);
  // Adds each requested tensor to `imagined`, without data: matrices of `type` (or what fits), [out, in];
  // vectors as f32.
  PartFinder(std::deque<Tensor>& imagined, TensorType type) : imagined_(&imagined), imagined_type_(type) {}

  [[nodiscard]] bool imagines() const { return imagined_ != nullptr; }
  [[nodiscard]] bool has(const std::string& name) const { return entries_.contains(name); }
  [[nodiscard]] const Tensor* peek(const std::string& name) const;  // null if absent; does not count as use

  // Rows [begin, begin + count) of a matrix that has `all` rows.
  struct Rows {
    int64_t begin, count, all;
  };
  static Rows all_rows(int64_t count) { return {0, count, count}; }
  TensorPart matrix(const std::string& name, Rows rows, int64_t columns);
  // The same for a table that is looked up by row, never multiplied: always [rows, columns].
  TensorPart table(const std::string& name, int64_t rows, int64_t columns);
  TensorPart vector(const std::string& name, Rows elements);
  void ignore(const std::string& name);  // counts as used

  void fail(Status status);
  [[nodiscard]] const Status& status() const { return status_; }
  // The first tensor in file order that was not requested and whose name contains none of `ignored`.
  [[nodiscard]] std::optional<std::string_view> find_unused(std::span<const std::string_view> ignored) const;

 private:
  struct Entry {
    const Tensor* tensor;
    bool used;
  };
  const Tensor* take(const std::string& name, const std::vector<int64_t>& shape);
  void imagine(const std::string& name, const std::vector<int64_t>& shape);

  std::span<const Tensor> tensors_;
  std::unordered_map<std::string_view, Entry> entries_;
  MatrixLayout layout_ = MatrixLayout::kRowsAreOutputs;
  std::deque<Tensor>* imagined_ = nullptr;
  TensorType imagined_type_ = TensorType::kF16;
  Status status_;
};

}  // namespace cairn
