#include <fmt/format.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>

#include "base/temporary_folder_testing.h"
#include "server/http/http_testing.h"
#include "server/http/tls_testing.h"

namespace cairn {
namespace {

using std::chrono::milliseconds;

class HttpTls : public testing::Test {
 protected:
  [[nodiscard]] std::string folder() const { return folder_.path(); }
  [[nodiscard]] std::unique_ptr<HttpServer> serve(const HttpTlsFiles& files) {
    HttpServerOptions options = small_limits();
    options.header_timeout = milliseconds(1000);
    options.tls = files;
    return started(options, handler_);
  }
  [[nodiscard]] std::string error_of(const HttpTlsFiles& files) {
    HttpServerOptions options = small_limits();
    options.tls = files;
    auto server = HttpServer::start(options, handler_);
    return server.ok() ? std::string() : server.status().message();
  }

  TemporaryFolder folder_;
  FunctionHandler handler_{[](const std::shared_ptr<HttpExchange>& exchange) {
    EXPECT_TRUE(exchange->request().head.is_secure);
    echo(exchange);
  }};
};

TEST_F(HttpTls, ServesAndCloses) {
  const auto server = serve(make_certificate(folder(), "first"));
  EXPECT_TRUE(server->url().starts_with("https://127.0.0.1:"));
  const TlsClient client(server->port());
  ASSERT_TRUE(client.is_connected());
  ASSERT_TRUE(
      client.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
                  "GET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
  const std::string replies = client.read_all();
  EXPECT_NE(replies.find("POST /a  hello"), std::string::npos);
  EXPECT_NE(replies.find("GET /b  "), std::string::npos);
}

TEST_F(HttpTls, RefusesOldVersionsAndPlainTextAndSlowHandshakes) {
  const auto server = serve(make_certificate(folder(), "first"));
  EXPECT_FALSE(TlsClient(server->port(), TLS1_1_VERSION).is_connected());
  EXPECT_TRUE(TlsClient(server->port(), TLS1_2_VERSION).is_connected());
  RawClient plain(server->port());
  ASSERT_TRUE(plain.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_TRUE(plain.is_closed_within(milliseconds(900)));
  RawClient silent(server->port());
  EXPECT_FALSE(silent.is_closed_within(milliseconds(500)));
  EXPECT_TRUE(silent.is_closed_within(milliseconds(5000)));
}

TEST_F(HttpTls, NoticesClientsThatLeave) {
  std::mutex mutex;
  std::shared_ptr<HttpExchange> kept;
  std::atomic<int> gone{0};
  FunctionHandler handler([&](std::shared_ptr<HttpExchange> exchange) {
    exchange->when_gone([&] { ++gone; });
    exchange->begin_stream({});
    exchange->send("part");
    const std::lock_guard lock(mutex);
    kept = std::move(exchange);
  });
  HttpServerOptions options = small_limits();
  options.tls = make_certificate(folder(), "first");
  const auto server = started(options, handler);
  {
    const TlsClient client(server->port());
    ASSERT_TRUE(client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    ASSERT_TRUE(becomes_true([&] {
      const std::lock_guard lock(mutex);
      return kept != nullptr;
    }));
  }
  EXPECT_TRUE(becomes_true([&] { return gone == 1; }));
  EXPECT_TRUE(becomes_true([&] { return server->connection_count() == 0; }));
}

TEST_F(HttpTls, ReadsItsCertificateAgain) {
  const HttpTlsFiles files = make_certificate(folder(), "first");
  const auto server = serve(files);
  EXPECT_EQ(TlsClient(server->port()).name_of_server(), "first");
  const HttpTlsFiles second = make_certificate(folder(), "second");
  std::filesystem::rename(second.key, files.key);
  EXPECT_FALSE(server->reload_certificate().ok());  // only half of it is there
  EXPECT_EQ(TlsClient(server->port()).name_of_server(), "first");
  std::filesystem::rename(second.certificate, files.certificate);
  ASSERT_TRUE(server->reload_certificate().ok());
  EXPECT_EQ(TlsClient(server->port()).name_of_server(), "second");
}

TEST_F(HttpTls, ErrorsNameTheFile) {
  const HttpTlsFiles first = make_certificate(folder(), "first");
  const HttpTlsFiles second = make_certificate(folder(), "second");
  const std::string missing = folder() + "/missing.pem";
  EXPECT_EQ(error_of({missing, first.key}), fmt::format("the certificate file {} cannot be read", missing));
  EXPECT_EQ(error_of({first.certificate, missing}), fmt::format("the key file {} cannot be read", missing));
  const std::string junk = folder() + "/junk.pem";
  std::ofstream(junk) << "junk";
  EXPECT_NE(error_of({junk, first.key}).find(junk), std::string::npos);
  EXPECT_NE(error_of({first.certificate, junk}).find(junk), std::string::npos);
  EXPECT_NE(error_of({first.certificate, second.key}).find(second.key), std::string::npos);
}

}  // namespace
}  // namespace cairn
