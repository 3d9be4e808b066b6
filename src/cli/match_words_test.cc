#include "cli/match_words.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

using End = MatchReport::End;

Tokenizer tokenizer() {
  TokenizerTables tables{.model = "llama", .tokens = {"<unk>", "cat", "d\n"}, .scores = {0, 0, 0}};
  tables.types = {2, 1, 1};
  tables.unk = 0;
  auto made = make_tokenizer(std::move(tables));
  EXPECT_TRUE(made.ok()) << made.status().message();
  return *made;
}

std::string explained(const MatchReport& report) { return explain_match(report, tokenizer()); }

TEST(MatchWords, SaysHowMuchWasFound) {
  EXPECT_EQ(explained({.positions_wanted = 65, .positions_found = 64, .end = End::kWholePrompt}),
            "cache: 64 of 65 prompt tokens were found; that is all that can be found, since the last token "
            "always runs");
  EXPECT_EQ(
      explained({.positions_wanted = 20, .end = End::kShorterThanABlock}),
      "cache: none of the 20 prompt tokens was found; only whole blocks of 32 tokens before the last one can "
      "be found");
  EXPECT_EQ(explained({.positions_wanted = 100, .end = End::kSharingOff}),
            "cache: none of the 100 prompt tokens was found; sharing is off, so nothing was looked for");
}

TEST(MatchWords, SaysWhereAndWhyTheMatchEnded) {
  EXPECT_EQ(explained({.positions_wanted = 100, .positions_found = 32, .end = End::kNothingKnown}),
            "cache: 32 of 100 prompt tokens were found; no known text goes on at position 32");
  EXPECT_EQ(
      explained({.positions_wanted = 100,
                 .positions_found = 32,
                 .end = End::kTokensDiffer,
                 .position = 40,
                 .known = 1,
                 .wanted = 2}),
      "cache: 32 of 100 prompt tokens were found; the nearest known text differs at position 40: 'cat' (1) "
      "there, 'd\\x0a' (2) in this prompt");
  EXPECT_EQ(
      explained({.positions_wanted = 100,
                 .positions_found = 64,
                 .end = End::kEvicted,
                 .evicted_ago_ns = 3'400'000'000,
                 .pool_blocks = 512}),
      "cache: 64 of 100 prompt tokens were found; the next block was evicted 3.40 s ago, when all 512 blocks "
      "were in use");
}

}  // namespace
}  // namespace cairn
