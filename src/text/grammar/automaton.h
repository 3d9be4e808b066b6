// Automaton: a graph made walkable. A place in a text is a set of ways, each a state and the states that open calls
// return to; places are found as the text needs them, numbered, and remembered with their next places and their mask.
//
// Always true: every answer is a function of the place's key and the call's arguments alone, however places are numbered
// and whatever is remembered. For that, work is counted as if nothing were remembered: each piece (a Local, a mask, ...)
// keeps what it took, and that is added wherever it is used again. What is remembered stays within `memory_bytes`, beyond
// which all of it is forgotten between two calls; one call adds at most what its work (kWorkMax) can make. Where memory
// runs out, a call throws std::bad_alloc and leaves the automaton sound. Every public function locks, so that any threads
// may share an automaton.
// Guide and GuideWalk call it, and tests.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
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
  // Whether the place's mask has the token, end tokens included. With more than kWaysMax ways take() may refuse it still.
  [[nodiscard]] bool allows(const KeyPointer& at, TokenId token);
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
  static constexpr int64_t kNotCounted = -1;

  // Tokens, as words of a TokenMask, or as a list where they are few.
  struct TokenSet {
    std::vector<uint64_t> words;
    std::vector<TokenId> few;
  };
  // What a piece took so far, in units of a place's step (kWayWork and the like): the same whatever was remembered, since
  // a step that is met in it for the first time counts in full.
  struct Work {
    size_t spent = 0;
    size_t most = 0;
    std::vector<uint64_t> met_steps = {};   // a bit for each of next_
    std::vector<uint64_t> met_places = {};  // a bit for each place whose link was counted
    [[nodiscard]] bool is_out() const { return spent > most; }
  };
  struct Mask {
    TokenSet tokens;
    uint32_t farthest = 0;  // the greatest distance of the places that its tokens lead to
    size_t work = 0;
    bool is_cut = false;  // for want of work: some tokens are left out
  };
  // Tokens by how many more tokens then close the text.
  struct Closings {
    std::vector<std::pair<int64_t, TokenSet>> groups;  // the fewest first
  };
  // What tokens do inside the rule of a way's state: those that stay in it or end with it, and the nodes at which its end
  // is met, so that the walk goes on with what the call returns to. Shared by all ways in that state.
  struct Local {
    std::vector<uint64_t> words;
    std::vector<TokenTrie::Node> exits;
    uint32_t farthest = 0;
    size_t work = 0;
    bool is_cut = false;  // for want of work: some tokens are left out
  };
  struct Symbol {
    std::optional<TokenId> token;  // absent: a byte
    uint8_t byte = 0;
  };
  // The first step of the shortest text to the end.
  struct Link {
    Place to = kUnknown;  // kNowhere: the end is here, or is not looked for farther than this
    Symbol symbol = {};
    uint32_t work = 0;
  };
  struct Entry {
    KeyPointer key;
    uint32_t distance = 0;   // least bytes to the end; kNever: no way to it
    bool accepts = false;    // the text may end here (of a local place: its rule)
    bool is_free = false;    // free text, which may be cut anywhere
    bool is_marker = false;  // a way goes on with a special token
    int64_t closing = kNotCounted;
    Link link = {};
    std::unique_ptr<const Mask> mask;
    std::unique_ptr<const Local> local;
    std::unique_ptr<const Closings> closings;
  };

  // automaton.cc
  void find_classes();
  [[nodiscard]] Place place_of(const KeyPointer& key);
  [[nodiscard]] Place intern(int base, std::vector<Way> ways);
  // Adds what it took to `work`, in ways.
  [[nodiscard]] Place closure(int base, std::vector<Way> ways, size_t& work);
  size_t expand(int base, const Way& way, std::vector<Way>& more, std::vector<Way>& kept) const;
  [[nodiscard]] uint32_t distance_of(int base, const Way& way) const;
  [[nodiscard]] int base_of(Place place) const { return static_cast<int>(entries_[place].key->words[0]); }
  [[nodiscard]] std::vector<Way> ways_of(Place place) const;
  [[nodiscard]] Place step(Place from, uint8_t byte) {
    const Place known = next_[from * class_count_ + class_of_[byte]];
    return known != kUnknown ? known : find_step(from, byte);
  }
  [[nodiscard]] Place find_step(Place from, uint8_t byte);
  [[nodiscard]] Place step(Place from, uint8_t byte, Work& work);
  [[nodiscard]] Place step_special(Place from, TokenId token, size_t& work);
  [[nodiscard]] Place step_text(Place from, std::string_view text);
  void forget_if_large();
  void forget();
  [[nodiscard]] bool is_alive(Place place) const { return entries_[place].distance < kNever; }

  // automaton_masks.cc
  // Calls visit(node, place) for all nodes below `top` whose bytes lead somewhere from `from`, which is the place of
  // `top`, until it takes too much.
  template <typename Visit>
  void walk(TokenTrie::Node top, Place from, Work& work, const Visit& visit) {
    stack_[trie_->depth(top)] = from;
    for (TokenTrie::Node node = top + 1; node < trie_->end(top) && !work.is_out();) {
      const size_t depth = trie_->depth(node);
      const Place place = step(stack_[depth - 1], trie_->byte(node), work);
      if (place == kNowhere) {
        node = trie_->end(node);
        continue;
      }
      stack_[depth] = place;
      visit(node, place);
      ++node;
    }
  }
  const Local& local_of(int room, State state);
  const Mask& mask_of(Place place);
  Mask make_mask(Place place);
  void add_ways(Place place, Mask& mask, Work& work, std::vector<uint64_t>& words);
  void add_specials(Place place, Mask& mask, Work& work, std::vector<uint64_t>& words);
  void add_single_bytes(Place place, Mask& mask, std::vector<uint64_t>& words);
  [[nodiscard]] TokenSet shortened(std::vector<uint64_t> words) const;
  static void apply(const TokenSet& tokens, TokenMask& allowed);
  static void add_tokens(std::vector<uint64_t>& words, std::span<const TokenId> tokens);
  [[nodiscard]] static uint64_t bytes_of(const TokenSet& tokens) {
    return tokens.words.size() * sizeof(uint64_t) + tokens.few.size() * sizeof(TokenId);
  }

  // automaton_closing.cc
  [[nodiscard]] int64_t closing_of(Place place);
  [[nodiscard]] const Link& link_of(Place place);
  [[nodiscard]] Link find_link(Place place);
  [[nodiscard]] std::optional<Symbol> nearest_symbol(Place place, size_t& work) const;
  template <typename Call>
  void for_each_part(const std::vector<Symbol>& symbols, size_t from, const Call& call) const;
  [[nodiscard]] std::optional<int64_t> closing_within(Place place, Work& work);
  [[nodiscard]] const Closings& closings_of(Place place, size_t work_before);
  template <typename Add>
  void add_shortest(Place place, const Add& add_to_group);
  void restrict_to_closable(Place place, TokenMask& allowed, int64_t remaining, size_t work_before);

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
  std::vector<Place> next_;          // by place and class of bytes; kUnknown: not looked for yet
  std::vector<uint16_t> step_work_;  // beside next_: what finding it took, in ways
  std::unordered_map<std::u32string_view, Place> places_;  // keys point into the entries' keys
  std::vector<Place> stack_;                               // of walk
  uint64_t remembered_bytes_ = 0;
};

}  // namespace cairn::grammar
