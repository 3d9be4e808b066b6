// The client of the remote store against a real Cluster of three nodes: where keys go, what a dead node costs, and slots
// that move while they are used.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "store/redis_key.h"
#include "store/redis_server_testing.h"
#include "store/redis_store_testing.h"

namespace cairn {
namespace {

constexpr int kItemCount = 120;

uint16_t slot_of(int number) { return redis_slot(redis_key("cairn:", redis_test_name(number))); }

std::vector<int> all_numbers() {
  std::vector<int> numbers;
  for (int i = 0; i < kItemCount; ++i) numbers.push_back(i);
  return numbers;
}

void expect_values(const Got& got, const TestItems& items, const std::vector<int>& numbers) {
  for (size_t i = 0; i < numbers.size(); ++i) EXPECT_EQ(got.values[i], items.bytes(numbers[i])) << numbers[i];
}

TEST(RedisClusterTest, KeysLieOnAllNodesAndADeadOneCostsOnlyItsSlots) {
  CAIRN_NEEDS_REDIS();
  RedisClusterOfThree cluster;
  ManualClock clock;
  const auto store = make_store(cluster.urls(), [&](RedisStoreOptions& options) { options.clock = &clock; });
  const TestItems items(kItemCount, 2000);
  ASSERT_EQ(store->set(items.items()).done, static_cast<size_t>(kItemCount));
  EXPECT_TRUE(store->state().is_cluster);
  EXPECT_TRUE(store->ping().ok()) << store->ping().message();
  EXPECT_EQ(store->counts().moved, 0u);
  for (size_t i = 0; i < 3; ++i) EXPECT_GT(cluster.node(i).ask({"DBSIZE"}).integer, kItemCount / 6) << i;
  expect_values(get_numbers(*store, all_numbers()), items, all_numbers());

  cluster.node(1).kill();
  // The call amid which it died, those until the breaker opens, and those after that.
  for (int call = 0; call < 6; ++call) {
    clock.advance_ns(2'000'000'000);  // so that the map is asked for again, too
    const Got got = get_numbers(*store, all_numbers());
    for (int i = 0; i < kItemCount; ++i) {
      const bool is_dead = RedisClusterOfThree::node_of(slot_of(i)) == 1;
      EXPECT_EQ(got.values[static_cast<size_t>(i)].has_value(), !is_dead) << call << " " << i;
    }
  }
  EXPECT_GE(store->counts().breaker_opens, 1u);
  EXPECT_FALSE(store->ping().ok());
  EXPECT_FALSE(store->erase_all("", std::chrono::seconds(20)).ok());  // what the dead one has may come back
}

TEST(RedisClusterTest, OneUrlOfAClusterIsEnough) {
  CAIRN_NEEDS_REDIS();
  RedisClusterOfThree cluster;
  const auto store = make_store({cluster.node(2).url()});
  const TestItems items(kItemCount, 100);
  EXPECT_EQ(store->set(items.items()).done, static_cast<size_t>(kItemCount));
  expect_values(get_numbers(*store, all_numbers()), items, all_numbers());
  EXPECT_TRUE(store->state().is_cluster);
  // Of a store that has never been sent to another node, too.
  const auto fresh = make_store({cluster.node(2).url()});
  EXPECT_TRUE(fresh->ping().ok());
  EXPECT_TRUE(fresh->state().is_cluster);
  const Result<uint64_t> erased =
      make_store({cluster.node(1).url()})->erase_all("", std::chrono::seconds(20));
  ASSERT_TRUE(erased.ok()) << erased.status().message();
  EXPECT_EQ(*erased, static_cast<uint64_t>(kItemCount));
}

// A slot moves as redis-cli --cluster reshard moves it: importing there, migrating here, key by key, then told to all.
TEST(RedisClusterTest, MovedAndAskAreFollowedWhileASlotMoves) {
  CAIRN_NEEDS_REDIS();
  RedisClusterOfThree cluster;
  const auto store = make_store(cluster.urls());
  const TestItems items(kItemCount, 2000);
  ASSERT_EQ(store->set(items.items()).done, static_cast<size_t>(kItemCount));
  int number = 0;
  while (RedisClusterOfThree::node_of(slot_of(number)) != 0) ++number;
  const std::string slot = std::to_string(slot_of(number));
  const std::string key = redis_key("cairn:", redis_test_name(number));
  const RedisServer& from = cluster.node(0);
  const RedisServer& to = cluster.node(2);
  const auto ok = [](const RespValue& reply) {
    return reply.is(RespValue::Kind::kStatus) && reply.text == "OK";
  };
  ASSERT_TRUE(ok(to.ask({"CLUSTER", "SETSLOT", slot, "IMPORTING", cluster.id_of(0)})));
  ASSERT_TRUE(ok(from.ask({"CLUSTER", "SETSLOT", slot, "MIGRATING", cluster.id_of(2)})));

  // Still there.
  expect_values(get_numbers(*store, all_numbers()), items, all_numbers());
  EXPECT_EQ(store->counts().asked, 0u);
  // Gone over, but the slot has not.
  ASSERT_TRUE(ok(from.ask({"MIGRATE", "127.0.0.1", std::to_string(to.port()), key, "0", "5000"})));
  expect_values(get_numbers(*store, all_numbers()), items, all_numbers());
  EXPECT_EQ(store->counts().asked, 1u);
  EXPECT_EQ(store->counts().moved, 0u);
  const RedisItem again{.name = items.name(number), .bytes = items.bytes(number)};
  EXPECT_EQ(store->set({&again, 1}).done, 1u);  // a new one goes there, too
  EXPECT_EQ(store->counts().asked, 2u);
  // Nobody else of that slot is left, so it goes over as a whole.
  for (const RedisServer* node : {&to, &from, static_cast<const RedisServer*>(&cluster.node(1))}) {
    ASSERT_TRUE(ok(node->ask({"CLUSTER", "SETSLOT", slot, "NODE", cluster.id_of(2)})));
  }
  expect_values(get_numbers(*store, all_numbers()), items, all_numbers());
  EXPECT_EQ(store->counts().moved, 1u);
  expect_values(get_numbers(*store, all_numbers()), items, all_numbers());
  EXPECT_EQ(store->counts().moved, 1u);  // it was remembered
}

}  // namespace
}  // namespace cairn
