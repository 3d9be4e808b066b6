// TensorTable: the tensors of a model, in file order, found by name. Always true: names differ, and no two
// tensors share a byte. GgufFile and HfFolder hold one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "files/tensor.h"

namespace cairn {

class TensorTable {
 public:
  TensorTable() = default;
  // Errors: kInvalidData naming the two tensors that have one name or share bytes.
  static Result<TensorTable> make(std::vector<Tensor> tensors);

  [[nodiscard]] std::span<const Tensor> all() const { return tensors_; }
  [[nodiscard]] const Tensor* find(std::string_view name) const;  // null if absent

 private:
  std::vector<Tensor> tensors_;
  std::vector<uint32_t> by_name_;  // indices into tensors_, in the order of their names
};

// Bytes of a tensor of this type and shape. Errors: kInvalidData, phrased to follow the tensor's name: no
// dimensions or too many, one below 1, columns that are not whole blocks, a product past 2^63 - 1.
Result<uint64_t> tensor_bytes(TensorType type, std::span<const int64_t> shape);
// The same of any blocks of `elements` in `bytes`.
struct BlockSize {
  std::string_view name;  // of the type, for messages
  int64_t elements;
  int64_t bytes;
};
Result<uint64_t> tensor_bytes(const BlockSize& block, std::span<const int64_t> shape);

// What tensor_bytes allows; GGUF itself allows 4.
inline constexpr size_t kTensorDimensionsMax = 8;

}  // namespace cairn
