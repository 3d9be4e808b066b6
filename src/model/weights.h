// Weights: a model's numbers as the forward pass reads them: matrices packed for the kernels, vectors as
// floats. Immutable once loaded. The embedding tables stay in the file and are read a row at a time.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/memory.h"
#include "cairn/status.h"
#include "kernels/weights/packed_matrix.h"
#include "model/model_plan.h"
#include "model/weights_form.h"

namespace cairn {

class ThreadPool;

// A matrix with its bias [rows], which is empty where there is none.
struct Linear {
  PackedMatrix matrix;
  std::vector<float> bias;
};

struct LayerWeights {
  std::vector<float> attention_norm, attention_norm_bias;
  Linear query, key, value, output;
  std::vector<float> query_norm, key_norm;  // [head_dim], or empty
  std::vector<float> attention_post_norm;   // [model_dim], or empty
  std::vector<float> ffn_norm, ffn_norm_bias;
  Linear gate, up, down;  // gate: unused unless Config::gated_ffn
  std::vector<float> ffn_post_norm;
};

struct Weights {
  TensorPart token_embedding;
  std::optional<TensorPart> position_embedding;
  std::vector<LayerWeights> layers;
  std::vector<float> final_norm, final_norm_bias;
  PackedMatrix output;

  PageMemory memory;               // what the packed matrices point into
  uint64_t decode_file_bytes = 0;  // of all matrices, as the file stores them
  std::function<void(std::span<const std::byte>, std::byte*)> copy;  // WeightsOptions::copy
};

struct WeightsOptions {
  std::function<void(std::span<const std::byte>)>
      release;  // called with bytes of the file that are no longer needed
  // Copies bytes of the file; must work as long as the weights live. Empty: they are read in place.
  std::function<void(std::span<const std::byte>, std::byte*)> copy;
  std::function<void(uint64_t done_bytes, uint64_t total_bytes)> progress;
  WeightsForm form = WeightsForm::kAsStored;
};

// Packs every matrix of `plan`. Errors: kResourceExhausted.
Result<Weights> load_weights(const ModelPlan& plan, ThreadPool& threads, const WeightsOptions& options);

// One row of weights.token_embedding or position_embedding, as floats. `scratch`: as many floats.
void read_embedding_row(const Weights& weights, const TensorPart& part, int64_t row, std::span<float> values,
                        float* scratch);

// One row of an embedding table (or of any part), as floats.
void read_row(const TensorPart& part, int64_t row, std::span<float> values);

}  // namespace cairn
