// Schemas that meet the limits of masks: masks must be the same however warm the guide is, take a bounded time, and
// never let a reply end that does not fit.
#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "base/random.h"
#include "text/grammar/automaton.h"
#include "text/grammar/compile.h"
#include "text/grammar/grammar_testing.h"
#include "text/grammar/limits.h"

namespace cairn {
namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;

// Many patterns that are read at once, each a little different: a mask needs one walk over the trie for each.
value many_patterns(int count) {
  array branches;
  for (int i = 0; i < count; ++i) {
    branches.push_back(
        object{{"type", "string"}, {"pattern", "^[a-z ]{0," + std::to_string(100 + i) + "}$"}});
  }
  return object{{"anyOf", branches}};
}

// A required tail of 1,500 bytes behind a free string, with more ways than are followed.
value long_tail() {
  array nested;
  for (int part = 0; part < 3; ++part) {
    array patterns;
    for (int i = 0; i < 256; ++i) {
      patterns.push_back(
          object{{"type", "string"}, {"pattern", "^" + std::to_string(part * 256 + i) + "?[0-9]{2}$"}});
    }
    nested.push_back(object{{"anyOf", patterns}});
  }
  const std::string name(1'500, 'n');
  return object{{"type", "object"},
                {"properties", object{{"a", object{{"type", "string"}}}, {name, object{{"anyOf", nested}}}}},
                {"required", array{"a", value(name)}}};
}

value same_letters() {  // which of the last characters were an "a" is a place of its own each time
  return object{{"type", "string"}, {"pattern", "a.{14}$"}};
}

grammar::Automaton automaton_of(const value& schema, const std::shared_ptr<const TokenTrie>& trie,
                                uint64_t memory_bytes) {
  GuideSpec spec;
  spec.answer = {AnswerSpec::Kind::kJsonSchema, schema};
  return {grammar::compile_spec(spec).value(), trie, memory_bytes};
}

std::vector<uint64_t> mask_at(grammar::Automaton& automaton, const grammar::KeyPointer& at,
                              int64_t remaining) {
  TokenMask mask(automaton.trie().vocab_size());
  automaton.restrict(at, mask, remaining);
  return {mask.words().begin(), mask.words().end()};
}

TEST(GuideLimits, AMaskIsTheSameHoweverWarmTheGuideIs) {
  const auto trie = mixed_vocabulary(1'500, 9);
  const std::vector<value> schemas = {many_patterns(256), long_tail(), same_letters(), value(true)};
  for (size_t i = 0; i < schemas.size(); ++i) {
    grammar::Automaton warm = automaton_of(schemas[i], trie, Guide::kMemoryBytes);
    grammar::Automaton forgetful = automaton_of(schemas[i], trie, 1);  // starts anew at each call
    grammar::Automaton other = automaton_of(schemas[i], trie, uint64_t{1} << 20);
    for (uint64_t seed = 0; seed < 2; ++seed) {
      grammar::KeyPointer at = warm.start();
      for (uint64_t step = 0; step < 5 && at != nullptr; ++step) {
        for (const int64_t remaining : {int64_t{1'000'000}, warm.closing_tokens(at) + 2}) {
          const auto expected = mask_at(warm, at, remaining);
          ASSERT_EQ(mask_at(forgetful, at, remaining), expected) << i << " at " << step;
          ASSERT_EQ(mask_at(other, at, remaining), expected) << i << " at " << step;
        }
        ASSERT_EQ(forgetful.closing_tokens(at), warm.closing_tokens(at)) << i << " at " << step;
        TokenMask mask(trie->vocab_size());
        warm.restrict(at, mask, 1'000'000);
        std::vector<TokenId> tokens;
        for (TokenId token = 0; token < mask.size(); ++token) {
          if (mask.allows(token) && !trie->is_end(token)) tokens.push_back(token);
        }
        if (tokens.empty()) break;
        at = warm.take(at, tokens[random_bits(seed, step, i) % tokens.size()]);
      }
    }
  }
}

TEST(GuideLimits, ClosingIsTheSameInWhateverOrderItIsAsked) {
  const auto trie = mixed_vocabulary(1'500, 9);
  const value schema =
      json_of(R"({"const":{"name":"hello and the value","b":[true,null,"aaaaaaaa",12345]}})");
  grammar::Automaton forwards = automaton_of(schema, trie, Guide::kMemoryBytes);
  grammar::Automaton backwards = automaton_of(schema, trie, Guide::kMemoryBytes);
  std::vector<grammar::KeyPointer> places{forwards.start()};
  const std::string text = R"({"name":"hello and the value","b":[true,null,"aaaaaaaa",12345]})";
  for (const char byte : text) {
    places.push_back(forwards.take(places.back(), static_cast<TokenId>(5 + static_cast<uint8_t>(byte))));
    ASSERT_NE(places.back(), nullptr);
  }
  for (size_t i = places.size(); i-- > 0;) {
    const int64_t late = backwards.closing_tokens(places[i]);
    EXPECT_EQ(forwards.closing_tokens(places[i]), late) << i;
    grammar::Automaton fresh = automaton_of(schema, trie, Guide::kMemoryBytes);
    EXPECT_EQ(fresh.closing_tokens(places[i]), late) << i;
  }
}

TEST(GuideLimits, ALongTailWithManyWaysTakesABoundedTime) {
  const auto trie = mixed_vocabulary(20'000, 9);
  GuideSpec spec;
  spec.answer = {AnswerSpec::Kind::kJsonSchema, long_tail()};
  const auto guide = Guide::compile(trie, spec).value();
  const auto begin = std::chrono::steady_clock::now();
  const RandomReply reply = random_reply(guide, guide->shortest_reply_tokens() + 5, 3);
  EXPECT_TRUE(reply.has_ended || !reply.was_stuck);
  // Far more than it takes: sanitizers and a busy machine slow it down. Each token once took seconds.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
}

TEST(GuideLimits, MasksOfManyPatternsTakeABoundedTimeAndAreNeverEmpty) {
  const auto trie = mixed_vocabulary(20'000, 9);
  GuideSpec spec;
  spec.answer = {AnswerSpec::Kind::kJsonSchema, many_patterns(256)};
  const auto guide = Guide::compile(trie, spec).value();
  const auto begin = std::chrono::steady_clock::now();
  const RandomReply reply = random_reply(guide, 12, 3);
  EXPECT_FALSE(reply.was_stuck);
  EXPECT_TRUE(reply.has_ended);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
  EXPECT_LT(guide->used_bytes(), 4 * Guide::kMemoryBytes);
}

// With more ways than are followed, whatever ends is a text that fits.
TEST(GuideLimits, WhatIsLostByAnAllowedTokenNeverEnds) {
  const auto trie = mixed_vocabulary(600, 2);
  array first, second;
  for (int i = 0; i < 256; ++i) {
    first.push_back(object{{"type", "string"}, {"pattern", "^x" + std::to_string(i) + "$"}});
    second.push_back(object{{"type", "string"}, {"pattern", "^y" + std::to_string(i) + "$"}});
  }
  const value schema =
      object{{"anyOf", array{object{{"anyOf", first}}, object{{"anyOf", second}}, object{{"anyOf", first}},
                             object{{"type", "string"}, {"pattern", "^zz$"}}}}};
  GuideSpec spec;
  spec.answer = {AnswerSpec::Kind::kJsonSchema, schema};
  const auto guide = Guide::compile(trie, spec).value();
  int lost = 0;
  for (TokenId token = 0; token < trie->vocab_size(); ++token) {
    GuideWalk walk(guide);
    ASSERT_TRUE(walk.take(5 + '"'));
    TokenMask mask(trie->vocab_size());
    walk.restrict(mask, 1'000);
    const bool was_allowed = mask.allows(token);
    if (walk.take(token)) continue;
    EXPECT_EQ(walk.must_not_end(), was_allowed) << token;
    lost += was_allowed ? 1 : 0;
    mask.allow_all();
    walk.restrict(mask, 1'000);
    for (const TokenId end : trie->end_tokens()) EXPECT_EQ(mask.allows(end), !was_allowed);
    EXPECT_TRUE(mask.allows(5 + 'x'));
  }
  RecordProperty("lost", lost);
}

}  // namespace
}  // namespace cairn
