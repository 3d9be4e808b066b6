// Graph: what a schema is compiled into. States with edges over bytes, and rules: parts with one begin and one end,
// which edges may call and return from. A rule that calls itself is recursion.
//
// Always true: each state belongs to one rule, and a rule's edges stay in it. Once a limit (limits.h) is met, adding
// does nothing and is_full() stays true; the compiler looks at it at its own pace.
// Written by the compiler only; the automaton reads it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "cairn/ids.h"

namespace cairn::grammar {

using State = uint32_t;
using Rule = uint32_t;

enum class EdgeKind : uint8_t {
  kBytes,       // one byte in [low, high]
  kEmpty,       // nothing is read
  kCall,        // a text of the rule `what`
  kToken,       // exactly the special token `what`
  kAnySpecial,  // any special token but `what`
};

struct Edge {
  EdgeKind kind = EdgeKind::kEmpty;
  uint8_t low = 0, high = 0;
  State target = 0;
  uint32_t what = 0;
  uint32_t next = 0;  // of the same state's edges: index + 1, 0 ends the list
};

inline constexpr uint32_t kNoToken = ~uint32_t{0};

class Graph {
 public:
  // A new rule, and the one that new states belong to.
  Rule add_rule();
  void go_on_with(Rule rule) { rule_ = rule; }
  [[nodiscard]] Rule current_rule() const { return rule_; }
  State add_state();

  void add_bytes(State from, uint8_t low, uint8_t high, State to);
  void add_byte(State from, char byte, State to);
  void add_empty(State from, State to);
  void add_call(State from, Rule rule, State to);
  void add_token(State from, TokenId token, State to);
  void add_any_special(State from, std::optional<TokenId> but, State to);
  // Free text: a reply may as well be cut here as end.
  void set_free(State state) { is_free_[state] = true; }
  // The bytes of `text`, one after the other.
  void add_text(State from, std::string_view text, State to);

  [[nodiscard]] bool is_full() const { return is_full_; }
  [[nodiscard]] size_t state_count() const { return first_edge_.size(); }
  [[nodiscard]] size_t rule_count() const { return rules_.size(); }
  [[nodiscard]] State begin(Rule rule) const { return rules_[rule].begin; }
  [[nodiscard]] State end(Rule rule) const { return rules_[rule].end; }
  [[nodiscard]] Rule rule_of(State state) const { return rule_of_[state]; }
  [[nodiscard]] bool is_end(State state) const { return end(rule_of(state)) == state; }
  [[nodiscard]] bool is_free(State state) const { return is_free_[state]; }
  [[nodiscard]] uint64_t used_bytes() const;

  // for (const Edge* edge = graph.first(state); edge != nullptr; edge = graph.next(*edge))
  [[nodiscard]] const Edge* first(State state) const { return at(first_edge_[state]); }
  [[nodiscard]] const Edge* next(const Edge& edge) const { return at(edge.next); }

 private:
  struct Ends {
    State begin = 0, end = 0;
  };
  [[nodiscard]] const Edge* at(uint32_t link) const { return link == 0 ? nullptr : &edges_[link - 1]; }
  void add(State from, Edge edge);

  std::vector<uint32_t> first_edge_;  // by state
  std::vector<Rule> rule_of_;         // by state
  std::vector<bool> is_free_;         // by state
  std::vector<Edge> edges_;
  std::vector<Ends> rules_;
  Rule rule_ = 0;
  bool is_full_ = false;
};

}  // namespace cairn::grammar
