// EngineEvent: one decision of an engine about a request, or about a step. Plain data, read from Engine::events().
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>

#include "cairn/ids.h"

namespace cairn {

// What `value` says stands behind each kind.
enum class EngineEventKind : uint8_t {
  // Of a request.
  kSubmitted,       // tokens of its prompt
  kForked,          // its parent's id
  kQueued,          // it waits for a place: tokens that it has
  kWaitsForPrefix,  // the id of the request that computes its prefix, or its parent's rows
  kPlaced,          // it has a place in the cache: positions found
  kRestores,        // other tiers have, or may have, its next blocks: positions that it has
  kRestored,        // no more come: positions that it has
  kRowsGranted,  // rows in this step. Only where more than one is pending: every request that decodes has one a step
  kPreempted,      // another request needs its memory: rows lost
  kPlaceTaken,     // another request gets its place while it waits for its caller: rows lost
  kStarved,        // memory does not suffice even for it alone: rows that it has
  kWaitsForQuota,  // its tenant may have no more before others of the tenant let go: bytes that are lacking
  kExceedsQuota,   // nor has its tenant's quota room for it alone: rows that it has
  kAwaitsCaller,   // tokens that it has
  kResumed,        // its caller extended it or rolled it back: tokens that it has now
  kComputesAgain,  // it went back farther than its windows reach: rows that must be computed again before that place
  kPassFailed,  // the rows of this step are lost: its passes that failed so far, one after the other
  kEnded,       // a FinishReason

  // Without a request.
  kSessionDropped,  // an idle session's rows went, because memory or a place is needed: the session's id
  kStepBegun,       // the engine's clock, in ns
  kScheduled,       // rows of all requests in this step
};

struct EngineEvent {
  int64_t step = 0;  // how many calls of Engine::step had begun; those without rows are no steps of the cache
  int64_t value = 0;
  std::optional<RequestId> request;
  EngineEventKind kind{};
};
static_assert(std::is_trivially_copyable_v<EngineEvent>);

// Two events a step, and about ten in a request's life: a thousand steps that serve two hundred requests. They take
// 160 KiB.
inline constexpr size_t kEngineEventCapacity = 4096;

}  // namespace cairn
