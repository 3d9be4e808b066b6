// AttentionShape: all that attention needs to know of a model. Plain values; anyone may make one.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/visibility.h"
#include "model/config.h"

namespace cairn {

struct AttentionShape {
  int64_t head_count = 0;  // of queries; a multiple of kv_head_count
  int64_t kv_head_count = 0;
  int64_t head_dim = 0;
  float scale = 0;                 // queries are multiplied by this
  float soft_cap = 0;              // c: c * tanh(score / c); 0: none
  std::vector<Visibility> layers;  // what the queries of each layer see

  [[nodiscard]] int64_t layer_count() const { return static_cast<int64_t>(layers.size()); }
  [[nodiscard]] int64_t query_width() const { return head_count * head_dim; }
  [[nodiscard]] int64_t kv_width() const { return kv_head_count * head_dim; }
  [[nodiscard]] int64_t heads_of_kv_head() const { return head_count / kv_head_count; }
  [[nodiscard]] bool has_sinks() const;  // in some layer
};

// What the model's own windows leave visible, layer by layer.
[[nodiscard]] std::vector<Visibility> own_windows(const Config& config);

// `visibility`: of each layer.
[[nodiscard]] AttentionShape attention_shape(const Config& config, std::vector<Visibility> visibility);

}  // namespace cairn
