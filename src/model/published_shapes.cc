#include "model/published_shapes.h"

#include <array>
#include <cstdint>
#include <string>

namespace cairn {
namespace {

struct Row {
  std::string_view name, model_type;
  int64_t layers, dim, heads, kv_heads, head_dim, ffn, vocab, context;
  double rope_base;
  bool tied;
  int64_t window = 0;
  double turning = 1;  // part of a head that RoPE turns
};

// Sources: the models' config.json files on Hugging Face; GPT-3: Brown et al. 2020, arXiv:2005.14165,
// table 2.1; OPT: Zhang et al. 2022, arXiv:2205.01068, table 1.
constexpr Row kRows[] = {
    {"gpt2", "gpt2", 12, 768, 12, 12, 64, 3072, 50257, 1024, 0, true},
    {"llama2-7b", "llama", 32, 4096, 32, 32, 128, 11008, 32000, 4096, 1e4, false},
    {"llama2-70b", "llama", 80, 8192, 64, 8, 128, 28672, 32000, 4096, 1e4, false},
    {"llama3-8b", "llama", 32, 4096, 32, 8, 128, 14336, 128256, 8192, 5e5, false},
    {"llama3.1-8b", "llama", 32, 4096, 32, 8, 128, 14336, 128256, 131072, 5e5, false},
    {"qwen3-8b", "qwen3", 36, 4096, 32, 8, 128, 12288, 151936, 40960, 1e6, false},
    {"qwen3-0.6b", "qwen3", 28, 1024, 16, 8, 128, 3072, 151936, 40960, 1e6, true},
    {"mistral-7b", "mistral", 32, 4096, 32, 8, 128, 14336, 32000, 32768, 1e4, false, 4096},
    {"gemma-2b", "gemma", 18, 2048, 8, 1, 256, 16384, 256000, 8192, 1e4, true},
    {"gemma3-1b", "gemma3_text", 26, 1152, 4, 1, 256, 6912, 262144, 32768, 1e6, true, 512},
    {"gemma3-4b", "gemma3_text", 34, 2560, 8, 4, 256, 10240, 262208, 131072, 1e6, true, 1024},
    {"gemma3-12b", "gemma3_text", 48, 3840, 16, 8, 256, 15360, 262208, 131072, 1e6, true, 1024},
    {"phi-4-mini", "phi3", 32, 3072, 24, 8, 128, 8192, 200064, 131072, 1e4, true, 0, 0.75},
    {"gpt3", "gpt2", 96, 12288, 96, 96, 128, 49152, 50257, 2048, 0, true},
    {"opt-30b", "gpt2", 48, 7168, 56, 56, 128, 28672, 50272, 2048, 0, true},
};

// Mixtures of experts, which Cairn does not run.
constexpr PublishedCacheShape kCacheShapes[] = {
    {"qwen3-30b-a3b", 48, 32, 4, 128, 40960},
    {"gpt-oss-20b", 24, 64, 8, 64, 131072},
};

constexpr auto kNames = [] {
  std::array<std::string_view, std::size(kRows)> names;
  for (size_t i = 0; i < names.size(); ++i) names[i] = kRows[i].name;
  return names;
}();

boost::json::object gpt2_config(const Row& row) {
  return {{"model_type", "gpt2"},   {"n_layer", row.layers}, {"n_embd", row.dim},
          {"n_head", row.heads},    {"n_inner", row.ffn},    {"n_positions", row.context},
          {"vocab_size", row.vocab}};
}

boost::json::object llama_like_config(const Row& row) {
  boost::json::object config{{"model_type", std::string(row.model_type)},
                             {"num_hidden_layers", row.layers},
                             {"hidden_size", row.dim},
                             {"num_attention_heads", row.heads},
                             {"num_key_value_heads", row.kv_heads},
                             {"head_dim", row.head_dim},
                             {"intermediate_size", row.ffn},
                             {"vocab_size", row.vocab},
                             {"max_position_embeddings", row.context},
                             {"rope_theta", row.rope_base},
                             {"tie_word_embeddings", row.tied}};
  if (row.window > 0) config["sliding_window"] = row.window;
  if (row.turning < 1) config["partial_rotary_factor"] = row.turning;
  return config;
}

}  // namespace

std::span<const std::string_view> published_shape_names() { return kNames; }

std::span<const PublishedCacheShape> published_cache_shapes() { return kCacheShapes; }

std::optional<boost::json::object> published_config(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name) return row.model_type == "gpt2" ? gpt2_config(row) : llama_like_config(row);
  }
  return std::nullopt;
}

}  // namespace cairn
