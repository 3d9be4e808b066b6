// Closing: the least number of tokens from a place to the end. Free text may as well be cut as end, so behind a place of it
// no end token is wanted.
//
// Measured along one text: the shortest in bytes, and of those the one with the lowest bytes. Behind each of its bytes
// the rest of it is again the shortest text from there, so a token that follows it always brings the end nearer, by as
// much as was counted. The text is shortest in bytes of all, its tokens the fewest for that text.
//
// The text is a chain of places, each with a link to the next. It stops at the end, or at a place where it is not looked
// for (too far, too many ways, or ways were given up); from there a token for each byte is counted. Links and closings
// depend on their place alone, also where a chain meets places that are counted already.
#include <algorithm>
#include <map>

#include "text/grammar/automaton.h"
#include "text/grammar/limits.h"

namespace cairn::grammar {

std::optional<Automaton::Symbol> Automaton::nearest_symbol(Place place, size_t& work) const {
  const int base = base_of(place);
  const uint32_t wanted = entries_[place].distance - 1;
  std::optional<Symbol> best;
  for (const Way& way : ways_of(place)) {
    for (const Edge* edge = graph_.first(way.back()); edge != nullptr; edge = graph_.next(*edge)) {
      if (edge->kind == EdgeKind::kEmpty || edge->kind == EdgeKind::kCall) continue;
      if (++work > kLinkWaysMax) return std::nullopt;
      Way moved = way;
      moved.back() = edge->target;
      if (distance_of(base, moved) != wanted) continue;
      if (edge->kind == EdgeKind::kBytes) {
        const int byte = distances_.first_writable(edge->low, edge->high);
        if (byte > 255) continue;
        if (!best.has_value() || best->token.has_value() || byte < best->byte) {
          best = Symbol{{}, static_cast<uint8_t>(byte)};
        }
      } else if (edge->kind == EdgeKind::kToken && !best.has_value()) {
        best = Symbol{static_cast<TokenId>(edge->what), 0};
      }
    }
  }
  return best;
}

Automaton::Link Automaton::find_link(Place place) {
  const uint32_t distance = entries_[place].distance;
  if (distance == 0 || distance > kBytesCountedExactly) return {kNowhere, {}, 1};
  size_t work = 1;
  const std::optional<Symbol> symbol = nearest_symbol(place, work);
  if (!symbol.has_value()) return {kNowhere, {}, static_cast<uint32_t>(work)};
  Place next = kNowhere;
  if (symbol->token.has_value()) {
    next = step_special(place, *symbol->token, work);
  } else {
    next = step(place, symbol->byte);
    work += step_work_[place * class_count_ + class_of_[symbol->byte]];
  }
  // Another distance: only where ways were given up (kWaysMax).
  if (work > kLinkWaysMax || entries_[next].distance != distance - 1) next = kNowhere;
  return {next, *symbol, static_cast<uint32_t>(work)};
}

const Automaton::Link& Automaton::link_of(Place place) {
  if (entries_[place].link.to == kUnknown) {
    const Link link = find_link(place);
    entries_[place].link = link;
  }
  return entries_[place].link;
}

// Calls call(count, tokens) for all tokens that are the bytes of symbols [from, from + count), count being at least 1.
template <typename Call>
void Automaton::for_each_part(const std::vector<Symbol>& symbols, size_t from, const Call& call) const {
  TokenTrie::Node node = TokenTrie::kRoot;
  for (size_t i = from; i < symbols.size() && !symbols[i].token.has_value(); ++i) {
    TokenTrie::Node child = node + 1;
    while (child < trie_->end(node) && trie_->byte(child) != symbols[i].byte) child = trie_->end(child);
    if (child >= trie_->end(node)) break;
    node = child;
    if (!trie_->tokens(node).empty()) call(i + 1 - from, trie_->tokens(node));
  }
}

int64_t Automaton::closing_of(Place place) {
  if (place == kNowhere || !is_alive(place)) return kNever;
  if (entries_[place].closing != kNotCounted) return entries_[place].closing;
  // The places along the text, up to as many that are counted as the longest token has bytes.
  std::vector<Place> places{place};
  std::vector<Symbol> symbols;
  int64_t counted = 0;
  while (true) {
    counted += entries_[places.back()].closing != kNotCounted ? 1 : 0;
    const Link link = link_of(places.back());
    if (link.to == kNowhere || counted > token_bytes_max_) break;
    symbols.push_back(link.symbol);
    places.push_back(link.to);
  }
  Entry& last = entries_[places.back()];
  if (last.closing == kNotCounted) {
    last.closing = int64_t{last.distance} + (last.accepts && last.is_free ? 0 : 1);  // and the end token
  }
  for (size_t at = symbols.size(); at-- > 0;) {
    if (entries_[places[at]].closing != kNotCounted) continue;
    int64_t best = entries_[places[at + 1]].closing + 1;  // by the byte alone, or by the marker
    for_each_part(symbols, at, [&](size_t count, std::span<const TokenId>) {
      best = std::min(best, entries_[places[at + count]].closing + 1);
    });
    entries_[places[at]].closing = best;
  }
  return entries_[place].closing;
}

int64_t Automaton::closing_tokens(const KeyPointer& at) {
  const std::lock_guard lock(mutex_);
  forget_if_large();
  return closing_of(place_of(at));
}

// Counts the links of the chain that are met for the first time. Absent: it takes too much.
std::optional<int64_t> Automaton::closing_within(Place place, Work& work) {
  for (Place at = place; at != kNowhere; at = link_of(at).to) {
    if (at / 64 >= work.met_places.size()) work.met_places.resize(entries_.size() / 64 + 1);
    uint64_t& met = work.met_places[at / 64];
    const uint64_t bit = uint64_t{1} << (at % 64);
    if ((met & bit) != 0) break;
    met |= bit;
    work.spent += (kPlaceWork + link_of(at).work) * kWayWork;
    if (work.is_out()) return std::nullopt;
  }
  return closing_of(place);
}

// Where it takes too much, those that were found by then, and those that begin the shortest text.
const Automaton::Closings& Automaton::closings_of(Place place, size_t work_before) {
  if (entries_[place].closings != nullptr) return *entries_[place].closings;
  std::map<int64_t, std::vector<TokenId>> groups;
  const auto add_to_group = [&](int64_t closing, std::span<const TokenId> tokens) {
    if (closing >= kNever) return;
    std::vector<TokenId>& group = groups[closing];
    group.insert(group.end(), tokens.begin(), tokens.end());
  };
  Work work{.spent = work_before, .most = kWorkMax};
  const auto add_if_counted = [&](std::span<const TokenId> tokens, Place to) {
    if (tokens.empty() || !is_alive(to)) return;
    const std::optional<int64_t> closing = closing_within(to, work);
    if (closing.has_value()) add_to_group(*closing, tokens);
  };
  if (!work.is_out()) {
    walk(TokenTrie::kRoot, place, work,
         [&](TokenTrie::Node node, Place to) { add_if_counted(trie_->tokens(node), to); });
  }
  if (entries_[place].is_marker) {
    for (const TokenId token : trie_->special_tokens()) {
      if (work.is_out()) break;
      size_t ways = 0;
      const Place to = step_special(place, token, ways);
      work.spent += ways * kWayWork;
      add_if_counted({&token, 1}, to);
    }
  }
  if (work.is_out()) add_shortest(place, add_to_group);
  auto closings = std::make_unique<Closings>();
  uint64_t bytes = sizeof(Closings);
  for (const auto& [closing, tokens] : groups) {
    std::vector<uint64_t> words(word_count_, 0);
    add_tokens(words, tokens);
    closings->groups.emplace_back(closing, shortened(std::move(words)));
    bytes += sizeof(closings->groups[0]) + bytes_of(closings->groups.back().second);
  }
  remembered_bytes_ += bytes;
  entries_[place].closings = std::move(closings);
  return *entries_[place].closings;
}

template <typename Add>
void Automaton::add_shortest(Place place, const Add& add_to_group) {
  std::vector<Place> places{place};
  std::vector<Symbol> symbols;
  while (std::ssize(symbols) < token_bytes_max_) {
    const Link link = link_of(places.back());
    if (link.to == kNowhere) break;
    symbols.push_back(link.symbol);
    places.push_back(link.to);
  }
  for_each_part(symbols, 0, [&](size_t count, std::span<const TokenId> tokens) {
    add_to_group(closing_of(places[count]), tokens);
  });
  if (!symbols.empty() && symbols[0].token.has_value()) {
    add_to_group(closing_of(places[1]), {&*symbols[0].token, 1});
  }
  if (!symbols.empty()) return;
  // The place has no link: by its bytes, the end is nearer behind some of them.
  for (TokenTrie::Node node = 1; node < trie_->node_count(); node = trie_->end(node)) {
    const Place to = step(place, trie_->byte(node));
    if (entries_[to].distance < entries_[place].distance) add_to_group(closing_of(to), trie_->tokens(node));
  }
}

void Automaton::restrict_to_closable(Place place, TokenMask& allowed, int64_t remaining, size_t work_before) {
  std::vector<uint64_t> words(word_count_, 0);
  for (const auto& [closing, tokens] : closings_of(place, work_before).groups) {
    if (closing > remaining - 1) break;
    for (size_t i = 0; i < tokens.words.size(); ++i) words[i] |= tokens.words[i];
    add_tokens(words, tokens.few);
  }
  if (entries_[place].accepts) add_tokens(words, trie_->end_tokens());
  apply(shortened(std::move(words)), allowed);
}

}  // namespace cairn::grammar
