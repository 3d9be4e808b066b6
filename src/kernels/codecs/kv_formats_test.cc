#include "kernels/codecs/kv_formats.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "kernels/codecs/kv_codec.h"

namespace cairn {
namespace {

// A file of the source, from its root.
std::string source_text(const std::string& path) {
  std::ifstream file(CAIRN_SOURCE_DIR "/" + path);
  EXPECT_TRUE(file.good()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(KvFormats, AreFoundByNameAndByAlias) {
  for (const KvFormatInfo& info : kKvFormats) {
    EXPECT_EQ(kv_format_from_name(info.name), info.format);
    if (info.alias.has_value()) EXPECT_EQ(kv_format_from_name(*info.alias), info.format);
  }
  EXPECT_EQ(kv_format_from_name(""), std::nullopt);
  EXPECT_EQ(kv_format_from_name("f8"), std::nullopt);
  EXPECT_EQ(kv_format_from_name("F16"), std::nullopt);
}

TEST(KvFormats, StandFromTheWidestToTheNarrowest) {
  for (size_t i = 1; i < kKvFormats.size(); ++i) {
    EXPECT_LE(kKvFormats[i].bits, kKvFormats[i - 1].bits) << kKvFormats[i].name;
  }
}

TEST(KvFormats, IntegersGoByChannelAndAreRotatedWhereHeadsCanBe) {
  for (const KvFormatInfo& info : kKvFormats) {
    const bool is_integer = kv_is_integer(info.format);
    for (const int64_t head_dim : {64, 96}) {
      const KvCodec codec = kv_best_codec(info.format, head_dim);
      EXPECT_EQ(codec.format, info.format);
      EXPECT_EQ(codec.axis == KvAxis::kChannel, is_integer) << info.name;
      EXPECT_EQ(codec.transform == KvTransform::kHadamard, is_integer && head_dim == 64) << info.name;
    }
  }
}

TEST(KvFormats, AreListedInWords) {
  EXPECT_EQ(kv_format_names(), "f32, f16, bf16, fp8, fp8_e5m2, int8, int4, int3, int2");
  EXPECT_EQ(kv_integer_format_names(), "int8, int4, int3, int2");
  EXPECT_EQ(kv_formats_sentence(),
            "there are f32, f16, bf16, fp8 (= fp8_e4m3), fp8_e5m2, int8, int4, int3 and int2");
}

// docs/kv.md has a line for each in its table of codecs, and the list of README.md names it.
TEST(KvFormats, AreDescribedInTheDocuments) {
  const std::string page = source_text("docs/kv.md");
  const std::string readme = source_text("README.md");
  for (const KvFormatInfo& info : kKvFormats) {
    EXPECT_NE(readme.find(" " + std::string(info.name)), std::string::npos) << info.name;
    EXPECT_NE(page.find("\n| `" + std::string(info.name) + "`"), std::string::npos) << info.name;
    if (info.alias.has_value()) {
      EXPECT_NE(page.find("(`" + std::string(*info.alias) + "`)"), std::string::npos) << info.name;
    }
  }
}

// The grammar of plans says each of them, and says no other: kv_plan.h, of which docs/kv.md holds a copy.
TEST(KvFormats, AreThoseOfTheGrammar) {
  const std::string header = source_text("src/kv/kv_plan.h");
  const size_t begin = header.find("//   format    = ");
  ASSERT_NE(begin, std::string::npos);
  std::string grammar = header.substr(begin, header.find("\n//\n", begin) - begin);
  std::erase_if(grammar, [](char c) { return c == '/' || c == ' ' || c == '\n'; });
  std::string expected = "format=";
  for (const KvFormatInfo& info : kKvFormats) {
    if (&info != kKvFormats.data()) expected += "|";
    expected.append("\"").append(info.name).append("\"");
    if (info.alias.has_value()) expected.append("|\"").append(*info.alias).append("\"");
  }
  EXPECT_EQ(grammar, expected);
}

}  // namespace
}  // namespace cairn
