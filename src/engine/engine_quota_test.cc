// Quotas of tenants: who waits for whom, who ends, and that nobody else notices.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "engine/engine.h"
#include "engine/fake_pass_testing.h"
#include "engine/samples.h"

namespace cairn {
namespace {

constexpr TenantId kOne{1};
constexpr TenantId kTwo{2};

// An engine whose tenants have quotas of so many blocks; 0: none.
struct Scene {
  explicit Scene(std::vector<int64_t> quota_blocks,
                 EngineOptions options = {.context = 512, .max_sequences = 4, .prefill_chunk = 64},
                 std::vector<int32_t> layer_groups = {})
      : fake(make_fake_engine(options, std::move(layer_groups))), engine(*fake.engine) {
    set_quotas(quota_blocks);
  }
  void set_quotas(const std::vector<int64_t>& quota_blocks) {
    std::vector<TenantShare> shares;
    for (size_t i = 0; i < quota_blocks.size(); ++i) {
      TenantShare share{.id = {static_cast<uint32_t>(i + 1)}};
      if (quota_blocks[i] > 0) share.kv_quota_bytes = fake_blocks(quota_blocks[i]);
      shares.push_back(share);
    }
    const Status status = engine.set_tenants(shares);
    ASSERT_TRUE(status.ok()) << status.message();
  }
  RequestId submit(TenantId tenant, std::vector<TokenId> prompt, int64_t max_tokens, Heard& heard,
                   int32_t priority = 0) {
    Request request = make_request(std::move(prompt), max_tokens, heard);
    request.tenant = tenant;
    request.salt = std::to_string(tenant.value);
    request.priority = priority;
    const auto id = engine.submit(std::move(request));
    EXPECT_TRUE(id.ok()) << id.status().message();
    return *id;
  }
  [[nodiscard]] uint64_t charged(TenantId tenant) const {
    return engine.cache().owner_counts({tenant.value}).charged_bytes();
  }
  // Steps, as long as anything runs; no tenant ever has more than it may.
  int run() {
    int steps = 0;
    for (; !engine.idle() && steps < 10'000 && !::testing::Test::HasFatalFailure(); ++steps) step();
    EXPECT_TRUE(engine.idle());
    return steps;
  }
  void step() {
    checked_step(engine);
    for (const KvOwnerCounts& counts : engine.cache().owner_counts()) {
      EXPECT_LE(counts.charged_bytes(), counts.quota_bytes.value_or(UINT64_MAX));
    }
  }

  FakeEngine fake;
  Engine& engine;
};

TEST(EngineQuota, RequestsWaitForTheirOwnTenantsOnly) {
  Scene alone({4, 0});
  std::deque<Heard> quiet(2);
  for (size_t i = 0; i < 2; ++i) alone.submit(kTwo, some_prompt(10 + i, 100), 60, quiet[i]);
  const int steps_alone = alone.run();

  Scene scene({4, 0});
  std::deque<Heard> ones(5);
  std::deque<Heard> twos(2);
  for (size_t i = 0; i < ones.size(); ++i) scene.submit(kOne, some_prompt(i, 70), 20, ones[i]);
  for (size_t i = 0; i < 2; ++i) scene.submit(kTwo, some_prompt(10 + i, 100), 60, twos[i]);
  int steps = 0;
  while (twos[0].results.empty() || twos[1].results.empty()) {
    ASSERT_LT(++steps, 1000);
    scene.step();
  }
  EXPECT_LE(steps, steps_alone + 5) << "one prompt of the other tenant is computed beside them at a time";
  scene.run();
  for (size_t i = 0; i < ones.size(); ++i) expect_oracle(ones[i], some_prompt(i, 70), 20);
  for (size_t i = 0; i < 2; ++i) expect_oracle(twos[i], some_prompt(10 + i, 100), 60);
  EXPECT_GE(scene.engine.snapshot().counts.quota_waits, 4);
  EXPECT_EQ(scene.engine.snapshot().counts.preemptions, 0);
}

TEST(EngineQuota, AWaitingRequestTakesNoPlace) {
  Scene scene({3, 0}, {.context = 512, .max_sequences = 2, .prefill_chunk = 64});
  std::deque<Heard> ones(3);
  Heard two;
  for (size_t i = 0; i < ones.size(); ++i) scene.submit(kOne, some_prompt(i, 70), 20, ones[i]);
  scene.submit(kTwo, some_prompt(9, 70), 20, two);
  scene.step();
  scene.step();
  scene.step();
  EXPECT_FALSE(two.tokens.empty()) << "it runs beside the first";
  scene.run();
  for (size_t i = 0; i < ones.size(); ++i) expect_oracle(ones[i], some_prompt(i, 70), 20);
  expect_oracle(two, some_prompt(9, 70), 20);
}

TEST(EngineQuota, OneThatNeedsMoreThanAllOfItEndsAndSaysSo) {
  Scene scene({4, 0});
  Heard large;
  Heard growing;
  Heard small;
  Heard other;
  scene.submit(kOne, some_prompt(1, 200), 5, large);
  scene.submit(kOne, some_prompt(2, 100), 100, growing);
  scene.submit(kOne, some_prompt(3, 40), 5, small);
  scene.submit(kTwo, some_prompt(1, 200), 5, other);
  scene.run();
  for (const Heard* heard : {&large, &growing}) {
    ASSERT_EQ(heard->results.size(), 1u);
    EXPECT_EQ(heard->results[0].reason, FinishReason::kError);
    EXPECT_EQ(heard->results[0].status.code(), StatusCode::kResourceExhausted);
    const std::string& message = heard->results[0].status.message();
    EXPECT_NE(message.find(std::to_string(fake_blocks(4)) + " bytes"), std::string::npos) << message;
    EXPECT_NE(message.find("quota"), std::string::npos) << message;
  }
  EXPECT_TRUE(large.tokens.empty());
  EXPECT_EQ(growing.tokens.size(), 29u) << "four blocks of rows, and a token that was never run";
  expect_oracle(small, some_prompt(3, 40), 5);
  expect_oracle(other, some_prompt(1, 200), 5);
}

// What grows takes memory from later ones of its own tenant, and from nobody else.
TEST(EngineQuota, TheVictimIsOneOfItsOwn) {
  Scene scene({6, 0}, {.context = 512, .max_sequences = 6, .prefill_chunk = 64});
  Heard first;
  Heard second;
  Heard other;
  scene.submit(kTwo, some_prompt(3, 60), 120, other);
  scene.submit(kOne, some_prompt(1, 60), 120, first);
  scene.submit(kOne, some_prompt(2, 60), 120, second);
  scene.run();
  expect_oracle(first, some_prompt(1, 60), 120);
  expect_oracle(second, some_prompt(2, 60), 120);
  expect_oracle(other, some_prompt(3, 60), 120);
  EXPECT_EQ(first.results[0].stats.preemptions, 0);
  EXPECT_GE(second.results[0].stats.preemptions, 1);
  EXPECT_EQ(other.results[0].stats.preemptions, 0);
}

TEST(EngineQuota, AMoreUrgentOneNeedNotWaitForThoseThatWait) {
  Scene scene({4, 0});
  std::deque<Heard> heard(4);
  std::vector<size_t> order;
  const auto submit = [&](size_t i, int64_t prompt, int32_t priority) {
    Request request = make_request(some_prompt(i, prompt), priority == 0 ? 20 : 10, heard[i]);
    request.tenant = kOne;
    request.priority = priority;
    request.on_finish = [&, i](const RequestResult& result) {
      heard[i].results.push_back(result);
      order.push_back(i);
    };
    ASSERT_TRUE(scene.engine.submit(std::move(request)).ok());
  };
  submit(0, 60, 0);
  submit(1, 70, 0);
  submit(2, 70, 0);
  for (int i = 0; i < 4; ++i) scene.step();
  submit(3, 20, 1);
  scene.run();
  EXPECT_EQ(order, (std::vector<size_t>{3, 0, 1, 2})) << "one block beside the first one's three";
  expect_oracle(heard[3], some_prompt(3, 20), 10);
  for (size_t i = 0; i < 3; ++i) expect_oracle(heard[i], some_prompt(i, i == 0 ? 60 : 70), 20);
}

TEST(EngineQuota, IdleBlocksOfTheTenantGoFirstAndAreItsOwn) {
  Scene scene({5, 0});
  Heard heard;
  scene.submit(kTwo, some_prompt(1, 150), 2, heard);
  scene.run();
  const uint64_t others = scene.engine.cache().owner_counts({kTwo.value}).idle_bytes;
  EXPECT_EQ(others, fake_blocks(4));
  for (uint64_t i = 0; i < 6; ++i) {
    Heard one;
    scene.submit(kOne, some_prompt(20 + i, 100), 2, one);
    scene.run();
    expect_oracle(one, some_prompt(20 + i, 100), 2);
  }
  EXPECT_EQ(scene.engine.cache().owner_counts({kTwo.value}).idle_bytes, others);
  Heard again;
  scene.submit(kOne, some_prompt(20, 100), 2, again);
  scene.run();
  EXPECT_EQ(again.results.at(0).stats.match.end, KvMatchEnd::kEvicted);
  EXPECT_TRUE(again.results.at(0).stats.match.is_evicted_by_quota);
}

TEST(EngineQuota, MayBeRaisedAndLoweredWhileRequestsRun) {
  Scene scene({4, 0});
  std::deque<Heard> heard(3);
  for (size_t i = 0; i < 3; ++i) scene.submit(kOne, some_prompt(i, 70), 20, heard[i]);
  for (int i = 0; i < 3; ++i) scene.step();
  EXPECT_TRUE(heard[1].tokens.empty());
  scene.set_quotas({9, 0});
  for (int i = 0; i < 4; ++i) scene.step();
  EXPECT_FALSE(heard[1].tokens.empty());
  EXPECT_FALSE(heard[2].tokens.empty());
  scene.set_quotas({3, 0});
  EXPECT_EQ(scene.charged(kOne), fake_blocks(9)) << "they run: what they have stays";
  while (!scene.engine.idle()) checked_step(scene.engine);
  for (size_t i = 0; i < 3; ++i) expect_oracle(heard[i], some_prompt(i, 70), 20);
  EXPECT_LE(scene.charged(kOne), fake_blocks(3));
  scene.set_quotas({});
  EXPECT_FALSE(scene.engine.cache().owner_counts({kOne.value}).quota_bytes.has_value());
}

TEST(EngineQuota, SamplesOfOneTenantShareThePromptAndWaitForEachOther) {
  Scene scene({5, 0}, {.context = 512, .max_sequences = 6, .prefill_chunk = 64});
  std::deque<Heard> heard(5);
  std::vector<Request> samples;
  const auto prompt = some_prompt(1, 100);  // three full blocks
  for (Heard& one : heard) {
    samples.push_back(make_request(prompt, 20, one));
    samples.back().tenant = kOne;
  }
  ASSERT_TRUE(submit_samples(scene.engine, std::move(samples)).ok());
  scene.run();
  for (const Heard& one : heard) expect_oracle(one, prompt, 20);
}

TEST(EngineQuota, AnIdleSessionOfTheTenantGivesWay) {
  Scene scene({4, 0});
  const SessionId session = *scene.engine.open_session();
  const SessionId foreign = *scene.engine.open_session();
  std::deque<Heard> heard(3);
  const auto submit = [&](size_t i, TenantId tenant, std::optional<SessionId> in) {
    Request request = make_request(some_prompt(i, 100), 5, heard[i]);
    request.tenant = tenant;
    request.session = in;
    ASSERT_TRUE(scene.engine.submit(std::move(request)).ok());
    scene.run();
    expect_oracle(heard[i], some_prompt(i, 100), 5);
  };
  submit(0, kTwo, foreign);
  submit(1, kOne, session);
  const uint64_t kept = scene.engine.cache().owner_counts({kTwo.value}).held_bytes;
  EXPECT_GT(kept, 0u);
  submit(2, kOne, std::nullopt);
  EXPECT_EQ(scene.engine.cache().owner_counts({kOne.value}).held_bytes, 0u);
  EXPECT_EQ(scene.engine.cache().owner_counts({kTwo.value}).held_bytes, kept);
}

// The memory is full, and both need a block more in the same step: one ends, which makes room for the other.
TEST(EngineQuota, OneThatExceedsItsQuotaEndsNobodyElse) {
  Scene scene({4, 0},
              {.context = 160, .max_sequences = 2, .prefill_chunk = 128, .pool_bytes = fake_blocks(5)});
  Heard exceeding;
  Heard other;
  scene.submit(kOne, some_prompt(1, 100), 60, exceeding);
  scene.submit(kTwo, some_prompt(2, 4), 60, other);
  scene.run();
  ASSERT_EQ(exceeding.results.size(), 1u);
  EXPECT_EQ(exceeding.results[0].status.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(exceeding.tokens.size(), 29u);
  expect_oracle(other, some_prompt(2, 4), 60);
}

// All prompts run in the first step.
const EngineOptions kLargeSteps{.context = 512, .max_sequences = 4, .prefill_chunk = 256};

// One that awaits its caller may do so for ever: it gives way.
TEST(EngineQuota, NobodyWaitsForOneThatAwaitsItsCaller) {
  Scene scene({4, 0}, kLargeSteps);
  Heard slow;
  Heard first;
  Heard second;
  Request by_caller = make_request(some_prompt(1, 60), 20, slow);
  by_caller.tenant = kOne;
  by_caller.picks = Picks::kByCaller;
  by_caller.on_text = {};
  const auto id = scene.engine.submit(std::move(by_caller));
  ASSERT_TRUE(id.ok()) << id.status().message();
  scene.submit(kOne, some_prompt(2, 20), 10, first);
  scene.submit(kOne, some_prompt(3, 100), 5, second);
  scene.step();
  EXPECT_EQ(scene.engine.snapshot().counts.quota_waits, 1);
  for (int i = 0; i < 40 && second.results.empty(); ++i) scene.step();
  expect_oracle(first, some_prompt(2, 20), 10);
  expect_oracle(second, some_prompt(3, 100), 5);
  EXPECT_TRUE(scene.engine.cancel(*id));
  EXPECT_TRUE(scene.engine.idle());
}

TEST(EngineQuota, NobodyWaitsForTheRoomOfOneThatWasCancelled) {
  Scene scene({4, 0}, kLargeSteps);
  Heard running;
  Heard large;
  Heard small;
  scene.submit(kOne, some_prompt(1, 60), 60, running);
  const RequestId refused = scene.submit(kOne, some_prompt(2, 90), 5, large);
  scene.step();
  scene.submit(kOne, some_prompt(3, 20), 5, small);
  scene.step();
  EXPECT_TRUE(small.tokens.empty()) << "it comes behind the large one";
  EXPECT_TRUE(scene.engine.cancel(refused));
  scene.step();
  EXPECT_FALSE(small.tokens.empty()) << "there is a block beside the two, and it needs no more";
  scene.run();
  expect_oracle(running, some_prompt(1, 60), 60);
  expect_oracle(small, some_prompt(3, 20), 5);
}

// Its rows were a running request's when the other was refused.
TEST(EngineQuota, NobodyWaitsForTheRowsOfAnIdleSession) {
  Scene scene({4, 0}, kLargeSteps);
  Heard talk;
  Heard running;
  Heard next;
  Request in_session = make_request(some_prompt(1, 90), 3, talk);
  in_session.tenant = kOne;
  in_session.session = *scene.engine.open_session();
  ASSERT_TRUE(scene.engine.submit(std::move(in_session)).ok());
  scene.submit(kOne, some_prompt(2, 2), 25, running);
  scene.submit(kOne, some_prompt(3, 50), 5, next);
  while (talk.results.empty()) scene.step();
  EXPECT_TRUE(next.tokens.empty());
  scene.step();
  scene.step();
  EXPECT_FALSE(next.tokens.empty());
  EXPECT_TRUE(running.results.empty());
  scene.run();
  expect_oracle(running, some_prompt(2, 2), 25);
  expect_oracle(next, some_prompt(3, 50), 5);
}

TEST(EngineQuota, NeedsAPagedCache) {
  auto [engine, pass] = make_fake_engine({.storage = KvStorageKind::kContiguous, .context = 128});
  const std::vector<TenantShare> shares{{.id = kOne, .kv_quota_bytes = 1000}};
  EXPECT_EQ(engine->set_tenants(shares).code(), StatusCode::kUnsupported);
  EXPECT_TRUE(engine->set_tenants(std::vector<TenantShare>{{.id = kOne, .weight = 2}}).ok());
}

TEST(EngineQuota, WrongSharesChangeNothing) {
  Scene scene({4, 0});
  const std::vector<TenantShare> wrong{{.id = kOne, .kv_quota_bytes = 1}, {.id = kTwo, .weight = 0}};
  EXPECT_EQ(scene.engine.set_tenants(wrong).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(scene.engine.cache().owner_counts({kOne.value}).quota_bytes, fake_blocks(4));
}

}  // namespace
}  // namespace cairn
