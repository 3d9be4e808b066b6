// What must not be done before, in and after a step.
#include <gtest/gtest.h>

#include "kv/kv_cache_testing.h"

namespace cairn {
namespace {

class KvStepDeathTest : public ::testing::Test {
 protected:
  KvStepDeathTest() { GTEST_FLAG_SET(death_test_style, "fast"); }
  [[nodiscard]] KvStepRows of_a(int64_t row_count) const { return {a_.lease.sequence(), row_count}; }

  std::unique_ptr<KvCache> cache_ = make_cache({.context = 70, .max_sequences = 3});
  TestSequence a_ = prefilled(*cache_, some_tokens(40));
  TestSequence b_ = prefilled(*cache_, some_tokens(20, 100));
};

TEST_F(KvStepDeathTest, BeginsOnlyWhatCanBe) {
  KvCache& cache = *cache_;
  const SequenceId b = b_.lease.sequence();
  EXPECT_DEATH((void)cache.begin_step({}), "rows.empty");
  EXPECT_DEATH((void)cache.begin_step({{of_a(25)}}), "end_block");  // 64 positions have memory
  EXPECT_DEATH((void)cache.begin_step({{of_a(31)}}), "context");
  EXPECT_DEATH((void)cache.begin_step({{of_a(0)}}), "row_count");
  EXPECT_DEATH((void)cache.begin_step({{of_a(-1)}}), "row_count");
  EXPECT_DEATH((void)cache.begin_step({{of_a(1), {b, 1}, of_a(1)}}), "is_in_step");
  EXPECT_DEATH((void)cache.begin_step({{of_a(1), {b, 1}, {b, 1}, {b, 1}}}), "sequences_.size");
  EXPECT_DEATH((void)cache.begin_step({{{SequenceId{2}, 1}}}), "is_open");
  EXPECT_DEATH((void)cache.begin_step({{{SequenceId{3}, 1}}}), "max_sequences");
  EXPECT_DEATH((void)cache.begin_step({{{SequenceId{-1}, 1}}}), "max_sequences");
  cache.begin_step({{of_a(24), {b, 12}}}).abandon();  // all of that memory
}

TEST_F(KvStepDeathTest, OnlyOneRunsAtATime) {
  const KvStep step = cache_->begin_step({{of_a(1)}});
  EXPECT_DEATH((void)cache_->begin_step({{of_a(1)}}), "in_step");
  EXPECT_DEATH((void)cache_->begin_step({{{b_.lease.sequence(), 1}}}), "in_step");
  EXPECT_DEATH(cache_.reset(), "in_step");
}

TEST_F(KvStepDeathTest, NothingElseChangesItsSequences) {
  const KvStep step = cache_->begin_step({{of_a(1)}});
  EXPECT_DEATH(cache_->truncate(a_.lease, 40), "is_in_step");
  EXPECT_DEATH(cache_->truncate(a_.lease, 0), "is_in_step");
  EXPECT_DEATH((void)cache_->reserve(a_.lease, 10), "is_in_step");
  EXPECT_DEATH((void)cache_->reserve(a_.lease, 70), "is_in_step");
}

TEST_F(KvStepDeathTest, CommitsAsManyTokensAsRows) {
  KvStep step = cache_->begin_step({{of_a(3), {b_.lease.sequence(), 2}}});
  EXPECT_DEATH(step.commit(some_tokens(5)), "opened_layers_");
  open_all_layers(step);
  EXPECT_DEATH(step.commit({}), "tokens.size");
  EXPECT_DEATH(step.commit(some_tokens(4)), "tokens.size");
  EXPECT_DEATH(step.commit(some_tokens(6)), "tokens.empty");
  step.commit(some_tokens(5));
}

TEST_F(KvStepDeathTest, EndsOnce) {
  KvStep step = cache_->begin_step({{of_a(1)}});
  open_all_layers(step);
  step.commit(some_tokens(1));
  EXPECT_DEATH(step.commit(some_tokens(1)), "cache_");
  EXPECT_DEATH(step.abandon(), "cache_");
}

}  // namespace
}  // namespace cairn
