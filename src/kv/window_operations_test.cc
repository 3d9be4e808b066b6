// Seeded lists of operations on a cache whose layer groups see windows, against what is true of each of them: the rows
// that the next query sees are there, in every group; a match goes as far as the blocks that are left allow; a sequence
// holds no more blocks than its window needs; and groups with a window never lack room.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "kv/block_window.h"
#include "kv/kv_cache_testing.h"
#include "kv/kv_event_replay_testing.h"

namespace cairn {
namespace {

struct Run {
  const char* name;
  const char* plan;
  std::vector<Visibility> visibility;
  PrefixSharing sharing = PrefixSharing::kOn;
};

class WindowOperations {
 public:
  WindowOperations(const Run& run, uint64_t seed)
      : shares_(run.sharing == PrefixSharing::kOn),
        cache_(make_cache({.shape = windowed_shape(run.plan, run.visibility),
                           .sharing = run.sharing,
                           .context = kContext,
                           .max_sequences = kSequences,
                           .step_rows = kStepRows})),
        replay_(*cache_),
        random_(seed) {}

  void run(int count) {
    for (int i = 0; i < count && !::testing::Test::HasFailure(); ++i) {
      one();
      compare();
    }
    sequences_.clear();
    compare();
    for (int32_t g = 0; g < groups(); ++g) {
      const KvBlockCounts counts = cache_->block_counts(g);
      EXPECT_EQ(counts.free_blocks + counts.idle_blocks, counts.block_count);
    }
  }

  int64_t found = 0;        // positions
  int64_t shortened = 0;    // matches that ended where a window's rows were missing
  int64_t gone_back = 0;    // truncations that went farther back than was asked for
  int64_t rolled_back = 0;  // and those that did not

 private:
  static constexpr int64_t kContext = 700;
  static constexpr int64_t kSequences = 4;
  static constexpr int64_t kStepRows = 150;

  struct Sequence {
    TestSequence real;
    std::vector<TokenId> script;
  };
  int64_t below(int64_t end) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(end)); }
  bool one_in(int64_t n) { return below(n) == 0; }
  [[nodiscard]] int32_t groups() const { return cache_->geometry().group_count(); }
  static std::span<const TokenId> part(const Sequence& s, int64_t first, int64_t end) {
    return std::span(s.script).subspan(static_cast<size_t>(first), static_cast<size_t>(end - first));
  }
  // A text that begins as others do; from `position` on it is another.
  void rewrite(std::vector<TokenId>& script, int64_t position) {
    for (int64_t p = position, kind = 0; p < kContext; ++p) {
      if (p == position || p % 96 == 0) kind = one_in(6) ? 1 : 0;
      script[static_cast<size_t>(p)] = static_cast<TokenId>(kind * 10 + p % 3);
    }
  }

  void one() {
    if (sequences_.empty() || one_in(8)) return match();
    const auto i = static_cast<size_t>(below(std::ssize(sequences_)));
    switch (below(10)) {
      case 0: return static_cast<void>(sequences_.erase(sequences_.begin() + static_cast<std::ptrdiff_t>(i)));
      case 1: return truncate(sequences_[i]);
      case 2: return fork(sequences_[i]);
      case 3: return cache_->keep_tail(sequences_[i].real.lease, below(kContext));
      default: return step();
    }
  }

  // Position by position, from what is resident.
  int64_t longest_match(std::span<const TokenId> tokens, const PrefixNames& names) {
    std::map<BlockName, uint64_t> resident;
    cache_->walk_prefixes([&](const KvPrefixNode& node) {
      if (!node.is_root()) resident[node.name] = node.resident_groups;
    });
    for (int64_t blocks = findable_blocks(std::ssize(tokens)); blocks > 0; --blocks) {
      bool all = true;
      for (int64_t p = 0; p < blocks * kBlockSize && all; ++p) {
        const auto node = resident.find(names.blocks[static_cast<size_t>(p / kBlockSize)]);
        const uint64_t mask = node == resident.end() ? 0 : node->second;
        for (int32_t g = 0; g < groups(); ++g) {
          const Visibility seen = cache_->geometry().visibility(g);
          const bool is_seen = p < seen.sinks || p >= seen.recent_range(blocks * kBlockSize).begin;
          const bool is_last = p / kBlockSize == blocks - 1;
          if ((is_seen || is_last) && (mask >> g & 1U) == 0) all = false;
        }
      }
      if (all) return blocks * kBlockSize;
    }
    return 0;
  }

  void match() {
    Sequence s;
    s.script.resize(kContext);
    rewrite(s.script, 0);
    const auto prompt = part(s, 0, below(kContext + 1));
    const PrefixNames names = cache_->names_of(prompt, {});
    const int64_t expected = shares_ ? longest_match(prompt, names) : 0;
    ASSERT_EQ(cache_->findable(prompt, names), expected);
    s.real = begin(*cache_, {.tokens = prompt, .names = names}, {});
    ASSERT_EQ(static_cast<bool>(s.real.lease), std::ssize(sequences_) < kSequences);
    if (!s.real.lease) return;
    ASSERT_EQ(s.real.length(), expected);
    const KvMatchReport& report = cache_->match_report(s.real.lease);
    if (report.end == KvMatchEnd::kOutOfWindow) {
      ++shortened;
      ASSERT_GT(report.known_positions, report.found_positions);
    }
    found += expected;
    sequences_.push_back(std::move(s));
  }

  void truncate(Sequence& s) {
    const int64_t length = s.real.length();
    const int64_t back = one_in(3) ? below(length + 1) : std::min(length, below(kRollbackMargin + 1));
    const int64_t before = cache_->counts().recomputed_positions;
    const bool is_there = has_what_is_seen_from(s, length - back);
    const int64_t kept = cut(*cache_, s.real, length - back);
    ASSERT_LE(kept, length - back);
    if (kept > length - back - kBlockSize) {
      if (back > 0) ++rolled_back;
    } else {
      ++gone_back;
      ASSERT_FALSE(is_there) << length << " back " << back << " kept " << kept;
      ASSERT_EQ(kept % kBlockSize, 0);
      ASSERT_EQ(cache_->counts().recomputed_positions - before, length - back - kept);
      // As far as what is left allows.
      const auto text = std::span<const TokenId>(s.script).first(static_cast<size_t>(length - back + 1));
      ASSERT_EQ(kept, cache_->findable(text, cache_->names_of(text, s.real.salt)));
    }
    if (one_in(2)) rewrite(s.script, kept);
  }

  bool has_what_is_seen_from(const Sequence& s, int64_t position) {
    const bool cuts = position / kBlockSize < s.real.length() / kBlockSize;
    if (cuts && cache_->geometry().opens_rows()) position -= position % kBlockSize;
    for (int32_t g = 0; g < groups(); ++g) {
      const KvSequenceView view = cache_->view(s.real.lease, g);
      const Visibility seen = cache_->geometry().visibility(g);
      for (int64_t p = 0; p < position; ++p) {
        const bool is_seen = p < seen.sinks || p >= seen.recent_range(position).begin;
        const bool is_of_last = p / kBlockSize + 1 >= position / kBlockSize;
        if ((is_seen || is_of_last) && !view.has(p / kBlockSize)) return false;
      }
    }
    return true;
  }

  void fork(const Sequence& s) {
    Sequence copy{forked(*cache_, s.real), s.script};
    ASSERT_EQ(static_cast<bool>(copy.real.lease), std::ssize(sequences_) < kSequences);
    if (!copy.real.lease) return;
    if (one_in(2)) rewrite(copy.script, copy.real.length());
    sequences_.push_back(std::move(copy));
  }

  // Rows of some of the sequences; now and then the step is abandoned.
  void step() {
    std::vector<TestSequence> then;
    std::vector<TestPart> parts;
    std::vector<KvStepRows> rows;
    std::vector<TokenId> tokens;
    std::vector<size_t> who;
    then.reserve(sequences_.size());
    int64_t left = kStepRows;
    for (size_t i = 0; i < sequences_.size(); ++i) {
      Sequence& s = sequences_[i];
      const int64_t room = std::min(left, kContext - s.real.length());
      if (room == 0 || one_in(4)) continue;
      const int64_t count = one_in(2) ? 1 : 1 + below(room);
      const auto more = part(s, s.real.length(), s.real.length() + count);
      ASSERT_EQ(cache_->reserve(s.real.lease, s.real.length() + count), Room::kOk);
      left -= count;
      rows.push_back(rows_of(s.real, more));
      then.push_back(with_more(s.real, more));
      tokens.insert(tokens.end(), more.begin(), more.end());
      who.push_back(i);
    }
    if (who.empty()) return;
    parts.reserve(who.size());
    for (size_t i = 0; i < who.size(); ++i) parts.push_back({&then[i], sequences_[who[i]].real.length()});
    const bool fails = one_in(6);
    KvStep running = cache_->begin_step(rows);
    const int64_t layers = cache_->geometry().layer_count();
    run_layers(*cache_, running, parts, fails ? below(layers + 1) : layers);
    if (fails) {
      running.abandon();
      for (const size_t i : who) {
        sequences_[i].real.resize(cache_->length(sequences_[i].real.lease));
      }
      return;
    }
    running.commit(tokens);
    for (size_t i = 0; i < who.size(); ++i) {
      sequences_[who[i]].real.tokens = then[i].tokens;
      sequences_[who[i]].real.marks = then[i].marks;
    }
  }

  void compare() {
    replay_.catch_up();
    replay_.expect_counts_of_cache();
    for (const Sequence& s : sequences_) {
      expect_intact(*cache_, s.real);
      uint64_t used_bytes = 0;
      for (int32_t g = 0; g < groups(); ++g) {
        const Visibility seen = cache_->geometry().visibility(g);
        const KvSequenceView view = cache_->view(s.real.lease, g);
        const int64_t blocks = KvGeometry::blocks_for(s.real.length());
        int64_t held = cache_->room(s.real.lease) / kBlockSize;
        if (!seen.sees_all()) {  // no room between steps
          held = std::min(view.sink_blocks, blocks) + std::max<int64_t>(0, blocks - view.first_block);
          ASSERT_LE(held, BlockWindow(seen).most_blocks());
        }
        used_bytes += static_cast<uint64_t>(held) * cache_->geometry().block_bytes(g);
      }
      ASSERT_EQ(cache_->used_bytes(s.real.lease), used_bytes);
    }
  }

  bool shares_;
  std::unique_ptr<KvCache> cache_;
  KvEventReplay replay_;
  std::mt19937_64 random_;
  std::vector<Sequence> sequences_;
};

class WindowOperationsTest : public ::testing::TestWithParam<Run> {};

TEST_P(WindowOperationsTest, WhatAQuerySeesIsThereAfterAnyListOfOperations) {
  int64_t found = 0;
  int64_t shortened = 0;
  int64_t gone_back = 0;
  int64_t rolled_back = 0;
  for (uint64_t seed = 1; seed <= 40 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    WindowOperations operations(GetParam(), seed);
    operations.run(200);
    found += operations.found;
    shortened += operations.shortened;
    gone_back += operations.gone_back;
    rolled_back += operations.rolled_back;
  }
  EXPECT_GT(rolled_back, 100);
  EXPECT_GT(gone_back, 20);
  if (GetParam().sharing == PrefixSharing::kOff) return;
  EXPECT_GT(found, 10'000);
  EXPECT_GT(shortened, 50);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, WindowOperationsTest,
    ::testing::Values(Run{"one_of_two", "f16", {{}, {.window = 64}}},
                      Run{"the_first_of_two", "f16", {{.window = 33}, {}}},
                      Run{"all", "f16", {{.window = 40}, {.window = 100}}},
                      Run{"one_position", "f16", {{.window = 1}, {.window = 2}}},
                      Run{"sinks", "f16", {{.window = 64, .sinks = 4}}},
                      Run{"sinks_of_blocks", "int4", {{}, {.window = 50, .sinks = 70}, {.window = 31}}},
                      Run{"sealed_whole", "int4", {{.window = 64}, {}}},
                      Run{"sealed_whole_all", "int8", {{.window = 96, .sinks = 32}}},
                      Run{"unshared", "int4", {{}, {.window = 64, .sinks = 4}}, PrefixSharing::kOff}),
    [](const auto& run) { return run.param.name; });

}  // namespace
}  // namespace cairn
