// ForeignTensor: a tensor of a type that Cairn does not run. A file that holds one can be described, but not run
// (model/model_plan.h refuses it).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cairn/status.h"

namespace cairn {

struct ForeignTensor {
  std::string name;
  std::string type_name;          // "iq2_xs", "F8_E4M3"; "number 77" where even its name is unknown
  std::vector<int64_t> shape;     // as Tensor::shape
  std::optional<uint64_t> bytes;  // absent: unknown
  std::string instead;            // what to download: "a Q2_K or IQ3_XXS file"
};

// A type of the GGUF format that Cairn does not run; a number that it does not know has neither block nor bytes.
struct ForeignType {
  std::string name;
  int64_t elements = 0;  // of a block
  int64_t bytes = 0;
  std::string instead;
};
[[nodiscard]] ForeignType foreign_type_from_gguf(uint32_t number);

// kUnsupported where there is any: names the first, and what to download instead.
Status refuse_foreign_tensors(std::span<const ForeignTensor> tensors);

}  // namespace cairn
