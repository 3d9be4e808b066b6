#include "engine/drafts/draft_sizes.h"

#include <gtest/gtest.h>

#include <vector>

namespace cairn {
namespace {

constexpr int64_t kNoLimit = 1000;

// What is granted where a step of `rows` rows takes ns(rows).
template <typename Ns>
std::vector<int64_t> choose(int64_t sequence_count, std::vector<DraftOffer> offers, const Ns& ns,
                            int64_t row_limit = kNoLimit) {
  DraftSizes sizes;
  for (int64_t rows = 1; rows <= kMostVerifiedRows; ++rows) sizes.note(rows, ns(rows));
  sizes.choose(sequence_count, row_limit, offers);
  std::vector<int64_t> granted;
  for (const DraftOffer& offer : offers) granted.push_back(offer.granted);
  return granted;
}

uint64_t is_free(int64_t /*rows*/) { return 1000; }
uint64_t by_row(int64_t rows) { return 1000 * static_cast<uint64_t>(rows); }
// Four rows at the price of one, as kernels that compute tiles of rows have it.
uint64_t by_tile(int64_t rows) { return 1000 * static_cast<uint64_t>((rows + 3) / 4); }

TEST(DraftSizes, RowsThatCostNothingAreAllVerified) {
  EXPECT_EQ(choose(1, {{.length = 15, .chance = 0.9}}, is_free), (std::vector<int64_t>{15}));
}

TEST(DraftSizes, WhatMayBeWrongIsNotWorthAWholeRowsTime) {
  EXPECT_EQ(choose(1, {{.length = 15, .chance = 0.95}}, by_row), (std::vector<int64_t>{0}));
}

TEST(DraftSizes, ATileIsFilledAndNotAnotherBegun) {
  EXPECT_EQ(choose(1, {{.length = 15, .chance = 0.5}}, by_tile), (std::vector<int64_t>{3}));
  EXPECT_EQ(choose(2, {{.length = 15, .chance = 0.5}, {.length = 0, .chance = 0}}, by_tile),
            (std::vector<int64_t>{2, 0}));
}

TEST(DraftSizes, TheLikelierTokensGetTheRows) {
  EXPECT_EQ(choose(2, {{.length = 15, .chance = 0.3}, {.length = 15, .chance = 0.95}}, by_tile, 4),
            (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(choose(2, {{.length = 15, .chance = 0.5}, {.length = 1, .chance = 0.95}}, by_tile, 4),
            (std::vector<int64_t>{1, 1}));
}

TEST(DraftSizes, NeverMoreRowsThanTheLimit) {
  EXPECT_EQ(choose(1, {{.length = 15, .chance = 0.9}}, is_free, 5), (std::vector<int64_t>{4}));
  EXPECT_EQ(choose(5, std::vector<DraftOffer>(5, {.length = 15, .chance = 0.9}), is_free, 5),
            (std::vector<int64_t>(5, 0)));
  EXPECT_EQ(choose(kMostVerifiedRows + 8, std::vector<DraftOffer>(kMostVerifiedRows + 8, {15, 0.9}), is_free),
            (std::vector<int64_t>(kMostVerifiedRows + 8, 0)));
}

TEST(DraftSizes, NothingIsVerifiedBeforeAStepWasMeasured) {
  DraftSizes sizes;
  std::vector<DraftOffer> offers{{.length = 8, .chance = 0.9}};
  sizes.choose(1, kNoLimit, offers);
  EXPECT_EQ(offers[0].granted, 0);
  sizes.note(1, 1000);
  sizes.choose(1, kNoLimit, offers);
  EXPECT_GT(offers[0].granted, 0);
}

// A batch of many decodes at the price of its rows: no draft.
TEST(DraftSizes, WhereBatchesMakeItALossItIsOff) {
  const auto costly = [](int64_t rows) {
    return rows <= 4 ? 1000 : 1000 + 300 * static_cast<uint64_t>(rows - 4);
  };
  EXPECT_EQ(choose(1, {{.length = 3, .chance = 0.7}}, costly)[0], 3);
  EXPECT_EQ(choose(12, std::vector<DraftOffer>(12, {.length = 3, .chance = 0.7}), costly),
            (std::vector<int64_t>(12, 0)));
}

// A model that guesses takes its time, too.
TEST(DraftSizes, WhatGuessingTakesCounts) {
  DraftSizes sizes;
  for (int64_t rows = 1; rows <= kMostVerifiedRows; ++rows) sizes.note(rows, is_free(rows));
  std::vector<DraftOffer> offers{{.length = 15, .chance = 0.8}};
  sizes.note_drafting(100);
  sizes.choose(1, kNoLimit, offers);
  EXPECT_GT(offers[0].granted, 3);
  EXPECT_LT(offers[0].granted, 15);
  for (int i = 0; i < 3; ++i) sizes.note_drafting(1000);
  sizes.choose(1, kNoLimit, offers);
  EXPECT_EQ(offers[0].granted, 0);
}

TEST(DraftSizes, WhatLooksLikeALossIsTriedAgainNowAndThen) {
  DraftSizes sizes;
  for (int64_t rows = 1; rows <= kMostVerifiedRows; ++rows) sizes.note(rows, by_row(rows));
  int64_t tries = 0;
  for (int step = 0; step < 1000; ++step) {
    std::vector<DraftOffer> offers{{.length = 8, .chance = 0.9}};
    sizes.choose(1, kNoLimit, offers);
    if (offers[0].granted > 0) ++tries;
  }
  EXPECT_GE(tries, 3);
  EXPECT_LE(tries, 10);
}

// Steps of one row were slow behind a long text; now there is a short one.
TEST(DraftSizes, FewerRowsThatTookLongerAreForgotten) {
  DraftSizes sizes;
  for (int i = 0; i < 3; ++i) sizes.note(1, 9000);
  for (int i = 0; i < 3; ++i) sizes.note(2, 9000);
  sizes.note(3, 1000);
  std::vector<DraftOffer> offers{{.length = 15, .chance = 0.9}};
  sizes.choose(3, kNoLimit, offers);
  EXPECT_GT(offers[0].granted, 0);
}

// One slow step changes nothing; a slow minute is forgotten.
TEST(DraftSizes, TimesAreMediansOfTheLastSteps) {
  DraftSizes sizes;
  std::vector<DraftOffer> offers{{.length = 3, .chance = 0.9}};
  for (int i = 0; i < 3; ++i) sizes.note(1, 1000);
  for (int i = 0; i < 3; ++i) sizes.note(4, 1000);
  sizes.note(4, 50'000);
  sizes.choose(1, kNoLimit, offers);
  EXPECT_EQ(offers[0].granted, 3);
  sizes.note(4, 50'000);
  sizes.choose(1, 4, offers);
  EXPECT_LT(offers[0].granted, 3);
  for (int i = 0; i < 3; ++i) sizes.note(4, 1000);
  sizes.choose(1, kNoLimit, offers);
  EXPECT_EQ(offers[0].granted, 3);
}

}  // namespace
}  // namespace cairn
