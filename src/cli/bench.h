// cairn bench: what the machine can do, and what the engine makes of it.
#pragma once

#include <optional>
#include <string>

#include "cairn/status.h"
#include "cli/common_options.h"

namespace cairn {

class Console;

// What to measure; the command line takes their names in lower case.
enum class BenchSubject : uint8_t {
  kAll,
  kCache,      // generating with and without the cache, and the counts beside their formulas
  kSpeed,      // decode and prefill beside the machine's ceilings
  kDepth,      // what depth costs: decode and prefill behind many positions, by codec
  kCodecs,     // what each KV plan costs in bytes, and changes in a model's predictions of a text (--file)
  kShared,     // many sequences that begin alike: memory, speed, and what a hit saves
  kScheduler,  // what the engine's own work costs in a step; not one of all: it says nothing of the model
};

// How tables are written.
enum class TableForm : uint8_t { kAligned, kCsv };

struct BenchOptions {
  CommonOptions common;
  BenchSubject subject = BenchSubject::kAll;
  std::optional<std::string> text_file;        // -f; codecs needs one
  TableForm table_form = TableForm::kAligned;  // --csv
  bool every_codec = false;                    // depth: not f16, int8 and int4 only
};

Status run_bench(const BenchOptions& options, Console& console);

}  // namespace cairn
