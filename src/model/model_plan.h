// ModelPlan: what a family reads from a model file: the Config, and which tensor plays which part.
// Weights are loaded from it (model/weights.h); nothing else of the file is needed to run.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "files/tensor.h"
#include "model/config.h"

namespace cairn {

class GgufFile;
class HfFolder;

// One matrix or vector of the model: rows [row_begin, row_begin + row_count) of a tensor of the file
// (fused matrices, as Phi-3's qkv_proj, are split by rows).
struct TensorPart {
  const Tensor* tensor = nullptr;
  int64_t row_begin = 0;
  int64_t row_count = 0;    // of a vector: its elements
  bool transposed = false;  // stored [in, out] (GPT-2's Conv1D in Hugging Face files); rows then mean outputs
  float add = 0;            // added to each element of a vector (Gemma's 1 + w in Hugging Face files)
};

struct LayerPlan {
  TensorPart attention_norm;
  std::optional<TensorPart> attention_norm_bias;
  TensorPart query, key, value,
      output;  // query: [heads * head_dim, model_dim], output: [model_dim, heads * head_dim]
  std::optional<TensorPart> query_bias, key_bias, value_bias, output_bias;
  std::optional<TensorPart> query_norm, key_norm;  // [head_dim], where Config::qk_norm
  std::optional<TensorPart> attention_post_norm;   // where Config::post_norms
  TensorPart ffn_norm;
  std::optional<TensorPart> ffn_norm_bias;
  std::optional<TensorPart> gate, gate_bias;  // where Config::gated_ffn
  TensorPart up, down;                        // up: [ffn_dim, model_dim], down: [model_dim, ffn_dim]
  std::optional<TensorPart> up_bias, down_bias;
  std::optional<TensorPart> ffn_post_norm;
};

struct ModelPlan {
  Config config;
  TensorPart token_embedding;                    // [vocab, model_dim]
  std::optional<TensorPart> position_embedding;  // [context, model_dim]
  std::vector<LayerPlan> layers;
  TensorPart final_norm;
  std::optional<TensorPart> final_norm_bias;
  std::optional<TensorPart> output;  // [vocab, model_dim]; absent: tied to token_embedding

  // What was assumed where the file says nothing, and what may surprise its user: a sentence each.
  std::vector<std::string> notes;

  // Set where there are no weights: the tensors, without data, that the parts point to. Nothing can be loaded then.
  std::shared_ptr<const std::deque<Tensor>> imagined_tensors;
};

// Finds the family by name (general.architecture; config.json's model_type and architectures) and lets it
// read the file. The plan points into the file, which must stay open while it is used.
// Every shape is checked against the Config: a plan that is returned can be loaded as it is.
// Errors: kUnsupported for an unknown family or feature, naming it and listing the families; kInvalidData for
// missing or ill-shaped tensors and nonsensical values, naming them.
Result<ModelPlan> plan_model(const GgufFile& file);
Result<ModelPlan> plan_model(const HfFolder& folder);
// From a config.json's content alone, as if its matrices were stored as `type` (or what fits their rows). For size
// calculations: see ModelPlan::imagined_tensors.
Result<ModelPlan> plan_model(const boost::json::object& config, TensorType type);

}  // namespace cairn
