#include "engine/waiter_list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "engine/fake_pass_testing.h"

namespace cairn {
namespace {

class WaiterLists : public ::testing::Test {
 protected:
  WaiterLists() {
    all_.reserve(40);
    for (uint64_t i = 0; i < 40; ++i) {
      all_.push_back({.id = {i}, .decoder = StreamDecoder(tokenizer_, {}), .stops = StopMatcher({})});
    }
  }
  static std::vector<Sequence*> in_order(const WaiterList& list) {
    std::vector<Sequence*> found;
    for (Sequence* one = list.first(); one != nullptr; one = one->waiter_links.next) found.push_back(one);
    return found;
  }

  Tokenizer tokenizer_ = fake_tokenizer();
  std::vector<Sequence> all_;
};

TEST_F(WaiterLists, KeepTheOrderOfArrival) {
  std::mt19937_64 random(7);
  WaiterList list;
  std::vector<Sequence*> twin;
  for (int i = 0; i < 20'000; ++i) {
    Sequence& one = all_[random() % all_.size()];
    if (std::erase(twin, &one) > 0) {
      list.erase(one);
    } else {
      twin.push_back(&one);
      list.push(one);
    }
    ASSERT_EQ(in_order(list), twin);
    ASSERT_EQ(list.empty(), twin.empty());
  }
}

// Only its neighbours are looked at: the links of all others lead nowhere here.
TEST_F(WaiterLists, OneLeavesWithoutAWalk) {
  WaiterList list;
  for (Sequence& one : all_) list.push(one);
  for (size_t i = 0; i < all_.size(); ++i) {
    if (i == 19) all_[i].waiter_links.previous = nullptr;
    if (i == 21) all_[i].waiter_links.next = nullptr;
    if (i < 19 || i > 21) all_[i].waiter_links = {};
  }
  list.erase(all_[20]);
  EXPECT_EQ(all_[19].waiter_links.next, &all_[21]);
  EXPECT_EQ(all_[21].waiter_links.previous, &all_[19]);
  EXPECT_EQ(all_[20].waiter_links.next, nullptr);
  EXPECT_EQ(list.first(), &all_[0]);
}

// From either end, or in the middle: the others are woken when the rows are there.
TEST(Waiters, MayAllBeCancelledInAnyOrder) {
  for (int order = 0; order < 3; ++order) {
    auto [engine, pass] = make_fake_engine({.context = 512, .max_sequences = 4, .prefill_chunk = 16});
    Heard first;
    const auto document = some_prompt(1, 320);
    ASSERT_TRUE(engine->submit(make_request(document, 2, first)).ok());
    std::vector<Heard> heard(50);
    std::vector<RequestId> ids;
    for (Heard& one : heard) {
      auto prompt = document;
      prompt.push_back(static_cast<TokenId>(3 + ids.size()));
      ids.push_back(*engine->submit(make_request(std::move(prompt), 2, one)));
    }
    engine->step();
    EXPECT_EQ(engine->count_of(SequenceState::kLoading), 50);
    std::mt19937_64 random(5);
    if (order == 1) std::ranges::reverse(ids);
    if (order == 2) std::ranges::shuffle(ids, random);
    for (size_t i = 0; i < 40; ++i) EXPECT_TRUE(engine->cancel(ids[i]));
    EXPECT_EQ(engine->count_of(SequenceState::kLoading), 10);
    run_until_idle(*engine);
    EXPECT_EQ(std::ranges::count_if(heard, [](const Heard& one) { return one.tokens.size() == 2; }), 10);
  }
}

}  // namespace
}  // namespace cairn
