#include "model/families/gemma_common.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <cmath>

#include "base/printable.h"
#include "model/families/keys.h"
#include "model/families/settings.h"

namespace cairn {

void make_gemma(Config& config) {
  config.activation = Activation::kGeluTanh;
  config.embedding_scale = static_cast<float>(std::sqrt(static_cast<double>(config.model_dim)));
}

TensorNames gemma_hf_names() {
  TensorNames names = hf_names();
  names.norm_add = 1;
  return names;
}

TensorNames gemma_hf_names_with_post_norms() {
  TensorNames names = gemma_hf_names();
  names.attention_post_norm = "post_attention_layernorm";
  names.ffn_norm = "pre_feedforward_layernorm";
  names.ffn_post_norm = "post_feedforward_layernorm";
  return names;
}

Status check_gelu_tanh(const boost::json::object& config) {
  HfKeys keys(config, "config.json");
  // hidden_act is a leftover (some files say gelu, some silu); transformers reads hidden_activation, and
  // takes the tanh form where it is absent.
  const std::string name = keys.text_or("hidden_activation", "gelu_pytorch_tanh");
  CAIRN_RETURN_IF_ERROR(keys.status());
  if (name == "gelu_pytorch_tanh") return {};
  return unsupported("config.json: hidden_activation = " + printable(name) +
                     " is not the gelu_pytorch_tanh of this family");
}

Status read_soft_caps(const GgufFile& file, SoftCaps absent, Config& config) {
  GgufKeys keys(file, config.family);
  config.attention_soft_cap = static_cast<float>(
      keys.real_or("attn_logit_softcapping", static_cast<double>(absent.attention), 0, 1e9));
  config.final_soft_cap =
      static_cast<float>(keys.real_or("final_logit_softcapping", static_cast<double>(absent.final), 0, 1e9));
  return keys.status();
}

Status read_soft_caps(const boost::json::object& settings, SoftCaps absent, Config& config) {
  HfKeys keys(settings, "config.json");
  // null is a value here (no cap), not an absence.
  const auto read = [&](const char* key, float fallback) {
    return static_cast<float>(
        keys.real_or(key, settings.contains(key) ? 0.0 : static_cast<double>(fallback), 0, 1e9));
  };
  config.attention_soft_cap = read("attn_logit_softcapping", absent.attention);
  config.final_soft_cap = read("final_logit_softcapping", absent.final);
  return keys.status();
}

void set_gguf_attention_scale(Config& config, int64_t layer_count_of_27b) {
  if (config.layer_count != layer_count_of_27b) return;
  const int64_t width_of_head = config.model_dim / config.head_count;
  config.attention_scale = inverse_sqrt(static_cast<double>(width_of_head));
}

Status read_hf_attention_scale(const boost::json::object& settings, Config& config) {
  HfKeys keys(settings, "config.json");
  config.attention_scale = inverse_sqrt(keys.real_or("query_pre_attn_scalar", 256, 1e-6, 1e9));
  return keys.status();
}

void set_alternating_windows(Config& config, int64_t window, int64_t pattern) {
  for (int64_t i = 0; i < config.layer_count; ++i) {
    config.layers[static_cast<size_t>(i)].window = (i + 1) % pattern == 0 ? 0 : window;
  }
}

Status read_gguf_windows(const GgufFile& file, int64_t window, int64_t default_pattern, Config& config) {
  constexpr std::string_view kPattern = "attention.sliding_window_pattern";
  GgufKeys keys(file, config.family);
  const auto list = keys.find_list(kPattern);
  if (!list) {
    const int64_t pattern = keys.count_or(kPattern, default_pattern, 1, ConfigLimits::kLayers);
    if (keys.status().ok()) set_alternating_windows(config, window, pattern);
    return keys.status();
  }
  if (std::ssize(*list) != config.layer_count) {
    return invalid_data(keys.full_name(kPattern) + " has " + std::to_string(list->size()) + " entries for " +
                        std::to_string(config.layer_count) + " layers");
  }
  for (size_t i = 0; i < list->size(); ++i) config.layers[i].window = (*list)[i] != 0 ? window : 0;
  return {};
}

namespace {

// "sliding_window_pattern" as a list, as in GGUF: of each layer, whether it is local.
Status read_hf_pattern_list(const boost::json::array& list, int64_t window, Config& config) {
  const auto is_flag = [](const boost::json::value& value) {
    return value.is_bool() || (value.is_int64() && (value == 0 || value == 1));
  };
  if (std::ssize(config.layers) != static_cast<std::ptrdiff_t>(list.size()) ||
      !std::ranges::all_of(list, is_flag)) {
    return invalid_data(
        "config.json: sliding_window_pattern is neither a number nor a list of true or false for each of " +
        std::to_string(config.layer_count) + " layers");
  }
  for (size_t i = 0; i < list.size(); ++i) {
    config.layers[i].window = list[i] == true || list[i] == 1 ? window : 0;
  }
  return {};
}

Status read_hf_pattern(HfKeys& keys, int64_t window, int64_t default_pattern, Config& config) {
  constexpr std::string_view kPattern = "sliding_window_pattern";
  const boost::json::value* value = keys.find(kPattern);
  if (value != nullptr && value->is_array()) return read_hf_pattern_list(value->get_array(), window, config);
  const int64_t pattern = keys.count_or(kPattern, default_pattern, 1, ConfigLimits::kLayers);
  CAIRN_RETURN_IF_ERROR(keys.status());
  set_alternating_windows(config, window, pattern);
  return {};
}

}  // namespace

Status read_hf_windows(const boost::json::object& settings, int64_t default_window, int64_t default_pattern,
                       Config& config) {
  HfKeys keys(settings, "config.json");
  const int64_t window = keys.count_or("sliding_window", default_window, 1, ConfigLimits::kContext);
  CAIRN_RETURN_IF_ERROR(keys.status());
  CAIRN_RETURN_IF_ERROR(read_hf_pattern(keys, window, default_pattern, config));
  const boost::json::value* types = keys.find("layer_types");
  if (types == nullptr) return {};
  if (!types->is_array() || static_cast<int64_t>(types->get_array().size()) != config.layer_count) {
    return invalid_data("config.json: layer_types is not an array of num_hidden_layers names");
  }
  for (size_t i = 0; i < config.layers.size(); ++i) {
    const boost::json::value& type = types->get_array()[i];
    if (type == "sliding_attention") {
      config.layers[i].window = window;
    } else if (type == "full_attention") {
      config.layers[i].window = 0;
    } else {
      return unsupported(
          "config.json: layer_types names a kind of layer other than sliding_attention and "
          "full_attention, which Cairn does not run");
    }
  }
  return {};
}

}  // namespace cairn
