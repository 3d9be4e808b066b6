#include "kv/kv_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace cairn {
namespace {

std::string_view axis_word(KvAxis axis) { return axis == KvAxis::kToken ? ":token" : ":channel"; }

enum class AxisText : uint8_t { kSaid, kLeftOut };

std::string codec_text(const KvCodec& codec, AxisText axis) {
  const bool says_axis = axis == AxisText::kSaid && kv_is_integer(codec.format);
  return fmt::format("{}{}{}", kv_format_info(codec.format).name, says_axis ? axis_word(codec.axis) : "",
                     codec.transform == KvTransform::kHadamard ? ":hadamard" : "");
}

AxisText shortest_axis(const KvCodec& codec, KvSide side) {
  return codec.axis == kv_default_axis(codec.format, side) ? AxisText::kLeftOut : AxisText::kSaid;
}

std::string codecs_text(const KvLayerCodecs& codecs) {
  const AxisText keys_axis = shortest_axis(codecs.keys, KvSide::kKeys);
  const AxisText values_axis = shortest_axis(codecs.values, KvSide::kValues);
  std::string keys = codec_text(codecs.keys, keys_axis);
  const std::string values = codec_text(codecs.values, values_axis);
  if (keys_axis == AxisText::kLeftOut && values_axis == AxisText::kLeftOut && keys == values) return keys;
  if (codecs.keys == codecs.values) return codec_text(codecs.keys, AxisText::kSaid);
  return fmt::format("k={},v={}", keys, values);
}

Status check_rotation(const KvCodec& codec, int64_t head_dim) {
  if (codec.transform == KvTransform::kNone || std::has_single_bit(static_cast<uint64_t>(head_dim)))
    return {};
  return invalid_argument(fmt::format(
      "KV plan: \"hadamard\" needs heads of a power of two of elements; this model's have {}", head_dim));
}

}  // namespace

KvPlan::KvPlan(const KvLayerCodecs& codecs) : rules_{Rule{.codecs = codecs}} {}

std::string kv_codec_name(const KvCodec& codec) { return codec_text(codec, AxisText::kSaid); }

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

std::string KvPlan::text() const {
  std::string text;
  for (const Rule& rule : rules_) {
    if (&rule != rules_.data()) text += "; ";
    text += selector_text(rule) + codecs_text(rule.codecs);
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

Result<std::vector<KvLayerCodecs>> KvPlan::resolve(int64_t layer_count, int64_t head_dim) const {
  DCHECK(layer_count > 0);
  const auto count = static_cast<size_t>(layer_count);
  std::vector<char> is_named(count, 0);
  for (const Rule& rule : rules_) {
    for (const Range& range : rule.ranges) {
      CAIRN_ASSIGN_OR_RETURN(const Range layers, resolve_range(range, layer_count));
      std::fill_n(is_named.begin() + layers.first, layers.last - layers.first + 1, 1);
    }
  }
  std::vector<KvLayerCodecs> codecs(count);
  std::vector<char> is_set(count, 0);
  for (const Rule& rule : rules_) {
    CAIRN_RETURN_IF_ERROR(check_rotation(rule.codecs.keys, head_dim));
    CAIRN_RETURN_IF_ERROR(check_rotation(rule.codecs.values, head_dim));
    const auto set = [&](size_t layer) {
      codecs[layer] = rule.codecs;
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
  if (missing == is_set.end()) return codecs;
  return invalid_argument(
      fmt::format("KV plan: no rule is about layer {} of {}; \"rest: CODEC\" is about all "
                  "layers that no other rule names",
                  missing - is_set.begin(), layer_count));
}

}  // namespace cairn
