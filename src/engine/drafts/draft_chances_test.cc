#include "engine/drafts/draft_chances.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

TEST(DraftChances, LongerMatchesAreGuessedToBeBetter) {
  const DraftChances chances;
  EXPECT_LT(chances.chance(2), chances.chance(4));
  EXPECT_LT(chances.chance(4), chances.chance(8));
  EXPECT_LT(chances.chance(8), chances.chance(16));
  EXPECT_EQ(chances.chance(2), chances.chance(3));
  EXPECT_EQ(chances.chance(1), chances.chance(2));
  EXPECT_EQ(chances.chance(32), chances.chance(100));
}

TEST(DraftChances, AreLearnedByLength) {
  DraftChances chances;
  const double guess = chances.chance(16);
  for (int i = 0; i < 10; ++i) chances.note(2, 5, 0);
  EXPECT_LT(chances.chance(2), 0.2);
  EXPECT_EQ(chances.chance(16), guess);
  for (int i = 0; i < 3; ++i) chances.note(16, 8, 8);
  EXPECT_GT(chances.chance(16), 0.95);
  EXPECT_LT(chances.chance(16), 1);
}

// Of a draft of eight with six right: six tries went well, one did not, and of the last nothing is known.
TEST(DraftChances, WhatComesBehindAWrongTokenSaysNothing) {
  DraftChances eight;
  DraftChances seven;
  eight.note(4, 8, 6);
  seven.note(4, 7, 6);
  EXPECT_EQ(eight.chance(4), seven.chance(4));
}

TEST(DraftChances, OldTriesAreForgotten) {
  DraftChances chances;
  for (int i = 0; i < 1000; ++i) chances.note(4, 4, 4);
  for (int i = 0; i < 40; ++i) chances.note(4, 4, 0);
  EXPECT_LT(chances.chance(4), 0.5);
}

}  // namespace
}  // namespace cairn
