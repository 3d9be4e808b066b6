// BlockWindow: which blocks of a sequence a layer group keeps whose queries see a window, and how many that are. Numbers
// only. For the kv room, and for who checks what it takes (cairn bench shared).
//
// Between steps a sequence of `length` rows keeps its sink blocks and all blocks from first_kept(length) on: those that
// its next query sees, and two more, so that it can go back a little (a guess that was refused, a few tokens that are
// edited, a step that failed).
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/kv_view.h"
#include "kv/geometry.h"

namespace cairn {

// A sequence that has run so far can go back by so many positions, and keeps all rows before them; but where a codec
// seals whole blocks, those of the block that is cut are computed again. So it keeps one block more.
inline constexpr int64_t kRollbackMargin = kBlockSize;

// How many tails there is room for beside what open sequences need, at most one for each sequence that can be open. Few:
// where fewer sequences are open, their blocks hold tails too.
inline constexpr int64_t kReserveTails = 4;

class BlockWindow {
 public:
  explicit BlockWindow(const Visibility& visibility) : visibility_(visibility) {}

  [[nodiscard]] bool keeps_all() const { return visibility_.sees_all(); }
  [[nodiscard]] int64_t sink_blocks() const { return KvGeometry::blocks_for(visibility_.sinks); }
  // The first block after the sinks that a sequence of `length` rows needs to go on.
  [[nodiscard]] int64_t first_needed(int64_t length) const {
    if (keeps_all()) return 0;
    return std::max(sink_blocks(), std::max<int64_t>(0, length - rows_before()) / kBlockSize);
  }
  // The first that it keeps.
  [[nodiscard]] int64_t first_kept(int64_t length) const { return first_needed(length - kKeptBehind); }
  // What is kept of a text so that others can go on from its last or its last but one block end, `end_block`.
  [[nodiscard]] int64_t tail_begin(int64_t end_block) const {
    return first_needed((end_block - 1) * kBlockSize);
  }

  // At most, of one sequence, with the row that it decodes. A window is never so large that this overflows.
  [[nodiscard]] int64_t most_blocks() const {
    return sink_blocks() + KvGeometry::blocks_for(rows_before()) + 1 + kKeptBehind / kBlockSize;
  }
  [[nodiscard]] int64_t tail_blocks() const {
    return sink_blocks() + KvGeometry::blocks_for(rows_before()) + 1;
  }
  // What a step of so many rows needs beyond most_blocks of each sequence.
  [[nodiscard]] static int64_t step_blocks(int64_t step_rows, int64_t max_sequences) {
    // Of r rows, r - 1 begin ceil((r - 1) / kBlockSize) blocks more at most.
    return (std::max(step_rows, max_sequences) + max_sequences * (kBlockSize - 2)) / kBlockSize;
  }

 private:
  static constexpr int64_t kKeptBehind = kRollbackMargin + kBlockSize;
  // At least a block: the last one that is sealed is always there, because the next one's name is made of its name.
  [[nodiscard]] int64_t rows_before() const { return std::max<int64_t>(visibility_.window - 1, kBlockSize); }

  Visibility visibility_;
};

}  // namespace cairn
