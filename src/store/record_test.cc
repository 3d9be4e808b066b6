#include "store/record.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "store/record_fields.h"
#include "store/record_testing.h"

namespace cairn {
namespace {

TEST(RecordTest, ComesBackAsItWas) {
  for (const std::vector<size_t>& sizes :
       {std::vector<size_t>{}, {0}, {1}, {4096}, {4097, 0, 5}, {100, 8192, 12287}}) {
    const SampleRecord sample(7, sizes, 3, 123456789);
    const std::vector<std::byte> bytes = sample.encoded();
    EXPECT_EQ(bytes.size() % kRecordAlignment, 0U);
    const auto front = parse_record(bytes);
    ASSERT_TRUE(front.ok()) << front.status().message();
    EXPECT_EQ(front->name, name_of(7));
    EXPECT_EQ(front->owner, owner_of(3));
    EXPECT_EQ(front->created_ms, 123456789U);
    EXPECT_TRUE(std::ranges::equal(front->head, sample.head()));
    ASSERT_EQ(front->slice_bytes.size(), sizes.size());
    const RecordLayout layout =
        lay_out_record(static_cast<uint32_t>(sample.head().size()), front->slice_bytes);
    for (size_t i = 0; i < sizes.size(); ++i) {
      EXPECT_EQ(layout.slice_offsets[i] % kRecordAlignment, 0U);
      const auto slice = std::span(bytes).subspan(layout.slice_offsets[i], sizes[i]);
      EXPECT_TRUE(std::ranges::equal(slice, sample.slices()[i]));
    }
  }
}

// The bytes of a record of one slice, as docs/block-format.md has them.
TEST(RecordTest, LiesAsTheFormatSays) {
  const SampleRecord sample(5, {10}, 2, 0x0102030405060708);
  const std::vector<std::byte> bytes = sample.encoded();
  const auto text = [&](size_t at, size_t count) {
    return std::string(reinterpret_cast<const char*>(bytes.data()) + at, count);
  };
  EXPECT_EQ(text(0, 8), "CAIRNREC");
  EXPECT_EQ(get_field<uint32_t>(bytes, 8), 1U);
  EXPECT_EQ(get_field<uint32_t>(bytes, 12), 0U);
  EXPECT_EQ(get_field<RecordName>(bytes, 32), name_of(5));
  EXPECT_EQ(get_field<OwnerTag>(bytes, 64), owner_of(2));
  EXPECT_EQ(bytes[80], std::byte{8});
  EXPECT_EQ(bytes[87], std::byte{1});
  EXPECT_EQ(get_field<uint64_t>(bytes, 88), 8192U);
  EXPECT_EQ(get_field<uint32_t>(bytes, 96), 45U);
  EXPECT_EQ(get_field<uint32_t>(bytes, 100), 1U);
  EXPECT_EQ(get_field<Checksum>(bytes, 112), checksum_of(sample.head()));
  EXPECT_EQ(get_field<uint64_t>(bytes, 128), 10U);
  EXPECT_EQ(get_field<Checksum>(bytes, 136), checksum_of(sample.slices()[0]));
  EXPECT_TRUE(std::equal(sample.head().begin(), sample.head().end(), bytes.begin() + 152));
  EXPECT_TRUE(std::equal(sample.slices()[0].begin(), sample.slices()[0].end(), bytes.begin() + 4096));
  EXPECT_EQ(get_field<Checksum>(bytes, 16), checksum_of(std::span(bytes).subspan(32, 152 + 45 - 32)));
}

TEST(RecordTest, AnyFlippedByteOfFrontAndSlicesIsFound) {
  const SampleRecord sample(9, {100, 4096});
  const std::vector<std::byte> whole = sample.encoded();
  for (size_t at = 0; at < whole.size(); ++at) {
    if (at >= kRecordAlignment + 100 && at < 2 * kRecordAlignment)
      continue;  // blanks behind a slice are never read
    std::vector<std::byte> bytes = whole;
    bytes[at] ^= std::byte{0x10};
    EXPECT_FALSE(parse_record(bytes).ok()) << at;
  }
}

TEST(RecordTest, AnyCutIsFound) {
  const std::vector<std::byte> whole = SampleRecord(9, {100, 4097}).encoded();
  for (size_t bytes = 0; bytes < whole.size(); bytes += 13) {
    const std::vector<std::byte> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(bytes));
    EXPECT_EQ(parse_record(part).status().code(), StatusCode::kInvalidData) << bytes;
  }
}

// Lengths that lie under checksums that agree.
TEST(RecordTest, FrontsThatLieAreRefused) {
  const std::vector<std::byte> whole = SampleRecord(9, {100, 4097}).encoded();
  const auto with = [&](size_t at, auto value) {
    std::vector<std::byte> bytes = whole;
    put_field(std::span(bytes), at, value);
    const uint64_t used = 128 + 24 * get_field<uint32_t>(bytes, 100) + get_field<uint32_t>(bytes, 96);
    if (used <= bytes.size())
      put_field(std::span(bytes), 16, checksum_of(std::span(bytes).subspan(32, used - 32)));
    return parse_record(bytes).status().code();
  };
  EXPECT_EQ(with(88, uint64_t{12288 + 4096}), StatusCode::kOk) << "the same length again";
  EXPECT_EQ(with(88, uint64_t{4096}), StatusCode::kInvalidData);
  EXPECT_EQ(with(88, ~uint64_t{0}), StatusCode::kInvalidData);
  EXPECT_EQ(with(96, uint32_t{0}), StatusCode::kInvalidData);
  EXPECT_EQ(with(96, kHeadBytesMax), StatusCode::kInvalidData);
  EXPECT_EQ(with(96, ~uint32_t{0}), StatusCode::kInvalidData);
  EXPECT_EQ(with(100, uint32_t{1}), StatusCode::kInvalidData);
  EXPECT_EQ(with(100, kSliceCountMax), StatusCode::kInvalidData);
  EXPECT_EQ(with(100, ~uint32_t{0}), StatusCode::kInvalidData);
  EXPECT_EQ(with(128, ~uint64_t{0}), StatusCode::kInvalidData);
  EXPECT_EQ(with(128, uint64_t{kSliceBytesMax}), StatusCode::kInvalidData);
  EXPECT_EQ(with(8, uint32_t{2}), StatusCode::kInvalidData) << "another version";
}

TEST(RecordTest, ShapesPastTheLimitsAreRefused) {
  EXPECT_TRUE(check_record_shape(kHeadBytesMax, std::vector<uint32_t>(kSliceCountMax, 1)).ok());
  EXPECT_EQ(check_record_shape(kHeadBytesMax + 1, {}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(check_record_shape(0, std::vector<uint32_t>(kSliceCountMax + 1, 1)).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(check_record_shape(0, std::vector<uint32_t>{kSliceBytesMax + 1}).code(),
            StatusCode::kInvalidArgument);
}

TEST(RecordTest, TheLargestShapeComesBack) {
  const SampleRecord sample(1, std::vector<size_t>(kSliceCountMax, 1));
  EXPECT_TRUE(parse_record(sample.encoded()).ok());
}

}  // namespace
}  // namespace cairn
