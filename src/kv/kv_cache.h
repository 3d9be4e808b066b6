// KvCache: keys and values of sequences, between and during steps. The only face of the kv room.
//
// It holds bytes and integers only: what a row contains is written and read by kernels through the KvView.
// A sequence has a length (positions whose rows are there) and room (positions that have memory).
//
// Always true: length <= room <= context; every block of memory is in exactly one state (free, or held by one
// sequence), and the counts add up: check() says so. An operation that answers kNoRoom changed nothing.
// One thread at a time; the engine calls it, and kernels see only the views.
//
//   open -> (reserve -> view, forward -> commit)* -> truncate ... -> close
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "kernels/batch.h"
#include "kv/geometry.h"
#include "kv/sequence_id.h"

namespace cairn {

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
// "f32", "f16", "bf16".
Result<KvType> parse_kv_type(std::string_view name);
[[nodiscard]] std::string_view kv_type_name(KvType type);

struct KvCacheOptions {
  KvShape shape;
  KvHolding holding = KvHolding::kPaged;
  int64_t context = 0;        // the longest sequence, in positions
  int64_t max_sequences = 1;  // how many may be open at once
  // Paged: the pool's size; growing: the most that all tensors may take together. The other two have no
  // choice. Absent: enough for max_sequences sequences of `context` positions.
  std::optional<uint64_t> pool_bytes;
  // What may be taken without hurting the machine (base/machine.h); absent: not checked.
  std::optional<uint64_t> available_bytes;
};

// The answer to a request for memory.
enum class [[nodiscard]] Room : uint8_t { kOk, kNoRoom };

class KvCache {
 public:
  // Takes all memory that the holding takes at the start (pages are touched only when rows are written).
  // Errors: kInvalidArgument (a dimension), kResourceExhausted (says what was asked, what there is, what to
  // do).
  static Result<std::unique_ptr<KvCache>> create(const KvCacheOptions& options);
  ~KvCache();
  KvCache(const KvCache&) = delete;
  KvCache& operator=(const KvCache&) = delete;

  // A new sequence of length 0 without memory; nothing where max_sequences are open already.
  [[nodiscard]] std::optional<SequenceId> open();
  // Makes room for positions [0, positions); positions <= context(). Rows that are there stay.
  Room reserve(SequenceId sequence, int64_t positions);
  // The blocks of these sequences, in this order. Valid until the next call that changes one of them;
  // allocates nothing. At most max_sequences of them.
  [[nodiscard]] KvView view(std::span<const SequenceId> sequences);
  // Rows [length, positions) have been stored by a forward pass. positions <= room.
  // A holding that keeps nothing forgets them at once: length and room are 0 afterwards.
  void commit(SequenceId sequence, int64_t positions);
  // Rows before `positions` stay; later ones, and room that they do not need, go. positions <= length.
  void truncate(SequenceId sequence, int64_t positions);
  void close(SequenceId sequence);

  [[nodiscard]] int64_t length(SequenceId sequence) const;
  [[nodiscard]] int64_t room(SequenceId sequence) const;  // in positions, a multiple of kBlockSize
  [[nodiscard]] bool keeps_rows() const;                  // false for kNone
  [[nodiscard]] int64_t context() const { return context_; }
  [[nodiscard]] int64_t max_sequences() const { return static_cast<int64_t>(sequences_.size()); }
  // The longest sequence that memory allows when it is alone: at most context().
  [[nodiscard]] int64_t max_length() const;
  [[nodiscard]] const KvGeometry& geometry() const { return geometry_; }

  // Bytes of the blocks that sequences hold now: of one, and of all.
  [[nodiscard]] uint64_t used_bytes(SequenceId sequence) const;
  [[nodiscard]] uint64_t used_bytes() const;
  // Bytes that the holding has taken, used or not.
  [[nodiscard]] uint64_t pool_bytes() const;
  // Walks everything; kInternal names the first thing that does not add up.
  [[nodiscard]] Status check() const;

 private:
  struct Sequence {
    bool is_open = false;
    int64_t length = 0;
  };

  KvCache(const KvGeometry& geometry, const KvCacheOptions& options, std::unique_ptr<KvHolder> holder);
  [[nodiscard]] size_t index(SequenceId sequence) const;  // of an open one
  void shrink(SequenceId sequence, int64_t block_count);

  KvGeometry geometry_;
  int64_t context_;
  std::unique_ptr<KvHolder> holder_;
  std::vector<Sequence> sequences_;   // by SequenceId
  std::vector<KvBlockTable> tables_;  // likewise; capacity for the whole context from the start
  std::vector<KvSequenceView> views_;
};

}  // namespace cairn
