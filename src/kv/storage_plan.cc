#include "kv/storage_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "kv/block_window.h"
#include "kv/kv_cache.h"

namespace cairn {
namespace {

// Enough to explain the misses of a busy pool, and to know texts by blocks that windows have passed; never more than a
// few megabytes.
constexpr int64_t kMostGhosts = 4096;

int64_t sum(const std::vector<int64_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), int64_t{0});
}

// Blocks of a group with a window: what every sequence needs at once, and what is left for later ones.
void size_window(const KvCacheOptions& options, int32_t group, KvStoragePlan& plan) {
  const BlockWindow window(plan.geometry.visibility(group));
  const auto g = static_cast<size_t>(group);
  const int64_t of_sequence = std::min(window.most_blocks(), plan.context_blocks);
  const int64_t of_step = BlockWindow::step_blocks(options.step_rows, plan.max_sequences);
  const int64_t all = plan.max_sequences * plan.context_blocks;
  const int64_t needed = std::min(plan.max_sequences * of_sequence + of_step, all);
  const bool shares = plan.sharing == PrefixSharing::kOn;
  const int64_t tail_count = shares ? std::min(plan.max_sequences, kReserveTails) : 0;
  const int64_t tails = tail_count * std::min(window.tail_blocks(), plan.context_blocks);
  plan.sequence_blocks[g] = of_sequence;
  plan.resume_blocks[g] = std::min(tails, all - needed);  // a window never takes more than keeping all would
  plan.pool_blocks[g] = needed + plan.resume_blocks[g];
  plan.table_blocks[g] = std::min(of_sequence + of_step, plan.context_blocks);
}

// What is kept whole has an end.
Status check_stream(const KvStoragePlan& plan, const KvCacheOptions& options) {
  if (options.context <= KvGeometry::kMaxPositions) return {};
  for (int32_t group = 0; group < plan.geometry.group_count(); ++group) {
    if (!plan.window(group).sees_all()) continue;
    return invalid_argument(fmt::format(
        "a context of {} positions is not possible: `context` must be 1 to {}, but in a paged cache "
        "whose layers all have a window",
        options.context, KvGeometry::kMaxPositions));
  }
  return {};
}

uint64_t bytes_of(const KvStoragePlan& plan, const std::vector<int64_t>& blocks, int32_t group) {
  return static_cast<uint64_t>(blocks[static_cast<size_t>(group)]) * plan.geometry.block_bytes(group);
}

// What windows keep for later sequences gives way, group by group, until `bytes` less are needed.
void shrink_reserve(uint64_t bytes, KvStoragePlan& plan) {
  for (int32_t group = 0; group < plan.geometry.group_count() && bytes > 0; ++group) {
    const auto g = static_cast<size_t>(group);
    const uint64_t block_bytes = plan.geometry.block_bytes(group);
    const uint64_t wanted = (bytes + block_bytes - 1) / block_bytes;
    const int64_t less = static_cast<int64_t>(std::min(wanted, static_cast<uint64_t>(plan.resume_blocks[g])));
    plan.resume_blocks[g] -= less;
    plan.pool_blocks[g] -= less;
    bytes -= std::min(bytes, static_cast<uint64_t>(less) * block_bytes);
  }
}

// Bytes of the groups with a window, and of a block of every other group.
struct LeastBytes {
  uint64_t windows = 0;
  uint64_t block = 0;
  explicit LeastBytes(const KvStoragePlan& plan) {
    for (int32_t group = 0; group < plan.geometry.group_count(); ++group) {
      if (plan.window(group).sees_all()) {
        block += plan.geometry.block_bytes(group);
      } else {
        windows += bytes_of(plan, plan.pool_blocks, group);
      }
    }
  }
  [[nodiscard]] uint64_t sum() const { return windows + block; }
};

Status too_few_bytes(const KvCacheOptions& options, const LeastBytes& least) {
  if (least.windows == 0) {
    return invalid_argument(
        fmt::format("a cache of {} bytes cannot hold one block of {} positions ({} bytes): ask for more "
                    "`kv_memory_bytes`",
                    *options.pool_bytes, kBlockSize, least.sum()));
  }
  const std::string beside =
      least.block == 0 ? "" : fmt::format(" and one block of {} positions that all layers see", kBlockSize);
  return invalid_argument(
      fmt::format("a cache of {} bytes cannot hold the windows of {} sequence{}{} ({} bytes): ask for more "
                  "`kv_memory_bytes`, a shorter window, fewer rows in a step (`prefill_chunk`){}",
                  *options.pool_bytes, options.max_sequences, options.max_sequences == 1 ? "" : "s", beside,
                  least.sum(), options.max_sequences == 1 ? "" : " or fewer sequences (`max_sequences`)"));
}

// Where prefixes are shared, blocks beyond what all sequences can hold keep what later ones may begin with. Elsewhere nobody
// would ever take them.
int64_t blocks_of_use(const KvStoragePlan& plan, int32_t group, int64_t wanted) {
  if (plan.sharing == PrefixSharing::kOn) return wanted;
  return std::min(plan.pool_blocks[static_cast<size_t>(group)], wanted);
}

// Every group without a window gets as many blocks as there is memory for beside the windows.
Status size_by_bytes(const KvCacheOptions& options, KvStoragePlan& plan) {
  if (const uint64_t least = LeastBytes(plan).sum(); *options.pool_bytes < least) {
    shrink_reserve(least - *options.pool_bytes, plan);
  }
  const LeastBytes least(plan);
  if (*options.pool_bytes < least.sum()) return too_few_bytes(options, least);
  if (least.block == 0) return {};
  const uint64_t blocks = std::min((*options.pool_bytes - least.windows) / least.block, uint64_t{INT64_MAX});
  for (int32_t group = 0; group < plan.geometry.group_count(); ++group) {
    if (!plan.window(group).sees_all()) continue;
    plan.pool_blocks[static_cast<size_t>(group)] = blocks_of_use(plan, group, static_cast<int64_t>(blocks));
  }
  return {};
}

// As the options say; a window needs its blocks.
Status size_by_blocks(const KvCacheOptions& options, KvStoragePlan& plan) {
  if (options.pool_blocks.size() != plan.pool_blocks.size() || std::ranges::min(options.pool_blocks) < 1) {
    return invalid_argument(
        fmt::format("{} layer groups must have a block each at least", plan.geometry.group_count()));
  }
  for (int32_t group = 0; group < plan.geometry.group_count(); ++group) {
    const auto g = static_cast<size_t>(group);
    const int64_t wanted = options.pool_blocks[g];
    if (!plan.window(group).sees_all()) {
      const int64_t needed = plan.pool_blocks[g] - plan.resume_blocks[g];
      if (wanted < needed) {
        return invalid_argument(
            fmt::format("layer group {} has a window and needs {} blocks, not {}", group, needed, wanted));
      }
      plan.resume_blocks[g] = wanted - needed;
      plan.pool_blocks[g] = wanted;
    } else {
      plan.pool_blocks[g] = blocks_of_use(plan, group, wanted);
    }
  }
  return {};
}

Result<uint64_t> bytes_of_pools(const KvStoragePlan& plan, KvStorageKind storage) {
  const KvGeometry& geometry = plan.geometry;
  if (storage == KvStorageKind::kNone) {
    return geometry.bytes_of_blocks(plan.context_blocks + plan.max_sequences);
  }
  // The largest group decides whether the sum can be counted.
  CAIRN_RETURN_IF_ERROR(geometry.bytes_of_blocks(std::ranges::max(plan.pool_blocks)).status());
  uint64_t bytes = 0;
  for (int32_t group = 0; group < geometry.group_count(); ++group) {
    bytes += bytes_of(plan, plan.pool_blocks, group);
  }
  return bytes;
}

// Bytes of bookkeeping beside the blocks, at most.
uint64_t table_bytes_of(const KvStoragePlan& plan) {
  // Of a block: its state, its place in lists, and where prefixes are shared its node. A round figure above them all.
  constexpr uint64_t kBlockStateBytes = 64;
  constexpr uint64_t kNodeBytes = 512;
  const auto table_blocks = static_cast<uint64_t>(sum(plan.table_blocks));
  const auto blocks = static_cast<uint64_t>(sum(plan.pool_blocks)) + table_blocks;
  const uint64_t nodes =
      plan.sharing == PrefixSharing::kOn ? blocks + static_cast<uint64_t>(plan.ghost_count) : 0;
  return static_cast<uint64_t>(plan.max_sequences) * table_blocks * sizeof(BlockId) +
         blocks * kBlockStateBytes + nodes * kNodeBytes;
}

// Where windows pass blocks, texts are known by ghosts alone.
int64_t ghost_count_of(const KvStoragePlan& plan) {
  if (plan.sharing == PrefixSharing::kOff) return 0;
  for (int32_t group = 0; group < plan.geometry.group_count(); ++group) {
    if (!plan.window(group).sees_all()) return kMostGhosts;
  }
  return std::min(sum(plan.pool_blocks), kMostGhosts);
}

}  // namespace

Result<KvStoragePlan> make_storage_plan(const KvGeometry& geometry, const KvCacheOptions& options) {
  const auto group_count = static_cast<size_t>(geometry.group_count());
  const bool is_paged = options.storage == KvStorageKind::kPaged;
  KvStoragePlan plan{.geometry = geometry,
                     .context_blocks = KvGeometry::blocks_for(options.context),
                     .max_sequences = options.max_sequences,
                     .step_rows = options.step_rows,
                     .sharing = is_paged ? options.sharing : PrefixSharing::kOff,
                     .forgets = is_paged};
  CAIRN_RETURN_IF_ERROR(check_stream(plan, options));
  plan.pool_blocks.assign(group_count, plan.context_blocks * plan.max_sequences);
  plan.resume_blocks.assign(group_count, 0);
  plan.sequence_blocks.assign(group_count, plan.context_blocks);
  plan.table_blocks.assign(group_count, plan.context_blocks);
  for (int32_t group = 0; group < geometry.group_count(); ++group) {
    if (!plan.window(group).sees_all()) size_window(options, group, plan);
  }
  const bool is_sizable = is_paged || options.storage == KvStorageKind::kGrowing;
  if (is_sizable && !options.pool_blocks.empty()) {
    CAIRN_RETURN_IF_ERROR(size_by_blocks(options, plan));
  } else if (is_sizable && options.pool_bytes.has_value()) {
    CAIRN_RETURN_IF_ERROR(size_by_bytes(options, plan));
  }
  plan.ghost_count = ghost_count_of(plan);
  return plan;
}

Result<KvMemory> memory_of_storage_plan(const KvStoragePlan& plan, const KvCacheOptions& options) {
  KvMemory memory{.pool_blocks = plan.pool_blocks,
                  .resume_blocks = plan.resume_blocks,
                  .sequence_blocks = plan.sequence_blocks};
  CAIRN_ASSIGN_OR_RETURN(memory.pool_bytes, bytes_of_pools(plan, options.storage));
  for (int32_t group = 0; group < plan.geometry.group_count(); ++group) {
    memory.resume_bytes += bytes_of(plan, plan.resume_blocks, group);
  }
  const auto slots =
      static_cast<uint64_t>(KvGeometry::step_slots_for(options.step_rows, options.max_sequences));
  // A block's open rows are at most 11 times as large as the block (int2), so only this product can be too
  // large.
  if (const uint64_t bytes = plan.geometry.step_slot_bytes(); bytes > (uint64_t{1} << 62) / slots) {
    return invalid_argument(
        fmt::format("open rows of {} bytes for a step of {} rows are more than can be counted", bytes,
                    options.step_rows));
  }
  memory.open_bytes = static_cast<uint64_t>(options.max_sequences) * plan.geometry.open_bytes() +
                      slots * plan.geometry.step_slot_bytes();
  memory.table_bytes = table_bytes_of(plan);
  return memory;
}

Result<uint64_t> pool_bytes_of(KvCacheOptions options, int64_t block_count) {
  options.pool_bytes.reset();
  options.pool_blocks.clear();
  CAIRN_ASSIGN_OR_RETURN(const KvGeometry geometry, KvGeometry::make(options.shape));
  CAIRN_RETURN_IF_ERROR(geometry.bytes_of_blocks(block_count).status());
  CAIRN_ASSIGN_OR_RETURN(KvStoragePlan plan, make_storage_plan(geometry, options));
  uint64_t bytes = 0;
  for (int32_t group = 0; group < geometry.group_count(); ++group) {
    if (plan.window(group).sees_all()) plan.pool_blocks[static_cast<size_t>(group)] = block_count;
    bytes += bytes_of(plan, plan.pool_blocks, group);
  }
  return bytes;
}

}  // namespace cairn
