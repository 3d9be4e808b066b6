#include "model/families/settings.h"

#include <cmath>

#include "base/printable.h"
#include "model/families/rope_scaling.h"

namespace cairn {
namespace {

using Limits = ConfigLimits;

// Settings of other architectures; a file with one of them (not 0) is a model that is computed differently.
constexpr std::string_view kForeignKeys[] = {"logit_scale",
                                             "residual_scale",
                                             "embedding_scale",
                                             "attention.scale",
                                             "attention.clamp_kqv",
                                             "attention.max_alibi_bias",
                                             "attention.temperature_scale"};

void refuse_foreign_settings(GgufKeys& keys) {
  if (keys.count_or("expert_count", 0, 0, 1 << 20) > 0) {
    keys.fail(unsupported(keys.full_name("expert_count") +
                          " is not 0: mixture-of-experts models are not supported"));
  }
  if (!keys.find_flag("attention.causal").value_or(true)) {
    keys.fail(
        unsupported(keys.full_name("attention.causal") + " is false: only causal models are supported"));
  }
  for (const std::string_view key : kForeignKeys) {
    if (keys.real_or(key, 0, -1e30, 1e30) != 0) {
      keys.fail(
          unsupported(keys.full_name(key) + " is a setting that Cairn does not run for this architecture"));
    }
  }
}

// Heads that do not divide the model's width need the head's own width in the file.
int64_t default_head_dim(int64_t model_dim, int64_t head_count) {
  return model_dim % head_count == 0 ? model_dim / head_count : 0;
}

void finish(Config& config) {
  config.attention_scale = inverse_sqrt(static_cast<double>(config.head_dim));
  config.layers.assign(static_cast<size_t>(config.layer_count), LayerConfig{});
}

}  // namespace

float inverse_sqrt(double value) { return static_cast<float>(1.0 / std::sqrt(value)); }

void set_window_of_all_layers(Config& config, int64_t window) {
  for (LayerConfig& layer : config.layers) layer.window = window;
}

Result<Config> config_from_gguf(const GgufFile& file, std::string_view architecture, NormKind norm) {
  GgufKeys keys(file, architecture);
  refuse_foreign_settings(keys);
  Config c;
  c.family = architecture;
  c.norm = norm;
  c.layer_count = keys.count("block_count", 1, Limits::kLayers);
  c.model_dim = keys.count("embedding_length", 1, Limits::kModelDim);
  c.context_length = keys.count("context_length", 1, Limits::kContext);
  const auto head_count = keys.find_count_of_layers("attention.head_count", 1, Limits::kHeads);
  if (!head_count) keys.fail(invalid_data("the file has no key " + keys.full_name("attention.head_count")));
  c.head_count = head_count.value_or(1);
  c.kv_head_count =
      keys.find_count_of_layers("attention.head_count_kv", 1, Limits::kHeads).value_or(c.head_count);
  c.head_dim =
      keys.count_or("attention.key_length", default_head_dim(c.model_dim, c.head_count), 1, Limits::kHeadDim);
  if (keys.count_or("attention.value_length", c.head_dim, 1, Limits::kHeadDim) != c.head_dim) {
    keys.fail(unsupported(keys.full_name("attention.value_length") + " differs from the key length"));
  }
  const auto ffn_dim = keys.find_count_of_layers("feed_forward_length", 1, Limits::kFfnDim);
  if (!ffn_dim) keys.fail(invalid_data("the file has no key " + keys.full_name("feed_forward_length")));
  c.ffn_dim = ffn_dim.value_or(1);
  const char* eps =
      norm == NormKind::kRms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon";
  c.norm_eps = static_cast<float>(keys.real(eps, 1e-30, 1.0));
  c.rope_dim = keys.count_or("rope.dimension_count", c.head_dim, 1, Limits::kHeadDim);
  auto [rope, context_length] =
      rope_from_gguf(keys, {.rope_dim = c.rope_dim, .context_length = c.context_length});
  c.ropes = {std::move(rope)};
  c.context_length = context_length;
  finish(c);
  set_window_of_all_layers(c, keys.count_or("attention.sliding_window", 0, 0, Limits::kContext));
  if (file.find_tensor("rope_factors_long.weight") != nullptr) c.ropes[0].by_context = LongRope{};
  if (auto* longer = std::get_if<LongRope>(&c.ropes[0].by_context)) {
    longer->original_context =
        keys.count_or("rope.scaling.original_context_length", c.context_length, 1, Limits::kContext);
    longer->magnitude = c.ropes[0].magnitude;
  }
  CAIRN_RETURN_IF_ERROR(keys.status());
  return c;
}

Result<Config> config_from_hf(const boost::json::object& config, std::string_view family,
                              const HfDefaults& defaults) {
  HfKeys keys(config, "config.json");
  Config c;
  c.family = family;
  c.layer_count = keys.count("num_hidden_layers", 1, Limits::kLayers);
  c.model_dim = keys.count("hidden_size", 1, Limits::kModelDim);
  c.context_length = keys.count("max_position_embeddings", 1, Limits::kContext);
  c.head_count = keys.count("num_attention_heads", 1, Limits::kHeads);
  c.kv_head_count = keys.count_or("num_key_value_heads", c.head_count, 1, Limits::kHeads);
  c.head_dim = keys.count_or("head_dim", default_head_dim(c.model_dim, c.head_count), 1, Limits::kHeadDim);
  c.ffn_dim = keys.count("intermediate_size", 1, Limits::kFfnDim);
  c.norm_eps = static_cast<float>(keys.real_or("rms_norm_eps", defaults.rms_norm_eps, 1e-30, 1.0));
  c.vocab_size = keys.find_count("vocab_size", 1, Limits::kVocab).value_or(0);
  keys.miss_too("vocab_size");  // weights would say it
  double turning = keys.real_or("partial_rotary_factor", 1.0, 0.0, 1.0);
  CAIRN_ASSIGN_OR_RETURN(const boost::json::object* rope, rope_parameters_of_all_layers(config));
  if (rope != nullptr) {
    HfKeys inner(*rope, "config.json: RoPE scaling");
    turning = inner.real_or("partial_rotary_factor", turning, 0.0, 1.0);
    CAIRN_RETURN_IF_ERROR(inner.status());
  }
  c.rope_dim = static_cast<int64_t>(static_cast<double>(c.head_dim) * turning);
  CAIRN_RETURN_IF_ERROR(keys.status());
  const RopeShape shape{
      .rope_dim = c.rope_dim, .context_length = c.context_length, .base = defaults.rope_theta};
  CAIRN_ASSIGN_OR_RETURN(ScaledRope scaled, rope_from_hf_config(config, shape));
  c.ropes = {std::move(scaled.rope)};
  c.context_length = scaled.context_length;
  finish(c);
  return c;
}

Status check_silu(const boost::json::object& config) {
  HfKeys keys(config, "config.json");
  const std::string name = keys.text_or("hidden_act", "silu");
  CAIRN_RETURN_IF_ERROR(keys.status());
  if (name == "silu" || name == "swish") return {};
  return unsupported("config.json: hidden_act = " + printable(name) + " is not the silu of this family");
}

Result<OutputMatrix> output_from_hf(const boost::json::object& config, OutputMatrix absent) {
  HfKeys keys(config, "config.json");
  const auto tied = keys.find_flag("tie_word_embeddings");
  CAIRN_RETURN_IF_ERROR(keys.status());
  if (!tied) return absent;
  return *tied ? OutputMatrix::kTied : OutputMatrix::kOwn;
}

}  // namespace cairn
