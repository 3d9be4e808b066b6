// AttentionTiles: cuts a step's attention into tiles of rows that share a KV head, and runs them over the threads. The
// cut changes nothing: a row's result depends on that row alone, span by span. For layer_attention.cc.
//
// What a row sees is reduced in this order: the sinks, with a query of their own; then the recent positions, span by span
// from the first that it sees.
//
// Three cuts:
//   a tile    consecutive positions of one sequence in one block, with all query heads of a KV head
//   a group   sequences that decode together, begin to see in the same span, and have the same blocks from there on: their
//             rows go through those spans (and the sinks) in one tile, so that a shared prefix is read once (cascade
//             attention: Hydragen, Juravsky et al. 2024, arXiv:2402.05099), then each goes through the rest of its own
//   by spans  where tiles are too few for the threads, a tile's spans are reduced apart and merged in order (as
//             Flash-Decoding does)
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/memory.h"
#include "kernels/kernels.h"
#include "kernels/rows.h"
#include "model/attention_shape.h"
#include "model/forward_limits.h"
#include "model/step_blocks.h"
#include "model/step_buffers.h"

namespace cairn {

class ThreadPool;

class AttentionTiles {
 public:
  // `shape` must outlive it.
  AttentionTiles(const AttentionShape& shape, const ForwardLimits& limits, int thread_count);

  // Cuts this step's rows; the same for all its layers.
  void set(const StepBlocks& blocks);
  // rows.attended = attention of rows.query over what `kv` holds for `layer`.
  void attend(const Kernels& kernels, ThreadPool& threads, const KvLayerView& kv, int64_t layer,
              const QkvRows& rows);

  [[nodiscard]] static uint64_t bytes_for(const AttentionShape& shape, const ForwardLimits& limits,
                                          int thread_count);
  [[nodiscard]] uint64_t bytes() const { return memory_.bytes(); }

 private:
  static constexpr int32_t kNoGroup = -1;
  // As many consecutive rows of one block as a tile takes.
  struct Piece {
    StepBlock block;
    int32_t group = kNoGroup;
    int32_t member = 0;  // of a group's: counted through all groups
  };
  struct Group {
    int32_t first = 0;  // members are pieces_[first .. first + count)
    int32_t count = 0;
    SpanRange shared;
  };
  // Query heads [first, first + count) of one KV head: as many as a tile takes.
  struct Heads {
    int64_t kv_head = 0;
    int64_t first = 0;
    int64_t count = 0;
  };
  // Of what a row sees.
  enum class Part : uint8_t { kSinks, kRecent };
  // The layer that is attended.
  struct Layer {
    const Kernels& kernels;
    const KvLayerView& kv;
    const QkvRows& rows;
    Visibility visibility;

    [[nodiscard]] Visibility::Range range(Part part, int64_t position) const {
      return part == Part::kSinks ? visibility.sink_range(position) : visibility.recent_range(position);
    }
    [[nodiscard]] bool has_sinks() const { return visibility.sinks > 0; }
  };
  // The rows of one tile.
  class RowList {
   public:
    void add(const AttentionRow& row);
    [[nodiscard]] std::span<const AttentionRow> all() const { return {rows_.data(), count_}; }
    // Those that some row sees.
    [[nodiscard]] SpanRange spans() const;

   private:
    std::array<AttentionRow, kAttentionRows> rows_;
    size_t count_ = 0;
  };
  // Where rows are reduced: in these blocks, the step's own among them.
  struct Place {
    const StepBlock& block;
    const Heads& heads;
    int thread;
  };

  void find_groups(const Layer& layer);
  [[nodiscard]] bool decodes(size_t index) const;
  [[nodiscard]] static SpanRange shared_spans(const Layer& layer, const Piece& a, const Piece& b);

  [[nodiscard]] int64_t heads_count() const { return shape_.kv_head_count * head_parts_; }
  [[nodiscard]] Heads heads_at(int64_t index) const;  // 0 to heads_count() - 1
  // Of `heads` at each position of `piece`, in this order.
  [[nodiscard]] Rows states_of(const Piece& piece, const Heads& heads, int thread) const;
  // Adds a row for each of `heads` at each position of `piece` that sees something of this part.
  void add_rows(const Layer& layer, const Piece& piece, const Heads& heads, Part part, const Rows& states,
                RowList& to) const;
  void finish_rows(const Layer& layer, const Piece& piece, const Heads& heads, const Rows& states) const;

  void attend_tile(const Layer& layer, const Place& place, const RowList& rows, SpanRange spans) const;
  // Merges what the rows of `pieces` see of this part and of `spans` into their states.
  void attend_part(const Layer& layer, const Place& place, std::span<const Piece> pieces, Part part,
                   SpanRange spans) const;
  void attend_group(const Layer& layer, const Group& group, int64_t first_member, const Heads& heads,
                    int thread) const;
  void attend_piece(const Layer& layer, const Piece& piece, const Heads& heads, int thread) const;
  void attend_by_spans(const Layer& layer, ThreadPool& threads, const Piece& piece) const;
  [[nodiscard]] Rows span_states(int64_t place) const;
  [[nodiscard]] bool goes_by_spans(const Layer& layer, int thread_count) const;

  const AttentionShape& shape_;
  size_t max_rows_;
  int64_t tile_heads_;      // of a KV head: how many query heads a tile takes
  int64_t tile_positions_;  // how many positions a tile takes
  int64_t head_parts_;      // tiles of a KV head's query heads
  std::vector<Piece> pieces_;
  std::vector<Group> groups_;
  struct GroupedFor {
    int32_t layer_group = 0;  // of whose blocks
    Visibility visibility;
    friend bool operator==(const GroupedFor&, const GroupedFor&) = default;
  };
  std::optional<GroupedFor> grouped_for_;  // what groups_ was made for

  PageMemory memory_;
  std::vector<AttentionScratch> thread_scratch_;
  std::vector<Rows> thread_states_;  // kAttentionRows states each
  Rows group_states_;                // states [limits.sequences][head_count]
  Rows span_states_;                 // states [the most spans that a row sees, its sinks first][head_count]
};

}  // namespace cairn
