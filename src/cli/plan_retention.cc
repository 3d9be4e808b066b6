#include "cli/plan_retention.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "cli/commands.h"
#include "engine/open_engine.h"

namespace cairn {
namespace {

// "" or ",sinks=4,window=1024".
std::string retention_words(const Visibility& retention) {
  if (retention.sees_all()) return "";
  const std::string sinks = retention.sinks > 0 ? fmt::format(",sinks={}", retention.sinks) : "";
  return fmt::format("{},window={}", sinks, retention.window);
}

std::string codec_words(const KvLayerCodecs& codecs) {
  return fmt::format("k={},v={}", kv_codec_name(codecs.keys), kv_codec_name(codecs.values));
}

// A plan that says this of each layer, in as few rules as there are different words.
Result<KvPlan> plan_of_layers(const std::vector<std::string>& words) {
  if (std::ranges::all_of(words, [&](const std::string& word) { return word == words.front(); })) {
    return KvPlan::parse(words.front());
  }
  std::vector<std::string> kinds;
  for (const std::string& word : words) {
    if (std::ranges::find(kinds, word) == kinds.end()) kinds.push_back(word);
  }
  std::string text;
  for (const std::string& kind : kinds) {
    std::vector<std::string> ranges;
    for (size_t first = 0; first < words.size();) {
      size_t end = first;
      while (end < words.size() && words[end] == kind) ++end;
      if (end > first)
        ranges.push_back(end - first == 1 ? fmt::format("{}", first) : fmt::format("{}-{}", first, end - 1));
      first = std::max(end, first + 1);
    }
    if (!text.empty()) text += "; ";
    text +=
        kind == kinds.back() ? "rest: " + kind : fmt::format("layers {}: {}", fmt::join(ranges, ","), kind);
  }
  return KvPlan::parse(text);
}

// The plan whose layers are what `word` makes of those of `plan`.
template <typename Word>
Result<KvPlan> map_layers(const KvPlan& plan, const Config& config, Word word) {
  CAIRN_ASSIGN_OR_RETURN(const auto layers, plan.resolve(config.layer_count, config.head_dim));
  std::vector<std::string> words(layers.size());
  std::ranges::transform(layers, words.begin(), word);
  return plan_of_layers(words);
}

}  // namespace

KvPlan usual_kv_plan(std::optional<int64_t> context) {
  if (context != kEndless) return KvPlan();
  Result<KvPlan> plan = KvPlan::parse(kEndlessPlan);
  CHECK(plan.ok());
  return std::move(plan).value();
}

Result<KvPlan> with_codec(const KvPlan& codec, const KvPlan& plan, const Config& config) {
  return map_layers(plan, config, [&](const KvLayerPlan& layer) {
    return codec.text() + retention_words(layer.retention);
  });
}

Result<KvPlan> with_retention(const Visibility& retention, const KvPlan& plan, const Config& config) {
  return map_layers(plan, config, [&](const KvLayerPlan& layer) {
    return codec_words(layer) + retention_words(retention);
  });
}

Result<std::optional<KvPlan>> without_sinks(const KvPlan& plan, const Config& config) {
  CAIRN_ASSIGN_OR_RETURN(const auto layers, plan.resolve(config.layer_count, config.head_dim));
  const auto has_sinks = [](const KvLayerPlan& layer) { return layer.retention.sinks > 0; };
  if (std::ranges::none_of(layers, has_sinks)) return std::optional<KvPlan>();
  CAIRN_ASSIGN_OR_RETURN(KvPlan bare, map_layers(plan, config, [](const KvLayerPlan& layer) {
                           return codec_words(layer) + retention_words({.window = layer.retention.window});
                         }));
  return std::optional(std::move(bare));
}

Result<bool> has_retention(const KvPlan& plan, const Config& config) {
  CAIRN_ASSIGN_OR_RETURN(const auto layers, plan.resolve(config.layer_count, config.head_dim));
  return std::ranges::any_of(layers, [](const KvLayerPlan& layer) { return !layer.retention.sees_all(); });
}

}  // namespace cairn
