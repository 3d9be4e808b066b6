#include "engine/memory_plan.h"

#include <algorithm>
#include <utility>

#include "engine/layer_visibility.h"
#include "model/attention_shape.h"
#include "model/transformer.h"

namespace cairn {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

// Measured, of runs with five models: VmHWM without all that is counted below. Most of it is pages of
// libraries (8 MiB) and of the program.
constexpr uint64_t kProgramBytes = 10 * kMiB;
// Measured: what opening a file with 4,000 to 152,000 tokens adds, by the token: its text twice (in the
// file's metadata and in the tokenizer), tables of texts and merges that are at most half full, pages of the
// file's head.
constexpr uint64_t kTokenBytes = 220;

// A piece that is packed, and what the system brought on both of its sides (MappedFile::release).
constexpr uint64_t kLoadingBytesMax = kPackingPieceBytes + 4 * kMiB;

uint64_t unsigned_of(int64_t count) { return static_cast<uint64_t>(count); }

// The largest n in [0, limit] for which fits(n) is true; it must be true for all smaller ones (except 0, which
// is free).
template <typename Fits>
Result<int64_t> largest_that_fits(int64_t limit, const Fits& fits) {
  int64_t low = 0;
  int64_t high = limit;
  while (low < high) {
    const int64_t middle = low + (high - low + 1) / 2;
    CAIRN_ASSIGN_OR_RETURN(const bool does_fit, fits(middle));
    (does_fit ? low : high) = does_fit ? middle : middle - 1;
  }
  return low;
}

}  // namespace

Result<KvShape> kv_shape_of(const Config& config, const KvPlan& plan, int64_t context) {
  CAIRN_ASSIGN_OR_RETURN(auto visibility, layer_visibility(config, plan, context));
  return KvShape{.layer_count = config.layer_count,
                 .kv_head_count = config.kv_head_count,
                 .head_dim = config.head_dim,
                 .plan = plan,
                 .visibility = std::move(visibility)};
}

int64_t shared_blocks(int64_t shared_prefix, int64_t context) {
  return std::min(shared_prefix, context - 1) / kBlockSize;
}

Result<KvMemory> plan_kv_memory(const Config& config, const MemoryWish& wish) {
  const EngineOptions& options = wish.engine;
  CAIRN_RETURN_IF_ERROR(Engine::check_options(options));
  CAIRN_ASSIGN_OR_RETURN(const KvShape shape, kv_shape_of(config, options.kv_plan, options.context));
  KvCacheOptions cache = Engine::cache_options(shape, options);
  Result<KvMemory> kv = KvCache::memory_of(cache);
  if (!kv.ok() || wish.shared_prefix == 0 || options.pool_bytes.has_value()) return kv;
  CAIRN_ASSIGN_OR_RETURN(const KvGeometry geometry, KvGeometry::make(shape));
  const int64_t saved = (options.max_sequences - 1) * shared_blocks(wish.shared_prefix, options.context);
  cache.pool_blocks = kv->pool_blocks;
  for (int32_t group = 0; group < geometry.group_count(); ++group) {
    if (geometry.visibility(group).sees_all()) cache.pool_blocks[static_cast<size_t>(group)] -= saved;
  }
  return KvCache::memory_of(cache);
}

Result<MemoryPlan> plan_memory(const ModelSizes& model, const MemoryWish& wish) {
  const EngineOptions& options = wish.engine;
  const Config& config = model.config;
  CAIRN_ASSIGN_OR_RETURN(const KvMemory kv, plan_kv_memory(config, wish));
  if (model.known == KnownSizes::kCache)
    return MemoryPlan{.kv_bytes = kv.pool_bytes - kv.resume_bytes,
                      .resume_bytes = kv.resume_bytes,
                      .open_bytes = kv.open_bytes};
  CAIRN_ASSIGN_OR_RETURN(const auto visibility, layer_visibility(config, options.kv_plan, options.context));
  const int64_t guessed_rows = options.drafter != nullptr ? Engine::most_verified_rows(options) : 0;
  const int64_t logit_rows = std::max(options.max_sequences, guessed_rows);
  const uint64_t logits_bytes = unsigned_of(logit_rows * config.vocab_size) * sizeof(float);
  const ForwardLimits limits = Engine::forward_limits(options);
  uint64_t tier_bytes = 0;
  if (options.tiers.has_any()) {
    CAIRN_ASSIGN_OR_RETURN(const KvShape shape, kv_shape_of(config, options.kv_plan, options.context));
    CAIRN_ASSIGN_OR_RETURN(const KvGeometry geometry, KvGeometry::make(shape));
    CAIRN_ASSIGN_OR_RETURN(tier_bytes, BlockTiers::memory_bytes(geometry, Engine::step_rows(options)));
  }
  return MemoryPlan{.weights_bytes = model.weights.loaded_bytes(),
                    .kv_bytes = kv.pool_bytes - kv.resume_bytes,
                    .resume_bytes = kv.resume_bytes,
                    .open_bytes = kv.open_bytes,
                    .step_bytes = Transformer::work_bytes_for(config, visibility, limits, wish.thread_count),
                    .sampling_bytes = logits_bytes + Sampler::bytes_for(config.vocab_size) +
                                      TokenMask::bytes_for(config.vocab_size),
                    .event_bytes = EventRing<KvEvent>::bytes_for(kKvEventCapacity) +
                                   EventRing<EngineEvent>::bytes_for(kEngineEventCapacity),
                    .tier_bytes = tier_bytes,
                    .tokenizer_bytes = unsigned_of(config.vocab_size) * kTokenBytes,
                    .program_bytes = kProgramBytes,
                    .loading_bytes = std::min(model.weights.stored_bytes, kLoadingBytesMax)};
}

Result<MemoryLimits> memory_limits(const ModelSizes& model, const MemoryWish& wish, uint64_t available_bytes,
                                   int64_t context_max) {
  const auto fits = [&](const MemoryWish& tried) -> Result<bool> {
    const Result<MemoryPlan> plan = plan_memory(model, tried);
    // What is wished is possible; more of it may have windows that its pool cannot hold.
    if (!plan.ok() && tried.engine.pool_bytes.has_value()) return false;
    CAIRN_RETURN_IF_ERROR(plan.status());
    return plan->total_bytes() <= available_bytes;
  };
  MemoryLimits limits;
  MemoryWish tried = wish;
  CAIRN_ASSIGN_OR_RETURN(limits.longest_context, largest_that_fits(context_max, [&](int64_t context) {
                           tried.engine.context = context;
                           return fits(tried);
                         }));
  tried = wish;
  CAIRN_ASSIGN_OR_RETURN(limits.most_sequences, largest_that_fits(kMostSequences, [&](int64_t sequences) {
                           tried.engine.max_sequences = sequences;
                           return fits(tried);
                         }));
  return limits;
}

}  // namespace cairn
