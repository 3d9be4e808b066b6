// KvPrefixNode: what the prefix index knows of one prefix, for who draws the tree or explains a miss. Plain data.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "kv/block_name.h"

namespace cairn {

// Why a block left memory.
struct KvEviction {
  enum class Cause : uint8_t {
    kMemoryNeeded,
    kOutOfWindow,  // the window of the last sequence that had it went past it
    kQuota,        // its owner needed memory and may have no more
  };
  Cause cause = Cause::kMemoryNeeded;
  int64_t step = 0;  // of the cache, when it happened
  // kMemoryNeeded:
  int64_t wanted_blocks = 0;  // how many blocks of its layer group were needed then
  int64_t idle_blocks = 0;    // how many of them could have been evicted then
};

struct KvPrefixNode {
  const BlockName& name;
  int64_t depth = 0;             // below the farthest of its ancestors that is still known
  int64_t token_count = 0;       // of the prefix, up to the end of the node's block; 0: a root
  uint64_t resident_groups = 0;  // bit g: the block of layer group g is in memory
  // Of the block that left memory last, where the block of some group is not there.
  std::optional<KvEviction> eviction;

  [[nodiscard]] bool is_root() const { return token_count == 0; }
  [[nodiscard]] bool is_ghost() const { return resident_groups == 0 && !is_root(); }
};

// Called for each node, a parent before its children. It must not change the cache.
using KvPrefixVisitor = std::function<void(const KvPrefixNode&)>;

}  // namespace cairn
