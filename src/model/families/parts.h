// PartFinder: looks up the tensors of a plan by name and holds each against the shape that the Config asks
// for. It remembers its first error (and answers empty parts from then on), and which tensors were asked for:
// a model whose file holds a tensor that nobody asked for is a model that we would compute wrongly. Where
// there is no file, it imagines each tensor that is asked for. For the families only.
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
  // Adds each tensor that is asked for to `imagined`, without data: matrices of `type` (or what fits), [out,
  // in]; vectors as f32.
  PartFinder(std::deque<Tensor>& imagined, TensorType type) : imagined_(&imagined), imagined_type_(type) {}

  [[nodiscard]] bool imagines() const { return imagined_ != nullptr; }
  [[nodiscard]] bool has(const std::string& name) const { return entries_.contains(name); }
  [[nodiscard]] const Tensor* peek(const std::string& name) const;  // null if absent; does not count as use

  // Rows [row_begin, row_begin + row_count) of a matrix that has `rows` of them in all.
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
  // The first tensor in file order that nobody asked for and whose name holds none of `ignored`.
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
