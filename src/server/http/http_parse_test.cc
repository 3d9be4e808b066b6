#include "server/http/http_parse.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "server/http/message.h"

namespace cairn {
namespace {

using Parameters = std::vector<std::pair<std::string, std::string>>;

TEST(HttpParse, DecodesPercentSigns) {
  EXPECT_EQ(percent_decoded("a%20b%2Fc"), "a b/c");
  EXPECT_EQ(percent_decoded("a+b"), "a+b");
  EXPECT_EQ(percent_decoded("%c3%A9"), "é");
  EXPECT_EQ(percent_decoded(""), "");
  for (const char* bad : {"%", "%2", "%zz", "a%2", "%%20", "% 2"}) {
    EXPECT_FALSE(percent_decoded(bad).has_value()) << bad;
  }
}

TEST(HttpParse, SplitsQueries) {
  EXPECT_EQ(query_parameters("a=1&b=x+y&c"), (Parameters{{"a", "1"}, {"b", "x y"}, {"c", ""}}));
  EXPECT_EQ(query_parameters("a%3D=b=c"), (Parameters{{"a=", "b=c"}}));
  EXPECT_EQ(query_parameters("&&=1&x=%zz&y=2&"), (Parameters{{"y", "2"}}));
  EXPECT_EQ(query_parameters(""), Parameters{});
  EXPECT_EQ(query_parameter("a=1&a=2", "a"), "1");
  EXPECT_FALSE(query_parameter("a=1", "b").has_value());
}

TEST(HttpParse, KnowsWhoTakesGzip) {
  for (const char* yes :
       {"gzip", "GZIP", "deflate, gzip;q=1.0", "x-gzip", "*", "br;q=1, *;q=0.5", "gzip;q=0.001"}) {
    EXPECT_TRUE(accepts_gzip(yes)) << yes;
  }
  for (const char* no : {"", "identity", "gzip;q=0", "gzip; q=0.000", "*;q=0", "gzip;q=0, *", "gzipped"}) {
    EXPECT_FALSE(accepts_gzip(no)) << no;
  }
}

TEST(HttpParse, ComparesEntityTags) {
  EXPECT_TRUE(etag_matches("\"a\"", "\"a\""));
  EXPECT_TRUE(etag_matches("\"b\", W/\"a\"", "\"a\""));
  EXPECT_TRUE(etag_matches(" * ", "\"a\""));
  EXPECT_FALSE(etag_matches("\"ab\"", "\"a\""));
  EXPECT_FALSE(etag_matches("", "\"a\""));
}

TEST(HttpParse, FindsBearerTokens) {
  EXPECT_EQ(bearer_token("Bearer sk-1"), "sk-1");
  EXPECT_EQ(bearer_token("bearer   sk-1 "), "sk-1");
  for (const char* bad : {"", "Bearer", "Bearer ", "Bearer   ", "Basic abc", "sk-1"}) {
    EXPECT_FALSE(bearer_token(bad).has_value()) << bad;
  }
}

TEST(HttpParse, SplitsTargets) {
  const auto check = [](std::string_view target, std::string_view path, std::string_view query) {
    const auto parts = split_target(target);
    ASSERT_TRUE(parts.has_value()) << target;
    EXPECT_EQ(parts->path, path) << target;
    EXPECT_EQ(parts->query, query) << target;
  };
  check("/", "/", "");
  check("/a/b?c=d?e", "/a/b", "c=d?e");
  check("http://host:80/a?b", "/a", "b");
  check("HTTP://host", "/", "");
  check("https://host?b", "/", "b");
  check("*", "*", "");
  for (const char* bad : {"", "a", "host:443", "http://", "http:///a", "ftp://host/a"}) {
    EXPECT_FALSE(split_target(bad).has_value()) << bad;
  }
}

TEST(HttpParse, AnswersWhateverItIsGiven) {
  const std::string_view letters = "%=&+;,q0.\"W/*? ahtp:2f";
  uint64_t at = 0;
  const auto draw = [&at](size_t end) { return static_cast<size_t>(random_bits(7, 0, at++) % end); };
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    const size_t size = draw(24);
    while (text.size() < size) text.push_back(letters[draw(letters.size())]);
    const auto decoded = percent_decoded(text);
    EXPECT_LE(decoded.value_or("").size(), text.size());
    for (const auto& [name, value] : query_parameters(text)) EXPECT_FALSE(name.empty() && value.empty());
    (void)accepts_gzip(text);
    (void)etag_matches(text, "\"a\"");
    (void)bearer_token(text);
    const auto parts = split_target(text);
    EXPECT_TRUE(!parts || parts->path == "*" || parts->path.starts_with('/')) << text;
  }
}

TEST(HttpMessage, FindsHeadersWhateverTheirCase) {
  const HttpHead head{.method = "GET",
                      .path = "/",
                      .query = {},
                      .peer = {},
                      .headers = {{"Content-Type", "a"}, {"content-type", "b"}}};
  EXPECT_EQ(head.header("CONTENT-TYPE"), "a");
  EXPECT_FALSE(head.header("content").has_value());
  EXPECT_EQ(http_reason(404), "Not Found");
  EXPECT_EQ(http_reason(299), "Unknown");
}

}  // namespace
}  // namespace cairn
