// Split models: name-00001-of-0000N.gguf, part 1 with all that describes the model.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/temporary_folder_testing.h"
#include "files/gguf.h"
#include "files/gguf_writer.h"
#include "kernels/weights/dequantize.h"

namespace cairn {
namespace {

struct PartKeys {
  uint16_t number;
  uint16_t count;
  int32_t tensor_count;
};

// One tensor of one float, `value`.
void write_part(const std::string& path, PartKeys keys, const std::string& tensor, float value) {
  GgufHeader header;
  header.metadata = {
      {"split.no", keys.number}, {"split.count", keys.count}, {"split.tensors.count", keys.tensor_count}};
  if (keys.number == 0) header.metadata.emplace_back("general.architecture", std::string("llama"));
  header.tensors = {{tensor, TensorType::kF32, {1}}};
  auto writer = GgufWriter::create(path, header);
  ASSERT_TRUE(writer.ok()) << writer.status().message();
  ASSERT_TRUE(writer->append_floats({&value, 1}).ok());
  ASSERT_TRUE(writer->finish().ok());
}

class GgufSplit : public testing::Test {
 protected:
  void SetUp() override {
    write_part(part(1), {0, 3, 3}, "a", 1.0F);
    write_part(part(2), {1, 3, 3}, "b", 2.0F);
    write_part(part(3), {2, 3, 3}, "c", 3.0F);
  }
  [[nodiscard]] std::string part(int number) const {
    return folder_.at("model-0000" + std::to_string(number) + "-of-00003.gguf");
  }
  static std::string error_of(const std::string& path) {
    const auto file = GgufFile::open(path);
    EXPECT_FALSE(file.ok());
    return file.status().message();
  }
  static bool mentions(const std::string& message, const std::string& what) {
    return message.find(what) != std::string::npos;
  }

  TemporaryFolder folder_;
};

TEST_F(GgufSplit, AllPartsAreOneModel) {
  const auto file = GgufFile::open(part(1));
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(*file->need_string("general.architecture"), "llama");
  ASSERT_EQ(file->tensors().size(), 3U);
  for (int i = 0; i < 3; ++i) {
    float value = 0;
    dequantize_row(TensorType::kF32, file->tensors()[i].data.data(), {&value, 1});
    EXPECT_EQ(value, static_cast<float>(i + 1));
    file->release(file->tensors()[i].data);
  }
  uint64_t bytes = 0;
  for (int i = 1; i <= 3; ++i) bytes += std::filesystem::file_size(part(i));
  EXPECT_EQ(file->file_bytes(), bytes);
}

TEST_F(GgufSplit, ALaterPartSaysWhichToOpen) {
  EXPECT_EQ(GgufFile::open(part(2)).status().code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(mentions(error_of(part(2)), "open '" + part(1) + "' instead"));
}

TEST_F(GgufSplit, NamesTheMissingPart) {
  std::filesystem::remove(part(3));
  EXPECT_EQ(GgufFile::open(part(1)).status(),
            not_found(part(3) + ": this part of the split model is missing"));
}

TEST_F(GgufSplit, RefusesANameThatDoesNotFit) {
  std::filesystem::rename(part(1), folder_.at("other.gguf"));
  EXPECT_TRUE(mentions(error_of(folder_.at("other.gguf")), "must end in '-00001-of-00003.gguf'"));
}

TEST_F(GgufSplit, RefusesAPartOfAnotherSplit) {
  write_part(part(2), {1, 4, 3}, "b", 2.0F);
  EXPECT_TRUE(mentions(error_of(part(1)), "do not fit its name"));
  write_part(part(2), {2, 3, 3}, "b", 2.0F);
  EXPECT_TRUE(mentions(error_of(part(1)), "do not fit its name"));
}

TEST_F(GgufSplit, RefusesAWrongTensorCountAndATensorTwice) {
  write_part(part(1), {0, 3, 4}, "a", 1.0F);
  EXPECT_TRUE(mentions(error_of(part(1)), "split.tensors.count is 4, but the parts hold 3"));
  write_part(part(1), {0, 3, 3}, "c", 1.0F);
  EXPECT_TRUE(mentions(error_of(part(1)), "two tensors 'c'"));
}

TEST_F(GgufSplit, RefusesNonsensicalNumbers) {
  write_part(part(1), {5, 3, 3}, "a", 1.0F);
  EXPECT_TRUE(mentions(error_of(part(1)), "split.no is 5 of split.count 3"));
}

TEST_F(GgufSplit, OneOfOneIsAnOrdinaryFile) {
  write_part(folder_.at("plain.gguf"), {0, 1, 1}, "a", 1.0F);
  EXPECT_TRUE(GgufFile::open(folder_.at("plain.gguf")).ok());
}

}  // namespace
}  // namespace cairn
