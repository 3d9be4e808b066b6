// Random operations on a disk store and on a map. What the map has lost, the store must not have; what the store has, must be
// what the map has. Without pressure they have the same.
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <vector>

#include "base/random.h"
#include "store/disk_store_testing.h"

namespace cairn {
namespace {

struct Twin {
  TestStore store;
  std::map<uint64_t, uint64_t> owners;  // of each number that was put and not erased
  uint64_t seed;
  uint64_t draws = 0;

  Twin(uint64_t segments, uint64_t seed_given) : store(segments), seed(seed_given) { store.open(); }
  uint64_t draw(uint64_t below) { return random_bits(seed, 0, draws++) % below; }

  void put() {
    const uint64_t number = draw(60);
    const uint64_t owner = number % 4;
    ASSERT_TRUE(store->put(sample(number, owner).view()).ok());
    owners[number] = owner;
  }
  void erase() {
    const uint64_t number = draw(60);
    ASSERT_TRUE(store->erase(name_of(number)).ok());
    owners.erase(number);
    EXPECT_FALSE(store.holds_bytes(name_of(number)));
  }
  void erase_owner() {
    const uint64_t owner = draw(4);
    ASSERT_TRUE(store->erase_owner(owner_of(owner)).ok());
    std::erase_if(owners, [&](const auto& entry) { return entry.second == owner; });
    EXPECT_FALSE(store.holds_bytes(owner_of(owner)));
  }
  void look() {
    const uint64_t number = draw(60);
    const Seen seen = look_for(*store, sample(number, number % 4));
    EXPECT_NE(seen, Seen::kWrong);
    if (!owners.contains(number)) EXPECT_EQ(seen, Seen::kAbsent) << number;
    if (store->find(name_of(number))) EXPECT_EQ(seen, Seen::kThere) << number;
  }
  void step() {
    *store.now_ms += draw(5000);
    const uint64_t kind = draw(100);
    if (kind < 55) return put();
    if (kind < 90) return look();
    if (kind < 93) return erase();
    if (kind < 94) return erase_owner();
    if (kind < 96) return (void)store->pin(name_of(draw(60)));
    if (kind < 98) return (void)store->unpin(name_of(draw(60)));
    if (kind < 99) return (void)store->flush();
    store.open();
  }
  void check(bool same) {
    const DiskStoreCounts counts = store->counts();
    uint64_t live_bytes = 0;
    uint64_t records = 0;
    store->list([&](const StoredRecord& record) {
      live_bytes += record.bytes;
      ++records;
    });
    EXPECT_LE(records, owners.size());
    if (same) {  // else something may be evicted between two looks
      EXPECT_EQ(records, owners.size());
      EXPECT_EQ(counts.record_count, records);
      EXPECT_EQ(counts.live_bytes, live_bytes);
    }
    EXPECT_LE(store.file_bytes(), store.options.size_bytes + kTestSegmentBytes);
    EXPECT_EQ(counts.bad_record_count, 0U);
  }
};

TEST(DiskStoreTwinTest, WithRoomForAllTheyAreTheSame) {
  Twin twin(32, 1);
  for (int i = 0; i < 600 && !testing::Test::HasFailure(); ++i) {
    twin.step();
    twin.check(true);
  }
  for (const auto& [number, owner] : twin.owners) {
    EXPECT_EQ(look_for(*twin.store, sample(number, owner)), Seen::kThere) << number;
  }
}

TEST(DiskStoreTwinTest, UnderPressureTheStoreHasAPartOfIt) {
  for (uint64_t seed = 2; seed < 5; ++seed) {
    Twin twin(5, seed);
    for (int i = 0; i < 300 && !testing::Test::HasFailure(); ++i) {
      twin.step();
      twin.check(false);
    }
    EXPECT_GT(twin.store->counts().record_count, 10U);
  }
}

}  // namespace
}  // namespace cairn
