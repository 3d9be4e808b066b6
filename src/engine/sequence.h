// Sequence: a request on its way through the engine; Session: what stays of it for the next one.
// Plain state, owned and changed by the engine alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cairn/ids.h"
#include "engine/request.h"
#include "engine/stop_matcher.h"
#include "kv/kv_cache.h"
#include "text/tokenizer.h"

namespace cairn {

// The token ids of a sequence are consecutive ranges:
//   [0, held)                 rows in the cache (KvCache::length)
//   [held, tokens.size())     pending: run before the next token is picked; the last one's logits pick it
//   [0, prompt_count)         the prompt; after it, generated tokens
// Nothing is pending while a request waits for its caller (Picks::kByCaller).
struct Sequence {
  RequestId id;
  Request request;
  std::vector<TokenId> tokens;  // capacity for the whole request from the start
  int64_t prompt_count = 0;
  int64_t max_tokens = 0;
  KvLease kv;  // empty: waiting for its turn
  StreamDecoder decoder;
  StopMatcher stops;
  int64_t scored =
      0;  // positions whose logits have been told, or that were reused (LogitsWanted::kEveryPosition)
  RequestStats stats;
  int64_t picks = 0;  // generated tokens and the end token
  uint64_t submitted_ns = 0;
  uint64_t first_pick_ns = 0;
  uint64_t last_pick_ns = 0;
  bool waits = false;  // for its caller (Engine::extend)
  bool cancelled = false;
  bool finished = false;
};

struct Session {
  SessionId id;
  bool busy = false;            // a request runs in it, and has its rows
  std::vector<TokenId> tokens;  // those whose rows `kv` holds
  std::string salt;             // of the request before: rows stay with their tenant
  KvLease kv;
};

}  // namespace cairn
