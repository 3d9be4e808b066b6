// Texts without end: as long as one likes, in memory that stays the same, and the same bits as a cache that keeps all.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <numeric>

#include "base/thread_pool.h"
#include "engine/engine.h"
#include "engine/open_engine.h"
#include "engine/verify/laws_testing.h"

namespace cairn {
namespace {

EngineOptions options_for(std::string_view plan, int64_t context,
                          KvStorageKind storage = KvStorageKind::kPaged) {
  EngineOptions options;
  options.kv_plan = KvPlan::parse(plan).value();
  options.context = context;
  options.storage = storage;
  options.prefill_chunk = 64;
  return options;
}

std::shared_ptr<const Model> model_of(const std::string& shape) {
  return made_model(shape, TensorType::kF32, kernels_for(available_isas().back()));
}

// What a greedy request of so many tokens says, and a number made of all its logits' bits.
struct Said {
  std::vector<TokenId> tokens;
  uint64_t bits = 0;
  friend bool operator==(const Said&, const Said&) = default;
};

Said say(Engine& engine, int64_t token_count, const std::function<void(int64_t said)>& on_token = {}) {
  Said said;
  Request request{.prompt = {1, 2, 3}, .max_tokens = token_count};
  request.ignore_end_tokens = true;
  request.sampling.temperature = 0;
  request.logits_wanted = LogitsWanted::kEveryNewPosition;
  request.on_logits = [&](int64_t, std::span<const float> logits) {
    for (const float logit : logits) {
      uint32_t bits = 0;
      std::memcpy(&bits, &logit, sizeof(bits));
      said.bits = (said.bits ^ bits) * 0x9E3779B97F4A7C15U;
    }
  };
  request.on_token = [&](TokenId token) {
    said.tokens.push_back(token);
    if (on_token) on_token(std::ssize(said.tokens));
  };
  EXPECT_TRUE(engine.submit(std::move(request)).ok());
  while (!engine.idle()) engine.step();
  return said;
}

TEST(Endless, ATextBeyondEveryContextHasTheBitsOfACacheThatKeepsAll) {
  ThreadPool threads(1);
  for (const std::string shape : {"tiny-llama", "tiny-gemma3"}) {
    const auto model = model_of(shape);
    const int64_t count = model->config().context_length + 500;
    for (const char* plan :
         {"f16,sinks=4,window=60", "int4,window=33", "layer 0: int8,sinks=40,window=50; rest: window=70"}) {
      SCOPED_TRACE(shape + ", " + plan);
      const auto endless = Engine::create(model, threads, options_for(plan, kEndless));
      ASSERT_TRUE(endless.ok()) << endless.status().message();
      const auto keeping =
          Engine::create(model, threads, options_for(plan, count + 10, KvStorageKind::kContiguous));
      ASSERT_TRUE(keeping.ok()) << keeping.status().message();
      const Said said = say(**endless, count);
      EXPECT_EQ(std::ssize(said.tokens), count);
      EXPECT_EQ(said, say(**keeping, count));
    }
  }
}

TEST(Endless, BlocksStayTheSameToTheByte) {
  ThreadPool threads(1);
  const auto engine =
      Engine::create(model_of("tiny-llama"), threads, options_for("sinks=4,window=60", kEndless));
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  const KvCache& cache = (*engine)->cache();
  const uint64_t pool_bytes = cache.pool_bytes();
  uint64_t most = 0;
  uint64_t most_later = 0;
  say(**engine, 4000, [&](int64_t said) {
    (said < 400 ? most : most_later) = std::max(said < 400 ? most : most_later, cache.used_bytes());
  });
  EXPECT_EQ(most, most_later);
  EXPECT_EQ(cache.pool_bytes(), pool_bytes);
  EXPECT_TRUE(cache.check().ok());
}

TEST(Endless, WhatCannotGoOnIsRefusedWithAReason) {
  ThreadPool threads(1);
  const auto refusal = [&](const std::string& shape, const char* plan,
                           KvStorageKind storage = KvStorageKind::kPaged) {
    const auto engine = Engine::create(model_of(shape), threads, options_for(plan, kEndless, storage));
    EXPECT_EQ(engine.status().code(), StatusCode::kInvalidArgument) << shape << ", " << plan;
    return std::string(engine.status().message());
  };
  EXPECT_NE(refusal("tiny-llama", "f16").find("layer 0 keeps all positions"), std::string::npos);
  EXPECT_NE(refusal("tiny-llama", "window=60; layer 1: f16").find("layer 1 keeps all"), std::string::npos);
  EXPECT_NE(refusal("tiny-gemma3", "f16").find("keeps all positions"), std::string::npos);
  EXPECT_NE(refusal("tiny-gpt2", "window=60").find("table of"), std::string::npos);
  EXPECT_NE(refusal("tiny-llama", "sinks=4,window=1000000").find("made for"), std::string::npos);
  EXPECT_NE(refusal("tiny-llama", "window=60", KvStorageKind::kContiguous).find("paged"), std::string::npos);
}

// What counts is how far apart a query and a key can be.
TEST(Endless, AWindowAllowsAContextThatIsLongerThanTheModels) {
  const auto model = model_of("tiny-llama");
  const Config& config = model->config();
  const int64_t made_for = config.context_length;
  const auto plan = [](const std::string& text) { return KvPlan::parse(text).value(); };
  EXPECT_FALSE(check_context(config, KvPlan(), made_for + 1).ok());
  EXPECT_TRUE(check_context(config, plan("window=64"), 100 * made_for).ok());
  EXPECT_TRUE(
      check_context(config, plan("sinks=4,window=" + std::to_string(made_for - 4)), 100 * made_for).ok());
  EXPECT_FALSE(
      check_context(config, plan("sinks=4,window=" + std::to_string(made_for - 3)), 100 * made_for).ok());
  EXPECT_FALSE(check_context(config, plan("layer 0: window=64; rest: f16"), made_for + 1).ok());
}

TEST(Endless, GoingFarBackSaysHowManyRowsAreComputedAgain) {
  ThreadPool threads(1);
  const auto engine = Engine::create(model_of("tiny-llama"), threads, options_for("window=40", 1000));
  ASSERT_TRUE(engine.ok());
  const SessionId session = *(*engine)->open_session();
  std::vector<TokenId> prompt(600);
  for (size_t i = 0; i < prompt.size(); ++i) prompt[i] = static_cast<TokenId>(i % 50 + 1);
  const auto run = [&](std::vector<TokenId> tokens) {
    EXPECT_TRUE((*engine)->submit({.prompt = std::move(tokens), .max_tokens = 1, .session = session}).ok());
    while (!(*engine)->idle()) (*engine)->step();
  };
  run(prompt);
  prompt.resize(400);
  prompt.push_back(7);
  run(prompt);
  int64_t again = 0;
  std::array<EngineEvent, 64> events;
  for (uint64_t next = 0;;) {
    const EventRead read = (*engine)->events().read(next, events);
    if (read.count == 0) break;
    next = read.next;
    for (size_t i = 0; i < read.count; ++i) {
      if (events[i].kind == EngineEventKind::kComputesAgain) again += events[i].value;
    }
  }
  EXPECT_EQ(again, 400);
  EXPECT_EQ((*engine)->cache().counts().recomputed_positions, 400);
}

}  // namespace
}  // namespace cairn
