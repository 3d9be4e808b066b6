#include "engine/fair_queue.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>

#include "engine/fake_pass_testing.h"

namespace cairn {
namespace {

constexpr TenantId kA{1};
constexpr TenantId kB{2};
constexpr TenantId kC{3};

// A queue and requests without an engine: those that are let in compute their rows at once.
class Bench {
 public:
  explicit Bench(std::vector<TenantShare> shares = {}) { EXPECT_TRUE(queue.set_shares(shares).ok()); }

  Sequence& wait(TenantId id, int64_t rows, int32_t priority = 0) {
    const uint64_t number = all_.size();
    all_.push_back({.id = {number},
                    .key = {-int64_t{priority}, number},
                    .prompt_count = rows,
                    .decoder = StreamDecoder(tokenizer_, {}),
                    .stops = StopMatcher({})});
    Tenant& tenant = queue.tenant(id);
    queue.reserve(tenant);
    queue.add(all_.back(), tenant);
    queue.push(all_.back());
    return all_.back();
  }
  // The next one gets a place.
  Sequence* place() {
    queue.begin_round();
    Sequence* const next = queue.first();
    if (next == nullptr) return nullptr;
    queue.erase(*next);
    queue.pledge(*next, next->prompt_count);
    return next;
  }
  void run(Sequence& sequence) {
    queue.charge(sequence, sequence.prompt_count);
    queue.remove(sequence);
  }
  // Lets in and runs so many, one after the other, as long as each tenant waits; whose they were.
  std::string serve(int64_t count) {
    std::string order;
    for (int64_t i = 0; i < count; ++i) {
      Sequence* const next = place();
      if (next == nullptr) break;
      order += static_cast<char>('A' + next->tenant->id.value - 1);
      run(*next);
    }
    return order;
  }

  FairQueue queue;

 private:
  Tokenizer tokenizer_ = fake_tokenizer();
  std::deque<Sequence> all_;
};

TEST(FairQueue, OneTenantIsServedByKey) {
  Bench bench;
  Sequence& first = bench.wait(kA, 10);
  Sequence& second = bench.wait(kA, 1);
  Sequence& urgent = bench.wait(kA, 10, 5);
  for (Sequence* expected : {&urgent, &first, &second}) {
    Sequence* const next = bench.place();
    EXPECT_EQ(next, expected);
    bench.run(*next);
  }
  EXPECT_EQ(bench.queue.first(), nullptr);
}

TEST(FairQueue, TenantsShareByRowsNotByRequests) {
  Bench bench;
  for (int i = 0; i < 40; ++i) bench.wait(kA, 30);
  for (int i = 0; i < 40; ++i) bench.wait(kB, 10);
  EXPECT_EQ(bench.serve(12), "ABBBABBBABBB");
}

TEST(FairQueue, TenantsShareByWeight) {
  Bench bench({{.id = kA, .weight = 3}, {.id = kB, .weight = 1}, {.id = kC, .weight = 2}});
  for (int i = 0; i < 400; ++i) {
    for (const TenantId id : {kA, kB, kC}) bench.wait(id, 7);
  }
  bench.serve(600);
  EXPECT_EQ(bench.queue.row_count(kA), 300 * 7);
  EXPECT_EQ(bench.queue.row_count(kB), 100 * 7);
  EXPECT_EQ(bench.queue.row_count(kC), 200 * 7);
}

// Of many free places none gets all before a row has run.
TEST(FairQueue, PledgesCountForWhoIsNext) {
  Bench bench;
  for (int i = 0; i < 4; ++i) bench.wait(kA, 10);
  for (int i = 0; i < 4; ++i) bench.wait(kB, 10);
  std::string order;
  std::vector<Sequence*> placed;
  while (Sequence* const next = bench.place()) {
    order += static_cast<char>('A' + next->tenant->id.value - 1);
    placed.push_back(next);
  }
  EXPECT_EQ(order, "ABABABAB");
  for (Sequence* sequence : placed) bench.run(*sequence);
}

// What was pledged and did not run is given back.
TEST(FairQueue, ATenantPaysForWhatRan) {
  Bench bench;
  Sequence& lost = bench.wait(kA, 100);
  bench.wait(kA, 10);
  bench.wait(kB, 20);
  EXPECT_EQ(bench.place(), &lost);
  bench.queue.charge(lost, 5);
  bench.queue.remove(lost);
  EXPECT_EQ(bench.serve(1), "B");  // lifted to nothing, and A has had 5
  EXPECT_EQ(bench.serve(1), "A");
  EXPECT_EQ(bench.queue.row_count(kA), 15);
}

// A tenant that was away for long has no claim to what the others had meanwhile.
TEST(FairQueue, NobodySavesByIdling) {
  Bench bench;
  for (int i = 0; i < 200; ++i) bench.wait(kA, 10);
  bench.wait(kB, 10);
  bench.serve(100);
  for (int i = 0; i < 100; ++i) bench.wait(kB, 10);
  const std::string order = bench.serve(40);
  EXPECT_NEAR(static_cast<double>(std::ranges::count(order, 'B')), 20, 1);
}

// Nor when the others only decode: nobody waits.
TEST(FairQueue, NobodySavesWhileOthersOnlyRun) {
  Bench bench;
  Sequence& stream = bench.wait(kA, 10);
  bench.place();
  bench.queue.charge(stream, 10'000);
  for (int i = 0; i < 20; ++i) bench.wait(kB, 10);
  for (int i = 0; i < 20; ++i) bench.wait(kA, 10);
  const std::string order = bench.serve(10);
  EXPECT_NEAR(static_cast<double>(std::ranges::count(order, 'B')), 5, 1);
}

// B is held back by its quota. The others go on, one that begins meanwhile shares with them from then on, and B
// has no claim to what it could not take.
TEST(FairQueue, OneThatIsHeldBackStopsNoTime) {
  Bench bench;
  for (int i = 0; i < 400; ++i) bench.wait(kA, 10);
  for (int i = 0; i < 400; ++i) bench.wait(kB, 10);
  const auto serve_without_b = [&](int count) {
    std::string order;
    for (int i = 0; i < count; ++i) {
      bench.queue.begin_round();
      while (bench.queue.first()->tenant->id == kB) bench.queue.hold_back(*bench.queue.first()->tenant);
      Sequence* const next = bench.queue.first();
      order += static_cast<char>('A' + next->tenant->id.value - 1);
      bench.queue.erase(*next);
      bench.run(*next);
    }
    return order;
  };
  EXPECT_EQ(serve_without_b(100), std::string(100, 'A'));
  for (int i = 0; i < 200; ++i) bench.wait(kC, 10);
  const std::string mixed = serve_without_b(40);
  EXPECT_NEAR(static_cast<double>(std::ranges::count(mixed, 'C')), 20, 1);
  const std::string all = bench.serve(60);
  for (const char tenant : {'A', 'B', 'C'}) {
    EXPECT_NEAR(static_cast<double>(std::ranges::count(all, tenant)), 20, 1) << tenant;
  }
}

TEST(FairQueue, RefusesSharesThatMakeNoSense) {
  FairQueue queue;
  EXPECT_TRUE(queue.set_shares(std::vector<TenantShare>{{.id = kA, .weight = 7}}).ok());
  for (const int64_t weight : {int64_t{0}, int64_t{-1}, int64_t{1001}}) {
    EXPECT_EQ(queue.set_shares(std::vector<TenantShare>{{.id = kB}, {.id = kA, .weight = weight}}).code(),
              StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(queue.set_shares(std::vector<TenantShare>{{.id = kA}, {.id = kA}}).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(queue.tenant(kA).weight, 7);
  EXPECT_TRUE(queue.set_shares({}).ok());
  EXPECT_EQ(queue.tenant(kA).weight, 1);
}

// Tenants without a share that have had their turn take no memory for ever.
TEST(FairQueue, ForgetsStrangers) {
  Bench bench({{.id = kA}});
  for (uint32_t i = 10; i < 10'000; ++i) {
    bench.wait({i}, 10);
    bench.serve(1);
  }
  int known = 0;
  for (uint32_t i = 10; i < 10'000; ++i) known += bench.queue.row_count({i}) > 0 ? 1 : 0;
  EXPECT_LE(known, 130);
}

}  // namespace
}  // namespace cairn
