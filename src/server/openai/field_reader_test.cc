#include "server/openai/field_reader.h"

#include <gtest/gtest.h>

#include "server/openai/call_limits.h"

namespace cairn {
namespace {

TEST(ReadBody, NamesLineAndColumnOfWhatIsNoJson) {
  struct Case {
    std::string_view body;
    std::string_view in_message;
  };
  const Case cases[] = {
      {"", "empty"},
      {" \n\t ", "empty"},
      {"{\"a\":1,\n  x}", "line 2, column 3"},
      {"{\"a\":1", "incomplete"},
      {"{} {}", "follows"},
      {"[1]", "must be a JSON object"},
      {"\"text\"", "must be a JSON object"},
      {"{\"a\":\"\xff\"}", "line 1"},
      {"{\"a\":\"\xc0\xaf\"}", "line 1"},
      {"{\"a\":\"\xed\xa0\x80\"}", "line 1"},
      {"{\"a\":\"\\ud800\"}", "line 1"},
      {"{\"a\":NaN}", "line 1"},
      {"{\"a\":Infinity}", "line 1"},
      {"{\"a\":01}", "line 1"},
      {"{'a':1}", "line 1"},
      {"{\"a\":1,}", "line 1"},
  };
  for (const Case& c : cases) {
    const auto json = read_body(c.body);
    ASSERT_FALSE(json.ok()) << c.body;
    EXPECT_EQ(json.error().status, 400);
    EXPECT_EQ(json.error().code, "invalid_json");
    EXPECT_NE(json.error().message.find(c.in_message), std::string::npos) << json.error().message;
  }
}

TEST(ReadBody, RefusesDepthAndLength) {
  const auto nested = [](size_t depth) {
    return "{\"a\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_TRUE(read_body(nested(kBodyDepthMax - 1)).ok());
  EXPECT_FALSE(read_body(nested(kBodyDepthMax)).ok());
  EXPECT_FALSE(read_body(std::string(1 << 20, '[')).ok());
  EXPECT_FALSE(read_body("{\"a\":" + std::string(1 << 20, '[')).ok());

  const auto huge = read_body("{\"a\":\"" + std::string(kBodyBytesMax, 'x') + "\"}");
  ASSERT_FALSE(huge.ok());
  EXPECT_EQ(huge.error().status, 413);
}

TEST(FieldReader, KeepsTheFirstErrorAndReadsNothingAfterIt) {
  const auto json = read_body(R"({"a":"x","b":2,"c":{"d":[1,{"e":true}]},"f":null})");
  ASSERT_TRUE(json.ok());
  std::optional<ApiError> error;
  const FieldReader fields(*json, "", error);
  EXPECT_EQ(fields.integer("b", {0, 5}), 2);
  EXPECT_EQ(fields.find("f"), nullptr);
  EXPECT_EQ(fields.find("g"), nullptr);
  const auto c = fields.object("c");
  ASSERT_TRUE(c.has_value());
  const auto* list = c->list("d", 2);
  ASSERT_NE(list, nullptr);
  EXPECT_TRUE(c->element("d", 1, (*list)[1])->flag("e").value());
  EXPECT_FALSE(fields.failed());

  EXPECT_EQ(c->element("d", 0, (*list)[0]), std::nullopt);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->param, "c.d[0]");
  EXPECT_EQ(error->message, "'c.d[0]' must be an object, not 1");
  EXPECT_EQ(fields.integer("b", {0, 5}), std::nullopt);
  fields.refuse("b", "is wrong");
  EXPECT_EQ(error->param, "c.d[0]");
}

TEST(FieldReader, IntegersAreWholeNumbersInTheirRange) {
  const auto json = read_body(
      R"({"a":3.0,"b":2.5,"c":1e300,"d":9223372036854775807,"e":18446744073709551615,"f":"3","g":-1,"h":3e2})");
  ASSERT_TRUE(json.ok());
  const auto read = [&](std::string_view name, IntegerRange range) {
    std::optional<ApiError> error;
    const auto value = FieldReader(*json, "", error).integer(name, range);
    EXPECT_EQ(value.has_value(), !error.has_value());
    return value;
  };
  EXPECT_EQ(read("a", {}), 3);
  EXPECT_EQ(read("h", {0, 300}), 300);
  EXPECT_EQ(read("h", {0, 299}), std::nullopt);
  EXPECT_EQ(read("b", {}), std::nullopt);
  EXPECT_EQ(read("c", {}), std::nullopt);
  EXPECT_EQ(read("d", {}), 9223372036854775807);
  EXPECT_EQ(read("e", {}), std::nullopt);
  EXPECT_EQ(read("f", {}), std::nullopt);
  EXPECT_EQ(read("g", {0, 10}), std::nullopt);
}

}  // namespace
}  // namespace cairn
