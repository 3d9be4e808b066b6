// Visibility: which positions the query at a position sees, in one layer. It is a function of the query's position
// alone, so rows, and the blocks made of them, are the same for every sequence that begins alike. Plain values.
//
// A window is a model's own (sliding window attention), or what a KV plan leaves of the past. Sinks are the first
// positions, which stay visible before a window (StreamingLLM: Xiao et al. 2023, arXiv:2309.17453). A query meets them
// as if it stood right behind a full window, so that no distance grows with the stream: its second copy is turned to
// position sink_query_position, and no key is touched.
#pragma once

#include <algorithm>
#include <cstdint>

namespace cairn {

struct Visibility {
  int64_t window = 0;  // the last so many positions, its own included; 0: all
  int64_t sinks = 0;   // before them, the first so many; 0 without a window

  static constexpr int64_t kMaxSinks = 256;  // they are reduced at once, in one span

  // Positions [begin, end); empty where begin >= end.
  struct Range {
    int64_t begin = 0;
    int64_t end = 0;
  };
  // What a query sees: the sinks, and from there on the recent positions.
  [[nodiscard]] Range sink_range(int64_t position) const { return {0, std::min(sinks, position + 1)}; }
  [[nodiscard]] Range recent_range(int64_t position) const {
    return {window == 0 ? 0 : std::max(sinks, position - window + 1), position + 1};
  }
  // Where the query stands that meets the sinks: its own position until the window is full, then right behind it.
  [[nodiscard]] int64_t sink_query_position(int64_t position) const {
    return std::min(position, sinks + window - 1);
  }
  // How many positions a query in a text of `context` positions sees at most; no distance is as large.
  [[nodiscard]] int64_t reach(int64_t context) const {
    return window == 0 ? context : std::min(context, sinks + window);
  }
  [[nodiscard]] bool sees_all() const { return window == 0; }
  friend bool operator==(const Visibility&, const Visibility&) = default;
};

}  // namespace cairn
