// Service: what every call of the server works with: the model as it is served, the engine, and the parts that watch over
// who may do what. Made once by the Server, which owns all of it; immutable but for the parts' own insides.
#pragma once

#include <atomic>
#include <boost/json/object.hpp>
#include <cstdint>
#include <string>

#include "base/clock.h"
#include "cairn/prefix_sharing.h"
#include "engine/engine_thread.h"
#include "server/access.h"
#include "server/call_records.h"
#include "server/constraints.h"
#include "server/explanation.h"
#include "server/ollama/reply.h"
#include "server/openai/models.h"
#include "server/worker_pool.h"
#include "text/reply/chat_prompt.h"
#include "text/tokenizer.h"

namespace cairn {

// The model, in the words of each interface.
struct ServedFacts {
  std::string name;
  std::string version;      // of Cairn
  std::string fingerprint;  // of all that determines the bits: model, build, arithmetic
  int64_t created_ns = 0;   // Unix time: when the server began
  int64_t load_ns = 0;      // how long the model took to load
  int64_t context = 0;
  int64_t longest_text = 0;     // positions that context and cache have room for
  uint64_t position_bytes = 0;  // of the cache that a position takes; 0: not the same for all
  uint64_t block_bytes = 0;     // of the cache that the shortest text takes: a block of each layer group
  PrefixSharing sharing = PrefixSharing::kOn;
  KnownText known_text = KnownText::kShown;
  Pressure pressure = Pressure::kShown;
  OllamaModel ollama;
  std::string chat_template;  // its source; empty: none
  boost::json::object model_info;
};

struct Service {
  const ServedFacts& facts;
  const Tokenizer& tokenizer;
  const ChatPrompter& prompter;
  EngineThread& engine;
  const Clock& clock;  // the engine's
  Access& access;
  Constraints& constraints;
  CallRecords& records;
  WorkerPool& workers;                 // for what takes long
  size_t longest_token_bytes;          // of the vocabulary
  std::atomic<int64_t>& stream_count;  // replies that are being streamed
};

// Positions that a text of this tenant may have: what context, cache and its quota have room for.
[[nodiscard]] int64_t longest_text(const Service& service, const ServedTenant& tenant);

// How matches with the cache are explained to whoever sent the prompt.
[[nodiscard]] inline ExplanationPlace explanation_place(const Service& service, bool rewrites_earlier_turns) {
  return {.tokenizer = service.tokenizer,
          .sharing = service.facts.sharing,
          .known_text = service.facts.known_text,
          .pressure = service.facts.pressure,
          .rewrites_earlier_turns = rewrites_earlier_turns};
}

}  // namespace cairn
