// Streams to many clients at once, to clients that vanish, and to clients that do not read.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/http/http_testing.h"

namespace cairn {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

// Keeps the exchanges it is handed, for the test to answer.
class Keeper {
 public:
  void take(std::shared_ptr<HttpExchange> exchange) {
    const std::lock_guard lock(mutex_);
    exchanges_.push_back(std::move(exchange));
  }
  [[nodiscard]] size_t count() const {
    const std::lock_guard lock(mutex_);
    return exchanges_.size();
  }
  std::vector<std::shared_ptr<HttpExchange>> take_all() {
    const std::lock_guard lock(mutex_);
    return std::exchange(exchanges_, {});
  }
  // Waits until there are so many, and hands them over.
  std::vector<std::shared_ptr<HttpExchange>> await(size_t wanted) {
    EXPECT_TRUE(becomes_true([&] { return count() >= wanted; }));
    return take_all();
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<HttpExchange>> exchanges_;
};

class HttpStream : public testing::Test {
 protected:
  Keeper keeper_;
  FunctionHandler handler_{
      [this](std::shared_ptr<HttpExchange> exchange) { keeper_.take(std::move(exchange)); }};
};

TEST_F(HttpStream, FiveHundredAtOnceFromOneThread) {
  constexpr size_t kClients = 500;
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  HttpServerOptions options = small_limits();
  options.header_timeout = options.write_timeout = options.idle_timeout = milliseconds(30'000);
  const auto server = started(options, handler_);
  std::deque<RawClient> clients;
  for (size_t i = 0; i < kClients; ++i) {
    clients.emplace_back(server->port());
    ASSERT_TRUE(clients.back().send(kGet)) << i;
  }
  auto exchanges = keeper_.await(kClients);
  ASSERT_EQ(exchanges.size(), kClients);
  std::string expected;
  for (const auto& exchange : exchanges) exchange->begin_stream({.content_type = "text/event-stream"});
  for (int part = 0; part < 20; ++part) {
    const std::string text = fmt::format("data: part {}\n\n", part);
    expected += text;
    for (const auto& exchange : exchanges) ASSERT_TRUE(exchange->send(text));
  }
  for (const auto& exchange : exchanges) exchange->end_stream();
  for (RawClient& client : clients) {
    client.read_until("\r\n\r\n");
    ASSERT_EQ(unchunked(client.read_until("\r\n0\r\n\r\n")), expected);
  }
  EXPECT_EQ(server->connection_count(), kClients);
}

TEST_F(HttpStream, NoticesAtOnceWhenAClientLeavesWhileItWaits) {
  const auto server = started(small_limits(), handler_);
  for (int way = 0; way < 3; ++way) {
    RawClient client(server->port());
    ASSERT_TRUE(client.send(kGet));
    auto exchanges = keeper_.await(1);
    std::atomic<int> gone{0};
    exchanges[0]->when_gone([&] { ++gone; });
    EXPECT_FALSE(exchanges[0]->is_gone());
    if (way == 0) client.close();
    if (way == 1) client.reset();
    if (way == 2) client.shut_down_sending();
    EXPECT_TRUE(becomes_true([&] { return gone == 1; })) << way;
    EXPECT_TRUE(exchanges[0]->is_gone());
    exchanges[0]->reply(text_reply("nobody hears this"));
    int at_once = 0;
    exchanges[0]->when_gone([&] { ++at_once; });
    EXPECT_EQ(at_once, 1);
    exchanges.clear();
    EXPECT_TRUE(becomes_true([&] { return server->connection_count() == 0; }));
    EXPECT_EQ(gone, 1);
  }
}

TEST_F(HttpStream, NoticesWhenClientsVanishMidStream) {
  constexpr size_t kClients = 60;
  const auto server = started(small_limits(), handler_);
  std::deque<RawClient> clients;
  for (size_t i = 0; i < kClients; ++i) {
    clients.emplace_back(server->port());
    ASSERT_TRUE(clients.back().send(kGet));
  }
  auto exchanges = keeper_.await(kClients);
  std::atomic<size_t> gone{0};
  for (const auto& exchange : exchanges) {
    exchange->when_gone([&] { ++gone; });
    exchange->begin_stream({});
    EXPECT_TRUE(exchange->send("first"));
  }
  for (size_t i = 0; i < kClients; ++i) {
    clients[i].read_until("first\r\n");
    if (i % 2 == 0) clients[i].close();
  }
  EXPECT_TRUE(becomes_true([&] { return gone == kClients / 2; }));
  size_t heard = 0;
  for (const auto& exchange : exchanges) heard += exchange->send("second") ? 1 : 0;
  EXPECT_EQ(heard, kClients / 2);
  for (const auto& exchange : exchanges) exchange->end_stream();
  for (size_t i = 1; i < kClients; i += 2) {
    EXPECT_EQ(clients[i].read_until("\r\n0\r\n\r\n"), "6\r\nsecond\r\n0\r\n\r\n");
  }
  EXPECT_EQ(gone, kClients / 2);
}

TEST_F(HttpStream, DropsAStreamThatIsNotRead) {
  HttpServerOptions options = small_limits();
  options.write_timeout = milliseconds(60'000);
  const auto server = started(options, handler_);
  RawClient client(server->port());
  client.set_receive_buffer(4096);
  ASSERT_TRUE(client.send(kGet));
  const auto exchanges = keeper_.await(1);
  HttpExchange& exchange = *exchanges[0];
  std::atomic<int> gone{0};
  exchange.when_gone([&] { ++gone; });
  exchange.begin_stream({});
  const std::string part(10'000, 'x');
  // The kernel takes some megabytes at most; then parts wait, until there are too many.
  size_t sent = 0;
  while (exchange.send(part) && sent < 100'000'000) {
    sent += part.size();
    ASSERT_LE(exchange.unsent_bytes(), options.unsent_bytes_max + part.size());
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  EXPECT_LT(sent, 50'000'000u);
  EXPECT_FALSE(exchange.send("more"));
  EXPECT_TRUE(becomes_true([&] { return gone == 1; }));
  EXPECT_TRUE(becomes_true([&] { return server->connection_count() == 0; }));
}

TEST_F(HttpStream, TakesOnePartThatIsLargerThanTheBacklog) {
  const auto server = started(small_limits(), handler_);
  RawClient client(server->port());
  ASSERT_TRUE(client.send(kGet));
  const auto exchanges = keeper_.await(1);
  exchanges[0]->begin_stream({});
  ASSERT_TRUE(exchanges[0]->send(std::string(500'000, 'x')));
  exchanges[0]->end_stream();
  client.read_until("\r\n\r\n");
  EXPECT_EQ(unchunked(client.read_until("\r\n0\r\n\r\n")), std::string(500'000, 'x'));
}

TEST_F(HttpStream, DropsAReplyThatIsNotReadInTime) {
  const auto server = started(small_limits(), handler_);  // 500 ms for 64 KiB
  RawClient client(server->port());
  client.set_receive_buffer(4096);
  ASSERT_TRUE(client.send(kGet));
  const auto exchanges = keeper_.await(1);
  std::atomic<int> gone{0};
  exchanges[0]->when_gone([&] { ++gone; });
  exchanges[0]->reply(text_reply(std::string(20'000'000, 'x')));
  EXPECT_TRUE(becomes_true([&] { return gone == 1; }));
  EXPECT_TRUE(becomes_true([&] { return server->connection_count() == 0; }));
}

TEST_F(HttpStream, PipeliningWithoutReadingIsHeldBack) {
  FunctionHandler handler([](const std::shared_ptr<HttpExchange>& exchange) {
    exchange->reply(text_reply(std::string(10'000, 'x')));
  });
  const auto server = started(small_limits(), handler);
  RawClient client(server->port());
  client.set_receive_buffer(4096);
  std::string requests;
  for (int i = 0; i < 1000; ++i) requests += kGet;
  // Its replies are not read: no more are made, and it is dropped.
  for (int i = 0; i < 200; ++i) {
    if (!client.send(requests)) break;
  }
  EXPECT_TRUE(becomes_true([&] { return server->connection_count() == 0; }));
}

TEST_F(HttpStream, ManyThreadsAnswerWhileClientsComeAndGo) {
  std::atomic<bool> is_over{false};
  const auto server = started(small_limits(), handler_);
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (!is_over || keeper_.count() > 0) {
        for (const auto& exchange : keeper_.take_all()) {
          exchange->when_gone([] {});
          exchange->begin_stream({});
          for (int part = 0; part < 10; ++part) exchange->send("a part");
          if (exchange->request().head.path != "/cut") exchange->end_stream();
        }
        std::this_thread::yield();
      }
    });
  }
  for (int i = 0; i < 200; ++i) {
    RawClient client(server->port());
    ASSERT_TRUE(client.send(i % 5 == 0 ? "GET /cut HTTP/1.1\r\nHost: x\r\n\r\n" : kGet));
    if (i % 3 == 0) client.reset();
    if (i % 3 == 1) client.read_until("a part");
    if (i % 3 == 2) client.read_until("0\r\n\r\n");
  }
  is_over = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(becomes_true([&] { return server->connection_count() == 0; }));
}

}  // namespace
}  // namespace cairn
