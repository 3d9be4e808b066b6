// Masks: which tokens lead from a place to one that has an end.
//
// The whole trie is walked only once for each state and its rule (Local); for a way in that state, what is left is to
// go on behind the tokens' parts that leave the rule, which are few: within a string, those with its closing quote.
#include <algorithm>
#include <bit>
#include <unordered_set>
#include <utility>

#include "text/grammar/automaton.h"
#include "text/grammar/limits.h"

namespace cairn::grammar {

// Tokens of the vocabulary: a special or end token's id may be outside of it.
void Automaton::add_tokens(std::vector<uint64_t>& words, std::span<const TokenId> tokens) {
  for (const TokenId token : tokens) {
    if (token < 0 || static_cast<size_t>(token) / TokenMask::kWordBits >= words.size()) continue;
    words[static_cast<size_t>(token) / TokenMask::kWordBits] |= uint64_t{1} << (token % TokenMask::kWordBits);
  }
}

const Automaton::Local& Automaton::local_of(int room, State state) {
  const int base = kStackMax - std::min(room, distances_.calls_of(graph_.rule_of(state)));
  const Place place = intern(base, {Way{state}});
  if (entries_[place].local != nullptr) return *entries_[place].local;
  auto local = std::make_unique<Local>();
  local->words.assign(word_count_, 0);
  Work work{.most = kLocalWorkMax};
  walk(TokenTrie::kRoot, place, work, [&](TokenTrie::Node node, Place at) {
    const Entry& entry = entries_[at];
    if (entry.accepts) local->exits.push_back(node);
    if (entry.distance >= kNever || trie_->tokens(node).empty()) return;
    add_tokens(local->words, trie_->tokens(node));
    local->farthest = std::max(local->farthest, entry.distance);
  });
  local->work = work.spent;
  local->is_cut = work.is_out();
  local->exits.shrink_to_fit();
  remembered_bytes_ +=
      sizeof(Local) + word_count_ * sizeof(uint64_t) + local->exits.size() * sizeof(TokenTrie::Node);
  entries_[place].local = std::move(local);
  return *entries_[place].local;
}

Automaton::Mask Automaton::make_mask(Place place) {
  std::vector<uint64_t> words(word_count_, 0);
  Mask mask;
  Work work{.most = kWorkMax};
  add_ways(place, mask, work, words);
  if (entries_[place].is_marker) add_specials(place, mask, work, words);
  mask.is_cut = mask.is_cut || work.is_out();
  if (mask.is_cut) {
    add_single_bytes(place, mask, words);
    work.spent = std::max(work.spent, work.most + 1);
  }
  if (entries_[place].accepts) add_tokens(words, trie_->end_tokens());
  mask.tokens = shortened(std::move(words));
  mask.work = work.spent;
  return mask;
}

void Automaton::add_ways(Place place, Mask& mask, Work& work, std::vector<uint64_t>& words) {
  const int base = base_of(place);
  std::unordered_set<const Local*> counted;
  for (const Way& way : ways_of(place)) {
    if (work.is_out()) return;
    const Way rest = way.substr(0, way.size() - 1);
    const uint32_t rest_distance = distance_of(base, rest);
    if (rest_distance >= kNever) continue;
    const Local& local = local_of(kStackMax - base - static_cast<int>(rest.size()), way.back());
    if (counted.insert(&local).second) work.spent += local.work;
    mask.is_cut = mask.is_cut || local.is_cut;
    for (size_t i = 0; i < word_count_; ++i) words[i] |= local.words[i];
    mask.farthest = std::max(mask.farthest, add_distance(local.farthest, rest_distance));
    if (rest.empty() || local.exits.empty()) continue;
    size_t ways = 0;
    const Place returned = closure(base, {rest}, ways);
    work.spent += ways * kWayWork;
    for (const TokenTrie::Node exit : local.exits) {
      if (work.is_out()) return;
      work.spent += kNodeWork;
      walk(exit, returned, work, [&](TokenTrie::Node node, Place at) {
        if (!is_alive(at) || trie_->tokens(node).empty()) return;
        add_tokens(words, trie_->tokens(node));
        mask.farthest = std::max(mask.farthest, entries_[at].distance);
      });
    }
  }
}

void Automaton::add_specials(Place place, Mask& mask, Work& work, std::vector<uint64_t>& words) {
  for (const TokenId token : trie_->special_tokens()) {
    if (work.is_out()) return;
    size_t ways = 0;
    const Place at = step_special(place, token, ways);
    work.spent += ways * kWayWork;
    if (!is_alive(at)) continue;
    add_tokens(words, {&token, 1});
    mask.farthest = std::max(mask.farthest, entries_[at].distance);
  }
}

// Where the mask took too much: what surely leads on. At least one token, if there is one: the nearest symbol first, then
// as many bytes as may be looked at.
void Automaton::add_single_bytes(Place place, Mask& mask, std::vector<uint64_t>& words) {
  Work work{.most = kSinglesWorkMax};
  bool has_any = false;
  const auto add_if_alive = [&](std::span<const TokenId> tokens, Place to) {
    if (tokens.empty() || !is_alive(to)) return;
    add_tokens(words, tokens);
    mask.farthest = std::max(mask.farthest, entries_[to].distance);
    has_any = true;
  };
  size_t ways = 0;
  const std::optional<Symbol> nearest = nearest_symbol(place, ways);
  if (nearest.has_value() && nearest->token.has_value()) {
    const TokenId token = *nearest->token;
    add_if_alive({&token, 1}, step_special(place, token, ways));
  }
  for (TokenTrie::Node node = 1; node < trie_->node_count(); node = trie_->end(node)) {
    const bool is_nearest =
        nearest.has_value() && !nearest->token.has_value() && nearest->byte == trie_->byte(node);
    if (work.is_out() && has_any && !is_nearest) continue;
    add_if_alive(trie_->tokens(node), step(place, trie_->byte(node), work));
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
  auto mask = std::make_unique<const Mask>(make_mask(place));
  remembered_bytes_ += sizeof(Mask) + bytes_of(mask->tokens);
  entries_[place].mask = std::move(mask);
  return *entries_[place].mask;
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
  const Place place = place_of(at);
  const Mask& mask = mask_of(place);
  const bool any_closes =
      int64_t{mask.farthest} + 2 <= remaining;  // the token, what follows it, the end token
  if (any_closes || closing_of(place) > remaining) {
    apply(mask.tokens, allowed);
  } else {
    restrict_to_closable(place, allowed, remaining, mask.work);
  }
}

}  // namespace cairn::grammar
