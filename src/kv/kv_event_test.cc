// The events of a cache: which ones a life of blocks leaves, in which order, of what. That they account for every
// block's state, whatever is done, paged_operations_test shows.
#include "kv/kv_event.h"

#include <gtest/gtest.h>

#include <optional>
#include <ostream>
#include <vector>

#include "kv/kv_cache_testing.h"

namespace cairn {
namespace {

struct Seen {
  KvEventKind kind;
  std::optional<int32_t> block;
  std::optional<int32_t> sequence;
  friend bool operator==(const Seen&, const Seen&) = default;
};

void PrintTo(const Seen& seen, std::ostream* out) {
  *out << "kind " << static_cast<int>(seen.kind) << " block " << seen.block.value_or(-1) << " sequence "
       << seen.sequence.value_or(-1);
}

class Reader {
 public:
  explicit Reader(const KvCache& cache) : cache_(cache), next_(cache.events().written()) {}
  // Those since the last call.
  std::vector<Seen> news() {
    std::vector<KvEvent> events(kKvEventCapacity);
    const EventRead read = cache_.events().read(next_, events);
    EXPECT_EQ(read.missed, 0U);
    next_ = read.next;
    std::vector<Seen> seen;
    for (const KvEvent& event : std::span(events).first(read.count)) {
      seen.push_back({event.kind, event.block.has_value() ? std::optional(event.block->value) : std::nullopt,
                      event.sequence.has_value() ? std::optional(event.sequence->value) : std::nullopt});
    }
    return seen;
  }

 private:
  const KvCache& cache_;
  uint64_t next_;
};

using enum KvEventKind;

std::unique_ptr<KvCache> make_small(PrefixSharing sharing = PrefixSharing::kOn) {
  return make_cache({.sharing = sharing, .context = 128, .max_sequences = 3, .step_rows = 128}, 3);
}

constexpr Seen of_step(KvEventKind kind) { return {kind, {}, {}}; }

TEST(KvEvents, FollowABlockFromTakenToEvicted) {
  auto cache = make_small();
  Reader reader(*cache);
  TestSequence first = prefilled(*cache, some_tokens(40));
  EXPECT_EQ(
      reader.news(),
      (std::vector<Seen>{
          {kTaken, 0, 0}, {kTaken, 1, 0}, of_step(kStepBegun), {kSealed, 0, 0}, of_step(kStepCommitted)}));
  TestSequence second = begin(*cache, some_tokens(40));
  EXPECT_EQ(reader.news(), (std::vector<Seen>{{kPinned, 0, 1}}));
  first = {};
  EXPECT_EQ(reader.news(), (std::vector<Seen>{{kDropped, 1, 0}, {kUnpinned, 0, 0}}));
  second = {};
  EXPECT_EQ(reader.news(), (std::vector<Seen>{{kReleased, 0, 1}}));
  const TestSequence third = prefilled(*cache, some_tokens(80, 500));
  EXPECT_EQ(reader.news(), (std::vector<Seen>{{kTaken, 1, 1},
                                              {kTaken, 2, 1},
                                              {kEvicted, 0, 1},
                                              {kTaken, 0, 1},
                                              of_step(kStepBegun),
                                              {kSealed, 1, 1},
                                              {kSealed, 2, 1},
                                              of_step(kStepCommitted)}));
}

TEST(KvEvents, ShowBlocksThatEndAsOne) {
  auto cache = make_small();
  TestSequence a = begin(*cache, some_tokens(32));
  TestSequence b = begin(*cache, some_tokens(32));
  ASSERT_EQ(extend(*cache, a, some_tokens(32)), Room::kOk);
  Reader reader(*cache);
  ASSERT_EQ(extend(*cache, b, some_tokens(32)), Room::kOk);
  EXPECT_EQ(reader.news(), (std::vector<Seen>{{kTaken, 1, 1},
                                              of_step(kStepBegun),
                                              {kSealed, 1, 1},
                                              {kUnified, 0, 1},
                                              {kPinned, 0, 1},
                                              {kFreed, 1, 1},
                                              of_step(kStepCommitted)}));
}

TEST(KvEvents, ShowForksCutsAndAbandonedSteps) {
  auto cache = make_small(PrefixSharing::kOff);
  TestSequence a = prefilled(*cache, some_tokens(32));
  Reader reader(*cache);
  TestSequence copy = forked(*cache, a);
  EXPECT_EQ(reader.news(), (std::vector<Seen>{{kPinned, 0, 1}}));
  copy = {};
  cut(*cache, a, 20);
  EXPECT_EQ(reader.news(), (std::vector<Seen>{{kUnpinned, 0, 1}, {kReopened, 0, 0}}));
  {
    const KvStep step = cache->begin_step({{{a.lease.sequence(), 1}}});
  }
  EXPECT_EQ(reader.news(), (std::vector<Seen>{of_step(kStepBegun), of_step(kStepAbandoned)}));
}

TEST(KvEvents, CountSteps) {
  auto cache = make_small();
  TestSequence a = begin(*cache, {});
  for (int64_t step = 1; step <= 3; ++step) {
    ASSERT_EQ(extend(*cache, a, some_tokens(1)), Room::kOk);
    KvEvent last;
    ASSERT_EQ(cache->events().read(cache->events().written() - 1, {&last, 1}).count, 1U);
    EXPECT_EQ(last.kind, kStepCommitted);
    EXPECT_EQ(last.step, step);
  }
}

TEST(KvEvents, AreOnlyStepsWhereThereIsNoPool) {
  for (const KvStorageKind storage : {KvStorageKind::kGrowing, KvStorageKind::kContiguous}) {
    auto cache = make_cache({.storage = storage, .context = 64, .step_rows = 64});
    Reader reader(*cache);
    const TestSequence a = prefilled(*cache, some_tokens(40));
    EXPECT_EQ(reader.news(), (std::vector<Seen>{of_step(kStepBegun), of_step(kStepCommitted)}));
  }
}

}  // namespace
}  // namespace cairn
