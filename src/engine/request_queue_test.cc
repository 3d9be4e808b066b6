#include "engine/request_queue.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "engine/fake_pass_testing.h"

namespace cairn {
namespace {

// Against an ordered set: first, push, and erasure of any.
TEST(RequestQueue, AgreesWithASet) {
  std::mt19937_64 random(7);
  const Tokenizer tokenizer = fake_tokenizer();
  std::vector<Sequence> all;
  all.reserve(60);
  for (uint64_t i = 0; i < 60; ++i) {
    all.push_back({.id = {i},
                   .key = {static_cast<int64_t>(random() % 3), i},
                   .decoder = StreamDecoder(tokenizer, {}),
                   .stops = StopMatcher({})});
  }
  RequestQueue queue;
  queue.reserve(all.size());
  std::set<std::pair<SequenceKey, Sequence*>> twin;
  for (int i = 0; i < 20'000; ++i) {
    Sequence& one = all[random() % all.size()];
    if (twin.erase({one.key, &one}) > 0) {
      queue.erase(one);
    } else {
      twin.insert({one.key, &one});
      queue.push(one);
    }
    ASSERT_EQ(queue.size(), twin.size());
    ASSERT_EQ(queue.empty(), twin.empty());
    if (!twin.empty()) ASSERT_EQ(&queue.first(), twin.begin()->second);
  }
}

// Arrival is one priority among others.
TEST(Priority, LargerOnesAreServedFirst) {
  auto [engine, pass] = make_fake_engine({.context = 128, .max_sequences = 1});
  std::vector<Heard> heard(4);
  std::vector<size_t> order;
  const int32_t priorities[] = {0, 0, 5, -5};
  for (size_t i = 0; i < heard.size(); ++i) {
    Request request = make_request(some_prompt(i, 10), 3, heard[i]);
    request.priority = priorities[i];
    request.on_finish = [&order, i](const RequestResult&) { order.push_back(i); };
    ASSERT_TRUE(engine->submit(std::move(request)).ok());
  }
  run_until_idle(*engine);
  EXPECT_EQ(order, (std::vector<size_t>{2, 0, 1, 3}));
}

}  // namespace
}  // namespace cairn
