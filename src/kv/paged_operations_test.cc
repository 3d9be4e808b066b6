// Seeded lists of operations on a paged cache against a twin that says beforehand what each of them must do:
// what is found, what is evicted, what there is room for, what a step leaves behind, and all counts. The events alone
// must lead to the same counts.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "kv/kv_cache_testing.h"
#include "kv/kv_event_replay_testing.h"
#include "kv/paged_twin_testing.h"

namespace cairn {
namespace {

struct Run {
  const char* plan = "f16";
  PrefixSharing sharing = PrefixSharing::kOn;
  std::vector<int32_t> layer_groups;
  std::vector<int64_t> pool_blocks;  // of each group
  uint64_t seed = 0;
};

class Operations {
 public:
  explicit Operations(const Run& run)
      : sharing_(run.sharing),
        cache_(make_cache({.shape = grouped_shape(run.plan, run.layer_groups),
                           .sharing = run.sharing,
                           .context = kContext,
                           .max_sequences = kSequences,
                           .step_rows = kContext,
                           .pool_blocks = run.pool_blocks})),
        replay_(*cache_),
        twin_(run.pool_blocks, run.sharing),
        random_(run.seed) {}

  void run(int count) {
    for (int i = 0; i < count && !::testing::Test::HasFailure(); ++i) {
      one();
      compare();
    }
    while (!sequences_.empty() && !::testing::Test::HasFailure()) {
      drop(sequences_.size() - 1);
      compare();
    }
  }
  [[nodiscard]] KvCounts counts() const { return cache_->counts(); }
  [[nodiscard]] int64_t copies() const { return copies_; }
  [[nodiscard]] int64_t refusals() const { return refusals_; }
  // How often a match ended, or a block was sealed, where some groups had the block and others had not.
  [[nodiscard]] int64_t partly_resident() const { return partly_resident_; }

 private:
  static constexpr int64_t kContext = 200;  // ends inside a block
  static constexpr int64_t kSequences = 5;

  struct Sequence {
    TestSequence real;
    TwinSequence twin;
    std::vector<TokenId> script;  // what it will say: its tokens are a beginning of it
  };

  // A sequence's part of a step: rows [first, end).
  struct StepPart {
    size_t sequence = 0;
    int64_t first = 0;
    int64_t end = 0;
  };

  int64_t below(int64_t end) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(end)); }
  bool one_in(int64_t n) { return below(n) == 0; }

  // From `position` on, blocks of few kinds, now and then with one token that is another.
  void rewrite(std::vector<TokenId>& script, int64_t position) {
    for (int64_t p = position, kind = 0, odd = -1; p < kContext; ++p) {
      if (p == position || p % kBlockSize == 0) {
        kind = one_in(4) ? 1 : 0;
        odd = one_in(16) ? below(kBlockSize) : -1;
      }
      script[static_cast<size_t>(p)] = static_cast<TokenId>(kind * 10 + (p % kBlockSize == odd ? 5 : p % 3));
    }
  }

  std::span<const TokenId> part(const Sequence& s, int64_t first, int64_t end) {
    return std::span(s.script).subspan(static_cast<size_t>(first), static_cast<size_t>(end - first));
  }

  void one() {
    if (sequences_.empty() || one_in(6)) return match();
    const auto i = static_cast<size_t>(below(static_cast<int64_t>(sequences_.size())));
    switch (below(8)) {
      case 0: return drop(i);
      case 1:
      case 2: return truncate(sequences_[i]);
      case 3: return fork(sequences_[i]);
      default: return step();
    }
  }

  void match() {
    Sequence s;
    s.script.resize(kContext);
    rewrite(s.script, 0);
    const int64_t prompt = one_in(2) ? below(kContext + 1) : below(7) * kBlockSize + below(3);
    const std::string salt(static_cast<size_t>(below(3)), 's');
    const PrefixNames names = cache_->names_of(part(s, 0, prompt), salt);
    const int64_t own = one_in(4) ? below(kContext) : 0;  // of a request that had lost its memory
    const int64_t findable = cache_->findable(part(s, 0, prompt), names);
    s.real = begin(*cache_, {.tokens = part(s, 0, prompt), .names = names, .own_positions = own}, salt);
    ASSERT_EQ(static_cast<bool>(s.real.lease), sequences_.size() < kSequences);
    if (!s.real.lease) return;
    while (sharing_ == PrefixSharing::kOn) {
      const auto end = static_cast<int64_t>(s.twin.sealed.size() + 1) * kBlockSize;
      if (end >= prompt) break;
      const auto tokens = part(s, 0, end);
      const Key key{salt, {tokens.begin(), tokens.end()}};
      note_where(key);
      if (!twin_.exists(key)) break;
      twin_.hold(key);
      s.twin.sealed.push_back(key);
    }
    const int64_t found = static_cast<int64_t>(s.twin.sealed.size()) * kBlockSize;
    matched_ += found - std::min(found, own);
    recovered_ += std::min(found, own);
    ASSERT_EQ(s.real.length(), found) << "of " << prompt;
    ASSERT_EQ(findable, found);
    ASSERT_EQ(cache_->match_report(s.real.lease).found_positions, found);
    sequences_.push_back(std::move(s));
  }

  // Where the sequence's part of a step ends; at its length where there is no room for more.
  int64_t make_room(Sequence& s) {
    const int64_t length = s.real.length();
    const int64_t most = one_in(2) ? kContext - length : std::min<int64_t>(kContext - length, 40);
    const int64_t end = length + below(most + 1);
    const int64_t missing =
        KvGeometry::blocks_for(end) - static_cast<int64_t>(s.twin.sealed.size()) - s.twin.open_blocks;
    const bool fits = missing <= 0 || twin_.take(missing);
    EXPECT_EQ(cache_->reserve(s.real.lease, end) == Room::kOk, fits);
    if (!fits) ++refusals_;
    if (!fits) return length;
    s.twin.open_blocks += std::max<int64_t>(missing, 0);
    return end;
  }

  // Some sequences, in any order, that have room for rows.
  std::vector<StepPart> choose_parts() {
    std::vector<size_t> order(sequences_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::shuffle(order.begin(), order.end(), random_);
    order.resize(std::min(order.size(), static_cast<size_t>(1 + below(3))));
    std::vector<StepPart> parts;
    for (const size_t i : order) {
      const int64_t end = make_room(sequences_[i]);
      if (end > sequences_[i].real.length()) parts.push_back({i, sequences_[i].real.length(), end});
    }
    return parts;
  }

  void step() {
    const std::vector<StepPart> parts = choose_parts();
    if (parts.empty() || one_in(8)) return;  // given up before it began
    const bool is_lost = one_in(4);
    const int64_t layers = cache_->geometry().layer_count();
    const int64_t layer_count = is_lost ? below(layers + 1) : layers;
    std::vector<KvStepRows> rows;
    std::vector<TestSequence> longer;
    std::vector<TokenId> tokens;
    for (const StepPart& p : parts) {
      const Sequence& s = sequences_[p.sequence];
      std::vector<TokenId> more(s.script.begin() + p.first, s.script.begin() + p.end);
      tokens = joined(tokens, more);
      if (is_lost) more.front() = -1;  // so that lost rows cannot be taken for good ones
      rows.push_back({s.real.lease.sequence(), p.end - p.first});
      longer.push_back(with_more(s.real, more));
    }
    std::vector<TestPart> written;
    for (size_t i = 0; i < parts.size(); ++i) written.push_back({&longer[i], parts[i].first});

    KvStep step = cache_->begin_step(rows);
    run_layers(*cache_, step, written, layer_count);
    if (one_in(8)) sequences_[parts.front().sequence].real.lease = {};  // closed when the step ends
    if (is_lost) {
      step.abandon();
      ++abandoned_;
      for (const StepPart& p : parts) lose(p, layer_count);
    } else {
      step.commit(tokens);
      for (size_t i = 0; i < parts.size(); ++i) keep(parts[i], longer[i]);
    }
    for (const StepPart& p : parts) {
      if (!sequences_[p.sequence].real.lease) cut_twin(sequences_[p.sequence], 0);
    }
    std::erase_if(sequences_, [](const Sequence& s) { return !s.real.lease; });
  }

  void note_where(const Key& key) {
    partly_resident_ += twin_.exists_somewhere(key) && !twin_.exists(key) ? 1 : 0;
  }

  void keep(const StepPart& p, TestSequence& longer) {
    Sequence& s = sequences_[p.sequence];
    longer.lease = std::move(s.real.lease);
    s.real = std::move(longer);
    for (auto b = static_cast<int64_t>(s.twin.sealed.size()); b < p.end / kBlockSize; ++b) {
      const auto tokens = part(s, 0, (b + 1) * kBlockSize);
      note_where({s.real.salt, {tokens.begin(), tokens.end()}});
      s.twin.sealed.push_back(twin_.seal(s.real.salt, tokens));
      --s.twin.open_blocks;
    }
  }

  void lose(const StepPart& p, int64_t layer_count) {
    Sequence& s = sequences_[p.sequence];
    const int64_t block_begin = p.first / kBlockSize * kBlockSize;
    const bool has_open_rows = p.first > block_begin && cache_->geometry().opens_rows();
    if (!has_open_rows || p.end <= block_begin + kBlockSize || p.end % kBlockSize == 0 || layer_count == 0 ||
        !s.real.lease)
      return;
    recomputed_ += p.first - block_begin;
    s.real.resize(cut_twin(s, block_begin));
  }

  // What the twin's sequence keeps of `positions`.
  int64_t cut_twin(Sequence& s, int64_t positions) {
    const bool cuts_sealed =
        positions % kBlockSize != 0 && positions < s.real.length() / kBlockSize * kBlockSize;
    if (cuts_sealed && cache_->geometry().opens_rows()) positions -= positions % kBlockSize;
    const int64_t block_count = KvGeometry::blocks_for(positions);
    const int64_t open_blocks =
        std::clamp<int64_t>(block_count - static_cast<int64_t>(s.twin.sealed.size()), 0, 1);
    twin_.drop(s.twin.open_blocks - open_blocks);
    s.twin.open_blocks = open_blocks;
    const auto let_last_go = [&] {
      twin_.let_go(s.twin.sealed.back());
      s.twin.sealed.pop_back();
    };
    while (static_cast<int64_t>(s.twin.sealed.size()) > block_count) let_last_go();
    if (positions % kBlockSize == 0 || open_blocks > 0) return positions;
    ++copies_;
    if (!twin_.reopen(s.twin.sealed.back())) {
      let_last_go();
      return positions - positions % kBlockSize;
    }
    s.twin.sealed.pop_back();
    s.twin.open_blocks = 1;
    return positions;
  }

  void truncate(Sequence& s) {
    const int64_t length = s.real.length();
    const int64_t position = one_in(3) ? std::max<int64_t>(0, length - below(5)) : below(length + 1);
    const int64_t kept = cut_twin(s, position);
    ASSERT_EQ(cut(*cache_, s.real, position), kept) << "of " << length << " at " << position;
    if (one_in(2)) rewrite(s.script, kept);  // else the same again: blocks may end as one
  }

  void fork(Sequence& s) {
    Sequence copy{.real = forked(*cache_, s.real), .twin = s.twin, .script = s.script};
    const bool has_open_rows = s.real.length() % kBlockSize != 0;
    const bool fits = sequences_.size() < kSequences && (!has_open_rows || twin_.can_take(1));
    ASSERT_EQ(static_cast<bool>(copy.real.lease), fits);
    if (!fits) return;
    for (const Key& key : copy.twin.sealed) twin_.hold(key);
    copy.twin.open_blocks = has_open_rows ? 1 : 0;
    ASSERT_TRUE(twin_.take(copy.twin.open_blocks));
    if (one_in(2)) rewrite(copy.script, copy.real.length());
    sequences_.push_back(std::move(copy));
  }

  void drop(size_t i) {
    cut_twin(sequences_[i], 0);
    sequences_.erase(sequences_.begin() + static_cast<int64_t>(i));
  }

  void compare() {
    const Status status = cache_->check();
    ASSERT_TRUE(status.ok()) << status.message();
    compare_groups();
    const KvCounts c = cache_->counts();
    ASSERT_EQ(
        (std::vector{c.matched_positions, c.recovered_positions, c.abandoned_steps, c.recomputed_positions}),
        (std::vector{matched_, recovered_, abandoned_, recomputed_}));
    ASSERT_NO_FATAL_FAILURE(replay_.catch_up());
    replay_.expect_counts_of_cache();
    const uint64_t block_bytes = cache_->geometry().block_bytes();
    for (const Sequence& s : sequences_) {
      const auto block_count = static_cast<int64_t>(s.twin.sealed.size()) + s.twin.open_blocks;
      ASSERT_EQ(cache_->length(s.real.lease), s.real.length());
      ASSERT_EQ(cache_->room(s.real.lease), block_count * kBlockSize);
      ASSERT_EQ(cache_->used_bytes(s.real.lease), static_cast<uint64_t>(block_count) * block_bytes);
      const auto wrong = first_wrong(*cache_, s.real);
      ASSERT_FALSE(wrong.has_value()) << "the row at " << *wrong << " of " << s.real.length();
    }
  }

  void compare_groups() {
    KvBlockCounts sum;
    uint64_t used_bytes = 0;
    for (int32_t g = 0; g < cache_->geometry().group_count(); ++g) {
      const PagedTwin& twin = twin_.groups()[static_cast<size_t>(g)];
      const KvBlockCounts c = cache_->block_counts(g);
      ASSERT_EQ(listed(c), twin.counts()) << "group " << g;
      if (sharing_ == PrefixSharing::kOn) ASSERT_TRUE(twin.ends_go_first());
      used_bytes += static_cast<uint64_t>(twin.used_blocks()) * cache_->geometry().block_bytes(g);
      sum += c;
    }
    ASSERT_EQ(cache_->used_bytes(), used_bytes);
    ASSERT_EQ(listed(cache_->counts()), listed(sum));
  }
  static std::vector<int64_t> listed(const KvBlockCounts& c) {
    return {c.block_count, c.free_blocks,    c.open_blocks,   c.held_blocks,
            c.idle_blocks, c.evicted_blocks, c.unified_blocks};
  }

  PrefixSharing sharing_;
  std::unique_ptr<KvCache> cache_;
  KvEventReplay replay_;
  PagedTwins twin_;
  std::mt19937_64 random_;
  std::vector<Sequence> sequences_;
  int64_t matched_ = 0;
  int64_t recovered_ = 0;
  int64_t abandoned_ = 0;
  int64_t recomputed_ = 0;
  int64_t copies_ = 0;
  int64_t refusals_ = 0;
  int64_t partly_resident_ = 0;
};

constexpr int kMostBlocks = 35;  // what five sequences of seven blocks can have: pools are no larger

// From a pool that is nearly always full to one that has a block for everything. Further groups have a few blocks less
// or more than the first one, so that each of them is the scarce one now and then.
void run_lists(const char* plan, PrefixSharing sharing, const std::vector<int32_t>& layer_groups = {0, 0}) {
  KvCounts sum;
  int64_t copies = 0;
  int64_t refusals = 0;
  int64_t partly_resident = 0;
  for (const int64_t block_count : {1, 2, 4, 7, 11, 16, 24, kMostBlocks}) {
    for (uint64_t seed = 1; seed <= 8; ++seed) {
      SCOPED_TRACE(::testing::Message() << plan << ", " << block_count << " blocks, seed " << seed);
      std::vector<int64_t> pool_blocks{block_count};
      for (int32_t group = 1; group <= std::ranges::max(layer_groups); ++group) {
        const auto steps = static_cast<int64_t>((seed + static_cast<uint64_t>(group) * 2) % 5) - 2;
        const int64_t other = steps * (1 + block_count / 8);
        pool_blocks.push_back(std::clamp<int64_t>(block_count + other, 1, kMostBlocks));
      }
      Operations operations({plan, sharing, layer_groups, pool_blocks, seed});
      operations.run(400);
      if (::testing::Test::HasFailure()) return;
      partly_resident += operations.partly_resident();
      sum.matched_positions += operations.counts().matched_positions;
      sum.evicted_blocks += operations.counts().evicted_blocks;
      sum.unified_blocks += operations.counts().unified_blocks;
      sum.recovered_positions += operations.counts().recovered_positions;
      sum.abandoned_steps += operations.counts().abandoned_steps;
      sum.recomputed_positions += operations.counts().recomputed_positions;
      copies += operations.copies();
      refusals += operations.refusals();
    }
  }
  // The lists get to all of it, often.
  EXPECT_GT(refusals, 500);
  EXPECT_GT(sum.abandoned_steps, 500);
  if (KvGeometry::make(grouped_shape(plan, layer_groups))->opens_rows()) {
    EXPECT_GT(sum.recomputed_positions, 500);
  } else {
    EXPECT_GT(copies, 500);
    EXPECT_EQ(sum.recomputed_positions, 0);
  }
  if (sharing == PrefixSharing::kOff) return;
  EXPECT_GT(sum.matched_positions, 500 * kBlockSize);
  EXPECT_GT(sum.recovered_positions, 100 * kBlockSize);
  EXPECT_GT(sum.evicted_blocks, 500);
  EXPECT_GT(sum.unified_blocks, 500);
  if (std::ranges::max(layer_groups) > 0) EXPECT_GT(partly_resident, 300);
}

TEST(PagedOperations, AgreeWithATwinThatShares) { run_lists("f16", PrefixSharing::kOn); }
TEST(PagedOperations, AgreeWithATwinThatSharesBlocksSealedWhole) {
  run_lists("k=int4:channel,v=int8:token", PrefixSharing::kOn);
}
TEST(PagedOperations, AgreeWithATwinThatDoesNotShare) { run_lists("f16", PrefixSharing::kOff); }
TEST(PagedOperations, AgreeWithATwinThatDoesNotShareBlocksSealedWhole) {
  run_lists("int4; layer 1: f32", PrefixSharing::kOff);
}
TEST(PagedOperations, AgreeWithTwinsOfTwoGroups) {
  run_lists("f16; layer 1: int8:token", PrefixSharing::kOn, {0, 1});
}
TEST(PagedOperations, AgreeWithTwinsOfThreeGroups) {
  run_lists("f16; layer 1: int4; layer 3: f32", PrefixSharing::kOn, {1, 0, 1, 2});
}
TEST(PagedOperations, AgreeWithTwinsOfThreeGroupsThatDoNotShare) {
  run_lists("int8:token; layer 1: f32", PrefixSharing::kOff, {2, 0, 1});
}

}  // namespace
}  // namespace cairn
