// GgufPart: one GGUF file's header, metadata and tensor list, read from its bytes and checked. A model is one
// part, or several (a split model), which GgufFile (files/gguf.h) joins.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cairn/status.h"
#include "files/foreign_tensor.h"
#include "files/gguf_metadata.h"
#include "files/tensor.h"

namespace cairn {

struct GgufPart {
  uint32_t version = 0;
  GgufMetadata metadata;
  std::vector<Tensor> tensors;  // each inside the bytes; names and overlaps are not compared here
  std::vector<ForeignTensor> foreign_tensors;

  // Errors: kInvalidData (names the field), kUnsupported (version, byte order).
  static Result<GgufPart> read(std::span<const std::byte> bytes);
};

}  // namespace cairn
