// KvOwner: for whom blocks are kept (a tenant), and KvOwnerCounts: what is charged to one. Plain data.
//
// A block is charged to at most one owner: to that of the sequence that took it. It stays charged while sequences of the
// owner hold it and while it is idle, and counts once, however many of them share it. docs/kv.md has the rules.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>

namespace cairn {

struct KvOwner {
  uint32_t value = 0;  // 0: nobody in particular
  friend auto operator<=>(const KvOwner&, const KvOwner&) = default;
};

// Blocks of all layer groups together.
struct KvOwnerCounts {
  KvOwner owner;
  uint64_t held_bytes = 0;      // of blocks that sequences have: open and held ones
  uint64_t promised_bytes = 0;  // that the next step of its sequences may take, in groups with a window
  uint64_t idle_bytes = 0;
  std::optional<uint64_t> quota_bytes;  // absent: none

  [[nodiscard]] uint64_t charged_bytes() const { return held_bytes + promised_bytes + idle_bytes; }
};

}  // namespace cairn
