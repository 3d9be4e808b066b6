// Merging neighbours, best pair first: the loop that both kinds of BPE share. A queue of candidate
// merges keeps it at O(n log n) for words of any length.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "cairn/ids.h"

namespace cairn {

struct Symbol {
  uint32_t begin;   // bytes of the word
  uint32_t length;  // 0: merged away into the symbol on its left
  int32_t prev, next;
  TokenId id;  // negative: no token
};

struct MergeCandidate {
  uint64_t order;   // smallest first: how good the merge is, then how far left it is
  uint32_t length;  // of both symbols together when the candidate was made; else it is stale
  TokenId id;       // of the merged symbol

  friend bool operator<(const MergeCandidate& a, const MergeCandidate& b) { return a.order > b.order; }
};

// Kept between words, so that allocations are rare.
struct MergeScratch {
  std::vector<Symbol> symbols;
  std::vector<MergeCandidate> queue;

  void add(size_t begin, size_t length, TokenId id) {
    const auto at = static_cast<int32_t>(symbols.size());
    symbols.push_back({static_cast<uint32_t>(begin), static_cast<uint32_t>(length), at - 1, at + 1, id});
  }
};

struct Merge {
  uint32_t rank;  // the smaller, the better
  TokenId id;
};

// Orders like the scores, best (largest) first.
inline uint32_t rank_of_score(float score) {
  const auto bits = std::bit_cast<uint32_t>(score + 0.0F);  // -0 becomes 0
  const uint32_t ascending = (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
  return ~ascending;
}

// Merges the symbols of `scratch` until `find(left, right)` -> std::optional<Merge> finds no pair. The
// remaining symbols start at 0 and are linked by `next`, up to an index past the end.
template <typename Find>
void merge_symbols(MergeScratch& scratch, Find find) {
  auto& symbols = scratch.symbols;
  auto& queue = scratch.queue;
  const auto count = static_cast<int32_t>(symbols.size());
  queue.clear();
  const auto candidate = [&](int32_t left, int32_t right) {
    const std::optional<Merge> merge = find(symbols[left], symbols[right]);
    if (!merge) return false;
    queue.push_back({static_cast<uint64_t>(merge->rank) << 32 | static_cast<uint32_t>(left),
                     symbols[left].length + symbols[right].length, merge->id});
    return true;
  };
  for (int32_t i = 1; i < count; ++i) candidate(i - 1, i);
  std::make_heap(queue.begin(), queue.end());
  while (!queue.empty()) {
    std::pop_heap(queue.begin(), queue.end());
    const MergeCandidate best = queue.back();
    queue.pop_back();
    const auto at = static_cast<int32_t>(best.order & 0xFFFFFFFFU);
    Symbol& left = symbols[at];
    if (left.length == 0 || left.next >= count) continue;
    Symbol& right = symbols[left.next];
    if (left.length + right.length != best.length) continue;
    left.length = best.length;
    left.id = best.id;
    right.length = 0;
    left.next = right.next;
    if (left.next < count) symbols[left.next].prev = at;
    if (left.prev >= 0 && candidate(left.prev, at)) std::push_heap(queue.begin(), queue.end());
    if (left.next < count && candidate(at, left.next)) std::push_heap(queue.begin(), queue.end());
  }
}

}  // namespace cairn
