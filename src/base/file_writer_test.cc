#include "base/file_writer.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/temporary_folder_testing.h"

namespace cairn {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string read_file(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

size_t file_count(const TemporaryFolder& folder) {
  const std::filesystem::directory_iterator files(folder.path());
  return static_cast<size_t>(std::distance(begin(files), end(files)));
}

TEST(FileWriter, TheFileAppearsAtFinishAndNotBefore) {
  const TemporaryFolder folder;
  auto writer = FileWriter::create(folder.at("out"));
  ASSERT_TRUE(writer.ok()) << writer.status().message();
  ASSERT_TRUE(writer->append(bytes_of("one ")).ok());
  ASSERT_TRUE(writer->append(bytes_of("two")).ok());
  EXPECT_EQ(writer->appended_bytes(), 7U);
  EXPECT_FALSE(std::filesystem::exists(folder.at("out")));
  ASSERT_TRUE(writer->finish().ok());
  EXPECT_EQ(read_file(folder.at("out")), "one two");
  EXPECT_EQ(file_count(folder), 1U);
}

TEST(FileWriter, AFileForItsOwnerIsReadByNobodyElse) {
  const TemporaryFolder folder;
  folder.write("out", std::string_view("readable by all"));
  std::filesystem::permissions(folder.at("out"), std::filesystem::perms(0644));
  auto writer = FileWriter::create(folder.at("out"), FileReaders::kOwner);
  ASSERT_TRUE(writer.ok() && writer->append(bytes_of("secret")).ok() && writer->finish().ok());
  EXPECT_EQ(std::filesystem::status(folder.at("out")).permissions(), std::filesystem::perms(0600));
}

TEST(FileWriter, AReplacedFileKeepsItsReaders) {
  const TemporaryFolder folder;
  folder.write("out", std::string_view("readable by few"));
  std::filesystem::permissions(folder.at("out"), std::filesystem::perms(0640));
  auto writer = FileWriter::create(folder.at("out"));
  ASSERT_TRUE(writer.ok() && writer->append(bytes_of("new")).ok() && writer->finish().ok());
  EXPECT_EQ(std::filesystem::status(folder.at("out")).permissions(), std::filesystem::perms(0640));
}

TEST(FileWriter, DroppedItLeavesWhatWasThere) {
  const TemporaryFolder folder;
  folder.write("out", "old");
  {
    auto writer = FileWriter::create(folder.at("out"));
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(writer->append(bytes_of("half of the new")).ok());
    const FileWriter moved = std::move(*writer);
  }
  EXPECT_EQ(read_file(folder.at("out")), "old");
  EXPECT_EQ(file_count(folder), 1U);
}

Status write_new(const std::string& path) {
  auto writer = FileWriter::create(path);
  if (!writer.ok()) return writer.status();
  Status status = writer->append(bytes_of("new"));
  return status.ok() ? writer->finish() : status;
}

TEST(FileWriter, AnythingButARegularFileStays) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo(folder.at("pipe").c_str(), 0600), 0);
  std::filesystem::create_symlink("pipe", folder.at("to-pipe"));
  std::filesystem::create_directory(folder.at("inside"));
  std::filesystem::create_symlink("loop", folder.at("loop"));
  for (const char* name : {"pipe", "to-pipe", "inside", "loop"}) {
    EXPECT_EQ(write_new(folder.at(name)).code(), StatusCode::kInvalidArgument) << name;
  }
  EXPECT_TRUE(std::filesystem::is_fifo(folder.at("pipe")));
  EXPECT_TRUE(std::filesystem::is_symlink(std::filesystem::symlink_status(folder.at("to-pipe"))));
  EXPECT_EQ(file_count(folder), 4U);
}

TEST(FileWriter, ALinkStaysAndItsFileIsReplaced) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder.at("inside"));
  folder.write("inside/file", "old");
  std::filesystem::create_symlink("inside/file", folder.at("first"));
  std::filesystem::create_symlink(folder.at("first"), folder.at("second"));
  std::filesystem::create_symlink("inside/fresh", folder.at("dangling"));
  for (const char* name : {"second", "dangling"}) {
    ASSERT_TRUE(write_new(folder.at(name)).ok()) << name;
    EXPECT_TRUE(std::filesystem::is_symlink(std::filesystem::symlink_status(folder.at(name)))) << name;
  }
  EXPECT_EQ(read_file(folder.at("inside/file")), "new");
  EXPECT_EQ(read_file(folder.at("inside/fresh")), "new");
  EXPECT_EQ(file_count(folder), 4U);
}

TEST(FileWriter, WritesMoreThanItsBuffer) {
  const TemporaryFolder folder;
  std::string text(5'000'001, ' ');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 31 % 251);
  auto writer = FileWriter::create(folder.at("out"));
  ASSERT_TRUE(writer.ok());
  const size_t pieces[] = {1, 4096, 3'000'000, 0, 77};
  size_t at = 0;
  for (size_t piece : pieces) {
    ASSERT_TRUE(writer->append(bytes_of(std::string_view(text).substr(at, piece))).ok());
    at += piece;
  }
  ASSERT_TRUE(writer->append(bytes_of(std::string_view(text).substr(at))).ok());
  ASSERT_TRUE(writer->finish().ok());
  EXPECT_TRUE(read_file(folder.at("out")) == text);
}

TEST(FileWriter, NamesTheFileThatCannotBeMade) {
  const auto writer = FileWriter::create("/no/such/folder/out");
  EXPECT_EQ(writer.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(writer.status().message().find("/no/such/folder/out"), std::string::npos);
}

// A limit on the size of files stands in for a full disk: both come back from write().
TEST(FileWriter, SaysThatThereIsNoRoom) {
  const TemporaryFolder folder;
  struct rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit small = before;
  small.rlim_cur = 100'000;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  Status status;
  {
    auto writer = FileWriter::create(folder.at("out"));
    ASSERT_TRUE(writer.ok());
    const std::vector<std::byte> bytes(3'000'000);
    status = writer->append(bytes);
  }
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted) << status.message();
  EXPECT_EQ(file_count(folder), 0U);
}

}  // namespace
}  // namespace cairn
