// KvCache: keys and values of sequences, between and during steps. The only face of the kv room.
//
// It holds bytes and integers only: what a row contains is written and read by kernels through the KvView.
// A sequence has a length (positions whose rows are there) and room (positions that have memory). A KvLease
// pins it: while the lease lives, its blocks stay.
//
// Always true: length <= room, length <= context; every block of memory is in exactly one state, and the
// counts add up: check() says so. An operation that answers kNoRoom changed nothing. Sealed blocks are
// immutable, and found again by their content (paged, unless KvSharing::kNone). One thread at a time; the
// engine calls it, and kernels see only the views. It must outlive its leases.
//
//   match -> (reserve -> view, forward -> commit)* -> truncate, fork ... -> the lease is dropped
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/memory.h"
#include "cairn/ids.h"
#include "cairn/status.h"
#include "kernels/batch.h"
#include "kv/geometry.h"
#include "kv/sequence_id.h"

namespace cairn {

class KvCache;
class KvHolder;

// Where a sequence's blocks are: [b] holds positions [b * kBlockSize, (b + 1) * kBlockSize) of all layers.
using KvBlockTable = std::vector<std::byte*>;

// How keys and values are held between steps. All give the same bits; they differ in memory and time.
enum class KvHolding : uint8_t {
  kNone,        // nothing is kept: every step computes all positions again. The truth that others are held to
  kGrowing,     // a tensor for each sequence, concatenated: each growth copies all of it
  kContiguous,  // memory for the whole context of every sequence, taken at the start
  kPaged,       // a pool of blocks, and a block table for each sequence
};

// "none", "growing", "contiguous", "paged". An unknown name is kInvalidArgument and lists them.
Result<KvHolding> parse_kv_holding(std::string_view name);
[[nodiscard]] std::string_view kv_holding_name(KvHolding holding);

// Whether sealed blocks are found by sequences that begin alike. Only kPaged can.
enum class KvSharing : uint8_t { kPrefixes, kNone };

struct KvCacheOptions {
  KvShape shape;
  KvHolding holding = KvHolding::kPaged;
  KvSharing sharing = KvSharing::kPrefixes;
  int64_t context = 0;        // the longest sequence, in positions
  int64_t max_sequences = 1;  // how many there may be at once
  int64_t step_rows = 1;      // rows of a step at most, of all sequences together
  // Paged: the pool's size; growing: the most that all tensors may take together. The other two have no
  // choice. Absent: enough for max_sequences sequences of `context` positions.
  std::optional<uint64_t> pool_bytes;
  // What may be taken without hurting the machine (base/machine.h); absent: not checked.
  std::optional<uint64_t> available_bytes;
};

// What a cache takes from the system at the start (growing: at most).
struct KvMemory {
  uint64_t pool_bytes = 0;  // blocks
  uint64_t open_bytes = 0;  // open rows of max_sequences sequences, and of a step
  [[nodiscard]] uint64_t total_bytes() const { return pool_bytes + open_bytes; }
};

// The answer to a request for memory.
enum class [[nodiscard]] Room : uint8_t { kOk, kNoRoom };

// Where the blocks of a paged cache are, and what became of them so far.
struct KvCounts {
  int64_t block_count = 0;  // = free + open + held + idle
  int64_t free_blocks = 0;
  int64_t open_blocks = 0;
  int64_t held_blocks = 0;
  int64_t idle_blocks = 0;
  int64_t matched_positions = 0;  // found rather than computed
  int64_t evicted_blocks = 0;
  int64_t unified_blocks = 0;  // computed twice at once, and kept once
};

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

  // Whether it pins anything; all that is asked of a cache about a lease asks for true.
  explicit operator bool() const { return cache_ != nullptr; }
  [[nodiscard]] SequenceId sequence() const { return sequence_; }

 private:
  friend class KvCache;
  KvLease(KvCache& cache, SequenceId sequence) : cache_(&cache), sequence_(sequence) {}

  KvCache* cache_ = nullptr;
  SequenceId sequence_;
};

class KvCache {
 public:
  // Takes all memory that the holding takes at the start (pages are touched only when rows are written).
  // Errors: kInvalidArgument (a dimension, the plan), kResourceExhausted (says what was asked, what there is,
  // what to do).
  static Result<std::unique_ptr<KvCache>> create(const KvCacheOptions& options);
  // What create() would take. The same errors, but for the memory itself.
  static Result<KvMemory> memory_of(const KvCacheOptions& options);
  ~KvCache();
  KvCache(const KvCache&) = delete;
  KvCache& operator=(const KvCache&) = delete;

  // A new sequence that begins with these tokens, and with the rows of their longest beginning that sealed
  // blocks hold, pinned (a whole number of blocks, at most (tokens - 1) / kBlockSize: the last token always
  // runs). Blocks are shared only under the same salt. An empty lease where max_sequences are open already.
  [[nodiscard]] KvLease match(std::span<const TokenId> tokens, std::string_view salt = {});
  // A new sequence without rows.
  [[nodiscard]] KvLease open() { return match({}); }
  // A new sequence with the same rows: sealed blocks are shared, the open one is copied. An empty lease where
  // there is no room for it.
  [[nodiscard]] KvLease fork(const KvLease& lease);

  // Makes room for positions [0, positions); positions <= context(). Rows that are there stay; idle blocks
  // are evicted where no free ones are left.
  Room reserve(const KvLease& lease, int64_t positions);
  // The blocks of these sequences, in this order. Valid until the next call that changes one of them;
  // allocates nothing. At most max_sequences of them.
  [[nodiscard]] KvView view(std::span<const SequenceId> sequences);
  // Rows [length, length + tokens.size()) have been stored by a forward pass, for these tokens. Blocks that
  // were filled are sealed, and can be found from now on.
  // A holding that keeps nothing forgets the rows at once: length and room are 0 afterwards.
  void commit(const KvLease& lease, std::span<const TokenId> tokens);
  // The sequence ends before `positions` (<= length). Answers how many rows stay: `positions`, but for those
  // that must be computed again because a sealed block was cut (fewer than kBlockSize): all of the block's
  // where its codec sealed it as a whole, or where there is no memory for a copy. Room without rows goes.
  int64_t truncate(const KvLease& lease, int64_t positions);

  [[nodiscard]] int64_t length(const KvLease& lease) const;
  [[nodiscard]] int64_t room(const KvLease& lease) const;  // in positions, a multiple of kBlockSize
  [[nodiscard]] bool keeps_rows() const;                   // false for kNone
  [[nodiscard]] int64_t context() const { return context_; }
  [[nodiscard]] int64_t max_sequences() const { return static_cast<int64_t>(sequences_.size()); }
  // The longest sequence that memory allows when it is alone: at most context().
  [[nodiscard]] int64_t max_length() const;
  [[nodiscard]] const KvGeometry& geometry() const { return geometry_; }

  // Bytes of the blocks that a sequence has, shared ones too; and of all sequences, shared ones once.
  [[nodiscard]] uint64_t used_bytes(const KvLease& lease) const;
  [[nodiscard]] uint64_t used_bytes() const;
  // Bytes that the holding has taken for blocks, used or not; and for open rows.
  [[nodiscard]] uint64_t pool_bytes() const;
  [[nodiscard]] uint64_t open_bytes() const { return open_rows_.bytes() + step_slots_.bytes(); }
  [[nodiscard]] KvCounts counts() const;
  // Walks everything; kInternal names the first thing that does not add up.
  [[nodiscard]] Status check() const;

 private:
  friend class KvLease;
  struct Sequence {
    bool is_open = false;
    int64_t length = 0;
  };

  KvCache(KvGeometry geometry, const KvCacheOptions& options, std::unique_ptr<KvHolder> holder,
          PageMemory open_rows, PageMemory step_slots);
  [[nodiscard]] size_t index(const KvLease& lease) const;
  [[nodiscard]] std::optional<SequenceId> free_sequence() const;
  [[nodiscard]] std::byte* open_rows_of(SequenceId sequence) const;
  void close(SequenceId sequence);

  KvGeometry geometry_;
  int64_t context_;
  std::unique_ptr<KvHolder> holder_;
  std::vector<Sequence> sequences_;   // by SequenceId
  std::vector<KvBlockTable> tables_;  // likewise; capacity for the whole context from the start
  std::vector<KvSequenceView> views_;
  PageMemory open_rows_;   // [max_sequences][geometry.open_bytes()]
  PageMemory step_slots_;  // [slots][geometry.step_slot_bytes()]
};

}  // namespace cairn
