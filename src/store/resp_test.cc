#include "store/resp.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace cairn {
namespace {

using Kind = RespValue::Kind;
using Progress = RespReader::Progress;

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

// A reply as a line for people, so that two can be compared.
std::string shown(const RespValue& value) {
  switch (value.kind) {
    case Kind::kNull: return "null";
    case Kind::kStatus: return "+" + value.text;
    case Kind::kError: return "-" + value.text;
    case Kind::kInteger: return std::to_string(value.integer);
    case Kind::kBytes: return "'" + std::string(value.bytes_text()) + "'";
    case Kind::kArray: break;
  }
  std::string text = "[";
  for (const RespValue& element : value.elements) text += shown(element) + " ";
  return text + "]";
}

// All replies of `text`, handed over in parts of `part` bytes; "!" where it is bad.
std::string read_all(std::string_view text, size_t part, RespLimits limits = {}) {
  RespReader reader(limits);
  std::string log;
  for (size_t at = 0; at < text.size(); at += part) {
    std::span<const std::byte> input = bytes_of(text.substr(at, part));
    while (!input.empty()) {
      const Progress progress = reader.read(input);
      if (progress == Progress::kBad) return log + "!";
      if (progress == Progress::kDone) log += shown(reader.take()) + ";";
    }
  }
  return log + (reader.is_between_replies() ? "" : "…");
}

TEST(RespTest, EveryKindIsReadHoweverItIsCut) {
  const std::string text =
      "+OK\r\n-ERR "
      "no\r\n:-42\r\n$5\r\na\r\nbc\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n*3\r\n:1\r\n*2\r\n$1\r\nx\r\n+y\r\n$-"
      "1\r\n";
  const std::string wanted = "+OK;-ERR no;-42;'a\r\nbc';'';null;null;[];[1 ['x' +y ] null ];";
  for (size_t part = 1; part <= text.size(); ++part) EXPECT_EQ(read_all(text, part), wanted) << part;
}

TEST(RespTest, APartOfAReplyIsNoReply) {
  EXPECT_EQ(read_all("$5\r\nabc", 3), "…");
  EXPECT_EQ(read_all("*2\r\n:1\r\n", 3), "…");
  EXPECT_EQ(read_all("+O", 3), "…");
}

TEST(RespTest, WhatIsNoRespIsBad) {
  for (const std::string_view text :
       {"\n", "\r\n", "OK\r\n", "+OK\n", ":\r\n", ":1x\r\n", ":99999999999999999999\r\n", "$x\r\n", "$-2\r\n",
        "$ 5\r\n", "*-2\r\n", "*1.5\r\n", "$3\r\nabcd\r\n", "$3\r\nabc\n\n", "$1\r\na\rx",
        "HTTP/1.1 400 Bad Request\r\n"}) {
    EXPECT_TRUE(read_all(text, 4096).ends_with('!')) << text;
    EXPECT_TRUE(read_all(text, 1).ends_with('!')) << text;
  }
}

TEST(RespTest, ItStaysBad) {
  RespReader reader;
  std::span<const std::byte> input = bytes_of("?\r\n");
  EXPECT_EQ(reader.read(input), Progress::kBad);
  input = bytes_of("+OK\r\n");
  EXPECT_EQ(reader.read(input), Progress::kBad);
  EXPECT_FALSE(reader.error().empty());
}

TEST(RespTest, LimitsHoldBeforeAnythingIsAllocated) {
  const RespLimits limits{.bytes_max = 10, .line_bytes_max = 16, .element_count_max = 4, .depth_max = 2};
  EXPECT_EQ(read_all("$10\r\n0123456789\r\n", 3, limits), "'0123456789';");
  EXPECT_EQ(read_all("$11\r\n", 3, limits), "!");
  EXPECT_EQ(read_all("$9223372036854775807\r\n", 64, {}), "!");
  EXPECT_EQ(read_all("*9223372036854775807\r\n", 64, {}), "!");
  EXPECT_EQ(read_all("*2\r\n$6\r\n012345\r\n$5\r\n", 64, limits), "!");  // together too many
  EXPECT_EQ(read_all("*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n", 64, limits), "[1 2 3 4 ];");
  EXPECT_EQ(read_all("*5\r\n", 64, limits), "!");
  EXPECT_EQ(read_all("*2\r\n*2\r\n:1\r\n:1\r\n*1\r\n", 64, limits), "!");
  EXPECT_EQ(read_all("*1\r\n*1\r\n*0\r\n", 64, limits), "[[[] ] ];");  // an empty one opens nothing
  EXPECT_EQ(read_all("*1\r\n*1\r\n*1\r\n", 64, limits), "!");
  EXPECT_EQ(read_all("+0123456789abc\r\n", 5, limits), "+0123456789abc;");
  EXPECT_EQ(read_all("+0123456789abcd\r\n", 5, limits), "!");
  EXPECT_EQ(read_all("+" + std::string(16, 'x'), 5, limits), "!");
}

TEST(RespTest, LimitsAreThoseOfOneReply) {
  const RespLimits limits{.bytes_max = 4, .element_count_max = 1};
  std::string text;
  std::string wanted;
  for (int i = 0; i < 100; ++i) {
    text += "*1\r\n$4\r\nabcd\r\n";
    wanted += "['abcd' ];";
  }
  EXPECT_EQ(read_all(text, 7, limits), wanted);
}

TEST(RespTest, CommandsAreArraysOfBulkStrings) {
  std::string text;
  append_resp_command(text, {"SET", std::string_view("k\0\r\n", 4), ""});
  EXPECT_EQ(text, std::string_view("*3\r\n$3\r\nSET\r\n$4\r\nk\0\r\n\r\n$0\r\n\r\n", 29));
}

}  // namespace
}  // namespace cairn
