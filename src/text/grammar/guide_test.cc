// Guides on vocabularies of many bytes: masks against a plain twin, replies that are drawn at random, closing in time.
#include "text/grammar/guide.h"

#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "text/grammar/grammar_testing.h"

namespace cairn {
namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;

constexpr const char* kPerson =
    R"({"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,
  "maximum":130},"tags":{"type":"array","items":{"enum":["a","ab","hello and the"]},"maxItems":3},"size":{"type":"number"},
  "born":{"type":"string","format":"date"},"note":{"type":["string","null"],"maxLength":12}},"required":["name","age"],
  "additionalProperties":false})";

std::vector<TokenId> tokens_of(const TokenMask& mask) {
  std::vector<TokenId> tokens;
  for (TokenId token = 0; token < mask.size(); ++token) {
    if (mask.allows(token)) tokens.push_back(token);
  }
  return tokens;
}

// The twin: each token is tried by itself, byte by byte.
std::vector<TokenId> tokens_by_trying(const GuideWalk& walk, int64_t remaining) {
  const int64_t vocab_size = 900;
  const bool must_close = walk.closing_tokens() <= remaining;
  std::vector<TokenId> tokens;
  for (TokenId token = 0; token < vocab_size; ++token) {
    GuideWalk next = walk;
    if (!next.take(token)) continue;
    if (must_close && next.closing_tokens() > remaining - 1) continue;
    tokens.push_back(token);
  }
  return tokens;
}

TEST(Guide, AMaskAllowsExactlyTheTokensThatLeadOn) {
  const auto trie = mixed_vocabulary(900, 11);
  for (const char* schema :
       {kPerson, "true", R"({"type":"array","items":{"type":"string","minLength":1,"maxLength":4}})",
        R"({"type":"object","properties":{"a":{"type":"null"}},"additionalProperties":{"type":"number"}})",
        R"({"pattern":"^(ab|[^a])*c{2}$"})",
        R"({"anyOf":[{"type":"string"},{"const":"a"},{"type":"array"}]})"}) {
    const auto guide = Guide::compile(trie, schema_spec(schema)).value();
    for (uint64_t seed = 0; seed < 3; ++seed) {
      GuideWalk walk(guide);
      for (int64_t i = 0; i < 40 && !walk.has_ended(); ++i) {
        TokenMask mask(900);
        walk.restrict(mask, 1'000'000);
        const std::vector<TokenId> allowed = tokens_of(mask);
        ASSERT_EQ(allowed, tokens_by_trying(walk, 1'000'000)) << schema << " at " << i;
        ASSERT_FALSE(allowed.empty());
        TokenMask closing(900);
        walk.restrict(closing, 40 - i);
        ASSERT_EQ(tokens_of(closing), tokens_by_trying(walk, 40 - i)) << schema << " closing at " << i;
        const auto choices = tokens_of(closing);
        ASSERT_FALSE(choices.empty());
        ASSERT_TRUE(walk.take(choices[random_bits(seed, static_cast<uint64_t>(i), 3) % choices.size()]));
      }
      EXPECT_TRUE(walk.has_ended()) << schema;
    }
  }
}

TEST(Guide, RepliesDrawnAtRandomParseAndFit) {
  const auto trie = mixed_vocabulary(700, 4);
  const auto guide = Guide::compile(trie, schema_spec(kPerson)).value();
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const auto tokens_max = static_cast<int64_t>(10 + seed * 3);
    const RandomReply reply = random_reply(guide, tokens_max, seed);
    ASSERT_FALSE(reply.was_stuck) << reply.text;
    EXPECT_EQ(reply.has_ended, reply.was_closable) << reply.text;
    if (!reply.has_ended) continue;
    const auto reason = misfit_of_text(reply.text, json_of(kPerson));
    EXPECT_FALSE(reason.has_value()) << *reason << " in " << reply.text;
  }
}

// A schema of at most `depth` levels.
value random_schema(uint64_t seed, uint64_t& place, int depth) {
  const auto draw = [&](uint64_t below) { return random_bits(seed, 1, place++) % below; };
  switch (draw(depth > 0 ? 11 : 7)) {
    case 0: return object{{"type", "boolean"}};
    case 1: return object{{"type", "null"}};
    case 2: return object{{"type", "string"}, {"minLength", draw(3)}, {"maxLength", 3 + draw(20)}};
    case 3: {
      const auto low = static_cast<int64_t>(draw(4'000)) - 2'000;
      return object{
          {"type", "integer"}, {"minimum", low}, {"maximum", low + static_cast<int64_t>(draw(3'000))}};
    }
    case 4: {
      const double low = static_cast<double>(draw(2'000)) / 8 - 125;
      return object{
          {"type", "number"}, {"minimum", low}, {"maximum", low + static_cast<double>(draw(999) + 1) / 16}};
    }
    case 5: return object{{"enum", array{"x", "xy", 1, value(nullptr), array{1, 2}}}};
    case 6: return object{{"type", "string"}};
    case 7: {
      object schema{
          {"type", "array"}, {"items", random_schema(seed, place, depth - 1)}, {"minItems", draw(3)}};
      if (draw(2) == 0) schema["maxItems"] = 2 + draw(3);
      return schema;
    }
    case 8: {
      array branches;
      const uint64_t count = 1 + draw(3);
      for (uint64_t i = 0; i < count; ++i) branches.push_back(random_schema(seed, place, depth - 1));
      return object{{"anyOf", branches}};
    }
    default: {
      object properties;
      array required;
      const uint64_t count = draw(5);
      for (uint64_t i = 0; i < count; ++i) {
        const std::string name = "a" + std::string(draw(3), 'b') + std::to_string(i);
        properties[name] = random_schema(seed, place, depth - 1);
        if (draw(2) == 0) required.push_back(value(name));
      }
      object schema{{"type", "object"}, {"properties", properties}, {"required", required}};
      if (draw(3) == 0) schema["additionalProperties"] = random_schema(seed, place, 0);
      return schema;
    }
  }
}

TEST(Guide, RandomSchemasOnlyLetThroughWhatFitsThem) {
  const auto trie = mixed_vocabulary(500, 8);
  int ended = 0;
  for (uint64_t seed = 0; seed < 150; ++seed) {
    uint64_t place = 0;
    GuideSpec spec;
    spec.answer.kind = AnswerSpec::Kind::kJsonSchema;
    spec.answer.schema = random_schema(seed, place, 3);
    const auto guide = Guide::compile(trie, spec);
    ASSERT_TRUE(guide.ok()) << guide.status().message();
    for (uint64_t draw = 0; draw < 4; ++draw) {
      const RandomReply reply = random_reply(*guide, static_cast<int64_t>(8 + draw * 40), seed * 10 + draw);
      ASSERT_FALSE(reply.was_stuck) << reply.text;
      ASSERT_EQ(reply.has_ended, reply.was_closable) << reply.text;
      if (!reply.has_ended) continue;
      ++ended;
      const auto reason = misfit_of_text(reply.text, spec.answer.schema);
      ASSERT_FALSE(reason.has_value()) << *reason << " in " << reply.text << " of seed " << seed;
    }
  }
  EXPECT_GT(ended, 400);
}

TEST(Guide, WithJustEnoughTokensTheShortestTextIsWritten) {
  const auto trie = mixed_vocabulary(900, 11);
  for (const char* schema : {kPerson, "true", R"({"type":"array","items":{"type":"string"},"minItems":3})"}) {
    const auto guide = Guide::compile(trie, schema_spec(schema)).value();
    const int64_t least = guide->shortest_reply_tokens();
    for (uint64_t seed = 0; seed < 20; ++seed) {
      const RandomReply reply = random_reply(guide, least, seed);
      ASSERT_TRUE(reply.has_ended) << reply.text;
      EXPECT_EQ(misfit_of_text(reply.text, json_of(schema)), std::nullopt) << reply.text;
    }
    const RandomReply cut = random_reply(guide, least - 1, 1);
    EXPECT_FALSE(cut.has_ended || cut.was_stuck || cut.was_closable);
  }
}

TEST(Guide, BehindTheTextOnlyEndTokensAreAllowed) {
  const auto trie = mixed_vocabulary(400, 1);
  GuideWalk walk(Guide::compile(trie, schema_spec("{\"const\":{}}")).value());
  for (const char* part : {"{", "}"}) {
    EXPECT_FALSE(walk.may_end());
    TokenMask mask(trie->vocab_size());
    walk.restrict(mask, 100);
    EXPECT_FALSE(mask.allows(0) || mask.allows(3) || mask.allows(1));
    TokenId byte = 5 + part[0];
    ASSERT_TRUE(walk.take(byte));
  }
  EXPECT_TRUE(walk.may_end());
  EXPECT_EQ(walk.closing_tokens(), 1);
  TokenMask mask(trie->vocab_size());
  walk.restrict(mask, 1);
  EXPECT_EQ(tokens_of(mask), (std::vector<TokenId>{0, 3}));
  EXPECT_TRUE(walk.take(3));
  EXPECT_TRUE(walk.has_ended());
  mask.allow_all();
  walk.restrict(mask, 5);
  EXPECT_EQ(tokens_of(mask), (std::vector<TokenId>{0, 3}));
}

TEST(Guide, ATokenThatWasNotAllowedLosesTheWalk) {
  const auto trie = mixed_vocabulary(400, 1);
  const auto guide = Guide::compile(trie, schema_spec("{\"type\":\"integer\"}")).value();
  for (const TokenId token :
       {TokenId{5 + 'x'}, TokenId{0}, TokenId{1}, TokenId{4}, TokenId{-1}, TokenId{1'000'000}}) {
    GuideWalk walk(guide);
    EXPECT_FALSE(walk.take(token));
    EXPECT_TRUE(walk.is_lost());
    EXPECT_FALSE(walk.may_end());
    TokenMask mask(trie->vocab_size());
    walk.restrict(mask, 5);
    EXPECT_EQ(std::ssize(tokens_of(mask)), trie->vocab_size());
    EXPECT_FALSE(walk.take(5 + '1'));
  }
}

TEST(Guide, AMaskMayBeLongerOrShorterThanTheVocabulary) {
  const auto trie = mixed_vocabulary(400, 1);
  const auto guide = Guide::compile(trie, schema_spec("{\"type\":\"string\"}")).value();
  GuideWalk walk(guide);
  TokenMask usual(trie->vocab_size()), longer(5'000), shorter(100);
  for (TokenMask* mask : {&usual, &longer, &shorter}) walk.restrict(*mask, 100);
  EXPECT_EQ(tokens_of(usual), tokens_of(longer));
  ASSERT_TRUE(walk.take(5 + '"'));
  for (TokenMask* mask : {&usual, &longer, &shorter}) {
    mask->allow_all();
    walk.restrict(*mask, 100);
  }
  EXPECT_EQ(tokens_of(usual), tokens_of(longer));
  auto first = tokens_of(usual);
  std::erase_if(first, [](TokenId token) { return token >= 100; });
  EXPECT_EQ(first, tokens_of(shorter));
}

TEST(Guide, AVocabularyWithoutSingleBytesForSomeCharactersStillCloses) {
  PlainVocabulary vocabulary;
  vocabulary.texts = {""};
  vocabulary.end_tokens = {0};
  for (int byte = 0x20; byte < 0x7F; ++byte) vocabulary.texts.emplace_back(1, static_cast<char>(byte));
  for (const char* text : {"\xC3\xA9", "\xE2\x82\xAC", "\xE2\x82", "\xC3", "\n  "})
    vocabulary.texts.emplace_back(text);
  const auto trie = TokenTrie::build(vocabulary).value();
  const auto guide =
      Guide::compile(trie, schema_spec(R"({"type":"array","items":{"type":"string"}})")).value();
  GuideWalk walk(guide);
  ASSERT_TRUE(walk.take('[' - 0x20 + 1) && walk.take('"' - 0x20 + 1));
  TokenMask mask(trie->vocab_size());
  walk.restrict(mask, 50);
  EXPECT_TRUE(mask.allows(96) && mask.allows(97));   // whole characters
  EXPECT_FALSE(mask.allows(98) || mask.allows(99));  // beginnings that nothing completes
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const RandomReply reply = random_reply(guide, 30, seed);
    EXPECT_TRUE(reply.has_ended);
    EXPECT_EQ(misfit_of_text(reply.text, json_of(R"({"type":"array"})")), std::nullopt) << reply.text;
  }
}

TEST(Guide, AVocabularyThatCannotWriteTheTextIsRefused) {
  const auto trie =
      TokenTrie::build(PlainVocabulary{.texts = {"", "a", "\""}, .special = {}, .end_tokens = {0}}).value();
  EXPECT_TRUE(Guide::compile(trie, schema_spec("{\"type\":\"string\"}")).ok());
  EXPECT_FALSE(Guide::compile(trie, schema_spec("{\"type\":\"integer\"}")).ok());
}

TEST(Guide, ThreadsMayShareOne) {
  const auto guide = Guide::compile(mixed_vocabulary(500, 4), schema_spec(kPerson)).value();
  const auto alone = Guide::compile(mixed_vocabulary(500, 4), schema_spec(kPerson)).value();
  std::vector<RandomReply> replies(4);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < replies.size(); ++i) {
    threads.emplace_back([&, i] { replies[i] = random_reply(guide, 60, i); });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < replies.size(); ++i) EXPECT_EQ(replies[i].tokens, random_reply(alone, 60, i).tokens);
}

}  // namespace
}  // namespace cairn
