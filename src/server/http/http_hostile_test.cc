// What hostile, slow and absent clients get: refused or dropped at a limit, and nothing grows.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "server/http/http_testing.h"

namespace cairn {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

struct Case {
  int status;
  std::string request;
};

std::string post(std::string_view headers, std::string_view body = "") {
  return fmt::format("POST / HTTP/1.1\r\nHost: x\r\n{}\r\n\r\n{}", headers, body);
}

class Hostile : public testing::Test {
 protected:
  // The status of whatever comes back first; the connection must then end.
  int refusal(const HttpServer& server, std::string_view request) {
    RawClient client(server.port());
    EXPECT_TRUE(client.is_connected());
    (void)client.send(request);  // the server may have closed before all of it was sent
    return status_of(client.read_all());
  }
  int handled() const { return handled_.load(); }

  std::atomic<int> handled_{0};
  FunctionHandler handler_{[this](const std::shared_ptr<HttpExchange>& exchange) {
    ++handled_;
    echo(exchange);
  }};
};

TEST_F(Hostile, RefusesWhatIsNoHttp) {
  const auto server = started(small_limits(), handler_);
  const std::string nul("GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", 28);
  const std::vector<Case> cases{{400, "\x16\x03\x01\x02\x01"},  // TLS
                                {400, "nonsense\r\n\r\n"},
                                {400, "GET / HTTP/2.0\r\nHost: x\r\n\r\n"},
                                {400, "GET / HTTP/1.1\nHost: x\n\n"},
                                {400, "GET / HTTP/1.1\r\nHost: x\n\r\n\r\n"},
                                {400, "GET / HTTP/1.1\r\n\r\n"},  // no Host
                                {400, "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"},
                                {400, "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n"},  // obs-fold
                                {400, "GET / HTTP/1.1\r\nHost: x\r\n A: b\r\n\r\n"},
                                {400, "GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n"},
                                {400, "GET / HTTP/1.1\r\nHost: x\r\nA\r\n\r\n"},
                                {400, "GET / HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n"},
                                {400, "GET  / HTTP/1.1\r\nHost: x\r\n\r\n"},
                                {400, "GET host:443 HTTP/1.1\r\nHost: x\r\n\r\n"},
                                {400, "CONNECT host:443 HTTP/1.1\r\nHost: x\r\n\r\n"},
                                {400, nul},
                                {417, post("Expect: a miracle\r\nContent-Length: 1")},
                                {431, "GET /" + std::string(5000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n"},
                                {431, "GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(1'000'000, 'a')},
                                {431, "GET / HTTP/1.1\r\n" + [] {
                                   std::string lines;
                                   for (int i = 0; i < 2000; ++i) lines += "A: b\r\n";
                                   return lines;
                                 }()}};
  for (const Case& c : cases) EXPECT_EQ(refusal(*server, c.request), c.status) << c.request.substr(0, 60);
  EXPECT_EQ(handled(), 0);
}

TEST_F(Hostile, RefusesBodiesThatCouldBeReadInTwoWays) {
  const auto server = started(small_limits(), handler_);
  const std::vector<Case> cases{
      {400, post("Content-Length: 4\r\nTransfer-Encoding: chunked", "0\r\n\r\n")},
      {400, post("Transfer-Encoding: chunked\r\nContent-Length: 4", "0\r\n\r\n")},
      {400, post("Content-Length: 1\r\nContent-Length: 1", "a")},
      {400, post("Content-Length: 1\r\nContent-Length: 2", "ab")},
      {400, post("Content-Length: 1, 1", "a")},
      {400, post("Content-Length: -1", "a")},
      {400, post("Content-Length: +1", "a")},
      {400, post("Content-Length: 0x1", "a")},
      {400, post("Content-Length: 99999999999999999999", "a")},
      {400, post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n")},
      {501, post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n")},
      {501, post("Transfer-Encoding: identity", "")},
      {501, post("Transfer-Encoding: xchunked", "")},
      {400, "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}};
  for (const Case& c : cases) EXPECT_EQ(refusal(*server, c.request), c.status) << c.request;
  EXPECT_EQ(handled(), 0);
}

TEST_F(Hostile, RefusesBodiesThatAreTooLargeOrBadlyChunked) {
  const auto server = started(small_limits(), handler_);
  const std::string chunked = "Transfer-Encoding: chunked";
  std::string many_chunks;
  for (int i = 0; i < 110; ++i) many_chunks += "3e8\r\n" + std::string(1000, 'x') + "\r\n";
  std::string extensions;
  for (int i = 0; i < 3000; ++i) extensions += ";a=b";
  const std::vector<Case> cases{{413, post("Content-Length: 100001")},
                                {413, post("Content-Length: 67108864", std::string(64 << 20, 'x'))},
                                {413, post(chunked, "186a1\r\n")},
                                {413, post(chunked, many_chunks)},
                                {413, post(chunked, "ffffffffffffffff\r\n")},
                                {400, post(chunked, "fffffffffffffffff\r\n")},
                                {400, post(chunked, "x\r\n")},
                                {400, post(chunked, "-1\r\n")},
                                {400, post(chunked, "3\r\nabcd\r\n0\r\n\r\n")},
                                {400, post(chunked, "3" + extensions)},  // endless, without a line end
                                {400, post(chunked, "3" + extensions + "\r\nabc\r\n0\r\n\r\n")},
                                {400, post(chunked, "3;a=" + std::string(1'000'000, 'b'))},
                                {400, post(
                                          chunked, "0\r\n" + [] {  // an endless trailer
                                            std::string lines;
                                            for (int i = 0; i < 5000; ++i) lines += "A: b\r\n";
                                            return lines;
                                          }())}};
  for (const Case& c : cases) EXPECT_EQ(refusal(*server, c.request), c.status) << c.request.substr(0, 100);
  EXPECT_EQ(handled(), 0);
}

TEST_F(Hostile, ClosesSlowHeadsAndBodiesAtTheirLimitHoweverSteadyTheyAre) {
  const auto server = started(small_limits(), handler_);
  for (const auto& [start, limit] : {std::pair<std::string, int>{"GET / HTTP/1.1\r\nHost: x\r\nA: ", 300},
                                     {post("Content-Length: 5000"), 400},
                                     {post("Transfer-Encoding: chunked", "fff\r\n"), 400}}) {
    RawClient client(server->port());
    const auto begin = steady_clock::now();
    ASSERT_TRUE(client.send(start));
    while (!client.is_closed_within(milliseconds(20))) {
      if (!client.send("a")) break;
      ASSERT_LT(steady_clock::now() - begin, milliseconds(3000));
    }
    const auto time = steady_clock::now() - begin;
    EXPECT_GE(time, milliseconds(limit - 20));
  }
  RawClient told(server->port());
  ASSERT_TRUE(told.send(post("Content-Length: 5", "abc")));
  EXPECT_EQ(status_of(told.read_all()), 408);
  // Nothing at all: closed without a word.
  RawClient silent(server->port());
  EXPECT_EQ(silent.read_all(), "");
  EXPECT_EQ(handled(), 0);
}

TEST_F(Hostile, ClosesConnectionsThatStayIdle) {
  const auto server = started(small_limits(), handler_);
  RawClient client(server->port());
  ASSERT_TRUE(client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_EQ(status_of(client.read_reply()), 200);
  EXPECT_FALSE(client.is_closed_within(milliseconds(250)));
  EXPECT_TRUE(client.is_closed_within(milliseconds(3000)));
}

TEST_F(Hostile, TellsConnectionsBeyondTheLimitToComeBack) {
  HttpServerOptions options = small_limits();
  options.connections_max = 3;
  options.header_timeout = options.idle_timeout = milliseconds(10'000);
  const auto server = started(options, handler_);
  std::deque<RawClient> clients;
  for (int i = 0; i < 3; ++i) clients.emplace_back(server->port());
  ASSERT_TRUE(becomes_true([&] { return server->connection_count() == 3; }));
  RawClient more(server->port());
  const std::string reply = more.read_all();
  EXPECT_EQ(status_of(reply), 503);
  EXPECT_NE(reply.find("Retry-After: 1\r\n"), std::string::npos);
  // One leaves, and there is room again.
  clients.pop_front();
  ASSERT_TRUE(becomes_true([&] { return server->connection_count() < 3; }));
  RawClient next(server->port());
  ASSERT_TRUE(next.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_EQ(status_of(next.read_reply()), 200);
}

TEST_F(Hostile, BodiesTogetherStayWithinTheirBudget) {
  std::mutex mutex;
  std::vector<std::shared_ptr<HttpExchange>> held;
  FunctionHandler handler([&](std::shared_ptr<HttpExchange> exchange) {
    const std::lock_guard lock(mutex);
    held.push_back(std::move(exchange));
  });
  const auto server = started(small_limits(), handler);
  const std::string request = post("Content-Length: 100000", std::string(100'000, 'x'));
  RawClient first(server->port());
  RawClient second(server->port());
  ASSERT_TRUE(first.send(request));
  ASSERT_TRUE(second.send(request));
  ASSERT_TRUE(becomes_true([&] {
    const std::lock_guard lock(mutex);
    return held.size() == 2;
  }));
  EXPECT_EQ(refusal(*server, request), 503);  // 300,000 bytes would be over 250,000
  // An announcement takes nothing.
  RawClient announcer(server->port());
  ASSERT_TRUE(announcer.send(post("Content-Length: 100000")));
  {
    const std::lock_guard lock(mutex);
    for (const auto& exchange : held) exchange->reply(text_reply("ok"));
    held.clear();
  }
  EXPECT_EQ(status_of(first.read_reply()), 200);
  RawClient third(server->port());
  ASSERT_TRUE(third.send(request));
  ASSERT_TRUE(becomes_true([&] {
    const std::lock_guard lock(mutex);
    return held.size() == 1;
  }));
  const std::lock_guard lock(mutex);
  held.clear();
}

TEST_F(Hostile, AnswersOrClosesWhateverArrives) {
  const auto server = started(small_limits(), handler_);
  const std::string valid =
      "POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcPOST / HTTP/1.1\r\nHost: x\r\n"
      "Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: u\r\n\r\n";
  uint64_t at = 0;
  const auto draw = [&at](size_t end) { return static_cast<size_t>(random_bits(3, 0, at++) % end); };
  for (int i = 0; i < 300; ++i) {
    std::string request = valid;
    for (size_t change = 0; change <= draw(3); ++change) {
      const size_t where = draw(request.size());
      switch (draw(3)) {
        case 0: request[where] = static_cast<char>(draw(256)); break;
        case 1: request.erase(where, 1 + draw(4)); break;
        default: request.insert(where, request.substr(draw(request.size()), draw(8)));
      }
    }
    RawClient client(server->port());
    ASSERT_TRUE(client.is_connected());
    (void)client.send(request);
    client.shut_down_sending();
    (void)client.read_all();
  }
  EXPECT_TRUE(becomes_true([&] { return server->connection_count() == 0; }));
  RawClient client(server->port());
  ASSERT_TRUE(client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_EQ(status_of(client.read_reply()), 200);
}

}  // namespace
}  // namespace cairn
