#include "text/grammar/automaton.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/check.h"
#include "text/grammar/limits.h"

namespace cairn::grammar {
namespace {

constexpr size_t kEdgesPerWay = 32;   // looking at that many edges takes about as long as at a way
constexpr uint64_t kEntryBytes = 96;  // of the table's and the key's own blocks, roughly

}  // namespace

Automaton::Automaton(Graph graph, std::shared_ptr<const TokenTrie> trie, uint64_t memory_bytes)
    : graph_(std::move(graph)),
      trie_(std::move(trie)),
      distances_(graph_, *trie_),
      memory_bytes_(memory_bytes) {
  word_count_ = TokenMask::bytes_for(trie_->vocab_size()) / sizeof(uint64_t);
  size_t deepest = 0;
  for (TokenTrie::Node node = 0; node < trie_->node_count(); ++node) {
    deepest = std::max<size_t>(deepest, trie_->depth(node));
  }
  stack_.resize(deepest + 1);
  token_bytes_max_ = std::max<int64_t>(1, static_cast<int64_t>(deepest));
  find_classes();
  Entry nowhere;
  nowhere.key = std::make_shared<const StateKey>(StateKey{std::u32string(1, 0)});
  nowhere.distance = kNever;
  entries_.push_back(std::move(nowhere));
  next_.assign(class_count_, kNowhere);
  step_work_.assign(class_count_, 0);
}

// Bytes that no edge tells apart are one class.
void Automaton::find_classes() {
  bool begins[257] = {true};
  for (State state = 0; state < graph_.state_count(); ++state) {
    for (const Edge* edge = graph_.first(state); edge != nullptr; edge = graph_.next(*edge)) {
      if (edge->kind == EdgeKind::kBytes) begins[edge->low] = begins[edge->high + 1] = true;
    }
  }
  size_t count = 0;
  for (size_t byte = 0; byte < 256; ++byte) {
    count += begins[byte] ? 1 : 0;
    class_of_[byte] = static_cast<uint8_t>(count - 1);
  }
  class_count_ = count;
}

KeyPointer Automaton::start() {
  const std::lock_guard lock(mutex_);
  forget_if_large();
  size_t work = 0;
  return entries_[closure(0, {Way{graph_.begin(0)}}, work)].key;
}

KeyPointer Automaton::take(const KeyPointer& from, TokenId token) {
  const std::lock_guard lock(mutex_);
  forget_if_large();
  const Place at = place_of(from);
  size_t work = 0;
  const Place to =
      trie_->is_special(token) ? step_special(at, token, work) : step_text(at, trie_->text(token));
  return is_alive(to) ? entries_[to].key : nullptr;
}

bool Automaton::may_end(const KeyPointer& at) {
  const std::lock_guard lock(mutex_);
  return entries_[place_of(at)].accepts;
}

bool Automaton::allows(const KeyPointer& at, TokenId token) {
  const std::lock_guard lock(mutex_);
  forget_if_large();
  TokenMask allowed(trie_->vocab_size());
  apply(mask_of(place_of(at)).tokens, allowed);
  return token >= 0 && token < trie_->vocab_size() && allowed.allows(token);
}

uint64_t Automaton::used_bytes() {
  const std::lock_guard lock(mutex_);
  return sizeof(*this) + graph_.used_bytes() + distances_.used_bytes() + remembered_bytes_;
}

void Automaton::forget_if_large() {
  if (remembered_bytes_ > memory_bytes_) forget();
}

// All but the place that is nowhere. Needs no memory, so that it cannot fail.
void Automaton::forget() {
  places_.clear();
  entries_.erase(entries_.begin() + 1, entries_.end());
  next_.resize(class_count_);
  step_work_.resize(class_count_);
  remembered_bytes_ = 0;
}

Automaton::Place Automaton::place_of(const KeyPointer& key) {
  const auto found = places_.find(key->words);
  if (found != places_.end()) return found->second;
  std::vector<Way> ways;
  for (size_t at = 1; at < key->words.size(); at += key->words[at] + 1) {
    ways.push_back(key->words.substr(at + 1, key->words[at]));
  }
  return intern(static_cast<int>(key->words[0]), std::move(ways));
}

std::vector<Way> Automaton::ways_of(Place place) const {
  const std::u32string& words = entries_[place].key->words;
  std::vector<Way> ways;
  for (size_t at = 1; at < words.size(); at += words[at] + 1) ways.push_back(words.substr(at + 1, words[at]));
  return ways;
}

// Of the whole way: what its state and all that it returns to need. kNever where one of them has no end.
uint32_t Automaton::distance_of(int base, const Way& way) const {
  uint32_t distance = 0;
  for (size_t i = 0; i < way.size(); ++i) {
    const int room = kStackMax - base - static_cast<int>(i);
    distance = add_distance(distance, distances_.of(way[i], room));
  }
  return distance;
}

Automaton::Place Automaton::intern(int base, std::vector<Way> ways) {
  if (ways.empty()) return kNowhere;
  std::ranges::sort(ways);
  const auto twice = std::ranges::unique(ways);
  ways.erase(twice.begin(), twice.end());
  if (ways.size() > kWaysMax) ways.resize(kWaysMax);
  StateKey key{std::u32string(1, static_cast<char32_t>(base))};
  for (const Way& way : ways) {
    key.words += static_cast<char32_t>(way.size());
    key.words += way;
  }
  const auto found = places_.find(key.words);
  if (found != places_.end()) return found->second;
  Entry entry;
  entry.distance = kNever;
  for (const Way& way : ways) {
    entry.distance = std::min(entry.distance, distance_of(base, way));
    entry.accepts = entry.accepts || (way.size() == 1 && graph_.is_end(way[0]));
    entry.is_free = entry.is_free || (way.size() == 1 && graph_.is_free(way[0]));
    for (const Edge* edge = graph_.first(way.back()); edge != nullptr; edge = graph_.next(*edge)) {
      entry.is_marker =
          entry.is_marker || edge->kind == EdgeKind::kToken || edge->kind == EdgeKind::kAnySpecial;
    }
  }
  const uint64_t bytes =
      kEntryBytes + sizeof(Entry) + class_count_ * (sizeof(Place) + sizeof(uint16_t)) + key.words.size() * 4;
  entry.key = std::make_shared<const StateKey>(std::move(key));
  const auto place = static_cast<Place>(entries_.size());
  // In this order, each may run out of memory: the tables may be longer than there are places, and a place that is not
  // found by its key only takes room.
  next_.resize((place + size_t{1}) * class_count_, kUnknown);
  step_work_.resize((place + size_t{1}) * class_count_, 0);
  entries_.push_back(std::move(entry));
  remembered_bytes_ += bytes;
  places_.emplace(entries_.back().key->words, place);
  return place;
}

// What a way leads to without reading anything: `kept` gets it where it reads or ends, `more` what is to be expanded.
// Returns how many edges were looked at.
size_t Automaton::expand(int base, const Way& way, std::vector<Way>& more, std::vector<Way>& kept) const {
  const State state = way.back();
  bool reads = false;
  size_t edges = 0;
  if (graph_.is_end(state)) {
    if (way.size() == 1) {
      reads = true;
    } else {
      more.push_back(way.substr(0, way.size() - 1));
    }
  }
  for (const Edge* edge = graph_.first(state); edge != nullptr; edge = graph_.next(*edge)) {
    ++edges;
    if (edge->kind != EdgeKind::kEmpty && edge->kind != EdgeKind::kCall) {
      reads = true;
      continue;
    }
    Way next = way;
    next.back() = edge->target;
    if (edge->kind == EdgeKind::kCall) {
      if (base + static_cast<int>(way.size()) > kStackMax) continue;
      next.push_back(graph_.begin(edge->what));
    }
    more.push_back(std::move(next));
  }
  if (reads) kept.push_back(way);
  return edges;
}

Automaton::Place Automaton::closure(int base, std::vector<Way> ways, size_t& work) {
  // Ways without an end are dropped at once, but where some bytes cannot be written one by one: there a token may
  // pass through places that nothing else leads out of.
  const bool may_drop = distances_.all_bytes_writable();
  std::unordered_set<Way> seen;
  std::vector<Way> kept;
  std::vector<Way> more = std::move(ways);
  std::ranges::reverse(more);
  size_t edges = 0;
  work += 1 + class_count_ / 32;  // the place itself, however few ways it has
  while (!more.empty() && seen.size() < kClosureStepsMax && kept.size() < kWaysMax) {
    const Way way = std::move(more.back());
    more.pop_back();
    ++work;
    if (may_drop && distance_of(base, way) >= kNever) continue;
    if (!seen.insert(way).second) continue;
    edges += expand(base, way, more, kept);
  }
  work += edges / kEdgesPerWay;
  return intern(base, std::move(kept));
}

Automaton::Place Automaton::find_step(Place from, uint8_t byte) {
  std::vector<Way> moved;
  size_t work = 0, edges = 0;
  for (Way& way : ways_of(from)) {
    ++work;
    for (const Edge* edge = graph_.first(way.back()); edge != nullptr; edge = graph_.next(*edge)) {
      ++edges;
      if (edge->kind != EdgeKind::kBytes || byte < edge->low || byte > edge->high) continue;
      moved.push_back(way);
      moved.back().back() = edge->target;
    }
  }
  work += edges / kEdgesPerWay;
  const Place to = closure(base_of(from), std::move(moved), work);
  const size_t at = from * class_count_ + class_of_[byte];
  step_work_[at] = static_cast<uint16_t>(std::min<size_t>(work, UINT16_MAX));
  next_[at] = to;
  return to;
}

// The same, counted: in full where it is met for the first time, whether it was known or not.
Automaton::Place Automaton::step(Place from, uint8_t byte, Work& work) {
  const Place to = step(from, byte);
  const size_t at = from * class_count_ + class_of_[byte];
  if (at / 64 >= work.met_steps.size()) work.met_steps.resize(next_.size() / 64 + 1);
  uint64_t& met = work.met_steps[at / 64];
  const uint64_t bit = uint64_t{1} << (at % 64);
  if ((met & bit) == 0) {
    met |= bit;
    work.spent += step_work_[at] * kWayWork;
  }
  work.spent += kNodeWork;
  return to;
}

Automaton::Place Automaton::step_special(Place from, TokenId token, size_t& work) {
  if (!entries_[from].is_marker) return kNowhere;
  const auto id = static_cast<uint32_t>(token);
  std::vector<Way> moved;
  for (Way& way : ways_of(from)) {
    ++work;
    for (const Edge* edge = graph_.first(way.back()); edge != nullptr; edge = graph_.next(*edge)) {
      const bool reads = (edge->kind == EdgeKind::kToken && edge->what == id) ||
                         (edge->kind == EdgeKind::kAnySpecial && edge->what != id);
      if (!reads) continue;
      moved.push_back(way);
      moved.back().back() = edge->target;
    }
  }
  return closure(base_of(from), std::move(moved), work);
}

Automaton::Place Automaton::step_text(Place from, std::string_view text) {
  if (text.empty()) return kNowhere;
  for (const char byte : text) {
    from = step(from, static_cast<uint8_t>(byte));
    if (from == kNowhere) break;
  }
  return from;
}

}  // namespace cairn::grammar
