// Distances: how far each state of a graph is from its rule's end: the least number of bytes, of those that the
// vocabulary can write one by one. What masks and closing go by.
//
// Always true: with more room for calls a distance is never longer. Immutable; any thread may read it.
#pragma once

#include <cstdint>
#include <vector>

#include "text/grammar/graph.h"
#include "text/grammar/token_trie.h"

namespace cairn::grammar {

inline constexpr uint32_t kNever = uint32_t{1} << 30;  // no text leads there

// Sums of distances stay at kNever.
[[nodiscard]] inline uint32_t add_distance(uint32_t a, uint32_t b) {
  return a >= kNever - b ? kNever : a + b;  // both are at most kNever
}

class Distances {
 public:
  Distances(const Graph& graph, const TokenTrie& trie);

  // To the end of the state's rule, where `room` more calls may be open at once.
  [[nodiscard]] uint32_t of(State state, int room) const {
    const auto layer =
        static_cast<size_t>(room) < layers_.size() ? static_cast<size_t>(room) : layers_.size() - 1;
    return layers_[layer][state];
  }
  // How many calls may be open at once behind a state of this rule; kStackMax: any number (it calls itself).
  [[nodiscard]] int calls_of(Rule rule) const { return calls_[rule]; }
  // The least byte of [low, high] that is a token; 256: none is.
  [[nodiscard]] int first_writable(uint8_t low, uint8_t high) const;
  [[nodiscard]] bool all_bytes_writable() const { return all_writable_; }
  [[nodiscard]] uint64_t used_bytes() const;

 private:
  void count_calls(const Graph& graph);
  [[nodiscard]] std::vector<uint32_t> next_layer(const Graph& graph) const;

  struct Back {  // an edge, backwards
    State from = 0;
    uint32_t what = 0;  // kCall: the rule
    EdgeKind kind = EdgeKind::kEmpty;
  };
  std::vector<std::vector<uint32_t>> layers_;  // [room][state]
  std::vector<int> calls_;                     // by rule
  std::vector<Back> back_;                     // only while layers are computed
  std::vector<uint32_t> first_back_;
  int writable_from_[257] = {};  // the least writable byte that is not below the index
  bool all_writable_ = false;
};

}  // namespace cairn::grammar
