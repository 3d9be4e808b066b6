#include "engine/samples.h"

#include <gtest/gtest.h>

#include "engine/fake_pass_testing.h"

namespace cairn {
namespace {

TEST(SampleBlocks, CountThePromptOnceAndEachTextItself) {
  constexpr auto kPaged = KvStorageKind::kPaged;
  const auto blocks = [](int64_t prompt, int64_t max_tokens, int64_t count, int64_t context = 4096) {
    return blocks_for({prompt, max_tokens, count, context}, kPaged);
  };
  EXPECT_EQ(blocks(1, 32, 1), 1);  // the last token is never run
  EXPECT_EQ(blocks(1, 33, 1), 2);
  EXPECT_EQ(blocks(65, 32, 4), 2 + 4 * 1);  // two full blocks of the prompt
  EXPECT_EQ(blocks(64, 32, 4), 1 + 4 * 2);  // its last block is never shared: its last token runs in each
  EXPECT_EQ(blocks(65, 1000, 4, 96), 2 + 4 * 1);
  EXPECT_EQ(blocks_for({65, 32, 4, 4096}, KvStorageKind::kGrowing), 4 * 3);
}

// So many suffice: no sample loses rows that it has computed, and each says what it says alone.
TEST(SampleBlocks, AreEnough) {
  for (const int64_t prompt_count : {1, 31, 32, 33, 64, 65}) {
    for (const auto storage : {KvStorageKind::kPaged, KvStorageKind::kGrowing}) {
      constexpr int64_t kCount = 5;
      constexpr int64_t kTokens = 40;
      const auto blocks = blocks_for({prompt_count, kTokens, kCount, 128}, storage);
      auto [engine, pass] = make_fake_engine(
          {.storage = storage, .context = 128, .max_sequences = kCount, .pool_bytes = fake_blocks(blocks)});
      const auto prompt = some_prompt(7, prompt_count);
      std::vector<Heard> heard(kCount);
      std::vector<Request> samples;
      for (Heard& one : heard) samples.push_back(make_request(prompt, kTokens, one));
      ASSERT_TRUE(submit_samples(*engine, std::move(samples)).ok());
      run_until_idle(*engine);
      for (const Heard& one : heard) {
        expect_oracle(one, prompt, kTokens);
        EXPECT_EQ(one.results.at(0).stats.preemptions, 0) << prompt_count;
      }
    }
  }
}

}  // namespace
}  // namespace cairn
