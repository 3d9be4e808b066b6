// One list of tests for all ways to store keys and values, with a plan that writes rows at once and with plans
// that seal whole blocks; and lists of random operations. What only sharing does: paged_storage_test.cc.
#include "kv/kv_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "kv/kv_cache_testing.h"

namespace cairn {
namespace {

struct Way {
  KvStorageKind storage = KvStorageKind::kPaged;
  PrefixSharing sharing = PrefixSharing::kOn;
  const char* plan = "f16";
  std::vector<int32_t> layer_groups = {0, 0};
};

// Rows at once; keys sealed as whole blocks; both, in one layer of two.
constexpr std::array kPlans{"f16", "k=int4:channel,v=int8:token", "f32; layer 1: int2:channel"};

std::vector<Way> every_way() {
  std::vector<Way> ways;
  for (const char* plan : kPlans) {
    for (const std::vector<int32_t>& groups : {std::vector{0, 0}, std::vector{0, 1}}) {
      for (const KvStorageKind storage :
           {KvStorageKind::kNone, KvStorageKind::kGrowing, KvStorageKind::kContiguous}) {
        ways.push_back({storage, PrefixSharing::kOn, plan, groups});
      }
      ways.push_back({KvStorageKind::kPaged, PrefixSharing::kOn, plan, groups});
      ways.push_back({KvStorageKind::kPaged, PrefixSharing::kOff, plan, groups});
    }
  }
  return ways;
}

std::string way_name(const ::testing::TestParamInfo<Way>& param) {
  const Way& way = param.param;
  const auto plan = std::find(kPlans.begin(), kPlans.end(), way.plan) - kPlans.begin();
  return std::string(kv_storage_kind_name(way.storage)) +
         (way.sharing == PrefixSharing::kOff ? "_unshared_" : "_") +
         std::array{"rows", "keys_sealed", "a_layer_sealed"}[static_cast<size_t>(plan)] +
         (way.layer_groups.back() == 1 ? "_in_groups" : "");
}

class EveryWay : public ::testing::TestWithParam<Way> {
 protected:
  static KvCacheOptions options(int64_t context, int64_t max_sequences) {
    return {.shape = grouped_shape(GetParam().plan, GetParam().layer_groups),
            .storage = GetParam().storage,
            .sharing = GetParam().sharing,
            .context = context,
            .max_sequences = max_sequences,
            .step_rows = context};
  }
  static std::unique_ptr<KvCache> make(int64_t context, int64_t max_sequences, uint64_t pool_blocks = 0) {
    return make_cache(options(context, max_sequences), pool_blocks);
  }
};

INSTANTIATE_TEST_SUITE_P(Ways, EveryWay, ::testing::ValuesIn(every_way()), way_name);

TEST_P(EveryWay, ReadsBackWhatAStepWrote) {
  auto cache = make(100, 2);
  TestSequence a{.lease = cache->open()};
  TestSequence b = begin(*cache, {}, "b");
  ASSERT_EQ(cache->reserve(a.lease, 40), Room::kOk);
  ASSERT_EQ(cache->reserve(b.lease, 33), Room::kOk);
  for (const TokenId token : some_tokens(40)) a.push(token);
  for (const TokenId token : some_tokens(33)) b.push(token);
  KvStep step = cache->begin_step({{{b.lease.sequence(), 33}, {a.lease.sequence(), 40}}});
  for (const int64_t layer : {0, 1}) {
    const KvLayerView view = *step.open(layer);
    ASSERT_EQ(view.sequences.size(), 2U);
    const TestRows rows(cache->geometry(), view.layer_group);
    rows.write(view, 0, 0, b.marks);
    rows.write(view, 1, 0, a.marks);
    EXPECT_FALSE(rows.first_wrong(view.sequences[0], b.marks).has_value());
    EXPECT_FALSE(rows.first_wrong(view.sequences[1], a.marks).has_value());
    EXPECT_TRUE(cache->check().ok());
    step.close(layer);
  }
  step.commit(joined(b.tokens, a.tokens));
  for (TestSequence* sequence : {&a, &b}) {
    if (!cache->keeps_rows()) sequence->resize(0);
    expect_intact(*cache, *sequence);
  }
}

TEST_P(EveryWay, KeepsRowsWhileItGrowsOrForgetsAllOfThem) {
  auto cache = make(200, 1);
  TestSequence a{.lease = cache->open()};
  for (TokenId token = 0; token < 200; ++token) {
    ASSERT_EQ(extend(*cache, a, std::array{token}), Room::kOk);
    ASSERT_EQ(cache->length(a.lease), cache->keeps_rows() ? token + 1 : 0);
    expect_intact(*cache, a);
  }
  EXPECT_EQ(cache->keeps_rows(), GetParam().storage != KvStorageKind::kNone);
  EXPECT_EQ(cache->used_bytes(a.lease), cache->keeps_rows() ? 7 * cache->geometry().block_bytes() : 0);
  EXPECT_EQ(cache->used_bytes(), cache->used_bytes(a.lease));
}

// Rows of a cut open block stay. Those of a cut sealed block stay where a row has one form only.
TEST_P(EveryWay, TruncatesAndGoesOn) {
  for (const int64_t length : {100, 96, 70, 64, 33, 32, 31}) {
    for (int64_t position = 0; position <= length; ++position) {
      auto cache = make(128, 1);
      if (!cache->keeps_rows()) return;  // nothing is kept, so nothing can be cut
      TestSequence a = prefilled(*cache, some_tokens(length));
      const bool cuts_sealed = position % kBlockSize != 0 && position / kBlockSize < length / kBlockSize;
      const bool recomputes = cuts_sealed && cache->geometry().opens_rows();
      const int64_t expected = recomputes ? position / kBlockSize * kBlockSize : position;
      ASSERT_EQ(cut(*cache, a, position), expected) << "of " << length << " to " << position;
      ASSERT_EQ(cache->room(a.lease), KvGeometry::blocks_for(expected) * kBlockSize);
      expect_intact(*cache, a);
      ASSERT_EQ(extend(*cache, a, some_tokens(128 - expected, 1000)), Room::kOk);
      expect_intact(*cache, a);
      if (HasFailure()) return;
    }
  }
}

TEST_P(EveryWay, LetsRoomWithoutRowsGo) {
  auto cache = make(128, 1);
  TestSequence a = prefilled(*cache, some_tokens(40));
  ASSERT_EQ(cache->reserve(a.lease, 128), Room::kOk);
  EXPECT_EQ(cache->room(a.lease), 128);
  EXPECT_EQ(cut(*cache, a, a.length()), a.length());
  EXPECT_EQ(cache->room(a.lease), cache->keeps_rows() ? 64 : 0);
  expect_intact(*cache, a);
}

TEST_P(EveryWay, ForksGoOnApart) {
  for (const int64_t length : {0, 1, 31, 32, 33, 64, 77}) {
    auto cache = make(128, 3);
    TestSequence a = prefilled(*cache, some_tokens(length));
    TestSequence b = forked(*cache, a);
    ASSERT_TRUE(static_cast<bool>(b.lease));
    EXPECT_NE(a.lease.sequence(), b.lease.sequence());
    expect_intact(*cache, b);
    ASSERT_EQ(extend(*cache, a, some_tokens(40, 500)), Room::kOk);
    expect_intact(*cache, b);
    ASSERT_EQ(extend(*cache, b, some_tokens(40, 600)), Room::kOk);
    expect_intact(*cache, a);
    expect_intact(*cache, b);
    TestSequence c = forked(*cache, b);
    b.lease = {};
    expect_intact(*cache, c);
    cut(*cache, a, a.length() / 2);  // cuts what was shared
    ASSERT_EQ(extend(*cache, a, some_tokens(30, 700)), Room::kOk);
    expect_intact(*cache, a);
    expect_intact(*cache, c);
    if (HasFailure()) return;
  }
}

TEST_P(EveryWay, OpensAtMostMaxSequencesAndReusesThem) {
  auto cache = make(64, 2);
  TestSequence a = prefilled(*cache, some_tokens(5));
  KvLease b = cache->open();
  EXPECT_NE(a.lease.sequence(), b.sequence());
  EXPECT_FALSE(static_cast<bool>(cache->open()));
  EXPECT_FALSE(static_cast<bool>(cache->fork(a.lease)));
  ASSERT_EQ(cache->reserve(a.lease, 64), Room::kOk);
  const SequenceId id = a.lease.sequence();
  a.lease = {};
  EXPECT_EQ(cache->used_bytes(), 0U);
  a.lease = cache->open();
  EXPECT_EQ(a.lease.sequence(), id);
  EXPECT_EQ(cache->length(a.lease), 0);
  EXPECT_EQ(cache->room(a.lease), 0);
}

TEST_P(EveryWay, HoldsEverySequenceToTheLastPositionOfTheContext) {
  constexpr int64_t kContext = 70;  // ends inside a block
  auto cache = make(kContext, 3);
  EXPECT_EQ(cache->max_length(), kContext);
  EXPECT_EQ(cache->context(), kContext);
  EXPECT_EQ(cache->max_sequences(), 3);
  std::vector<TestSequence> sequences;
  for (TokenId i = 0; i < 3; ++i) {
    sequences.push_back(prefilled(*cache, some_tokens(kContext, 100 * i)));
    for (const TestSequence& sequence : sequences) expect_intact(*cache, sequence);
  }
}

TEST_P(EveryWay, ReadsAVectorPastTheLastBlock) {
  auto cache = make(32, 1);
  const KvLease a = cache->open();
  ASSERT_EQ(cache->reserve(a, 32), Room::kOk);
  for (int32_t group = 0; group < cache->geometry().group_count(); ++group) {
    const std::byte* end = cache->view(a, group).block(0) + cache->geometry().block_bytes(group);
    std::array<std::byte, 64> vector{};
    std::memcpy(vector.data(), end, vector.size());  // a sanitizer or the system would object
    EXPECT_EQ(reinterpret_cast<uintptr_t>(end) % 64, 0U);
  }
}

// Law 3: the plan is what is taken, to the byte.
TEST_P(EveryWay, TakesTheMemoryThatItSaidItWould) {
  for (const int64_t step_rows : {1, 31, 32, 512}) {
    for (const uint64_t pool_blocks : {0, 1, 5, 1000}) {
      KvCacheOptions wanted = options(100, 3);
      wanted.step_rows = step_rows;
      const KvGeometry geometry = *KvGeometry::make(wanted.shape);
      if (pool_blocks > 0) wanted.pool_bytes = pool_blocks * geometry.block_bytes();
      const KvMemory memory = *KvCache::memory_of(wanted);
      auto cache = *KvCache::create(wanted);
      EXPECT_EQ(cache->open_bytes(), memory.open_bytes);
      EXPECT_EQ(memory.total_bytes(), memory.pool_bytes + memory.open_bytes);
      const auto slots = static_cast<uint64_t>(KvGeometry::step_slots_for(step_rows, 3));
      EXPECT_EQ(memory.open_bytes, 3 * geometry.open_bytes() + slots * geometry.step_slot_bytes());
      std::vector<KvLease> leases;
      if (GetParam().storage == KvStorageKind::kGrowing) {  // at most: when it is as full as it can be
        EXPECT_EQ(cache->pool_bytes(), 0U);
        for (uint64_t i = 0; i < 3; ++i) {
          leases.push_back(cache->open());
          const uint64_t blocks =
              pool_blocks == 0 ? 4 : std::clamp<uint64_t>(pool_blocks, 4 * i, 4 * i + 4) - 4 * i;
          EXPECT_EQ(cache->reserve(leases.back(), std::min<int64_t>(100, static_cast<int64_t>(blocks) * 32)),
                    Room::kOk);
        }
      }
      EXPECT_EQ(cache->pool_bytes(), memory.pool_bytes);
    }
  }
}

TEST_P(EveryWay, GivesOpenRowsAndStepSlotsThatDoNotOverlap) {
  auto cache = make(100, 3);
  const KvGeometry& geometry = cache->geometry();
  std::vector<KvLease> leases;
  std::vector<KvStepRows> parts;
  for (int i = 0; i < 3; ++i) {
    parts.push_back({leases.emplace_back(cache->open()).sequence(), 1});
    ASSERT_EQ(cache->reserve(leases.back(), 1), Room::kOk);
  }
  KvStep step = cache->begin_step(parts);
  const KvLayerView view = *step.open(0);
  ASSERT_EQ(view.sequences.size(), 3U);
  if (!geometry.opens_rows()) {
    for (const KvSequenceView& sequence : view.sequences) EXPECT_EQ(sequence.open, nullptr);
    EXPECT_EQ(view.step_slot_count, 0);
    EXPECT_EQ(cache->open_bytes(), 0U);
    return;
  }
  EXPECT_EQ(view.step_slot_count, KvGeometry::step_slots_for(100, 3));
  EXPECT_EQ(view.step_slot_bytes, static_cast<int64_t>(geometry.step_slot_bytes()));
  const auto fill = [](std::byte* at, uint64_t bytes, int value) { std::memset(at, value, bytes); };
  const auto holds = [](const std::byte* at, uint64_t bytes, int value) {
    return std::all_of(at, at + bytes, [&](std::byte byte) { return byte == static_cast<std::byte>(value); });
  };
  const uint64_t slots_bytes = static_cast<uint64_t>(view.step_slot_count) * geometry.step_slot_bytes();
  for (int i = 0; i < 3; ++i) fill(view.sequences[static_cast<size_t>(i)].open, geometry.open_bytes(), i + 1);
  fill(view.step_slots, slots_bytes, 9);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(view.sequences[static_cast<size_t>(i)].open) % 64, 0U);
    EXPECT_TRUE(holds(view.sequences[static_cast<size_t>(i)].open, geometry.open_bytes(), i + 1));
  }
  EXPECT_TRUE(holds(view.step_slots, slots_bytes, 9));
}

// Rows are remembered by marks; whether there is room is the storage's own business.
class Operations {
 public:
  Operations(const KvCacheOptions& options, uint64_t pool_blocks, uint64_t seed)
      : cache_(make_cache(options, pool_blocks)), random_(seed) {}

  void run(int count) {
    for (int i = 0; i < count && !::testing::Test::HasFailure(); ++i) {
      one();
      compare();
    }
    sequences_.clear();
    EXPECT_EQ(cache_->used_bytes(), 0U);
    EXPECT_TRUE(cache_->check().ok());
  }

 private:
  int64_t below(int64_t end) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(end)); }

  void one() {
    const auto count = static_cast<int64_t>(sequences_.size());
    if (count == 0 || below(10) == 0) return add(begin(*cache_, {}, std::to_string(below(3))));
    TestSequence& sequence = sequences_[static_cast<size_t>(below(count))];
    switch (below(7)) {
      case 0: std::swap(sequence, sequences_.back()); return sequences_.pop_back();
      case 1: cut(*cache_, sequence, below(sequence.length() + 1)); return;
      case 2: return fork(sequence);
      default: return append(sequence);
    }
  }

  void add(TestSequence sequence) {
    ASSERT_EQ(static_cast<bool>(sequence.lease),
              static_cast<int64_t>(sequences_.size()) < cache_->max_sequences());
    if (sequence.lease) sequences_.push_back(std::move(sequence));
  }

  void fork(const TestSequence& sequence) {
    const uint64_t used = cache_->used_bytes();
    TestSequence copy = forked(*cache_, sequence);
    if (copy.lease) return sequences_.push_back(std::move(copy));
    ASSERT_EQ(cache_->used_bytes(), used);
  }

  void append(TestSequence& sequence) {
    const int64_t target = sequence.length() + below(cache_->context() - sequence.length() + 1);
    const std::array before{cache_->room(sequence.lease), static_cast<int64_t>(cache_->used_bytes())};
    if (cache_->reserve(sequence.lease, target) == Room::kNoRoom) {
      const std::array after{cache_->room(sequence.lease), static_cast<int64_t>(cache_->used_bytes())};
      ASSERT_EQ(before, after);
      return;
    }
    ASSERT_GE(cache_->room(sequence.lease), target);
    if (below(4) == 0) return;  // reserved and not used: the step was given up
    ASSERT_EQ(
        extend(*cache_, sequence, some_tokens(target - sequence.length(), static_cast<TokenId>(below(50)))),
        Room::kOk);
  }

  void compare() {
    const Status status = cache_->check();
    ASSERT_TRUE(status.ok()) << status.message();
    uint64_t bytes = 0;
    for (const TestSequence& sequence : sequences_) {
      ASSERT_EQ(cache_->length(sequence.lease), sequence.length());
      ASSERT_FALSE(first_wrong(*cache_, sequence).has_value());
      ASSERT_EQ(cache_->used_bytes(sequence.lease),
                static_cast<uint64_t>(cache_->room(sequence.lease) / kBlockSize) *
                    cache_->geometry().block_bytes());
      bytes += cache_->used_bytes(sequence.lease);
    }
    ASSERT_LE(cache_->used_bytes(), bytes);  // shared blocks count once
    ASSERT_LE(cache_->used_bytes(), cache_->pool_bytes());
  }

  std::unique_ptr<KvCache> cache_;
  std::mt19937_64 random_;
  std::vector<TestSequence> sequences_;
};

TEST_P(EveryWay, KeepsEveryRowThroughRandomOperations) {
  for (uint64_t seed = 1; seed <= 20 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    // From a pool that is nearly always full to one that never is.
    Operations(options(150, 4), 1 + seed, seed).run(500);
  }
}

TEST(KvCache, PoolHoldsWhatGeometrySays) {
  const uint64_t block = KvGeometry::make(small_shape("f16"))->block_bytes();
  const auto pool_blocks = [&](KvStorageKind storage, uint64_t asked = 0) {
    return make_cache({.storage = storage, .context = 100, .max_sequences = 3}, asked)->pool_bytes() / block;
  };
  EXPECT_EQ(pool_blocks(KvStorageKind::kContiguous), 12U);
  EXPECT_EQ(pool_blocks(KvStorageKind::kPaged), 12U);
  EXPECT_EQ(pool_blocks(KvStorageKind::kPaged, 5), 5U);
  EXPECT_EQ(pool_blocks(KvStorageKind::kPaged, 50), 50U);  // keeps prefixes
  EXPECT_EQ(pool_blocks(KvStorageKind::kNone), 7U);
  EXPECT_EQ(pool_blocks(KvStorageKind::kGrowing), 0U);
  EXPECT_EQ(make_cache({.context = 100, .max_sequences = 3}, 2)->max_length(), 64);
}

// Each group has a pool of its own, as large as it was asked to be.
TEST(KvCache, GroupsHaveTheirOwnPools) {
  const KvShape shape = grouped_shape("f16; layer 1: int4; layer 2: f32", {0, 1, 0});
  const KvGeometry geometry = *KvGeometry::make(shape);
  KvCacheOptions options{.shape = shape, .context = 320, .max_sequences = 2, .pool_blocks = {7, 50}};
  for (const KvStorageKind storage : {KvStorageKind::kPaged, KvStorageKind::kGrowing}) {
    options.storage = storage;
    const uint64_t of_use = storage == KvStorageKind::kPaged ? 50 : 20;  // the others share nothing
    EXPECT_EQ(KvCache::memory_of(options)->pool_bytes,
              7 * geometry.block_bytes(0) + of_use * geometry.block_bytes(1));
    EXPECT_EQ(make_cache(options)->max_length(), 7 * kBlockSize);
  }
  options.storage = KvStorageKind::kPaged;
  EXPECT_EQ(make_cache(options)->pool_bytes(), KvCache::memory_of(options)->pool_bytes);
  for (const std::vector<int64_t>& wrong : {std::vector<int64_t>{7}, {7, 0}, {-1, 7}, {7, 7, 7}}) {
    options.pool_blocks = wrong;
    EXPECT_EQ(KvCache::memory_of(options).status().code(), StatusCode::kInvalidArgument);
  }
}

// One group that has no room is enough, whichever it is.
TEST(KvCache, NoRoomInOneGroupChangesNothing) {
  const KvShape shape = grouped_shape("f16; layer 1: f32; layer 2: int8:token", {0, 1, 2});
  for (const KvStorageKind storage : {KvStorageKind::kPaged, KvStorageKind::kGrowing}) {
    for (const size_t scarce : {0, 1, 2}) {
      KvCacheOptions options{.shape = shape,
                             .storage = storage,
                             .sharing = PrefixSharing::kOff,
                             .context = 320,
                             .max_sequences = 3,
                             .pool_blocks = {9, 9, 9}};
      options.pool_blocks[scarce] = 4;
      auto cache = make_cache(options);
      TestSequence a = prefilled(*cache, some_tokens(70));
      const uint64_t used = cache->used_bytes();
      EXPECT_EQ(cache->reserve(a.lease, 5 * kBlockSize), Room::kNoRoom);
      EXPECT_EQ(cache->shortage(a.lease, 6 * kBlockSize).group, static_cast<int32_t>(scarce));
      EXPECT_EQ(cache->shortage(a.lease, 6 * kBlockSize).block_count, 2);
      EXPECT_EQ(cache->shortage(a.lease, 4 * kBlockSize).block_count, 0);
      EXPECT_EQ(cache->sole_blocks(a.lease, static_cast<int32_t>(scarce)), 3);
      EXPECT_EQ(cache->used_bytes(), used);
      EXPECT_EQ(cache->room(a.lease), 3 * kBlockSize);
      expect_intact(*cache, a);
      const TestSequence b = begin(*cache, {});
      EXPECT_EQ(cache->reserve(b.lease, 2 * kBlockSize), Room::kNoRoom);
      if (storage == KvStorageKind::kPaged) {
        EXPECT_EQ(cache->reserve(b.lease, 1), Room::kOk);
        EXPECT_FALSE(static_cast<bool>(cache->fork(a.lease)));  // needs a block for the open one
        EXPECT_EQ(cache->truncate(a.lease, 70), 70);
      }
      expect_intact(*cache, a);
    }
  }
}

TEST(KvCache, NoRoomChangesNothing) {
  for (const KvStorageKind storage : {KvStorageKind::kPaged, KvStorageKind::kGrowing}) {
    auto cache = make_cache({.storage = storage, .context = 320, .max_sequences = 2}, 6);
    KvLease a = cache->open();
    TestSequence b{.lease = cache->open()};
    ASSERT_EQ(cache->reserve(a, 4 * kBlockSize), Room::kOk);
    ASSERT_EQ(extend(*cache, b, some_tokens(kBlockSize)), Room::kOk);
    const uint64_t used = cache->used_bytes();
    const uint64_t pool = cache->pool_bytes();

    EXPECT_EQ(cache->reserve(b.lease, 3 * kBlockSize), Room::kNoRoom);
    EXPECT_EQ(cache->used_bytes(), used);
    EXPECT_EQ(cache->pool_bytes(), pool);
    EXPECT_EQ(cache->room(b.lease), kBlockSize);
    expect_intact(*cache, b);

    EXPECT_EQ(cache->reserve(b.lease, 2 * kBlockSize), Room::kOk);
    a = {};
    EXPECT_EQ(cache->reserve(b.lease, 6 * kBlockSize), Room::kOk);
    EXPECT_EQ(cache->reserve(b.lease, 6 * kBlockSize + 1), Room::kNoRoom);
    expect_intact(*cache, b);
  }
}

// However a step is cut into sequences, and wherever each stands in its block.
TEST(KvCache, HasAStepSlotForEveryFurtherBlockOfAStep) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    const auto max_sequences = static_cast<int64_t>(1 + random() % 6);
    const auto step_rows = static_cast<int64_t>(1 + random() % 200);
    int64_t rows_left = step_rows;
    int64_t further_blocks = 0;
    for (int64_t s = 0; s < max_sequences && rows_left > 0; ++s) {
      const int64_t rows = 1 + static_cast<int64_t>(random() % static_cast<uint64_t>(rows_left));
      const auto offset = static_cast<int64_t>(random() % 4 == 0 ? 31 : random() % kBlockSize);
      further_blocks += (offset + rows - 1) / kBlockSize;
      rows_left -= rows;
    }
    ASSERT_LE(further_blocks, KvGeometry::step_slots_for(step_rows, max_sequences));
  }
}

}  // namespace
}  // namespace cairn
