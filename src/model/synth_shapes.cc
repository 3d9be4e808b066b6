#include "model/synth_shapes.h"

#include <array>
#include <cmath>

#include "model/synth.h"

namespace cairn {
namespace {

using enum SynthVocabularyKind;
using enum SynthOutput;

struct Row {
  std::string_view name, family;
  int64_t layers, dim, heads, kv_heads, head_dim, ffn, vocab, context;
  double rope_base;
  float eps;
  SynthOutput output;
  SynthVocabularyKind vocabulary;
  int64_t window = 0;
};

// Real shapes as their authors published them. The tiny ones: all rows are multiples of 32 (so that the small
// quantised types fit), windows shorter and longer than a block of 32 positions, an unusual eps where a
// family's own is too small to be seen. tiny-256's rows are all multiples of 256, for the K-quants.
constexpr Row kRows[] = {
    {"tinyllama-1.1b", "llama", 22, 2048, 32, 4, 64, 5632, 32000, 2048, 1e4, 1e-5F, kOwn, kSentencePiece},
    {"qwen3-0.6b", "qwen3", 28, 1024, 16, 8, 128, 3072, 151936, 40960, 1e6, 1e-6F, kTied, kQwen2},
    {"llama-110m", "llama", 12, 768, 12, 12, 64, 2048, 32000, 1024, 1e4, 1e-5F, kTied, kSentencePiece},
    {"gpt2-124m", "gpt2", 12, 768, 12, 12, 64, 3072, 50257, 1024, 0, 1e-5F, kTied, kGpt2},
    {"smollm2-135m", "llama", 30, 576, 9, 3, 64, 1536, 49152, 8192, 1e5, 1e-5F, kTied, kSmolLm},
    {"gemma-2b-like", "gemma", 18, 2048, 8, 1, 256, 16384, 256000, 8192, 1e4, 1e-6F, kTied, kSentencePiece},
    {"tiny-llama", "llama", 4, 64, 4, 2, 16, 96, 512, 2048, 1e4, 1e-5F, kOwn, kSentencePiece},
    {"tiny-llama3-rope", "llama3-rope", 3, 64, 4, 2, 16, 96, 512, 2048, 2e4, 1e-3F, kTied, kQwen2},
    {"tiny-mistral", "mistral", 3, 64, 4, 2, 24, 96, 512, 2048, 1e4, 1e-3F, kOwn, kSentencePiece, 24},
    {"tiny-qwen2", "qwen2", 3, 64, 4, 2, 16, 96, 512, 2048, 1e6, 1e-3F, kTied, kQwen2},
    {"tiny-qwen3", "qwen3", 3, 64, 4, 2, 32, 96, 512, 2048, 1e6, 1e-3F, kTied, kQwen2},
    {"tiny-gemma", "gemma", 3, 64, 4, 1, 24, 96, 512, 2048, 1e4, 1e-3F, kTied, kSentencePiece},
    {"tiny-gemma2", "gemma2", 4, 64, 4, 2, 24, 96, 512, 2048, 1e4, 1e-3F, kTied, kSentencePiece, 40},
    {"tiny-gemma3", "gemma3", 7, 64, 4, 1, 16, 96, 512, 2048, 1e6, 1e-3F, kTied, kSentencePiece, 24},
    {"tiny-gpt2", "gpt2", 3, 64, 4, 4, 16, 256, 512, 2048, 0, 1e-3F, kTied, kGpt2},
    {"tiny-phi3", "phi3", 3, 96, 8, 4, 12, 96, 512, 2048, 1e4, 1e-3F, kOwn, kSentencePiece},
    {"tiny-phi3-long", "phi3-long", 3, 96, 8, 4, 12, 96, 512, 2048, 1e4, 1e-3F, kOwn, kSentencePiece},
    {"tiny-256", "llama", 2, 256, 4, 2, 64, 512, 512, 2048, 1e4, 1e-5F, kOwn, kSentencePiece},
};

constexpr auto kNames = [] {
  std::array<std::string_view, std::size(kRows)> names;
  for (size_t i = 0; i < names.size(); ++i) names[i] = kRows[i].name;
  return names;
}();

Config common_config(const Row& row) {
  Config c;
  c.family = row.family;
  c.layer_count = row.layers;
  c.model_dim = row.dim;
  c.head_count = row.heads;
  c.kv_head_count = row.kv_heads;
  c.head_dim = row.head_dim;
  c.ffn_dim = row.ffn;
  c.vocab_size = row.vocab;
  c.context_length = row.context;
  c.norm_eps = row.eps;
  c.rope_dim = row.head_dim;
  c.ropes = {{row.rope_base, {}, 1.0}};
  c.attention_scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(row.head_dim)));
  c.layers.assign(static_cast<size_t>(row.layers), LayerConfig{row.window, 0});
  return c;
}

// Only what synth.cc needs to know of a family: which tensors there are, and what scales them.
void apply_family(std::string_view family, Config& c) {
  c.qk_norm = family == "qwen3" || family == "gemma3";
  c.post_norms = family == "gemma2" || family == "gemma3";
  if (family.starts_with("gemma")) {
    c.embedding_scale = static_cast<float>(std::sqrt(static_cast<double>(c.model_dim)));
  }
  if (family == "gemma2") {  // small enough to bite
    c.attention_soft_cap = 6;
    c.final_soft_cap = 12;
  }
  if (family == "phi3-long") {  // turns a part of each head; an original context that a short text leaves
    c.rope_dim = 8;
    c.ropes[0].divisors = {1.0, 1.5, 2.0, 2.5};
    c.ropes[0].magnitude = 1.25;
    c.ropes[0].by_context =
        LongRope{.original_context = 64, .divisors = {1.0, 3.0, 6.0, 12.0}, .magnitude = 1.25};
  }
  if (family == "gpt2") {
    c.norm = NormKind::kLayer;
    c.gated_ffn = false;
    c.learned_positions = true;
    c.rope_style = RopeStyle::kNone;
  }
}

}  // namespace

std::span<const std::string_view> synth_shape_names() { return kNames; }

std::optional<SynthShape> synth_shape(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name != name) continue;
    SynthShape shape{std::string(row.family), common_config(row), row.vocabulary, row.output};
    apply_family(row.family, shape.config);
    if (row.family == "mistral" || row.family == "llama3-rope") shape.architecture = "llama";
    if (row.family == "phi3-long") shape.architecture = "phi3";
    return shape;
  }
  return std::nullopt;
}

}  // namespace cairn
