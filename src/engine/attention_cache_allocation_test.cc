// Each allocation of each of AttentionCache's operations fails in turn (allocation_failure_testing.h).
#include <functional>
#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

#include "base/memory_limit_testing.h"
#include "base/sanitizer_testing.h"
#include "cairn/attention_cache.h"
#include "engine/allocation_failure_testing.h"
#include "engine/attention_cache_testing.h"

namespace cairn {
namespace {

constexpr int64_t kTokens = 110;
constexpr int64_t kBegun = 70;
constexpr int64_t kWidth = kHeads * kDim;

AttentionCacheOptions options() {
  return {.layer_count = kLayers,
          .query_head_count = kHeads,
          .kv_head_count = kKvHeads,
          .head_dim = kDim,
          .windows = {0, kWindow},
          .kv_plan = "k=int4:channel,v=int8:token",
          .context = 256,
          .max_sequences = 4,
          .step_rows = 128,
          .thread_count = 1};
}

// One layer's rows of a step over some tokens.
struct LayerInput {
  std::vector<float> queries, keys, values, attended;

  LayerInput(int64_t layer, std::span<const TokenId> tokens, int64_t first)
      : queries(rows_of(Part::kQuery, layer, tokens, first)),
        keys(rows_of(Part::kKey, layer, tokens, first)),
        values(rows_of(Part::kValue, layer, tokens, first)),
        attended(queries.size()) {}
  [[nodiscard]] LayerRows rows() { return {queries, keys, values, attended}; }
};

// A step over the next rows of one sequence, with all that its caller brings made before it runs.
struct Step {
  SequenceRows rows;
  std::vector<TokenId> tokens;
  std::vector<LayerInput> layers;

  Step(CachedSequenceId id, std::span<const TokenId> all, int64_t first, int64_t end)
      : rows{id, end - first}, tokens(all.begin() + first, all.begin() + end) {
    for (int64_t layer = 0; layer < kLayers; ++layer) layers.emplace_back(layer, tokens, first);
  }
  Status run(AttentionCache& cache) {
    CAIRN_RETURN_IF_ERROR(cache.begin_step({&rows, 1}));
    for (size_t layer = 0; layer < layers.size(); ++layer) {
      CAIRN_RETURN_IF_ERROR(cache.attend(static_cast<int64_t>(layer), layers[layer].rows()));
    }
    return cache.commit(tokens);
  }
  // Of the last rows, of all layers.
  [[nodiscard]] std::vector<float> last(int64_t row_count) const {
    std::vector<float> all;
    for (const LayerInput& layer : layers) {
      all.insert(all.end(), layer.attended.end() - row_count * kWidth, layer.attended.end());
    }
    return all;
  }
};

// A cache with one sequence in it.
class Stage {
 public:
  explicit Stage(const AttentionCacheOptions& asked = options())
      : tokens_(some_tokens(1, kTokens)), cache_(*AttentionCache::create(asked)) {
    sequence_ = cache_.begin(tokens_)->id;
    run(sequence_, 0, kBegun);
    ids_.push_back(sequence_);
  }

  AttentionCache& cache() { return cache_; }
  [[nodiscard]] CachedSequenceId sequence() const { return sequence_; }
  [[nodiscard]] const std::vector<TokenId>& tokens() const { return tokens_; }
  void add(CachedSequenceId id) { ids_.push_back(id); }
  Status begin_step(std::initializer_list<SequenceRows> rows) {
    return cache_.begin_step({rows.begin(), rows.size()});
  }
  [[nodiscard]] Step step(CachedSequenceId id, int64_t first, int64_t end) const {
    return {id, tokens_, first, end};
  }
  Step run(CachedSequenceId id, int64_t first, int64_t end) {
    EXPECT_TRUE(cache_.reserve(id, end).ok());
    Step step = this->step(id, first, end);
    const Status status = step.run(cache_);
    EXPECT_TRUE(status.ok()) << status.message();
    return step;
  }
  // A sequence of these tokens gets the right attention, and nothing is left at the end.
  void finish() {
    const auto begun = cache_.begin(tokens_);
    ASSERT_TRUE(begun.ok()) << begun.status().message();
    EXPECT_EQ(run(begun->id, begun->found, kTokens).last(kLast), truth());
    EXPECT_TRUE(cache_.end(begun->id).ok());
    for (const CachedSequenceId id : ids_) {
      const Status status = cache_.end(id);
      EXPECT_TRUE(status.ok() || status.code() == StatusCode::kNotFound) << status.message();
    }
    EXPECT_EQ(cache_.statistics().used_bytes, 0U);
  }

 private:
  static constexpr int64_t kLast = 14;  // behind the last whole block

  const std::vector<float>& truth() const {
    static const std::vector<float> truth = [this] {
      auto cache = *AttentionCache::create(options());
      const CachedSequenceId id = cache.begin(tokens_)->id;
      EXPECT_TRUE(cache.reserve(id, kTokens).ok());
      Step step = this->step(id, 0, kTokens);
      EXPECT_TRUE(step.run(cache).ok());
      return step.last(kLast);
    }();
    return truth;
  }

  std::vector<TokenId> tokens_;
  AttentionCache cache_;
  CachedSequenceId sequence_;
  std::vector<CachedSequenceId> ids_;
};

using Prepare = std::function<std::function<Status()>(Stage& stage)>;

void expect_survived(const Prepare& prepare) {
  for_each_failure([&](int64_t n, FailingAllocations which) {
    Stage stage;
    const auto operation = prepare(stage);
    const Attempt tried = attempt(n, which, operation);
    if (!expect_no_throw(tried)) return tried;
    if (!tried.status.ok()) {
      const Status again = prepare(stage)();
      EXPECT_TRUE(again.ok()) << "the next try: " << again.message();
    }
    stage.finish();
    return tried;
  });
}

TEST(AttentionCacheAllocations, OfCreate) {
  AttentionCacheOptions asked = options();
  asked.kv_plan = "layers 0: k=int4:channel,v=int8:token; rest: k=int8:channel,v=f16";
  for_each_failure([&](int64_t n, FailingAllocations which) {
    const Attempt tried = attempt(n, which, [&] { return AttentionCache::create(asked).status(); });
    if (expect_no_throw(tried)) {
      EXPECT_TRUE(AttentionCache::create(asked).ok());
    }
    return tried;
  });
}

TEST(AttentionCacheAllocations, OfBegin) {
  expect_survived([](Stage& stage) {
    return [&stage] {
      const auto begun =
          stage.cache().begin(stage.tokens(), "a salt that is longer than a string's own room");
      const SoundAllocations sound;
      if (begun.ok()) stage.add(begun->id);
      return begun.status();
    };
  });
}

TEST(AttentionCacheAllocations, OfFork) {
  expect_survived([](Stage& stage) {
    return [&stage] {
      const auto id = stage.cache().fork(stage.sequence());
      const SoundAllocations sound;
      if (id.ok()) stage.add(*id);
      return id.status();
    };
  });
}

TEST(AttentionCacheAllocations, OfReserve) {
  expect_survived(
      [](Stage& stage) { return [&stage] { return stage.cache().reserve(stage.sequence(), 200); }; });
}

TEST(AttentionCacheAllocations, OfAStep) {
  expect_survived([](Stage& stage) {
    (void)stage.cache().abandon_step();  // of the try before
    EXPECT_TRUE(stage.cache().reserve(stage.sequence(), kTokens).ok());
    const int64_t first = *stage.cache().length(stage.sequence());
    const auto step = std::make_shared<Step>(stage.step(stage.sequence(), first, kTokens));
    return [&stage, step] { return step->run(stage.cache()); };
  });
}

TEST(AttentionCacheAllocations, OfTruncate) {
  expect_survived([](Stage& stage) {
    return [&stage] { return stage.cache().truncate(stage.sequence(), 40).status(); };
  });
}

TEST(AttentionCacheAllocations, OfEndNothingIsNeeded) {
  expect_survived([](Stage& stage) {
    return [&stage] {
      EXPECT_TRUE(stage.cache().end(stage.sequence()).ok());
      return Status();
    };
  });
}

// ---- calls that are refused -----------------------------------------------------------------------

template <typename T>
Status status_of(const Result<T>& result) {
  const SoundAllocations sound;
  return result.status();
}

// A call that this code refuses; it allocates nothing of its own.
struct Refusal {
  const char* what;
  StatusCode code;
  std::function<Status(Stage&)> call;
};

constexpr CachedSequenceId kNobody{.value = 999};

const std::vector<Refusal>& refusals_outside_a_step() {
  static const std::vector<Refusal> all = {
      {"fork of nobody", StatusCode::kNotFound, [](Stage& s) { return status_of(s.cache().fork(kNobody)); }},
      {"end of nobody", StatusCode::kNotFound, [](Stage& s) { return s.cache().end(kNobody); }},
      {"truncate of nobody", StatusCode::kNotFound,
       [](Stage& s) { return status_of(s.cache().truncate(kNobody, 1)); }},
      {"truncate past the end", StatusCode::kInvalidArgument,
       [](Stage& s) { return status_of(s.cache().truncate(s.sequence(), kBegun + 1)); }},
      {"length of nobody", StatusCode::kNotFound,
       [](Stage& s) { return status_of(s.cache().length(kNobody)); }},
      {"reserve of nobody", StatusCode::kNotFound, [](Stage& s) { return s.cache().reserve(kNobody, 1); }},
      {"reserve past the context", StatusCode::kInvalidArgument,
       [](Stage& s) { return s.cache().reserve(s.sequence(), 257); }},
      {"a step of nobody", StatusCode::kNotFound, [](Stage& s) { return s.begin_step({{kNobody, 1}}); }},
      {"a step of no rows", StatusCode::kInvalidArgument, [](Stage& s) { return s.begin_step({}); }},
      {"a step of too many rows", StatusCode::kInvalidArgument,
       [](Stage& s) { return s.begin_step({{s.sequence(), 129}}); }},
      {"a step without room", StatusCode::kInvalidArgument,
       [](Stage& s) { return s.begin_step({{s.sequence(), 100}}); }},
      {"a step that names a sequence twice", StatusCode::kInvalidArgument,
       [](Stage& s) { return s.begin_step({{s.sequence(), 1}, {s.sequence(), 1}}); }},
      {"attend without a step", StatusCode::kInvalidArgument,
       [](Stage& s) { return s.cache().attend(0, {}); }},
      {"commit without a step", StatusCode::kInvalidArgument, [](Stage& s) { return s.cache().commit({}); }},
      {"abandon without a step", StatusCode::kInvalidArgument,
       [](Stage& s) { return s.cache().abandon_step(); }},
  };
  return all;
}

const std::vector<Refusal>& refusals_in_a_step() {
  constexpr StatusCode kInvalid = StatusCode::kInvalidArgument;
  static const std::vector<Refusal> all = {
      {"begin", kInvalid, [](Stage& s) { return status_of(s.cache().begin(s.tokens())); }},
      {"fork", kInvalid, [](Stage& s) { return status_of(s.cache().fork(s.sequence())); }},
      {"end", kInvalid, [](Stage& s) { return s.cache().end(s.sequence()); }},
      {"truncate", kInvalid, [](Stage& s) { return status_of(s.cache().truncate(s.sequence(), 1)); }},
      {"reserve", kInvalid, [](Stage& s) { return s.cache().reserve(s.sequence(), 1); }},
      {"another step", kInvalid, [](Stage& s) { return s.begin_step({{s.sequence(), 1}}); }},
      {"another layer", kInvalid, [](Stage& s) { return s.cache().attend(1, {}); }},
      {"other rows", kInvalid, [](Stage& s) { return s.cache().attend(0, {}); }},
      {"commit too early", kInvalid, [](Stage& s) { return s.cache().commit({}); }},
  };
  return all;
}

// The call returns the refusal, or that there is no memory for its words.
Attempt refuse(Stage& stage, const Refusal& refusal, int64_t n, FailingAllocations which) {
  const Attempt tried = attempt(n, which, [&] { return refusal.call(stage); });
  EXPECT_FALSE(tried.threw) << "an exception left it";
  const bool lacks_memory = tried.had_failure && tried.status.code() == StatusCode::kResourceExhausted;
  EXPECT_TRUE(lacks_memory || tried.status.code() == refusal.code) << tried.status.message();
  return tried;
}

TEST(AttentionCacheAllocations, OfRefusedCalls) {
  Stage stage;
  for (const Refusal& refusal : refusals_outside_a_step()) {
    SCOPED_TRACE(refusal.what);
    for_each_failure([&](int64_t n, FailingAllocations which) { return refuse(stage, refusal, n, which); });
  }
  stage.finish();
}

TEST(AttentionCacheAllocations, OfCallsThatAreRefusedInAStep) {
  Stage stage;
  ASSERT_TRUE(stage.cache().reserve(stage.sequence(), kTokens).ok());
  Step step = stage.step(stage.sequence(), kBegun, kTokens);
  ASSERT_TRUE(stage.begin_step({step.rows}).ok());
  for (const Refusal& refusal : refusals_in_a_step()) {
    SCOPED_TRACE(refusal.what);
    for_each_failure([&](int64_t n, FailingAllocations which) { return refuse(stage, refusal, n, which); });
  }
  for (size_t layer = 0; layer < step.layers.size(); ++layer) {
    ASSERT_TRUE(stage.cache().attend(static_cast<int64_t>(layer), step.layers[layer].rows()).ok());
  }
  const Refusal wrong_tokens{"commit of too few tokens", StatusCode::kInvalidArgument,
                             [](Stage& s) { return s.cache().commit({}); }};
  for_each_failure(
      [&](int64_t n, FailingAllocations which) { return refuse(stage, wrong_tokens, n, which); });
  ASSERT_TRUE(stage.cache().commit(step.tokens).ok());
  stage.finish();
}

TEST(AttentionCacheAllocations, OfCallsForWhichThereIsNoRoom) {
  AttentionCacheOptions asked = options();
  asked.windows.clear();  // a window never lacks room
  asked.kv_memory_bytes = 4 * AttentionCache::create(asked)->statistics().block_bytes;
  Stage stage(asked);
  const Refusal too_many_rows{"reserve", StatusCode::kResourceExhausted,
                              [](Stage& s) { return s.cache().reserve(s.sequence(), 200); }};
  for_each_failure(
      [&](int64_t n, FailingAllocations which) { return refuse(stage, too_many_rows, n, which); });
  for (int i = 1; i < 4; ++i) stage.add(stage.cache().begin({})->id);
  for (const Refusal& refusal : {Refusal{"begin", StatusCode::kResourceExhausted,
                                         [](Stage& s) { return status_of(s.cache().begin(s.tokens())); }},
                                 Refusal{"fork", StatusCode::kResourceExhausted,
                                         [](Stage& s) { return status_of(s.cache().fork(s.sequence())); }}}) {
    SCOPED_TRACE(refusal.what);
    for_each_failure([&](int64_t n, FailingAllocations which) { return refuse(stage, refusal, n, which); });
  }
}

// Block tables for 60,000 contexts of a million positions take 16 GB.
TEST(AttentionCacheSizes, AbsurdOnesAreRefused) {
  if (kSanitized) GTEST_SKIP() << "the sanitizers have limits of their own";
  const MemoryLimit limit(uint64_t{1} << 30);
  for (const int64_t max_sequences : {60000, 65536}) {
    const auto cache = AttentionCache::create({.layer_count = 1,
                                               .query_head_count = 1,
                                               .kv_head_count = 1,
                                               .head_dim = 16,
                                               .context = 1 << 20,
                                               .max_sequences = max_sequences,
                                               .step_rows = 16,
                                               .kv_memory_bytes = 64 << 20,
                                               .thread_count = 1});
    ASSERT_FALSE(cache.ok());
    EXPECT_EQ(cache.status().code(), StatusCode::kResourceExhausted) << cache.status().message();
  }
}

}  // namespace
}  // namespace cairn
