#include "server/http/http_client.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <thread>
#include <utility>

#include "base/temporary_folder_testing.h"
#include "server/http/http_testing.h"
#include "server/http/tls_testing.h"

namespace cairn {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

std::unique_ptr<HttpClient> client_of(std::string_view url, HttpClientOptions options = {}) {
  auto parsed = HttpUrl::parse(url);
  EXPECT_TRUE(parsed.ok()) << parsed.status().message();
  auto client = HttpClient::create(*parsed, std::move(options));
  EXPECT_TRUE(client.ok()) << client.status().message();
  return std::move(client).value();
}

TEST(HttpUrl, IsTakenApart) {
  const auto check = [](std::string_view text, std::string_view whole) {
    const auto url = HttpUrl::parse(text);
    ASSERT_TRUE(url.ok()) << text;
    EXPECT_EQ(url->text(), whole) << text;
  };
  check("http://127.0.0.1:8080", "http://127.0.0.1:8080");
  check("http://127.0.0.1:8080/v1/", "http://127.0.0.1:8080/v1");
  check("localhost", "http://localhost:80");
  check("HTTPS://host/a", "https://host:443/a");
  check("http://[::1]:9", "http://[::1]:9");
  for (const char* bad :
       {"", "http://", "http://:80", "http://h:", "http://h:0", "http://h:65536", "http://h:1x",
        "http://[::1", "http://[::1]9", "http://a b", "http://u@h", "http://h/?q", "h\r\nx"}) {
    EXPECT_FALSE(HttpUrl::parse(bad).ok()) << bad;
  }
}

TEST(HttpClient, FetchesWholeReplies) {
  FunctionHandler handler([](const std::shared_ptr<HttpExchange>& exchange) {
    const HttpHead& head = exchange->request().head;
    if (head.path == "/base/none") return exchange->reply(text_reply("nothing here", 404));
    if (head.path == "/base/parts") {
      exchange->begin_stream({.headers = {{"X-A", "b"}}});
      exchange->send("one ");
      exchange->send("two");
      return exchange->end_stream();
    }
    echo(exchange);
  });
  const auto server = started(small_limits(), handler);
  const auto client = client_of(server->url() + "/base/");
  const auto posted = client->fetch_whole({.method = "POST", .target = "/x?y", .body = "hello"});
  ASSERT_TRUE(posted.ok()) << posted.status().message();
  EXPECT_EQ(posted->body, "POST /base/x y hello");
  const auto none = client->fetch_whole({.target = "/none"});
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(none->status, 404);
  const auto parts = client->fetch_whole({.target = "/parts"});
  ASSERT_TRUE(parts.ok());
  EXPECT_EQ(parts->body, "one two");
  EXPECT_EQ(HttpHead{.headers = parts->headers}.header("x-a"), "b");
  const auto head = client->fetch_whole({.method = "HEAD", .target = "/x"});
  ASSERT_TRUE(head.ok()) << head.status().message();
  EXPECT_EQ(head->body, "");
}

TEST(HttpClient, SaysWhatWentWrong) {
  FunctionHandler handler([](const std::shared_ptr<HttpExchange>& exchange) {
    if (exchange->request().head.path == "/large") return exchange->reply(text_reply(std::string(5000, 'x')));
    exchange->begin_stream({});
    exchange->send("half");  // and is dropped
  });
  auto server = started(small_limits(), handler);
  const std::string url = server->url();
  const auto client = client_of(url, {.body_bytes_max = 1000});
  const auto cut = client->fetch_whole({});
  EXPECT_NE(cut.status().message().find("closed the connection before its reply was complete"),
            std::string::npos);
  EXPECT_EQ(client->fetch_whole({.target = "/large"}).status().message(),
            "the server's reply has more than 1000 bytes");
  server.reset();
  EXPECT_EQ(client->fetch_whole({}).status().message(),
            fmt::format("cannot connect to {}: Connection refused (is the server running?)", url));
  EXPECT_EQ(client_of("http://no.such.name.invalid")->fetch_whole({}).status().message(),
            "the name no.such.name.invalid is not known");
}

TEST(HttpClient, GivesUpOnServersThatSayNothing) {
  std::shared_ptr<HttpExchange> kept;
  FunctionHandler handler([&](std::shared_ptr<HttpExchange> exchange) { kept = std::move(exchange); });
  const auto server = started(small_limits(), handler);
  const auto client = client_of(server->url(), {.silence_timeout = milliseconds(100)});
  EXPECT_EQ(client->fetch_whole({}).status().message(),
            fmt::format("{} sent nothing within 100 ms", server->url()));
  server->stop(milliseconds(0));
}

TEST(HttpClient, RunsManyStreamsAtOnce) {
  constexpr int kStreams = 200;
  FunctionHandler handler([](const std::shared_ptr<HttpExchange>& exchange) {
    exchange->begin_stream({});
    for (int i = 0; i < 50; ++i) exchange->send("0123456789");
    exchange->end_stream();
  });
  HttpServerOptions options = small_limits();
  options.header_timeout = milliseconds(10'000);
  const auto server = started(options, handler);
  const auto client = client_of(server->url());
  int ended = 0;
  size_t bytes = 0;
  for (int i = 0; i < kStreams; ++i) {
    client->fetch({}, {.on_data = [&](std::string_view part) { bytes += part.size(); },
                       .on_end =
                           [&](const Status& status) {
                             EXPECT_TRUE(status.ok()) << status.message();
                             ++ended;
                           }});
  }
  client->run();
  EXPECT_EQ(ended, kStreams);
  EXPECT_EQ(bytes, 500u * kStreams);
}

TEST(HttpClient, CallsInTimeAndCancels) {
  std::shared_ptr<HttpExchange> kept;
  FunctionHandler handler([&](std::shared_ptr<HttpExchange> exchange) {
    exchange->begin_stream({});
    kept = std::move(exchange);
  });
  const auto server = started(small_limits(), handler);
  const auto client = client_of(server->url());
  Status status;
  client->fetch({}, {.on_end = [&](const Status& end) { status = end; }});
  const auto begin = steady_clock::now();
  bool is_forgotten = true;
  client->call_at(begin + milliseconds(60'000), [&] { is_forgotten = false; });
  client->call_at(begin + milliseconds(50), [&] { client->cancel_all(); });
  client->run();
  EXPECT_GE(steady_clock::now() - begin, milliseconds(50));
  EXPECT_EQ(status.message(), "the request was cancelled");
  EXPECT_TRUE(is_forgotten);
}

TEST(HttpClient, SpeaksTlsToServersThatItTrusts) {
  const TemporaryFolder folder;
  const HttpTlsFiles files = make_certificate(folder.path(), "test");
  FunctionHandler handler(echo);
  HttpServerOptions options = small_limits();
  options.tls = files;
  const auto server = started(options, handler);
  const auto trusting = client_of(server->url(), {.trusted_certificates = files.certificate});
  const auto reply = trusting->fetch_whole({.target = "/a"});
  ASSERT_TRUE(reply.ok()) << reply.status().message();
  EXPECT_EQ(reply->body, "GET /a  ");
  EXPECT_NE(client_of(server->url())->fetch_whole({}).status().message().find("certificate"),
            std::string::npos);
  // Trusted, but for another host.
  const auto other = client_of(fmt::format("https://127.0.0.2:{}", server->port()),
                               {.trusted_certificates = files.certificate});
  EXPECT_FALSE(other->fetch_whole({}).ok());
}

}  // namespace
}  // namespace cairn
