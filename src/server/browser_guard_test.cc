#include "server/browser_guard.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

HttpHead head_of(std::vector<HttpHeader> headers, std::string method = "POST") {
  return {.method = std::move(method), .path = "/v1/completions", .headers = std::move(headers)};
}

bool refuses(const BrowserGuard& guard, const HttpHead& head) {
  const auto reply = guard.check(head);
  return reply.has_value() && reply->status == 403;
}

TEST(BrowserGuard, ProgramsWithoutOriginPass) {
  const BrowserGuard guard({});
  EXPECT_FALSE(guard.check(head_of({{"Host", "localhost:8080"}})).has_value());
  EXPECT_FALSE(guard.check(head_of({})).has_value());
  EXPECT_TRUE(guard.headers(head_of({{"Host", "localhost"}})).empty());
}

TEST(BrowserGuard, ItsOwnPagePasses) {
  const BrowserGuard guard({});
  EXPECT_FALSE(
      guard.check(head_of({{"Host", "127.0.0.1:8080"}, {"Origin", "http://127.0.0.1:8080"}})).has_value());
  HttpHead secure = head_of({{"Host", "localhost"}, {"Origin", "https://localhost"}});
  secure.is_secure = true;
  EXPECT_FALSE(guard.check(secure).has_value());
}

TEST(BrowserGuard, ItsOwnPageBehindAProxyThatEndsTlsPasses) {
  const BrowserGuard guard({.host_check = HostCheck::kAnyHost});
  EXPECT_FALSE(
      guard.check(head_of({{"Host", "llm.example.org"}, {"Origin", "https://llm.example.org"}})).has_value());
  HttpHead secure = head_of({{"Host", "llm.example.org"}, {"Origin", "http://llm.example.org"}});
  secure.is_secure = true;
  EXPECT_TRUE(refuses(guard, secure));
}

TEST(BrowserGuard, ForeignPagesAreRefused) {
  const BrowserGuard guard({});
  for (const char* origin : {"http://evil.example", "ftp://localhost", "http://localhost:9999", "null", ""}) {
    EXPECT_TRUE(refuses(guard, head_of({{"Host", "localhost"}, {"Origin", origin}}))) << origin;
  }
}

TEST(BrowserGuard, ANameThatOnlyResolvesToLoopbackIsRefused) {
  const BrowserGuard guard({.hosts = {"llm.example.org"}});
  EXPECT_TRUE(refuses(guard, head_of({{"Host", "evil.example:8080"}})));
  EXPECT_TRUE(refuses(guard, head_of({{"Host", "evil.example"}, {"Origin", "http://evil.example"}})));
  EXPECT_FALSE(guard.check(head_of({{"Host", "LLM.example.org:443"}})).has_value());
  EXPECT_FALSE(guard.check(head_of({{"Host", "[::1]:8080"}})).has_value());
  const BrowserGuard any({.host_check = HostCheck::kAnyHost});
  EXPECT_FALSE(any.check(head_of({{"Host", "evil.example"}})).has_value());
}

TEST(BrowserGuard, OriginsThatAreNamedGetTheirHeaders) {
  const BrowserGuard guard({.origins = {"https://chat.example.org"}});
  const HttpHead head = head_of({{"Host", "localhost"}, {"Origin", "https://chat.example.org"}});
  EXPECT_FALSE(guard.check(head).has_value());
  ASSERT_FALSE(guard.headers(head).empty());
  EXPECT_EQ(guard.headers(head)[0].value, "https://chat.example.org");
  EXPECT_TRUE(refuses(guard, head_of({{"Host", "localhost"}, {"Origin", "https://chat.example.org.evil"}})));
}

TEST(BrowserGuard, APreflightIsAnswered) {
  const BrowserGuard guard({.origins = {"*"}});
  const auto reply = guard.check(head_of({{"Host", "localhost"},
                                          {"Origin", "https://any.example"},
                                          {"Access-Control-Request-Method", "POST"},
                                          {"Access-Control-Request-Headers", "authorization"}},
                                         "OPTIONS"));
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->status, 204);
}

}  // namespace
}  // namespace cairn
