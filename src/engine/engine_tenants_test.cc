// Tenants in an engine: who gets places, rows and memory, and that it changes no token.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "engine/fake_pass_testing.h"

namespace cairn {
namespace {

constexpr TenantId kA{1};
constexpr TenantId kB{2};

Request of(TenantId tenant, Request request) {
  request.tenant = tenant;
  return request;
}

void submit(Engine& engine, Request request) {
  const Result<RequestId> id = engine.submit(std::move(request));
  ASSERT_TRUE(id.ok()) << id.status().message();
}

TEST(Tenants, OneWithALongQueueDoesNotStopAnother) {
  auto [engine, pass] = make_fake_engine({.context = 256, .max_sequences = 1, .prefill_chunk = 64});
  std::vector<Heard> many(20);
  Heard one;
  std::string order;
  const auto note = [&order](Request request, char name, Heard& heard) {
    request.on_finish = [&order, name, &heard](const RequestResult& result) {
      heard.results.push_back(result);
      order += name;
    };
    return request;
  };
  for (size_t i = 0; i < many.size(); ++i) {
    submit(*engine, note(of(kA, make_request(some_prompt(i, 20), 3, many[i])), 'A', many[i]));
  }
  for (int i = 0; i < 2; ++i) checked_step(*engine);
  submit(*engine, note(of(kB, make_request(some_prompt(77, 20), 3, one)), 'B', one));
  run_until_idle(*engine);
  EXPECT_LE(order.find('B'), 1U);
  expect_oracle(one, some_prompt(77, 20), 3);
  for (size_t i = 0; i < many.size(); ++i) expect_oracle(many[i], some_prompt(i, 20), 3);
  EXPECT_EQ(engine->rows_of(kA), 20 * 22);
  EXPECT_EQ(engine->rows_of(kB), 22);
}

// Two documents at once: each tenant's gets rows by its weight, whichever came first.
TEST(Tenants, PromptsShareRowsByWeight) {
  auto [engine, pass] = make_fake_engine({.context = 4096, .max_sequences = 4, .prefill_chunk = 64});
  ASSERT_TRUE(
      engine->set_tenants(std::vector<TenantShare>{{.id = kA, .weight = 1}, {.id = kB, .weight = 3}}).ok());
  std::vector<Heard> heard(2);
  submit(*engine, of(kA, make_request(some_prompt(1, 3000), 1, heard[0])));
  submit(*engine, of(kB, make_request(some_prompt(2, 3000), 1, heard[1])));
  for (int i = 0; i < 40; ++i) checked_step(*engine);
  EXPECT_NEAR(static_cast<double>(engine->rows_of(kB)) / static_cast<double>(engine->rows_of(kA)), 3, 0.3);
  run_until_idle(*engine);
  expect_oracle(heard[0], some_prompt(1, 3000), 1);
  expect_oracle(heard[1], some_prompt(2, 3000), 1);
}

TEST(Tenants, AForkRunsForItsParentsTenant) {
  auto [engine, pass] = make_fake_engine({.context = 256, .max_sequences = 2, .prefill_chunk = 64});
  Heard parent_heard, child_heard;
  const RequestId parent = *engine->submit(of(kA, make_request(some_prompt(1, 40), 10, parent_heard)));
  checked_step(*engine);
  ASSERT_TRUE(engine->fork(parent, of(kB, make_request({}, 5, child_heard))).ok());
  run_until_idle(*engine);
  EXPECT_EQ(engine->rows_of(kA), 40 + 9 + 5);
  EXPECT_EQ(engine->rows_of(kB), 0);
}

// B's request came second and is urgent: among A's it would be first, but it takes no memory from A's.
TEST(Tenants, UrgencyTakesNoMemoryFromAnotherTenant) {
  EngineOptions options{.context = 256, .max_sequences = 3, .prefill_chunk = 64};
  options.pool_bytes = fake_blocks(8);
  auto [engine, pass] = make_fake_engine(options);
  std::vector<Heard> heard(2);
  submit(*engine, of(kA, make_request(some_prompt(1, 150), 60, heard[0])));
  for (int i = 0; i < 5; ++i) checked_step(*engine);
  Request urgent = of(kB, make_request(some_prompt(2, 150), 60, heard[1]));
  urgent.priority = 100;
  submit(*engine, std::move(urgent));
  run_until_idle(*engine);
  expect_oracle(heard[0], some_prompt(1, 150), 60);
  expect_oracle(heard[1], some_prompt(2, 150), 60);
  EXPECT_EQ(heard[0].results[0].stats.preemptions, 0);
}

// B has had less and so its prompt is first to get rows; but its memory is A's, who was first to get a place. A goes on
// with the rows that B cannot use.
TEST(Tenants, OneThatWaitsForMemoryLeavesItsRows) {
  EngineOptions options{.context = 512, .max_sequences = 3, .prefill_chunk = 64};
  options.pool_bytes = fake_blocks(14);
  auto [engine, pass] = make_fake_engine(options);
  std::vector<Heard> heard(3);
  submit(*engine, of(kA, make_request(some_prompt(1, 400), 2, heard[0])));
  checked_step(*engine);
  submit(*engine, of(kB, make_request(some_prompt(2, 300), 2, heard[1])));
  submit(*engine, of(kA, make_request(some_prompt(3, 300), 2, heard[2])));
  run_until_idle(*engine, 200);
  expect_oracle(heard[0], some_prompt(1, 400), 2);
  expect_oracle(heard[1], some_prompt(2, 300), 2);
  expect_oracle(heard[2], some_prompt(3, 300), 2);
}

TEST(Tenants, SharesAreChecked) {
  auto [engine, pass] = make_fake_engine({.context = 256});
  EXPECT_EQ(engine->set_tenants(std::vector<TenantShare>{{.id = kA, .weight = 0}}).code(),
            StatusCode::kInvalidArgument);
  EXPECT_TRUE(engine->set_tenants(std::vector<TenantShare>{{.id = kA, .weight = 1000}}).ok());
  EXPECT_TRUE(engine->set_tenants({}).ok());
}

// Weights may change while requests wait and run.
TEST(Tenants, WeightsMayChangeAtAnyTime) {
  auto [engine, pass] = make_fake_engine({.context = 256, .max_sequences = 2, .prefill_chunk = 64});
  std::vector<Heard> heard(30);
  for (size_t i = 0; i < heard.size(); ++i) {
    submit(*engine, of(i % 2 == 0 ? kA : kB, make_request(some_prompt(i, 30), 4, heard[i])));
  }
  for (int64_t weight = 1; !engine->idle(); weight = (weight + 37) % 1000 + 1) {
    ASSERT_TRUE(
        engine->set_tenants(std::vector<TenantShare>{{.id = weight % 2 == 0 ? kA : kB, .weight = weight}})
            .ok());
    checked_step(*engine);
  }
  for (size_t i = 0; i < heard.size(); ++i) expect_oracle(heard[i], some_prompt(i, 30), 4);
}

TEST(Pace, IsAnOption) {
  EngineOptions options{.context = 256};
  for (const int64_t percent : {int64_t{99}, int64_t{0}, int64_t{-1}, int64_t{100'001}}) {
    options.pace = percent;
    EXPECT_EQ(Engine::check_options(options).code(), StatusCode::kInvalidArgument) << percent;
  }
  options.pace = 100;
  EXPECT_TRUE(Engine::check_options(options).ok());
}

// A pass that takes its time: beside streams a step has as many rows as they can bear, and the tokens are the same.
TEST(Pace, StreamsGoOnBesideALongPrompt) {
  for (const bool has_pace : {false, true}) {
    ManualClock clock;
    EngineOptions options{.context = 2048, .max_sequences = 5, .prefill_chunk = 512};
    options.clock = &clock;
    if (has_pace) options.pace = 290;
    auto [engine, pass] = make_fake_engine(options);
    uint64_t longest_ns = 0;
    pass->on_forward = [&](const Batch& batch) {
      const uint64_t ns = std::max<uint64_t>(40'000'000, batch.tokens.size() * 2'000'000);
      clock.advance_ns(ns);
      longest_ns = std::max(longest_ns, ns);
    };
    std::vector<Heard> heard(5);
    for (size_t i = 0; i < 4; ++i) submit(*engine, make_request(some_prompt(i, 8), 200, heard[i]));
    for (int i = 0; i < 10; ++i) checked_step(*engine);
    longest_ns = 0;
    submit(*engine, make_request(some_prompt(9, 1500), 1, heard[4]));
    while (heard[4].results.empty()) checked_step(*engine);
    if (has_pace) {
      EXPECT_LE(longest_ns, 160'000'000U);  // while it learns, once
      EXPECT_LE(heard[0].results.empty() ? heard[0].tokens.size() : 200, 60U);
    } else {
      EXPECT_GE(longest_ns, 900'000'000U);
    }
    run_until_idle(*engine);
    for (size_t i = 0; i < 4; ++i) expect_oracle(heard[i], some_prompt(i, 8), 200);
    expect_oracle(heard[4], some_prompt(9, 1500), 1);
  }
}

}  // namespace
}  // namespace cairn
