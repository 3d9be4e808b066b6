#include "store/segment_contents.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/temporary_folder_testing.h"
#include "store/record_fields.h"
#include "store/record_testing.h"
#include "store/segment_testing.h"

namespace cairn {
namespace {

std::vector<SegmentEntry> entries_of(const std::vector<std::byte>& file, bool* unknown = nullptr) {
  BufferPool buffers;
  MemoryFile memory(file);
  const auto contents = read_segment(memory, file.size(), kTestSegment, buffers);
  EXPECT_TRUE(contents.ok());
  if (unknown != nullptr) *unknown = contents->has_unknown_bytes;
  return contents->entries;
}

std::vector<std::byte> without_footer(std::vector<std::byte> file) {
  file.resize(file.size() - kSegmentTrailerBytes);
  return file;
}

void expect_records(const std::vector<SegmentEntry>& entries, const std::vector<uint64_t>& numbers) {
  ASSERT_EQ(entries.size(), numbers.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    EXPECT_EQ(entries[i].name, name_of(numbers[i]));
    EXPECT_EQ(entries[i].bytes % kRecordAlignment, 0U);
  }
}

TEST(SegmentContentsTest, AFooterSaysWhatASearchFinds) {
  const std::vector<std::byte> file = segment_file({1, 2, 3, 4});
  bool unknown = true;
  const auto listed = entries_of(file, &unknown);
  EXPECT_FALSE(unknown);
  expect_records(listed, {1, 2, 3, 4});
  const auto searched = entries_of(without_footer(file), &unknown);
  EXPECT_FALSE(unknown);
  expect_records(searched, {1, 2, 3, 4});
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(listed[i].offset, searched[i].offset);
    EXPECT_EQ(listed[i].bytes, searched[i].bytes);
    EXPECT_EQ(listed[i].owner, searched[i].owner);
    EXPECT_EQ(*listed[i].slice_bytes, *searched[i].slice_bytes);
  }
}

// Wherever a byte flips, in a file with a footer or without: what is listed is a record that was written, where it was.
TEST(SegmentContentsTest, AFlippedByteHidesOneRecordAtMost) {
  for (const bool footer : {true, false}) {
    const std::vector<std::byte> whole =
        footer ? segment_file({1, 2, 3}) : without_footer(segment_file({1, 2, 3}));
    const auto truth = entries_of(whole);
    for (size_t at = 0; at < whole.size(); at += 61) {
      std::vector<std::byte> file = whole;
      file[at] ^= std::byte{0x40};
      const auto entries = entries_of(file);
      if (!footer && at < kSegmentHeaderBytes) continue;  // nobody's file then
      EXPECT_GE(entries.size(), 2U) << at;
      for (const SegmentEntry& entry : entries) {
        const auto same = std::ranges::find(truth, entry.name, &SegmentEntry::name);
        ASSERT_NE(same, truth.end()) << at;
        EXPECT_EQ(entry.offset, same->offset) << at;
      }
    }
  }
}

TEST(SegmentContentsTest, ADamagedRecordIsSkippedAndTheNextIsFound) {
  std::vector<std::byte> file = without_footer(segment_file({1, 2, 3}));
  file[entries_of(file)[1].offset + 40] ^= std::byte{1};
  bool unknown = false;
  expect_records(entries_of(file, &unknown), {1, 3});
  EXPECT_TRUE(unknown);
}

TEST(SegmentContentsTest, AnyCutLeavesTheRecordsBeforeIt) {
  const std::vector<std::byte> whole = segment_file({1, 2, 3});
  const auto truth = entries_of(whole);
  for (size_t bytes = 0; bytes < whole.size(); bytes += 509) {
    const std::vector<std::byte> file(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(bytes));
    size_t expected = 0;
    for (const SegmentEntry& entry : truth) expected += entry.offset + entry.bytes <= bytes ? 1 : 0;
    EXPECT_EQ(entries_of(file).size(), expected) << bytes;
  }
}

// Footers with checksums that agree and contents that do not.
TEST(SegmentContentsTest, FootersThatLieAreNotBelieved) {
  const std::vector<std::byte> whole = segment_file({1, 2, 3});
  const auto truth = entries_of(whole);
  const uint64_t footer_at = truth.back().offset + truth.back().bytes;
  const auto lie = [&](auto change) {
    std::vector<SegmentEntry> entries = truth;
    change(entries);
    std::vector<std::byte> file(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(footer_at));
    append_footer(file, entries);
    return entries_of(file);
  };
  expect_records(lie([](auto&) {}), {1, 2, 3});
  // Outside of the file, over the footer, over each other, backwards, between blocks: then the records are searched for.
  expect_records(lie([](auto& entries) { entries[2].offset = uint64_t{1} << 40; }), {1, 2, 3});
  expect_records(lie([](auto& entries) { entries[2].offset = ~uint64_t{0} - 4095; }), {1, 2, 3});
  expect_records(lie([&](auto& entries) { entries[2].offset = footer_at; }), {1, 2, 3});
  expect_records(lie([](auto& entries) { entries[1].offset = entries[0].offset; }), {1, 2, 3});
  expect_records(lie([](auto& entries) { std::swap(entries[0], entries[1]); }), {1, 2, 3});
  expect_records(lie([](auto& entries) { entries[1].offset += 512; }), {1, 2, 3});
  expect_records(lie([](auto& entries) { entries[0].offset = 0; }), {1, 2, 3});
  expect_records(lie([](auto& entries) { entries[0].head_bytes = kHeadBytesMax + 1; }), {1, 2, 3});
  expect_records(lie([](auto& entries) {
                   entries[0].slice_bytes = std::make_shared<const std::vector<uint32_t>>(4, kSliceBytesMax);
                 }),
                 {1, 2, 3});
  // What it leaves out is not listed, but it is known that there is something.
  bool unknown = false;
  std::vector<std::byte> file(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(footer_at));
  append_footer(file, {truth[0], truth[2]});
  expect_records(entries_of(file, &unknown), {1, 3});
  EXPECT_TRUE(unknown);
}

TEST(SegmentContentsTest, FilesOfAnotherVersionAreNobodys) {
  std::vector<std::byte> file = segment_file({1, 2});
  file[8] = std::byte{2};
  file[file.size() - kSegmentTrailerBytes + 8] = std::byte{2};
  bool unknown = false;
  EXPECT_TRUE(entries_of(file, &unknown).empty());
  EXPECT_TRUE(unknown);
}

TEST(SegmentContentsTest, AFooterOfAnotherSegmentIsNone) {
  std::vector<std::byte> file = segment_file({1, 2});
  const auto truth = entries_of(file);
  file.resize(truth.back().offset + truth.back().bytes);
  append_footer(file, {truth[0]}, kTestSegment + 1);
  expect_records(entries_of(file), {1, 2});
}

TEST(SegmentContentsTest, ReadErrorsAreTold) {
  MemoryFile memory(segment_file({1}));
  memory.fail_reads();
  BufferPool buffers;
  EXPECT_EQ(read_segment(memory, 65536, kTestSegment, buffers).status().code(), StatusCode::kInternal);
}

}  // namespace
}  // namespace cairn
