// The memory plan is exact; every block is in exactly one state.
#include <fmt/format.h>

#include "engine/memory_plan.h"
#include "engine/verify/variations.h"
#include "kv/block_window.h"
#include "kv/geometry.h"

namespace cairn {
namespace {

Status expect_bytes(const char* what, uint64_t planned, uint64_t held) {
  if (planned == held) return {};
  return internal_error(fmt::format("{}: {} bytes are planned, {} are taken", what, planned, held));
}

// Bytes of a block, from its tiles.
Result<uint64_t> bytes_by_tiles(const Config& config, const KvPlan& plan) {
  CAIRN_ASSIGN_OR_RETURN(const auto layers, plan.resolve(config.layer_count, config.head_dim));
  const auto head_dim = static_cast<int32_t>(config.head_dim);
  int64_t bytes = 0;
  for (const KvLayerPlan& layer : layers) {
    bytes += kv_tile_shape(layer.keys, KvSide::kKeys, head_dim).bytes +
             kv_tile_shape(layer.values, KvSide::kValues, head_dim).bytes;
  }
  return static_cast<uint64_t>(bytes * config.kv_head_count);
}

// Of a sequence of so many rows: paged storage gives back what windows have passed.
uint64_t bytes_of_text(const KvCache& cache, KvStorageKind storage, int64_t length) {
  const KvGeometry& geometry = cache.geometry();
  uint64_t bytes = 0;
  for (int32_t group = 0; group < geometry.group_count(); ++group) {
    const BlockWindow window(geometry.visibility(group));
    int64_t blocks = KvGeometry::blocks_for(length);
    if (storage == KvStorageKind::kPaged && !window.keeps_all()) {
      blocks -= window.first_kept(length) - window.sink_blocks();
    }
    bytes += static_cast<uint64_t>(blocks) * geometry.block_bytes(group);
  }
  return bytes;
}

// What each kind of storage takes for two sequences, empty and while the text runs.
Result<std::string> run_planned(const Scene& scene, Comparison& comparison, KvStorageKind storage) {
  EngineOptions options = scene.options(storage);
  options.max_sequences = 2;
  const Config& config = scene.model->config();
  CAIRN_ASSIGN_OR_RETURN(const KvShape shape, kv_shape_of(config, scene.kv_plan, options.context));
  CAIRN_ASSIGN_OR_RETURN(const KvMemory planned, KvCache::memory_of(Engine::cache_options(shape, options)));
  CAIRN_ASSIGN_OR_RETURN(const auto trial, start_trial(scene, options, comparison));
  const KvCache& cache = trial->cache();
  CAIRN_RETURN_IF_ERROR(expect_bytes("open rows", planned.open_bytes, cache.open_bytes()));
  if (storage != KvStorageKind::kGrowing) {
    CAIRN_RETURN_IF_ERROR(expect_bytes("blocks", planned.pool_bytes, cache.pool_bytes()));
  }
  CAIRN_ASSIGN_OR_RETURN(const uint64_t block_bytes, bytes_by_tiles(config, scene.kv_plan));
  CAIRN_RETURN_IF_ERROR(expect_bytes("a block", cache.geometry().block_bytes(), block_bytes));

  require(comparison, 0, 0, scene.length());
  const SessionId session = trial->open_session();  // so that rows stay
  CAIRN_RETURN_IF_ERROR(
      trial->submit_text({.prompt_count = scene.length(), .token_count = scene.length(), .session = session})
          .status());
  CAIRN_RETURN_IF_ERROR(trial->finish());
  CAIRN_RETURN_IF_ERROR(
      expect_bytes("the text's rows", bytes_of_text(cache, storage, scene.length()), cache.used_bytes()));
  CAIRN_RETURN_IF_ERROR(expect_bytes("open rows, later", planned.open_bytes, cache.open_bytes()));
  if (cache.pool_bytes() > planned.pool_bytes) return internal_error("blocks: more is taken than planned");
  return std::string();
}

// Trial looks at every block after every step; here most of what can happen to blocks happens.
Result<std::string> run_states(const Scene& scene, Comparison& comparison) {
  EngineOptions options = scene.crowd_options(4);
  CAIRN_ASSIGN_OR_RETURN(options.pool_bytes,
                         scene.pool_of(options, KvGeometry::blocks_for(scene.length()) + 4));
  CAIRN_ASSIGN_OR_RETURN(const auto trial, start_trial(scene, options, comparison));
  require(comparison, 0, 0, scene.length());
  for (int64_t text = 0; text < std::ssize(scene.texts); ++text) {
    const int64_t length = scene.length_of(text);
    CAIRN_ASSIGN_OR_RETURN(const RequestId id,
                           trial->submit_text({.text = text,
                                               .prompt_count = (length + 1) / 2,
                                               .token_count = length,
                                               .wanted = LogitsWanted::kEveryNewPosition}));
    trial->steps(2);
    const std::optional<int64_t> shared = trial->token_count(id);
    if (!shared.has_value() || *shared > length || text % 2 == 1) continue;
    CAIRN_RETURN_IF_ERROR(
        trial->fork_text(id, {.text = text, .prompt_count = *shared, .token_count = length}).status());
  }
  CAIRN_RETURN_IF_ERROR(trial->finish());
  const KvCounts counts = trial->cache().counts();
  if (counts.free_blocks + counts.idle_blocks != counts.block_count || trial->cache().used_bytes() != 0) {
    return internal_error("blocks are in use although nothing runs");
  }
  return std::string();
}

}  // namespace

std::vector<Variation> memory_variations(const Scene& scene) {
  std::vector<Variation> list;
  for (const KvStorageKind storage :
       {KvStorageKind::kGrowing, KvStorageKind::kContiguous, KvStorageKind::kPaged}) {
    list.push_back({3, fmt::format("bytes planned are bytes taken, {}", kv_storage_kind_name(storage)),
                    scene.texts[0].size(), [storage](const Scene& s, Comparison& comparison) {
                      return run_planned(s, comparison, storage);
                    }});
  }
  list.push_back(
      {4, "each block in one state, every step", scene.work_of(0, std::ssize(scene.texts)), run_states});
  return list;
}

}  // namespace cairn
