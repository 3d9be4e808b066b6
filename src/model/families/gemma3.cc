// Gemma 3, text part: Gemma 2 with a norm of each query and key head in place of the soft caps, five local
// layers to each global one, and two RoPE bases: local layers use one of their own, without scaling. The
// multimodal folders (model_type gemma3) hold the same settings under text_config and a vision tower that is
// ignored.
#include <array>
#include <boost/json/value.hpp>
#include <initializer_list>

#include "base/printable.h"
#include "model/families/family.h"
#include "model/families/gemma_common.h"
#include "model/families/rope_scaling.h"
#include "model/families/settings.h"

namespace cairn {
namespace {

constexpr int64_t kGemma3Window = 4096;  // the default of transformers, for a config.json without it
// What the published models have, for a GGUF file without it.
constexpr int64_t kSmallModelsWindow = 512;
constexpr int64_t kLargeModelsWindow = 1024;
constexpr int64_t kLayersOf4b = 34;  // the smallest of the large ones
constexpr int64_t kGemma3Pattern = 6;
constexpr int64_t kLayersOf27b = 62;
constexpr double kLocalBase = 10000.0;
constexpr double kGlobalBase = 1000000.0;

// ropes[0] is the global one; local layers get ropes[1].
void add_local_rope(Config& config, RopeConfig local) {
  config.ropes.push_back(std::move(local));
  for (LayerConfig& layer : config.layers) layer.rope = layer.window > 0 ? 1 : 0;
}

// Published files omit fields that have these default values in transformers; inside text_config, any field.
boost::json::object with_defaults(const boost::json::object& config) {
  const boost::json::value* text = config.if_contains("text_config");
  const bool is_inside = text != nullptr && text->is_object();
  boost::json::object settings = is_inside ? text->get_object() : config;
  if (is_inside) {
    settings.emplace("hidden_size", 2304);
    settings.emplace("intermediate_size", 9216);
    settings.emplace("num_hidden_layers", 26);
  }
  settings.emplace("num_attention_heads", 8);
  settings.emplace("num_key_value_heads", 4);
  settings.emplace("head_dim", 256);
  settings.emplace("max_position_embeddings", 131072);
  for (const char* outer : {"tie_word_embeddings", "quantization_config"}) {
    if (const auto* value = config.if_contains(outer)) settings.emplace(outer, *value);
  }
  return settings;
}

// rope_parameters of newer files has one object for each kind of layer; older ones have plain fields.
constexpr std::string_view kGlobalLayers = "full_attention";
constexpr std::string_view kLocalLayers = "sliding_attention";

Status check_kinds_of_layers(const boost::json::object& parameters) {
  for (const auto& [kind, value] : parameters) {
    if (kind == kGlobalLayers || kind == kLocalLayers) continue;
    return unsupported("config.json: RoPE has settings for \"" + printable(kind) +
                       "\" beside those for kinds of layers, which Cairn does not run");
  }
  return {};
}

// The settings that all layers share: without those of kinds of layers.
Result<boost::json::object> without_kinds_of_layers(boost::json::object settings) {
  CAIRN_ASSIGN_OR_RETURN(const boost::json::object* parameters, find_rope_parameters(settings));
  if (parameters == nullptr || !has_kinds_of_layers(*parameters)) return settings;
  CAIRN_RETURN_IF_ERROR(check_kinds_of_layers(*parameters));
  settings.erase("rope_parameters");
  settings.erase("rope_scaling");
  return settings;
}

Status read_ropes(const boost::json::object& settings, Config& config) {
  HfKeys keys(settings, "config.json");
  double local_base = keys.real_or("rope_local_base_freq", kLocalBase, 1.001, ConfigLimits::kRopeBase);
  CAIRN_RETURN_IF_ERROR(keys.status());
  const boost::json::object* local_parameters = nullptr;
  CAIRN_ASSIGN_OR_RETURN(const boost::json::object* parameters, find_rope_parameters(settings));
  if (parameters != nullptr && has_kinds_of_layers(*parameters)) {
    HfKeys kinds(*parameters, "config.json: RoPE scaling");
    const boost::json::object* global_parameters = kinds.find_object(kGlobalLayers);
    local_parameters = kinds.find_object(kLocalLayers);
    CAIRN_RETURN_IF_ERROR(kinds.status());
    if (global_parameters != nullptr) {
      const RopeShape global{
          .rope_dim = config.rope_dim, .context_length = config.context_length, .base = kGlobalBase};
      CAIRN_ASSIGN_OR_RETURN(ScaledRope scaled, rope_from_hf(global_parameters, global));
      config.ropes[0] = std::move(scaled.rope);
      config.context_length = scaled.context_length;
    }
  }
  const RopeShape local{
      .rope_dim = config.rope_dim, .context_length = config.context_length, .base = local_base};
  CAIRN_ASSIGN_OR_RETURN(ScaledRope scaled, rope_from_hf(local_parameters, local));
  add_local_rope(config, std::move(scaled.rope));
  return {};
}

// The beginnings of the names under which some converters keep the vision tower beside the language model.
constexpr auto kVisionTensors = std::to_array<std::string_view>(
    {"v.blk.", "v.patch_embed", "v.position_embed", "v.post_layernorm", "v.post_ln", "mm."});

// The same setting under the names of two converters.
double base_of(GgufKeys& keys, std::initializer_list<std::string_view> names, double fallback) {
  for (const std::string_view name : names) {
    if (keys.has(name)) return keys.real(name, 1.001, ConfigLimits::kRopeBase);
  }
  return fallback;
}

// Multimodal folders prefix the language model's names, one way before transformers 4.52 and another since.
void find_prefix(const HfFolder& folder, TensorNames& names) {
  for (const char* prefix : {"language_model.model.", "model.language_model."}) {
    if (folder.find_tensor(std::string(prefix) + "norm.weight") == nullptr) continue;
    names.token_embedding = std::string(prefix) + "embed_tokens";
    names.final_norm = std::string(prefix) + "norm";
    names.layer_prefix = std::string(prefix) + "layers.";
    names.ignored.insert(names.ignored.end(), {"vision_tower.", "multi_modal_projector."});
    if (std::string_view(prefix) == "language_model.model.") names.output = "language_model.lm_head";
  }
}

}  // namespace

Result<ModelPlan> gemma3_from_gguf(const GgufFile& file) {
  CAIRN_ASSIGN_OR_RETURN(Config config, config_from_gguf(file, "gemma3"));
  make_gemma(config);
  config.post_norms = config.qk_norm = true;
  CAIRN_RETURN_IF_ERROR(read_soft_caps(file, {}, config));
  GgufKeys keys(file, "gemma3");
  const bool has_window = keys.has("attention.sliding_window");
  const int64_t usual = config.layer_count < kLayersOf4b ? kSmallModelsWindow : kLargeModelsWindow;
  const int64_t window = keys.count_or("attention.sliding_window", usual, 1, ConfigLimits::kContext);
  CAIRN_RETURN_IF_ERROR(read_gguf_windows(file, window, kGemma3Pattern, config));
  // Without a base in the file the global one is transformers' default, not Llama's.
  config.ropes[0].base = base_of(keys, {"rope.freq_base", "rope.global.freq_base"}, kGlobalBase);
  RopeConfig local;
  local.base = base_of(keys, {"rope.freq_base_swa", "rope.local.freq_base"}, kLocalBase);
  add_local_rope(config, std::move(local));
  set_gguf_attention_scale(config, kLayersOf27b);
  CAIRN_RETURN_IF_ERROR(keys.status());
  TensorNames names = gguf_names();
  names.ignored.insert(names.ignored.end(), kVisionTensors.begin(), kVisionTensors.end());
  CAIRN_ASSIGN_OR_RETURN(ModelPlan plan, assemble(std::move(config), file.tensors(), names));
  if (!has_window) {
    plan.notes.push_back("gemma3.attention.sliding_window is missing: " + std::to_string(window) +
                         " is assumed, which the published models of this size have");
  }
  return plan;
}

Result<ModelPlan> gemma3_from_hf(const HfFolder& folder) {
  const boost::json::object settings = with_defaults(folder.config());
  CAIRN_RETURN_IF_ERROR(check_gelu_tanh(settings));
  CAIRN_ASSIGN_OR_RETURN(const boost::json::object shared, without_kinds_of_layers(settings));
  CAIRN_ASSIGN_OR_RETURN(Config config, config_from_hf(shared, "gemma3", {.rope_theta = kGlobalBase}));
  make_gemma(config);
  config.post_norms = config.qk_norm = true;
  HfKeys keys(settings, "config.json");
  if (keys.flag_or("use_bidirectional_attention", false)) {
    return unsupported("config.json: use_bidirectional_attention is true: only causal models are supported");
  }
  CAIRN_RETURN_IF_ERROR(keys.status());
  CAIRN_RETURN_IF_ERROR(read_soft_caps(settings, {}, config));
  CAIRN_RETURN_IF_ERROR(read_hf_windows(settings, kGemma3Window, kGemma3Pattern, config));
  CAIRN_RETURN_IF_ERROR(read_ropes(settings, config));
  CAIRN_RETURN_IF_ERROR(read_hf_attention_scale(settings, config));
  TensorNames names = gemma_hf_names_with_post_norms();
  find_prefix(folder, names);
  names.usual_vocab_size = 262208;
  CAIRN_ASSIGN_OR_RETURN(names.output_matrix, output_from_hf(settings, OutputMatrix::kTied));
  return assemble(std::move(config), folder, names);
}

}  // namespace cairn
