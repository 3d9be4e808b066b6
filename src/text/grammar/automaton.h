// Automaton: a graph made walkable. A place in a text is a set of ways, each a state and the states that open calls
// return to; places are found as the text needs them, numbered, and remembered with their next places and their mask.
//
// Always true: a place's key says all about it (how places are numbered and what is remembered changes no answer, but where a mask meets
// kWorkMax);
// what is remembered stays within `memory_bytes`, beyond which all of it is forgotten, by about twice that while one
// mask is made. Every public function locks, so that any threads may share an automaton.
// Guide and GuideWalk call it, and tests.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cairn/token_choice.h"
#include "text/grammar/distances.h"
#include "text/grammar/graph.h"
#include "text/grammar/token_trie.h"

namespace cairn::grammar {

// A way: the states that open calls return to, the outermost first, then the state that it is in.
using Way = std::u32string;

// A place by what it is, however places are numbered: the number of calls that are open below its ways, then each way,
// its length before it. Ways are in order, none twice. No way: the text cannot go on.
struct StateKey {
  std::u32string words;
};
using KeyPointer = std::shared_ptr<const StateKey>;

class Automaton {
 public:
  Automaton(Graph graph, std::shared_ptr<const TokenTrie> trie, uint64_t memory_bytes);

  [[nodiscard]] KeyPointer start();
  // Null: the token leads nowhere.
  [[nodiscard]] KeyPointer take(const KeyPointer& from, TokenId token);
  [[nodiscard]] bool may_end(const KeyPointer& at);
  void restrict(const KeyPointer& at, TokenMask& allowed, int64_t remaining);
  [[nodiscard]] int64_t closing_tokens(const KeyPointer& at);

  [[nodiscard]] int64_t state_count() const { return static_cast<int64_t>(graph_.state_count()); }
  [[nodiscard]] uint64_t used_bytes();
  [[nodiscard]] const TokenTrie& trie() const { return *trie_; }

 private:
  using Place = uint32_t;
  static constexpr Place kNowhere = 0;
  static constexpr Place kUnknown = ~Place{0};

  // Tokens, as words of a TokenMask, or as a list where they are few.
  struct TokenSet {
    std::vector<uint64_t> words;
    std::vector<TokenId> few;
  };
  struct Mask {
    TokenSet tokens;
    uint32_t farthest = 0;  // the greatest distance of the places that its tokens lead to
  };
  // What tokens do inside the rule of a way's state: those that stay in it or end with it, and the nodes at which its end
  // is met, so that the walk goes on with what the call returns to. Shared by all ways in that state.
  struct Local {
    std::vector<uint64_t> words;
    std::vector<TokenTrie::Node> exits;
    uint32_t farthest = 0;
  };
  struct Entry {
    KeyPointer key;
    uint32_t distance = 0;   // least bytes to the end; kNever: no way to it
    bool accepts = false;    // the text may end here (of a local place: its rule)
    bool is_marker = false;  // a way goes on with a special token
    int64_t closing = 0;     // tokens; 0: not counted yet
    std::unique_ptr<const Mask> mask;
    std::unique_ptr<const Local> local;
  };

  // automaton.cc
  void find_classes();
  [[nodiscard]] Place place_of(const KeyPointer& key);
  [[nodiscard]] Place intern(int base, std::vector<Way> ways);
  [[nodiscard]] Place closure(int base, std::vector<Way> ways);
  void expand(int base, const Way& way, std::vector<Way>& more, std::vector<Way>& kept) const;
  [[nodiscard]] uint32_t distance_of(int base, const Way& way) const;
  [[nodiscard]] int base_of(Place place) const { return static_cast<int>(entries_[place].key->words[0]); }
  [[nodiscard]] std::vector<Way> ways_of(Place place) const;
  [[nodiscard]] Place step(Place from, uint8_t byte) {
    const Place known = next_[from * class_count_ + class_of_[byte]];
    return known != kUnknown ? known : find_step(from, byte);
  }
  [[nodiscard]] Place find_step(Place from, uint8_t byte);
  [[nodiscard]] Place step_special(Place from, TokenId token);
  [[nodiscard]] Place step_text(Place from, std::string_view text);
  void forget_if_large();
  void forget();
  [[nodiscard]] bool is_alive(Place place) const { return entries_[place].distance < kNever; }

  // automaton_masks.cc
  template <typename Visit>
  void walk(TokenTrie::Node top, Place from, const Visit& visit);
  const Local& local_of(int room, State state);
  const Mask& mask_of(Place place);
  Mask make_mask(Place place);
  void restrict_to_closable(Place place, TokenMask& allowed, int64_t remaining);
  void add_single_bytes(const KeyPointer& at, std::optional<int64_t> tokens, std::vector<uint64_t>& words);
  [[nodiscard]] TokenSet shortened(std::vector<uint64_t> words) const;
  static void apply(const TokenSet& tokens, TokenMask& allowed);

  // automaton_closing.cc
  [[nodiscard]] int64_t closing_of(Place place);
  [[nodiscard]] bool closes_within(Place place, int64_t tokens);
  struct Symbol {
    std::optional<TokenId> token;  // absent: a byte
    uint8_t byte = 0;
  };
  [[nodiscard]] std::optional<Symbol> nearest_symbol(Place place) const;

  const Graph graph_;
  const std::shared_ptr<const TokenTrie> trie_;
  const Distances distances_;
  const uint64_t memory_bytes_;
  uint8_t class_of_[256] = {};
  size_t class_count_ = 0;
  size_t word_count_ = 0;        // of a mask
  int64_t token_bytes_max_ = 1;  // of the longest token

  std::mutex mutex_;  // guards all below
  std::vector<Entry> entries_;
  std::vector<Place> next_;  // by place and class of bytes; kUnknown: not looked for yet
  std::unordered_map<std::u32string_view, Place> places_;  // keys point into the entries' keys
  std::vector<Place> stack_;                               // of walk
  uint64_t remembered_bytes_ = 0;
  size_t work_ = 0;      // of the public call that is going on, or since it forgot: ways looked at
  bool is_cut_ = false;  // since the last forget: some place was not looked for, for want of memory or time
};

}  // namespace cairn::grammar
