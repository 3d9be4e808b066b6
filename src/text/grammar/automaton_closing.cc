// Closing: the least number of tokens from a place to the end.
//
// Measured along one text: the shortest in bytes, and of those the one with the lowest bytes. Behind each of its bytes
// the rest of it is again the shortest text from there, so a token that follows it always brings the end nearer, by as
// much as was counted. The text is shortest in bytes of all, its tokens the fewest for that text.
#include <algorithm>

#include "text/grammar/automaton.h"
#include "text/grammar/limits.h"

namespace cairn::grammar {
namespace {

// Farther ends are counted as a token for each byte: an upper bound.
constexpr uint32_t kBytesCountedExactly = 2'048;

}  // namespace

std::optional<Automaton::Symbol> Automaton::nearest_symbol(Place place) const {
  const int base = base_of(place);
  const uint32_t wanted = entries_[place].distance - 1;
  std::optional<Symbol> best;
  for (const Way& way : ways_of(place)) {
    for (const Edge* edge = graph_.first(way.back()); edge != nullptr; edge = graph_.next(*edge)) {
      if (edge->kind == EdgeKind::kEmpty || edge->kind == EdgeKind::kCall) continue;
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

int64_t Automaton::closing_of(Place place) {
  if (place == kNowhere || !is_alive(place)) return kNever;
  if (entries_[place].closing != 0) return entries_[place].closing;
  const uint32_t distance = entries_[place].distance;
  if (distance > kBytesCountedExactly) return int64_t{distance} + 1;
  // The places along the text, up to one that is counted.
  std::vector<Place> places{place};
  std::vector<Symbol> symbols;
  while (entries_[places.back()].closing == 0 && entries_[places.back()].distance > 0) {
    const std::optional<Symbol> symbol = nearest_symbol(places.back());
    if (!symbol.has_value()) return int64_t{distance} + 1;
    const Place next = symbol->token.has_value() ? step_special(places.back(), *symbol->token)
                                                 : step(places.back(), symbol->byte);
    // Only where ways were given up (kWaysMax), or memory ran out.
    if (entries_[next].distance != entries_[places.back()].distance - 1) return int64_t{distance} + 1;
    symbols.push_back(*symbol);
    places.push_back(next);
  }
  if (entries_[places.back()].closing == 0) entries_[places.back()].closing = 1;  // the end token
  for (size_t at = symbols.size(); at-- > 0;) {
    int64_t best = entries_[places[at + 1]].closing + 1;  // by the byte alone, or by the marker
    TokenTrie::Node node = TokenTrie::kRoot;
    for (size_t i = at; i < symbols.size() && !symbols[i].token.has_value(); ++i) {
      TokenTrie::Node child = node + 1;
      while (child < trie_->end(node) && trie_->byte(child) != symbols[i].byte) child = trie_->end(child);
      if (child >= trie_->end(node)) break;
      node = child;
      if (!trie_->tokens(node).empty()) best = std::min(best, entries_[places[i + 1]].closing + 1);
    }
    entries_[places[at]].closing = best;
  }
  return entries_[place].closing;
}

int64_t Automaton::closing_tokens(const KeyPointer& at) {
  const std::lock_guard lock(mutex_);
  forget_if_large();
  return closing_of(place_of(at));
}

bool Automaton::closes_within(Place place, int64_t tokens) {
  if (!is_alive(place)) return false;
  const int64_t distance = entries_[place].distance;
  if (distance + 1 <= tokens) return true;
  if ((distance + token_bytes_max_ - 1) / token_bytes_max_ + 1 > tokens) return false;
  return closing_of(place) <= tokens;
}

}  // namespace cairn::grammar
