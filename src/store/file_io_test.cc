#include "store/file_io.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/temporary_folder_testing.h"
#include "store/file_io_buffer.h"
#include "store/record.h"
#include "store/record_testing.h"

namespace cairn {
namespace {

class FileIoTest : public testing::TestWithParam<FileIo> {
 protected:
  void SetUp() override {
    auto files = system_files(folder_.path(), GetParam());
    if (files.status().code() == StatusCode::kUnsupported) GTEST_SKIP() << files.status().message();
    ASSERT_TRUE(files.ok()) << files.status().message();
    files_ = *files;
  }

  TemporaryFolder folder_;
  std::shared_ptr<FileSystem> files_;
};

INSTANTIATE_TEST_SUITE_P(All, FileIoTest, testing::Values(FileIo::kPlain, FileIo::kUring, FileIo::kAuto));

TEST_P(FileIoTest, ManyPiecesComeBackAsTheyWereWritten) {
  auto file = files_->open(folder_.at("file"), OpenMode::kNew);
  ASSERT_TRUE(file.ok()) << file.status().message();
  constexpr uint64_t kBlocks = 400;
  const AlignedBuffer memory(kBlocks * kRecordAlignment);
  const auto bytes = memory.first(kBlocks * kRecordAlignment);
  const auto written = some_bytes(1, 1, bytes.size());
  std::ranges::copy(written, bytes.begin());
  ASSERT_TRUE((*file)->write(0, bytes).ok());
  ASSERT_TRUE((*file)->sync().ok());
  EXPECT_EQ(*(*file)->size(), bytes.size());
  std::ranges::fill(bytes, std::byte{0});
  std::vector<ReadPiece> pieces;
  for (uint64_t i = 0; i < kBlocks; ++i) {
    const uint64_t block = i * 37 % kBlocks;
    pieces.push_back({block * kRecordAlignment, bytes.subspan(block * kRecordAlignment, kRecordAlignment)});
  }
  std::vector<int> done(kBlocks);
  ASSERT_TRUE((*file)->read(pieces, [&](size_t i) { ++done[i]; }).ok());
  EXPECT_EQ(std::ranges::count(done, 1), static_cast<std::ptrdiff_t>(kBlocks));
  EXPECT_TRUE(std::ranges::equal(bytes, written));
}

TEST_P(FileIoTest, AFileThatEndsEarlyIsSaidToBeSo) {
  auto file = files_->open(folder_.at("file"), OpenMode::kNew);
  ASSERT_TRUE(file.ok());
  const AlignedBuffer memory(4 * kRecordAlignment);
  const auto bytes = memory.first(4 * kRecordAlignment);
  std::ranges::fill(bytes, std::byte{1});
  ASSERT_TRUE((*file)->write(0, bytes).ok());
  for (const uint64_t length :
       {4 * kRecordAlignment - 1, 3 * kRecordAlignment, kRecordAlignment + 512, uint64_t{0}}) {
    ASSERT_TRUE((*file)->truncate(length).ok());
    const ReadPiece pieces[] = {{0, bytes.first(2 * kRecordAlignment)},
                                {2 * kRecordAlignment, bytes.subspan(2 * kRecordAlignment)}};
    EXPECT_EQ((*file)->read(pieces, [](size_t) {}).code(), StatusCode::kInvalidData) << length;
  }
}

TEST_P(FileIoTest, OpensRegularFilesAloneAndForTheOwnerAlone) {
  EXPECT_EQ(files_->open(folder_.at("none"), OpenMode::kExisting).status().code(), StatusCode::kNotFound);
  folder_.write("file", "text");
  EXPECT_FALSE(files_->open(folder_.at("file"), OpenMode::kNew).ok());
  ASSERT_TRUE(files_->open(folder_.at("file"), OpenMode::kExisting).ok());
  struct stat facts{};
  ASSERT_EQ(::stat(folder_.at("file").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0600U);
  std::filesystem::create_symlink("file", folder_.at("link"));
  ASSERT_EQ(::mkfifo(folder_.at("pipe").c_str(), 0600), 0);
  std::filesystem::create_directory(folder_.at("inside"));
  for (const char* name : {"link", "pipe", "inside"}) {
    EXPECT_FALSE(files_->open(folder_.at(name), OpenMode::kExisting).ok()) << name;
  }
}

TEST_P(FileIoTest, LeavesNoProbeBehind) {
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 0);
  EXPECT_FALSE(files_->describe().empty());
}

TEST(BufferPoolTest, BuffersAreAlignedAndComeBack) {
  BufferPool pool;
  const std::byte* first = nullptr;
  {
    const PooledBuffer buffer(pool, 10'000);
    first = buffer.bytes().data();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % kRecordAlignment, 0U);
    EXPECT_EQ(buffer.bytes().size(), 10'000U);
    EXPECT_NE(PooledBuffer(pool, 10'000).bytes().data(), first) << "it is in use";
  }
  EXPECT_GE(pool.take(9'000).capacity_bytes(), 9'000U);
  EXPECT_GE(pool.take(100'000).capacity_bytes(), 100'000U) << "none of those that came back is so large";
}

}  // namespace
}  // namespace cairn
