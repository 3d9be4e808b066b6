#include "model/families/parts.h"

#include <algorithm>

#include "base/check.h"
#include "base/printable.h"

namespace cairn {
namespace {

std::string print_shape(std::span<const int64_t> shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

Status wrong_shape(const Tensor& tensor, const std::vector<int64_t>& expected) {
  return invalid_data("tensor " + printable(tensor.name) + " has the shape " + print_shape(tensor.shape) +
                      ", but the model's settings require " + print_shape(expected));
}

}  // namespace

PartFinder::PartFinder(std::span<const Tensor> tensors, MatrixLayout layout)
    : tensors_(tensors), layout_(layout) {
  for (const Tensor& tensor : tensors) {
    if (!entries_.emplace(tensor.name, Entry{&tensor, false}).second) {
      fail(invalid_data("the file has two tensors named " + printable(tensor.name)));
    }
  }
}

const Tensor* PartFinder::peek(const std::string& name) const {
  const auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : found->second.tensor;
}

void PartFinder::imagine(const std::string& name, const std::vector<int64_t>& shape) {
  const TensorType type = shape.size() == 1 ? TensorType::kF32 : fitting_type(imagined_type_, shape.back());
  const Tensor& tensor =
      imagined_->emplace_back(Tensor{.name = name, .type = type, .shape = shape, .data = {}});
  entries_.emplace(tensor.name, Entry{&tensor, true});
}

// The tensor of this name if it has this shape; else an error, and null.
const Tensor* PartFinder::take(const std::string& name, const std::vector<int64_t>& shape) {
  if (!status_.ok()) return nullptr;
  if (imagines() && !has(name)) imagine(name, shape);
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    fail(invalid_data("the file has no tensor " + name));
    return nullptr;
  }
  found->second.used = true;
  if (found->second.tensor->shape != shape) {
    fail(wrong_shape(*found->second.tensor, shape));
    return nullptr;
  }
  return found->second.tensor;
}

TensorPart PartFinder::matrix(const std::string& name, Rows rows, int64_t columns) {
  CHECK(rows.begin >= 0 && rows.count > 0 && rows.begin + rows.count <= rows.all);
  const bool transposed = layout_ == MatrixLayout::kColumnsAreOutputs;
  const std::vector<int64_t> expected =
      transposed ? std::vector<int64_t>{columns, rows.all} : std::vector<int64_t>{rows.all, columns};
  const Tensor* tensor = take(name, expected);
  if (tensor == nullptr) return {};
  if (transposed && tensor_type_info(tensor->type).elements != 1) {
    fail(unsupported("tensor " + name + " is quantised and stored transposed, which Cairn does not read"));
    return {};
  }
  return {.tensor = tensor, .row_begin = rows.begin, .row_count = rows.count, .transposed = transposed};
}

TensorPart PartFinder::table(const std::string& name, int64_t rows, int64_t columns) {
  const Tensor* tensor = take(name, {rows, columns});
  if (tensor == nullptr) return {};
  return {.tensor = tensor, .row_begin = 0, .row_count = rows};
}

TensorPart PartFinder::vector(const std::string& name, Rows elements) {
  const Tensor* tensor = take(name, {elements.all});
  if (tensor == nullptr) return {};
  if (tensor_type_info(tensor->type).elements != 1) {
    fail(unsupported("tensor " + name + " is a vector stored as " +
                     std::string(tensor_type_info(tensor->type).name) +
                     ", but Cairn reads vectors as f32, f16 or bf16"));
    return {};
  }
  return {.tensor = tensor, .row_begin = elements.begin, .row_count = elements.count};
}

void PartFinder::ignore(const std::string& name) {
  if (const auto found = entries_.find(name); found != entries_.end()) found->second.used = true;
}

void PartFinder::fail(Status status) {
  if (status_.ok()) status_ = std::move(status);
}

std::optional<std::string_view> PartFinder::find_unused(std::span<const std::string_view> ignored) const {
  for (const Tensor& tensor : tensors_) {
    const auto is_in_name = [&](std::string_view text) {
      return tensor.name.find(text) != std::string::npos;
    };
    if (!entries_.at(tensor.name).used && std::none_of(ignored.begin(), ignored.end(), is_in_name)) {
      return tensor.name;
    }
  }
  return std::nullopt;
}

}  // namespace cairn
