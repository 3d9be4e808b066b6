// Masks: which tokens lead from a place to one that has an end.
//
// The whole trie is walked only once for each state and its rule (Local); for a way in that state, what is left is to
// go on behind the tokens' parts that leave the rule, which are few: within a string, those with its closing quote.
#include <algorithm>
#include <bit>
#include <utility>

#include "text/grammar/automaton.h"
#include "text/grammar/limits.h"

namespace cairn::grammar {
namespace {

// Tokens of the vocabulary: a special or end token's id may be outside of it.
void add(std::vector<uint64_t>& words, std::span<const TokenId> tokens) {
  for (const TokenId token : tokens) {
    if (token < 0 || static_cast<size_t>(token) / TokenMask::kWordBits >= words.size()) continue;
    words[static_cast<size_t>(token) / TokenMask::kWordBits] |= uint64_t{1} << (token % TokenMask::kWordBits);
  }
}

}  // namespace

// Calls visit(node, place) for all nodes below `top` whose bytes lead somewhere from `from`, which is the place of `top`.
template <typename Visit>
void Automaton::walk(TokenTrie::Node top, Place from, const Visit& visit) {
  const size_t base = trie_->depth(top);
  stack_[base] = from;
  for (TokenTrie::Node node = top + 1; node < trie_->end(top);) {
    const size_t depth = trie_->depth(node);
    const Place place = step(stack_[depth - 1], trie_->byte(node));
    if (place == kNowhere) {
      node = trie_->end(node);
      continue;
    }
    stack_[depth] = place;
    visit(node, place);
    ++node;
  }
}

const Automaton::Local& Automaton::local_of(int room, State state) {
  const int base = kStackMax - std::min(room, distances_.calls_of(graph_.rule_of(state)));
  const Place place = intern(base, {Way{state}});
  if (entries_[place].local != nullptr) return *entries_[place].local;
  auto local = std::make_unique<Local>();
  local->words.assign(word_count_, 0);
  if (place != kNowhere) {
    walk(TokenTrie::kRoot, place, [&](TokenTrie::Node node, Place at) {
      const Entry& entry = entries_[at];
      if (entry.accepts) local->exits.push_back(node);
      if (entry.distance >= kNever || trie_->tokens(node).empty()) return;
      add(local->words, trie_->tokens(node));
      local->farthest = std::max(local->farthest, entry.distance);
    });
  }
  local->exits.shrink_to_fit();
  remembered_bytes_ +=
      sizeof(Local) + word_count_ * sizeof(uint64_t) + local->exits.size() * sizeof(TokenTrie::Node);
  entries_[place].local = std::move(local);
  return *entries_[place].local;
}

Automaton::Mask Automaton::make_mask(Place place) {
  std::vector<uint64_t> words(word_count_, 0);
  Mask mask;
  const int base = base_of(place);
  const KeyPointer key = entries_[place].key;
  const bool accepts = entries_[place].accepts;
  for (const Way& way : ways_of(place)) {
    const Way rest = way.substr(0, way.size() - 1);
    const uint32_t rest_distance = distance_of(base, rest);
    if (rest_distance >= kNever) continue;
    const Local& local = local_of(kStackMax - base - static_cast<int>(rest.size()), way.back());
    for (size_t i = 0; i < word_count_; ++i) words[i] |= local.words[i];
    mask.farthest = std::max(mask.farthest, add_distance(local.farthest, rest_distance));
    if (rest.empty() || local.exits.empty()) continue;
    const Place returned = closure(base, {rest});
    for (const TokenTrie::Node exit : local.exits) {
      walk(exit, returned, [&](TokenTrie::Node node, Place at) {
        if (!is_alive(at) || trie_->tokens(node).empty()) return;
        add(words, trie_->tokens(node));
        mask.farthest = std::max(mask.farthest, entries_[at].distance);
      });
    }
  }
  if (entries_[place].is_marker) {
    for (const TokenId token : trie_->special_tokens()) {
      const Place at = step_special(place, token);
      if (!is_alive(at)) continue;
      add(words, {&token, 1});
      mask.farthest = std::max(mask.farthest, entries_[at].distance);
    }
  }
  if (is_cut_) add_single_bytes(key, {}, words);
  if (accepts) add(words, trie_->end_tokens());
  mask.tokens = shortened(std::move(words));
  return mask;
}

// Where memory ran out in the middle of a walk: starts anew, with those tokens that always lead on (`tokens`: of those,
// the ones from which that many tokens close the text).
void Automaton::add_single_bytes(const KeyPointer& at, std::optional<int64_t> tokens,
                                 std::vector<uint64_t>& words) {
  forget();
  for (TokenTrie::Node node = 1; node < trie_->node_count(); node = trie_->end(node)) {
    const Place next = step(place_of(at), trie_->byte(node));
    if (is_alive(next) && (!tokens.has_value() || closes_within(next, *tokens)))
      add(words, trie_->tokens(node));
  }
}

Automaton::TokenSet Automaton::shortened(std::vector<uint64_t> words) const {
  size_t count = 0;
  for (const uint64_t word : words) count += static_cast<size_t>(std::popcount(word));
  if (count * sizeof(TokenId) > words.size() * sizeof(uint64_t) / 2) return {std::move(words), {}};
  TokenSet set;
  set.few.reserve(count);
  for (size_t i = 0; i < words.size(); ++i) {
    for (uint64_t word = words[i]; word != 0; word &= word - 1) {
      set.few.push_back(static_cast<TokenId>(i * TokenMask::kWordBits) + std::countr_zero(word));
    }
  }
  return set;
}

const Automaton::Mask& Automaton::mask_of(Place place) {
  if (entries_[place].mask != nullptr) return *entries_[place].mask;
  const KeyPointer key = entries_[place].key;
  auto mask = std::make_unique<const Mask>(make_mask(place));
  remembered_bytes_ +=
      sizeof(Mask) + mask->tokens.words.size() * sizeof(uint64_t) + mask->tokens.few.size() * sizeof(TokenId);
  Entry& entry = entries_[place_of(key)];  // the number is another one if memory ran out meanwhile
  entry.mask = std::move(mask);
  return *entry.mask;
}

void Automaton::apply(const TokenSet& tokens, TokenMask& allowed) {
  const std::span<uint64_t> words = allowed.words();
  if (!tokens.words.empty()) {
    const size_t shared = std::min(words.size(), tokens.words.size());
    for (size_t i = 0; i < shared; ++i) words[i] &= tokens.words[i];
    for (size_t i = shared; i < words.size(); ++i) words[i] = 0;
    return;
  }
  // The tokens that were allowed and still are: kept aside while the rest is cleared.
  std::vector<TokenId> kept;
  kept.reserve(tokens.few.size());
  for (const TokenId token : tokens.few) {
    if (allowed.allows(token)) kept.push_back(token);
  }
  allowed.allow_only(kept);
}

void Automaton::restrict(const KeyPointer& at, TokenMask& allowed, int64_t remaining) {
  const std::lock_guard lock(mutex_);
  forget_if_large();
  const Mask& mask = mask_of(place_of(at));
  const bool any_closes =
      int64_t{mask.farthest} + 2 <= remaining;  // the token, what follows it, the end token
  if (any_closes || closing_of(place_of(at)) > remaining) {
    apply(mask_of(place_of(at)).tokens, allowed);
  } else {
    restrict_to_closable(place_of(at), allowed, remaining);
  }
}

void Automaton::restrict_to_closable(Place place, TokenMask& allowed, int64_t remaining) {
  std::vector<uint64_t> words(word_count_, 0);
  const auto add_if_closable = [&](std::span<const TokenId> tokens, Place at) {
    if (!tokens.empty() && closes_within(at, remaining - 1)) add(words, tokens);
  };
  const KeyPointer key = entries_[place].key;
  const bool accepts = entries_[place].accepts;
  walk(TokenTrie::kRoot, place,
       [&](TokenTrie::Node node, Place at) { add_if_closable(trie_->tokens(node), at); });
  if (entries_[place].is_marker) {
    for (const TokenId token : trie_->special_tokens())
      add_if_closable({&token, 1}, step_special(place, token));
  }
  if (is_cut_) add_single_bytes(key, remaining - 1, words);
  if (accepts) add(words, trie_->end_tokens());
  apply(shortened(std::move(words)), allowed);
}

}  // namespace cairn::grammar
