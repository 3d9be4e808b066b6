// MemoryPlan: the bytes that an engine and its model will take, known before anything is loaded.
//
// Always true: what is called exact is what the running engine takes, to the byte, because both come from the
// same functions (WeightSizes, KvCache::memory_of, Transformer::work_bytes_for, EventRing::bytes_for). The rest are estimates from
// measurements, so that the total is the process's peak (VmHWM) within 2 % or 16 MiB, once the context has
// been filled and a prompt was as long as a prefill chunk. Pure: it reads nothing of the machine.
#pragma once

#include <cstdint>
#include <optional>

#include "cairn/memory_plan.h"
#include "cairn/status.h"
#include "engine/engine.h"
#include "model/config.h"
#include "model/weight_sizes.h"

namespace cairn {

// What is known of a model. kCache: its layers, heads and head dimension; then only keys and values, and their open
// rows, are planned, and all else is 0.
enum class KnownSizes : uint8_t { kAll, kCache };

// What of a model decides about memory. Plain numbers.
struct ModelSizes {
  Config config;
  WeightSizes weights;
  KnownSizes known = KnownSizes::kAll;
};

// What is wanted.
struct MemoryWish {
  EngineOptions engine;
  int thread_count = 1;
  // Positions that all sequences have in common: the blocks that they fill are there once. (What the engine
  // makes of it by itself; its pool is as large as pool_bytes says.)
  int64_t shared_prefix = 0;
};

// What the cache of such a model stores, for sequences of `context` positions. Errors: those of layer_visibility.
Result<KvShape> kv_shape_of(const Config& config, const KvPlan& plan, int64_t context);

// What the cache of such a model takes. Errors: as plan_memory.
Result<KvMemory> plan_kv_memory(const Config& config, const MemoryWish& wish);

// Errors: kInvalidArgument (an option is out of range, or the KV plan does not suit the model).
Result<MemoryPlan> plan_memory(const ModelSizes& model, const MemoryWish& wish);

// Blocks that sequences of `context` positions share: full ones of the prefix, and never a sequence's last.
[[nodiscard]] int64_t shared_blocks(int64_t shared_prefix, int64_t context);

// The largest numbers that fit into `available_bytes`, all else as wished; 0: none does.
struct MemoryLimits {
  int64_t longest_context = 0;  // at most `context_max`
  int64_t most_sequences = 0;   // at most kMostSequences
};
inline constexpr int64_t kMostSequences = 4096;  // more than any CPU serves at once
Result<MemoryLimits> memory_limits(const ModelSizes& model, const MemoryWish& wish, uint64_t available_bytes,
                                   int64_t context_max);

// kResourceExhausted where the plan is more than `available_bytes`: the message lists what takes how much, and which
// shorter context, smaller codec or fewer sequences would fit.
Status refuse_unless_fits(const ModelSizes& model, const MemoryWish& wish, uint64_t available_bytes);

}  // namespace cairn
