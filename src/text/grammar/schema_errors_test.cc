// What the compiler refuses, in which words, and what hostile schemas cost.
#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <string>

#include "text/grammar/grammar_testing.h"
#include "text/grammar/limits.h"

namespace cairn {
namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;

std::string message_of(const value& schema) {
  GuideSpec spec;
  spec.answer.kind = AnswerSpec::Kind::kJsonSchema;
  spec.answer.schema = schema;
  const auto guide = Guide::compile(byte_vocabulary(), spec);
  if (guide.ok()) return "";
  EXPECT_EQ(guide.status().code(), StatusCode::kInvalidArgument);
  return guide.status().message();
}

void expect_refused(const value& schema, const std::string& words) {
  const auto begin = std::chrono::steady_clock::now();
  const std::string message = message_of(schema);
  EXPECT_NE(message.find(words), std::string::npos)
      << "instead of \"" << words << "\": \"" << message << "\"";
  // Far more than it takes: sanitizers and a busy machine slow it down.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20)) << words;
}

TEST(SchemaErrors, AKeywordThatIsNotSupportedIsNamedWithItsPlace) {
  for (const char* keyword : {"not", "if", "then", "else", "dependentRequired", "contains",
                              "patternProperties", "propertyNames", "$dynamicRef", "unevaluatedItems"}) {
    expect_refused(object{{"type", "object"}, {"properties", object{{"a", object{{keyword, object{}}}}}}},
                   "#/properties/a: the keyword \"" + std::string(keyword) + "\" is not supported");
  }
  expect_refused(json_of(R"({"type":"array","uniqueItems":true})"), "uniqueItems");
  expect_refused(json_of(R"({"type":"object","minProperties":1})"), "minProperties");
  expect_refused(json_of(R"({"type":"number","multipleOf":0.5})"), "multipleOf");
  expect_refused(json_of(R"({"type":"string","pattern":"a","minLength":3})"), "\"pattern\" together with");
  EXPECT_EQ(message_of(json_of(R"({"type":"array","uniqueItems":false})")), "");
  EXPECT_EQ(message_of(json_of(R"({"type":"object","minProperties":0,"unevaluatedProperties":false})")), "");
}

TEST(SchemaErrors, WrongShapesAreNamed) {
  expect_refused(value(1), "must be an object, true or false");
  expect_refused(value(false), "allows no value");
  expect_refused(json_of(R"({"type":"text"})"), "unknown value \"text\"");
  expect_refused(json_of(R"({"type":[]})"), "\"type\" must be");
  expect_refused(json_of(R"({"type":[1]})"), "\"type\" must be");
  expect_refused(json_of(R"({"enum":1})"), "\"enum\" must be a list");
  expect_refused(json_of(R"({"enum":[]})"), "no value of \"enum\"");
  expect_refused(json_of(R"({"type":"integer","enum":["a"]})"), "no value of \"enum\"");
  expect_refused(json_of(R"({"enum":[1,2],"minimum":3})"), "no value of \"enum\"");
  expect_refused(json_of(R"({"const":"ab","minLength":3})"), "no value of \"enum\"");
  expect_refused(json_of(R"({"enum":[1],"minimum":"1"})"), "\"minimum\" must be a number");
  expect_refused(json_of(R"({"enum":[1],"multipleOf":2})"), "multipleOf");
  expect_refused(json_of(R"({"anyOf":[]})"), "\"anyOf\" must be a list");
  expect_refused(json_of(R"({"allOf":{}})"), "\"allOf\" must be a list");
  expect_refused(json_of(R"({"properties":[]})"), "\"properties\" must be an object");
  expect_refused(json_of(R"({"required":"a"})"), "\"required\" must be a list");
  expect_refused(json_of(R"({"required":[1]})"), "\"required\" must be a list");
  expect_refused(json_of(R"({"minLength":-1})"), "\"minLength\" must be a whole number");
  expect_refused(json_of(R"({"minLength":1.5})"), "\"minLength\" must be a whole number");
  expect_refused(json_of(R"({"maxLength":"1"})"), "\"maxLength\" must be a whole number");
  expect_refused(json_of(R"({"minimum":"1"})"), "\"minimum\" must be a number");
  expect_refused(json_of(R"({"pattern":1})"), "\"pattern\" must be a string");
  expect_refused(json_of(R"({"prefixItems":{}})"), "\"prefixItems\" must be a list");
  expect_refused(json_of(R"({"$ref":1})"), "\"$ref\" must be a string");
  expect_refused(json_of(R"({"$ref":"#/x"})"), "which is not there");
  expect_refused(json_of(R"({"$ref":"http://example.org/a"})"), "leads out of the schema");
}

TEST(SchemaErrors, WhatNothingFitsIsRefused) {
  expect_refused(json_of(R"({"minLength":3,"maxLength":2})"), "\"maxLength\" is less");
  expect_refused(json_of(R"({"minItems":3,"maxItems":2})"), "fewer items");
  expect_refused(json_of(R"({"type":"integer","minimum":3,"maximum":2})"), "no integer");
  expect_refused(json_of(R"({"type":"integer","minimum":3.1,"maximum":3.9})"), "no integer");
  expect_refused(json_of(R"({"type":"number","exclusiveMinimum":3,"maximum":3})"), "no number");
  expect_refused(json_of(R"({"type":"integer","minimum":1e30})"), "no integer");
  expect_refused(json_of(R"({"type":"number","maximum":-1e300})"), "no number");
  expect_refused(json_of(R"({"allOf":[{"type":"string"},{"type":"integer"}]})"), "\"type\" apply at once");
  expect_refused(json_of(R"({"allOf":[{"enum":[1]},{"enum":[2]}]})"), "\"enum\" apply at once");
  expect_refused(json_of(R"({"properties":{"a":false},"required":["a"]})"), "\"a\" is required");
  expect_refused(json_of(R"({"required":["b"],"properties":{},"additionalProperties":false})"),
                 "\"b\" is required");
  expect_refused(json_of(R"({"anyOf":[false,false]})"), "no finite text");
}

TEST(SchemaErrors, RecursionNeedsAnEndAndATextInBetween) {
  expect_refused(json_of(R"({"$ref":"#"})"), "leads back to itself");
  expect_refused(json_of(R"({"anyOf":[{"$ref":"#"},{"type":"null"}]})"), "leads back to itself");
  expect_refused(
      json_of(
          R"({"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"anyOf":[{"const":1},{"$ref":"#/$defs/a"}]}}})"),
      "leads back to itself");
  expect_refused(json_of(R"({"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]})"),
                 "no finite text");
  expect_refused(json_of(R"({"type":"array","items":{"$ref":"#"},"minItems":1})"), "no finite text");
  expect_refused(json_of(R"({"allOf":[{"$ref":"#"}]})"), "leads back to itself");
  expect_refused(json_of(R"({"allOf":[{"$ref":"#"}],"minLength":1})"), "nested more than");
  EXPECT_EQ(message_of(json_of(R"({"type":"array","items":{"$ref":"#"}})")), "");
}

TEST(SchemaErrors, WhatIsTooLargeNamesTheLimit) {
  expect_refused(json_of(R"({"minLength":1000000000})"), "\"minLength\" is more than");
  expect_refused(json_of(R"({"minItems":1000000})"), "\"minItems\"");
  EXPECT_EQ(
      message_of(json_of(R"({"maxItems":1000000000,"maxLength":1000000000,"type":["array","string"]})")), "");
  EXPECT_EQ(message_of(json_of(R"({"maxLength":100000})")), "");

  array values;
  for (int i = 0; i < 100'000; ++i) values.push_back(i);
  expect_refused(object{{"enum", values}}, "\"enum\" has more than");
  array branches(grammar::kBranchesMax + 1, object{{"type", "null"}});
  expect_refused(object{{"anyOf", branches}}, "\"anyOf\" has more than");

  value deep = object{{"type", "null"}};
  for (int i = 0; i < 40; ++i) deep = object{{"type", "array"}, {"items", deep}};
  expect_refused(deep, "nested more than");

  value bomb = object{{"type", "null"}};
  for (int i = 0; i < 12; ++i) bomb = object{{"anyOf", array{bomb, bomb, bomb}}};
  expect_refused(bomb, "too large");

  object properties;
  for (int i = 0; i < 1'000; ++i) properties[std::to_string(i)] = true;
  expect_refused(object{{"properties", properties}}, "more than 256 properties");

  array strings;
  for (int i = 0; i < 100; ++i) strings.push_back(object{{"type", "string"}, {"maxLength", 10'000 + i}});
  expect_refused(object{{"anyOf", strings}}, "states");

  value merged = object{{"type", "object"}};
  for (int i = 0; i < 20; ++i)
    merged = object{{"allOf", array{merged, merged}}, {"description", std::string(100, 'x')}};
  expect_refused(merged, "");  // ends, whether in an error or not
}

TEST(SchemaErrors, MergingLongListsEndsSoon) {
  array many;
  for (int i = 0; i < 300'000; ++i) many.push_back(i);
  array others(many.rbegin(), many.rend());
  for (const char* keyword : {"enum", "required", "type", "anyOf", "oneOf"}) {
    expect_refused(object{{"allOf", array{object{{keyword, many}}, object{{keyword, others}}}}},
                   "\"" + std::string(keyword) + "\" has more than");
  }
  // Few values, but each is long: all pairs of them would be compared.
  array texts, longer;
  for (int i = 0; i < 2'000; ++i) {
    texts.push_back(value(std::to_string(i) + std::string(300, 'x')));
    longer.push_back(value(std::to_string(i + 1) + std::string(300, 'x')));
  }
  expect_refused(object{{"allOf", array{object{{"enum", texts}}, object{{"enum", longer}}}}},
                 "\"enum\" are too large to merge");
  array few(many.begin(), many.begin() + 1'000), half(many.begin() + 500, many.begin() + 1'500);
  EXPECT_EQ(message_of(object{{"allOf", array{object{{"enum", few}}, object{{"enum", half}}}}}), "");
}

TEST(SchemaErrors, AmbiguousRecursionStaysWithinItsWays) {
  // Each level may be read in three ways that only the end tells apart.
  const value schema = json_of(R"({"$ref":"#/$defs/n","$defs":{"n":{"anyOf":[
      {"type":"array","prefixItems":[{"anyOf":[{"$ref":"#/$defs/n"},{"const":1}]}]},
      {"type":"array","prefixItems":[{"anyOf":[{"$ref":"#/$defs/n"},{"const":2}]}]},
      {"type":"array","items":{"$ref":"#/$defs/n"}}]}}})");
  GuideSpec spec;
  spec.answer.kind = AnswerSpec::Kind::kJsonSchema;
  spec.answer.schema = schema;
  const auto guide = Guide::compile(mixed_vocabulary(600, 2), spec);
  ASSERT_TRUE(guide.ok()) << guide.status().message();
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const RandomReply reply = random_reply(*guide, 60, seed);
    EXPECT_FALSE(reply.was_stuck);
    if (reply.has_ended) EXPECT_EQ(misfit_of_text(reply.text, schema), std::nullopt) << reply.text;
  }
  EXPECT_LT((*guide)->used_bytes(), 3 * Guide::kMemoryBytes);
}

TEST(SchemaErrors, APatternWithManyPlacesForgetsThem) {
  // Which of the last twenty characters were an "a" is a place of its own each time.
  const auto guide =
      Guide::compile(mixed_vocabulary(3'000, 9), schema_spec(R"({"pattern":"a.{20}$"})")).value();
  for (uint64_t seed = 0; seed < 3; ++seed) {
    const RandomReply reply = random_reply(guide, 60, seed);
    EXPECT_FALSE(reply.was_stuck);
    EXPECT_TRUE(reply.has_ended);
    EXPECT_LT(guide->used_bytes(), 3 * Guide::kMemoryBytes);
  }
}

}  // namespace
}  // namespace cairn
