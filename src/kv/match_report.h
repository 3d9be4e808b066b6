// KvMatchReport: how much of a text the cache had in memory when the text's sequence was opened, where the match ended, and why.
// It reveals nothing about texts under another salt. Plain data, kept with each request.
#pragma once

#include <cstdint>
#include <optional>

#include "cairn/ids.h"
#include "kv/tiers/tier.h"

namespace cairn {

enum class KvMatchEnd : uint8_t {
  kNotShared,         // this cache shares no prefixes, or the text is empty
  kComplete,          // all full blocks were found (the last token always runs, so they may be one fewer)
  kShorterThanBlock,  // the text has no full block before its last token
  kNothingKnown,      // nothing is known of what follows
  kTokensDiffer,      // the nearest known text goes on with other tokens
  kEvicted,           // the next block had been computed, but its memory was needed
  kOutOfWindow,       // the text is known further, but layers with a window have no rows to go on from there
  kOwnRows,           // the rows of its session, or of a fork's parent, went as far or further, and were used
};

struct KvMatchReport {
  KvMatchEnd end = KvMatchEnd::kNotShared;
  int64_t text_positions = 0;
  int64_t found_positions = 0;
  // kTokensDiffer: the first position where the two differ, and what stands there.
  int64_t differs_at = 0;
  TokenId wanted_token = 0;
  TokenId known_token = 0;
  // kOutOfWindow: up to where the text is known; kOwnRows: up to where the rows were its own. Between there and
  // found_positions windows have let go of what is needed to go on (or a cut block is computed again).
  int64_t known_positions = 0;
  // kEvicted: how many steps ago; and whether its owner's quota was used up, or memory was needed: then how many blocks of it,
  // and how many were idle.
  bool is_evicted_by_quota = false;
  int64_t evicted_steps_ago = 0;
  int64_t wanted_blocks = 0;
  int64_t idle_blocks = 0;
  LoadReport load;  // what other tiers had behind found_positions; filled in by the engine
};

}  // namespace cairn
