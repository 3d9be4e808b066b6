#include "cli/line_history.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/temporary_folder_testing.h"

namespace cairn {
namespace {

using Lines = std::vector<std::string>;

mode_t mode_of(const std::string& path) {
  struct stat facts{};
  EXPECT_EQ(::stat(path.c_str(), &facts), 0);
  return facts.st_mode & 0777;
}

TEST(LineHistory, IsKeptFromRunToRun) {
  const TemporaryFolder folder;
  const std::string path = folder.at("state/cairn/chat_history");
  LineHistory first(path);
  ASSERT_TRUE(first.status().ok()) << first.status().message();
  first.add("one");
  first.add("one");  // not twice in a row
  first.add("two\nlines \"and\" \xF0\x9F\x99\x82");
  const LineHistory second(path);
  EXPECT_EQ(second.lines(), (Lines{"one", "two\nlines \"and\" \xF0\x9F\x99\x82"}));
  EXPECT_EQ(mode_of(path), 0600U);
  EXPECT_EQ(mode_of(folder.at("state/cairn")), 0700U);
}

TEST(LineHistory, TwoProgramsMayWriteOneFile) {
  const TemporaryFolder folder;
  LineHistory one(folder.at("history"));
  LineHistory other(folder.at("history"));
  one.add("a");
  other.add("b");
  one.add("c");
  EXPECT_EQ(LineHistory(folder.at("history")).lines(), (Lines{"a", "b", "c"}));
}

TEST(LineHistory, LeavesOutWhatItCannotRead) {
  const TemporaryFolder folder;
  const std::string path = folder.write("history", "\"a\"\nnot json\n17\n\"b\"\n\"torn");
  EXPECT_EQ(LineHistory(path).lines(), (Lines{"a", "b"}));
}

TEST(LineHistory, StaysShort) {
  const TemporaryFolder folder;
  std::string text;
  for (size_t i = 0; i <= 2 * kHistoryLinesMax; ++i) text += fmt::format("\"{}\"\n", i);
  const std::string path = folder.write("history", text);
  const LineHistory history(path);
  ASSERT_EQ(history.lines().size(), kHistoryLinesMax);
  EXPECT_EQ(history.lines().back(), std::to_string(2 * kHistoryLinesMax));
  EXPECT_EQ(mode_of(path), 0600U);
  EXPECT_EQ(LineHistory(path).lines(), history.lines());

  LineHistory again(path);
  again.add(std::string(kHistoryLineBytesMax + 1, 'x'));
  EXPECT_EQ(again.lines(), history.lines());
}

TEST(LineHistory, WithoutAFileLastsForTheRun) {
  const TemporaryFolder folder;
  LineHistory nowhere(std::nullopt);
  nowhere.add("a");
  EXPECT_TRUE(nowhere.status().ok());
  EXPECT_EQ(nowhere.lines(), Lines{"a"});

  LineHistory blocked(folder.write("file", "x") + "/history");
  EXPECT_FALSE(blocked.status().ok());
  blocked.add("a");
  EXPECT_EQ(blocked.lines(), Lines{"a"});
}

TEST(LineHistory, BelongsInTheUsersStateFolder) {
  EXPECT_EQ(history_path("/state", "/users/ada"), "/state/cairn/chat_history");
  EXPECT_EQ(history_path(nullptr, "/users/ada"), "/users/ada/.local/state/cairn/chat_history");
  EXPECT_EQ(history_path("relative", "/users/ada"), "/users/ada/.local/state/cairn/chat_history");
  EXPECT_EQ(history_path("", ""), std::nullopt);
  EXPECT_EQ(history_path(nullptr, nullptr), std::nullopt);
}

}  // namespace
}  // namespace cairn
