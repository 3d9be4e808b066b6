#include "cli/byte_count.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

TEST(ByteCount, ReadsWhatPeopleWrite) {
  EXPECT_EQ(*parse_byte_count("4096"), 4096u);
  EXPECT_EQ(*parse_byte_count("2GiB"), uint64_t{2} << 30);
  EXPECT_EQ(*parse_byte_count("2g"), 2'000'000'000u);
  EXPECT_EQ(*parse_byte_count("512 MiB"), uint64_t{512} << 20);
  EXPECT_EQ(*parse_byte_count("1.5GB"), 1'500'000'000u);
  EXPECT_EQ(*parse_byte_count("0.5KIB"), 512u);
  EXPECT_EQ(*parse_byte_count("7B"), 7u);
}

TEST(ByteCount, RefusesTheRest) {
  for (const char* text :
       {"", "GiB", "-1", "0", "0.2", "2 apples", "nan", "inf", "1e300", "99999999TiB", "2GiBGiB"}) {
    EXPECT_EQ(parse_byte_count(text).status().code(), StatusCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace cairn
