#include "base/utf8.h"

#include <gtest/gtest.h>

#include <array>
#include <random>

namespace cairn {
namespace {

using namespace std::string_view_literals;

std::string taken(std::string_view in) {
  std::string out;
  const size_t used = take_utf8(in, out);
  return out + "|" + std::string(in.substr(used));
}

TEST(Utf8, TakesEachMaximalInvalidPartAsOneReplacement) {
  EXPECT_EQ(taken("aé😀"), "aé😀|");
  EXPECT_EQ(taken("\x80"), "\xEF\xBF\xBD|");
  EXPECT_EQ(taken("\xE2\x28"), "\xEF\xBF\xBD(|");
  EXPECT_EQ(taken("\xE2\x82\x28"), "\xEF\xBF\xBD(|");
  EXPECT_EQ(taken("\xF0\x9F\x98"), "|\xF0\x9F\x98");
  EXPECT_EQ(taken("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD|");  // a surrogate
  EXPECT_EQ(taken("\xC0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD|");                  // an overlong zero
  EXPECT_EQ(taken("\xF8"), "\xEF\xBF\xBD|");
}

TEST(Utf8, EveryCharacterThereAndBack) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string text;
    append_utf8(text, c);
    ASSERT_FALSE(find_invalid_utf8(text)) << text;
    ASSERT_EQ(utf8_at(text, 0), c);
    ASSERT_EQ(utf8_length(text[0]), text.size());
    ASSERT_EQ(utf8_before(text, text.size()), 0U);
  }
}

// No character is in them: their first byte counts as one, and so does their last.
constexpr std::array kInvalid{
    "\x80"sv,
    "\xBF"sv,  // a continuation without a start
    "\xC0\x80"sv,
    "\xC1\xBF"sv,  // overlong, two bytes
    "\xE0\x80\x80"sv,
    "\xE0\x9F\xBF"sv,  // overlong, three
    "\xF0\x80\x80\x80"sv,
    "\xF0\x8F\xBF\xBF"sv,  // overlong, four
    "\xED\xA0\x80"sv,
    "\xED\xBF\xBF"sv,  // the first and the last surrogate
    "\xF4\x90\x80\x80"sv,
    "\xF5\x80\x80\x80"sv,  // past U+10FFFF
    "\xF8\x88\x80\x80\x80"sv,
    "\xFE"sv,
    "\xFF"sv,
};
// The lowest and the highest of each length, and the neighbours of the surrogates.
constexpr std::array kWhole{
    "\x00"sv,         "\x7F"sv,         "\xC2\x80"sv,     "\xDF\xBF"sv,         "\xE0\xA0\x80"sv,
    "\xED\x9F\xBF"sv, "\xEE\x80\x80"sv, "\xEF\xBF\xBF"sv, "\xF0\x90\x80\x80"sv, "\xF4\x8F\xBF\xBF"sv,
};

void expect_replacement(Character c) {
  EXPECT_EQ(c.code, kReplacementCharacter);
  EXPECT_EQ(c.bytes, 1U);
}

TEST(Utf8, RefusesOverlongFormsSurrogatesAndWhatLiesPastTheEnd) {
  for (const std::string_view text : kInvalid) {
    SCOPED_TRACE(testing::PrintToString(text));
    EXPECT_EQ(find_invalid_utf8(text), 0U);
    EXPECT_EQ(find_invalid_utf8("ab" + std::string(text)), 2U);
    expect_replacement(first_character(text));
    expect_replacement(last_character(text));
    EXPECT_EQ(count_characters(text), text.size());
  }
}

TEST(Utf8, TakesATruncatedCharacterForInvalidOrWaitsForItsRest) {
  for (const std::string_view whole : kWhole) {
    for (size_t bytes = 1; bytes < whole.size(); ++bytes) {
      const std::string_view cut = whole.substr(0, bytes);
      SCOPED_TRACE(testing::PrintToString(cut));
      EXPECT_EQ(find_invalid_utf8(cut), 0U);
      expect_replacement(first_character(cut));
      expect_replacement(last_character(cut));
      EXPECT_EQ(taken(cut), "|" + std::string(cut));
      EXPECT_EQ(taken(std::string(cut) + "a"),
                "\xEF\xBF\xBD"
                "a|");
    }
  }
}

TEST(Utf8, FirstAndLastCharacterOfValidText) {
  for (const std::string_view whole : kWhole) {
    SCOPED_TRACE(testing::PrintToString(whole));
    EXPECT_EQ(find_invalid_utf8(whole), std::nullopt);
    EXPECT_EQ(first_character(std::string(whole) + "é").bytes, whole.size());
    EXPECT_EQ(first_character(whole).code, utf8_at(whole, 0));
    EXPECT_EQ(last_character("é" + std::string(whole)).bytes, whole.size());
    EXPECT_EQ(last_character(whole).code, utf8_at(whole, 0));
  }
  EXPECT_EQ(first_character("\xEF\xBF\xBD").bytes, 3U);  // a U+FFFD of the text's own
  expect_replacement(last_character("a\x80"));
  expect_replacement(last_character("😀\x80"));
}

TEST(Utf8, AllWalksAgreeOnAnyBytes) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (size_t part = random() % 6; part > 0; --part) {
      text += random() % 2 == 0 ? kInvalid[random() % kInvalid.size()] : kWhole[random() % kWhole.size()];
      if (random() % 4 == 0) text.pop_back();
    }
    SCOPED_TRACE(testing::PrintToString(text));
    const std::vector<std::string_view> characters = characters_of(text);
    ASSERT_EQ(characters.size(), count_characters(text));
    std::optional<size_t> invalid;
    std::string joined;
    for (const std::string_view character : characters) {
      const bool whole =
          first_character(character).bytes == character.size() && !find_invalid_utf8(character);
      ASSERT_TRUE(whole || character.size() == 1);
      if (!whole && !invalid) invalid = joined.size();
      ASSERT_EQ(last_character(joined + std::string(character)).bytes, character.size());
      joined += character;
    }
    ASSERT_EQ(joined, text);
    ASSERT_EQ(find_invalid_utf8(text), invalid);
    std::string out;
    ASSERT_LE(text.size() - take_utf8(text, out), 3U);
    ASSERT_FALSE(find_invalid_utf8(out));
    if (!invalid) {
      ASSERT_EQ(out, text);
    }
  }
}

}  // namespace
}  // namespace cairn
