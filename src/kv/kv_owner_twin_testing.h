// KvOwnerTwin: what is charged to each owner of a paged cache's blocks, from the cache's events and the rules of docs/kv.md
// alone, in the plainest containers. It also watches in which order an owner's idle blocks go. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "kv/kv_cache.h"

namespace cairn {

class KvOwnerTwin {
 public:
  using Owner = uint32_t;  // 0: nobody
  explicit KvOwnerTwin(const KvCache& cache) : cache_(cache) {}

  void name(Owner owner) { named_.insert(owner); }
  // A sequence that has just been opened, before the events of that are read.
  void opened(SequenceId sequence, Owner owner) {
    owner_of_[sequence.value] = named_.contains(owner) ? owner : 0;
  }

  // Reads what has happened since the last call.
  void catch_up() {
    std::array<KvEvent, 64> events;
    for (;;) {
      const EventRead read = cache_.events().read(next_, events);
      ASSERT_EQ(read.missed, 0U);
      next_ = read.next;
      if (read.count == 0) return;
      for (size_t i = 0; i < read.count; ++i) {
        if (!events[i].block.has_value()) continue;
        ASSERT_NO_FATAL_FAILURE(apply(events[i]));
      }
    }
  }

  [[nodiscard]] uint64_t held_bytes(Owner owner) const { return bytes(owner, false); }
  [[nodiscard]] uint64_t idle_bytes(Owner owner) const { return bytes(owner, true); }
  [[nodiscard]] int64_t quota_evictions() const { return quota_evictions_; }

 private:
  using Place = std::pair<int32_t, int32_t>;  // group, block
  struct Block {
    Owner charged = 0;
    std::vector<Owner> holders;  // one for each sequence that has it; none: idle
  };

  [[nodiscard]] uint64_t bytes(Owner owner, bool idle) const {
    uint64_t sum = 0;
    for (const auto& [place, block] : blocks_) {
      if (block.charged != owner || block.holders.empty() != idle) continue;
      sum += cache_.geometry().block_bytes(place.first);
    }
    return sum;
  }
  [[nodiscard]] int64_t free_blocks(int32_t group) const {
    const auto used = std::ranges::count_if(blocks_, [&](const auto& b) { return b.first.first == group; });
    return cache_.block_counts(group).block_count - used;
  }

  void apply(const KvEvent& event) {
    const Place place{event.group, event.block->value};
    const Owner by = event.sequence.has_value() ? owner_of_[event.sequence->value] : 0;
    switch (event.kind) {
      case KvEventKind::kTaken: blocks_[place] = {by, {by}}; return;
      case KvEventKind::kDropped:
      case KvEventKind::kFreed: blocks_.erase(place); return;
      case KvEventKind::kPinned: {
        Block& block = blocks_.at(place);
        if (block.holders.empty()) {
          block.charged = by;
          std::erase(idle_, place);
        }
        block.holders.push_back(by);
        return;
      }
      case KvEventKind::kUnpinned: {
        Block& block = blocks_.at(place);
        const auto one = std::ranges::find(block.holders, by);
        ASSERT_NE(one, block.holders.end());
        block.holders.erase(one);
        if (std::ranges::find(block.holders, block.charged) == block.holders.end()) block.charged = 0;
        return;
      }
      case KvEventKind::kReleased:
        blocks_.at(place).holders.clear();
        idle_.push_back(place);
        return;
      case KvEventKind::kEvicted: return evicted(place);
      default: return;  // nothing changes for its owner
    }
  }

  // The pool's oldest, where it has none that is free; else, for a quota, the owner's oldest of all groups.
  void evicted(Place place) {
    const auto is_in_pool = [&](Place idle) { return idle.first == place.first; };
    const auto is_same_owner = [&](Place idle) {
      return blocks_.at(idle).charged == blocks_.at(place).charged;
    };
    const bool is_oldest_of_pool = *std::ranges::find_if(idle_, is_in_pool) == place;
    const bool is_oldest_of_owner = *std::ranges::find_if(idle_, is_same_owner) == place;
    if (free_blocks(place.first) > 0) {
      ++quota_evictions_;
      ASSERT_TRUE(is_oldest_of_owner);
      ASSERT_NE(blocks_.at(place).charged, 0U);
    }
    ASSERT_TRUE(is_oldest_of_pool || is_oldest_of_owner);
    std::erase(idle_, place);
    blocks_.erase(place);
  }

  const KvCache& cache_;
  std::set<Owner> named_;
  std::map<int32_t, Owner> owner_of_;
  std::map<Place, Block> blocks_;  // that are not free
  std::vector<Place> idle_;        // the one that has been idle for longest is in front
  uint64_t next_ = 0;
  int64_t quota_evictions_ = 0;
};

}  // namespace cairn
