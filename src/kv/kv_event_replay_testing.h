// KvEventReplay: the states of all blocks, from a cache's events alone. Each event must leave the state that the last
// one led to. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "kv/kv_cache.h"

namespace cairn {

class KvEventReplay {
 public:
  explicit KvEventReplay(const KvCache& cache) : cache_(cache) {
    for (int32_t group = 0; group < cache.geometry().group_count(); ++group) {
      groups_.emplace_back().blocks.resize(static_cast<size_t>(cache.block_counts(group).block_count));
    }
  }

  // Reads what has happened since the last call; that fits into the ring.
  void catch_up() {
    std::array<KvEvent, 64> events;
    for (;;) {
      const EventRead read = cache_.events().read(next_, events);
      ASSERT_EQ(read.missed, 0U);
      next_ = read.next;
      if (read.count == 0) return;
      for (size_t i = 0; i < read.count; ++i) ASSERT_NO_FATAL_FAILURE(apply(events[i]));
    }
  }
  void expect_counts_of_cache() const {
    for (size_t g = 0; g < groups_.size(); ++g) {
      const KvBlockCounts c = cache_.block_counts(static_cast<int32_t>(g));
      const Group& group = groups_[g];
      EXPECT_EQ((std::vector{group.count(State::kFree), group.count(State::kOpen), group.count(State::kHeld),
                             group.count(State::kIdle), group.evicted, group.unified, group.passed}),
                (std::vector{c.free_blocks, c.open_blocks, c.held_blocks, c.idle_blocks, c.evicted_blocks,
                             c.unified_blocks, c.passed_blocks}));
    }
    EXPECT_EQ(abandoned_steps_, cache_.counts().abandoned_steps);
    EXPECT_EQ(in_step_, cache_.in_step());
  }

 private:
  enum class State : uint8_t { kFree, kOpen, kHeld, kIdle };
  struct Block {
    State state = State::kFree;
    int pins = 0;
    std::optional<SequenceId> writer;  // while it is open
  };

  struct Group {
    std::vector<Block> blocks;
    int64_t evicted = 0;
    int64_t unified = 0;
    int64_t passed = 0;

    [[nodiscard]] int64_t count(State state) const {
      return std::ranges::count(blocks, state, &Block::state);
    }
  };

  void apply(const KvEvent& event) {
    ASSERT_EQ(event.block.has_value(), event.sequence.has_value());
    if (event.block.has_value()) {
      ASSERT_LT(static_cast<size_t>(event.group), groups_.size());
      Group& group = groups_[static_cast<size_t>(event.group)];
      ASSERT_LT(static_cast<size_t>(event.block->value), group.blocks.size());
      ASSERT_EQ(event.step, steps_);
      apply_to(group, group.blocks[static_cast<size_t>(event.block->value)], event);
    } else if (event.kind == KvEventKind::kStepBegun) {
      ASSERT_FALSE(in_step_);
      in_step_ = true;
      ASSERT_EQ(event.step, ++steps_);
    } else {
      ASSERT_TRUE(in_step_);
      in_step_ = false;
      ASSERT_EQ(event.step, steps_);
      if (event.kind == KvEventKind::kStepAbandoned) ++abandoned_steps_;
    }
  }

  void apply_to(Group& group, Block& b, const KvEvent& event) {
    switch (event.kind) {
      case KvEventKind::kTaken: return move(b, State::kFree, {State::kOpen, 0, event.sequence});
      case KvEventKind::kDropped: return end_writing(b, event, {});
      case KvEventKind::kSealed: return end_writing(b, event, {State::kHeld, 1, {}});
      case KvEventKind::kReopened:
        ASSERT_EQ(b.pins, 1);
        return move(b, State::kHeld, {State::kOpen, 0, event.sequence});
      case KvEventKind::kPinned:
        ASSERT_TRUE(b.state == State::kHeld || b.state == State::kIdle);
        return move(b, b.state, {State::kHeld, b.pins + 1, {}});
      case KvEventKind::kUnpinned:
        ASSERT_GT(b.pins, 1);
        return move(b, State::kHeld, {State::kHeld, b.pins - 1, {}});
      case KvEventKind::kReleased:
      case KvEventKind::kFreed:
        ASSERT_EQ(b.pins, 1);
        return move(b, State::kHeld,
                    {event.kind == KvEventKind::kFreed ? State::kFree : State::kIdle, 0, {}});
      case KvEventKind::kEvicted: ++group.evicted; return move(b, State::kIdle, {});
      case KvEventKind::kPassed:
        ASSERT_EQ(b.state, State::kHeld);
        ++group.passed;
        return;
      case KvEventKind::kUnified:
        ASSERT_TRUE(b.state == State::kHeld || b.state == State::kIdle);
        ++group.unified;
        return;
      default: FAIL() << "no event of a block";
    }
  }
  // Only its writer seals or drops an open block.
  void end_writing(Block& b, const KvEvent& event, const Block& then) {
    ASSERT_EQ(b.writer, event.sequence);
    move(b, State::kOpen, then);
  }
  void move(Block& b, State from, const Block& then) {
    ASSERT_EQ(b.state, from);
    b = then;
  }

  const KvCache& cache_;
  std::vector<Group> groups_;
  uint64_t next_ = 0;
  int64_t steps_ = 0;
  bool in_step_ = false;
  int64_t abandoned_steps_ = 0;
};

}  // namespace cairn
