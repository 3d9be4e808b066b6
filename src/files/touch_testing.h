// Reads everything that an open model file returns, for tests and fuzz targets: what is reachable must be
// readable. The sums only keep the compiler from removing the reads. In a header, because fuzz targets link
// the library alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "files/gguf.h"
#include "files/tensor.h"
#include "kernels/weights/dequantize.h"

namespace cairn {

// Name, shape, first and last byte of each; rows that are not too long are decoded once.
inline uint64_t touch_tensors(std::span<const Tensor> tensors) {
  uint64_t sum = 0;
  for (const Tensor& tensor : tensors) {
    sum += tensor.name.size() + tensor.shape.size();
    sum += std::to_integer<uint64_t>(tensor.data.front()) + std::to_integer<uint64_t>(tensor.data.back());
    // A first row decoded: what a type's block claims to hold must be there.
    const auto columns = static_cast<size_t>(tensor.shape.back());
    if (columns <= 4096) {
      std::vector<float> row(columns);
      dequantize_row(tensor.type, tensor.data.data(), row);
      sum += row.back() > 0 ? 1 : 0;
    }
  }
  return sum;
}

// Reads every metadata value in every way, and every tensor.
inline uint64_t touch_everything(const GgufFile& file) {
  uint64_t sum = file.version() + file.file_bytes() + touch_tensors(file.tensors());
  for (const auto& [key, text] : file.describe_metadata()) {
    // describe_metadata returns printable keys; if that differs from the key itself, nothing is found, which
    // is fine.
    sum += key.size() + text.size();
    sum += file.has(key) ? 1 : 0;
    sum += file.find_uint(key).ok() ? 1 : 0;
    sum += file.find_float(key).ok() ? 1 : 0;
    sum += file.find_bool(key).ok() ? 1 : 0;
    sum += file.find_string(key).ok() ? 1 : 0;
    sum += file.find_strings(key).ok() ? 1 : 0;
    sum += file.find_floats(key).ok() ? 1 : 0;
    sum += file.find_ints(key).ok() ? 1 : 0;
    sum += file.need_uint(key).ok() ? 1 : 0;
  }
  for (const Tensor& tensor : file.tensors()) {
    sum += file.find_tensor(tensor.name) == &tensor ? 1 : 1000;
    file.release(tensor.data);
  }
  return sum;
}

}  // namespace cairn
