// CommonOptions: what every command that runs a model is told. Plain data, filled by the parser (parse.h);
// names are already turned into values, numbers are not yet checked against a model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/open_engine.h"
#include "kernels/isa.h"

namespace cairn {

// Whether results are for people or one JSON object on standard output.
enum class OutputForm : uint8_t { kText, kJson };

struct CommonOptions {
  std::optional<std::string> model_path;     // -m; absent: the demo model
  std::optional<Isa> isa;                    // --isa; absent: the best of this machine
  std::optional<int> thread_count;           // -t, at least 1; absent: all usable physical cores
  KvHolding kv_holding = KvHolding::kPaged;  // --cache
  std::optional<KvPlan> kv_plan;             // --kv; absent: f16 in all layers
  KvSharing sharing = KvSharing::kPrefixes;  // --no-sharing
  std::optional<uint64_t> kv_memory_bytes;   // --kv-memory; absent: what the context needs
  std::optional<int64_t> context;            // -c, at least 1; absent: min(the model's, kDefaultContext)
  int64_t prefill_chunk = EngineOptions().prefill_chunk;  // --prefill-chunk, at least 1
  OutputForm output_form = OutputForm::kText;             // --json
};

}  // namespace cairn
