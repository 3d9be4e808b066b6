// The tensors of a synthetic model: names, shapes, and how large the random numbers in each are. Used by
// synth.cc only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/synth_shapes.h"

namespace cairn {

enum class SynthFill {
  kNormal,  // mean 0
  kNorm,    // a norm's weight: `scale`, each within a tenth of it
  // The same with random signs. At the last norm before an output matrix that is the embedding again: without
  // it each token would predict itself, because the residual stream still holds its embedding.
  kSignedNorm,
  kGiven,  // `given`, as it is
};

struct SynthTensor {
  struct Band {  // rows of one matrix, or all elements of a vector
    int64_t row_count;
    float scale;  // standard deviation of kNormal
  };
  std::string name;
  std::vector<int64_t> shape;  // outermost first; one dimension: a vector, stored as f32
  SynthFill fill = SynthFill::kNormal;
  std::vector<Band> bands;  // fused matrices have several
  std::vector<float> given;
  bool stays_f32 = false;
};

std::vector<SynthTensor> synth_tensors(const SynthShape& shape);

}  // namespace cairn
