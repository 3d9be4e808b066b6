#include "text/grammar/graph.h"

#include "text/grammar/limits.h"

namespace cairn::grammar {

Rule Graph::add_rule() {
  if (rules_.size() >= kStatesMax) {
    is_full_ = true;
    return rule_;
  }
  rules_.emplace_back();
  rule_ = static_cast<Rule>(rules_.size() - 1);
  // Two states even where the graph is full: every rule has its ends.
  rule_of_.insert(rule_of_.end(), 2, rule_);
  is_free_.insert(is_free_.end(), 2, false);
  first_edge_.insert(first_edge_.end(), 2, 0);
  rules_.back() = {static_cast<State>(first_edge_.size() - 2), static_cast<State>(first_edge_.size() - 1)};
  return rule_;
}

State Graph::add_state() {
  if (first_edge_.size() >= kStatesMax) {
    is_full_ = true;
    return begin(rule_);
  }
  first_edge_.push_back(0);
  rule_of_.push_back(rule_);
  is_free_.push_back(false);
  return static_cast<State>(first_edge_.size() - 1);
}

void Graph::add(State from, Edge edge) {
  if (edges_.size() >= kEdgesMax) is_full_ = true;
  if (is_full_) return;
  edge.next = first_edge_[from];
  edges_.push_back(edge);
  first_edge_[from] = static_cast<uint32_t>(edges_.size());
}

void Graph::add_bytes(State from, uint8_t low, uint8_t high, State to) {
  add(from, {.kind = EdgeKind::kBytes, .low = low, .high = high, .target = to});
}

void Graph::add_byte(State from, char byte, State to) {
  add_bytes(from, static_cast<uint8_t>(byte), static_cast<uint8_t>(byte), to);
}

void Graph::add_empty(State from, State to) { add(from, {.kind = EdgeKind::kEmpty, .target = to}); }

void Graph::add_call(State from, Rule rule, State to) {
  add(from, {.kind = EdgeKind::kCall, .target = to, .what = rule});
}

void Graph::add_token(State from, TokenId token, State to) {
  add(from, {.kind = EdgeKind::kToken, .target = to, .what = static_cast<uint32_t>(token)});
}

void Graph::add_any_special(State from, std::optional<TokenId> but, State to) {
  add(from, {.kind = EdgeKind::kAnySpecial,
             .target = to,
             .what = but.has_value() ? static_cast<uint32_t>(*but) : kNoToken});
}

void Graph::add_text(State from, std::string_view text, State to) {
  if (text.empty()) return add_empty(from, to);
  for (size_t at = 0; at < text.size(); ++at) {
    const State next = at + 1 == text.size() ? to : add_state();
    add_byte(from, text[at], next);
    from = next;
    if (is_full_) return;
  }
}

uint64_t Graph::used_bytes() const {
  return sizeof(*this) + edges_.capacity() * sizeof(Edge) + rules_.capacity() * sizeof(Ends) +
         first_edge_.capacity() * sizeof(uint32_t) + rule_of_.capacity() * sizeof(Rule);
}

}  // namespace cairn::grammar
