// GPT-2: learned positions instead of RoPE, LayerNorm with bias, biases everywhere, fused q/k/v, a plain GELU
// ffn. Hugging Face folders hold the matrices as [in, out], with or without "transformer." before each name.
#include "base/printable.h"
#include "model/families/family.h"
#include "model/families/settings.h"

namespace cairn {
namespace {

void make_gpt2(Config& config) {
  config.norm = NormKind::kLayer;
  config.activation = Activation::kGeluTanh;
  config.gated_ffn = false;
  config.learned_positions = true;
  config.rope_style = RopeStyle::kNone;
  config.rope_dim = 0;
  config.ropes.clear();
}

TensorNames with_gpt2_biases(TensorNames names) {
  names.norm_bias = names.query_key_value_bias = names.attention_output_bias = names.ffn_bias =
      Bias::kRequired;
  return names;
}

TensorNames gpt2_hf_names(const HfFolder& folder) {
  const std::string prefix = folder.find_tensor("transformer.ln_f.weight") != nullptr ? "transformer." : "";
  TensorNames names = with_gpt2_biases(TensorNames{});
  names.token_embedding = prefix + "wte";
  names.position_embedding = prefix + "wpe";
  names.final_norm = prefix + "ln_f";
  names.output = "lm_head";
  names.layer_prefix = prefix + "h.";
  names.attention_norm = "ln_1";
  names.query_key_value = "attn.c_attn";
  names.attention_output = "attn.c_proj";
  names.ffn_norm = "ln_2";
  names.up = "mlp.c_fc";
  names.down = "mlp.c_proj";
  names.layout = MatrixLayout::kColumnsAreOutputs;
  names.ignored = {".attn.bias", ".attn.masked_bias"};  // causal masks that old files carry
  return names;
}

// Maps GPT-2's names of the settings to those that config_from_hf reads.
boost::json::object renamed(const boost::json::object& config) {
  boost::json::object settings = config;
  const std::pair<const char*, const char*> words[] = {
      {"n_layer", "num_hidden_layers"},  {"n_embd", "hidden_size"},
      {"n_head", "num_attention_heads"}, {"n_positions", "max_position_embeddings"},
      {"n_inner", "intermediate_size"},  {"layer_norm_epsilon", "rms_norm_eps"}};
  for (const auto& [from, to] : words) {
    if (const auto* value = config.if_contains(from); value != nullptr && !value->is_null())
      settings[to] = *value;
  }
  return settings;
}

Status check_variant(const boost::json::object& config) {
  HfKeys keys(config, "config.json");
  const std::string activation = keys.text_or("activation_function", "gelu_new");
  if (activation != "gelu_new" && activation != "gelu_pytorch_tanh") {
    return unsupported("config.json: activation_function = " + printable(activation) +
                       " is not the gelu_new of this family");
  }
  if (!keys.flag_or("scale_attn_weights", true)) {
    return unsupported("config.json: scale_attn_weights = false is not supported");
  }
  for (const char* key : {"scale_attn_by_inverse_layer_idx", "add_cross_attention"}) {
    if (keys.flag_or(key, false))
      return unsupported("config.json: " + std::string(key) + " = true is not supported");
  }
  return keys.status();
}

}  // namespace

Result<ModelPlan> gpt2_from_gguf(const GgufFile& file) {
  CAIRN_ASSIGN_OR_RETURN(Config config, config_from_gguf(file, "gpt2", NormKind::kLayer));
  make_gpt2(config);
  TensorNames names = with_gpt2_biases(gguf_names());
  names.query_key_value = "attn_qkv";
  return assemble(std::move(config), file.tensors(), names);
}

Result<ModelPlan> gpt2_from_hf(const HfFolder& folder) {
  CAIRN_RETURN_IF_ERROR(check_variant(folder.config()));
  boost::json::object settings = renamed(folder.config());
  HfKeys keys(settings, "config.json");
  settings.emplace("intermediate_size", 4 * keys.count("hidden_size", 1, ConfigLimits::kModelDim));
  CAIRN_RETURN_IF_ERROR(keys.status());
  CAIRN_ASSIGN_OR_RETURN(Config config, config_from_hf(settings, "gpt2", {.rms_norm_eps = 1e-5}));
  make_gpt2(config);
  TensorNames names = gpt2_hf_names(folder);
  names.usual_vocab_size = 50257;
  CAIRN_ASSIGN_OR_RETURN(names.output_matrix, output_from_hf(settings, OutputMatrix::kTied));
  return assemble(std::move(config), folder, names);
}

}  // namespace cairn
