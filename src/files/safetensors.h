// One safetensors file, read from its bytes and checked: 64-bit header length, JSON header, tensor data.
// Source: the format's page in the safetensors project. HfFolder (files/hf_folder.h) joins the files.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "files/foreign_tensor.h"
#include "files/tensor.h"

namespace cairn {

struct SafetensorsFile {
  // Every F32, F16 and BF16 tensor with at least one dimension and one element, in the order of the header;
  // each lies inside the bytes. Names and overlaps are compared by TensorTable.
  std::vector<Tensor> tensors;
  // Names of tensors that cannot be weights: integers, bools (GPT-2's masks are such buffers), scalars and
  // empty tensors. They are checked like the others, but not returned.
  std::vector<std::string> left_out;
  // Tensors of other types (F64, F8_E4M3, ...).
  std::vector<ForeignTensor> foreign_tensors;

  // Errors: kInvalidData naming the field.
  static Result<SafetensorsFile> read(std::span<const std::byte> bytes);
};

}  // namespace cairn
