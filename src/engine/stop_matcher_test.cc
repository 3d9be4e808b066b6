#include "engine/stop_matcher.h"

#include <gtest/gtest.h>

#include <random>

namespace cairn {
namespace {

struct Emitted {
  std::string text;
  bool stopped = false;
};

Emitted feed(StopMatcher matcher, const std::vector<std::string>& pieces) {
  Emitted emitted;
  for (const std::string& piece : pieces) {
    const auto output = matcher.push(piece);
    emitted.text += output.text;
    if (output.stopped) return {emitted.text, true};
  }
  emitted.text += matcher.flush();
  return emitted;
}

TEST(StopMatcher, WithoutStopStringsTellsAtOnce) {
  StopMatcher matcher({});
  EXPECT_EQ(matcher.push("abc").text, "abc");
  EXPECT_EQ(matcher.push("").text, "");
  EXPECT_EQ(matcher.push("d").text, "d");
  EXPECT_EQ(matcher.flush(), "");
}

TEST(StopMatcher, HoldsBackWhatMayBecomeAStopString) {
  StopMatcher matcher({"END"});
  EXPECT_EQ(matcher.push("xE").text, "x");
  EXPECT_EQ(matcher.push("N").text, "");
  EXPECT_EQ(matcher.push("d").text, "ENd");
  EXPECT_EQ(matcher.push("EEN").text, "E");
  const auto output = matcher.push("D and more");
  EXPECT_EQ(output.text, "");
  EXPECT_TRUE(output.stopped);
}

TEST(StopMatcher, TellsTheTextBeforeTheStopString) {
  const Emitted emitted = feed(StopMatcher({"\n\n", "User:"}), {"Hello", " Us", "er", "s\n", "\nUser:"});
  EXPECT_TRUE(emitted.stopped);
  EXPECT_EQ(emitted.text, "Hello Users");
}

TEST(StopMatcher, FlushTellsABeginningThatNeverCameTrue) {
  const Emitted emitted = feed(StopMatcher({"END"}), {"the EN"});
  EXPECT_FALSE(emitted.stopped);
  EXPECT_EQ(emitted.text, "the EN");
}

TEST(StopMatcher, TheFirstCompleteOneWinsAndTheLongestOfTwo) {
  EXPECT_EQ(feed(StopMatcher({"abcd", "bc"}), {"xabcd"}).text, "xa");
  EXPECT_EQ(feed(StopMatcher({"bc", "abc"}), {"xabc"}).text, "x");
}

// Pieces in [...] are hidden.
Emitted feed_with_hidden(const std::vector<std::string>& stops, const std::vector<std::string>& pieces) {
  StopMatcher matcher(stops);
  Emitted emitted;
  for (const std::string& piece : pieces) {
    const bool hidden = piece.starts_with('[');
    const auto output = hidden ? matcher.push_hidden(piece.substr(1, piece.size() - 2)) : matcher.push(piece);
    emitted.text += output.text;
    if (output.stopped) return {emitted.text, true};
  }
  emitted.text += matcher.flush();
  return emitted;
}

TEST(StopMatcher, AStopStringMayBeHiddenText) {
  const Emitted emitted = feed_with_hidden({"<s>"}, {"ab", "[<s>]", "c"});
  EXPECT_TRUE(emitted.stopped);
  EXPECT_EQ(emitted.text, "ab");
  EXPECT_EQ(feed_with_hidden({"<t>"}, {"ab", "[<s>]", "c"}).text, "abc");
  EXPECT_EQ(feed_with_hidden({}, {"ab", "[<s>]", "c"}).text, "abc");
  EXPECT_EQ(feed_with_hidden({"<s>user"}, {"ab", "[<s>]", "us", "er"}).text, "ab");
  EXPECT_EQ(feed_with_hidden({"<s>user"}, {"ab", "[<s>]", "us", "e"}).text, "abuse");
  EXPECT_EQ(feed_with_hidden({"b<s>"}, {"ab", "[<s>]"}).text, "a");
  EXPECT_EQ(feed_with_hidden({"<s><t>"}, {"a", "[<s>]", "[<t>]"}).text, "a");
  EXPECT_TRUE(feed_with_hidden({"ab"}, {"a", "[<s>]", "b"}).stopped);  // as it is shown
}

TEST(StopMatcher, AgreesWithTheDefinitionWithHiddenParts) {
  std::mt19937 random(11);
  const auto word = [&](size_t longest) {
    std::string s(1 + random() % longest, 'a');
    for (char& c : s) c = random() % 2 == 0 ? 'a' : 'b';
    return s;
  };
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::string> stops;
    for (size_t i = 0; i <= random() % 3; ++i) stops.push_back(word(6));
    std::vector<std::string> pieces;
    for (size_t i = 0; i < 8; ++i) pieces.push_back(random() % 3 == 0 ? "[" + word(3) + "]" : word(3));

    std::string all;
    std::string shown;
    std::vector<size_t> shown_before;  // each byte of `all`
    Emitted expected;
    for (size_t i = 0; i < pieces.size() && !expected.stopped; ++i) {
      const bool hidden = pieces[i].starts_with('[');
      for (const char c : hidden ? pieces[i].substr(1, pieces[i].size() - 2) : pieces[i]) {
        shown_before.push_back(shown.size());
        all += c;
        if (!hidden) shown += c;
        size_t begin = shown.size() + 1;
        for (const std::string& stop : stops) {
          if (all.ends_with(stop)) begin = std::min(begin, shown_before[all.size() - stop.size()]);
          if (!hidden && shown.ends_with(stop)) begin = std::min(begin, shown.size() - stop.size());
        }
        if (begin <= shown.size()) {
          expected = {shown.substr(0, begin), true};
          break;
        }
      }
    }
    if (!expected.stopped) expected.text = shown;
    const Emitted emitted = feed_with_hidden(stops, pieces);
    ASSERT_EQ(emitted.text, expected.text) << round;
    ASSERT_EQ(emitted.stopped, expected.stopped) << round;
  }
}

// The byte-by-byte definition, over all ways to cut random texts of two letters.
TEST(StopMatcher, AgreesWithTheDefinitionHoweverTextIsCut) {
  std::mt19937 random(7);
  const auto word = [&](size_t longest) {
    std::string s(1 + random() % longest, 'a');
    for (char& c : s) c = random() % 2 == 0 ? 'a' : 'b';
    return s;
  };
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::string> stops;
    for (size_t i = 0; i <= random() % 3; ++i) stops.push_back(word(5) + word(3));
    const std::string text = word(24);

    Emitted expected{text, false};
    for (size_t end = 1; end <= text.size() && !expected.stopped; ++end) {
      size_t longest = 0;
      for (const std::string& stop : stops) {
        if (text.substr(0, end).ends_with(stop)) longest = std::max(longest, stop.size());
      }
      if (longest > 0) expected = {text.substr(0, end - longest), true};
    }

    std::vector<std::string> pieces;
    for (size_t at = 0; at < text.size();) {
      pieces.push_back(text.substr(at, random() % 4));
      at += pieces.back().size();
    }
    const Emitted emitted = feed(StopMatcher(stops), pieces);
    ASSERT_EQ(emitted.text, expected.text) << text;
    ASSERT_EQ(emitted.stopped, expected.stopped) << text;
  }
}

}  // namespace
}  // namespace cairn
