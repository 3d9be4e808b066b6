#include "engine/drafts/prompt_lookup.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace cairn {
namespace {

using Tokens = std::vector<TokenId>;

struct Found {
  int64_t match_length = 0;
  Tokens draft;
};

Found found_in(const Tokens& text, size_t draft_length = 4) {
  Found found{.draft = Tokens(draft_length, -1)};
  found.match_length = look_up(text, found.draft);
  return found;
}

// The same by trying every place, longest first.
Found look_up_plainly(const Tokens& text, size_t draft_length) {
  const auto count = std::ssize(text);
  for (int64_t length = kLongestMatch; length >= kShortestMatch; --length) {
    for (int64_t end = count - 1; end >= length; --end) {
      if (length > count || !std::equal(text.end() - length, text.end(), text.begin() + end - length))
        continue;
      Tokens whole = text;
      Found found{.match_length = length};
      for (size_t i = 0; i < draft_length; ++i) {
        found.draft.push_back(whole[static_cast<size_t>(end) + i]);
        whole.push_back(found.draft.back());
      }
      return found;
    }
  }
  return {};
}

TEST(PromptLookup, WhatFollowedBeforeFollowsAgain) {
  const Found found = found_in({7, 1, 2, 3, 4, 5, 6, 9, 1, 2});
  EXPECT_EQ(found.match_length, 2);
  EXPECT_EQ(found.draft, (Tokens{3, 4, 5, 6}));
}

TEST(PromptLookup, ALongerMatchIsBetterThanALaterOne) {
  const Found found = found_in({8, 1, 2, 50, 51, 52, 53, 9, 1, 2, 60, 61, 62, 63, 8, 1, 2});
  EXPECT_EQ(found.match_length, 3);
  EXPECT_EQ(found.draft, (Tokens{50, 51, 52, 53}));
}

TEST(PromptLookup, OfEqualMatchesTheLastCounts) {
  EXPECT_EQ(found_in({1, 2, 50, 51, 9, 1, 2, 60, 61, 9, 8, 1, 2}).draft[0], 60);
}

TEST(PromptLookup, WhatRepeatsGoesOnAndOn) {
  EXPECT_EQ(found_in({4, 4, 4}).draft, (Tokens{4, 4, 4, 4}));
  EXPECT_EQ(found_in({1, 2, 3, 1, 2, 3, 1, 2}, 7).draft, (Tokens{3, 1, 2, 3, 1, 2, 3}));
}

TEST(PromptLookup, OneTokenIsNoMatchAndNorIsNothing) {
  EXPECT_EQ(found_in({1, 2, 3, 4, 1}).match_length, 0);
  EXPECT_EQ(found_in({1, 2, 3, 4}).match_length, 0);
  EXPECT_EQ(found_in({1}).match_length, 0);
  EXPECT_EQ(found_in({1, 1}).match_length, 0);
}

TEST(PromptLookup, AMatchIsAsLongAsTheLongest) {
  Tokens text(40);
  std::iota(text.begin(), text.end(), 100);
  text.insert(text.end(), text.begin(), text.begin() + 30);
  EXPECT_EQ(found_in(text).match_length, kLongestMatch);
  EXPECT_EQ(found_in(text).draft, (Tokens{130, 131, 132, 133}));
}

TEST(PromptLookup, WhatIsFartherThanItsReachIsNotFound) {
  Tokens text{1, 2, 3, 4};
  Tokens filler(static_cast<size_t>(kLookupReach));
  std::iota(filler.begin(), filler.end(), 1000);
  text.insert(text.end(), filler.begin(), filler.end());
  text.insert(text.end(), {1, 2});
  EXPECT_EQ(found_in(text).match_length, 0);
  text.erase(text.begin() + 10, text.begin() + 20);
  EXPECT_EQ(found_in(text).draft, (Tokens{3, 4, 1000, 1001}));
}

TEST(PromptLookup, AgreesWithTryingEveryPlace) {
  uint32_t state = 1;
  for (int round = 0; round < 3000; ++round) {
    Tokens text(round % 40 + 1);
    for (TokenId& token : text) token = static_cast<TokenId>((state = state * 1664525 + 1013904223) >> 30);
    const size_t length = static_cast<size_t>(round % 7);
    const Found found = found_in(text, length);
    const Found expected = look_up_plainly(text, length);
    ASSERT_EQ(found.match_length, expected.match_length) << round;
    if (found.match_length == 0) continue;
    ASSERT_EQ(found.draft, expected.draft) << round;
  }
}

}  // namespace
}  // namespace cairn
