#include "files/json.h"

#include <gtest/gtest.h>

#include <string>

#include "base/temporary_folder_testing.h"

namespace cairn {
namespace {

std::string error_of(std::string_view text, JsonLimits limits = {}) {
  return parse_json(text, limits).status().message();
}

TEST(Json, ReadsAnyValue) {
  EXPECT_EQ(parse_json("[1, 2.5, null, \"\\u00e9\"]", {})->get_array().size(), 4U);
  EXPECT_EQ(parse_json(" 7 \n", {})->get_int64(), 7);
  EXPECT_TRUE(parse_json("{}", {})->is_object());
}

TEST(Json, SaysWhatIsWrongAndInWhichLine) {
  EXPECT_EQ(error_of("{\n\"a\": 1,\n\"b\": }"), "is not valid JSON: syntax error in line 3");
  EXPECT_EQ(error_of("{\"a\": 1"), "is not valid JSON: incomplete JSON in line 1");
  EXPECT_EQ(error_of(""), "is not valid JSON: incomplete JSON in line 1");
  EXPECT_EQ(error_of("{} {}"), "is not valid JSON: extra data in line 1");
  EXPECT_NE(error_of("[NaN]"), "");
}

TEST(Json, RefusesInvalidUtf8) {
  EXPECT_NE(error_of("\"\xff\""), "");
  EXPECT_NE(error_of("\"\xed\xa0\x80\""), "");
}

TEST(Json, DepthAndLengthAreLimited) {
  const JsonLimits limits{.bytes_max = 1'000'000, .depth_max = 10};
  EXPECT_TRUE(parse_json(std::string(10, '[') + std::string(10, ']'), limits).ok());
  EXPECT_NE(error_of(std::string(11, '[') + std::string(11, ']'), limits).find("too deep"),
            std::string::npos);
  EXPECT_NE(error_of(std::string(999'999, '['), limits), "");
  EXPECT_EQ(error_of(std::string(1'000'001, ' '), limits),
            "has 1000001 bytes of JSON; at most 1000000 are read");
}

TEST(Json, LoadsAFileThatHoldsAnObject) {
  const TemporaryFolder folder;
  const auto object = load_json_object(folder.write("a.json", "{\"k\": [true]}\n"), {});
  ASSERT_TRUE(object.ok()) << object.status().message();
  EXPECT_TRUE(object->at("k").is_array());
  EXPECT_EQ(load_json_object(folder.write("b.json", "[1]"), {}).status(),
            invalid_data(folder.at("b.json") + ": holds no JSON object"));
  EXPECT_EQ(load_json_object(folder.at("c.json"), {}).status().code(), StatusCode::kNotFound);
  EXPECT_TRUE(
      load_json_object(folder.write("d.json", "{"), {}).status().message().starts_with(folder.at("d.json")));
}

}  // namespace
}  // namespace cairn
