// KvGeometry: every shape and byte count of the cache comes from here.
//
// Always true: a KvGeometry that `make` returned has positive dimensions, and none of its counts overflows
// for up to kMaxPositions positions. Anyone may use it; it holds numbers only.
#pragma once

#include <cstdint>

#include "cairn/status.h"
#include "kernels/batch.h"

namespace cairn {

// What of a model decides how large its keys and values are.
struct KvShape {
  int64_t layer_count = 0;
  int64_t kv_head_count = 0;
  int64_t head_dim = 0;
  KvType type = KvType::kF16;
};

class KvGeometry {
 public:
  // Positions are int32 in a Batch, and the last block may be only partly used.
  static constexpr int64_t kMaxPositions = (int64_t{1} << 31) - kBlockSize;

  // Errors: kInvalidArgument, naming the dimension that is not positive or too large.
  static Result<KvGeometry> make(const KvShape& shape);

  [[nodiscard]] const KvLayout& layout() const { return layout_; }
  [[nodiscard]] int64_t layer_count() const { return layer_count_; }
  // Bytes of one position: keys and values of all layers and KV heads.
  [[nodiscard]] uint64_t position_bytes() const { return block_bytes_ / kBlockSize; }
  [[nodiscard]] uint64_t block_bytes() const { return block_bytes_; }
  // Blocks that hold `positions` positions.
  [[nodiscard]] static int64_t blocks_for(int64_t positions) {
    return (positions + kBlockSize - 1) / kBlockSize;
  }
  // Bytes of `block_count` blocks; kInvalidArgument if that is more than 2^62.
  [[nodiscard]] Result<uint64_t> bytes_of_blocks(int64_t block_count) const;

 private:
  KvGeometry() = default;
  KvLayout layout_;
  int64_t layer_count_ = 0;
  uint64_t block_bytes_ = 0;
};

}  // namespace cairn
