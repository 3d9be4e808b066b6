// Config: what a decoder-only transformer is, once its family has read the model's file. The forward pass
// (model/transformer.h) knows only this page, never a family's name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace cairn {

enum class NormKind { kRms, kLayer };  // RMSNorm (x / rms(x) * w); LayerNorm with mean and bias
enum class Activation { kSilu, kGeluTanh };
enum class RopeStyle { kNone, kAdjacent, kHalves };  // pairs (2i, 2i+1); pairs (i, i + rope_dim / 2)

// What RoPE becomes for a context that is longer than the model's first one. The choice is made once, by the context
// that a model is loaded for (settle_context, model/rope.h), never by the current length: an angle is a function of the
// position alone.
struct LongRope {  // other divisors
  int64_t original_context = 0;
  std::vector<double> divisors;
  double magnitude = 1.0;
};
struct DynamicNtk {  // a larger base
  int64_t original_context = 0;
  double factor = 1.0;
};
using RopeByContext = std::variant<std::monostate, LongRope, DynamicNtk>;

// One set of rotary frequencies; pair i of a head is rotated by position * base^(-2i/rope_dim) / divisors[i].
struct RopeConfig {
  double base = 10000.0;
  std::vector<double> divisors;  // rope_dim / 2 of them, or empty: all 1 (no scaling)
  double magnitude = 1.0;        // cos and sin are multiplied by this (YaRN's attention factor)
  RopeByContext by_context;      // empty once settled
};

struct LayerConfig {
  int64_t window = 0;  // a token sees itself and the window - 1 tokens before it; 0: all before it
  int64_t rope = 0;    // which of Config::ropes
};

struct Config {
  std::string family;  // "llama", "qwen3", ...
  int64_t layer_count = 0;
  int64_t model_dim = 0;
  int64_t head_count = 0;
  int64_t kv_head_count = 0;
  int64_t head_dim = 0;
  int64_t ffn_dim = 0;
  int64_t vocab_size = 0;
  int64_t context_length = 0;  // what the model was made for; once settled, what this Config is good for

  NormKind norm = NormKind::kRms;
  float norm_eps = 1e-5F;
  bool qk_norm = false;     // RMSNorm of each query and key head before RoPE
  bool post_norms = false;  // a norm after attention and after the ffn too, before the residual sum
  Activation activation = Activation::kSilu;
  bool gated_ffn = true;  // down(act(gate x) * up x); otherwise down(act(up x))

  RopeStyle rope_style = RopeStyle::kHalves;
  int64_t rope_dim = 0;  // how many of head_dim's elements are rotated (the first ones); even
  std::vector<RopeConfig> ropes;
  bool learned_positions = false;  // a table of context_length rows added to the embedding (GPT-2)

  float attention_scale = 0;     // usually head_dim^-1/2
  float attention_soft_cap = 0;  // c: c * tanh(score / c); 0: none
  float final_soft_cap = 0;      // the same on the logits
  float embedding_scale = 1;     // the input embedding is multiplied by this (Gemma)

  std::vector<LayerConfig> layers;  // layer_count of them
};

}  // namespace cairn
