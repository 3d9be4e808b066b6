#include "files/safetensors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "base/memory_limit_testing.h"
#include "files/safetensors_testing.h"
#include "files/tensor_table.h"
#include "files/touch_testing.h"

namespace cairn {
namespace {

constexpr uint64_t kMemoryAllowed = uint64_t{64} << 20;

Status error_of(const std::vector<std::byte>& bytes) {
  const MemoryLimit limit(kMemoryAllowed);
  const auto file = SafetensorsFile::read(bytes);
  if (!file.ok()) {
    const std::string message = file.status().message();
    EXPECT_LE(message.size(), 400U) << message;
    EXPECT_TRUE(std::ranges::none_of(message, [](unsigned char c) { return c < 0x20 || c == 0x7F; }))
        << message;
  }
  return file.status();
}

void expect_invalid(const std::vector<std::byte>& bytes, const std::string& words) {
  const Status status = error_of(bytes);
  EXPECT_EQ(status.code(), StatusCode::kInvalidData);
  EXPECT_NE(status.message().find(words), std::string::npos) << status.message();
}

// A file of one tensor "t" with these fields and 8 bytes of data.
std::vector<std::byte> one(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return raw_safetensors(
      R"({"t":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}", 8);
}

TEST(Safetensors, ReadsWeightsInTheHeadersOrder) {
  const auto bytes = small_safetensors();
  const auto file = SafetensorsFile::read(bytes);
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_EQ(file->tensors.size(), 4U);
  EXPECT_EQ(file->tensors[0].name, "a.weight");
  EXPECT_EQ(file->tensors[0].type, TensorType::kF32);
  EXPECT_EQ(file->tensors[0].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(file->tensors[0].data.size(), 24U);
  EXPECT_EQ(file->tensors[0].data[1], std::byte{1});
  EXPECT_EQ(file->tensors[1].type, TensorType::kBF16);
  EXPECT_EQ(file->tensors[2].type, TensorType::kF16);
  EXPECT_EQ(file->tensors[3].data.data(), bytes.data() + bytes.size() - 6);  // not aligned, and need not be
}

TEST(Safetensors, LeavesOutWhatNoWeightCanBe) {
  const auto file = SafetensorsFile::read(small_safetensors());
  EXPECT_EQ(file->left_out, (std::vector<std::string>{"mask", "scalar"}));
  for (const char* dtype : {"BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64"}) {
    EXPECT_TRUE(error_of(one(dtype, "[0]", "[3,3]")).ok()) << dtype;
  }
  EXPECT_TRUE(error_of(one("I64", "[1]", "[0,8]")).ok());
}

TEST(Safetensors, ListsOtherFloatsApart) {
  for (const std::string dtype : {"F64", "F8_E4M3", "F8_E5M2", "F4"}) {
    const auto bytes = one(dtype, "[1]", "[0,8]");
    const auto file = SafetensorsFile::read(bytes);
    ASSERT_TRUE(file.ok()) << file.status().message();
    EXPECT_TRUE(file->tensors.empty() && file->left_out.empty());
    ASSERT_EQ(file->foreign_tensors.size(), 1U);
    EXPECT_EQ(file->foreign_tensors[0].type_name, dtype);
    EXPECT_EQ(file->foreign_tensors[0].bytes, 8U);
  }
  EXPECT_EQ(SafetensorsFile::read(one("x\\ny", "[1]", "[0,8]"))->foreign_tensors[0].type_name, "x\\ny");
  EXPECT_EQ(refuse_foreign_tensors(SafetensorsFile::read(one("F8_E4M3", "[8]", "[0,8]"))->foreign_tensors)
                .message(),
            "tensor 't' has the type F8_E4M3, which Cairn does not run: download an F32, F16 or BF16 folder, "
            "or a GGUF "
            "file, of the model instead");
  EXPECT_EQ(SafetensorsFile::read(one("F64", "[]", "[0,8]"))->left_out, std::vector<std::string>{"t"});
  expect_invalid(one("F8_E4M3", "[8]", "[0,9]"), "reaches past the end of the file");
}

TEST(Safetensors, HeaderLength) {
  expect_invalid({}, "header length");
  expect_invalid(std::vector<std::byte>(7), "header length");
  for (uint64_t length : {uint64_t{3}, uint64_t{1} << 32, uint64_t{1} << 63, UINT64_MAX, UINT64_MAX - 7}) {
    expect_invalid(raw_safetensors_of_length(length, "{}", 0), "the header length " + std::to_string(length));
  }
  expect_invalid(raw_safetensors_of_length(0, "{}", 0), "does not begin with '{'");
  expect_invalid(raw_safetensors_of_length(1, "{}", 0), "the header is not valid JSON");
}

TEST(Safetensors, HeaderText) {
  expect_invalid(raw_safetensors("[1]", 0), "does not begin with '{'");
  expect_invalid(raw_safetensors(" {}", 0), "does not begin with '{'");
  expect_invalid(raw_safetensors("{} x", 0), "extra data");
  expect_invalid(raw_safetensors("{\"\xff\": 1}", 0), "not valid JSON");
  std::string deep = "{\"t\":";
  for (int i = 0; i < 100'000; ++i) deep += "[";
  expect_invalid(raw_safetensors(deep, 0), "too deep");
  expect_invalid(raw_safetensors(R"({"t": 1})", 0), "tensor 't' is not described by a JSON object");
  EXPECT_TRUE(error_of(raw_safetensors("{}     ", 0)).ok());
}

TEST(Safetensors, Fields) {
  expect_invalid(raw_safetensors(R"({"t":{"shape":[1],"data_offsets":[0,4]}})", 4),
                 "tensor 't' has no dtype");
  expect_invalid(raw_safetensors(R"({"t":{"dtype":7,"shape":[1],"data_offsets":[0,4]}})", 4), "has no dtype");
  expect_invalid(raw_safetensors(R"({"t":{"dtype":"F32","data_offsets":[0,4]}})", 4), "has no shape");
  expect_invalid(raw_safetensors(R"({"t":{"dtype":"F32","shape":[1]}})", 4), "has no data_offsets");
  expect_invalid(one("F32", "[-1]", "[0,8]"), "in shape");
  expect_invalid(one("F32", "[1.5]", "[0,8]"), "in shape");
  expect_invalid(one("F32", "[18446744073709551615]", "[0,8]"), "in shape");
  expect_invalid(one("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), "has 9 numbers in shape");
}

TEST(Safetensors, OffsetsAndSizes) {
  EXPECT_TRUE(error_of(one("F32", "[2]", "[0,8]")).ok());
  expect_invalid(one("F32", "[2]", "[0]"), "not a begin and an end");
  expect_invalid(one("F32", "[2]", "[8,0]"), "not a begin and an end");
  expect_invalid(one("F32", "[2]", "[-8,0]"), "in data_offsets");
  expect_invalid(one("F32", "[2]", "[0,8,9]"), "has 3 numbers in data_offsets");
  expect_invalid(one("F32", "[2]", "[1,9]"), "reaches past the end of the file");
  expect_invalid(one("F32", "[2]", "[9223372036854775800,9223372036854775807]"), "reaches past the end");
  expect_invalid(one("F32", "[1]", "[0,8]"),
                 "has 8 bytes between its data_offsets, but its shape and dtype need 4");
  expect_invalid(one("F32", "[4611686018427387904,4]", "[0,8]"), "more than 2^64 bytes");
  expect_invalid(one("F32", "[4611686018427387904]", "[0,0]"), "more than 2^64 bytes");
  expect_invalid(one("F32", "[4294967296,4294967296]", "[0,0]"), "more than 2^64 bytes");
  EXPECT_TRUE(error_of(one("F32", "[9223372036854775807,0]", "[0,0]")).code() == StatusCode::kInvalidData);
}

TEST(Safetensors, NamesAreEscaped) {
  expect_invalid(raw_safetensors(R"({"\u001b[2J": 1})", 0), "tensor '\\x1b[2J' is not");
}

TEST(Safetensors, CutAtEveryByte) {
  const auto whole = small_safetensors();
  for (size_t length = 0; length < whole.size(); ++length) {
    const std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
    EXPECT_EQ(error_of(cut).code(), StatusCode::kInvalidData) << "cut to " << length;
  }
  EXPECT_TRUE(error_of(whole).ok());
}

TEST(Safetensors, FlippedBytes) {
  const auto whole = small_safetensors();
  const MemoryLimit limit(kMemoryAllowed);
  int refused = 0;
  for (size_t at = 0; at < whole.size(); ++at) {
    for (unsigned mask = 1; mask < 256; ++mask) {
      std::vector<std::byte> flipped = whole;
      flipped[at] ^= static_cast<std::byte>(mask);
      auto file = SafetensorsFile::read(flipped);
      if (!file.ok()) {
        ++refused;
        continue;
      }
      const auto table = TensorTable::make(std::move(file->tensors));
      if (table.ok()) touch_tensors(table->all());
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST(Safetensors, OverlapsAreFoundByTheTable) {
  auto file = SafetensorsFile::read(raw_safetensors(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
    "b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})",
                                                    8));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(TensorTable::make(std::move(file->tensors)).status(),
            invalid_data("tensors 'a' and 'b' overlap in the file"));
}

}  // namespace
}  // namespace cairn
