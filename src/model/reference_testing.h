// ReferenceModel: the float64 oracle. A plain forward pass over a ModelPlan that recomputes everything from
// the token ids: no cache, no batch, no blocks, no cleverness, one line of the papers after the other. It
// shares no code with the engine but the reading of stored weights (kernels/weights/dequantize.h). Test support only:
// slow, and it uses libm.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "kernels/visibility.h"
#include "model/config.h"
#include "model/model_plan.h"

namespace cairn {

class ReferenceModel {
 public:
  // Decodes all weights to double. The plan's file may be closed afterwards.
  explicit ReferenceModel(const ModelPlan& plan);
  // The queries of each layer see this instead of what the model's own windows leave.
  void set_visibility(std::vector<Visibility> visibility) { visibility_ = std::move(visibility); }

  // Logits of every position, [tokens.size() * vocab_size].
  [[nodiscard]] std::vector<double> logits(std::span<const int32_t> tokens) const;
  // The mean over layers, heads and the last position of: entropy of the attention weights / log(visible
  // keys). Near 1, attention is flat, and a test that runs on such a model would not see a wrong position.
  [[nodiscard]] double attention_entropy(std::span<const int32_t> tokens) const;
  [[nodiscard]] const Config& config() const { return config_; }

  struct Matrix {
    int64_t rows = 0, columns = 0;
    std::vector<double> values;
  };
  using Vector = std::vector<double>;  // empty: there is none
  struct Layer {
    Vector attention_norm, attention_norm_bias, query_norm, key_norm, attention_post_norm;
    Matrix query, key, value, output;
    Vector query_bias, key_bias, value_bias, output_bias;
    Vector ffn_norm, ffn_norm_bias, ffn_post_norm;
    Matrix gate, up, down;
    Vector gate_bias, up_bias, down_bias;
  };

 private:
  std::vector<Vector> run(std::span<const int32_t> tokens, double* entropy) const;

  Config config_;
  std::vector<Visibility> visibility_;  // of each layer
  Matrix token_embedding_, position_embedding_, output_;
  Vector final_norm_, final_norm_bias_;
  std::vector<Layer> layers_;
};

}  // namespace cairn
