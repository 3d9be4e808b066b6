// What AttentionCache says to wrong options and to calls that do not fit: clear errors, and nothing changed.
#include <gtest/gtest.h>

#include <functional>

#include "cairn/attention_cache.h"

namespace cairn {
namespace {

AttentionCacheOptions small_options() {
  return {.layer_count = 2,
          .query_head_count = 2,
          .kv_head_count = 1,
          .head_dim = 16,
          .kv_plan = "f16",
          .context = 100,
          .max_sequences = 2,
          .step_rows = 8,
          .thread_count = 1};
}

std::string refusal(const std::function<void(AttentionCacheOptions&)>& change) {
  AttentionCacheOptions options = small_options();
  change(options);
  const auto cache = AttentionCache::create(options);
  return cache.ok() ? "" : cache.status().message();
}

TEST(AttentionCacheErrors, OptionsAreNamed) {
  using Options = AttentionCacheOptions;
  EXPECT_EQ(refusal([](Options&) {}), "");
  EXPECT_EQ(refusal([](Options& o) { o.layer_count = 0; }), "layer_count is 0: 1 to 65536 is possible");
  EXPECT_EQ(refusal([](Options& o) { o.head_dim = -1; }), "head_dim is -1: 1 to 65536 is possible");
  EXPECT_EQ(refusal([](Options& o) { o.value_head_dim = 0; }), "value_head_dim is 0: 1 to 65536 is possible");
  EXPECT_EQ(refusal([](Options& o) { o.query_head_count = 3, o.kv_head_count = 2; }),
            "query_head_count is 3: it must be a multiple of kv_head_count, which is 2");
  EXPECT_EQ(refusal([](Options& o) { o.windows = {0, 0, 5}; }),
            "there are 3 windows for 2 layers: give one for each, or none");
  EXPECT_EQ(refusal([](Options& o) { o.windows = {0, -5}; }), "a window is -5: it must be at least 0");
  EXPECT_EQ(refusal([](Options& o) { o.step_rows = 0; }), "step_rows is 0: 1 to 1048576 is possible");
  EXPECT_EQ(refusal([](Options& o) { o.thread_count = 0; }), "0 threads are not possible: 1 to 1024 are");
  EXPECT_NE(refusal([](Options& o) { o.kv_plan = "int5"; }).find("int5"), std::string::npos);
  EXPECT_NE(refusal([](Options& o) { o.kv_plan = "layers 0-5: f16"; }).find('5'), std::string::npos);
  EXPECT_NE(refusal([](Options& o) { o.isa = "sse9"; }).find("sse9"), std::string::npos);
  EXPECT_NE(refusal([](Options& o) { o.kv_memory_bytes = 5; }).find("5 bytes"), std::string::npos);
  EXPECT_NE(refusal([](Options& o) { o.context = int64_t{1} << 30, o.max_sequences = 1000; }), "");
}

TEST(AttentionCacheErrors, CallsThatDoNotFit) {
  AttentionCache cache = std::move(*AttentionCache::create(small_options()));
  const std::vector<TokenId> tokens{1, 2, 3};
  const CachedSequenceId a = cache.begin(tokens)->id;
  const CachedSequenceId b = cache.begin(tokens)->id;
  EXPECT_EQ(cache.begin(tokens).status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(cache.fork(a).status().code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(cache.end(b).ok());
  EXPECT_EQ(cache.end(b).code(), StatusCode::kNotFound);
  EXPECT_EQ(cache.length({}).status().code(), StatusCode::kNotFound);
  const CachedSequenceId c = cache.begin(tokens)->id;
  EXPECT_NE(b, c);  // an old id does not reach a new sequence
  EXPECT_EQ(cache.reserve(b, 3).code(), StatusCode::kNotFound);
  EXPECT_EQ(cache.reserve(a, 101).message(), "room for 101 positions is not possible: the context has 100");
  EXPECT_EQ(cache.truncate(a, 1).status().message(),
            "a sequence of 0 positions cannot end before position 1");

  const auto step = [&](std::vector<SequenceRows> rows) { return cache.begin_step(rows).message(); };
  EXPECT_EQ(step({}), "a step needs at least one row");
  EXPECT_EQ(step({{a, 3}}), "there is no room for position 2: reserve it first");
  ASSERT_TRUE(cache.reserve(a, 3).ok());
  EXPECT_EQ(step({{a, 9}}), "9 rows of a sequence are not possible: a step has 1 to 8 in all");
  EXPECT_EQ(step({{a, 0}}), "0 rows of a sequence are not possible: a step has 1 to 8 in all");
  EXPECT_EQ(step({{a, 1}, {a, 1}}), "a sequence is named twice in a step: give its rows together");
  EXPECT_EQ(cache.commit(tokens).message(), "no step is running: begin one first");

  ASSERT_EQ(step({{a, 3}}), "");
  EXPECT_EQ(step({{a, 1}}), "a step is running: commit or abandon it first");
  EXPECT_FALSE(cache.end(a).ok());
  std::vector<float> queries(3 * 2 * 16, 0.5F);
  std::vector<float> keys(3 * 16, 0.5F);
  std::vector<float> attended(queries.size());
  EXPECT_EQ(cache.attend(1, {queries, keys, keys, attended}).message(),
            "layer 1 is not the next one: layers come in order, 0 to 1, once a step");
  EXPECT_EQ(cache.attend(0, {keys, keys, keys, attended}).message(),
            "48 numbers of queries are not 3 rows of 32");
  ASSERT_TRUE(cache.attend(0, {queries, keys, keys, attended}).ok());
  EXPECT_EQ(cache.commit(tokens).message(), "1 of 2 layers have been attended: the step is not complete");
  ASSERT_TRUE(cache.attend(1, {queries, keys, keys, attended}).ok());
  EXPECT_EQ(cache.commit({}).message(), "0 tokens for 3 rows: give one for each");
  ASSERT_TRUE(cache.commit(tokens).ok());
  EXPECT_EQ(*cache.length(a), 3);
}

TEST(AttentionCacheErrors, AFullCacheSaysSoAndChangesNothing) {
  AttentionCacheOptions options = small_options();
  options.kv_memory_bytes = 2 * AttentionCache::create(options)->statistics().block_bytes;
  AttentionCache cache = std::move(*AttentionCache::create(options));
  const CachedSequenceId a = cache.begin({})->id;
  const CachedSequenceId b = cache.begin({})->id;
  ASSERT_TRUE(cache.reserve(a, 40).ok());
  EXPECT_EQ(cache.reserve(b, 1).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(cache.statistics().open_blocks, 2);
  ASSERT_TRUE(cache.end(a).ok());
  EXPECT_TRUE(cache.reserve(b, 1).ok());
}

}  // namespace
}  // namespace cairn
