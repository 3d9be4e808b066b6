// The server as its clients see it: what a reply looks like, in which order, on which connection.
#include "server/http/http_server.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "server/http/http_testing.h"

namespace cairn {
namespace {

using std::chrono::milliseconds;

std::string ask(const HttpServer& server, std::string_view request) {
  RawClient client(server.port());
  EXPECT_TRUE(client.send(request));
  return client.read_reply();
}

TEST(HttpServer, AnswersOneRequestAfterTheOtherOnOneConnection) {
  FunctionHandler handler(echo);
  const auto server = started(small_limits(), handler);
  EXPECT_EQ(server->url(), fmt::format("http://127.0.0.1:{}", server->port()));
  RawClient client(server->port());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.send("POST /a%20b?c=d HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"));
    const std::string reply = client.read_reply();
    EXPECT_EQ(status_of(reply), 200);
    EXPECT_EQ(body_of(reply), "POST /a%20b c=d hello");
    EXPECT_NE(reply.find("Connection: keep-alive\r\n"), std::string::npos);
    EXPECT_NE(reply.find(" GMT\r\n"), std::string::npos);
  }
}

TEST(HttpServer, AnswersPipelinedRequestsInTheirOrder) {
  // The first is answered late, by another thread.
  std::vector<std::thread> threads;
  FunctionHandler handler([&](std::shared_ptr<HttpExchange> exchange) {
    if (exchange->request().head.path != "/slow") return echo(exchange);
    threads.emplace_back([exchange = std::move(exchange)] {
      std::this_thread::sleep_for(milliseconds(50));
      echo(exchange);
    });
  });
  const auto server = started(small_limits(), handler);
  RawClient client(server->port());
  ASSERT_TRUE(client.send(
      "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
      "POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
      "GET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
  EXPECT_EQ(body_of(client.read_reply()), "GET /slow  ");
  EXPECT_EQ(body_of(client.read_reply()), "POST /b  abcde");
  const std::string last = client.read_all();
  EXPECT_EQ(body_of(last), "GET /c  ");
  EXPECT_NE(last.find("Connection: close\r\n"), std::string::npos);
  server->stop(milliseconds(1000));
  for (std::thread& thread : threads) thread.join();
}

TEST(HttpServer, ReadsRequestsThatArriveByteByByte) {
  FunctionHandler handler(echo);
  HttpServerOptions options = small_limits();
  options.header_timeout = options.body_timeout = milliseconds(5000);
  const auto server = started(options, handler);
  RawClient client(server->port());
  const std::string request =
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n";
  for (const char c : request + request) ASSERT_TRUE(client.send({&c, 1}));
  EXPECT_EQ(body_of(client.read_reply()), "POST /  abc");
  EXPECT_EQ(body_of(client.read_reply()), "POST /  abc");
}

TEST(HttpServer, AnswersHeadAndHttp10AndAbsoluteTargetsAndUnknownMethods) {
  FunctionHandler handler(echo);
  const auto server = started(small_limits(), handler);
  RawClient client(server->port());
  ASSERT_TRUE(
      client.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\nBREW http://x/pot?a HTTP/1.1\r\nHost: x\r\n\r\n"));
  const std::string head = client.read_until("\r\n\r\n");
  EXPECT_NE(head.find("Content-Length: 8\r\n"), std::string::npos) << head;
  EXPECT_EQ(body_of(client.read_reply()), "BREW /pot a ");

  RawClient old(server->port());
  ASSERT_TRUE(old.send("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_EQ(body_of(old.read_all()), "GET /  ");  // to the end of the connection
  RawClient patient(server->port());
  ASSERT_TRUE(patient.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
  EXPECT_NE(patient.read_reply().find("Connection: keep-alive"), std::string::npos);
}

TEST(HttpServer, StreamsInChunksToNewClientsAndToTheEndToOldOnes) {
  FunctionHandler handler([](const std::shared_ptr<HttpExchange>& exchange) {
    exchange->begin_stream({.content_type = "text/event-stream"});
    EXPECT_TRUE(exchange->send("data: 1\n\n"));
    EXPECT_TRUE(exchange->send(""));
    EXPECT_TRUE(exchange->send("data: 2\n\n"));
    exchange->end_stream();
    EXPECT_FALSE(exchange->send("late"));
    exchange->reply(text_reply("too late"));
  });
  const auto server = started(small_limits(), handler);
  RawClient client(server->port());
  ASSERT_TRUE(
      client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\nHEAD / HTTP/1.1\r\nHost: x\r\n\r\n"
                  "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
  const std::string head = client.read_until("\r\n\r\n");
  EXPECT_NE(head.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_NE(head.find("Content-Type: text/event-stream\r\n"), std::string::npos);
  EXPECT_EQ(unchunked(client.read_until("0\r\n\r\n")), "data: 1\n\ndata: 2\n\n");
  EXPECT_EQ(status_of(client.read_until("\r\n\r\n")), 200);
  EXPECT_EQ(unchunked(body_of(client.read_all())), "data: 1\n\ndata: 2\n\n");
  RawClient old(server->port());
  ASSERT_TRUE(old.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
  EXPECT_EQ(body_of(old.read_all()), "data: 1\n\ndata: 2\n\n");
}

TEST(HttpServer, SendsLargeAndSharedBodiesAndNoneWhereNoneMayBe) {
  const auto large = std::make_shared<const std::string>(3'000'000, 'x');
  FunctionHandler handler([&](const std::shared_ptr<HttpExchange>& exchange) {
    HttpReply reply;
    reply.shared_body = large;
    if (exchange->request().head.path == "/304") reply.status = 304;
    exchange->reply(std::move(reply));
  });
  const auto server = started(small_limits(), handler);
  RawClient client(server->port());
  ASSERT_TRUE(client.send("GET /304 HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_EQ(client.read_until("\r\n\r\n").find("Content-Length"), std::string::npos);
  EXPECT_EQ(body_of(client.read_reply()), *large);
}

TEST(HttpServer, AsksAtTheDoorBeforeItReadsABody) {
  FunctionHandler handler(echo, [](const HttpHead& head) -> std::optional<HttpReply> {
    if (head.header("authorization")) return std::nullopt;
    return text_reply("no key", 401);
  });
  const auto server = started(small_limits(), handler);
  // A refused body is never asked for; a welcome one is.
  const std::string announced = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n";
  RawClient refused(server->port());
  ASSERT_TRUE(refused.send(announced + "\r\n"));
  const std::string reply = refused.read_all();
  EXPECT_EQ(status_of(reply), 401);
  EXPECT_EQ(body_of(reply), "no key");
  EXPECT_NE(reply.find("Connection: close\r\n"), std::string::npos);
  RawClient welcome(server->port());
  ASSERT_TRUE(welcome.send(announced + "Authorization: Bearer x\r\n\r\n"));
  EXPECT_EQ(welcome.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  ASSERT_TRUE(welcome.send("hello"));
  EXPECT_EQ(body_of(welcome.read_reply()), "POST /  hello");
  // Without a body the connection goes on.
  RawClient again(server->port());
  ASSERT_TRUE(again.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_EQ(status_of(again.read_reply()), 401);
  ASSERT_TRUE(again.send("GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n\r\n"));
  EXPECT_EQ(status_of(again.read_reply()), 200);
}

TEST(HttpServer, ARefusedClientReadsWhyThoughItStillSends) {
  FunctionHandler handler(echo, [](const HttpHead&) { return text_reply("no", 403); });
  HttpServerOptions options = small_limits();
  options.body_bytes_max = 64 << 20;
  options.linger_timeout = milliseconds(5000);
  const auto server = started(options, handler);
  RawClient client(server->port());
  ASSERT_TRUE(client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n"));
  const std::string part(1'000'000, 'x');
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(client.send(part));
  EXPECT_EQ(status_of(client.read_reply()), 403);
}

TEST(HttpServer, AnswersWhatItsHandlerDropsOrThrows) {
  FunctionHandler handler([](const std::shared_ptr<HttpExchange>& exchange) {
    const std::string& path = exchange->request().head.path;
    if (path == "/throw") throw std::runtime_error("oops");
    if (path == "/cut") {
      exchange->begin_stream({});
      exchange->send("half");
    }
  });
  const auto server = started(small_limits(), handler);
  EXPECT_EQ(status_of(ask(*server, "GET /drop HTTP/1.1\r\nHost: x\r\n\r\n")), 500);
  EXPECT_EQ(status_of(ask(*server, "GET /throw HTTP/1.1\r\nHost: x\r\n\r\n")), 500);
  RawClient client(server->port());
  ASSERT_TRUE(client.send("GET /cut HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_FALSE(unchunked(body_of(client.read_all())).has_value());
}

TEST(HttpServer, KeepsLineEndsOutOfReplyHeaders) {
  FunctionHandler handler([](const std::shared_ptr<HttpExchange>& exchange) {
    HttpReply reply = text_reply("ok");
    reply.headers = {{"X-Name", "a\r\nSet-Cookie: b"}, {"Bad Name", "x"}, {"content-length", "99"}};
    exchange->reply(std::move(reply));
  });
  const auto server = started(small_limits(), handler);
  const std::string reply = ask(*server, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(reply.find("X-Name: a  Set-Cookie: b\r\n"), std::string::npos) << reply;
  EXPECT_EQ(reply.find("Bad Name"), std::string::npos);
  EXPECT_EQ(reply.find("99"), std::string::npos);
}

TEST(HttpServer, SaysWhyItCannotListen) {
  FunctionHandler handler(echo);
  const auto first = started(small_limits(), handler);
  const auto error_of = [&](const std::string& host, uint16_t port) {
    HttpServerOptions options = small_limits();
    options.host = host;
    options.port = port;
    auto server = HttpServer::start(options, handler);
    return server.ok() ? std::string("listens") : server.status().message();
  };
  EXPECT_EQ(error_of("127.0.0.1", first->port()),
            fmt::format("port {} of 127.0.0.1 is in use: choose another with `port`", first->port()));
  EXPECT_EQ(error_of("192.0.2.1", 0),
            "this machine does not have the address 192.0.2.1: choose another with `host`");
  EXPECT_EQ(error_of("no.such.name.invalid", 0),
            "`host` is no.such.name.invalid, which is no address and no known name");
  EXPECT_EQ(error_of("localhost", 0), "listens");
}

TEST(HttpServer, ListensToIpv6) {
  FunctionHandler handler([](const std::shared_ptr<HttpExchange>& exchange) {
    exchange->reply(text_reply(exchange->request().head.peer));
  });
  HttpServerOptions options = small_limits();
  options.host = "::1";
  auto server = HttpServer::start(options, handler);
  if (!server.ok()) GTEST_SKIP() << server.status().message();  // a machine without IPv6
  EXPECT_EQ((*server)->url(), fmt::format("http://[::1]:{}", (*server)->port()));
  RawClient client((*server)->port(), "::1");
  ASSERT_TRUE(client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_EQ(body_of(client.read_reply()), "::1");
}

}  // namespace
}  // namespace cairn
