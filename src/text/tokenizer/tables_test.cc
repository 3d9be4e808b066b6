// Tokenizers from tables: what they do, and the errors of damaged tables.
#include <gtest/gtest.h>

#include <limits>

#include "text/tokenizer/tables_testing.h"

namespace cairn {
namespace {

constexpr EncodeOptions kPlain{BosEos::kNone, SpecialText::kLiteral};
constexpr EncodeOptions kParsed{BosEos::kNone, SpecialText::kParsed};

Tokenizer make(TokenizerTables tables) {
  auto made = make_tokenizer(std::move(tables));
  EXPECT_TRUE(made.ok()) << made.status().message();
  return *made;
}

std::vector<TokenId> encode(const Tokenizer& tokenizer, std::string_view text,
                            EncodeOptions options = kPlain) {
  auto ids = tokenizer.encode(text, options);
  EXPECT_TRUE(ids.ok()) << ids.status().message();
  return ids.ok() ? *ids : std::vector<TokenId>();
}

std::string error_of(TokenizerTables tables, StatusCode code = StatusCode::kInvalidData) {
  const auto made = make_tokenizer(std::move(tables));
  EXPECT_FALSE(made.ok());
  EXPECT_EQ(made.status().code(), code);
  return made.status().message();
}

testing::AssertionResult has(const std::string& message, const std::string& part) {
  if (message.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "\"" << message << "\" does not say \"" << part << "\"";
}

TEST(SentencePieceTables, PrefixSpaceBytesAndSpecials) {
  const Tokenizer t = make(sentencepiece_tables({"▁h", "▁hi", "h", "i", "▁"}));
  EXPECT_EQ(encode(t, "hi"), (std::vector<TokenId>{260}));
  EXPECT_EQ(encode(t, "hi", {}), (std::vector<TokenId>{1, 260}));
  EXPECT_EQ(encode(t, " hi"), (std::vector<TokenId>{263, 260}));
  EXPECT_EQ(encode(t, "é"), (std::vector<TokenId>{263, 3 + 0xC3, 3 + 0xA9}));
  EXPECT_EQ(encode(t, ""), (std::vector<TokenId>{}));
  EXPECT_EQ(encode(t, "</s>hi", kParsed), (std::vector<TokenId>{2, 260}));
  EXPECT_EQ(encode(t, "</s>").size(), 5U);  // its four characters, and a space before them
  EXPECT_EQ(t.decode(std::vector<TokenId>{1, 260, 260, 2}), "hi hi");
  EXPECT_EQ(t.decode(std::vector<TokenId>{260}, {.position = TextPosition::kContinuation}), " hi");
  EXPECT_EQ(t.decode(std::vector<TokenId>{1, 260}, {.special_output = SpecialOutput::kShow}), "<s> hi");
  EXPECT_EQ(t.decode(std::vector<TokenId>{-1, 99999, 260, INT32_MAX, INT32_MIN}), "hi");
  EXPECT_EQ(t.find("</s>"), 2);
  EXPECT_EQ(t.find(" hi"), 260);
  EXPECT_EQ(t.find("no such"), std::nullopt);
  EXPECT_EQ(t.bos(), 1);
  EXPECT_EQ(t.eos(), 2);
  EXPECT_TRUE(t.is_end(2));
  EXPECT_TRUE(t.is_special(0));
  EXPECT_FALSE(t.is_special(260));
}

TEST(SentencePieceTables, WithoutThePrefixSpace) {
  TokenizerTables tables = sentencepiece_tables({"▁h", "▁hi", "h", "i", "▁", "hi"});
  tables.add_space_prefix = false;
  const Tokenizer t = make(std::move(tables));
  EXPECT_EQ(encode(t, "hi hi"), (std::vector<TokenId>{264, 260}));
  EXPECT_EQ(t.decode(std::vector<TokenId>{260}), " hi");
}

// A control token's name never comes from plain text, even where joining would make it.
TEST(SentencePieceTables, SpecialTokensAreNotMadeFromText) {
  TokenizerTables tables = sentencepiece_tables({"<", "s", ">", "<s"});
  const Tokenizer t = make(std::move(tables));
  for (const TokenId id : encode(t, "<s><s>")) EXPECT_FALSE(t.is_special(id));
}

TEST(SentencePieceTables, MissingByteTokensLeaveTheUnknownToken) {
  TokenizerTables tables = sentencepiece_tables({"a", "▁"});
  tables.types[3 + 0xC3] = 1;  // one byte token fewer
  const Tokenizer t = make(tables);
  EXPECT_EQ(encode(t, "aééa"), (std::vector<TokenId>{260, 259, 0, 259}));
  tables.unk.reset();
  tables.tokens.resize(1);  // nothing but <unk>, as an ordinary token
  tables.types = {1};
  tables.scores = {0};
  tables.model = "unigram";
  tables.add_eos = false;
  const auto ids = make(tables).encode("é", kPlain);
  ASSERT_FALSE(ids.ok());
  EXPECT_TRUE(has(ids.status().message(), "no token"));
}

TEST(ByteLevelTables, WordsMergesAndSpecials) {
  const Tokenizer t = make(small_byte_level_tables());
  EXPECT_EQ(encode(t, "hello the"), (std::vector<TokenId>{261, 258}));
  const TokenId end = *t.find("<|end|>");
  EXPECT_EQ(encode(t, "hello<|end|>", kParsed), (std::vector<TokenId>{261, end}));
  EXPECT_EQ(t.decode(encode(t, "hello<|end|>")), "hello<|end|>");
  EXPECT_EQ(t.decode(encode(t, "hello<|end|>", kParsed)), "hello");
  EXPECT_TRUE(t.is_end(end));
  EXPECT_EQ(t.token_text(258), " the");
}

// As other engines do: a token so spelled ends a turn, whatever type the file gives it.
TEST(ByteLevelTables, EndsOfTurnsAreKnownByName) {
  TokenizerTables tables = byte_level_tables({});
  tables.tokens.emplace_back("<|im_end|>");
  tables.types.push_back(4);
  const Tokenizer t = make(std::move(tables));
  EXPECT_TRUE(t.is_end(*t.find("<|im_end|>")));
  EXPECT_TRUE(t.is_special(*t.find("<|im_end|>")));
}

TEST(ByteLevelTables, EveryKnownPreRoundTrips) {
  for (const char* pre :
       {"default", "gpt-2", "llama-bpe", "smollm", "tekken", "gpt-4o", "falcon", "dbrx", "stablelm2"}) {
    TokenizerTables tables = small_byte_level_tables();
    tables.pre = pre;
    const Tokenizer t = make(std::move(tables));
    for (uint64_t seed = 0; seed < 50; ++seed) {
      const std::string text = random_text(seed, 60);
      EXPECT_EQ(t.decode(encode(t, text)), text) << pre;
    }
  }
}

TEST(ByteLevelTables, PreDecidesWhereDigitsAreCut) {
  TokenizerTables tables = byte_level_tables({"1 2", "12 3", "123 4"});
  const auto count = [&](const char* pre) {
    tables.pre = pre;
    return encode(make(tables), "1234").size();
  };
  EXPECT_EQ(count("gpt-2"), 1U);
  EXPECT_EQ(count("llama-bpe"), 2U);  // at most three digits together
  EXPECT_EQ(count("qwen2"), 4U);      // each alone
  EXPECT_EQ(count("smollm"), 4U);
}

TEST(ByteLevelTables, Qwen2TextIsComposedFirst) {
  TokenizerTables tables = small_byte_level_tables();
  tables.pre = "qwen2";
  const Tokenizer t = make(std::move(tables));
  EXPECT_EQ(encode(t, "e\xCC\x81"), encode(t, "é"));
}

TEST(ByteLevelTables, AnUnknownPreIsNamed) {
  TokenizerTables tables = small_byte_level_tables();
  tables.pre = "no-such";
  const std::string message = error_of(tables, StatusCode::kUnsupported);
  EXPECT_TRUE(has(message, "no-such"));
  EXPECT_TRUE(has(message, "llama-bpe"));
}

TEST(ByteLevelTables, AMissingPreIsNoted) {
  TokenizerTables tables = small_byte_level_tables();
  EXPECT_TRUE(make(tables).notes().empty());
  tables.pre.clear();
  const Tokenizer t = make(std::move(tables));
  ASSERT_EQ(t.notes().size(), 1U);
  EXPECT_TRUE(has(t.notes()[0], "tokenizer.ggml.pre is missing"));
  EXPECT_TRUE(has(t.notes()[0], "\"default\" is assumed"));
  EXPECT_TRUE(has(t.notes()[0], "`pre`"));
}

TEST(EndTokens, HaveManySpellings) {
  for (const char* name : {"<|END_OF_TURN_TOKEN|>", "<|eot|>", "<|eom|>", "[|endofturn|]", "<|endofturn|>",
                           "<seed:eos>", "<|role_end|>"}) {
    TokenizerTables tables = small_byte_level_tables();
    tables.tokens.emplace_back(name);
    tables.types.push_back(static_cast<int64_t>(TokenType::kNormal));
    const Tokenizer t = make(std::move(tables));
    EXPECT_TRUE(t.is_end(*t.find(name))) << name;
  }
}

TEST(ByteLevelTables, AVocabularyWithoutMergesIsRefused) {
  TokenizerTables tables = small_byte_level_tables();
  tables.merges.clear();
  EXPECT_TRUE(has(error_of(tables), "tokenizer.ggml.merges"));
  make(byte_level_tables({}));  // one of single bytes needs none
}

// Ten tokens, made by one merge each.
TokenizerTables tables_of_ten_merges() {
  return byte_level_tables({"a b", "a c", "a d", "a e", "a f", "a g", "a h", "a i", "a j", "a k"});
}

TEST(ByteLevelTables, MergesThatWereCutOffAreRefused) {
  TokenizerTables tables = tables_of_ten_merges();
  tables.merges.pop_back();
  make(tables);  // one in ten
  tables.merges.pop_back();
  const std::string error = error_of(tables);
  EXPECT_TRUE(has(error, "merges make only 8 of the 10 tokens")) << error;
  EXPECT_TRUE(has(error, "(not \"aj\", for one)")) << error;
}

TEST(ByteLevelTables, TokensThatNoMergeHasToMakeDoNotCount) {
  TokenizerTables tables = tables_of_ten_merges();
  for (int i = 0; i < 20; ++i) {
    tables.tokens.push_back("<extra_" + std::to_string(i) + ">");
    tables.types.push_back(static_cast<int64_t>(TokenType::kNormal));
    tables.tokens.push_back("word" + std::to_string(i));
    tables.types.push_back(static_cast<int64_t>(TokenType::kUserDefined));
  }
  make(tables);
  // Whole words first: the merges need not make what is a word.
  tables = tables_of_ten_merges();
  tables.merges.resize(2);
  tables.pre = "llama-bpe";
  make(tables);
}

// Every way in which a file can name a special token that is not there.
TEST(SpecialIds, OutOfRangeAreLeftOutWithANote) {
  const auto noted = [](auto change, const std::string& key) {
    TokenizerTables tables = small_sentencepiece_tables();
    change(tables);
    const Tokenizer t = make(std::move(tables));
    EXPECT_TRUE(t.is_end(2)) << key;  // </s>, by its spelling
    EXPECT_EQ(t.notes().size(), 1U) << key;
    return t.notes().empty() ? testing::AssertionFailure() : has(t.notes()[0], key);
  };
  EXPECT_TRUE(noted([](auto& t) { t.eos = -1; }, "tokenizer.ggml.eos_token_id is -1"));
  EXPECT_TRUE(noted([](auto& t) { t.eos = std::ssize(t.tokens); }, "tokenizer.ggml.eos_token_id"));
  EXPECT_TRUE(noted([](auto& t) { t.unk = 1'000'000; }, "tokenizer.ggml.unknown_token_id"));
  EXPECT_TRUE(noted([](auto& t) { t.eot = UINT32_MAX; }, "tokenizer.ggml.eot_token_id"));
  EXPECT_TRUE(noted([](auto& t) { t.eom = -1; }, "tokenizer.ggml.eom_token_id"));
  EXPECT_TRUE(noted([](auto& t) { t.end_tokens = {INT64_MAX}; }, "end-of-turn"));
  EXPECT_TRUE(noted(
      [](auto& t) {
        t.bos = 1'000'000;
        t.add_bos = false;
      },
      "tokenizer.ggml.bos_token_id"));
  TokenizerTables no_bos = small_sentencepiece_tables();
  no_bos.bos = -1;
  const Tokenizer t = make(std::move(no_bos));
  EXPECT_EQ(t.bos(), std::nullopt);
  EXPECT_EQ(encode(t, "hello", {}), encode(t, "hello"));
  EXPECT_EQ(t.notes().size(), 2U);  // the id, and that texts begin without it
}

TEST(EndTokens, EachHasItsReason) {
  TokenizerTables tables = byte_level_tables({});
  const auto add = [&](const char* text, int64_t type) {
    tables.tokens.emplace_back(text);
    tables.types.push_back(type);
    return std::ssize(tables.tokens) - 1;
  };
  const int64_t eot = add("<my_end>", 3);
  const int64_t deepseek = add("<｜end▁of▁sentence｜>", 3);
  const int64_t plain = add("<EOT>", 1);
  const int64_t word = add("</s>", 4);  // HTML
  tables.eot = eot;
  const Tokenizer t = make(tables);
  EXPECT_FALSE(t.is_end(static_cast<TokenId>(word)));
  std::string text;
  for (const EndToken& end : t.end_tokens()) {
    text += std::string(t.token_text(end.id)) + ": " + end.reason + "\n";
  }
  EXPECT_EQ(text,
            "<|end|>: tokenizer.ggml.eos_token_id, its spelling\n<my_end>: tokenizer.ggml.eot_token_id\n"
            "<｜end▁of▁sentence｜>: its spelling\n<EOT>: its spelling\n");
  EXPECT_TRUE(t.is_end(static_cast<TokenId>(deepseek)) && t.is_special(static_cast<TokenId>(plain)));
  tables.types[static_cast<size_t>(word)] = 3;
  EXPECT_TRUE(make(tables).is_end(static_cast<TokenId>(word)));
}

// In the Harmony format <|end|> ends a message, and the reply goes on.
TEST(EndTokens, HarmonysEndOfAMessageIsNone) {
  TokenizerTables tables = byte_level_tables({});
  tables.eos.reset();
  const TokenId end = static_cast<TokenId>(std::ssize(tables.tokens) - 1);
  EXPECT_TRUE(make(tables).is_end(end));
  for (const char* text : {"<|return|>", "<|call|>"}) {
    tables.tokens.emplace_back(text);
    tables.types.push_back(3);
  }
  const Tokenizer t = make(std::move(tables));
  EXPECT_FALSE(t.is_end(end));
  EXPECT_TRUE(t.is_end(end + 1) && t.is_end(end + 2));
}

TEST(AddEos, AppliesToTextsButNotToPrompts) {
  TokenizerTables tables = small_sentencepiece_tables();
  tables.add_eos = true;
  const Tokenizer t = make(std::move(tables));
  EXPECT_EQ(encode(t, "hello", {}).back(), 2);
  EXPECT_NE(encode(t, "hello", {.bos_eos = BosEos::kOfPrompt}).back(), 2);
  EXPECT_EQ(encode(t, "hello", {.bos_eos = BosEos::kOfPrompt}).front(), 1);
}

TEST(BadText, IsRefusedWithItsOffset) {
  const Tokenizer t = make(small_byte_level_tables());
  for (const char* text : {"ab\xFF", "ab\xC3", "ab\xED\xA0\x80", "ab\xC0\x80", "ab\xF4\x90\x80\x80"}) {
    const auto ids = t.encode(text);
    ASSERT_FALSE(ids.ok());
    EXPECT_EQ(ids.status().code(), StatusCode::kInvalidArgument);
    EXPECT_TRUE(has(ids.status().message(), "offset 2"));
  }
}

TEST(HostileTables, AreRefusedByName) {
  TokenizerTables none;
  none.model = "llama";
  EXPECT_TRUE(has(error_of(none), "empty"));
  TokenizerTables kind = small_sentencepiece_tables();
  kind.model = "rwkv";
  EXPECT_TRUE(has(error_of(kind, StatusCode::kUnsupported), "rwkv"));

  const auto broken = [](auto change) {
    TokenizerTables tables = small_sentencepiece_tables();
    change(tables);
    return error_of(std::move(tables));
  };
  EXPECT_TRUE(has(broken([](auto& t) { t.scores[5] = std::numeric_limits<float>::quiet_NaN(); }),
                  "score of token 5"));
  EXPECT_TRUE(
      has(broken([](auto& t) { t.scores[5] = std::numeric_limits<float>::infinity(); }), "score of token 5"));
  EXPECT_TRUE(has(broken([](auto& t) { t.scores.pop_back(); }), "tokenizer.ggml.scores"));
  EXPECT_TRUE(has(broken([](auto& t) { t.scores.clear(); }), "tokenizer.ggml.scores"));
  EXPECT_TRUE(has(broken([](auto& t) { t.types[7] = 77; }), "type of token 7"));
  EXPECT_TRUE(has(broken([](auto& t) { t.types[7] = -1; }), "type of token 7"));
  EXPECT_TRUE(has(broken([](auto& t) { t.types.pop_back(); }), "tokenizer.ggml.token_type"));
  EXPECT_TRUE(has(broken([](auto& t) { t.types[260] = 6; }), "<0x41>"));
  EXPECT_TRUE(has(broken([](auto& t) { t.tokens[270] = std::string(5000, 'x'); }), "token 270"));
}

TEST(HostileTables, MergesThatNameNoTokenAreRefused) {
  const auto broken = [](const std::string& merge) {
    TokenizerTables tables = small_byte_level_tables();
    tables.merges.push_back(merge);
    return error_of(std::move(tables));
  };
  EXPECT_TRUE(has(broken("q q"), "\"qq\", which is not a token"));
  EXPECT_TRUE(has(broken("nothere a"), "which is not a token"));
  EXPECT_TRUE(has(broken("ab"), "merge 18"));
  EXPECT_TRUE(has(broken(""), "merge 18"));
  EXPECT_TRUE(has(broken("a "), "merge 18"));
  EXPECT_TRUE(has(broken("\xFF \xFE"), "merge 18"));
  EXPECT_TRUE(has(broken("日 本"), "merge 18"));
}

TEST(HostileTables, OddOnesAreUsedAsFarAsTheyGo) {
  TokenizerTables twice = small_sentencepiece_tables();
  const size_t first = twice.tokens.size();
  for (const char* text : {"he", "he", "", "\xFF\xFE", "\xE2\x96", "<0x4"}) {
    twice.tokens.emplace_back(text);
    twice.types.push_back(1);
    twice.scores.push_back(0);
  }
  const Tokenizer t = make(std::move(twice));
  EXPECT_EQ(encode(t, "he").back(), 260);  // the first of equal texts
  for (size_t i = first; i < first + 6; ++i)
    EXPECT_EQ(t.decode(std::vector<TokenId>{static_cast<TokenId>(i)}).find("\xFF"), std::string::npos);
  TokenizerTables few = byte_level_tables({});
  few.tokens[0x41] = "B";                                                      // so that no token is an A
  EXPECT_EQ(encode(make(std::move(few)), "aA"), (std::vector<TokenId>{'a'}));  // it is left out
}

// Work in proportion to the text: quadratic work would take many minutes here.
TEST(LongTexts, TakeNoQuadraticTime) {
  const std::string run(1 << 20, 'l');
  const std::string spaces(1 << 20, ' ');
  for (const Tokenizer& t : {make(small_byte_level_tables()), make(small_sentencepiece_tables())}) {
    for (const std::string& text : {run, spaces}) EXPECT_EQ(t.decode(encode(t, text)), text);
  }
}

}  // namespace
}  // namespace cairn
