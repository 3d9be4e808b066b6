// The client of the remote store against servers that die, stop, close and talk nonsense. No bound on time here is tight:
// deadlines are told from hanging, not measured.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "store/redis_fake_testing.h"
#include "store/redis_server_testing.h"
#include "store/redis_store_testing.h"

namespace cairn {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using BreakerState = RedisBreaker::State;

constexpr uint64_t kSecondNs = 1'000'000'000;
constexpr std::chrono::seconds kFarBeyondDeadlines{15};

void be_hasty(RedisStoreOptions& options) {
  options.deadline = milliseconds(300);
  options.connect_deadline = milliseconds(200);
}

template <typename Call>
void expect_no_hanging(const Call& call) {
  const auto start = steady_clock::now();
  call();
  EXPECT_LT(steady_clock::now() - start, kFarBeyondDeadlines);
}

TEST(RedisFaultsTest, AServerThatIsNotThereIsAMiss) {
  const std::string url = "redis://127.0.0.1:" + std::to_string(free_port());
  const auto store = make_store({url});
  EXPECT_EQ(get_numbers(*store, {1, 2}).tally.failed, 2u);
  EXPECT_EQ(store->set(TestItems(1, 10).items()).failed, 1u);
  EXPECT_FALSE(store->ping().ok());
  EXPECT_FALSE(store->erase_all("", milliseconds(5000)).ok());
  EXPECT_EQ(store->counts().failures, 3u);
}

TEST(RedisFaultsTest, AHostWithoutAnAddressIsAMiss) {
  const auto store = make_store({"redis://nobody.invalid:6379"}, be_hasty);
  expect_no_hanging([&] { EXPECT_EQ(get_numbers(*store, {1}).tally.failed, 1u); });
}

// Packets to this network go nowhere (RFC 5737), or are refused at once.
TEST(RedisFaultsTest, AnAddressThatSwallowsPacketsCostsNoMoreThanTheDeadline) {
  const auto store = make_store({"redis://192.0.2.1:6379"}, be_hasty);
  expect_no_hanging([&] { EXPECT_EQ(get_numbers(*store, {1}).tally.failed, 1u); });
}

TEST(RedisFaultsTest, TheBreakerOpensAndAProbeClosesIt) {
  CAIRN_NEEDS_REDIS();
  RedisServer server;
  ManualClock clock;
  const auto store = make_store({server.url()}, [&](RedisStoreOptions& options) { options.clock = &clock; });
  const TestItems items(1, 100);
  server.kill();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(get_numbers(*store, {0}).tally.failed, 1u);
  EXPECT_EQ(store->state().nodes[0].breaker, BreakerState::kOpen);
  EXPECT_FALSE(store->state().nodes[0].last_failure.empty());
  EXPECT_EQ(store->counts().breaker_opens, 1u);
  const uint64_t errors = store->counts().connect_errors;

  server.start();
  EXPECT_EQ(store->set(items.items()).failed, 1u);  // it is there again, but is not asked
  EXPECT_EQ(store->counts().connect_errors, errors);
  EXPECT_EQ(store->counts().skipped, 1u);
  clock.advance_ns(kSecondNs);
  EXPECT_EQ(store->set(items.items()).done, 1u);
  EXPECT_EQ(store->state().nodes[0].breaker, BreakerState::kClosed);
  EXPECT_EQ(get_numbers(*store, {0}).values[0], items.bytes(0));
}

TEST(RedisFaultsTest, AStoppedServerCostsDeadlinesThenNothingAndIsFoundAgain) {
  CAIRN_NEEDS_REDIS();
  const RedisServer server;
  ManualClock clock;
  const auto store = make_store({server.url()}, [&](RedisStoreOptions& options) {
    be_hasty(options);
    options.clock = &clock;
  });
  const TestItems items(3, 737'280);
  // On a busy machine even a good call may take long: until it is stored.
  while (store->set(items.items()).done < 3) clock.advance_ns(100 * kSecondNs);
  server.stop_running();
  expect_no_hanging([&] {
    for (int i = 0; i < 4; ++i) EXPECT_EQ(get_numbers(*store, {0, 1, 2}).tally.failed, 3u);
  });
  EXPECT_GE(store->counts().timeouts, 3u);
  EXPECT_EQ(store->state().nodes[0].breaker, BreakerState::kOpen);
  const uint64_t timeouts = store->counts().timeouts;
  for (int i = 0; i < 1000; ++i)
    EXPECT_EQ(get_numbers(*store, {0}).tally.failed, 1u);  // no deadline is waited for
  EXPECT_EQ(store->counts().timeouts, timeouts);

  clock.advance_ns(kSecondNs);
  EXPECT_EQ(get_numbers(*store, {0}).tally.failed, 1u);  // the probe fails
  EXPECT_EQ(store->state().nodes[0].breaker, BreakerState::kOpen);
  server.go_on();
  Got got;
  for (int i = 0; i < 20 && got.tally.done < 3; ++i) {
    clock.advance_ns(100 * kSecondNs);
    got = get_numbers(*store, {0, 1, 2});
  }
  EXPECT_EQ(got.tally.done, 3u);
  // Never an answer to a question of before.
  for (int i = 0; i < 3; ++i) EXPECT_EQ(got.values[static_cast<size_t>(i)], items.bytes(i));
}

TEST(RedisFaultsTest, AServerKilledAmidAPipelineLosesOnlyWhatHadNotCome) {
  CAIRN_NEEDS_REDIS();
  RedisServer server;
  const auto store = make_store({server.url()});
  const TestItems items(50, 737'280);
  ASSERT_EQ(store->set(items.items()).done, 50u);
  std::vector<std::string_view> names;
  for (int i = 0; i < 50; ++i) names.push_back(items.name(i));
  int found_count = 0;
  const RedisTally tally = store->get(names, [&](size_t index, std::optional<std::vector<std::byte>> bytes) {
    if (!bytes) return;
    EXPECT_EQ(*bytes, items.bytes(static_cast<int>(index)));
    if (++found_count == 5) server.kill();
  });
  EXPECT_GE(tally.done, 5u);
  EXPECT_GT(tally.failed, 0u);
  EXPECT_EQ(tally.absent, 0u);
  EXPECT_EQ(store->counts().closed_errors, 1u);
  server.start();
  EXPECT_EQ(store->set(items.items()).done, 50u);
}

TEST(RedisFaultsTest, AConnectionThatWasClosedWhileIdleIsMadeAnew) {
  CAIRN_NEEDS_REDIS();
  RedisServer server;
  const auto store = make_store({server.url()});
  const TestItems items(2, 1000);
  EXPECT_EQ(store->set(items.items()).done, 2u);
  server.ask({"CLIENT", "KILL", "TYPE", "normal"});
  EXPECT_EQ(get_numbers(*store, {0, 1}).tally.done, 2u);
  server.kill();
  server.start();
  EXPECT_EQ(store->set(items.items()).done, 2u);
  EXPECT_EQ(store->counts().failures, 0u);
}

// Whatever a server answers to GET, nothing that it did not store comes out, and no call hangs.
TEST(RedisFaultsTest, NonsenseIsDroppedAndCounted) {
  struct Case {
    const char* what;
    std::string answer;
  };
  const std::string deep = [] {
    std::string text;
    for (int i = 0; i < 10'000; ++i) text += "*1\r\n";
    return text;
  }();
  const std::vector<Case> cases = {
      {"another protocol", "HTTP/1.1 400 Bad Request\r\n\r\n"},
      {"an endless line", std::string(1 << 20, 'x')},
      {"an endless status", "+" + std::string(1 << 20, 'x')},
      {"a huge length", "$9223372036854775807\r\n"},
      {"a length over the limit", "$99999999\r\n"},
      {"a huge count", "*9223372036854775807\r\n"},
      {"arrays without an end", deep},
      {"a number", ":1\r\n"},
      {"a status", "+OK\r\n"},
      {"an array", "*1\r\n$1\r\na\r\n"},
      {"bytes that go on", "$1\r\nab\r\n"},
      {"zeros", std::string(100, '\0')},
  };
  for (const Case& one : cases) {
    const FakeRedis server([&](std::string_view) { return one.answer; });
    const auto store = make_store({server.url()});
    expect_no_hanging([&] { EXPECT_EQ(get_numbers(*store, {1}).tally.failed, 1u) << one.what; });
    EXPECT_EQ(store->counts().garbage_errors, 1u) << one.what;
  }
}

TEST(RedisFaultsTest, AnswersThatNobodyAskedForDropTheConnection) {
  const FakeRedis server([](std::string_view) { return "$-1\r\n$3\r\nbad\r\n"; });
  const auto store = make_store({server.url()});
  for (int i = 0; i < 2; ++i) EXPECT_EQ(get_numbers(*store, {1}).values[0], std::nullopt);
  EXPECT_EQ(server.connection_count(), 2);
}

TEST(RedisFaultsTest, ALateAnswerIsNotTheNextOnes) {
  std::atomic<int> call_count = 0;
  std::atomic<bool> may_answer = false;
  const FakeRedis server([&](std::string_view) {
    if (call_count++ > 0) return std::string("$-1\r\n");
    while (!may_answer) std::this_thread::yield();
    return std::string("$4\r\nlate\r\n");
  });
  const auto store = make_store({server.url()}, be_hasty);
  EXPECT_EQ(get_numbers(*store, {1}).tally.failed, 1u);
  may_answer = true;
  for (int i = 0; i < 2; ++i) EXPECT_EQ(get_numbers(*store, {2}).values[0], std::nullopt);
}

TEST(RedisFaultsTest, NonsenseDuringTheLoginOrTheMapIsAMiss) {
  const FakeRedis server([](std::string_view) { return "$3\r\nabc\r\n"; });
  const std::string place = "127.0.0.1:" + std::to_string(server.port());
  const auto with_login = make_store({"redis://user:password@" + place});
  expect_no_hanging([&] { EXPECT_EQ(get_numbers(*with_login, {1}).tally.failed, 1u); });
  const auto with_map = make_store({"redis://" + place, "redis://" + place});
  expect_no_hanging([&] { EXPECT_EQ(get_numbers(*with_map, {1}).tally.failed, 1u); });
  EXPECT_FALSE(with_map->ping().ok());
}

TEST(RedisFaultsTest, AServerThatClosesOrSaysNothingIsAMiss) {
  const FakeRedis closing([](std::string_view) { return std::nullopt; });
  EXPECT_EQ(get_numbers(*make_store({closing.url()}), {1}).tally.failed, 1u);
  const FakeRedis silent([](std::string_view) { return std::string(); });
  const auto store = make_store({silent.url()}, be_hasty);
  expect_no_hanging([&] { EXPECT_EQ(get_numbers(*store, {1}).tally.failed, 1u); });
  EXPECT_EQ(store->counts().timeouts, 1u);
  // TLS with somebody who does not speak it, and never says so.
  const auto secure = make_store({"rediss://127.0.0.1:" + std::to_string(silent.port())}, be_hasty);
  expect_no_hanging([&] { EXPECT_EQ(get_numbers(*secure, {1}).tally.failed, 1u); });
}

TEST(RedisFaultsTest, RedirectionsWithoutAnEndOrSenseEnd) {
  for (const std::string text :
       {"-MOVED 1 %", "-ASK 1 %", "-MOVED 16384 %", "-MOVED", "-MOVED 1", "-ASK 1 host", "-MOVED x :1",
        "-ASK 1 a b:70000", "-MOVED 1 :1", "-LOADING Redis is loading", "-TRYAGAIN", "-CLUSTERDOWN"}) {
    std::atomic<int> port = 0;
    const FakeRedis server([&](std::string_view received) {
      std::string answer = text + "\r\n";
      const size_t place = answer.find('%');
      if (place != std::string::npos) answer.replace(place, 1, "127.0.0.1:" + std::to_string(port));
      std::string answers;
      for (const char c : received) answers += c == '*' ? answer : "";  // each command has one star
      return answers;
    });
    port = server.port();
    const auto store = make_store({server.url()});
    expect_no_hanging([&] { EXPECT_EQ(get_numbers(*store, {1, 2}).tally.failed, 2u) << text; });
    EXPECT_EQ(store->counts().timeouts, 0u) << text;
  }
}

}  // namespace
}  // namespace cairn
