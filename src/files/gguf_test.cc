#include "files/gguf.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <numeric>
#include <string>

#include "base/temporary_folder_testing.h"
#include "files/gguf_testing.h"
#include "files/gguf_writer.h"
#include "files/touch_testing.h"
#include "kernels/weights/dequantize.h"

namespace cairn {
namespace {

const std::string kShared = std::string(CAIRN_SOURCE_DIR) + "/../shared";

GgufFile parse_small(const std::vector<std::byte>& bytes) {
  auto file = GgufFile::parse(bytes);
  EXPECT_TRUE(file.ok()) << file.status().message();
  return std::move(*file);
}

TEST(Gguf, ReadsIntegersOfEveryType) {
  const auto bytes = small_gguf();
  const GgufFile file = parse_small(bytes);
  const std::map<std::string, uint64_t> expected = {{"a.uint8", 200},
                                                    {"a.uint16", 60000},
                                                    {"a.uint32", 4000000000},
                                                    {"a.uint64", uint64_t{1} << 63},
                                                    {"a.int64", uint64_t{1} << 40}};
  for (const auto& [key, number] : expected) EXPECT_EQ(*file.find_uint(key).value(), number) << key;
  EXPECT_EQ(*file.need_uint("a.uint8"), 200U);
  for (const char* key : {"a.int8", "a.int16", "a.int32"}) {
    const auto found = file.find_uint(key);
    EXPECT_EQ(found.status().code(), StatusCode::kInvalidData) << key;
    EXPECT_NE(found.status().message().find("must not be negative"), std::string::npos);
  }
}

TEST(Gguf, ReadsFloatsBoolsAndStrings) {
  const auto bytes = small_gguf();
  const GgufFile file = parse_small(bytes);
  EXPECT_EQ(*file.find_float("a.float32").value(), 0.5);
  EXPECT_EQ(*file.find_float("a.float64").value(), 1e-300);
  EXPECT_EQ(*file.find_float("a.int32").value(), -5.0);
  EXPECT_EQ(*file.find_bool("a.bool").value(), true);
  EXPECT_EQ(*file.find_string("general.name").value(), "small \xE2\x96\x81");
  EXPECT_EQ(*file.find_string("a.empty").value(), "");
  EXPECT_EQ(*file.need_float("a.float32"), 0.5);
  EXPECT_EQ(*file.need_string("general.architecture"), "llama");
}

TEST(Gguf, ReadsArraysOfEveryType) {
  const auto bytes = small_gguf();
  const GgufFile file = parse_small(bytes);
  using Ints = std::vector<int64_t>;
  const std::map<std::string, Ints> expected = {{"some.uint8", {1, 2, 255}}, {"some.int8", {-1, 2}},
                                                {"some.uint16", {65535}},    {"some.int16", {-7, 7}},
                                                {"some.uint32", {7, 8, 9}},  {"some.uint64", {1, 2}},
                                                {"some.int64", {-1, 5}},     {"some.bool", {1, 0, 1}}};
  for (const auto& [key, numbers] : expected) EXPECT_EQ(*file.find_ints(key).value(), numbers) << key;
  EXPECT_EQ(*file.find_floats("some.float32").value(), (std::vector<float>{1.5F, -2.5F}));
  EXPECT_EQ(*file.find_floats("some.float64").value(), (std::vector<float>{0.25F, 4.0F}));
  EXPECT_EQ(*file.find_strings("some.strings").value(), (std::vector<std::string>{"a", "", "ccc"}));
  EXPECT_TRUE(file.find_strings("some.nothing").value()->empty());
}

TEST(Gguf, AbsentKeysAndWrongTypesAreToldApart) {
  const auto bytes = small_gguf();
  const GgufFile file = parse_small(bytes);
  EXPECT_FALSE(file.has("b"));
  EXPECT_TRUE(file.has("a.bool"));
  EXPECT_FALSE(file.find_uint("b").value().has_value());
  EXPECT_FALSE(file.find_strings("b").value().has_value());
  EXPECT_EQ(file.need_uint("b").status(), invalid_data("the file has no metadata key 'b'"));
  EXPECT_EQ(file.find_uint("a.bool").status(),
            invalid_data("metadata key 'a.bool' is of type bool, not an integer"));
  EXPECT_EQ(file.find_string("some.strings").status(),
            invalid_data("metadata key 'some.strings' is of type array of string, not string"));
  EXPECT_FALSE(file.find_floats("some.int32").ok());
  EXPECT_FALSE(file.find_ints("some.float32").ok());
  EXPECT_FALSE(file.find_bool("a.uint8").ok());
}

TEST(Gguf, DescribesItselfInOneLineEach) {
  const auto bytes = small_gguf();
  std::map<std::string, std::string> lines;
  for (auto& [key, text] : parse_small(bytes).describe_metadata()) lines[key] = text;
  EXPECT_EQ(lines["a.int8"], "-3");
  EXPECT_EQ(lines["a.float32"], "0.5");
  EXPECT_EQ(lines["a.bool"], "true");
  EXPECT_EQ(lines["a.uint64"], "9223372036854775808");
  EXPECT_EQ(lines["some.strings"], "[\"a\", \"\", \"ccc\"]");
  EXPECT_EQ(lines["some.int32"], "[-1, 0, 1, 2, 3, 4, 5, 6, ... 10 in all]");
}

TEST(Gguf, FindsTensorsByName) {
  const auto bytes = small_gguf();
  const GgufFile file = parse_small(bytes);
  EXPECT_EQ(file.version(), 3U);
  EXPECT_EQ(file.tensors().size(), std::size(kAllTensorTypes));
  EXPECT_EQ(file.find_tensor("nothing"), nullptr);
  const Tensor* tensor = file.find_tensor("q4_k.weight");
  ASSERT_NE(tensor, nullptr);
  EXPECT_EQ(tensor->type, TensorType::kQ4_K);
  EXPECT_EQ(tensor->shape, (std::vector<int64_t>{2, 256}));
  EXPECT_EQ(tensor->data.size(), 2U * 144);
}

// What Cairn cannot run it can describe.
TEST(Gguf, ListsTensorsOfForeignTypesApart) {
  RawGguf raw = RawGguf::head(3, 0);
  raw.tensor("a", {256, 2}, 17, 0).tensor("b", {4}, 0, 160).tensor("c", {64}, 40, 192).pad().zeros(228);
  const auto file = GgufFile::parse(raw.bytes());
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_EQ(file->tensors().size(), 1U);
  EXPECT_EQ(file->find_tensor("a"), nullptr);
  ASSERT_EQ(file->foreign_tensors().size(), 2U);
  const ForeignTensor& first = file->foreign_tensors()[0];
  EXPECT_EQ(first.name, "a");
  EXPECT_EQ(first.type_name, "iq2_xs");
  EXPECT_EQ(first.shape, (std::vector<int64_t>{2, 256}));
  EXPECT_EQ(first.bytes, 148U);
  EXPECT_EQ(
      refuse_foreign_tensors(file->foreign_tensors()),
      unsupported("tensor 'a' (the first of 2 such tensors) has the type iq2_xs, which Cairn does not run: "
                  "download a Q2_K or IQ3_XXS file of the model instead"));
  EXPECT_EQ(refuse_foreign_tensors(file->foreign_tensors().subspan(1)).message(),
            "tensor 'c' has the type nvfp4, which Cairn does not run: download an MXFP4 or Q4_K_M file of "
            "the model "
            "instead");
  EXPECT_TRUE(refuse_foreign_tensors({}).ok());
}

// No type is both run and foreign, and each that is known has a name, a block and a way out.
TEST(Gguf, ForeignTypes) {
  int known = 0;
  for (uint32_t number = 0; number < 64; ++number) {
    const ForeignType type = foreign_type_from_gguf(number);
    EXPECT_FALSE(type.instead.empty());
    if (type.bytes == 0) continue;
    ++known;
    EXPECT_FALSE(tensor_type_from_gguf(number).has_value()) << number;
    EXPECT_FALSE(tensor_type_from_name(type.name).has_value()) << type.name;
    EXPECT_GT(type.elements, 0) << type.name;
  }
  EXPECT_EQ(known, 21);
}

TEST(Gguf, ReadsVersion2) {
  RawGguf raw = RawGguf::head(1, 1, 2);
  raw.string("k").type(GgufType::kUint32).u32(7).tensor("t", {4}, 0, 0).pad().zeros(16);
  const auto file = GgufFile::parse(raw.bytes());
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->version(), 2U);
  EXPECT_EQ(*file->need_uint("k"), 7U);
}

// The last tensor needs no padding behind it, and a file without tensors no data section.
TEST(Gguf, MayEndWithItsLastByteOfUse) {
  EXPECT_TRUE(GgufFile::parse(RawGguf::head(0, 0).bytes()).ok());
  RawGguf raw = RawGguf::head(1, 0);
  raw.tensor("t", {3}, 0, 0).pad().zeros(12);
  EXPECT_TRUE(GgufFile::parse(raw.bytes()).ok());
}

TEST(Gguf, RespectsTheAlignment) {
  RawGguf raw = RawGguf::head(2, 1);
  raw.string("general.alignment").type(GgufType::kUint32).u32(64);
  raw.tensor("a", {1}, 0, 0).tensor("b", {1}, 0, 64).pad(64).u32(0x3F800000).zeros(60).u32(0x40000000);
  const auto file = GgufFile::parse(raw.bytes());
  ASSERT_TRUE(file.ok()) << file.status().message();
  float value = 0;
  dequantize_row(TensorType::kF32, file->find_tensor("b")->data.data(), {&value, 1});
  EXPECT_EQ(value, 2.0F);
}

TEST(Gguf, ReadsArraysOfArraysAsFarAsTheyAreSane) {
  RawGguf raw = RawGguf::head(0, 2);
  raw.string("nested").type(GgufType::kArray).type(GgufType::kArray).u64(2);
  raw.type(GgufType::kUint8).u64(3).text("abc").type(GgufType::kString).u64(1).string("x");
  raw.string("after").type(GgufType::kUint8).u8(9);
  const auto file = GgufFile::parse(raw.bytes());
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(*file->need_uint("after"), 9U);
  EXPECT_FALSE(file->find_ints("nested").ok());
  EXPECT_EQ(file->describe_metadata()[0].second, "[[...], [...]]");
}

TEST(Gguf, OpensEverySharedModel) {
  const std::string families = kShared + "/models/families";
  if (!std::filesystem::exists(families)) GTEST_SKIP() << "the shared models are not on this machine";
  int seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(families)) {
    const std::string path = entry.path() / "model.gguf";
    if (!std::filesystem::exists(path)) continue;
    ++seen;
    const auto file = GgufFile::open(path);
    ASSERT_TRUE(file.ok()) << file.status().message();
    EXPECT_EQ(*file->need_string("general.name"), "tiny-random") << path;
    EXPECT_EQ(file->file_bytes(), std::filesystem::file_size(path));
    ASSERT_NE(file->find_tensor("token_embd.weight"), nullptr);
    EXPECT_EQ(file->find_tensor("token_embd.weight")->shape[0], 512);
    EXPECT_EQ(file->find_strings("tokenizer.ggml.tokens").value()->size(), 512U);
    touch_everything(*file);
  }
  EXPECT_EQ(seen, 10);
}

// The same weights in the original llama2.c form: a header of seven int32, then the token embedding.
TEST(Gguf, Stories260KHoldsTheWeightsOfItsOriginal) {
  const std::string folder = kShared + "/models/stories260K/";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "the shared models are not on this machine";
  const auto file = GgufFile::open(folder + "stories260K.gguf");
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(*file->need_uint("llama.block_count"), 5U);
  EXPECT_NEAR(*file->need_float("llama.attention.layer_norm_rms_epsilon"), 1e-5, 1e-11);
  const Tensor* embedding = file->find_tensor("token_embd.weight");
  ASSERT_NE(embedding, nullptr);
  ASSERT_EQ(embedding->shape, (std::vector<int64_t>{512, 64}));
  std::ifstream original(folder + "stories260K.bin", std::ios::binary);
  original.seekg(7 * 4);
  std::vector<char> bytes(embedding->data.size());
  ASSERT_TRUE(original.read(bytes.data(), static_cast<std::streamsize>(bytes.size())));
  EXPECT_EQ(std::memcmp(bytes.data(), embedding->data.data(), bytes.size()), 0);
}

TEST(Gguf, OpensVocabularyOnlyFiles) {
  const std::string path = kShared + "/tokenizers";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "the shared tokenizers are not on this machine";
  int seen = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (entry.path().extension() != ".gguf") continue;
    ++seen;
    const auto file = GgufFile::open(entry.path());
    ASSERT_TRUE(file.ok()) << file.status().message();
    EXPECT_TRUE(file->tensors().empty());
    EXPECT_GT(file->find_strings("tokenizer.ggml.tokens").value()->size(), 30000U);
  }
  EXPECT_EQ(seen, 2);
}

TEST(Gguf, NamesTheFileThatIsNotThere) {
  const auto file = GgufFile::open("/no/such/model.gguf");
  EXPECT_EQ(file.status(), not_found("/no/such/model.gguf: no such file"));
}

}  // namespace
}  // namespace cairn
