#include "kv/kv_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace cairn {
namespace {

std::string retention_text(const Visibility& retention) {
  if (retention.sinks == 0) return fmt::format("window={}", retention.window);
  return fmt::format("sinks={},window={}", retention.sinks, retention.window);
}

std::string_view axis_word(KvAxis axis) { return axis == KvAxis::kToken ? ":token" : ":channel"; }

Status check_rotation(const KvCodec& codec, int64_t head_dim) {
  if (codec.transform == KvTransform::kNone || kv_can_rotate(head_dim)) return {};
  return invalid_argument(fmt::format(
      "KV plan: \"hadamard\" needs heads of a power of two of elements; this model's have {}", head_dim));
}

}  // namespace

KvPlan::KvPlan(const KvLayerCodecs& codecs)
    : rules_{Rule{.codecs = {.keys = codecs.keys, .values = codecs.values}}} {}

KvPlan::KvPlan(KvFormat format)
    : rules_{Rule{.codecs = {.keys = choice_of(format), .values = choice_of(format)}}} {}

std::string kv_codec_name(const KvCodec& codec) {
  return fmt::format("{}{}{}", kv_format_info(codec.format).name,
                     kv_is_integer(codec.format) ? axis_word(codec.axis) : "",
                     codec.transform == KvTransform::kHadamard ? ":hadamard" : "");
}

// Of floats there is one codec, so that a plan has one form.
KvPlan::Choice KvPlan::choice_of(KvFormat format) {
  if (kv_is_integer(format)) return format;
  return KvCodec{.format = format};
}

std::string KvPlan::choice_text(const Choice& choice) {
  if (const auto* codec = std::get_if<KvCodec>(&choice)) return kv_codec_name(*codec);
  return std::string(kv_format_info(std::get<KvFormat>(choice)).name);
}

std::string KvPlan::choices_text(const Choices& choices) {
  if (choices.keys == choices.values) return choice_text(choices.keys);
  return fmt::format("k={},v={}", choice_text(choices.keys), choice_text(choices.values));
}

// Behind a selector, if any.
std::string KvPlan::what_text(const Rule& rule) {
  if (rule.retention.sees_all()) return choices_text(rule.codecs);
  const std::string retention = retention_text(rule.retention);
  return rule.codecs == Choices{} ? retention : choices_text(rule.codecs) + "," + retention;
}

Result<KvCodec> KvPlan::resolve_choice(const Choice& choice, int64_t head_dim) {
  const auto* codec = std::get_if<KvCodec>(&choice);
  if (codec == nullptr) return kv_best_codec(std::get<KvFormat>(choice), head_dim);
  CAIRN_RETURN_IF_ERROR(check_rotation(*codec, head_dim));
  return *codec;
}

std::string KvPlan::selector_text(const Rule& rule) {
  if (rule.selector == Selector::kAll) return "";
  if (rule.selector == Selector::kRest) return "rest: ";
  const bool is_one = rule.ranges.size() == 1 && rule.ranges[0].first == rule.ranges[0].last;
  std::string text = is_one ? "layer " : "layers ";
  for (const Range& range : rule.ranges) {
    if (&range != rule.ranges.data()) text += ",";
    text += range.first == range.last ? fmt::format("{}", range.first)
                                      : fmt::format("{}-{}", range.first, range.last);
  }
  return text + ": ";
}

void KvPlan::merge_rules() {
  const auto says_as_first = [&](const Rule& rule) {
    return rule.codecs == rules_[0].codecs && rule.retention == rules_[0].retention;
  };
  const auto names_the_rest = [](const Rule& rule) { return rule.selector != Selector::kRanges; };
  if (!std::ranges::all_of(rules_, says_as_first) || std::ranges::none_of(rules_, names_the_rest)) return;
  rules_.resize(1);
  rules_[0].selector = Selector::kAll;
  rules_[0].ranges.clear();
}

KvPlan KvPlan::with_codecs(const KvPlan& of_one_codec) const {
  CHECK(of_one_codec.rules_.size() == 1);
  KvPlan changed = *this;
  for (Rule& rule : changed.rules_) rule.codecs = of_one_codec.rules_[0].codecs;
  changed.merge_rules();
  return changed;
}

KvPlan KvPlan::with_retention(const Visibility& retention) const {
  KvPlan changed = *this;
  for (Rule& rule : changed.rules_) rule.retention = retention;
  changed.merge_rules();
  return changed;
}

KvPlan KvPlan::without_sinks() const {
  KvPlan changed = *this;
  for (Rule& rule : changed.rules_) rule.retention.sinks = 0;
  changed.merge_rules();
  return changed;
}

std::string KvPlan::text() const {
  std::string text;
  for (const Rule& rule : rules_) {
    if (&rule != rules_.data()) text += "; ";
    text += selector_text(rule) + what_text(rule);
  }
  return text;
}

// The layers of `range` in a model of `layer_count` layers, counted from 0.
Result<KvPlan::Range> KvPlan::resolve_range(const Range& range, int64_t layer_count) {
  const auto from_start = [&](int64_t layer) { return layer < 0 ? layer_count + layer : layer; };
  const Range resolved{from_start(range.first), from_start(range.last)};
  for (const auto& [written, layer] : {std::pair(range.first, resolved.first), {range.last, resolved.last}}) {
    if (layer >= 0 && layer < layer_count) continue;
    return invalid_argument(fmt::format(
        "KV plan: there is no layer {}; this model has {} layers, 0 to {} (or -{} to -1, from the end)",
        written, layer_count, layer_count - 1, layer_count));
  }
  if (resolved.first > resolved.last) {
    return invalid_argument(
        fmt::format("KV plan: layers {}-{} are {}-{} of this model's {}, which is backwards", range.first,
                    range.last, resolved.first, resolved.last, layer_count));
  }
  return resolved;
}

Result<std::vector<KvLayerPlan>> KvPlan::resolve(int64_t layer_count, int64_t head_dim) const {
  DCHECK(layer_count > 0);
  const auto count = static_cast<size_t>(layer_count);
  std::vector<char> is_named(count, 0);
  for (const Rule& rule : rules_) {
    for (const Range& range : rule.ranges) {
      CAIRN_ASSIGN_OR_RETURN(const Range layers, resolve_range(range, layer_count));
      std::fill_n(is_named.begin() + layers.first, layers.last - layers.first + 1, 1);
    }
  }
  std::vector<KvLayerPlan> plans(count);
  std::vector<char> is_set(count, 0);
  for (const Rule& rule : rules_) {
    KvLayerPlan chosen{.retention = rule.retention};
    CAIRN_ASSIGN_OR_RETURN(chosen.keys, resolve_choice(rule.codecs.keys, head_dim));
    CAIRN_ASSIGN_OR_RETURN(chosen.values, resolve_choice(rule.codecs.values, head_dim));
    const auto set = [&](size_t layer) {
      plans[layer] = chosen;
      is_set[layer] = 1;
    };
    for (size_t layer = 0; layer < count && rule.selector != Selector::kRanges; ++layer) {
      if (rule.selector == Selector::kAll || is_named[layer] == 0) set(layer);
    }
    for (const Range& range : rule.ranges) {
      const Range layers = *resolve_range(range, layer_count);
      for (int64_t layer = layers.first; layer <= layers.last; ++layer) set(static_cast<size_t>(layer));
    }
  }
  const auto missing = std::ranges::find(is_set, 0);
  if (missing == is_set.end()) return plans;
  return invalid_argument(
      fmt::format("KV plan: no rule is about layer {} of {}; \"rest: CODEC\" is about all "
                  "layers that no other rule names",
                  missing - is_set.begin(), layer_count));
}

}  // namespace cairn
