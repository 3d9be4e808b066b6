#include <gtest/gtest.h>

#include <random>

#include "base/utf8.h"
#include "text/tokenizer/tables_testing.h"

namespace cairn {
namespace {

std::vector<Tokenizer> both_kinds() {
  return {*make_tokenizer(small_byte_level_tables()), *make_tokenizer(small_sentencepiece_tables())};
}

TEST(StreamDecoder, HoldsBackTheStartOfACharacter) {
  const Tokenizer t = *make_tokenizer(byte_level_tables({}));
  StreamDecoder decoder(t);
  EXPECT_EQ(decoder.push(0xF0), "");
  EXPECT_EQ(decoder.push(0x9F), "");
  EXPECT_EQ(decoder.push(0x98), "");
  EXPECT_EQ(decoder.push(0x80), "😀");
  EXPECT_EQ(decoder.push(0xC3), "");
  EXPECT_EQ(decoder.push('a'),
            "\xEF\xBF\xBD"
            "a");
  EXPECT_EQ(decoder.push(0xE2), "");
  EXPECT_EQ(decoder.push(0x82), "");
  EXPECT_EQ(decoder.flush(), "\xEF\xBF\xBD");
  EXPECT_EQ(decoder.flush(), "");
}

TEST(StreamDecoder, DropsTheFirstSpaceOnly) {
  const Tokenizer t = *make_tokenizer(sentencepiece_tables({"▁a", "▁"}));
  StreamDecoder decoder(t);
  EXPECT_EQ(decoder.push(1), "");  // hidden; the text has not begun yet
  EXPECT_EQ(decoder.push(260), "");
  EXPECT_EQ(decoder.push(260), " ");
  EXPECT_EQ(decoder.push(259), " a");
  EXPECT_EQ(decoder.flush(), "");
  EXPECT_EQ(decoder.push(259), "a");  // reset
}

TEST(StreamDecoder, RandomIdsGiveValidUtf8AndTheSameAsDecode) {
  std::mt19937_64 random(7);
  for (const Tokenizer& t : both_kinds()) {
    for (int round = 0; round < 300; ++round) {
      DecodeOptions options;
      if (random() % 2 == 0) options.special_output = SpecialOutput::kShow;
      if (random() % 2 == 0) options.position = TextPosition::kContinuation;
      std::vector<TokenId> ids;
      for (size_t i = random() % 40; i > 0; --i) {
        ids.push_back(static_cast<TokenId>(random() % static_cast<uint64_t>(t.vocab_size() + 3)) - 1);
      }
      StreamDecoder decoder(t, options);
      std::string text;
      for (const TokenId id : ids) {
        const std::string part = decoder.push(id);
        EXPECT_FALSE(find_invalid_utf8(part));
        text += part;
      }
      text += decoder.flush();
      EXPECT_FALSE(find_invalid_utf8(text));
      EXPECT_EQ(text, t.decode(ids, options));
    }
  }
}

TEST(StreamDecoder, TextComesBackUnchanged) {
  for (const Tokenizer& t : both_kinds()) {
    for (uint64_t seed = 0; seed < 300; ++seed) {
      std::string text = random_text(seed, 50);
      // SentencePiece's own sign for the space cannot come back as itself.
      if (t.kind() == "sentencepiece-bpe") {
        for (size_t at = text.find("▁"); at != std::string::npos; at = text.find("▁")) text.erase(at, 3);
      }
      const auto ids = t.encode(text, {BosEos::kNone, SpecialText::kLiteral});
      ASSERT_TRUE(ids.ok()) << ids.status().message();
      EXPECT_EQ(t.decode(*ids, {.special_output = SpecialOutput::kShow}), text);
    }
  }
}

}  // namespace
}  // namespace cairn
