#include "kv/kv_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "kv/holder.h"

namespace cairn {
namespace {

Status check_options(const KvCacheOptions& options) {
  if (options.context < 1 || options.context > KvGeometry::kMaxPositions) {
    return invalid_argument(fmt::format("a context of {} positions is not possible: 1 to {} is (--context)",
                                        options.context, KvGeometry::kMaxPositions));
  }
  constexpr int64_t kMaxSequences = 1 << 16;  // far above what a CPU serves; keeps products of counts small
  if (options.max_sequences < 1 || options.max_sequences > kMaxSequences) {
    return invalid_argument(fmt::format("{} sequences at once are not possible: 1 to {} are",
                                        options.max_sequences, kMaxSequences));
  }
  return {};
}

double gib(uint64_t bytes) { return static_cast<double>(bytes) / static_cast<double>(uint64_t{1} << 30); }

// How many blocks the holding may take at most.
Result<KvHolderPlan> make_plan(const KvGeometry& geometry, const KvCacheOptions& options) {
  KvHolderPlan plan{geometry, KvGeometry::blocks_for(options.context), options.max_sequences, 0};
  plan.pool_blocks = plan.context_blocks * plan.max_sequences;
  const bool sizable = options.holding == KvHolding::kPaged || options.holding == KvHolding::kGrowing;
  if (sizable && options.pool_bytes.has_value()) {
    const uint64_t blocks = *options.pool_bytes / geometry.block_bytes();
    if (blocks == 0) {
      return invalid_argument(
          fmt::format("a cache of {} bytes cannot hold one block of {} positions ({} bytes)",
                      *options.pool_bytes, kBlockSize, geometry.block_bytes()));
    }
    plan.pool_blocks = static_cast<int64_t>(std::min(blocks, static_cast<uint64_t>(plan.pool_blocks)));
  }
  return plan;
}

// Refused here, in words, rather than by the system's out-of-memory killer later.
Status check_memory(const KvHolderPlan& plan, const KvCacheOptions& options) {
  const int64_t block_count =
      options.holding == KvHolding::kNone ? plan.context_blocks + plan.max_sequences : plan.pool_blocks;
  CAIRN_ASSIGN_OR_RETURN(const uint64_t bytes, plan.geometry.bytes_of_blocks(block_count));
  if (!options.available_bytes.has_value() || bytes <= *options.available_bytes) return {};
  const char* smaller_rows = options.shape.type == KvType::kF32 ? ", --kv f16" : "";
  return resource_exhausted(fmt::format(
      "the KV cache for {} sequences of {} positions needs {:.2f} GiB, but {:.2f} GiB of memory are "
      "available: ask for a smaller --context{} or fewer sequences",
      options.max_sequences, options.context, gib(bytes), gib(*options.available_bytes), smaller_rows));
}

Result<std::unique_ptr<KvHolder>> make_holder(KvHolding holding, const KvHolderPlan& plan) {
  switch (holding) {
    case KvHolding::kNone: return make_none_holder(plan);
    case KvHolding::kGrowing: return make_growing_holder(plan);
    case KvHolding::kContiguous: return make_contiguous_holder(plan);
    case KvHolding::kPaged: return make_paged_holder(plan);
  }
  return invalid_argument("no such way of holding keys and values");
}

}  // namespace

Result<std::unique_ptr<KvCache>> KvCache::create(const KvCacheOptions& options) {
  CAIRN_RETURN_IF_ERROR(check_options(options));
  CAIRN_ASSIGN_OR_RETURN(const KvGeometry geometry, KvGeometry::make(options.shape));
  CAIRN_ASSIGN_OR_RETURN(const KvHolderPlan plan, make_plan(geometry, options));
  CAIRN_RETURN_IF_ERROR(check_memory(plan, options));
  auto holder = make_holder(options.holding, plan);
  if (!holder.ok()) {
    return Status(
        holder.status().code(),
        fmt::format("no memory for the KV cache ({}): ask for a smaller --context, --kv f16 or fewer "
                    "sequences",
                    holder.status().message()));
  }
  return std::unique_ptr<KvCache>(new KvCache(geometry, options, std::move(*holder)));
}

KvCache::KvCache(const KvGeometry& geometry, const KvCacheOptions& options, std::unique_ptr<KvHolder> holder)
    : geometry_(geometry),
      context_(options.context),
      holder_(std::move(holder)),
      sequences_(static_cast<size_t>(options.max_sequences)),
      tables_(sequences_.size()),
      views_(sequences_.size()) {
  const auto context_blocks = static_cast<size_t>(KvGeometry::blocks_for(context_));
  for (KvBlockTable& table : tables_) table.reserve(context_blocks);
}

KvCache::~KvCache() = default;

size_t KvCache::index(SequenceId sequence) const {
  const auto i = static_cast<size_t>(sequence.value);
  CHECK(i < sequences_.size());
  CHECK(sequences_[i].is_open);
  return i;
}

void KvCache::shrink(SequenceId sequence, int64_t block_count) {
  KvBlockTable& table = tables_[index(sequence)];
  if (static_cast<int64_t>(table.size()) > block_count) holder_->shrink(sequence, table, block_count);
}

std::optional<SequenceId> KvCache::open() {
  for (size_t i = 0; i < sequences_.size(); ++i) {
    if (sequences_[i].is_open) continue;
    sequences_[i] = {true, 0};
    return SequenceId{static_cast<int32_t>(i)};
  }
  return std::nullopt;
}

Room KvCache::reserve(SequenceId sequence, int64_t positions) {
  CHECK(positions >= 0 && positions <= context_);
  KvBlockTable& table = tables_[index(sequence)];
  const int64_t block_count = KvGeometry::blocks_for(positions);
  if (block_count <= static_cast<int64_t>(table.size())) return Room::kOk;
  return holder_->grow(sequence, table, block_count);
}

KvView KvCache::view(std::span<const SequenceId> sequences) {
  CHECK(sequences.size() <= views_.size());
  for (size_t i = 0; i < sequences.size(); ++i) views_[i] = {tables_[index(sequences[i])].data()};
  return {geometry_.layout(), std::span(views_).first(sequences.size())};
}

void KvCache::commit(SequenceId sequence, int64_t positions) {
  int64_t& length = sequences_[index(sequence)].length;
  CHECK(positions >= length);
  CHECK(positions <= room(sequence));
  length = positions;
  if (!holder_->keeps_rows()) truncate(sequence, 0);
}

void KvCache::truncate(SequenceId sequence, int64_t positions) {
  int64_t& length = sequences_[index(sequence)].length;
  CHECK(positions >= 0 && positions <= length);
  length = positions;
  shrink(sequence, KvGeometry::blocks_for(positions));
}

void KvCache::close(SequenceId sequence) {
  truncate(sequence, 0);
  sequences_[index(sequence)].is_open = false;
}

int64_t KvCache::length(SequenceId sequence) const { return sequences_[index(sequence)].length; }

int64_t KvCache::room(SequenceId sequence) const {
  return static_cast<int64_t>(tables_[index(sequence)].size()) * kBlockSize;
}

bool KvCache::keeps_rows() const { return holder_->keeps_rows(); }

int64_t KvCache::max_length() const { return std::min(context_, holder_->max_blocks_alone() * kBlockSize); }

uint64_t KvCache::used_bytes(SequenceId sequence) const {
  return tables_[index(sequence)].size() * geometry_.block_bytes();
}

uint64_t KvCache::used_bytes() const {
  uint64_t bytes = 0;
  for (const KvBlockTable& table : tables_) bytes += table.size() * geometry_.block_bytes();
  return bytes;
}

uint64_t KvCache::pool_bytes() const { return holder_->pool_bytes(); }

Status KvCache::check() const {
  for (size_t i = 0; i < sequences_.size(); ++i) {
    const Sequence& sequence = sequences_[i];
    const auto blocks = static_cast<int64_t>(tables_[i].size());
    if (!sequence.is_open && (blocks > 0 || sequence.length > 0)) {
      return internal_error(fmt::format("sequence {} is closed and holds {} blocks", i, blocks));
    }
    if (sequence.length > blocks * kBlockSize || sequence.length > context_) {
      return internal_error(fmt::format("sequence {} has {} rows in {} blocks", i, sequence.length, blocks));
    }
  }
  if (used_bytes() > pool_bytes()) {
    return internal_error(fmt::format("{} bytes are used of {}", used_bytes(), pool_bytes()));
  }
  return holder_->check(tables_);
}

Result<KvHolding> parse_kv_holding(std::string_view name) {
  for (const KvHolding holding :
       {KvHolding::kNone, KvHolding::kGrowing, KvHolding::kContiguous, KvHolding::kPaged}) {
    if (name == kv_holding_name(holding)) return holding;
  }
  return invalid_argument(
      fmt::format("no cache is called \"{}\": there are none, growing, contiguous and paged", name));
}

std::string_view kv_holding_name(KvHolding holding) {
  switch (holding) {
    case KvHolding::kNone: return "none";
    case KvHolding::kGrowing: return "growing";
    case KvHolding::kContiguous: return "contiguous";
    case KvHolding::kPaged: return "paged";
  }
  return "?";
}

Result<KvType> parse_kv_type(std::string_view name) {
  for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kBF16}) {
    if (name == kv_type_name(type)) return type;
  }
  return invalid_argument(fmt::format("no row type is called \"{}\": there are f32, f16 and bf16", name));
}

std::string_view kv_type_name(KvType type) {
  switch (type) {
    case KvType::kF32: return "f32";
    case KvType::kF16: return "f16";
    case KvType::kBF16: return "bf16";
  }
  return "?";
}

}  // namespace cairn
