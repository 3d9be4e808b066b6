// A clean stop: what is under way may end, nobody else is kept, and it does not take longer than was said.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "server/http/http_testing.h"

namespace cairn {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

milliseconds time_of(const std::function<void()>& call) {
  const auto begin = steady_clock::now();
  call();
  return std::chrono::duration_cast<milliseconds>(steady_clock::now() - begin);
}

// Takes one exchange, and hands it to the test.
class OneExchange {
 public:
  void put(std::shared_ptr<HttpExchange> exchange) {
    const std::lock_guard lock(mutex_);
    exchange_ = std::move(exchange);
  }
  std::shared_ptr<HttpExchange> await() {
    EXPECT_TRUE(becomes_true([&] { return peek() != nullptr; }));
    const std::lock_guard lock(mutex_);
    return std::exchange(exchange_, nullptr);
  }

 private:
  std::shared_ptr<HttpExchange> peek() {
    const std::lock_guard lock(mutex_);
    return exchange_;
  }
  std::mutex mutex_;
  std::shared_ptr<HttpExchange> exchange_;
};

class HttpStop : public testing::Test {
 protected:
  HttpStop() {
    HttpServerOptions options = small_limits();
    options.header_timeout = options.idle_timeout = milliseconds(60'000);
    server_ = started(options, handler_);
  }

  OneExchange one_;
  FunctionHandler handler_{[this](std::shared_ptr<HttpExchange> exchange) { one_.put(std::move(exchange)); }};
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpStop, ClosesIdleConnectionsAtOnce) {
  RawClient fresh(server_->port());
  RawClient used(server_->port());
  ASSERT_TRUE(used.send(kGet));
  one_.await()->reply(text_reply("ok"));
  EXPECT_EQ(status_of(used.read_reply()), 200);
  EXPECT_LT(time_of([&] { server_->stop(milliseconds(5000)); }), milliseconds(1000));
  EXPECT_TRUE(fresh.is_closed_within(milliseconds(1000)));
  EXPECT_TRUE(used.is_closed_within(milliseconds(1000)));
  EXPECT_FALSE(RawClient(server_->port()).is_connected());
}

TEST_F(HttpStop, LetsRepliesEnd) {
  RawClient client(server_->port());
  ASSERT_TRUE(client.send(kGet));
  const auto exchange = one_.await();
  exchange->begin_stream({});
  exchange->send("one");
  std::thread later([&] {
    std::this_thread::sleep_for(milliseconds(150));
    exchange->send("two");
    exchange->end_stream();
  });
  std::string reply;
  std::thread reader([&] { reply = client.read_all(); });
  const milliseconds time = time_of([&] { server_->stop(milliseconds(5000)); });
  later.join();
  reader.join();
  EXPECT_GE(time, milliseconds(140));
  EXPECT_LT(time, milliseconds(2500));
  EXPECT_EQ(unchunked(body_of(reply)), "onetwo");
}

TEST_F(HttpStop, EndsAfterItsGraceWhateverIsUnderWay) {
  RawClient client(server_->port());
  ASSERT_TRUE(client.send(kGet));
  const auto exchange = one_.await();
  std::atomic<int> gone{0};
  exchange->when_gone([&] { ++gone; });
  exchange->begin_stream({});
  RawClient half(server_->port());
  ASSERT_TRUE(half.send("GET / HTTP/1.1\r\nHo"));
  const milliseconds time = time_of([&] { server_->stop(milliseconds(200)); });
  EXPECT_GE(time, milliseconds(190));
  EXPECT_LT(time, milliseconds(1200));
  EXPECT_EQ(gone, 1);
  EXPECT_TRUE(client.is_closed_within(milliseconds(1000)));
  // The exchange outlives the server.
  server_.reset();
  EXPECT_FALSE(exchange->send("late"));
  exchange->end_stream();
  EXPECT_TRUE(exchange->is_gone());
}

TEST_F(HttpStop, RepliesAskToCloseOnceNoMoreAreAccepted) {
  RawClient client(server_->port());
  ASSERT_TRUE(client.send(kGet));
  const auto exchange = one_.await();
  server_->stop_accepting();
  EXPECT_TRUE(becomes_true([&] { return !RawClient(server_->port()).is_connected(); }));
  exchange->reply(text_reply("last"));
  const std::string reply = client.read_all();
  EXPECT_EQ(body_of(reply), "last");
  EXPECT_NE(reply.find("Connection: close\r\n"), std::string::npos);
}

TEST_F(HttpStop, AStopAmidNewcomersLeavesNobody) {
  std::atomic<bool> is_over{false};
  std::thread newcomers([&] {
    while (!is_over) {
      RawClient client(server_->port());
      if (client.is_connected()) (void)client.send(kGet);
    }
  });
  std::this_thread::sleep_for(milliseconds(30));
  server_->stop(milliseconds(0));
  EXPECT_EQ(server_->connection_count(), 0u);
  is_over = true;
  newcomers.join();
  server_->stop(milliseconds(0));
}

}  // namespace
}  // namespace cairn
