#include "engine/push_token.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace cairn {
namespace {

constexpr TokenId kCall = 2;
constexpr TokenId kEndOfTurn = 3;

Tokenizer tokenizer() {
  TokenizerTables tables{.model = "llama", .tokens = {"<unk>", "cat", "<call>", "<end>", "<0xC3>", "<0xA9>"}};
  tables.scores.resize(tables.tokens.size());
  tables.types = {2, 1, 3, 3, 6, 6};
  tables.unk = 0;
  auto made = make_tokenizer(std::move(tables));
  EXPECT_TRUE(made.ok()) << made.status().message();
  return *made;
}

// All text that these tokens let out, with `shown` among them.
std::string text_of(const std::vector<TokenId>& tokens, std::span<const TokenId> shown, StopMatcher stops) {
  const Tokenizer all = tokenizer();
  StreamDecoder decoder(all,
                        {.special_output = SpecialOutput::kShow, .position = TextPosition::kContinuation});
  std::string text;
  for (const TokenId token : tokens) {
    const StopMatcher::Output output = push_token(all, token, shown, decoder, stops);
    text += output.text;
    if (output.stopped) return text + "|";
  }
  return text + std::string(stops.flush());
}

TEST(PushToken, SpecialTokensAreHiddenUnlessTheyAreToBeShown) {
  EXPECT_EQ(text_of({1, kCall, 1, kEndOfTurn, 1}, {}, StopMatcher({})), "catcatcat");
  const std::array shown{kCall};
  EXPECT_EQ(text_of({1, kCall, 1, kEndOfTurn, 1}, shown, StopMatcher({})), "cat<call>catcat");
}

TEST(PushToken, AStopStringMayBeASpecialTokenThatIsShownOrHidden) {
  const std::array shown{kCall};
  EXPECT_EQ(text_of({1, kCall, 1}, shown, StopMatcher({"<call>"})), "cat|");
  EXPECT_EQ(text_of({1, kCall, 1}, {}, StopMatcher({"<call>"})), "cat|");
  EXPECT_EQ(text_of({1, kCall, 1}, shown, StopMatcher({"t<call>c"})), "ca|");
}

TEST(PushToken, AnUnfinishedCharacterDoesNotSwallowAName) {
  const std::array shown{kCall};
  EXPECT_EQ(text_of({4, 5, kCall}, shown, StopMatcher({})), "é<call>");
  EXPECT_EQ(text_of({4, kCall}, shown, StopMatcher({})), "\xEF\xBF\xBD<call>");
}

}  // namespace
}  // namespace cairn
