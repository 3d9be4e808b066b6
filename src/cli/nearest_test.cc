#include "cli/nearest.h"

#include <gtest/gtest.h>

#include <vector>

namespace cairn {
namespace {

TEST(EditDistance, CountsLettersToChange) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("generate", "generate"), 0U);
  EXPECT_EQ(edit_distance("hcat", "chat"), 1U);  // neighbours swapped
  EXPECT_EQ(edit_distance("abc", "cab"), 2U);
}

TEST(NearestName, FindsWhatWasMeant) {
  const std::vector<std::string> names{"--temp", "--threads", "--top-k", "--cache", "-m"};
  EXPECT_EQ(nearest_name("--tmep", names), "--temp");
  EXPECT_EQ(nearest_name("--thread", names), "--threads");
  EXPECT_EQ(nearest_name("--cahce", names), "--cache");
  EXPECT_EQ(nearest_name("--temperature", names), std::nullopt);
  EXPECT_EQ(nearest_name("--thr", names), "--threads");  // the beginning of a name
}

TEST(NearestName, KeepsSilentWhereNothingIsNear) {
  const std::vector<std::string> names{"generate", "chat"};
  EXPECT_EQ(nearest_name("quantize", names), std::nullopt);
  EXPECT_EQ(nearest_name(std::string(100000, 'g'), names), std::nullopt);
  EXPECT_EQ(nearest_name("x", std::vector<std::string>{}), std::nullopt);
}

}  // namespace
}  // namespace cairn
