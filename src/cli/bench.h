// The benches of `cairn bench`, one file each, and what they share.
#pragma once

#include <cstdint>
#include <vector>

#include "base/memory.h"
#include "cairn/ids.h"
#include "cairn/status.h"
#include "cli/commands.h"
#include "kernels/isa.h"
#include "kv/kv_plan.h"
#include "model/config.h"

namespace cairn {

class Console;
class Engine;
class Interrupt;
class ThreadPool;
struct Request;

// What a bench writes to and asks whether to go on.
struct BenchRun {
  Console& console;
  const Interrupt& interrupt;
};

// Generating with and without the cache, and the work of each beside its formula.
Status bench_cache(const BenchOptions& options, const BenchRun& run);
// Decode beside the bandwidth of memory, prefill beside the peak of the matrix units.
Status bench_speed(const BenchOptions& options, const BenchRun& run);
// What a token costs behind many positions, by KV plan, beside the machine's ceilings.
Status bench_depth(const BenchOptions& options, const BenchRun& run);
// Many sequences behind one prefix: memory to the byte, tokens/s beside one sequence, and the time to the first
// token of a hit beside that of computing only what it did not find.
Status bench_shared(const BenchOptions& options, const BenchRun& run);
// What each KV plan costs in bytes, and what it changes in a model's predictions.
Status bench_codecs(const BenchOptions& options, const BenchRun& run);
// A text without end: speed, memory and perplexity, part by part.
Status bench_stream(const BenchOptions& options, const BenchRun& run);
// What a long prompt costs those who read meanwhile, and what they cost it: with a pace (EngineOptions::pace), and without.
Status bench_pace(const BenchOptions& options, const BenchRun& run);
// What guessing tokens ahead gains, and costs.
Status bench_speculate(const BenchOptions& options, const BenchRun& run);
// What a token costs as depth, sequences, the prefix index and threads grow: a table, and a plot.
Status bench_growth(const BenchOptions& options, const BenchRun& run);
// What the engine's own work costs in a step. Needs no model: the engine runs over a forward pass that computes
// nothing, and every token is given.
Status bench_scheduler(const BenchOptions& options, const BenchRun& run);
// What a long prefix costs until the first token, by where its blocks are; the disk beside its own limit.
Status bench_tiers(const BenchOptions& options, const BenchRun& run);
// What a constraint (JSON by a schema, tool calls) costs: a token with it and without, and each mask.
Status bench_constrained(const BenchOptions& options, const BenchRun& run);

// The work of generating m tokens after a prompt of n, by formula. A score is one query head's product with
// one key, of one layer whose queries see `reach` positions at most.
struct CacheWork {
  uint64_t positions = 0;  // run through the layers
  uint64_t scores = 0;     // of pairs where the key is not behind the query: the upper triangle is skipped
};
// All pairs of each step's positions, as a program without a cache counts them that does not skip that triangle.
[[nodiscard]] uint64_t whole_square_scores(uint64_t prompt, uint64_t generated);
[[nodiscard]] CacheWork work_without_cache(uint64_t prompt, uint64_t generated, uint64_t reach);
[[nodiscard]] CacheWork work_with_cache(uint64_t prompt, uint64_t generated, uint64_t reach);

// The machine's ceilings, measured in the same run as what is compared with them. Holds one buffer, which is
// larger than any processor cache.
class Ceilings {
 public:
  static Result<Ceilings> create(ThreadPool& threads, Isa isa);

  // Bytes a second, of the best of all read patterns (1, 2, 4, ... streams a thread, huge pages).
  [[nodiscard]] double read_bandwidth() const;
  // Operations a second of a loop that has all operands in registers (a multiply-add is two).
  [[nodiscard]] double matrix_peak() const;

 private:
  Ceilings(ThreadPool& threads, Isa isa, PageMemory buffer)
      : threads_(&threads), isa_(isa), buffer_(std::move(buffer)) {}

  ThreadPool* threads_;
  Isa isa_;
  PageMemory buffer_;
};

// Runs the request, of which one token is wanted, and whatever else the engine has meanwhile: seconds to that token. Errors:
// those of Engine::submit, and what the request ended with.
Result<double> seconds_to_first_token(Engine& engine, Request request);

// The middle value (of an even number, the lower middle).
[[nodiscard]] double median(std::vector<double> values);

// A codec for each format, and those that are worth comparing with them, as far as the model's shape allows it.
[[nodiscard]] std::vector<KvPlan> codecs_to_compare(const Config& config);
// Every codec, each axis of keys with each of values, as far as the model's shape allows it.
[[nodiscard]] std::vector<KvPlan> every_codec(const Config& config);

// Token ids that differ from position to position. Speed does not depend on them.
[[nodiscard]] std::vector<TokenId> varied_tokens(int64_t count, int64_t vocab_size, int64_t first = 0);

}  // namespace cairn
