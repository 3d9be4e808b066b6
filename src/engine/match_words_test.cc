#include "engine/match_words.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

Tokenizer tokenizer() {
  TokenizerTables tables{.model = "llama", .tokens = {"<unk>", "cat", "d\n"}, .scores = {0, 0, 0}};
  tables.types = {2, 1, 1};
  tables.unk = 0;
  auto made = make_tokenizer(std::move(tables));
  EXPECT_TRUE(made.ok()) << made.status().message();
  return *made;
}

std::string explained(const KvMatchReport& report, PrefixSharing sharing = PrefixSharing::kOn) {
  return explain_match(report, tokenizer(), sharing);
}

TEST(MatchWords, SaysHowMuchWasFound) {
  EXPECT_EQ(explained({.end = KvMatchEnd::kComplete, .text_positions = 65, .found_positions = 64}),
            "cache: 64 of 65 prompt tokens found; that is every full block before the last token, which "
            "always runs");
  EXPECT_EQ(explained({.end = KvMatchEnd::kShorterThanBlock, .text_positions = 1}),
            "cache: 0 of 1 prompt tokens found; what is kept is found by full blocks of 32 tokens, and the "
            "rest is less than one");
  EXPECT_EQ(
      explained({.end = KvMatchEnd::kNotShared, .text_positions = 100}),
      "cache: 0 of 100 prompt tokens found; this cache shares no prefixes (`prefix_sharing`, or a `storage` "
      "other than paged)");
  EXPECT_EQ(explained({}), "cache: the prompt was never looked up");
}

TEST(MatchWords, TellsOwnRowsFromSharedOnes) {
  EXPECT_EQ(explained({.end = KvMatchEnd::kOwnRows, .text_positions = 100, .found_positions = 70}),
            "cache: 70 of 100 prompt tokens found; they are rows of this conversation, or of the request it "
            "was forked from; no shared block goes further");
  EXPECT_EQ(explained({.end = KvMatchEnd::kOwnRows, .text_positions = 100}),
            "cache: 0 of 100 prompt tokens found; the conversation's own rows differ from the first token "
            "on, and no shared block begins as it does");
}

TEST(MatchWords, ACacheThatSharesNothingIsNotBlamedOnTheText) {
  EXPECT_EQ(
      explained({.end = KvMatchEnd::kOwnRows, .text_positions = 100, .found_positions = 70},
                PrefixSharing::kOff),
      "cache: 70 of 100 prompt tokens found; they are rows of this conversation, or of the request it "
      "was forked from; this cache shares no prefixes (`prefix_sharing`, or a `storage` other than paged)");
  EXPECT_EQ(explained({.end = KvMatchEnd::kOwnRows, .text_positions = 100}, PrefixSharing::kOff),
            "cache: 0 of 100 prompt tokens found; the conversation's own rows differ from the first token "
            "on, and this cache shares no prefixes (`prefix_sharing`, or a `storage` other than paged)");
}

TEST(MatchWords, SaysWhereAndWhyTheMatchEnded) {
  EXPECT_EQ(explained({.end = KvMatchEnd::kNothingKnown, .text_positions = 100}),
            "cache: 0 of 100 prompt tokens found; no known text begins as it does");
  EXPECT_EQ(explained({.end = KvMatchEnd::kNothingKnown, .text_positions = 100, .found_positions = 32}),
            "cache: 32 of 100 prompt tokens found; no known text goes on as it does from position 32");
  EXPECT_EQ(explained({.end = KvMatchEnd::kTokensDiffer,
                       .text_positions = 100,
                       .found_positions = 32,
                       .differs_at = 40,
                       .wanted_token = 2,
                       .known_token = 1}),
            "cache: 32 of 100 prompt tokens found; the nearest known text differs at position 40: 'cat' (1) "
            "there, 'd\\n' (2) in this prompt");
}

TEST(MatchWords, SaysWhereWindowsCannotGoOn) {
  EXPECT_EQ(
      explained({.end = KvMatchEnd::kOutOfWindow,
                 .text_positions = 2000,
                 .found_positions = 512,
                 .known_positions = 1504}),
      "cache: 512 of 2000 prompt tokens found; this text is known up to position 1504, but layers with a "
      "window "
      "have let go of rows that they need to go on from there; the last place that they can go on from is "
      "position 512");
  EXPECT_EQ(explained({.end = KvMatchEnd::kOutOfWindow, .text_positions = 2000, .known_positions = 1504}),
            "cache: 0 of 2000 prompt tokens found; this text is known up to position 1504, but layers with a "
            "window "
            "have let go of rows that they need to go on from there; there is no place in it that they can "
            "go on from");
}

TEST(MatchWords, GivesTheFiguresOfAnEviction) {
  EXPECT_EQ(explained({.end = KvMatchEnd::kEvicted,
                       .text_positions = 100,
                       .found_positions = 64,
                       .evicted_steps_ago = 12,
                       .wanted_blocks = 40,
                       .idle_blocks = 3}),
            "cache: 64 of 100 prompt tokens found; the next block was evicted 12 steps ago, when 40 blocks "
            "were needed and 3 were idle");
  EXPECT_EQ(explained({.end = KvMatchEnd::kEvicted,
                       .text_positions = 100,
                       .evicted_steps_ago = 1,
                       .wanted_blocks = 1,
                       .idle_blocks = 1}),
            "cache: 0 of 100 prompt tokens found; the next block was evicted 1 step ago, when 1 block was "
            "needed and 1 was idle");
}

}  // namespace
}  // namespace cairn
