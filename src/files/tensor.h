// Tensor: a named array in a model file, viewed in place (the file stays mapped while views of it live).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/weights/tensor_type.h"

namespace cairn {

struct Tensor {
  std::string name;
  TensorType type = TensorType::kF32;
  // Outermost first, as in numpy: a matrix of `rows` x `columns` has shape {rows, columns} and each row's
  // columns lie together. (GGUF files list the dimensions the other way round.)
  std::vector<int64_t> shape;
  // Exactly the bytes of the tensor. Not necessarily aligned: safetensors files guarantee nothing.
  std::span<const std::byte> data;
};

}  // namespace cairn
