// KvCache: keys and values of sequences, between and during steps. The only face of the kv room.
//
// It knows bytes and integers only: what a row contains is written and read by kernels, layer by layer, through the
// gate of a KvStep. A sequence has a length (positions whose rows are there) and room (positions that have memory). A
// KvLease pins it: while the lease lives, its blocks stay.
//
// Always true: length <= room, length <= context; every block of memory is in exactly one state, and the counts add
// up (check() verifies it). An operation that does not return kOk has changed nothing. An owner never has more
// than its quota (set_quota). Sealed blocks are immutable, and
// found again by their content (paged, unless PrefixSharing::kOff). While a step runs, its sequences keep their old
// length; they cannot be forked or truncated, and one whose lease is dropped is closed when the step ends. One thread
// at a time; it must outlive its leases and steps.
//
//   names -> match -> (reserve -> begin_step, forward -> commit or abandon)* -> truncate, fork ... -> lease dropped
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/memory.h"
#include "cairn/ids.h"
#include "cairn/prefix_sharing.h"
#include "cairn/status.h"
#include "kernels/kv_view.h"
#include "kv/block_name.h"
#include "kv/geometry.h"
#include "kv/kept_rows.h"
#include "kv/kv_counts.h"
#include "kv/kv_event_log.h"
#include "kv/kv_owner.h"
#include "kv/match_report.h"
#include "kv/prefix_node.h"
#include "kv/sealed_block.h"
#include "kv/sequence_id.h"
#include "kv/storage.h"

namespace cairn {

class KvCache;

// How keys and values are stored between steps. All give the same bits; they differ in memory and time.
enum class KvStorageKind : uint8_t {
  kNone,  // nothing is kept: every step computes all positions again. The truth that others are compared with
  kGrowing,     // a tensor for each sequence, concatenated: each growth copies all of it
  kContiguous,  // memory for the whole context of every sequence, taken at the start
  kPaged,       // a pool of blocks, and a block table for each sequence
};

// "none", "growing", "contiguous", "paged". An unknown name is kInvalidArgument and lists them.
Result<KvStorageKind> parse_kv_storage_kind(std::string_view name);
[[nodiscard]] std::string_view kv_storage_kind_name(KvStorageKind kind);

struct KvCacheOptions {
  KvShape shape;
  KvStorageKind storage = KvStorageKind::kPaged;
  PrefixSharing sharing = PrefixSharing::kOn;  // only kPaged can share
  // What else determines the bytes of a block: the model and the arithmetic that computes it. Part of every block's
  // name.
  std::string identity;
  int64_t context = 0;        // the longest sequence, in positions
  int64_t max_sequences = 1;  // how many there may be at once
  int64_t step_rows = 1;      // rows of a step at most, of all sequences together
  // Paged: the size of all pools; growing: the most that all tensors may take together. The other two have no
  // choice. Groups that keep all get as many blocks, beside what windows need. Absent: enough for max_sequences sequences of
  // `context` positions.
  std::optional<uint64_t> pool_bytes;
  // Instead of that, the blocks of each group; empty: `pool_bytes` decides.
  std::vector<int64_t> pool_blocks = {};
  // What may be taken without hurting the machine (base/machine.h); absent: not checked.
  std::optional<uint64_t> available_bytes;
};

// What a cache takes from the system at the start (growing: at most).
struct KvMemory {
  uint64_t pool_bytes = 0;    // blocks
  uint64_t resume_bytes = 0;  // of these, what layer groups with a window keep for later sequences
  // By layer group, where the storage chooses; of them, those that are kept for later sequences.
  std::vector<int64_t> pool_blocks;
  std::vector<int64_t> resume_blocks;
  std::vector<int64_t> sequence_blocks;  // the most that one sequence keeps between steps
  uint64_t open_bytes = 0;               // open rows of max_sequences sequences, and of a step
  uint64_t table_bytes =
      0;  // block tables and the index of prefixes; most of it is touched only when it is used
  [[nodiscard]] uint64_t total_bytes() const { return pool_bytes + open_bytes; }
};

// Bytes of a pool with so many blocks of each layer group that keeps all, beside what windows need.
// Errors: those of KvCache::memory_of.
Result<uint64_t> pool_bytes_of(KvCacheOptions options, int64_t block_count);

// A pin on one sequence's blocks; dropped by its destructor. Move-only.
class KvLease {
 public:
  KvLease() = default;
  KvLease(KvLease&& other) noexcept
      : cache_(std::exchange(other.cache_, nullptr)), sequence_(other.sequence_) {}
  KvLease& operator=(KvLease&& other) noexcept {
    KvLease old(std::move(*this));
    cache_ = std::exchange(other.cache_, nullptr);
    sequence_ = other.sequence_;
    return *this;
  }
  ~KvLease();

  // Whether it pins anything. The cache's functions that take a lease require it.
  explicit operator bool() const { return cache_ != nullptr; }
  [[nodiscard]] SequenceId sequence() const { return sequence_; }

 private:
  friend class KvCache;
  KvLease(KvCache& cache, SequenceId sequence) : cache_(&cache), sequence_(sequence) {}

  KvCache* cache_ = nullptr;
  SequenceId sequence_;
};

// The layer group that lacks most blocks, and how many; 0: there is room in all of them.
struct KvShortage {
  int32_t group = 0;
  int64_t block_count = 0;
};

// The next rows of a sequence, in a step: `row_count` that it computes, behind whole blocks that come from elsewhere while
// it runs.
struct KvStepRows {
  SequenceId sequence;
  int64_t row_count = 0;
  // Tokens of the blocks that come (KvStep::restored_block), valid until the step ends. Only where the sequence ends with a
  // whole block, the storage is paged, and no layer has a window.
  std::span<const TokenId> restored = {};
};

// A step that runs: rows of some sequences are being computed. It ends by commit or abandon; its destructor abandons.
// It is the gate through which the forward pass gets each layer's blocks: a KvSequenceView for each of the step's
// sequences, in their order, of the layer's group. Move-only.
class KvStep final : public KvLayerGate {
 public:
  KvStep(KvStep&& other) noexcept : cache_(std::exchange(other.cache_, nullptr)) {}
  KvStep& operator=(KvStep&&) = delete;
  ~KvStep() override;

  [[nodiscard]] int64_t layer_count() const override;
  Result<KvLayerView> open(int64_t layer) override;
  void close(int64_t layer) override;

  // Where the bytes of a block of the step's first sequence belong that comes from elsewhere (its `block`-th such), in a layer
  // group: those of a layer must be there before the layer is opened.
  [[nodiscard]] std::span<std::byte> restored_block(int64_t block, int32_t group) const;

  // All rows have been stored, for these tokens, sequence by sequence. Blocks that were filled are sealed, and can be
  // found from now on. A cache that keeps nothing forgets the rows at once: length and room are 0 afterwards.
  void commit(std::span<const TokenId> tokens);
  // The rows are lost, at whatever layer the pass was. Every sequence has its old length, but one whose open rows the
  // step has overwritten already (its codec seals whole blocks, and the step went past a block's end): it ends at the
  // beginning of its open block, and KvCounts::recomputed_positions says how many rows that cost.
  void abandon();

 private:
  friend class KvCache;
  explicit KvStep(KvCache& cache) : cache_(&cache) {}

  KvCache* cache_;
};

class KvCache {
 public:
  // Takes all memory that the storage takes at the start (pages are touched only when rows are written).
  // Errors: kInvalidArgument (a dimension, the plan), kResourceExhausted (says how much is needed, how much
  // there is, and what to do).
  static Result<std::unique_ptr<KvCache>> create(const KvCacheOptions& options);
  // What create() would take. The same errors, but for the memory itself.
  static Result<KvMemory> memory_of(const KvCacheOptions& options);
  ~KvCache();
  KvCache(const KvCache&) = delete;
  KvCache& operator=(const KvCache&) = delete;

  // The names by which the full blocks of `tokens` are found, under a tenant's salt. Empty where nothing is shared.
  [[nodiscard]] PrefixNames names_of(std::span<const TokenId> tokens, std::string_view salt);
  // The same text has more tokens now.
  void extend_names(PrefixNames& names, std::span<const TokenId> tokens);

  struct Match {
    std::span<const TokenId> tokens;
    const PrefixNames& names;  // of at least these tokens
    // Rows before this position were computed by the same request: counted as recovered, not as matched.
    int64_t own_positions = 0;
    // To whom blocks that it takes are charged. What it finds costs its owner nothing but idle blocks that were charged to
    // another one, or to nobody: they are the finder's from now on. Where its quota has no room for those, the match ends
    // before them.
    KvOwner owner = {};
  };
  // A new sequence that begins with these tokens, and with the rows of their longest beginning that is
  // in sealed blocks, pinned (a whole number of blocks, at most (tokens - 1) / kBlockSize: the last token always
  // runs). Blocks are shared only under the same salt. An empty lease where max_sequences are open already.
  [[nodiscard]] KvLease match(const Match& match);
  [[nodiscard]] KvLease match(std::span<const TokenId> tokens, std::string_view salt = {}) {
    return match({.tokens = tokens, .names = names_of(tokens, salt)});
  }
  // How many positions match would find. Pins nothing.
  [[nodiscard]] int64_t findable(std::span<const TokenId> tokens, const PrefixNames& names) const;
  // Where the sequence's match ended, and why. Of a fork it says nothing.
  [[nodiscard]] const KvMatchReport& match_report(const KvLease& lease) const;
  // A new sequence without rows.
  [[nodiscard]] KvLease open(KvOwner owner = {}) {
    return match({.tokens = {}, .names = names_of({}, {}), .owner = owner});
  }
  // A new sequence of the same owner with the same rows: sealed blocks are shared, the open one is copied. An empty lease
  // where there is no room for it, its owner's quota is used up, or a step runs over the sequence.
  [[nodiscard]] KvLease fork(const KvLease& lease);
  // Whether the quota has no room for the copy.
  [[nodiscard]] bool fork_exceeds_quota(const KvLease& lease) const;
  [[nodiscard]] bool has_free_sequence() const { return !free_sequences_.empty(); }

  // Makes room for positions [0, positions) in every layer group, or in none; positions <= context(). Rows that are
  // there stay; idle blocks are evicted where no free ones are left. Where the owner's quota is used up, the owner's own idle
  // blocks go first, the oldest of all groups first; where that is not enough, or never will be, kOverQuota or
  // kExceedsQuota says so. A sequence whose owner has a quota asks before each step: what its groups with a window may take
  // is promised for one step.
  Room reserve(const KvLease& lease, int64_t positions);
  // What reserve lacks most, and how many of a layer group's blocks would be room for others without this sequence.
  [[nodiscard]] KvShortage shortage(const KvLease& lease, int64_t positions) const;
  [[nodiscard]] int64_t sole_blocks(const KvLease& lease, int32_t group)
      const;  // The same of the owner's quota: how many bytes it lacks when all idle blocks are gone, and how many it would have more
  // without this sequence.
  [[nodiscard]] uint64_t quota_shortage(const KvLease& lease, int64_t positions) const;
  [[nodiscard]] uint64_t sole_quota_bytes(const KvLease& lease) const;

  // At most so many bytes of blocks for an owner from now on; absent: no limit. Blocks are charged to who takes them, until
  // they are free: shared ones once, idle ones too. Where more are charged already, idle ones go at once, those in use as
  // soon as they are let go; until then the owner gets nothing new. Sequences that are open keep the owner that they were
  // opened with, and belong to nobody where it had no name then. Not while a step runs. Errors: kUnsupported (only paged
  // storage has quotas), kResourceExhausted (no memory to count them).
  Status set_quota(KvOwner owner, std::optional<uint64_t> quota_bytes);
  // What is charged to an owner that set_quota has named; of another one nothing. And all of them.
  [[nodiscard]] KvOwnerCounts owner_counts(KvOwner owner) const;
  [[nodiscard]] std::vector<KvOwnerCounts> owner_counts() const;

  // A step over the next rows of these sequences, which have room for them: each once, at most max_sequences, at
  // least one row each, and at most KvCacheOptions::step_rows in all. One step at a time. Allocates nothing.
  [[nodiscard]] KvStep begin_step(std::span<const KvStepRows> rows);
  [[nodiscard]] bool in_step() const { return !step_.empty(); }
  // Where a sequence's rows of a layer group are between steps. Valid until the next call that changes it.
  [[nodiscard]] KvSequenceView view(const KvLease& lease, int32_t group = 0) const;
  // Which of a sequence's rows a layer group has, between steps.
  [[nodiscard]] KvKeptRows kept_rows(const KvLease& lease, int32_t group) const;
  // The sequence ends before `positions` (<= length). Returns how many rows stay: `positions`, but for those
  // that must be computed again because a sealed block was cut (fewer than kBlockSize): all of the block's
  // where its codec sealed it as a whole, or where there is no memory for a copy. Where a layer group no longer has what
  // its window shows from there (more than kRollbackMargin positions back), fewer stay: up to the last block end that
  // all groups can go on from, or none; KvCounts::recomputed_positions counts them. Room without rows goes.
  // `text`: the sequence's, at least its first `positions` tokens. Without it, rows that windows have passed are found again
  // only where the index still knows all blocks before them.
  int64_t truncate(const KvLease& lease, int64_t positions, const NamedText* text = nullptr);
  // The next kBlockSize rows of a sequence whose length is a whole number of blocks: bytes that a cache of the same
  // identity showed when it sealed the block of this name (watch_sealed), one span for each layer group. There is room for
  // them; a sequence whose owner has a quota has asked for it before each call (reserve). The block is named and shared like
  // one that a step has computed. Not while a step runs over the sequence. Only for caches that keep rows.
  void restore(const KvLease& lease, std::span<const TokenId> tokens,
               std::span<const std::span<const std::byte>> group_bytes);
  // From now on, every block that gets a name is shown when its step is committed; but one that ends as one with a block
  // that is there, in every layer group. Only paged storage that shares names any. Empty: no longer.
  void watch_sealed(SealedBlockVisitor visit);
  // Shows that visitor a block of the sequence once more, where it is sealed and no window has passed it. `text` is the
  // sequence's, at least up to the block's end.
  void show_sealed_again(const KvLease& lease, const NamedText& text, int64_t block);
  // Later sequences are likely to go on from here: a prompt that ends, a turn, a place where texts part; `positions` may
  // be still to come. Layer groups with a window then keep what is needed for that, as long as there is memory, when the
  // sequence has gone past it. A match says it of its text's end and of the place where it parts from what is known.
  void keep_tail(const KvLease& lease, int64_t positions);

  [[nodiscard]] int64_t length(const KvLease& lease) const;
  [[nodiscard]] int64_t room(const KvLease& lease) const;  // in positions, a multiple of kBlockSize
  [[nodiscard]] bool keeps_rows() const;                   // false for kNone
  [[nodiscard]] int64_t context() const { return context_; }
  [[nodiscard]] int64_t max_sequences() const { return static_cast<int64_t>(sequences_.size()); }
  // The longest sequence that memory allows when it is alone: at most context().
  [[nodiscard]] int64_t max_length() const;
  [[nodiscard]] const KvGeometry& geometry() const { return geometry_; }
  // All that determines the bytes of its blocks but tokens and salt, as text; empty where nothing is shared.
  [[nodiscard]] const std::string& identity() const { return identity_; }

  // Bytes of the blocks that a sequence has, shared ones too; and of all sequences, shared ones once.
  [[nodiscard]] uint64_t used_bytes(const KvLease& lease) const;
  [[nodiscard]] uint64_t used_bytes() const;
  // Bytes that the storage has taken for blocks, used or not; and for open rows.
  [[nodiscard]] uint64_t pool_bytes() const;
  [[nodiscard]] uint64_t open_bytes() const { return open_rows_.bytes() + step_slots_.bytes(); }
  [[nodiscard]] KvCounts counts() const;
  [[nodiscard]] KvBlockCounts block_counts(int32_t group) const;
  // Shows what is known of prefixes: every node of the index, a parent before its children.
  void walk_prefixes(const KvPrefixVisitor& visit) const;
  // What happened to blocks, and steps, last. Any thread may read the ring while the cache lives.
  [[nodiscard]] const EventRing<KvEvent>& events() const { return events_->ring(); }
  // Walks everything; kInternal names the first thing that does not add up.
  [[nodiscard]] Status check() const;

 private:
  friend class KvLease;
  friend class KvStep;
  struct Sequence {
    bool is_open = false;
    bool is_in_step = false;
    bool closes_after_step = false;
    int64_t length = 0;
    KvMatchReport report;
  };

  KvCache(KvGeometry geometry, const KvCacheOptions& options, std::unique_ptr<KvEventLog> events,
          std::unique_ptr<KvStorage> storage, PageMemory open_rows, PageMemory step_slots);
  [[nodiscard]] size_t index(const KvLease& lease) const;
  [[nodiscard]] SequenceId sequence_of(const KvLease& lease) const;
  [[nodiscard]] Sequence& sequence(SequenceId id) { return sequences_[static_cast<size_t>(id.value)]; }
  [[nodiscard]] std::optional<SequenceId> take_sequence();
  [[nodiscard]] KvSequenceView view(SequenceId sequence, int32_t group) const;
  // The views of the step's sequences, of a layer group; room for all sequences.
  [[nodiscard]] std::span<KvSequenceView> step_views(int32_t group);
  [[nodiscard]] std::byte* open_rows_of(SequenceId sequence) const;
  int64_t cut(SequenceId sequence, int64_t positions, const NamedText* text = nullptr);
  void close(SequenceId sequence);
  void close_now(SequenceId sequence);
  [[nodiscard]] KvLayerView open_layer(int64_t layer);
  [[nodiscard]] bool may_restore(const KvStepRows& part) const;
  [[nodiscard]] std::span<std::byte> restored_block(int64_t block, int32_t group);
  void commit_step(std::span<const TokenId> tokens);
  void abandon_step();
  void end_step();

  KvGeometry geometry_;
  int64_t context_;
  std::unique_ptr<KvEventLog> events_;  // the storage writes to it
  std::unique_ptr<KvStorage> storage_;
  std::string identity_;
  std::optional<BlockNamer> namer_;         // where prefixes are shared
  std::vector<Sequence> sequences_;         // by SequenceId
  std::vector<SequenceId> free_sequences_;  // a stack
  PageMemory open_rows_;                    // [max_sequences][geometry.open_bytes()]
  PageMemory step_slots_;                   // [slots][geometry.step_slot_bytes()]
  KvCounts counts_;                         // what the storage does not count

  // The step that runs; empty where none does. Capacity from the start.
  std::vector<KvStepRows> step_;
  std::vector<KvSequenceView> step_views_;  // [group][sequence of the step]
  int64_t opened_layers_ = 0;
};

}  // namespace cairn
