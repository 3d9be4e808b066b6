#include "base/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <type_traits>
#include <vector>

#include "base/temporary_folder_testing.h"

namespace cairn {
namespace {

static_assert(!std::is_copy_constructible_v<MappedFile> && std::is_nothrow_move_constructible_v<MappedFile>);

std::string text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.size()};
}

StatusCode code_of(const std::string& path) { return MappedFile::open(path).status().code(); }

TEST(MappedFile, HoldsTheBytesOfTheFile) {
  const TemporaryFolder folder;
  const std::string path = folder.write("a", "hello");
  const auto file = MappedFile::open(path);
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(text_of(*file), "hello");
  EXPECT_EQ(file->path(), path);
}

TEST(MappedFile, MovesWithItsMapping) {
  const TemporaryFolder folder;
  auto first = MappedFile::open(folder.write("a", "first"));
  auto second = MappedFile::open(folder.write("b", "second"));
  ASSERT_TRUE(first.ok() && second.ok());
  MappedFile moved = std::move(*first);
  EXPECT_EQ(text_of(moved), "first");
  moved = std::move(*second);
  EXPECT_EQ(text_of(moved), "second");
}

TEST(MappedFile, OutlivesTheNameOfTheFile) {
  const TemporaryFolder folder;
  const auto file = MappedFile::open(folder.write("a", "still here"));
  ASSERT_TRUE(file.ok());
  ASSERT_EQ(::unlink(folder.at("a").c_str()), 0);
  EXPECT_EQ(text_of(*file), "still here");
}

TEST(MappedFile, RefusesWhatIsNotAFileWithBytes) {
  const TemporaryFolder folder;
  EXPECT_EQ(code_of(folder.at("missing")), StatusCode::kNotFound);
  EXPECT_EQ(code_of(folder.write("empty", "")), StatusCode::kInvalidData);
  EXPECT_EQ(code_of(folder.path()), StatusCode::kInvalidArgument);
  EXPECT_EQ(code_of("/dev/null"), StatusCode::kInvalidArgument);
  EXPECT_EQ(code_of(folder.at("empty") + "/below"), StatusCode::kNotFound);
}

TEST(MappedFile, RefusesAPipeWithoutWaitingForItsWriter) {
  const TemporaryFolder folder;
  const std::string path = folder.at("pipe");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(code_of(path), StatusCode::kInvalidArgument);
}

TEST(MappedFile, NamesTheFileInItsErrorsOnOneLine) {
  const auto missing = MappedFile::open("no\nsuch\x1b[31m file");
  EXPECT_EQ(missing.status().message(), "no\\nsuch\\x1b[31m file: no such file");
}

// How many pages of the mapping are in this process's memory cannot be seen for a file in the page cache
// (mincore reports the cache), so the test can only check that the bytes are right after release().
TEST(MappedFile, ReleasedPagesAreReadAgain) {
  const TemporaryFolder folder;
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  std::string text(5 * page + 17, '?');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 23);
  const auto file = MappedFile::open(folder.write("a", text));
  ASSERT_TRUE(file.ok());
  for (AccessPattern pattern : {AccessPattern::kSequential, AccessPattern::kRandom, AccessPattern::kWillNeed,
                                AccessPattern::kNormal}) {
    file->advise(pattern);
  }
  file->release(file->bytes());
  EXPECT_EQ(text_of(*file), text);
  file->release(file->bytes().subspan(10, 20));
  file->release(file->bytes().subspan(10, 0));
  file->release(file->bytes().subspan(page / 2, 3 * page));
  file->release(file->bytes().last(5));
  EXPECT_EQ(text_of(*file), text);
}

TEST(MappedFile, CopiesAnyRange) {
  const TemporaryFolder folder;
  std::string text(10000, '?');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 23);
  auto opened = MappedFile::open(folder.write("a", text));
  ASSERT_TRUE(opened.ok());
  const MappedFile file = std::move(*opened);
  for (const auto& [at, count] : {std::pair<size_t, size_t>(0, 10000), {4090, 20}, {9999, 1}, {7, 0}}) {
    std::string copied(count, '!');
    file.copy(file.bytes().subspan(at, count), reinterpret_cast<std::byte*>(copied.data()));
    EXPECT_EQ(copied, text.substr(at, count));
  }
}

TEST(MappedFile, KnowsWhatItContains) {
  const TemporaryFolder folder;
  const auto file = MappedFile::open(folder.write("a", "0123456789"));
  ASSERT_TRUE(file.ok());
  const std::vector<std::byte> elsewhere(4);
  EXPECT_TRUE(file->contains(file->bytes()));
  EXPECT_TRUE(file->contains(file->bytes().last(1)));
  EXPECT_FALSE(file->contains(elsewhere));
}

}  // namespace
}  // namespace cairn
