#include "base/text_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/temporary_folder_testing.h"

namespace cairn {
namespace {

TEST(TextFile, ReadsAWholeFile) {
  const TemporaryFolder folder;
  const std::string text(200'000, 'x');
  const std::string path = folder.write("a", text);
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  const auto file = read_text_file(path, text.size());
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->text, text);
  EXPECT_EQ(file->mode, 0640U);
  EXPECT_EQ(read_text_file(folder.write("empty", ""), 10)->text, "");
}

TEST(TextFile, RefusesWhatIsTooLarge) {
  const TemporaryFolder folder;
  EXPECT_EQ(read_text_file(folder.write("a", "12345"), 4).status().code(), StatusCode::kInvalidData);
  EXPECT_EQ(read_text_file("/dev/zero", 4).status().code(), StatusCode::kInvalidArgument);
}

TEST(TextFile, RefusesWhatIsNoRegularFileAndWaitsForNone) {
  const TemporaryFolder folder;
  const std::string pipe = folder.at("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(read_text_file(pipe, 100).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(read_text_file(folder.path(), 100).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(read_text_file(folder.at("none"), 100).status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace cairn
