#include "text/grammar/distances.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <utility>

#include "text/grammar/limits.h"

namespace cairn::grammar {

Distances::Distances(const Graph& graph, const TokenTrie& trie) {
  writable_from_[256] = 256;
  all_writable_ = true;
  for (int byte = 255; byte >= 0; --byte) {
    const bool has = trie.has_byte(static_cast<uint8_t>(byte));
    writable_from_[byte] = has ? byte : writable_from_[byte + 1];
    all_writable_ = all_writable_ && has;
  }
  count_calls(graph);
  first_back_.assign(graph.state_count() + 1, 0);
  const auto for_each_edge = [&](const auto& call) {
    for (State state = 0; state < graph.state_count(); ++state) {
      for (const Edge* edge = graph.first(state); edge != nullptr; edge = graph.next(*edge)) {
        if (edge->kind == EdgeKind::kBytes && first_writable(edge->low, edge->high) > 255) continue;
        call(state, *edge);
      }
    }
  };
  for_each_edge([&](State, const Edge& edge) { ++first_back_[edge.target + 1]; });
  for (size_t i = 1; i < first_back_.size(); ++i) first_back_[i] += first_back_[i - 1];
  back_.resize(first_back_.back());
  std::vector<uint32_t> at(first_back_.begin(), first_back_.end() - 1);
  for_each_edge(
      [&](State from, const Edge& edge) { back_[at[edge.target]++] = {from, edge.what, edge.kind}; });
  while (layers_.size() <= static_cast<size_t>(kStackMax)) {
    std::vector<uint32_t> layer = next_layer(graph);
    if (!layers_.empty() && layer == layers_.back()) break;
    layers_.push_back(std::move(layer));
  }
  back_ = {};
  first_back_ = {};
}

// Dijkstra's way, from the ends of all rules backwards; a call costs what the rule costs with one call less of room.
std::vector<uint32_t> Distances::next_layer(const Graph& graph) const {
  std::vector<uint32_t> distance(graph.state_count(), kNever);
  using Entry = std::pair<uint32_t, State>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue;
  for (Rule rule = 0; rule < graph.rule_count(); ++rule) {
    distance[graph.end(rule)] = 0;
    queue.emplace(0, graph.end(rule));
  }
  while (!queue.empty()) {
    const auto [near, state] = queue.top();
    queue.pop();
    if (near > distance[state]) continue;
    for (uint32_t i = first_back_[state]; i < first_back_[state + 1]; ++i) {
      const Back& back = back_[i];
      uint32_t cost = 1;
      if (back.kind == EdgeKind::kEmpty) cost = 0;
      if (back.kind == EdgeKind::kCall)
        cost = layers_.empty() ? kNever : layers_.back()[graph.begin(back.what)];
      const uint32_t far = add_distance(near, cost);
      if (far >= distance[back.from]) continue;
      distance[back.from] = far;
      queue.emplace(far, back.from);
    }
  }
  return distance;
}

// Rounds until nothing changes, or until what calls itself has reached the most that a stack holds.
void Distances::count_calls(const Graph& graph) {
  calls_.assign(graph.rule_count(), 0);
  std::vector<std::pair<Rule, Rule>> pairs;
  for (State state = 0; state < graph.state_count(); ++state) {
    for (const Edge* edge = graph.first(state); edge != nullptr; edge = graph.next(*edge)) {
      if (edge->kind == EdgeKind::kCall) pairs.emplace_back(graph.rule_of(state), edge->what);
    }
  }
  std::ranges::sort(pairs);
  const auto twice = std::ranges::unique(pairs);
  pairs.erase(twice.begin(), twice.end());
  for (int round = 0; round < kStackMax; ++round) {
    bool has_changed = false;
    for (const auto& [caller, called] : pairs) {
      const int calls = std::min(calls_[called] + 1, kStackMax);
      has_changed = has_changed || calls > calls_[caller];
      calls_[caller] = std::max(calls_[caller], calls);
    }
    if (!has_changed) break;
  }
}

int Distances::first_writable(uint8_t low, uint8_t high) const {
  const int first = writable_from_[low];
  return first <= high ? first : 256;
}

uint64_t Distances::used_bytes() const {
  uint64_t bytes = sizeof(*this) + calls_.capacity() * sizeof(int);
  for (const auto& layer : layers_) bytes += layer.capacity() * sizeof(uint32_t);
  return bytes;
}

}  // namespace cairn::grammar
