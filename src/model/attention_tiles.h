// AttentionTiles: cuts a step's attention into tiles of rows that share a KV head, and runs them over the
// threads. The cut changes nothing: a row's result depends on that row alone, span by span. For
// transformer.cc.
//
// Three cuts:
//   a tile      consecutive positions of one sequence in one block, with all query heads of a KV head
//   a group     sequences that decode together and whose first blocks are the same ones: their rows go
//               through those spans in one tile, so that a shared prefix is read once (cascade attention:
//               Hydragen, Juravsky et al. 2024, arXiv:2402.05099), then each through the rest of its own
//   by spans    where tiles are too few for the threads, a tile's spans are reduced apart and merged in order
//               (as Flash-Decoding does)
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/memory.h"
#include "kernels/kernels.h"
#include "model/config.h"
#include "model/step_blocks.h"
#include "model/step_buffers.h"

namespace cairn {

class ThreadPool;

class AttentionTiles {
 public:
  // A step has at most `max_rows` rows, in at most `max_sequences` sequences of at most `context` positions.
  AttentionTiles(const Config& config, int64_t max_rows, int64_t max_sequences, int64_t context,
                 int thread_count);

  // Lays the tiles of this step; the same for all its layers.
  void set(const StepBlocks& blocks);
  // buffers.attended = attention of buffers.query over what `kv` holds for `layer`.
  void attend(const Kernels& kernels, ThreadPool& threads, const KvLayerView& kv, int64_t layer,
              const StepBuffers& buffers);

  [[nodiscard]] static uint64_t bytes_for(const Config& config, int64_t max_sequences, int64_t context,
                                          int thread_count);
  [[nodiscard]] uint64_t bytes() const { return memory_.bytes(); }

 private:
  static constexpr int32_t kNoGroup = -1;
  // Consecutive rows of one step block.
  struct Rows {
    StepBlock block;
    int32_t group = kNoGroup;
    int32_t state_row = 0;  // of a group's member: its place among the states of groups
  };
  struct Group {
    int32_t first = 0;  // members are rows_[first .. first + count)
    int32_t count = 0;
    int32_t span_count = 0;  // shared
  };
  // What a layer's attention works with.
  struct Layer {
    const Kernels& kernels;
    const KvLayerView& kv;
    const StepBuffers& buffers;
    int64_t window;
  };

  void find_groups(const KvLayerView& kv);
  [[nodiscard]] bool decodes(size_t index) const;
  [[nodiscard]] int32_t shared_spans(const Rows& a, const Rows& b, const KvLayerView& kv) const;
  [[nodiscard]] int64_t head_parts() const { return (group_heads_ + tile_heads_ - 1) / tile_heads_; }
  [[nodiscard]] AttentionTile tile_of(const Layer& layer, const StepBlock& block, int64_t kv_head) const;
  // Adds a row for each query head of the part, at each position of `rows`.
  int64_t add_rows(const Layer& layer, const Rows& rows, int64_t kv_head, int64_t head_part, float* states,
                   AttentionRow* to) const;
  void finish_rows(const Layer& layer, const Rows& rows, int64_t kv_head, int64_t head_part,
                   const AttentionRow* done) const;

  void attend_group(const Layer& layer, const Group& group, int64_t item, int thread) const;
  void attend_rows(const Layer& layer, const Rows& rows, int64_t kv_head, int64_t head_part,
                   int thread) const;
  void attend_by_spans(const Layer& layer, ThreadPool& threads, const Rows& rows) const;
  [[nodiscard]] bool goes_by_spans(const Layer& layer, int thread_count) const;
  [[nodiscard]] float* group_states(const Rows& rows, int64_t kv_head, int64_t head_part) const;

  const Config& config_;
  int64_t group_heads_;     // query heads of a KV head
  int64_t tile_heads_;      // how many of them a tile takes
  int64_t tile_positions_;  // how many positions a tile takes
  int64_t state_floats_;    // of one row
  int64_t context_spans_;
  std::vector<Rows> rows_;
  std::vector<Group> groups_;
  std::optional<int32_t> grouped_for_;  // the layer group whose blocks groups_ was made of

  PageMemory memory_;
  std::vector<float*> thread_scratch_;  // attention_scratch_floats
  std::vector<float*> thread_states_;   // [kAttentionRows] states
  float* group_states_ = nullptr;       // [max_sequences][head_count] states
  float* span_states_ = nullptr;        // [head_count][context spans] states
};

}  // namespace cairn
