#include "kv/kv_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "kv/holder.h"

namespace cairn {
namespace {

Status check_options(const KvCacheOptions& options) {
  if (options.context < 1 || options.context > KvGeometry::kMaxPositions) {
    return invalid_argument(
        fmt::format("a context of {} positions is not possible: `context` must be 1 to {}", options.context,
                    KvGeometry::kMaxPositions));
  }
  constexpr int64_t kMaxSequences = 1 << 16;  // far above what a CPU serves; keeps products of counts small
  if (options.max_sequences < 1 || options.max_sequences > kMaxSequences) {
    return invalid_argument(fmt::format("{} sequences at once are not possible: 1 to {} are",
                                        options.max_sequences, kMaxSequences));
  }
  if (options.step_rows < 1 || options.step_rows > KvGeometry::kMaxPositions) {
    return invalid_argument(fmt::format("a step of {} rows is not possible: 1 to {} are", options.step_rows,
                                        KvGeometry::kMaxPositions));
  }
  return {};
}

double gib(uint64_t bytes) { return static_cast<double>(bytes) / static_cast<double>(uint64_t{1} << 30); }

// How many blocks the holding may take at most.
Result<KvHolderPlan> make_plan(const KvGeometry& geometry, const KvCacheOptions& options) {
  KvHolderPlan plan{geometry, KvGeometry::blocks_for(options.context), options.max_sequences, 0,
                    options.sharing};
  plan.pool_blocks = plan.context_blocks * plan.max_sequences;
  const bool sizable = options.holding == KvHolding::kPaged || options.holding == KvHolding::kGrowing;
  if (sizable && options.pool_bytes.has_value()) {
    const uint64_t blocks = *options.pool_bytes / geometry.block_bytes();
    if (blocks == 0) {
      return invalid_argument(
          fmt::format("a cache of {} bytes cannot hold one block of {} positions ({} bytes): ask for more "
                      "`kv_memory_bytes`",
                      *options.pool_bytes, kBlockSize, geometry.block_bytes()));
    }
    plan.pool_blocks = static_cast<int64_t>(std::min(blocks, static_cast<uint64_t>(plan.pool_blocks)));
  }
  return plan;
}

Result<KvMemory> memory_of_plan(const KvHolderPlan& plan, const KvCacheOptions& options) {
  const int64_t block_count =
      options.holding == KvHolding::kNone ? plan.context_blocks + plan.max_sequences : plan.pool_blocks;
  KvMemory memory;
  CAIRN_ASSIGN_OR_RETURN(memory.pool_bytes, plan.geometry.bytes_of_blocks(block_count));
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
  return memory;
}

// Refused here, in words, rather than by the system's out-of-memory killer later.
Status check_memory(const KvMemory& memory, const KvCacheOptions& options) {
  if (!options.available_bytes.has_value() || memory.total_bytes() <= *options.available_bytes) return {};
  return resource_exhausted(fmt::format(
      "the KV cache for {} sequences of {} positions needs {:.2f} GiB, but {:.2f} GiB of memory are "
      "available: "
      "ask for a shorter `context`, a smaller codec (`kv_plan` int8 or int4) or fewer sequences",
      options.max_sequences, options.context, gib(memory.total_bytes()), gib(*options.available_bytes)));
}

// The system refused.
Status no_memory(const Status& status) {
  return {status.code(),
          fmt::format(
              "no memory for the KV cache ({}): ask for a shorter `context`, a smaller codec (`kv_plan` int8 "
              "or int4) or fewer sequences",
              status.message())};
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

KvLease::~KvLease() {
  if (cache_ != nullptr) cache_->close(sequence_);
}

Result<KvMemory> KvCache::memory_of(const KvCacheOptions& options) {
  CAIRN_RETURN_IF_ERROR(check_options(options));
  CAIRN_ASSIGN_OR_RETURN(const KvGeometry geometry, KvGeometry::make(options.shape));
  CAIRN_ASSIGN_OR_RETURN(const KvHolderPlan plan, make_plan(geometry, options));
  return memory_of_plan(plan, options);
}

Result<std::unique_ptr<KvCache>> KvCache::create(const KvCacheOptions& options) {
  CAIRN_RETURN_IF_ERROR(check_options(options));
  CAIRN_ASSIGN_OR_RETURN(KvGeometry geometry, KvGeometry::make(options.shape));
  CAIRN_ASSIGN_OR_RETURN(const KvHolderPlan plan, make_plan(geometry, options));
  CAIRN_ASSIGN_OR_RETURN(const KvMemory memory, memory_of_plan(plan, options));
  CAIRN_RETURN_IF_ERROR(check_memory(memory, options));
  auto holder = make_holder(options.holding, plan);
  if (!holder.ok()) return no_memory(holder.status());
  const uint64_t open_bytes = static_cast<uint64_t>(options.max_sequences) * geometry.open_bytes();
  auto open_rows = PageMemory::allocate(open_bytes);
  if (!open_rows.ok()) return no_memory(open_rows.status());
  auto step_slots = PageMemory::allocate(memory.open_bytes - open_bytes);
  if (!step_slots.ok()) return no_memory(step_slots.status());
  return std::unique_ptr<KvCache>(new KvCache(std::move(geometry), options, std::move(*holder),
                                              std::move(*open_rows), std::move(*step_slots)));
}

KvCache::KvCache(KvGeometry geometry, const KvCacheOptions& options, std::unique_ptr<KvHolder> holder,
                 PageMemory open_rows, PageMemory step_slots)
    : geometry_(std::move(geometry)),
      context_(options.context),
      holder_(std::move(holder)),
      sequences_(static_cast<size_t>(options.max_sequences)),
      tables_(sequences_.size()),
      views_(sequences_.size()),
      open_rows_(std::move(open_rows)),
      step_slots_(std::move(step_slots)) {
  const auto context_blocks = static_cast<size_t>(KvGeometry::blocks_for(context_));
  for (KvBlockTable& table : tables_) table.reserve(context_blocks);
}

KvCache::~KvCache() {
  for (const Sequence& sequence : sequences_) CHECK(!sequence.is_open);  // a lease would outlive its cache
}

size_t KvCache::index(const KvLease& lease) const {
  CHECK(lease.cache_ == this);
  return static_cast<size_t>(lease.sequence_.value);
}

std::optional<SequenceId> KvCache::free_sequence() const {
  for (size_t i = 0; i < sequences_.size(); ++i) {
    if (!sequences_[i].is_open) return SequenceId{static_cast<int32_t>(i)};
  }
  return std::nullopt;
}

std::byte* KvCache::open_rows_of(SequenceId sequence) const {
  if (!geometry_.opens_rows()) return nullptr;
  return open_rows_.data() + static_cast<uint64_t>(sequence.value) * geometry_.open_bytes();
}

KvLease KvCache::match(std::span<const TokenId> tokens, std::string_view salt) {
  const std::optional<SequenceId> id = free_sequence();
  if (!id.has_value()) return {};
  const auto i = static_cast<size_t>(id->value);
  sequences_[i] = {.is_open = true, .length = holder_->match(*id, tables_[i], tokens, salt)};
  return {*this, *id};
}

KvLease KvCache::fork(const KvLease& lease) {
  const size_t from = index(lease);
  const std::optional<SequenceId> id = free_sequence();
  if (!id.has_value()) return {};
  const auto to = static_cast<size_t>(id->value);
  const int64_t length = sequences_[from].length;
  if (holder_->fork(lease.sequence_, tables_[from], length, *id, tables_[to]) == Room::kNoRoom) return {};
  sequences_[to] = {.is_open = true, .length = length};
  if (geometry_.opens_rows()) {
    std::memcpy(open_rows_of(*id), open_rows_of(lease.sequence_), geometry_.open_bytes());
  }
  return {*this, *id};
}

Room KvCache::reserve(const KvLease& lease, int64_t positions) {
  CHECK(positions >= 0 && positions <= context_);
  KvBlockTable& table = tables_[index(lease)];
  const int64_t block_count = KvGeometry::blocks_for(positions);
  if (block_count <= static_cast<int64_t>(table.size())) return Room::kOk;
  return holder_->grow(lease.sequence_, table, block_count);
}

KvView KvCache::view(std::span<const SequenceId> sequences) {
  CHECK(sequences.size() <= views_.size());
  for (size_t i = 0; i < sequences.size(); ++i) {
    const auto s = static_cast<size_t>(sequences[i].value);
    CHECK(s < sequences_.size() && sequences_[s].is_open);
    views_[i] = {tables_[s].data(), open_rows_of(sequences[i])};
  }
  const uint64_t slot_bytes = std::max<uint64_t>(geometry_.step_slot_bytes(), 1);
  return {.layout = geometry_.layout(),
          .sequences = std::span(views_).first(sequences.size()),
          .step_slots = step_slots_.data(),
          .step_slot_count = static_cast<int64_t>(step_slots_.bytes() / slot_bytes)};
}

void KvCache::commit(const KvLease& lease, std::span<const TokenId> tokens) {
  const size_t i = index(lease);
  int64_t& length = sequences_[i].length;
  CHECK(length + static_cast<int64_t>(tokens.size()) <= room(lease));
  CHECK(length + static_cast<int64_t>(tokens.size()) <= context_);  // the last block may reach beyond it
  holder_->commit(lease.sequence_, tables_[i], length, tokens);
  length += static_cast<int64_t>(tokens.size());
  if (!holder_->keeps_rows()) truncate(lease, 0);
}

int64_t KvCache::truncate(const KvLease& lease, int64_t positions) {
  const size_t i = index(lease);
  int64_t& length = sequences_[i].length;
  CHECK(positions >= 0 && positions <= length);
  const bool cuts_sealed_block = positions % kBlockSize != 0 && positions / kBlockSize < length / kBlockSize;
  if (cuts_sealed_block && geometry_.opens_rows()) positions -= positions % kBlockSize;
  length = holder_->truncate(lease.sequence_, tables_[i], positions);
  return length;
}

void KvCache::close(SequenceId sequence) {
  const auto i = static_cast<size_t>(sequence.value);
  holder_->truncate(sequence, tables_[i], 0);
  sequences_[i] = {};
}

int64_t KvCache::length(const KvLease& lease) const { return sequences_[index(lease)].length; }

int64_t KvCache::room(const KvLease& lease) const {
  return static_cast<int64_t>(tables_[index(lease)].size()) * kBlockSize;
}

bool KvCache::keeps_rows() const { return holder_->keeps_rows(); }

int64_t KvCache::max_length() const { return std::min(context_, holder_->max_blocks_alone() * kBlockSize); }

uint64_t KvCache::used_bytes(const KvLease& lease) const {
  return tables_[index(lease)].size() * geometry_.block_bytes();
}

uint64_t KvCache::used_bytes() const { return holder_->used_bytes(); }

uint64_t KvCache::pool_bytes() const { return holder_->pool_bytes(); }

KvCounts KvCache::counts() const { return holder_->counts(); }

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

}  // namespace cairn
