#include <fmt/format.h>

#include <string_view>

#include "model/fingerprint.h"

namespace cairn {
namespace {

std::string_view name_of(NormKind norm) { return norm == NormKind::kRms ? "rms" : "layer"; }

std::string_view name_of(Activation activation) {
  return activation == Activation::kSilu ? "silu" : "gelu_tanh";
}

std::string_view name_of(RopeStyle style) {
  switch (style) {
    case RopeStyle::kNone: return "none";
    case RopeStyle::kAdjacent: return "adjacent";
    case RopeStyle::kHalves: return "halves";
  }
  return "";
}

// Lines of name=value. Floating-point numbers are hexadecimal, so no bit of them is lost.
class Lines {
 public:
  void add(std::string_view name, std::string_view value) { text_ += fmt::format("{}={}\n", name, value); }
  void add(std::string_view name, int64_t value) { add(name, fmt::format("{}", value)); }
  void add(std::string_view name, double value) { add(name, fmt::format("{:a}", value)); }
  void add(std::string_view name, bool value) { add(name, std::string_view(value ? "yes" : "no")); }

  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

// The structured bindings below name every member: a new one does not compile until it has its line here.

void add_rope_kind(std::monostate, Lines& lines) {
  lines.add("rope.by_context", std::string_view("settled"));
}

void add_rope_kind(const LongRope& rope, Lines& lines) {
  const auto& [original_context, divisors, magnitude] = rope;
  lines.add("rope.by_context", std::string_view("longrope"));
  lines.add("rope.long.original_context", original_context);
  lines.add("rope.long.magnitude", magnitude);
  lines.add("rope.long.divisor_count", std::ssize(divisors));
  for (const double divisor : divisors) lines.add("rope.long.divisor", divisor);
}

void add_rope_kind(const DynamicNtk& rope, Lines& lines) {
  const auto& [original_context, factor] = rope;
  lines.add("rope.by_context", std::string_view("dynamic"));
  lines.add("rope.dynamic.original_context", original_context);
  lines.add("rope.dynamic.factor", factor);
}

void add_rope(const RopeConfig& rope, Lines& lines) {
  const auto& [base, divisors, magnitude, by_context] = rope;
  lines.add("rope.base", base);
  lines.add("rope.magnitude", magnitude);
  lines.add("rope.divisor_count", std::ssize(divisors));
  for (const double divisor : divisors) lines.add("rope.divisor", divisor);
  std::visit([&](const auto& kind) { add_rope_kind(kind, lines); }, by_context);
}

void add_layer(const LayerConfig& layer, Lines& lines) {
  const auto& [window, rope] = layer;
  lines.add("layer.window", window);
  lines.add("layer.rope", rope);
}

}  // namespace

std::string config_text(const Config& config) {
  const auto& [family, layer_count, model_dim, head_count, kv_head_count, head_dim, ffn_dim, vocab_size,
               context_length, norm, norm_eps, qk_norm, post_norms, activation, gated_ffn, rope_style,
               rope_dim, ropes, learned_positions, attention_scale, attention_soft_cap, final_soft_cap,
               embedding_scale, layers] = config;
  Lines lines;
  lines.add("family", std::string_view(family));
  lines.add("layer_count", layer_count);
  lines.add("model_dim", model_dim);
  lines.add("head_count", head_count);
  lines.add("kv_head_count", kv_head_count);
  lines.add("head_dim", head_dim);
  lines.add("ffn_dim", ffn_dim);
  lines.add("vocab_size", vocab_size);
  lines.add("context_length", context_length);
  lines.add("norm", name_of(norm));
  lines.add("norm_eps", double{norm_eps});
  lines.add("qk_norm", qk_norm);
  lines.add("post_norms", post_norms);
  lines.add("activation", name_of(activation));
  lines.add("gated_ffn", gated_ffn);
  lines.add("rope_style", name_of(rope_style));
  lines.add("rope_dim", rope_dim);
  lines.add("rope_count", std::ssize(ropes));
  for (const RopeConfig& rope : ropes) add_rope(rope, lines);
  lines.add("learned_positions", learned_positions);
  lines.add("attention_scale", double{attention_scale});
  lines.add("attention_soft_cap", double{attention_soft_cap});
  lines.add("final_soft_cap", double{final_soft_cap});
  lines.add("embedding_scale", double{embedding_scale});
  for (const LayerConfig& layer : layers) add_layer(layer, lines);
  return lines.take();
}

}  // namespace cairn
