#include "cli/window_words.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/output_format.h"

namespace cairn {
namespace {

std::string range_text(int64_t first, int64_t last) {
  return first == last ? grouped_count(first) : grouped_count(first) + " to " + grouped_count(last);
}

std::string kept_text(const KvKeptRows& kept) {
  if (kept.end == 0) return "none is kept";
  const bool has_gap = kept.begin > kept.sinks;
  const std::string sinks = has_gap && kept.sinks > 0 ? range_text(0, kept.sinks - 1) + " and " : "";
  const std::string rest = range_text(has_gap ? kept.begin : 0, kept.end - 1);
  return sinks + rest + (sinks.empty() && kept.end == 1 ? " is there" : " are there");
}

std::string passed_text(int64_t blocks) {
  if (blocks == 0) return "no block was let go meanwhile";
  return fmt::format("{} block{} let go meanwhile", grouped_count(blocks), blocks == 1 ? " was" : "s were");
}

}  // namespace

bool has_own_windows(const Config& config) {
  return std::ranges::any_of(config.layers, [](const LayerConfig& layer) { return layer.window > 0; });
}

std::string layer_ranges(const KvGeometry& geometry, int32_t group) {
  std::string text;
  int64_t first = 0;
  for (int64_t layer = 0; layer < geometry.layer_count(); ++layer) {
    if (geometry.group_of(layer) != group) continue;
    if (layer == 0 || geometry.group_of(layer - 1) != group) first = layer;
    const bool goes_on = layer + 1 < geometry.layer_count() && geometry.group_of(layer + 1) == group;
    if (goes_on) continue;
    text += text.empty() ? "" : ", ";
    text += first == layer ? fmt::format("{}", layer) : fmt::format("{}-{}", first, layer);
  }
  return text;
}

std::string seen_text(const Visibility& seen) {
  if (seen.sees_all()) return "all";
  std::string last = "the last " + grouped_count(seen.window);
  if (seen.sinks == 0) return last;
  return fmt::format("{} sink{} and {}", seen.sinks, seen.sinks == 1 ? "" : "s", last);
}

std::vector<std::string> explain_windows(const KvGeometry& geometry, const Reply& reply) {
  std::vector<std::string> lines;
  for (int32_t group = 0; group < geometry.group_count(); ++group) {
    const Visibility& seen = geometry.visibility(group);
    if (seen.sees_all()) continue;
    const std::string layers = layer_ranges(geometry, group);
    const bool is_one = layers.find_first_of(",-") == std::string::npos;
    lines.push_back(fmt::format(
        "cache: layer{} {} see{} {} position{}: {}; {}", is_one ? "" : "s", layers, is_one ? "s" : "",
        seen.sinks == 0 ? seen_text(seen)
                        : fmt::format("the first {} and the last {}", seen.sinks, grouped_count(seen.window)),
        seen.window == 1 ? "" : "s", kept_text(reply.result.stats.kept_rows[static_cast<size_t>(group)]),
        passed_text(reply.passed_blocks[static_cast<size_t>(group)])));
  }
  return lines;
}

}  // namespace cairn
