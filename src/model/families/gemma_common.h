// Shared by the three Gemmas: GELU gate, embeddings scaled by sqrt(width), norms of 1 + w (GGUF files store
// the sum), the two soft caps, and the attention scale of the 27B models. For the Gemma families only.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>

#include "cairn/status.h"
#include "files/gguf.h"
#include "model/config.h"
#include "model/families/assemble.h"

namespace cairn {

// GELU and the embedding scale, for every Gemma.
void make_gemma(Config& config);

// hf_names() with 1 + w.
TensorNames gemma_hf_names();
// For Gemma 2 and 3: a norm after attention and after the ffn too, under their own names.
TensorNames gemma_hf_names_with_post_norms();

// The activation must be the tanh form of GELU.
Status check_gelu_tanh(const boost::json::object& config);

struct SoftCaps {
  float attention = 0, final = 0;
};
// `absent`: the family's defaults for missing keys.
Status read_soft_caps(const GgufFile& file, SoftCaps absent, Config& config);
Status read_soft_caps(const boost::json::object& settings, SoftCaps absent, Config& config);

// GGUF has no key for it: the 27B model, recognised by its layer count, scales by (width / heads)^-1/2.
void set_gguf_attention_scale(Config& config, int64_t layer_count_of_27b);
Status read_hf_attention_scale(const boost::json::object& settings, Config& config);

// Layers are local (windowed), except each `pattern`-th, which sees all positions.
void set_alternating_windows(Config& config, int64_t window, int64_t pattern);
// attention.sliding_window_pattern of a GGUF file: which layer in how many is global, or, from other converters, a list
// that says of each layer whether it is local; absent: `default_pattern`.
Status read_gguf_windows(const GgufFile& file, int64_t window, int64_t default_pattern, Config& config);
// layer_types of config.json if present; else sliding_window_pattern: a number or a list, as in GGUF.
Status read_hf_windows(const boost::json::object& settings, int64_t default_window, int64_t default_pattern,
                       Config& config);

}  // namespace cairn
