#include "files/tensor_table.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <string>

#include "base/printable.h"

namespace cairn {
namespace {

Status check_disjoint(const std::vector<Tensor>& tensors) {
  std::vector<uint32_t> order(tensors.size());
  std::iota(order.begin(), order.end(), 0U);
  const std::less<const std::byte*> before;
  std::ranges::sort(
      order, [&](uint32_t a, uint32_t b) { return before(tensors[a].data.data(), tensors[b].data.data()); });
  for (size_t i = 1; i < order.size(); ++i) {
    const Tensor& left = tensors[order[i - 1]];
    const Tensor& right = tensors[order[i]];
    if (before(right.data.data(), left.data.data() + left.data.size())) {
      return invalid_data("tensors '" + printable(left.name) + "' and '" + printable(right.name) +
                          "' overlap in the file");
    }
  }
  return {};
}

}  // namespace

Result<TensorTable> TensorTable::make(std::vector<Tensor> tensors) {
  TensorTable table;
  table.tensors_ = std::move(tensors);
  table.by_name_.resize(table.tensors_.size());
  std::iota(table.by_name_.begin(), table.by_name_.end(), 0U);
  const auto name = [&](uint32_t i) -> const std::string& { return table.tensors_[i].name; };
  std::ranges::sort(table.by_name_, {}, name);
  const auto twin = std::ranges::adjacent_find(table.by_name_, {}, name);
  if (twin != table.by_name_.end())
    return invalid_data("there are two tensors '" + printable(name(*twin)) + "'");
  CAIRN_RETURN_IF_ERROR(check_disjoint(table.tensors_));
  return table;
}

const Tensor* TensorTable::find(std::string_view name) const {
  const auto name_of = [&](uint32_t i) -> std::string_view { return tensors_[i].name; };
  const auto at = std::ranges::lower_bound(by_name_, name, {}, name_of);
  return at != by_name_.end() && name_of(*at) == name ? &tensors_[*at] : nullptr;
}

Result<uint64_t> tensor_bytes(TensorType type, std::span<const int64_t> shape) {
  const TensorTypeInfo& info = tensor_type_info(type);
  return tensor_bytes(BlockSize{info.name, info.elements, info.bytes}, shape);
}

Result<uint64_t> tensor_bytes(const BlockSize& block, std::span<const int64_t> shape) {
  if (shape.empty() || shape.size() > kTensorDimensionsMax) {
    return invalid_data("has " + std::to_string(shape.size()) + " dimensions");
  }
  int64_t elements = 1;
  for (int64_t dimension : shape) {
    if (dimension < 1) return invalid_data("has a dimension of " + std::to_string(dimension));
    if (__builtin_mul_overflow(elements, dimension, &elements))
      return invalid_data("has more than 2^63 elements");
  }
  if (shape.back() % block.elements != 0) {
    return invalid_data("has rows of " + std::to_string(shape.back()) +
                        " elements, which is not a multiple of the " + std::to_string(block.elements) +
                        " of a " + std::string(block.name) + " block");
  }
  int64_t bytes = 0;
  if (__builtin_mul_overflow(elements / block.elements, block.bytes, &bytes)) {
    return invalid_data("has more than 2^63 bytes");
  }
  return static_cast<uint64_t>(bytes);
}

}  // namespace cairn
