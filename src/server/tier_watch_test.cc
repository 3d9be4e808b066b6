// On a store whose files fail, and on a real Redis that goes and comes back.
#include "server/tier_watch.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/clock.h"
#include "store/disk_store_testing.h"
#include "store/redis_server_testing.h"
#include "store/redis_store_testing.h"

namespace cairn {
namespace {

#define EXPECT_SAYS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

// What the log has said at its end.
class Watched {
 public:
  Watched() : log_(Log::to_sink({}, [this](std::string_view line) { text_ += line; }).value()) {}
  [[nodiscard]] Log& log() { return *log_; }
  [[nodiscard]] std::string text() {
    log_.reset();
    return text_;
  }

 private:
  std::string text_;
  std::unique_ptr<Log> log_;
};

// A store that the test still owns.
template <typename Store>
std::shared_ptr<Store> borrowed(Store& store) {
  return {&store, [](Store*) {}};
}

TEST(TierWatch, SaysNothingOfWhatIsWell) {
  TestStore store;
  store.open();
  Watched lines;
  TierWatch watch(borrowed(*store), nullptr, lines.log());
  ASSERT_TRUE(store->put(sample(1).view()).ok());
  EXPECT_EQ(look_for(*store, 1), Seen::kThere);
  EXPECT_EQ(look_for(*store, 2), Seen::kAbsent);
  watch.look();
  EXPECT_EQ(lines.text(), "");
}

TEST(TierWatch, SaysOnceThatADiskTakesNothingAndThatItDoesAgain) {
  TestStore store;
  store.open();
  Watched lines;
  TierWatch watch(borrowed(*store), nullptr, lines.log());
  store.faults->fail(FileCall::kWrite, 1, StatusCode::kResourceExhausted, 1'000'000);
  for (const uint64_t number : {1, 2, 3}) {
    EXPECT_FALSE(store->put(sample(number).view()).ok());
    watch.look();
  }
  watch.look();  // nothing was asked of it
  store.faults->heal();
  ASSERT_TRUE(store->put(sample(4).view()).ok());
  watch.look();
  watch.look();
  const std::string text = lines.text();
  EXPECT_EQ(std::ranges::count(text, '\n'), 2) << text;
  EXPECT_LT(text.find("warning the disk does not take blocks"),
            text.find("info the disk takes blocks again"));
}

TEST(TierWatch, CountsDamagedBlocks) {
  TestStore store;
  store.open();
  ASSERT_TRUE(store->put(sample(1).view()).ok());
  Watched lines;
  TierWatch watch(borrowed(*store), nullptr, lines.log());
  store.faults->fail(FileCall::kRead, 1, StatusCode::kInternal);
  EXPECT_NE(look_for(*store, 1), Seen::kThere);
  watch.look();
  watch.look();
  const std::string text = lines.text();
  EXPECT_SAYS(text, "warning blocks on the disk were damaged");
  EXPECT_SAYS(text, "blocks=1\n");
  EXPECT_EQ(std::ranges::count(text, '\n'), 1) << text;
}

TEST(TierWatch, SaysOnceThatAStoreIsLostAndWhyAndThatItAnswersAgain) {
  CAIRN_NEEDS_REDIS();
  RedisServer server;
  ManualClock clock;
  const auto store = make_store({server.url()}, [&](RedisStoreOptions& options) { options.clock = &clock; });
  Watched lines;
  TierWatch watch(nullptr, borrowed(*store), lines.log());
  const TestItems items(1, 100);
  EXPECT_EQ(store->set(items.items()).done, 1U);
  watch.look();
  server.kill();
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(get_numbers(*store, {0}).tally.failed, 1U);
    watch.look();
  }
  watch.look();  // nobody asked it
  server.start();
  clock.advance_ns(60 * uint64_t{1'000'000'000});
  EXPECT_EQ(store->set(items.items()).done, 1U);
  watch.look();
  const std::string text = lines.text();
  EXPECT_EQ(std::ranges::count(text, '\n'), 2) << text;
  EXPECT_SAYS(text, "warning the remote store fails: what it has is computed instead why=");
  EXPECT_SAYS(text, "127.0.0.1");
  EXPECT_SAYS(text, "info the remote store answers again\n");
}

}  // namespace
}  // namespace cairn
