#include "kv/kv_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/no_throw.h"
#include "kv/kv_plan.h"

namespace cairn {
namespace {

Status check_options(const KvCacheOptions& options) {
  CAIRN_RETURN_IF_ERROR(KvGeometry::check_extent(options.context, options.max_sequences));
  if (options.step_rows < 1 || options.step_rows > KvGeometry::kMaxPositions) {
    return invalid_argument(fmt::format("a step of {} rows is not possible: 1 to {} are", options.step_rows,
                                        KvGeometry::kMaxPositions));
  }
  return {};
}

double gib(uint64_t bytes) { return static_cast<double>(bytes) / static_cast<double>(uint64_t{1} << 30); }

const char* ways_out(const KvCacheOptions& options) {
  if (options.max_sequences == 1) {
    return "ask for a shorter `context` or a smaller codec (`kv_plan` int8 or int4)";
  }
  return "ask for a shorter `context`, a smaller codec (`kv_plan` int8 or int4) or fewer sequences "
         "(`max_sequences`)";
}

// Refused here, with a message, rather than by the system's out-of-memory killer later.
Status check_memory(const KvMemory& memory, const KvCacheOptions& options) {
  const uint64_t bytes = memory.total_bytes() + memory.table_bytes;
  if (!options.available_bytes.has_value() || bytes <= *options.available_bytes) return {};
  return resource_exhausted(fmt::format(
      "the KV cache for {} sequence{} of {} positions needs {:.2f} GiB, but {:.2f} GiB of memory are "
      "available: {}",
      options.max_sequences, options.max_sequences == 1 ? "" : "s", options.context, gib(bytes),
      gib(*options.available_bytes), ways_out(options)));
}

// The system refused.
Status no_memory(const Status& status, const KvCacheOptions& options) {
  return {status.code(),
          fmt::format("no memory for the KV cache ({}): {}", status.message(), ways_out(options))};
}

// All that determines the bytes of a block, except the tokens and the salt.
std::string identity_of(const KvGeometry& geometry, std::string_view of_options) {
  const KvLayout layout = geometry.layout();
  std::string text = fmt::format("{}\n{} layers, {} heads of {}, blocks of {}\n", of_options,
                                 layout.layers.size(), layout.kv_head_count, layout.head_dim, kBlockSize);
  for (int64_t i = 0; i < geometry.layer_count(); ++i) {
    const KvLayerLayout& layer = layout.layers[static_cast<size_t>(i)];
    const int32_t group = geometry.group_of(i);
    const Visibility& seen = geometry.visibility(group);
    text += fmt::format("{},{} in group {}", kv_codec_name(layer.keys.codec),
                        kv_codec_name(layer.values.codec), group);
    text += seen.sees_all() ? "\n" : fmt::format(", {} sinks and a window of {}\n", seen.sinks, seen.window);
  }
  return text;
}

Result<std::unique_ptr<KvStorage>> make_storage(KvStorageKind kind, const KvStoragePlan& plan,
                                                KvEventLog& events) {
  switch (kind) {
    case KvStorageKind::kNone: return make_none_storage(plan, events);
    case KvStorageKind::kGrowing: return make_growing_storage(plan);
    case KvStorageKind::kContiguous: return make_contiguous_storage(plan);
    case KvStorageKind::kPaged: return make_paged_storage(plan, events);
  }
  return invalid_argument("there is no such kind of storage");
}

}  // namespace

KvLease::~KvLease() {
  if (cache_ != nullptr) cache_->close(sequence_);
}

Result<KvMemory> KvCache::memory_of(const KvCacheOptions& options) {
  CAIRN_RETURN_IF_ERROR(check_options(options));
  CAIRN_ASSIGN_OR_RETURN(const KvGeometry geometry, KvGeometry::make(options.shape));
  CAIRN_ASSIGN_OR_RETURN(const KvStoragePlan plan, make_storage_plan(geometry, options));
  return memory_of_storage_plan(plan, options);
}

Result<std::unique_ptr<KvCache>> KvCache::create(const KvCacheOptions& options) {
  CAIRN_RETURN_IF_ERROR(check_options(options));
  CAIRN_ASSIGN_OR_RETURN(KvGeometry geometry, KvGeometry::make(options.shape));
  CAIRN_ASSIGN_OR_RETURN(const KvStoragePlan plan, make_storage_plan(geometry, options));
  CAIRN_ASSIGN_OR_RETURN(const KvMemory memory, memory_of_storage_plan(plan, options));
  CAIRN_RETURN_IF_ERROR(check_memory(memory, options));
  auto events = std::make_unique<KvEventLog>();
  auto storage = make_storage(options.storage, plan, *events);
  if (!storage.ok()) return no_memory(storage.status(), options);
  const uint64_t open_bytes = static_cast<uint64_t>(options.max_sequences) * geometry.open_bytes();
  auto open_rows = PageMemory::allocate(open_bytes);
  if (!open_rows.ok()) return no_memory(open_rows.status(), options);
  auto step_slots = PageMemory::allocate(memory.open_bytes - open_bytes);
  if (!step_slots.ok()) return no_memory(step_slots.status(), options);
  return std::unique_ptr<KvCache>(new KvCache(std::move(geometry), options, std::move(events),
                                              std::move(*storage), std::move(*open_rows),
                                              std::move(*step_slots)));
}

KvCache::KvCache(KvGeometry geometry, const KvCacheOptions& options, std::unique_ptr<KvEventLog> events,
                 std::unique_ptr<KvStorage> storage, PageMemory open_rows, PageMemory step_slots)
    : geometry_(std::move(geometry)),
      context_(options.context),
      events_(std::move(events)),
      storage_(std::move(storage)),
      sequences_(static_cast<size_t>(options.max_sequences)),
      open_rows_(std::move(open_rows)),
      step_slots_(std::move(step_slots)),
      step_views_(sequences_.size() * static_cast<size_t>(geometry_.group_count())) {
  const bool shares = options.storage == KvStorageKind::kPaged && options.sharing == PrefixSharing::kOn;
  if (shares) {
    identity_ = identity_of(geometry_, options.identity);
    namer_.emplace(identity_);
  }
  step_.reserve(sequences_.size());
  free_sequences_.reserve(sequences_.size());
  for (auto s = static_cast<int32_t>(options.max_sequences) - 1; s >= 0; --s) free_sequences_.push_back({s});
}

KvCache::~KvCache() {
  CHECK(!in_step());
  for (const Sequence& sequence : sequences_) CHECK(!sequence.is_open);  // a lease would outlive its cache
}

size_t KvCache::index(const KvLease& lease) const {
  CHECK(lease.cache_ == this);
  return static_cast<size_t>(lease.sequence_.value);
}

SequenceId KvCache::sequence_of(const KvLease& lease) const { return {static_cast<int32_t>(index(lease))}; }

std::optional<SequenceId> KvCache::take_sequence() {
  if (free_sequences_.empty()) return std::nullopt;
  const SequenceId id = free_sequences_.back();
  free_sequences_.pop_back();
  sequence(id) = {.is_open = true};
  return id;
}

std::byte* KvCache::open_rows_of(SequenceId sequence) const {
  if (!geometry_.opens_rows()) return nullptr;
  return open_rows_.data() + static_cast<uint64_t>(sequence.value) * geometry_.open_bytes();
}

PrefixNames KvCache::names_of(std::span<const TokenId> tokens, std::string_view salt) {
  PrefixNames names;
  if (!namer_.has_value()) return names;
  names.root = namer_->root(salt);
  namer_->extend(names, tokens);
  return names;
}

void KvCache::extend_names(PrefixNames& names, std::span<const TokenId> tokens) {
  if (namer_.has_value()) namer_->extend(names, tokens);
}

KvLease KvCache::match(const Match& match) {
  const std::optional<SequenceId> id = take_sequence();
  if (!id.has_value()) return {};
  Sequence& s = sequence(*id);
  storage_->set_owner(*id, match.owner);
  s.report = storage_->match(*id, match.tokens, match.names);
  s.length = s.report.found_positions;
  const int64_t own = std::min(s.length, match.own_positions);
  counts_.matched_positions += s.length - own;
  counts_.recovered_positions += own;
  return {*this, *id};
}

int64_t KvCache::findable(std::span<const TokenId> tokens, const PrefixNames& names) const {
  return storage_->findable(tokens, names);
}

const KvMatchReport& KvCache::match_report(const KvLease& lease) const {
  return sequences_[index(lease)].report;
}

KvLease KvCache::fork(const KvLease& lease) {
  const Sequence& from = sequences_[index(lease)];
  if (from.is_in_step) return {};
  const std::optional<SequenceId> id = take_sequence();
  if (!id.has_value()) return {};
  if (storage_->fork(lease.sequence_, from.length, *id) != Room::kOk) {
    close_now(*id);
    return {};
  }
  sequence(*id).length = from.length;
  if (geometry_.opens_rows()) {
    std::memcpy(open_rows_of(*id), open_rows_of(lease.sequence_), geometry_.open_bytes());
  }
  return {*this, *id};
}

bool KvCache::fork_exceeds_quota(const KvLease& lease) const {
  return storage_->fork_exceeds_quota(sequence_of(lease), length(lease));
}

Room KvCache::reserve(const KvLease& lease, int64_t positions) {
  CHECK(positions >= 0 && positions <= context_);
  CHECK(!sequences_[index(lease)].is_in_step);
  const int64_t end_block = KvGeometry::blocks_for(positions);
  if (end_block <= storage_->end_block(lease.sequence_)) return storage_->promise(lease.sequence_, end_block);
  return storage_->grow(lease.sequence_, end_block);
}

KvShortage KvCache::shortage(const KvLease& lease, int64_t positions) const {
  const int64_t end_block = KvGeometry::blocks_for(positions);
  KvShortage worst;
  for (int32_t group = 0; group < geometry_.group_count(); ++group) {
    const int64_t missing = storage_->missing_blocks(lease.sequence_, end_block, group);
    if (missing > worst.block_count) worst = {group, missing};
  }
  return worst;
}

int64_t KvCache::sole_blocks(const KvLease& lease, int32_t group) const {
  return storage_->sole_blocks(lease.sequence_, group);
}

uint64_t KvCache::sole_quota_bytes(const KvLease& lease) const {
  return storage_->sole_quota_bytes(sequence_of(lease));
}

uint64_t KvCache::quota_shortage(const KvLease& lease, int64_t positions) const {
  return storage_->quota_shortage(sequence_of(lease), KvGeometry::blocks_for(positions));
}

Status KvCache::set_quota(KvOwner owner, std::optional<uint64_t> quota_bytes) {
  CHECK(!in_step());
  return no_throw([&] { return storage_->set_quota(owner, quota_bytes); });
}

KvOwnerCounts KvCache::owner_counts(KvOwner owner) const { return storage_->owner_counts(owner); }

std::vector<KvOwnerCounts> KvCache::owner_counts() const { return storage_->owner_counts(); }

KvSequenceView KvCache::view(SequenceId sequence, int32_t group) const {
  KvSequenceView view = storage_->view(sequence, group);
  view.open = open_rows_of(sequence);
  return view;
}

KvKeptRows KvCache::kept_rows(const KvLease& lease, int32_t group) const {
  const KvSequenceView seen = view(lease, group);
  const int64_t end = length(lease);
  return {.sinks = std::min(seen.sink_blocks * kBlockSize, end),
          .begin = std::min(seen.first_block * kBlockSize, end),
          .end = end};
}

KvSequenceView KvCache::view(const KvLease& lease, int32_t group) const {
  CHECK(group >= 0 && group < geometry_.group_count());
  return view(sequence_of(lease), group);
}

int64_t KvCache::truncate(const KvLease& lease, int64_t positions, const NamedText* text) {
  const Sequence& s = sequences_[index(lease)];
  CHECK(!s.is_in_step);
  CHECK(positions >= 0 && positions <= s.length);
  return cut(lease.sequence_, positions, text);
}

int64_t KvCache::cut(SequenceId id, int64_t positions, const NamedText* text) {
  int64_t& length = sequence(id).length;
  const int64_t asked = positions;
  const bool cuts_sealed_block = positions % kBlockSize != 0 && positions / kBlockSize < length / kBlockSize;
  if (cuts_sealed_block && geometry_.opens_rows()) positions -= positions % kBlockSize;
  length = storage_->truncate(id, positions, text);
  if (asked - length >= kBlockSize) counts_.recomputed_positions += asked - length;  // a window lacked rows
  return length;
}

void KvCache::restore(const KvLease& lease, std::span<const TokenId> tokens,
                      std::span<const std::span<const std::byte>> group_bytes) {
  Sequence& s = sequences_[index(lease)];
  const int64_t end = s.length + kBlockSize;
  CHECK(!s.is_in_step && storage_->keeps_rows() && s.length % kBlockSize == 0);
  CHECK(std::ssize(tokens) == kBlockSize && end <= room(lease) && end <= context_);
  CHECK(std::ssize(group_bytes) == geometry_.group_count());
  storage_->begin_rows(lease.sequence_, end);
  for (int32_t group = 0; group < geometry_.group_count(); ++group) {
    const std::span<const std::byte> bytes = group_bytes[static_cast<size_t>(group)];
    CHECK(bytes.size() == geometry_.block_bytes(group));
    std::memcpy(view(lease, group).block(s.length / kBlockSize), bytes.data(), bytes.size());
  }
  storage_->commit(lease.sequence_, s.length, tokens);
  s.length = end;
  counts_.restored_positions += kBlockSize;
}

void KvCache::show_sealed_again(const KvLease& lease, const NamedText& text, int64_t block) {
  storage_->show_sealed_again(sequence_of(lease), text, block);
}

void KvCache::watch_sealed(SealedBlockVisitor visit) { storage_->watch_sealed(std::move(visit)); }

void KvCache::keep_tail(const KvLease& lease, int64_t positions) {
  CHECK(positions >= 0 && positions <= context_);
  storage_->keep_tail(sequence_of(lease), positions);
}

// A sequence whose step still runs keeps its blocks until the step ends: kernels may be reading them.
void KvCache::close(SequenceId id) {
  if (sequence(id).is_in_step) {
    sequence(id).closes_after_step = true;
  } else {
    close_now(id);
  }
}

void KvCache::close_now(SequenceId id) {
  storage_->truncate(id, 0, nullptr);
  sequence(id) = {};
  free_sequences_.push_back(id);
}

int64_t KvCache::length(const KvLease& lease) const { return sequences_[index(lease)].length; }

int64_t KvCache::room(const KvLease& lease) const {
  return storage_->end_block(sequence_of(lease)) * kBlockSize;
}

bool KvCache::keeps_rows() const { return storage_->keeps_rows(); }

int64_t KvCache::max_length() const { return std::min(context_, storage_->max_blocks_alone() * kBlockSize); }

uint64_t KvCache::used_bytes(const KvLease& lease) const {
  uint64_t bytes = 0;
  for (int32_t group = 0; group < geometry_.group_count(); ++group) {
    bytes += storage_->table(sequence_of(lease), group).blocks.size() * geometry_.block_bytes(group);
  }
  return bytes;
}

uint64_t KvCache::used_bytes() const { return storage_->used_bytes(); }

uint64_t KvCache::pool_bytes() const { return storage_->pool_bytes(); }

KvCounts KvCache::counts() const {
  KvCounts counts = counts_;
  for (int32_t group = 0; group < geometry_.group_count(); ++group) counts += storage_->counts(group);
  return counts;
}

KvBlockCounts KvCache::block_counts(int32_t group) const {
  CHECK(group >= 0 && group < geometry_.group_count());
  return storage_->counts(group);
}

void KvCache::walk_prefixes(const KvPrefixVisitor& visit) const { storage_->walk(visit); }

Status KvCache::check() const {
  size_t open_count = 0;
  for (size_t i = 0; i < sequences_.size(); ++i) {
    const Sequence& sequence = sequences_[i];
    const int64_t blocks = storage_->end_block({static_cast<int32_t>(i)});
    if (sequence.is_open) ++open_count;
    if (!sequence.is_open && (blocks > 0 || sequence.length > 0)) {
      return internal_error(fmt::format("sequence {} is closed and has {} blocks", i, blocks));
    }
    if (sequence.length > blocks * kBlockSize || sequence.length > context_) {
      return internal_error(fmt::format("sequence {} has {} rows in {} blocks", i, sequence.length, blocks));
    }
  }
  if (open_count + free_sequences_.size() != sequences_.size()) {
    return internal_error(fmt::format("{} sequences are open and {} free, of {}", open_count,
                                      free_sequences_.size(), sequences_.size()));
  }
  if (used_bytes() > pool_bytes()) {
    return internal_error(fmt::format("{} bytes are used of {}", used_bytes(), pool_bytes()));
  }
  return storage_->check();
}

Result<KvStorageKind> parse_kv_storage_kind(std::string_view name) {
  for (const KvStorageKind kind :
       {KvStorageKind::kNone, KvStorageKind::kGrowing, KvStorageKind::kContiguous, KvStorageKind::kPaged}) {
    if (name == kv_storage_kind_name(kind)) return kind;
  }
  return invalid_argument(
      fmt::format("no cache is called \"{}\": there are none, growing, contiguous and paged", name));
}

std::string_view kv_storage_kind_name(KvStorageKind kind) {
  switch (kind) {
    case KvStorageKind::kNone: return "none";
    case KvStorageKind::kGrowing: return "growing";
    case KvStorageKind::kContiguous: return "contiguous";
    case KvStorageKind::kPaged: return "paged";
  }
  return "?";
}

}  // namespace cairn
