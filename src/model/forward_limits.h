// ForwardLimits: how large a step of the forward pass may be.
#pragma once

#include <cstdint>

namespace cairn {

struct ForwardLimits {
  int64_t rows = 1;        // of all sequences together
  int64_t logit_rows = 1;  // rows whose logits are wanted
  int64_t sequences = 1;
  int64_t context = 1;  // positions of a sequence
};

}  // namespace cairn
