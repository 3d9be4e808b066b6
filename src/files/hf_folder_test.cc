#include "files/hf_folder.h"

#include <gtest/gtest.h>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstring>
#include <filesystem>
#include <string>

#include "base/temporary_folder_testing.h"
#include "files/gguf.h"
#include "files/safetensors_testing.h"
#include "kernels/weights/dequantize.h"

namespace cairn {
namespace {

const std::string kFamilies = std::string(CAIRN_SOURCE_DIR) + "/../shared/models/families";

// One float tensor `name`.
std::vector<std::byte> shard(const std::string& name) {
  return raw_safetensors("{\"" + name + R"(":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}})", 8);
}

class HfFolderTest : public testing::Test {
 protected:
  void SetUp() override { folder_.write("config.json", R"({"model_type": "llama", "hidden_size": 64})"); }
  void write_single() const { folder_.write("model.safetensors", small_safetensors()); }
  void write_index(const std::string& weight_map) const {
    folder_.write("model.safetensors.index.json",
                  R"({"metadata": {"total_size": 16}, "weight_map": )" + weight_map + "}");
  }
  [[nodiscard]] Status status() const { return HfFolder::open(folder_.path()).status(); }
  void expect_error(StatusCode code, const std::string& words) const {
    EXPECT_EQ(status().code(), code);
    EXPECT_NE(status().message().find(words), std::string::npos) << status().message();
  }

  TemporaryFolder folder_;
};

TEST_F(HfFolderTest, ReadsASingleFile) {
  write_single();
  const auto folder = HfFolder::open(folder_.path());
  ASSERT_TRUE(folder.ok()) << folder.status().message();
  EXPECT_EQ(folder->config().at("hidden_size").as_int64(), 64);
  EXPECT_EQ(folder->tensors().size(), 4U);
  ASSERT_NE(folder->find_tensor("b.weight"), nullptr);
  EXPECT_EQ(folder->find_tensor("mask"), nullptr);
  EXPECT_EQ(folder->file_bytes(), small_safetensors().size());
  EXPECT_EQ(folder->tokenizer(), nullptr);
  EXPECT_EQ(folder->tokenizer_config(), nullptr);
  EXPECT_EQ(folder->generation_config(), nullptr);
  EXPECT_FALSE(folder->chat_template().has_value());
  for (const Tensor& tensor : folder->tensors()) folder->release(tensor.data);
  EXPECT_EQ(folder->find_tensor("a.weight")->data[5], std::byte{5});
}

TEST_F(HfFolderTest, ReadsTheOptionalFiles) {
  write_single();
  folder_.write("tokenizer.json", R"({"version": "1.0"})");
  folder_.write("tokenizer_config.json", R"({"chat_template": "from the config"})");
  folder_.write("generation_config.json", R"({"eos_token_id": [1, 2]})");
  auto folder = HfFolder::open(folder_.path());
  ASSERT_TRUE(folder.ok()) << folder.status().message();
  EXPECT_NE(folder->tokenizer(), nullptr);
  EXPECT_EQ(folder->generation_config()->at("eos_token_id").as_array().size(), 2U);
  EXPECT_EQ(folder->chat_template(), "from the config");

  folder_.write(
      "tokenizer_config.json",
      R"({"chat_template": [{"name": "rag", "template": "r"}, {"name": "default", "template": "d"}]})");
  EXPECT_EQ(HfFolder::open(folder_.path())->chat_template(), "d");
  folder_.write("chat_template.jinja", "from its own file");
  EXPECT_EQ(HfFolder::open(folder_.path())->chat_template(), "from its own file");
}

TEST_F(HfFolderTest, ReadsSeveralFilesThroughTheIndex) {
  folder_.write("model-00001-of-00002.safetensors", shard("a"));
  folder_.write("model-00002-of-00002.safetensors", shard("b"));
  write_index(R"({"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"})");
  const auto folder = HfFolder::open(folder_.path());
  ASSERT_TRUE(folder.ok()) << folder.status().message();
  EXPECT_EQ(folder->tensors().size(), 2U);
  EXPECT_NE(folder->find_tensor("a"), nullptr);
  EXPECT_NE(folder->find_tensor("b"), nullptr);
  EXPECT_EQ(folder->file_bytes(), shard("a").size() + shard("b").size());
}

TEST_F(HfFolderTest, TheIndexMustBeTrue) {
  folder_.write("m1.safetensors", shard("a"));
  folder_.write("m2.safetensors", shard("b"));
  write_index(R"({"a": "m1.safetensors", "b": "m1.safetensors"})");
  expect_error(StatusCode::kInvalidData, "tensor 'b' is not in m1.safetensors");
  write_index(R"({"a": "m1.safetensors", "b": "m3.safetensors"})");
  expect_error(StatusCode::kNotFound, "m3.safetensors: no such file");
  folder_.write("m2.safetensors", shard("a"));
  write_index(R"({"a": "m1.safetensors", "b": "m2.safetensors"})");
  EXPECT_FALSE(status().ok());
  write_index("{}");
  expect_error(StatusCode::kInvalidData, "has no weight_map");
  write_index(R"({"a": 7})");
  expect_error(StatusCode::kInvalidData, "not the plain name");
}

TEST_F(HfFolderTest, TheIndexCannotLeadOutOfTheFolder) {
  folder_.write("outside.safetensors", shard("a"));
  for (const char* name : {"../outside.safetensors", "/etc/passwd", "sub/m.safetensors", "..", "", "passwd",
                           "..\\m.safetensors", "m\\u0000.safetensors"}) {
    write_index(R"({"a": ")" +
                std::string(name == std::string("..\\m.safetensors") ? "..\\\\m.safetensors" : name) +
                R"("})");
    expect_error(StatusCode::kInvalidData, "not the plain name of a .safetensors file");
  }
}

TEST_F(HfFolderTest, SaysWhatIsMissing) {
  expect_error(StatusCode::kNotFound, "has neither model.safetensors nor model.safetensors.index.json");
  std::filesystem::remove(folder_.at("config.json"));
  expect_error(StatusCode::kNotFound, "has no config.json");
  EXPECT_EQ(HfFolder::open(folder_.at("nothing")).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(HfFolder::open(folder_.write("file", "x")).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(HfFolderTest, NamesTheDamagedFile) {
  write_single();
  folder_.write("tokenizer.json", "{\"a\": ");
  expect_error(StatusCode::kInvalidData, "tokenizer.json: is not valid JSON");
  std::filesystem::remove(folder_.at("tokenizer.json"));
  folder_.write("model.safetensors", std::string(20, 'x'));
  expect_error(StatusCode::kInvalidData, "model.safetensors: the header length");
  folder_.write("model.safetensors", "");
  expect_error(StatusCode::kInvalidData, "model.safetensors: the file is empty");
  folder_.write("config.json", "7");
  expect_error(StatusCode::kInvalidData, "config.json: holds no JSON object");
}

// A model that cannot be run can be described (plan_model refuses it).
TEST_F(HfFolderTest, OpensQuantisedFolders) {
  write_single();
  folder_.write("config.json", R"({"quantization_config": {"quant_method": "gptq"}})");
  EXPECT_TRUE(HfFolder::open(folder_.path()).ok());
  folder_.write("model.safetensors", [] {
    const auto bytes = raw_safetensors(R"({"t":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}})", 8);
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }());
  const auto folder = HfFolder::open(folder_.path());
  ASSERT_TRUE(folder.ok()) << folder.status().message();
  ASSERT_EQ(folder->foreign_tensors().size(), 1U);
  EXPECT_EQ(folder->foreign_tensors()[0].type_name, "F8_E4M3");
}

// The GGUF and the folder of a family hold the same model; the embedding is stored alike in all of them
// (other tensors are permuted, raised by one or transposed).
TEST(HfFolder, SharedFoldersHoldTheWeightsOfTheirGgufTwins) {
  if (!std::filesystem::exists(kFamilies)) GTEST_SKIP() << "the shared models are not on this machine";
  int seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kFamilies)) {
    if (!std::filesystem::exists(entry.path() / "hf")) continue;
    ++seen;
    const auto folder = HfFolder::open(entry.path() / "hf");
    ASSERT_TRUE(folder.ok()) << folder.status().message();
    const auto gguf = GgufFile::open(entry.path() / "model.gguf");
    ASSERT_TRUE(gguf.ok()) << gguf.status().message();
    EXPECT_NE(folder->tokenizer(), nullptr);
    const Tensor* ours = folder->find_tensor("model.embed_tokens.weight");
    if (ours == nullptr) ours = folder->find_tensor("transformer.wte.weight");
    const Tensor* twin = gguf->find_tensor("token_embd.weight");
    ASSERT_TRUE(ours != nullptr && twin != nullptr) << entry.path();
    EXPECT_EQ(ours->shape, twin->shape);
    ASSERT_EQ(ours->data.size(), twin->data.size());
    EXPECT_EQ(std::memcmp(ours->data.data(), twin->data.data(), ours->data.size()), 0) << entry.path();
  }
  EXPECT_EQ(seen, 10);
}

TEST(HfFolder, MayBeATokenizerAlone) {
  const TemporaryFolder folder;
  EXPECT_EQ(HfFolder::open_tokenizer(folder.path()).status().code(), StatusCode::kNotFound);
  folder.write("tokenizer.json", R"({"model": {}})");
  const auto opened = HfFolder::open_tokenizer(folder.path());
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  EXPECT_NE(opened->tokenizer(), nullptr);
  EXPECT_TRUE(opened->config().empty());
  folder.write("config.json", "[");
  EXPECT_EQ(HfFolder::open_tokenizer(folder.path()).status().code(), StatusCode::kInvalidData);
}

}  // namespace
}  // namespace cairn
