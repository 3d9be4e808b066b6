// Sequence: a request on its way through the engine; Session: what stays of it for the next one.
// Plain state, owned and changed by the engine alone.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "cairn/ids.h"
#include "engine/choice_report.h"
#include "engine/drafts/draft_chances.h"
#include "engine/request.h"
#include "engine/stop_matcher.h"
#include "engine/waiter_list.h"
#include "kv/kv_cache.h"
#include "kv/tiers/block_loader.h"
#include "text/tokenizer.h"

namespace cairn {

struct Tenant;  // fair_queue.h

// Tokens that may come next, and what became of them (engine_drafts.cc).
struct Draft {
  std::vector<TokenId> tokens;  // those that run in this step; capacity from the start
  int64_t match_length = 0;     // what spoke for them (prompt_lookup.h)
  int64_t right = 0;            // the first ones, that were picked
  int64_t unverified_rows = 0;  // the cache's last rows, of those that nothing was said of yet
  DraftChances chances;
};

//   queued <-> loading        both wait for a place; loading ones for their prefix first
//   queued -> running <-> awaits caller        running -> queued: preempted
//   running <-> restoring                      its blocks come from another tier
//   all -> ended
enum class SequenceState : uint8_t {
  kQueued,        // waits for a place in the cache
  kLoading,       // another request is computing its prefix
  kRunning,       // has a place, and rows to run
  kRestoring,     // has a place, and its next rows come from a tier
  kAwaitsCaller,  // Picks::kByCaller: nothing to run before Engine::extend or roll_back
  kEnded,
};
inline constexpr size_t kSequenceStates = 6;
// It will have more rows without its caller: computed, or from a tier.
[[nodiscard]] constexpr bool goes_on(SequenceState state) {
  return state == SequenceState::kRunning || state == SequenceState::kRestoring;
}

// The order in which a tenant's sequences are served: the smaller key first.
struct SequenceKey {
  int64_t urgency = 0;   // the negated Request::priority
  uint64_t arrival = 0;  // no two alike
  friend auto operator<=>(const SequenceKey&, const SequenceKey&) = default;
};

// The token ids of a sequence are consecutive ranges:
//   [0, held)                 rows in the cache (KvCache::length, but for unverified rows of a draft)
//   [held, tokens.size())     pending: run before the next token is picked; the last one's logits pick it
//   [0, prompt_count)         the prompt; after it, generated tokens
// Nothing is pending while a request waits for its caller.
struct Sequence {
  RequestId id;
  SequenceKey key;
  Request request;
  std::vector<TokenId> tokens;  // capacity for the whole request from the start
  PrefixNames names;  // of the prompt's full blocks, and of more once it was preempted; capacity likewise
  int64_t prompt_count = 0;
  int64_t max_tokens = 0;
  StreamDecoder decoder;
  StopMatcher stops;
  ChoiceReport choice_report;  // where on_choice wants one

  SequenceState state = SequenceState::kQueued;
  KvLease kv;                       // its place in the cache; empty: none
  Tenant* tenant = nullptr;         // until it has ended
  size_t queue_place = 0;           // kQueued: in its tenant's RequestQueue
  size_t deadline_place = 0;        // with a deadline: in the DeadlineQueue
  int64_t pledged_rows = 0;         // that count for its tenant already, though they have not run yet
  bool has_run = false;             // since it got its place
  bool waits_for_quota = false;     // its tenant's, since the last step that it was to be part of
  int failed_passes = 0;            // one after the other, that it was part of
  int64_t own_positions = 0;        // rows that it had when it lost them
  bool may_load = false;            // tiers have not been asked for its next rows since it got its place
  std::unique_ptr<BlockLoad> load;  // kRestoring
  Draft draft;

  // kLoading: whose rows it waits for, how many of them, and whether it begins as a fork of them.
  Sequence* owner = nullptr;
  WaiterLinks waiter_links;  // in the owner's waiters
  int64_t wanted_positions = 0;
  bool is_fork = false;
  WaiterList waiters;     // those that wait for this one's rows
  int64_t next_wake = 0;  // at most what any of them waits for

  // Positions whose logits have been reported, or that were reused (LogitsWanted::kEveryPosition).
  // Those that came from a fork's parent (`inherited`) are never reported.
  int64_t scored = 0;
  int64_t inherited = 0;
  RequestStats stats;
  bool has_begun = false;  // some of its rows have been run, and on_begin was called
  int64_t picks = 0;       // generated tokens and the end token
  uint64_t submitted_ns = 0;
  uint64_t first_pick_ns = 0;
  uint64_t last_pick_ns = 0;
  bool cancelled = false;  // in this step; it ends when the step does
};

// More than any sequence has.
inline constexpr int64_t kAllPositions = std::numeric_limits<int64_t>::max();

struct Session {
  SessionId id;
  bool busy = false;            // a request runs in it, and has its rows
  std::vector<TokenId> tokens;  // those whose rows are in `kv`
  std::string salt;             // of the request before: rows stay with their tenant
  TenantId tenant;              // likewise
  KvLease kv;
};

}  // namespace cairn
