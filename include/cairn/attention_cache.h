// AttentionCache: the KV cache and its attention alone, for an engine with model code of its own
// (docs/embedding.md, examples/own_engine.cc).
//
// The life of a sequence:
//   begin -> (reserve -> begin_step -> attend, once for each layer -> commit)* -> truncate, fork ... -> end
//
// begin returns how many positions are there already: rows of sequences that begin with the same tokens are
// found, so the model runs only the rest. A step runs rows of one or several sequences together: for
// each layer, in order, the model passes the step's queries, keys and values, as RoPE leaves them, and gets
// each row's attention over all positions up to its own. commit counts the rows in; full blocks are immutable
// from then on, and can be found.
//
// Always true: how rows are cut into steps, which sequences share a step, the number of threads, what was
// found rather than computed, a fork, and a truncation with its rows computed again change no bit of any
// result (on one machine, with one isa). A call that returns an error has changed nothing, unless it says
// otherwise. What it requires: a position's keys and values must be a function of the tokens up to it and of the
// salt. A caller that breaks this gets other sequences' rows.
//
// Rows lie without gaps: queries [rows][query_head_count][head_dim], keys [rows][kv_head_count][head_dim], values
// [rows][kv_head_count][value_head_dim], attended [rows][query_head_count][value_head_dim]. Queries, keys and values may
// each be f32, f16 or bf16 (cairn/row_view.h): what has 16 bits is widened exactly, and the results are those of the
// same numbers as f32. Query head h reads KV head h / (query_head_count / kv_head_count). Where the KV plan stores fewer
// bits than f32, numbers out of its format's range are stored as its largest, and NaN as 0.
//
// Threads: one thread at a time calls a cache; it computes on that thread and on its own. Nothing is
// allocated in a step. No exception leaves it, and it prints nothing.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/cache_statistics.h"
#include "cairn/ids.h"
#include "cairn/prefix_sharing.h"
#include "cairn/row_view.h"
#include "cairn/status.h"

namespace cairn {

struct AttentionCacheOptions {
  int64_t layer_count = 0;
  int64_t query_head_count = 0;  // a multiple of kv_head_count
  int64_t kv_head_count = 0;
  int64_t head_dim = 0;  // of queries and keys
  // Of values; absent: head_dim. Keys and values are stored as wide as the wider of the two, filled with zeros.
  std::optional<int64_t> value_head_dim = {};
  // For each layer: a position sees itself and the window - 1 positions before it; 0: all. Empty: all 0.
  std::vector<int64_t> windows = {};
  std::optional<float> attention_scale = {};  // queries are multiplied by it; absent: 1 / sqrt(head_dim)
  float soft_cap = 0;                         // c: scores become c * tanh(score / c); 0: none

  // How keys and values are stored: "f32", "f16", "int8", "k=int4:channel,v=int4:token", "layers 0-3: f16;
  // rest: int8" ...; or the same as JSON (docs/kv.md has the grammar). "window=1024" keeps the last 1,024 positions only;
  // sinks are refused, since queries meet those at another position, and RoPE is the caller's.
  std::string kv_plan = "f16";
  int64_t context = 0;                           // positions of a sequence at most
  int64_t max_sequences = 1;                     // open at once
  int64_t step_rows = 512;                       // rows of a step at most, of all sequences together
  std::optional<uint64_t> kv_memory_bytes = {};  // for blocks; absent: for max_sequences whole contexts
  PrefixSharing prefix_sharing = PrefixSharing::kOn;
  std::optional<int> thread_count = {};  // the caller's thread included; absent: all usable physical cores
  std::optional<std::string> isa = {};   // "scalar", "neon", "avx2", "avx512", "amx"; absent: the best here
};

// An open sequence; a cache never returns the same id twice.
struct CachedSequenceId {
  uint64_t value = 0;
  friend auto operator<=>(const CachedSequenceId&, const CachedSequenceId&) = default;
};

struct BegunSequence {
  CachedSequenceId id = {};
  int64_t found = 0;  // positions whose rows are there: whole blocks, and never the last token's
};

// What a step runs: the next `row_count` positions of a sequence, from its length on.
struct SequenceRows {
  CachedSequenceId sequence = {};
  int64_t row_count = 0;
};

// One layer's rows of a step, those of its sequences one after the other.
struct LayerRows {
  RowView queries = {};
  RowView keys = {};
  RowView values = {};
  std::span<float> attended = {};  // the result: for each query, sum of softmax(scores) * values
};

class AttentionCache {
 public:
  // Takes all its memory now (pages are resident once written). Errors: kInvalidArgument (an option; for
  // a mistake in the KV plan the message has its place), kUnsupported (isa), kResourceExhausted (no memory; says
  // how much).
  static Result<AttentionCache> create(const AttentionCacheOptions& options);
  ~AttentionCache();
  // One that was moved from may only be destroyed or assigned to.
  AttentionCache(AttentionCache&&) noexcept;
  AttentionCache& operator=(AttentionCache&&) noexcept;

  // For all below: kNotFound (the sequence is not open), kInvalidArgument (a step is running, where it must
  // not), kResourceExhausted (no memory, be it for the words of another error). Where a call returns an error, nothing
  // has changed.

  // A sequence that will begin with these tokens, with those of their rows that the cache has. Rows are shared
  // only under the same salt (a tenant's secret). kResourceExhausted: max_sequences are open.
  Result<BegunSequence> begin(std::span<const TokenId> tokens, std::string_view salt = {});
  // A sequence with the same rows; full blocks are shared, the unfinished one is copied. kResourceExhausted:
  // max_sequences are open, or there is no block for the copy.
  Result<CachedSequenceId> fork(CachedSequenceId sequence);
  // Its rows go; full blocks stay to be found until their memory is needed.
  Status end(CachedSequenceId sequence);
  // The sequence ends before `positions`. Returns its new length: `positions`, or less where rows of a full
  // block must be computed again (fewer than one block's), or where a window has passed what is needed to go on from
  // there (more than 32 positions back): then it is the last block end that all layers can go on from, or 0.
  Result<int64_t> truncate(CachedSequenceId sequence, int64_t positions);
  [[nodiscard]] Result<int64_t> length(CachedSequenceId sequence) const;  // positions whose rows are there

  // Makes room for positions [0, positions), evicting what nobody uses. kResourceExhausted: there is none;
  // end or truncate another sequence. kInvalidArgument: past the context.
  Status reserve(CachedSequenceId sequence, int64_t positions);

  // A step over the next rows of these sequences, for which there must be room. kInvalidArgument: no rows,
  // too many rows, no room reserved, a sequence named twice.
  Status begin_step(std::span<const SequenceRows> sequences);
  // The attention of the step's next layer, which must be `layer`: 0 first, then 1 ... kInvalidArgument:
  // another layer, or spans of another size than the step's rows.
  Status attend(int64_t layer, const LayerRows& rows);
  // Ends the step: the rows are those of `tokens`, in the order of begin_step. kInvalidArgument: layers are
  // missing, or there are fewer or more tokens than rows.
  Status commit(std::span<const TokenId> tokens);
  // Ends the step without its rows. Sequences keep the length that they had; or less, down to the
  // beginning of their unfinished block, where the KV plan encodes whole blocks and the step went past the
  // block's end. Reserve room again before the rows are run again.
  Status abandon_step();

  [[nodiscard]] CacheStatistics statistics() const;

 private:
  struct Impl;
  explicit AttentionCache(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn
