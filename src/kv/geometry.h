// KvGeometry: every shape and byte count of the cache comes from here.
//
// Always true: a KvGeometry that `make` returned has positive dimensions, and no number of bytes overflows for up to
// kMaxPositions positions. Anyone may use it; it has numbers only.
#pragma once

#include <cstdint>
#include <vector>

#include "cairn/status.h"
#include "kernels/kv_view.h"
#include "kv/kv_plan.h"

namespace cairn {

// What of a model decides how large its keys and values are, and how they are stored.
struct KvShape {
  int64_t layer_count = 0;
  int64_t kv_head_count = 0;
  int64_t head_dim = 0;
  KvPlan plan;
  // The group of each layer, from 0 without a gap; empty: layers that see the same are a group. Layers of one group
  // share blocks and block tables, those of two groups share neither.
  std::vector<int32_t> layer_groups = {};
  // What the queries of each layer see (the plan's retention and the model's own windows together); empty: all.
  std::vector<Visibility> visibility = {};
};

class KvGeometry {
 public:
  // The longest sequence where every layer has a window: RoPE's angles are exact up to there (exact_math.h), and at a
  // hundred tokens a second it takes four months.
  static constexpr int64_t kMaxStream = int64_t{1} << 30;
  // The longest where a layer keeps all.
  static constexpr int64_t kMaxPositions = kMaxStream - kBlockSize;
  // Far above what a CPU serves; keeps products of counts small.
  static constexpr int64_t kMaxSequences = int64_t{1} << 16;
  // A set of groups is a word of 64 bits.
  static constexpr int32_t kMaxGroups = 64;

  // kInvalidArgument: a context (up to kMaxStream) or a number of sequences that no cache can have. To be asked before
  // anything is multiplied by them.
  static Status check_extent(int64_t context, int64_t max_sequences);

  // Errors: kInvalidArgument, naming the dimension that is not positive or too large, or what is wrong with
  // the plan or the groups.
  static Result<KvGeometry> make(const KvShape& shape);

  // Points into this geometry.
  [[nodiscard]] KvLayout layout() const;
  [[nodiscard]] int64_t layer_count() const { return static_cast<int64_t>(layers_.size()); }
  [[nodiscard]] int32_t group_count() const { return static_cast<int32_t>(group_bytes_.size()); }
  [[nodiscard]] int32_t group_of(int64_t layer) const { return layer_groups_[static_cast<size_t>(layer)]; }
  // What the queries of a group's layers see.
  [[nodiscard]] bool has_windows() const {
    return !std::ranges::all_of(group_visibility_, &Visibility::sees_all);
  }
  [[nodiscard]] const Visibility& visibility(int32_t group) const {
    return group_visibility_[static_cast<size_t>(group)];
  }
  [[nodiscard]] const KvPlan& plan() const { return plan_; }
  // Bytes of one position in sealed blocks: keys and values of all layers and KV heads.
  [[nodiscard]] uint64_t position_bytes() const { return block_bytes_ / kBlockSize; }
  // Bytes of one block of a group, and of one block of every group.
  [[nodiscard]] uint64_t block_bytes(int32_t group) const { return group_bytes_[static_cast<size_t>(group)]; }
  [[nodiscard]] uint64_t block_bytes() const { return block_bytes_; }
  // Blocks needed for `positions` positions.
  [[nodiscard]] static int64_t blocks_for(int64_t positions) {
    return (positions + kBlockSize - 1) / kBlockSize;
  }
  // Bytes of `block_count` blocks of every group; kInvalidArgument if that is more than 2^62.
  [[nodiscard]] Result<uint64_t> bytes_of_blocks(int64_t block_count) const;

  // Open rows, where a codec seals whole blocks (else 0): f32 rows of the one block that a sequence is
  // filling, in all layers that need it ...
  [[nodiscard]] uint64_t open_bytes() const { return open_bytes_; }
  [[nodiscard]] bool opens_rows() const { return open_bytes_ > 0; }
  // ... and of the further blocks that a step of so many rows can touch, of one layer at a time.
  [[nodiscard]] static int64_t step_slots_for(int64_t step_rows, int64_t max_sequences) {
    return step_rows / kBlockSize + max_sequences;
  }
  [[nodiscard]] uint64_t step_slot_bytes() const { return step_slot_bytes_; }

 private:
  KvGeometry() = default;
  KvPlan plan_;
  std::vector<KvLayerLayout> layers_;
  std::vector<int32_t> layer_groups_;  // by layer
  std::vector<uint64_t> group_bytes_;  // of a block, by group
  std::vector<Visibility> group_visibility_;
  int32_t kv_head_count_ = 0;
  int32_t head_dim_ = 0;
  uint64_t block_bytes_ = 0;  // of all groups
  uint64_t open_bytes_ = 0;
  uint64_t step_slot_bytes_ = 0;
};

}  // namespace cairn
