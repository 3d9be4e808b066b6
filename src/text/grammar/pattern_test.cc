#include "text/grammar/pattern.h"

#include <gtest/gtest.h>

#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "text/grammar/grammar_testing.h"

namespace cairn {
namespace {

Result<std::shared_ptr<const Guide>> guide_of(const std::string& keyword, const std::string& value) {
  GuideSpec spec;
  spec.answer = {AnswerSpec::Kind::kJsonSchema, boost::json::object{{"type", "string"}, {keyword, value}}};
  return Guide::compile(byte_vocabulary(), spec);
}

struct Case {
  const char* pattern;
  std::vector<std::string> good, bad;  // between quotes, as JSON
};

const Case kCases[] = {
    {"^abc$", {"abc"}, {"ab", "abcd", ""}},
    {"b", {"b", "abc", "\\u0041b"}, {"", "ac"}},
    {"^a", {"a", "abc"}, {"ba"}},
    {"a$", {"a", "ba"}, {"ab"}},
    {"^a|b$", {"a", "ax", "xb", "b"}, {"xa", "bx"}},
    {"^(a|bc)*$", {"", "a", "bc", "abca"}, {"b", "ab"}},
    {"^(?:x+y?){2}$", {"xx", "xyx", "xxxy"}, {"x", "y", "xyxyx "}},
    {"^a{2,3}$", {"aa", "aaa"}, {"a", "aaaa"}},
    {"^a{2,}$", {"aa", "aaaaaa"}, {"a"}},
    {"^a{0}b$", {"b"}, {"ab"}},
    {"^[a-c_]+$", {"abc_"}, {"d", ""}},
    {"^[^a-c]$", {"d", "\xC3\xA9", "\xF0\x9F\x98\x80", "\\n", "\\\""}, {"a", "dd", "\\u0041"}},
    {"^\\d\\w\\s$", {"1a ", "0_\\t"}, {"aa ", "1a"}},
    {"^\\D\\W\\S$", {"a-x"}, {"1-x", "aax", "a- "}},
    {"^.$", {"x", "\\\\", "\xE2\x82\xAC"}, {"\\n", "xy"}},
    {"^\"\\\\/$", {"\\\"\\\\/"}, {"\"", "\\\"\\\\\\/"}},
    {"^\\u00e9\\x41\\.$",
     {"\xC3\xA9"
      "A."},
     {"eA."}},
    {"^[\\]\\-x-]$", {"]", "-", "x"}, {"y"}},
    {"^\xC3\xA9+?$", {"\xC3\xA9", "\xC3\xA9\xC3\xA9"}, {"\xC3"}},
    {"^[\xCE\xB1-\xCF\x89]$", {"\xCE\xB2", "\xCF\x80"}, {"a", "\xCF\x8A"}},
    {"", {"", "anything"}, {}},
    {"^((a*)*)*$", {"", "aaa"}, {"b"}},
};

TEST(Pattern, ReadsWhatMatchesAndNothingElse) {
  for (const Case& one : kCases) {
    const auto guide = guide_of("pattern", one.pattern);
    ASSERT_TRUE(guide.ok()) << one.pattern << ": " << guide.status().message();
    for (const std::string& text : one.good)
      EXPECT_TRUE(reads(*guide, "\"" + text + "\"")) << one.pattern << " must read " << text;
    for (const std::string& text : one.bad)
      EXPECT_FALSE(reads(*guide, "\"" + text + "\"")) << one.pattern << " must not read " << text;
  }
}

TEST(Pattern, WhatIsNotOfTheSubsetIsRefused) {
  for (const char* pattern :
       {"(?=a)", "(?<n>a)", "\\1",     "\\bword", "\\p{L}", "a**",  "*a", "(a", "a)",    "[a",
        "[b-a]", "a{2,1}",  "a{5000}", "a^b",     "a$b",    "(a$)", "\\", "[]", "\\u12", "a{,3}?*"}) {
    const auto guide = guide_of("pattern", pattern);
    EXPECT_FALSE(guide.ok()) << pattern;
    EXPECT_EQ(guide.status().code(), StatusCode::kInvalidArgument);
    EXPECT_NE(guide.status().message().find("pattern"), std::string::npos) << guide.status().message();
  }
}

TEST(Pattern, DeepAndLongPatternsMeetTheirLimits) {
  EXPECT_FALSE(guide_of("pattern", std::string(100, '(') + std::string(100, ')')).ok());
  EXPECT_FALSE(guide_of("pattern", std::string(5'000, 'a')).ok());
  EXPECT_FALSE(guide_of("pattern", "^((a{1000}){1000}){1000}$").ok());
  EXPECT_FALSE(guide_of("pattern", "\xFF").ok());
}

TEST(Pattern, FormatsThatAreWrittenAsPatterns) {
  const auto check = [](const std::string& format, const std::vector<std::string>& good,
                        const std::vector<std::string>& bad) {
    const auto guide = guide_of("format", format);
    ASSERT_TRUE(guide.ok()) << format << ": " << guide.status().message();
    for (const std::string& text : good)
      EXPECT_TRUE(reads(*guide, "\"" + text + "\"")) << format << " must read " << text;
    for (const std::string& text : bad)
      EXPECT_FALSE(reads(*guide, "\"" + text + "\"")) << format << " must not read " << text;
  };
  check("date", {"2024-02-28", "1999-12-31"}, {"2024-02-30", "2024-13-01", "2024-04-31", "24-01-01"});
  check("time", {"23:59:59Z", "00:00:00.5+01:00"}, {"24:00:00Z", "12:00:00"});
  check("date-time", {"2024-05-06T07:08:09Z", "2024-05-06T07:08:09.123-05:30"},
        {"2024-05-06 07:08:09Z", "2024-05-06"});
  check("uuid", {"123e4567-e89b-12d3-a456-426614174000"}, {"123e4567e89b12d3a456426614174000"});
  check("ipv4", {"0.0.0.0", "255.249.199.9"}, {"256.0.0.0", "1.2.3", "01.2.3.4"});
  check("email", {"a.b+c@example.org"}, {"a@b", "@example.org", "a..b@example.org"});
  check("hostname", {"example.org", "a-b"}, {"-a", "a-"});
  check("unheard-of", {"anything"}, {});
}

}  // namespace
}  // namespace cairn
