// SealedBlock: a block that was just named, as it is shown to who keeps copies of blocks outside the cache
// (KvCache::watch_sealed), and from which KvCache::restore makes the rows again. Plain data; the spans are valid during the
// call only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "cairn/ids.h"
#include "kv/block_name.h"
#include "kv/kv_owner.h"

namespace cairn {

struct SealedBlock {
  const BlockName& root;  // of its text: identity and salt
  const BlockName& parent;
  const BlockName& name;
  int64_t index = 0;                // in its text, from 0
  std::span<const TokenId> tokens;  // kBlockSize
  KvOwner owner;                    // of the sequence that sealed it
  // Of each layer group: KvGeometry::block_bytes(group), layer after layer (KvLayerLayout).
  std::span<const std::span<const std::byte>> group_bytes;
};

// Must not call the cache, nor throw.
using SealedBlockVisitor = std::function<void(const SealedBlock&)>;

}  // namespace cairn
