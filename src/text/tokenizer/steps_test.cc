// The small parts: the byte-level alphabet, patterns, splits.
#include <gtest/gtest.h>

#include "text/tokenizer/byte_level.h"
#include "text/tokenizer/pre_tokenizer.h"
#include "text/tokenizer/regex.h"

namespace cairn {
namespace {

TEST(ByteLevel, EveryByteThereAndBack) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string bytes(1, static_cast<char>(byte));
    EXPECT_EQ(bytes_of_byte_level(byte_level_of_bytes(bytes)), bytes);
  }
  EXPECT_EQ(byte_level_of_bytes(" \n"), "ĠĊ");
  EXPECT_EQ(bytes_of_byte_level("a b"), std::nullopt);
}

std::optional<RegexMatch> first_match(std::string_view pattern, std::string_view text) {
  auto regex = Regex::compile(pattern);
  EXPECT_TRUE(regex.ok()) << regex.status().message();
  Regex::Matcher matcher(*regex);
  auto match = matcher.find(text, 0);
  EXPECT_TRUE(match.ok());
  return *match;
}

TEST(Regex, ClassesMeanWhatTheTokenizersMean) {
  EXPECT_TRUE(first_match(R"(\s)", "\xC2\x85"));        // next line
  EXPECT_TRUE(first_match(R"([\s])", "\xE3\x80\x80"));  // ideographic space
  EXPECT_FALSE(first_match(R"(\s)", "\xE1\xA0\x8E"));   // U+180E is not white space
  EXPECT_TRUE(first_match(R"([^\s])", "\xE1\xA0\x8E"));
  EXPECT_TRUE(first_match(R"(\S)", "\xE2\x80\x8B"));    // nor is the zero-width space
  EXPECT_TRUE(first_match(R"(^\w+$)", "e\xCC\x81"));    // a mark is part of a word
  EXPECT_TRUE(first_match(R"((?i:'s))", "'\xC5\xBF"));  // the long s
  EXPECT_TRUE(first_match(R"(\p{N})", "½"));
  EXPECT_TRUE(first_match("^b", "a\nb"));  // ^ matches at every line
}

// All matches of `pattern` in `text`, with | between.
std::string matches(std::string_view pattern, std::string_view text) {
  auto regex = Regex::compile(pattern);
  EXPECT_TRUE(regex.ok()) << pattern << ": " << regex.status().message();
  Regex::Matcher matcher(*regex);
  std::string out;
  for (size_t at = 0;;) {
    const auto match = matcher.find(text, at);
    EXPECT_TRUE(match.ok());
    if (!*match) return out;
    at = (*match)->end;
    out += (out.empty() ? "" : "|") + std::string(text.substr((*match)->begin, at - (*match)->begin));
  }
}

TEST(Regex, ClassesInsideClasses) {
  EXPECT_EQ(matches("[a[0-9]]+", "xa1b2a"), "a1|2a");
  EXPECT_EQ(matches("[^a[0-9]]+", "xa1bc2"), "x|bc");
  EXPECT_EQ(matches("[x[^a-z]]+", "axX1b"), "xX1");
  EXPECT_EQ(matches("[[a]b]+", "abc"), "ab");
  EXPECT_EQ(matches("[[:digit:]_]+", "a1_b"), "1_");
  EXPECT_EQ(matches(R"([\W_]+)", "ab_! c"), "_! ");
  EXPECT_EQ(matches("[]a]+", "b]a"), "]a");
  EXPECT_EQ(matches("[^]a]+", "b]ac"), "b|c");
}

// A character is one wherever it stands in a class, also where the classes before it are written elsewhere.
TEST(Regex, ClassesKeepTheirCharacters) {
  for (const char* pattern : {R"([\W^x])", R"([\Wx^])", "[[x]^]", R"([\W:x:])"}) {
    EXPECT_TRUE(first_match(pattern, "x").has_value()) << pattern;
    EXPECT_FALSE(first_match(pattern, "a").has_value()) << pattern;
  }
  EXPECT_TRUE(first_match("[[x]^]", "^").has_value());
  EXPECT_TRUE(first_match(R"([\H:])", ":").has_value());
  EXPECT_TRUE(first_match("[^^x]", "a").has_value());
  EXPECT_FALSE(first_match("[^^x]", "^").has_value());
}

TEST(Regex, ClassesMayBeIntersected) {
  EXPECT_EQ(matches("[a-z&&[^aeiou]]+", "hello"), "h|ll");
  EXPECT_EQ(matches("[^a-z&&[^aeiou]]+", "hello1"), "e|o1");
  EXPECT_EQ(matches(R"([\p{L}&&[^\p{Han}]]+)", "ab你好c"), "ab|c");
  EXPECT_EQ(matches("[a-f&&d-z&&[^e]]", "adefz"), "d|f");
}

TEST(Regex, EscapesOfTheTokenizersEngine) {
  EXPECT_EQ(matches(R"(\bab\b)", "ab abc ab_ (ab)"), "ab|ab");
  EXPECT_EQ(matches(R"(\Bb)", "ab b"), "b");
  EXPECT_EQ(matches(R"(\be\w+)", "e\xCC\x81t"), "e\xCC\x81t");  // a mark ends no word
  EXPECT_EQ(matches(R"([\u4e00-\u9FA5]+)", "a你好"), "你好");
}

TEST(Regex, WhatCannotBeReadIsRefused) {
  for (const char* pattern : {"(", "[a", "[a&&b", "[[:alpha]", "[^"}) {
    const auto regex = Regex::compile(pattern);
    ASSERT_FALSE(regex.ok()) << pattern;
    EXPECT_EQ(regex.status().code(), StatusCode::kInvalidData) << pattern;
  }
  EXPECT_FALSE(Regex::compile(std::string(1000, '[')).ok());
}

TEST(Regex, APatternThatRunsWildEnds) {
  auto regex = Regex::compile("(a+)+(b|c)(?<=d)");
  ASSERT_TRUE(regex.ok());
  Regex::Matcher matcher(*regex);
  const auto match = matcher.find(std::string(64, 'a') + "b", 0);
  if (!match.ok()) {
    EXPECT_EQ(match.status().code(), StatusCode::kUnsupported);
  }
}

std::vector<std::string> split(SplitBehavior behavior, std::string_view text, bool invert = false) {
  const PreTokenizer splitter({SplitStep{std::string("-"), behavior, invert}});
  Words words;
  words.words.push_back({text, true});
  EXPECT_TRUE(splitter.apply(words).ok());
  std::vector<std::string> out;
  for (const Word& word : words.words) out.emplace_back(word.text);
  return out;
}

TEST(PreTokenizer, Behaviors) {
  using Out = std::vector<std::string>;
  EXPECT_EQ(split(SplitBehavior::kRemoved, "the-final--countdown"), (Out{"the", "final", "countdown"}));
  EXPECT_EQ(split(SplitBehavior::kIsolated, "the-final--countdown"),
            (Out{"the", "-", "final", "-", "-", "countdown"}));
  EXPECT_EQ(split(SplitBehavior::kMergedWithPrevious, "the-final--countdown"),
            (Out{"the-", "final-", "-", "countdown"}));
  EXPECT_EQ(split(SplitBehavior::kMergedWithNext, "the-final--countdown"),
            (Out{"the", "-final", "-", "-countdown"}));
  EXPECT_EQ(split(SplitBehavior::kContiguous, "the-final--countdown"),
            (Out{"the", "-", "final", "--", "countdown"}));
  EXPECT_EQ(split(SplitBehavior::kRemoved, "a-b", true), (Out{"-"}));
  EXPECT_EQ(split(SplitBehavior::kMergedWithNext, "a-"), (Out{"a", "-"}));
  EXPECT_EQ(split(SplitBehavior::kIsolated, ""), (Out{}));
}

}  // namespace
}  // namespace cairn
