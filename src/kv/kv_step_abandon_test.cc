// Steps that end without their rows, wherever the pass was: what they leave behind, and that they can be done again.
#include <gtest/gtest.h>

#include "kv/kv_cache_testing.h"

namespace cairn {
namespace {

constexpr std::array kPlans{"f16", "k=int4:channel,v=int8:token", "f32; layer 1: int2:channel"};

struct Way {
  KvStorageKind storage = KvStorageKind::kPaged;
  PrefixSharing sharing = PrefixSharing::kOff;
  const char* plan = "f16";
  std::vector<int32_t> layer_groups = {0, 0};
};

std::vector<Way> every_way_that_keeps_rows() {
  std::vector<Way> ways;
  for (const char* plan : kPlans) {
    ways.push_back({KvStorageKind::kGrowing, PrefixSharing::kOff, plan});
    ways.push_back({KvStorageKind::kContiguous, PrefixSharing::kOff, plan});
    ways.push_back({KvStorageKind::kPaged, PrefixSharing::kOff, plan});
    ways.push_back({KvStorageKind::kPaged, PrefixSharing::kOn, plan});
    ways.push_back({KvStorageKind::kPaged, PrefixSharing::kOn, plan, {0, 1}});
  }
  return ways;
}

enum class End : uint8_t { kAbandon, kDestructor };

std::unique_ptr<KvCache> make(const Way& way) {
  return make_cache({.shape = grouped_shape(way.plan, way.layer_groups),
                     .storage = way.storage,
                     .sharing = way.sharing,
                     .context = 256,
                     .max_sequences = 4,
                     .step_rows = 256});
}

class AbandonedStep : public ::testing::TestWithParam<Way> {
 protected:
  AbandonedStep() : cache_(make(GetParam())) {}

  // Begins a step over the sequence and its neighbour, and gives it up after so many layers.
  void abandon(TestSequence& sequence, int64_t row_count, int64_t layer_count, End end) {
    const std::vector<TokenId> lost = some_tokens(row_count, 900);
    const TestSequence longer = with_more(sequence, lost);
    const TestSequence longer_neighbour = with_more(neighbour_, {lost.data(), 1});
    ASSERT_EQ(cache_->reserve(sequence.lease, longer.length()), Room::kOk);
    {
      KvStep step =
          cache_->begin_step({{{neighbour_.lease.sequence(), 1}, {sequence.lease.sequence(), row_count}}});
      run_layers(*cache_, step, {{{&longer_neighbour, neighbour_.length()}, {&longer, sequence.length()}}},
                 layer_count);
      EXPECT_TRUE(cache_->in_step());
      EXPECT_TRUE(cache_->check().ok()) << cache_->check().message();
      if (end == End::kAbandon) step.abandon();
    }
    EXPECT_FALSE(cache_->in_step());
    const PrefixNames names = cache_->names_of(longer.tokens, {});
    EXPECT_LE(cache_->findable(longer.tokens, names), sequence.length()) << "lost rows can be found";
  }
  // What the sealing rule leaves of `length` rows.
  [[nodiscard]] int64_t rows_left(int64_t length, int64_t row_count, int64_t layer_count) const {
    const int64_t open_count = length % kBlockSize;
    const int64_t end = open_count + row_count;
    const bool ends_in_another = open_count > 0 && end > kBlockSize && end % kBlockSize != 0;
    return cache_->geometry().opens_rows() && layer_count > 0 && ends_in_another ? length - open_count
                                                                                 : length;
  }
  void expect_all_intact(const TestSequence& sequence) {
    expect_intact(*cache_, sequence);
    expect_intact(*cache_, neighbour_);
    expect_intact(*cache_, bystander_);
  }

  std::unique_ptr<KvCache> cache_;
  TestSequence neighbour_ = prefilled(*cache_, some_tokens(40, 2000));  // in the step
  TestSequence bystander_ = prefilled(*cache_, some_tokens(50, 3000));  // in no step
};

std::string way_name(const ::testing::TestParamInfo<Way>& param) {
  const auto plan = std::find(kPlans.begin(), kPlans.end(), param.param.plan) - kPlans.begin();
  return std::string(kv_storage_kind_name(param.param.storage)) +
         (param.param.sharing == PrefixSharing::kOn ? "_shared_" : "_") +
         std::array{"rows", "keys_sealed", "a_layer_sealed"}[static_cast<size_t>(plan)] +
         (param.param.layer_groups.back() == 1 ? "_in_groups" : "");
}

INSTANTIATE_TEST_SUITE_P(Ways, AbandonedStep, ::testing::ValuesIn(every_way_that_keeps_rows()), way_name);

// Steps that stay in the block, fill it, pass its end, and pass several; ended before every layer and after the last.
TEST_P(AbandonedStep, LosesItsRowsAndNoOthers) {
  const int64_t layers = cache_->geometry().layer_count();
  int64_t abandoned = 0;
  int64_t recomputed = 0;
  for (const int64_t length : {0, 1, 20, 31, 32, 50, 64}) {
    for (const int64_t row_count : {1, 12, 14, 31, 32, 33, 63, 76, 100}) {
      for (int64_t layer_count = 0; layer_count <= layers; ++layer_count) {
        SCOPED_TRACE(::testing::Message() << length << " rows and " << row_count << " more, lost after "
                                          << layer_count << " layers");
        TestSequence a = prefilled(*cache_, some_tokens(length));
        abandon(a, row_count, layer_count, layer_count % 2 == 0 ? End::kAbandon : End::kDestructor);
        const int64_t left = rows_left(length, row_count, layer_count);
        a.resize(left);
        expect_all_intact(a);
        recomputed += length - left;
        EXPECT_EQ(cache_->counts().abandoned_steps, ++abandoned);
        EXPECT_EQ(cache_->counts().recomputed_positions, recomputed);
        EXPECT_EQ(cache_->room(a.lease),
                  KvGeometry::blocks_for(left == length ? length + row_count : left) * kBlockSize);
        // The same step again, and this time it ends well.
        ASSERT_EQ(extend(*cache_, a, some_tokens(length + row_count - left, static_cast<TokenId>(left))),
                  Room::kOk);
        expect_all_intact(a);
        if (HasFailure()) return;
      }
    }
  }
  EXPECT_EQ(recomputed > 0, cache_->geometry().opens_rows());
}

TEST_P(AbandonedStep, MayBeFollowedByAnother) {
  TestSequence a = prefilled(*cache_, some_tokens(45));
  for (int i = 0; i < 3; ++i) abandon(a, 10, 2, End::kDestructor);  // stays in the block
  expect_all_intact(a);
  abandon(a, 30, 1, End::kAbandon);
  abandon(a, 30, 2, End::kAbandon);  // from the block's beginning, where the first one cut it
  a.resize(rows_left(45, 30, 1));
  expect_all_intact(a);
  EXPECT_EQ(cache_->counts().abandoned_steps, 5);
  EXPECT_EQ(cache_->counts().recomputed_positions, 45 - a.length());
}

TEST_P(AbandonedStep, EndsALayerThatNeverClosed) {
  TestSequence a = prefilled(*cache_, some_tokens(45));
  ASSERT_EQ(cache_->reserve(a.lease, 75), Room::kOk);
  const TestSequence longer = with_more(a, some_tokens(30, 900));
  {
    KvStep step = cache_->begin_step({{{a.lease.sequence(), 30}}});
    TestRows(cache_->geometry()).write(*step.open(0), 0, 45, longer.marks);
  }
  a.resize(rows_left(45, 30, 1));
  expect_all_intact(a);
}

TEST_P(AbandonedStep, OfAForkLeavesTheOther) {
  TestSequence a = prefilled(*cache_, some_tokens(45));
  TestSequence b = forked(*cache_, a);
  abandon(b, 60, 1, End::kDestructor);
  b.resize(rows_left(45, 60, 1));
  expect_all_intact(a);
  expect_all_intact(b);
  ASSERT_EQ(extend(*cache_, b, some_tokens(60, 700)), Room::kOk);
  expect_all_intact(a);
  expect_all_intact(b);
}

TEST_P(AbandonedStep, CostsNothingOfASequenceThatCloses) {
  TestSequence a = prefilled(*cache_, some_tokens(45));
  ASSERT_EQ(cache_->reserve(a.lease, 75), Room::kOk);
  {
    KvStep step = cache_->begin_step({{{a.lease.sequence(), 30}}});
    run_all_layers(*cache_, step, with_more(a, some_tokens(30, 900)), 45);
    a.lease = {};
  }
  EXPECT_EQ(cache_->counts().abandoned_steps, 1);
  EXPECT_EQ(cache_->counts().recomputed_positions, 0);
  expect_intact(*cache_, bystander_);
}

TEST(KvStep, ThatIsAbandonedLeavesNothingWhereNothingIsKept) {
  auto cache = make({.storage = KvStorageKind::kNone});
  const KvLease a = cache->open();
  ASSERT_EQ(cache->reserve(a, 70), Room::kOk);
  cache->begin_step({{{a.sequence(), 70}}}).abandon();
  EXPECT_EQ(cache->length(a), 0);
  EXPECT_EQ(cache->room(a), 0);
  EXPECT_EQ(cache->used_bytes(), 0U);
  EXPECT_EQ(cache->counts().recomputed_positions, 0);
  EXPECT_TRUE(cache->check().ok()) << cache->check().message();
}

}  // namespace
}  // namespace cairn
