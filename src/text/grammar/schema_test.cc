// A conformance list: schemas with texts that their guides read, and texts that they do not.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "text/grammar/grammar_testing.h"

namespace cairn {
namespace {

struct Case {
  const char* schema;
  std::vector<std::string> good, bad;
};

const Case kCases[] = {
    {"true", {"1", "\"a\"", "[]", "{}", "null", "[1, {\"a\": [true]}]"}, {"", "nul", "1 2", "{]"}},
    {"{}", {"false", "{\"a\":1}"}, {"a"}},
    {R"({"type":"null"})", {"null"}, {"nul", "0"}},
    {R"({"type":"boolean"})", {"true", "false"}, {"True", "1"}},
    {R"({"type":["string","null"]})", {"null", "\"\"", "\"null\""}, {"1"}},
    {R"({"type":"string"})",
     {"\"\"", "\"a b\"", R"("\"\\\/\b\f\n\r\t")", R"("\u0041\u00e9\ud83d\ude00")", "\"\xF0\x9F\x98\x80\"",
      "\"\x7F\""},
     {"\"", "\"a", "\"\n\"", R"("\x")", R"("\u00")", R"("\ud83d")", R"("\ud83d\u0041")", R"("\ude00")",
      "\"\xC3\"", "\"\xC0\x80\"", "\"\xED\xA0\x80\"", "\"\xF4\x90\x80\x80\"", "\"\xE0\x80\x80\"", "\"\x80\"",
      "\"\xFF\"", "'a'"}},
    {R"({"type":"string","minLength":2,"maxLength":3})",
     {"\"ab\"", "\"abc\"", "\"\xC3\xA9\xF0\x9F\x98\x80\"", R"("\n\u0041")", R"("\ud83d\ude00x")"},
     {"\"a\"", "\"abcd\"", "\"\""}},
    {R"({"type":"string","minLength":2})", {"\"ab\"", "\"abcdefghijklmnop\""}, {"\"a\""}},
    {R"({"type":"string","maxLength":0})", {"\"\""}, {"\"a\""}},
    {R"({"type":"string","maxLength":1000000000})", {"\"\"", "\"abc\""}, {"1"}},
    {R"({"type":"integer"})",
     {"0", "-1", "12", "999999999999999"},
     {"01", "1.0", "1e3", "-", "", "+1", "1000000000000000"}},
    {R"({"type":"number"})",
     {"0", "-0.5", "1e10", "1E-3", "123.456e+7", "999999999999999.999999999999999e99"},
     {"1e999", "1e100", ".5", "1.", "1e", "00", "0x1", "NaN", "1.0000000000000000"}},
    {R"({"type":"integer","minimum":3,"maximum":117})",
     {"3", "9", "10", "99", "100", "117"},
     {"2", "118", "1", "0", "-3", "200", "1000", "03"}},
    {R"({"type":"integer","minimum":-12,"maximum":5})",
     {"-12", "-9", "-1", "0", "5"},
     {"-13", "6", "-0", "-20", "-100"}},
    {R"({"type":"integer","exclusiveMinimum":0,"exclusiveMaximum":10.5})", {"1", "10"}, {"0", "11"}},
    {R"({"type":"integer","minimum":0,"exclusiveMinimum":true})", {"1"}, {"0", "-1"}},
    {R"({"type":"integer","minimum":0.5})", {"1", "100000"}, {"0"}},
    {R"({"type":"integer","maximum":-100})", {"-100", "-5000"}, {"-99", "0", "-1"}},
    {R"({"type":"number","minimum":0,"maximum":1})",
     {"0", "0.0", "0.25", "1", "1.0", "0.999"},
     {"1.1", "-0.1", "2", "1.01", "0e0"}},
    {R"({"type":"number","exclusiveMinimum":0.25,"maximum":3.5})",
     {"0.26", "0.2501", "1", "2.7", "3", "3.5", "3.50", "3.49"},
     {"0.25", "0.250", "0.2", "0", "3.51", "3.6", "4"}},
    {R"({"type":"number","minimum":-2.5,"exclusiveMaximum":-1})",
     {"-2.5", "-2", "-1.1", "-1.0001"},
     {"-1", "-1.0", "-2.51", "-3", "0"}},
    {R"({"type":"number","multipleOf":1})", {"3"}, {"3.5"}},
    {R"({"enum":["a","ab",1,2.5,null,{"k":[1,2]},"\n\"é"]})",
     {"\"a\"", "\"ab\"", "1", "2.5", "null", "{\"k\":[1,2]}", "\"\\n\\\"\xC3\xA9\""},
     {"\"abc\"", "\"b\"", "2", "\"a", "25", "{\"k\": [1,2]}"}},
    {R"({"type":"string","enum":["a",1,null]})", {"\"a\""}, {"1", "null"}},
    {R"({"enum":[1,2,3.5,4,"x"],"minimum":2,"exclusiveMaximum":4})", {"2", "3.5", "\"x\""}, {"1", "4"}},
    {R"({"enum":[1,2.5],"multipleOf":1})", {"1"}, {"2.5"}},
    {R"({"enum":["a","\u00e9\u00e9","abc"],"minLength":2,"maxLength":2})",
     {"\"\xC3\xA9\xC3\xA9\""},
     {"\"a\"", "\"abc\""}},
    {R"({"enum":[[1],[1,2]],"minItems":2})", {"[1,2]"}, {"[1]"}},
    {R"({"enum":[{"a":1},{"b":1}],"required":["b"]})", {"{\"b\":1}"}, {"{\"a\":1}"}},
    {R"({"enum":[9007199254740993,-9223372036854775808,18446744073709551615,18446744073709551616,1e300]})",
     {"9007199254740993", "-9223372036854775808", "18446744073709551615", "18446744073709551616", "1e+300"},
     {"9007199254740992", "1.8446744073709552e+19"}},
    {R"({"const":{"a":true}})", {"{\"a\":true}"}, {"{}", "{\"a\":false}"}},
    {R"({"const":"x","enum":["x","y"]})", {"\"x\""}, {"\"y\""}},
    {R"({"type":"array"})", {"[]", "[1]", "[1, \"a\", []]"}, {"[,]", "[1,]", "{}"}},
    {R"({"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":3})",
     {"[1,2]", "[1, 2, 3]", "[\n  1,\n  2\n]"},
     {"[]", "[1]", "[1,2,3,4]", "[\"a\",1]", "[1,2"}},
    {R"({"type":"array","items":{"type":"boolean"},"minItems":1})",
     {"[true]", "[true,false,true,true]"},
     {"[]"}},
    {R"({"type":"array","maxItems":0})", {"[]"}, {"[1]"}},
    {R"({"type":"array","prefixItems":[{"type":"string"},{"type":"integer"}]})",
     {"[\"a\",1]"},
     {"[\"a\"]", "[\"a\",1,2]", "[1,\"a\"]", "[]"}},
    {R"({"type":"array","prefixItems":[{"type":"string"}],"items":{"type":"null"}})",
     {"[\"a\"]", "[\"a\",null,null]"},
     {"[]", "[\"a\",\"a\"]"}},
    {R"({"type":"array","prefixItems":[{"type":"string"},{"type":"integer"}],"minItems":1,"items":false})",
     {"[\"a\"]", "[\"a\",1]"},
     {"[]", "[\"a\",1,1]"}},
    {R"({"items":[{"const":1}],"additionalItems":{"const":2},"maxItems":3})",
     {"[1]", "[1,2]", "[1,2,2]"},
     {"[2]", "[1,2,2,2]"}},
    {R"({"type":"object"})",
     {"{}", "{\"a\":1}", "{ \"a\": {\"b\": []}, \"c\": null }", "{\n  \"a\": 1\n}"},
     {"[]", "{\"a\"}", "{\"a\":1,}", "{a:1}", "{\"a\" :1}"}},
    {R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},"required":["a","b"],"additionalProperties":false})",
     {R"({"a":1,"b":"x"})", R"({"a": 1, "b": "x"})", "{\n  \"a\": 1,\n  \"b\": \"x\"\n}"},
     {R"({"b":"x","a":1})", R"({"a":1})", R"({})", R"({"a":1,"b":"x","c":1})", R"({"a":1,"a":1,"b":"x"})",
      R"({"a":"1","b":"x"})"}},
    {R"({"type":"object","properties":{"a":{"const":1},"b":{"const":2},"c":{"const":3}},"required":["b"]})",
     {R"({"b":2})", R"({"a":1,"b":2})", R"({"b":2,"c":3})", R"({"a":1,"b":2,"c":3})"},
     {"{}", R"({"a":1})", R"({"a":1,"c":3})", R"({"b":2,"d":1})", R"({,"b":2})", R"({"b":2,})"}},
    {R"({"properties":{"a":{"const":1},"b":{"const":2}}})",
     {"{}", R"({"a":1})", R"({"b":2})", R"({"a":1,"b":2})"},
     {R"({"b":2,"a":1})"}},
    {R"({"type":"object","properties":{}})", {"{}"}, {R"({"a":1})"}},
    {R"({"type":"object","additionalProperties":{"type":"integer"}})",
     {"{}", R"({"x":1,"y":2})"},
     {R"({"x":"1"})"}},
    {R"({"type":"object","properties":{"ab":{"const":1},"é":{"const":2}},"additionalProperties":{"const":3}})",
     {"{}", R"({"ab":1})", R"({"a":3})", R"({"abc":3})", R"({"b":3,"":3})", R"({"ab":1,"é":2,"è":3,"xy":3})",
      R"({"€":3})"},
     {R"({"ab":3})", R"({"a":1})", R"({"x":3,"ab":1})", R"({"ab":1,"ab":3})", R"({"\u0061b":3})",
      R"({"é":3})"}},
    {R"({"required":["x"]})", {R"({"x":[1]})"}, {"{}"}},
    {R"({"type":"object","required":["x"],"additionalProperties":{"type":"null"}})",
     {R"({"x":null})", R"({"x":null,"y":null})"},
     {R"({"x":1})", R"({"y":null})"}},
    {R"({"anyOf":[{"type":"integer"},{"type":"string","maxLength":1}]})", {"7", "\"a\""}, {"\"ab\"", "null"}},
    {R"({"oneOf":[{"const":"a"},{"const":"b"}]})", {"\"a\"", "\"b\""}, {"\"c\""}},
    {R"({"type":"object","properties":{"a":{"const":1},"b":{"const":2}},"additionalProperties":false,"anyOf":[{"required":["a"]},{"required":["b"]}]})",
     {R"({"a":1})", R"({"b":2})", R"({"a":1,"b":2})"},
     {"{}"}},
    {R"({"allOf":[{"type":"object","properties":{"a":{"const":1}},"required":["a"]},{"properties":{"b":{"const":2}},"required":["b"]}]})",
     {R"({"a":1,"b":2})"},
     {R"({"a":1})", R"({"b":2})", "{}"}},
    {R"({"allOf":[{"type":["integer","string"]},{"type":"number","minimum":3},{"maximum":5}]})",
     {"3", "5"},
     {"2", "6", "3.5", "\"a\""}},
    {R"({"type":"string","nullable":true})", {"null", "\"a\""}, {"1"}},
    {R"({"$ref":"#/$defs/a","$defs":{"a":{"type":"array","items":{"$ref":"#/$defs/b"}},"b":{"const":1}}})",
     {"[]", "[1,1]"},
     {"[2]"}},
    {R"({"$ref":"#/definitions/a~1b","definitions":{"a/b":{"const":1}}})", {"1"}, {"2"}},
    {R"({"type":"object","properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#"},{"type":"null"}]}},"required":["v","next"]})",
     {R"({"v":1,"next":null})", R"({"v":1,"next":{"v":2,"next":{"v":3,"next":null}}})"},
     {R"({"v":1})", R"({"v":1,"next":{"v":2}})", R"({"v":1,"next":1})"}},
    {R"({"$ref":"#/$defs/n","$defs":{"n":{"type":"integer"}},"minimum":5,"description":"x"})", {"5"}, {"4"}},
    {R"({"title":"T","description":"D","default":1,"examples":[1],"x-own":2,"type":"integer"})",
     {"1"},
     {"\"1\""}},
};

TEST(Schema, ReadsWhatFitsAndNothingElse) {
  const auto trie = byte_vocabulary();
  for (const Case& one : kCases) {
    const auto guide = Guide::compile(trie, schema_spec(one.schema));
    ASSERT_TRUE(guide.ok()) << one.schema << ": " << guide.status().message();
    for (const std::string& text : one.good)
      EXPECT_TRUE(reads(*guide, text)) << one.schema << " must read " << text;
    for (const std::string& text : one.bad)
      EXPECT_FALSE(reads(*guide, text)) << one.schema << " must not read " << text;
  }
}

TEST(Schema, TheValidatorOfTheTestsAgreesWithTheList) {
  for (const Case& one : kCases) {
    for (const std::string& text : one.good) {
      const auto reason = misfit_of_text(text, json_of(one.schema));
      EXPECT_FALSE(reason.has_value()) << one.schema << ": " << text << ": " << *reason;
    }
  }
}

TEST(Schema, AReplyMayBeginWithOneBlank) {
  const auto guide = Guide::compile(byte_vocabulary(), schema_spec("{\"type\":\"integer\"}")).value();
  EXPECT_TRUE(reads(guide, " 1"));
  EXPECT_FALSE(reads(guide, "  1"));
  EXPECT_FALSE(reads(guide, "1 "));
}

TEST(Schema, WhiteSpaceAndNestingAreBounded) {
  const auto guide = Guide::compile(byte_vocabulary(), schema_spec("true")).value();
  EXPECT_TRUE(reads(guide, "[\n" + std::string(32, ' ') + "1]"));
  EXPECT_FALSE(reads(guide, "[\n" + std::string(33, ' ') + "1]"));
  EXPECT_FALSE(reads(guide, "[  1]"));
  EXPECT_FALSE(reads(guide, "[\n\n1]"));
  EXPECT_TRUE(reads(guide, std::string(20, '[') + std::string(20, ']')));
  EXPECT_FALSE(reads(guide, std::string(30, '[') + std::string(30, ']')));
}

TEST(Schema, AJsonObjectIsAnyObject) {
  GuideSpec spec;
  spec.answer.kind = AnswerSpec::Kind::kJsonObject;
  const auto guide = Guide::compile(byte_vocabulary(), spec).value();
  EXPECT_TRUE(reads(guide, "{\"a\": [1, {\"b\": null}]}"));
  EXPECT_TRUE(reads(guide, "{}"));
  EXPECT_FALSE(reads(guide, "[]"));
  EXPECT_FALSE(reads(guide, "1"));
  EXPECT_EQ(guide->shortest_reply_tokens(), 3);
}

}  // namespace
}  // namespace cairn
