// The client of the remote store from several threads at once, while its server is killed and comes back.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "store/redis_server_testing.h"
#include "store/redis_store_testing.h"

namespace cairn {
namespace {

constexpr int kThreadCount = 4;
constexpr int kNameCount = 20;

TEST(RedisThreadsTest, EveryValueIsTheNamesOwnWhateverTheServerDoes) {
  CAIRN_NEEDS_REDIS();
  RedisServer server;
  const auto store = make_store({server.url()}, [](RedisStoreOptions& options) {
    options.breaker.backoff = options.breaker.backoff_max = std::chrono::milliseconds(1);
  });
  const TestItems items(kNameCount, 50'000);
  std::vector<int> numbers;
  for (int i = 0; i < kNameCount; ++i) numbers.push_back(i);
  std::atomic<bool> is_over = false;
  std::atomic<int> hit_count = 0;
  const auto work = [&] {
    while (!is_over) {
      store->set(items.items());
      const Got got = get_numbers(*store, numbers);
      for (int i = 0; i < kNameCount; ++i) {
        const auto& value = got.values[static_cast<size_t>(i)];
        if (!value) continue;
        ++hit_count;
        EXPECT_EQ(*value, items.bytes(i));
      }
      static_cast<void>(store->state());
      static_cast<void>(store->counts());
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreadCount; ++i) threads.emplace_back(work);
  for (int round = 0; round < 3; ++round) {
    const int wanted = hit_count + 200;
    while (hit_count < wanted) std::this_thread::yield();
    server.kill();
    server.start();
  }
  const int wanted = hit_count + 200;
  while (hit_count < wanted) std::this_thread::yield();
  is_over = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(store->counts().garbage_errors, 0u);
}

}  // namespace
}  // namespace cairn
