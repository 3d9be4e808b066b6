// KvEvent: one thing that happened to a block, or to a step, of a KvCache. Plain data, read from KvCache::events().
//
// Each arrow of BlockPool is one event, so whoever has read all of them knows the state and the pins of every block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>

#include "kernels/kv_view.h"
#include "kv/sequence_id.h"

namespace cairn {

enum class KvEventKind : uint8_t {
  kTaken,     // free -> open
  kDropped,   // open -> free
  kSealed,    // open -> held, pinned once
  kReopened,  // held -> open
  kPinned,    // held or idle -> held, pinned once more: every pin is an event, not only an idle block's first
  kUnpinned,  // held -> held, pinned once less
  kReleased,  // held -> idle: the last pin of a block with a name went
  kFreed,     // held -> free: the last pin went of one without a name, or of one that was passed
  kEvicted,   // idle -> free: the sequence needs memory
  kPassed,    // the sequence's window has gone past it: it lets it go, and what becomes of it follows
  kUnified,   // the sequence computed this block's content once more: it pins this one, and frees its own
  kStepBegun,
  kStepCommitted,
  kStepAbandoned,
};

struct KvEvent {
  int64_t step = 0;                    // how many steps had begun
  std::optional<BlockId> block;        // absent: of a step
  std::optional<SequenceId> sequence;  // for which it was done, where it was for one
  KvEventKind kind{};
  int32_t group = 0;  // of layers, whose block it is
};
static_assert(std::is_trivially_copyable_v<KvEvent>);
static_assert(sizeof(KvEvent) <= 32);

// A fork or a match of a long sequence pins a block of each layer group for each kBlockSize positions. So many events
// hold eight forks of 16,384 positions where there is one group; they take 128 KiB.
inline constexpr size_t kKvEventCapacity = 4096;

}  // namespace cairn
