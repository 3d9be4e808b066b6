#include "files/gguf_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "base/temporary_folder_testing.h"
#include "files/gguf.h"
#include "files/gguf_testing.h"
#include "kernels/weights/dequantize.h"

namespace cairn {
namespace {

std::vector<float> ramp(size_t count) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i)
    values[i] = static_cast<float>(static_cast<int>(i * 37 % 101) - 50) / 50.0F;
  return values;
}

TEST(GgufWriter, EveryTypeComesBack) {
  const TemporaryFolder folder;
  GgufHeader header;
  header.metadata = {{"general.architecture", std::string("llama")}};
  for (TensorType type : kAllTensorTypes)
    header.tensors.push_back({std::string(tensor_type_info(type).name), type, {3, 512}});
  auto writer = GgufWriter::create(folder.at("m.gguf"), header);
  ASSERT_TRUE(writer.ok()) << writer.status().message();
  const std::vector<float> values = ramp(3 * 512);
  for (size_t i = 0; i < header.tensors.size(); ++i) {
    ASSERT_TRUE(writer->append_floats(std::span(values).first(512)).ok());  // in two pieces
    ASSERT_TRUE(writer->append_floats(std::span(values).subspan(512)).ok());
  }
  ASSERT_TRUE(writer->finish().ok());

  const auto file = GgufFile::open(folder.at("m.gguf"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  for (TensorType type : kAllTensorTypes) {
    const Tensor* tensor = file->find_tensor(tensor_type_info(type).name);
    ASSERT_NE(tensor, nullptr);
    EXPECT_EQ(tensor->type, type);
    EXPECT_EQ(tensor->shape, (std::vector<int64_t>{3, 512}));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor->data.data()) % 32, 0U);
    std::vector<std::byte> expected(tensor->data.size());
    for (size_t row = 0; row < 3; ++row) {
      const auto bytes = static_cast<size_t>(row_bytes(type, 512));
      quantize_row(type, std::span(values).subspan(row * 512, 512), expected.data() + row * bytes);
    }
    EXPECT_TRUE(std::ranges::equal(tensor->data, expected)) << tensor_type_info(type).name;
  }
}

TEST(GgufWriter, WritesRawBytesInAnyPieces) {
  const TemporaryFolder folder;
  const std::vector<std::byte> whole = small_gguf();
  const auto source = GgufFile::parse(whole);
  ASSERT_TRUE(source.ok());
  auto writer = GgufWriter::create(folder.at("m.gguf"), small_gguf_header());
  ASSERT_TRUE(writer.ok());
  for (const Tensor& tensor : source->tensors()) {
    for (size_t at = 0; at < tensor.data.size(); at += 7) {
      ASSERT_TRUE(writer->append(tensor.data.subspan(at, std::min<size_t>(7, tensor.data.size() - at))).ok());
    }
  }
  ASSERT_TRUE(writer->finish().ok());
  std::ifstream written(folder.at("m.gguf"), std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(written)), {});
  ASSERT_EQ(text.size(), whole.size());
  EXPECT_EQ(std::memcmp(text.data(), whole.data(), whole.size()), 0);
}

TEST(GgufWriter, AnUnfinishedFileIsNotThere) {
  const TemporaryFolder folder;
  {
    auto writer = GgufWriter::create(folder.at("m.gguf"), small_gguf_header());
    ASSERT_TRUE(writer.ok());
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(GgufWriter, RespectsTheAlignmentItIsGiven) {
  GgufHeader header;
  header.metadata = {{"general.alignment", uint32_t{4096}}};
  header.tensors = {{"a", TensorType::kF32, {3}}, {"b", TensorType::kF32, {2000}}};
  const auto layout = lay_out_gguf(header);
  ASSERT_TRUE(layout.ok());
  EXPECT_EQ(layout->head.size(), 4096U);
  EXPECT_EQ(layout->slots[0].padded_bytes, 4096U);
  EXPECT_EQ(layout->slots[1].padded_bytes, 8192U);
}

TEST(GgufWriter, RefusesWhatTheFormatHasNot) {
  const auto refused = [](std::vector<GgufTensorEntry> tensors,
                          std::vector<std::pair<std::string, GgufSetting>> metadata) {
    return lay_out_gguf({std::move(metadata), std::move(tensors)}).status().code() ==
           StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused({{"t", TensorType::kF32, {}}}, {}));
  EXPECT_TRUE(refused({{"t", TensorType::kF32, {1, 1, 1, 1, 1}}}, {}));
  EXPECT_TRUE(refused({{"t", TensorType::kQ4_K, {1, 128}}}, {}));
  EXPECT_TRUE(refused({{"t", TensorType::kF32, {1}}, {"t", TensorType::kF32, {1}}}, {}));
  EXPECT_TRUE(refused({}, {{"k", uint8_t{1}}, {"k", uint8_t{2}}}));
  EXPECT_TRUE(refused({}, {{"general.alignment", uint32_t{12}}}));
  EXPECT_TRUE(refused({}, {{"general.alignment", uint64_t{32}}}));
}

}  // namespace
}  // namespace cairn
