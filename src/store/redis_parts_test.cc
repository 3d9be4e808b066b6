// The parts of the remote store that need no server: keys, URLs, breakers, maps of slots, routes.
#include <gtest/gtest.h>

#include <string>

#include "store/redis_breaker.h"
#include "store/redis_key.h"
#include "store/redis_router.h"
#include "store/redis_slots.h"
#include "store/redis_url.h"

namespace cairn {
namespace {

using std::chrono::milliseconds;
using State = RedisBreaker::State;
using Report = RedisRouter::Report;
using Kind = RespValue::Kind;

constexpr uint64_t kSecondNs = 1'000'000'000;

TEST(RedisKeyTest, AKeyIsThePrefixAndTheNameInHex) {
  EXPECT_EQ(redis_key("cairn:", std::string_view("\x00\x7f\xff", 3)), "cairn:007fff");
  EXPECT_TRUE(check_redis_key_prefix("").ok());
  EXPECT_TRUE(check_redis_key_prefix("team-1:{cairn}:").ok());
  for (const char* bad : {"a b", "a*", "a?", "[a]", "a\\", "a\n", "\xc3\xa9"}) {
    EXPECT_FALSE(check_redis_key_prefix(bad).ok()) << bad;
  }
  EXPECT_FALSE(check_redis_key_prefix(std::string(65, 'a')).ok());
}

// Slots that redis-cli's CLUSTER KEYSLOT gives, and the examples of the Cluster specification.
TEST(RedisKeyTest, SlotsAreRediss) {
  EXPECT_EQ(redis_slot("123456789"), 0x31C3 % kRedisSlotCount);
  EXPECT_EQ(redis_slot("foo"), 12182);
  EXPECT_EQ(redis_slot(""), 0);
  EXPECT_EQ(redis_slot("{user1000}.following"), redis_slot("user1000"));
  EXPECT_EQ(redis_slot("foo{{bar}}zap"), redis_slot("{bar"));
  EXPECT_EQ(redis_slot("foo{bar}{zap}"), redis_slot("bar"));
  EXPECT_NE(redis_slot("foo{}{bar}"), redis_slot("bar"));
  EXPECT_NE(redis_slot("foo{bar"), redis_slot("bar"));
}

TEST(RedisUrlTest, PartsAreTakenApart) {
  const Result<RedisUrl> plain = RedisUrl::parse("redis://store");
  ASSERT_TRUE(plain.ok());
  EXPECT_FALSE(plain->is_secure);
  EXPECT_EQ(plain->address, (RedisAddress{.host = "store", .port = 6379}));
  const Result<RedisUrl> full = RedisUrl::parse("rediss://me:p%40%3a:x@[::1]:7000/12");
  ASSERT_TRUE(full.ok());
  EXPECT_TRUE(full->is_secure);
  EXPECT_EQ(full->user, "me");
  EXPECT_EQ(full->password, "p@::x");
  EXPECT_EQ(full->address.text(), "[::1]:7000");
  EXPECT_EQ(full->database, 12u);
  const Result<RedisUrl> password = RedisUrl::parse("redis://secret@h/");
  ASSERT_TRUE(password.ok());
  EXPECT_EQ(password->user, "");
  EXPECT_EQ(password->password, "secret");
}

TEST(RedisUrlTest, WhatIsNoUrlIsRefusedWithoutItsPassword) {
  for (const char* bad :
       {"", "store", "http://store", "redis://", "redis://:7000", "redis://h:", "redis://h:0",
        "redis://h:65536", "redis://h:1x", "redis://h/x", "redis://h/-1", "redis://h/99999999",
        "redis://[::1", "redis://a b", "redis://user:@h", "redis://p%4@h", "redis://p%zz@h"}) {
    EXPECT_FALSE(RedisUrl::parse(bad).ok()) << bad;
  }
  const Status status = RedisUrl::parse("redis://user:geheim@h:x").status();
  EXPECT_EQ(status.message().find("geheim"), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("h:x"), std::string::npos) << status.message();
}

class RedisBreakerTest : public testing::Test {
 protected:
  // Fails until it is open, all at one time.
  void open_at(uint64_t now_ns) {
    for (int i = 0; i < options_.failure_count; ++i) {
      ASSERT_TRUE(breaker_.allow(now_ns));
      EXPECT_EQ(breaker_.failed(now_ns), i + 1 == options_.failure_count);
    }
  }
  RedisBreakerOptions options_{.failure_count = 3,
                               .window = milliseconds(10'000),
                               .backoff = milliseconds(1000),
                               .backoff_max = milliseconds(3000)};
  RedisBreaker breaker_{options_};
};

TEST_F(RedisBreakerTest, OpensAfterFailuresWithinTheWindowOnly) {
  for (uint64_t i = 0; i < 10; ++i)
    EXPECT_FALSE(breaker_.failed(i * 6 * kSecondNs));  // never three in ten seconds
  EXPECT_FALSE(breaker_.failed(100 * kSecondNs));
  EXPECT_FALSE(breaker_.failed(105 * kSecondNs));
  breaker_.succeeded();  // does not undo them: every second call may be one that fails
  EXPECT_TRUE(breaker_.failed(110 * kSecondNs));
  EXPECT_FALSE(breaker_.allow(110 * kSecondNs));
}

TEST_F(RedisBreakerTest, OneProbeAfterTheBackoffWhichDoublesUpToItsBound) {
  open_at(0);
  uint64_t now_ns = 0;
  for (const uint64_t backoff_s : {1, 2, 3, 3}) {
    EXPECT_FALSE(breaker_.allow(now_ns + backoff_s * kSecondNs - 1));
    now_ns += backoff_s * kSecondNs;
    EXPECT_TRUE(breaker_.allow(now_ns));
    EXPECT_EQ(breaker_.state(), State::kHalfOpen);
    EXPECT_FALSE(breaker_.allow(now_ns));  // only one
    EXPECT_TRUE(breaker_.failed(now_ns));
  }
  now_ns += 3 * kSecondNs;
  EXPECT_TRUE(breaker_.allow(now_ns));
  breaker_.succeeded();
  EXPECT_EQ(breaker_.state(), State::kClosed);
  open_at(now_ns);  // it is as new
  EXPECT_FALSE(breaker_.allow(now_ns + kSecondNs - 1));
  EXPECT_TRUE(breaker_.allow(now_ns + kSecondNs));
}

TEST_F(RedisBreakerTest, AProbeThatDidNotAskOrNeverReportsLeavesRoomForTheNext) {
  open_at(0);
  EXPECT_TRUE(breaker_.allow(kSecondNs));
  breaker_.did_not_ask();
  EXPECT_TRUE(breaker_.allow(kSecondNs));
  EXPECT_FALSE(breaker_.allow(kSecondNs));
  EXPECT_TRUE(breaker_.allow(2 * kSecondNs));
}

RespValue integer(int64_t value) { return {.kind = Kind::kInteger, .integer = value}; }
RespValue bytes(std::string_view text) {
  RespValue value{.kind = Kind::kBytes};
  for (const char c : text) value.bytes.push_back(static_cast<std::byte>(c));
  return value;
}
RespValue array(std::vector<RespValue> elements) {
  return {.kind = Kind::kArray, .elements = std::move(elements)};
}
RespValue range(int64_t first, int64_t last, std::string_view host, int64_t port) {
  return array({integer(first), integer(last), array({bytes(host), integer(port), bytes("id"), array({})})});
}

TEST(RedisSlotsTest, RangesAndMovesAreKept) {
  const RedisAddress asked{.host = "10.0.0.9", .port = 1};
  Result<RedisSlots> slots =
      RedisSlots::from_reply(array({range(0, 99, "10.0.0.1", 7000), range(200, 16'383, "", 7001)}), asked);
  ASSERT_TRUE(slots.ok());
  EXPECT_EQ(*slots->node_of(0), (RedisAddress{.host = "10.0.0.1", .port = 7000}));
  EXPECT_EQ(*slots->node_of(99), (RedisAddress{.host = "10.0.0.1", .port = 7000}));
  EXPECT_EQ(slots->node_of(100), nullptr);
  EXPECT_EQ(*slots->node_of(16'383), (RedisAddress{.host = "10.0.0.9", .port = 7001}));
  EXPECT_TRUE(slots->move(100, {.host = "new", .port = 5}).ok());
  EXPECT_EQ(slots->node_of(100)->host, "new");
  EXPECT_EQ(slots->nodes().size(), 3u);
}

TEST(RedisSlotsTest, WhatIsNoMapIsRefused) {
  const RedisAddress asked{.host = "h", .port = 1};
  const std::vector<RespValue> bad = {
      {},
      integer(1),
      array({integer(1)}),
      array({array({integer(0), integer(1)})}),
      array({range(-1, 5, "a", 1)}),
      array({range(5, 4, "a", 1)}),
      array({range(0, 16'384, "a", 1)}),
      array({range(0, 5, "a", 0)}),
      array({range(0, 5, "a", 65'536)}),
      array({range(0, 5, "a\nb", 1)}),
      array({array({integer(0), integer(1), array({bytes("a")})})}),
      array({array({integer(0), integer(1), array({bytes("a"), bytes("1")})})}),
      array({array({bytes("0"), integer(1), array({bytes("a"), integer(1)})})}),
  };
  for (size_t i = 0; i < bad.size(); ++i) EXPECT_FALSE(RedisSlots::from_reply(bad[i], asked).ok()) << i;
  std::vector<RespValue> many;
  for (int i = 0; i <= static_cast<int>(kRedisNodesMax); ++i) many.push_back(range(i, i, "a", 1000 + i));
  EXPECT_FALSE(RedisSlots::from_reply(array(many), asked).ok());
}

TEST(RedisRouterTest, ASingleNodeHasAllSlotsUntilItSaysOtherwise) {
  ManualClock clock;
  const RedisAddress seed{.host = "a", .port = 1};
  const RedisAddress other{.host = "b", .port = 2};
  RedisRouter router({seed}, {}, clock);
  EXPECT_FALSE(router.is_cluster());
  EXPECT_FALSE(router.begin_map());
  EXPECT_EQ(router.node_of(5), seed);
  router.slot_moved(5, other);
  EXPECT_TRUE(router.is_cluster());
  EXPECT_EQ(router.node_of(5), other);
  EXPECT_TRUE(router.begin_map());
}

TEST(RedisRouterTest, TheMapIsAskedForWhereItIsStaleButNotAllTheTime) {
  ManualClock clock;
  const RedisAddress a{.host = "a", .port = 1};
  RedisRouter router({a, {.host = "b", .port = 2}}, {}, clock);
  EXPECT_EQ(router.node_of(0), std::nullopt);
  EXPECT_TRUE(router.begin_map());
  EXPECT_TRUE(router.begin_map());  // without one nothing is found, so everybody asks
  RedisSlots slots;
  ASSERT_TRUE(slots.move(0, a).ok());
  router.set_map(slots);
  EXPECT_FALSE(router.begin_map());
  router.map_is_stale();
  EXPECT_FALSE(router.begin_map());
  clock.advance_ns(2 * kSecondNs);
  EXPECT_TRUE(router.begin_map());
  EXPECT_FALSE(router.begin_map());  // one asks
}

TEST(RedisRouterTest, ANodeThatFailsIsNotAskedAndOthersAre) {
  ManualClock clock;
  const RedisAddress a{.host = "a", .port = 1};
  const RedisAddress b{.host = "b", .port = 2};
  RedisRouter router({a, b}, {}, clock);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(router.allow(a));
    router.report(a, Report::kFailed, "a is gone");
  }
  EXPECT_FALSE(router.allow(a));
  EXPECT_TRUE(router.allow(b));
  EXPECT_EQ(router.breaker_open_count(), 1u);
  const std::vector<RedisNodeState> states = router.states();
  ASSERT_EQ(states.size(), 2u);
  EXPECT_EQ(states[0].breaker, State::kOpen);
  EXPECT_EQ(states[0].last_failure, "a is gone");
  EXPECT_EQ(states[1].breaker, State::kClosed);
}

}  // namespace
}  // namespace cairn
