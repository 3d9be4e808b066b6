// Damaged and hostile GGUF files: a clear one-line error, never a crash, a hang or a large allocation.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "base/memory_limit_testing.h"
#include "base/temporary_folder_testing.h"
#include "files/gguf.h"
#include "files/gguf_testing.h"
#include "files/touch_testing.h"

namespace cairn {
namespace {

constexpr uint64_t kMemoryAllowed = uint64_t{64} << 20;
constexpr uint32_t kF32 = 0;
constexpr uint32_t kQ4K = 12;

// Fit for a terminal: one line, no control characters, not long.
void expect_fit_message(const std::string& message) {
  EXPECT_FALSE(message.empty());
  EXPECT_LE(message.size(), 400U) << message;
  EXPECT_TRUE(std::ranges::none_of(message, [](unsigned char c) { return c < 0x20 || c == 0x7F; }))
      << message;
}

void expect_refused(const RawGguf& raw, StatusCode code, const std::string& words) {
  const MemoryLimit limit(kMemoryAllowed);
  const auto file = GgufFile::parse(raw.bytes());
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.status().code(), code);
  EXPECT_NE(file.status().message().find(words), std::string::npos) << file.status().message();
  expect_fit_message(file.status().message());
}

void expect_invalid(const RawGguf& raw, const std::string& words) {
  expect_refused(raw, StatusCode::kInvalidData, words);
}

TEST(GgufHostile, NotAGgufFile) {
  expect_invalid(RawGguf().text("PK\x03\x04 a zip file"), "begins with 'PK\\x03\\x04' instead of 'GGUF'");
  expect_invalid(RawGguf().text("GG"), "not a GGUF file");
  expect_invalid(RawGguf().text("version https://git-lfs.github.com/spec/v1\noid"), "Git LFS pointer");
  expect_refused(RawGguf().text("tjgg").u32(1), StatusCode::kUnsupported, "from before GGUF");
}

TEST(GgufHostile, VersionsAndByteOrder) {
  expect_refused(RawGguf::head(0, 0, 1), StatusCode::kUnsupported, "GGUF version 1");
  expect_refused(RawGguf::head(0, 0, 4), StatusCode::kUnsupported, "GGUF version 4");
  expect_refused(RawGguf::head(0, 0, 0), StatusCode::kUnsupported, "GGUF version 0");
  expect_refused(RawGguf::head(0, 0, 0x03000000), StatusCode::kUnsupported, "big-endian");
}

TEST(GgufHostile, StringLengthOverflow) {
  for (uint64_t length : {UINT64_MAX, UINT64_MAX - 7, uint64_t{1} << 63, uint64_t{1} << 32, uint64_t{100}}) {
    expect_invalid(RawGguf::head(0, 1).u64(length).text("key").zeros(40), "metadata key 1 of 1");
    expect_invalid(RawGguf::head(0, 1).string("key").type(GgufType::kString).u64(length).text("value"),
                   "metadata key 'key': its string reaches past the end");
    expect_invalid(RawGguf::head(1, 0).u64(length).text("tensor").zeros(40), "tensor 1 of 1's name");
  }
}

TEST(GgufHostile, HugeCounts) {
  for (uint64_t count : {UINT64_MAX, uint64_t{1} << 63, uint64_t{1} << 60, uint64_t{1} << 32, uint64_t{3}}) {
    expect_invalid(RawGguf::head(0, count).zeros(30), "the metadata count " + std::to_string(count));
    expect_invalid(RawGguf::head(count, 0).zeros(60), "the tensor count " + std::to_string(count));
  }
}

TEST(GgufHostile, CountsThatFitTheFileButNotWhatFollows) {
  expect_invalid(RawGguf::head(0, 3).string("k").type(GgufType::kUint8).u8(1).zeros(40),
                 "metadata key 2 of 3");
  expect_invalid(RawGguf::head(2, 0).tensor("t", {4}, kF32, 0).zeros(64), "tensor 2 of 2");
}

TEST(GgufHostile, ArrayCountOverflow) {
  for (GgufType type : {GgufType::kUint8, GgufType::kFloat64, GgufType::kString, GgufType::kArray}) {
    for (uint64_t count :
         {UINT64_MAX, UINT64_MAX / 8 + 2, uint64_t{1} << 61, uint64_t{1} << 33, uint64_t{60}}) {
      expect_invalid(RawGguf::head(0, 1).string("k").type(GgufType::kArray).type(type).u64(count).zeros(50),
                     "metadata key 'k': an array of " + std::to_string(count) + " elements does not fit");
    }
  }
}

TEST(GgufHostile, DeepArrays) {
  RawGguf raw = RawGguf::head(0, 1);
  raw.string("k").type(GgufType::kArray);
  for (int i = 0; i < 100'000; ++i) raw.type(GgufType::kArray).u64(1);
  expect_invalid(raw.type(GgufType::kUint8).u64(0), "nested too deeply");
}

TEST(GgufHostile, TypesThatDoNotExist) {
  expect_invalid(RawGguf::head(0, 1).string("k").u32(13).zeros(8), "value type 13 does not exist");
  expect_invalid(RawGguf::head(0, 1).string("k").u32(UINT32_MAX).zeros(8),
                 "value type 4294967295 does not exist");
  expect_invalid(RawGguf::head(0, 1).string("k").type(GgufType::kArray).u32(77).u64(1).zeros(8),
                 "value type 77");
  expect_invalid(RawGguf::head(0, 1).string("k").type(GgufType::kBool).u8(2), "neither 0 nor 1");
}

TEST(GgufHostile, KeysWithoutNameOrTwice) {
  expect_invalid(RawGguf::head(0, 1).string("").type(GgufType::kUint8).u8(1).zeros(8), "name of 0 bytes");
  expect_invalid(RawGguf::head(0, 1).string(std::string(70000, 'k')).type(GgufType::kUint8).u8(1),
                 "name of 70000 bytes");
  RawGguf raw = RawGguf::head(0, 2);
  for (uint8_t i = 0; i < 2; ++i) raw.string("k").type(GgufType::kUint8).u8(i);
  expect_invalid(raw, "metadata key 'k' appears twice");
}

TEST(GgufHostile, NamesAreEscapedAndShortened) {
  const std::string name = "\x1b[2J\n" + std::string(500, 'n');
  expect_invalid(RawGguf::head(0, 1).string(name).type(GgufType::kUint16).u8(1), "'\\x1b[2J\\nnnnn");
  expect_invalid(RawGguf::head(1, 0).tensor(name, {0}, kF32, 0), "'\\x1b[2J\\nnnnn");
}

TEST(GgufHostile, Alignment) {
  const auto with = [](uint32_t alignment) {
    return RawGguf::head(0, 1).string("general.alignment").type(GgufType::kUint32).u32(alignment);
  };
  for (uint32_t alignment : {0U, 3U, 48U, 0x80000001U, 0x80000000U}) {
    expect_invalid(with(alignment), "general.alignment is " + std::to_string(alignment));
  }
  expect_invalid(RawGguf::head(0, 1).string("general.alignment").type(GgufType::kString).string("32"),
                 "is of type string, not an integer");
}

TEST(GgufHostile, Dimensions) {
  const auto with = [](const std::vector<uint64_t>& dimensions, uint32_t type) {
    return RawGguf::head(1, 0).tensor("t", dimensions, type, 0).pad().zeros(64);
  };
  expect_invalid(with({}, kF32), "tensor 't' has 0 dimensions");
  expect_invalid(with({1, 1, 1, 1, 1}, kF32), "tensor 't' has 5 dimensions");
  expect_invalid(RawGguf::head(1, 0).string("t").u32(UINT32_MAX).zeros(64),
                 "tensor 't' has 4294967295 dimensions");
  expect_invalid(with({0}, kF32), "tensor 't' has a dimension of 0");
  expect_invalid(with({4, UINT64_MAX}, kF32), "tensor 't' has a dimension of -1");
  expect_invalid(with({uint64_t{1} << 62, 4}, kF32), "more than 2^63 elements");
  expect_invalid(with({uint64_t{1} << 32, uint64_t{1} << 32}, kF32), "more than 2^63 elements");
  expect_invalid(with({uint64_t{1} << 31, uint64_t{1} << 31, uint64_t{1} << 31, 4}, kF32),
                 "more than 2^63 elements");
  expect_invalid(with({uint64_t{1} << 62}, kF32), "more than 2^63 bytes");
  expect_invalid(with({uint64_t{1} << 40}, kF32), "reaches past the end of the file");
  expect_invalid(with({17}, kF32), "reaches past the end of the file");
  expect_invalid(with({128}, kQ4K), "multiple of the 256 of a q4_k block");
}

TEST(GgufHostile, TensorTypes) {
  const auto with = [](uint32_t type) {
    return RawGguf::head(1, 0).tensor("t", {32}, type, 0).pad().zeros(128);
  };
  expect_invalid(with(16),
                 "tensor 't' has rows of 32 elements, which is not a multiple of the 256 of a iq2_xxs block");
  for (const uint32_t unknown : {4U, UINT32_MAX}) {
    const RawGguf raw = with(unknown);
    const auto file = GgufFile::parse(raw.bytes());
    ASSERT_TRUE(file.ok()) << file.status().message();
    EXPECT_TRUE(file->tensors().empty());
    ASSERT_EQ(file->foreign_tensors().size(), 1U);
    EXPECT_EQ(file->foreign_tensors()[0].type_name, "number " + std::to_string(unknown));
    EXPECT_FALSE(file->foreign_tensors()[0].bytes.has_value());
  }
  expect_invalid(RawGguf::head(1, 0).tensor("t", {0}, UINT32_MAX, 0), "has a dimension of 0");
  expect_invalid(RawGguf::head(1, 0).tensor("t", {uint64_t{1} << 62, 4}, UINT32_MAX, 0),
                 "more than 2^63 elements");
  expect_invalid(RawGguf::head(1, 0).tensor("t", {4}, UINT32_MAX, 32), "reaches past the end of the file");
  expect_invalid(RawGguf::head(1, 0).tensor("t", {256, 2}, 16, 0).pad().zeros(131),
                 "reaches past the end of the file");
}

TEST(GgufHostile, Offsets) {
  const auto with = [](uint64_t offset) {
    return RawGguf::head(1, 0).tensor("t", {8}, kF32, offset).pad().zeros(64);
  };
  EXPECT_TRUE(GgufFile::parse(with(32).bytes()).ok());
  expect_invalid(with(8), "tensor 't' has offset 8, which is not a multiple of the alignment 32");
  for (uint64_t offset :
       {uint64_t{64}, uint64_t{96}, uint64_t{1} << 40, uint64_t{1} << 63, UINT64_MAX - 31}) {
    expect_invalid(with(offset),
                   "tensor 't' (offset " + std::to_string(offset) + ", 32 bytes) reaches past the end");
  }
}

TEST(GgufHostile, TensorsTwiceOrOnTopOfEachOther) {
  const auto with = [](const char* second, uint64_t offset) {
    return RawGguf::head(2, 0).tensor("a", {16}, kF32, 0).tensor(second, {16}, kF32, offset).pad().zeros(128);
  };
  EXPECT_TRUE(GgufFile::parse(with("b", 64).bytes()).ok());
  expect_invalid(with("a", 64), "there are two tensors 'a'");
  expect_invalid(with("b", 32), "'a' and 'b' overlap");
  expect_invalid(with("b", 0), "overlap");
}

TEST(GgufHostile, APartOfASplitInMemory) {
  RawGguf raw = RawGguf::head(0, 1);
  expect_refused(raw.string("split.count").type(GgufType::kUint32).u32(2), StatusCode::kUnsupported,
                 "split model");
  expect_invalid(RawGguf::head(0, 1).string("split.count").type(GgufType::kUint32).u32(UINT32_MAX),
                 "split.count is");
}

TEST(GgufHostile, NotAFiniteNumber) {
  RawGguf raw = RawGguf::head(0, 1);
  raw.string("k").type(GgufType::kFloat32).u32(0x7FC00000);
  const auto file = GgufFile::parse(raw.bytes());
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->need_float("k").status(), invalid_data("metadata key 'k' is not a finite number"));
}

// Each cut in a buffer of exactly its size, so that a sanitizer sees a read past the end.
TEST(GgufHostile, CutAtEveryByte) {
  const std::vector<std::byte> whole = small_gguf();
  const auto good = GgufFile::parse(whole);
  ASSERT_TRUE(good.ok());
  const Tensor& last = good->tensors().back();
  const auto needed = static_cast<size_t>(last.data.data() + last.data.size() - whole.data());
  const MemoryLimit limit(kMemoryAllowed);
  for (size_t length = 0; length <= whole.size(); ++length) {
    const std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
    const auto file = GgufFile::parse(cut);
    ASSERT_EQ(file.ok(), length >= needed) << "cut to " << length;
    if (!file.ok()) expect_fit_message(file.status().message());
  }
}

TEST(GgufHostile, CutFilesOnDiskNameTheFile) {
  const TemporaryFolder folder;
  const std::vector<std::byte> whole = small_gguf();
  for (size_t length :
       {size_t{0}, size_t{1}, size_t{23}, size_t{100}, whole.size() / 2, whole.size() - 400}) {
    const std::string path = folder.write("cut.gguf", std::span(whole).first(length));
    const auto file = GgufFile::open(path);
    ASSERT_FALSE(file.ok()) << length;
    EXPECT_TRUE(file.status().message().starts_with(path + ": ")) << file.status().message();
  }
}

size_t data_begin_of(const std::vector<std::byte>& whole) {
  const auto file = GgufFile::parse(whole);
  return static_cast<size_t>(file->tensors()[0].data.data() - whole.data());
}

TEST(GgufHostile, FlippedBytes) {
  const std::vector<std::byte> whole = small_gguf();
  const size_t data_begin =
      static_cast<size_t>(GgufFile::parse(whole)->tensors()[0].data.data() - whole.data());
  const MemoryLimit limit(kMemoryAllowed);
  int refused = 0;
  for (size_t at = 0; at < data_begin; ++at) {
    for (unsigned mask : {0x01U, 0x04U, 0x80U, 0xFFU}) {
      std::vector<std::byte> flipped = whole;
      flipped[at] ^= static_cast<std::byte>(mask);
      const auto file = GgufFile::parse(flipped);
      if (file.ok()) {
        touch_everything(*file);
      } else {
        ++refused;
        expect_fit_message(file.status().message());
      }
    }
  }
  EXPECT_GT(refused, 1000);
}

// All eight bytes of a field at once, as an attacker would: every 64-bit place gets the numbers that
// overflow.
TEST(GgufHostile, OverwrittenFields) {
  const std::vector<std::byte> whole = small_gguf();
  const size_t data_begin = data_begin_of(whole);
  const MemoryLimit limit(kMemoryAllowed);
  for (size_t at = 4; at + 8 <= data_begin; ++at) {
    for (uint64_t number :
         {UINT64_MAX, uint64_t{1} << 63, uint64_t{0x7FFFFFFFFFFFFFFF}, uint64_t{0x0000000100000001}}) {
      std::vector<std::byte> changed = whole;
      std::memcpy(changed.data() + at, &number, sizeof number);
      const auto file = GgufFile::parse(changed);
      if (file.ok()) touch_everything(*file);
    }
  }
}

}  // namespace
}  // namespace cairn
