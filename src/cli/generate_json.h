// What `cairn generate --json` prints, from what happened.
#pragma once

#include <string>

#include "cli/continuations.h"
#include "cli/generate.h"
#include "cli/open_model.h"
#include "cli/reply.h"

namespace cairn {

struct GenerateReport {
  const GenerateOptions& options;
  const OpenModel& opened;
  const EngineOptions& engine;
  const Prompt& prompt;
  const Reply& reply;
  uint64_t seed = 0;
  uint64_t peak_rss_bytes = 0;
};

[[nodiscard]] std::string generate_json(const GenerateReport& report);

// Of --samples and --beams: an object for each text in "continuations".
struct ContinuationsReport {
  const GenerateOptions& options;
  const OpenModel& opened;
  const EngineOptions& engine;
  const Prompt& prompt;
  const Continuations& continuations;
  uint64_t seed = 0;
  uint64_t peak_rss_bytes = 0;
};

[[nodiscard]] std::string continuations_json(const ContinuationsReport& report);

}  // namespace cairn
