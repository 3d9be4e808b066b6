#include "cli/output_format.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <cmath>

namespace cairn {
namespace {

TEST(Table, AlignsColumnsByCharacters) {
  Table table({{"name", Align::kLeft}, {"n", Align::kRight}});
  table.add_row({"ä", "1"});
  table.add_row({"longer", "1234"});
  EXPECT_EQ(table.aligned(),
            "name       n\n"
            "ä          1\n"
            "longer  1234\n");
}

TEST(Table, LeavesNoBlanksAtALinesEnd) {
  Table table({{"a", Align::kLeft}, {"b", Align::kLeft}});
  table.add_row({"x", ""});
  table.add_row({"", "long cell"});
  EXPECT_EQ(table.aligned(), "a  b\nx\n   long cell\n");
}

TEST(Table, QuotesCsvCellsThatNeedIt) {
  Table table({{"what", Align::kLeft}, {"how, much", Align::kRight}});
  table.add_row({"say \"hi\"", "1"});
  table.add_row({"two\nlines", "2"});
  EXPECT_EQ(table.csv(), "what,\"how, much\"\n\"say \"\"hi\"\"\",1\n\"two\nlines\",2\n");
}

TEST(HumanBytes, PicksTheUnit) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(uint64_t{36} << 20), "36.0 MiB");
  EXPECT_EQ(human_bytes((uint64_t{1} << 20) - 1), "1.0 MiB");  // not 1024.0 KiB
  EXPECT_EQ(human_bytes(uint64_t{5} << 50), "5120.0 TiB");
}

TEST(Grouped, SetsCommas) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(12345678), "12,345,678");
}

TEST(JsonLine, WritesNumbersPlainly) {
  boost::json::object object{{"a", 0.8}, {"b", 25.0}, {"c", 7}, {"d", -1234.5678}, {"e", 0.0}};
  EXPECT_EQ(json_line(object), "{\"a\":0.8,\"b\":25.0,\"c\":7,\"d\":-1234.5678,\"e\":0.0}\n");
  EXPECT_EQ(json_line({{"x", INFINITY}, {"y", NAN}}), "{\"x\":null,\"y\":null}\n");
}

TEST(JsonLine, IsTheObjectAgain) {
  const boost::json::object object{{"k\"ey\n", "tab\t\u00e4"},
                                   {"list", {1.5, {{"deep", nullptr}}, true, 1e-9, 123456789012345678.0}},
                                   {"none", boost::json::object()},
                                   {"empty", boost::json::array()},
                                   {"big", uint64_t{18446744073709551615U}}};
  EXPECT_EQ(boost::json::parse(json_line(object)), boost::json::value(object));
}

TEST(HumanNs, PicksTheUnit) {
  EXPECT_EQ(human_ns(950), "950 ns");
  EXPECT_EQ(human_ns(1.25e6), "1.2 ms");
  EXPECT_EQ(human_ns(3.4e9), "3.40 s");
}

}  // namespace
}  // namespace cairn
