#include "cli/option_values.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace cairn {
namespace {

TEST(ByteCount, ReadsWhatPeopleWrite) {
  EXPECT_EQ(*parse_byte_count("4096"), 4096u);
  EXPECT_EQ(*parse_byte_count("2GiB"), uint64_t{2} << 30);
  EXPECT_EQ(*parse_byte_count("2g"), 2'000'000'000u);
  EXPECT_EQ(*parse_byte_count("512 MiB"), uint64_t{512} << 20);
  EXPECT_EQ(*parse_byte_count("1.5GB"), 1'500'000'000u);
  EXPECT_EQ(*parse_byte_count("0.5KIB"), 512u);
  EXPECT_EQ(*parse_byte_count("7B"), 7u);
}

TEST(ByteCount, RefusesTheRest) {
  for (const char* text :
       {"", "GiB", "-1", "0", "0.2", "2 apples", "nan", "inf", "1e300", "99999999TiB", "2GiBGiB"}) {
    EXPECT_EQ(parse_byte_count(text).status().code(), StatusCode::kInvalidArgument) << text;
  }
}

using Ids = std::vector<TokenId>;

TEST(TensorTypes, AreFoundByTheNamesOfFiles) {
  EXPECT_EQ(tensor_type_of_file_name("q4_k_m"), TensorType::kQ4_K);
  EXPECT_EQ(tensor_type_of_file_name("Q3_K_XL"), TensorType::kQ3_K);
  EXPECT_EQ(tensor_type_of_file_name("Q6_K"), TensorType::kQ6_K);
  EXPECT_EQ(tensor_type_of_file_name("q8_0"), TensorType::kQ8_0);
  EXPECT_EQ(tensor_type_of_file_name("FP16"), TensorType::kF16);
  EXPECT_EQ(tensor_type_of_file_name("bfloat16"), TensorType::kBF16);
  for (const char* name : {"", "q4_k_x", "q4_0_m", "q9_k_m", "_k_m", "fp64"}) {
    EXPECT_EQ(tensor_type_of_file_name(name), std::nullopt) << name;
  }
}

TEST(TokenList, ReadsIdsWithBlanksAroundThem) {
  EXPECT_EQ(*parse_token_list("1,2,3"), (Ids{1, 2, 3}));
  EXPECT_EQ(*parse_token_list(" 7 , 0 \n"), (Ids{7, 0}));
  EXPECT_EQ(*parse_token_list("2147483647"), (Ids{2147483647}));
  EXPECT_EQ(*parse_token_list(""), Ids{});
  EXPECT_EQ(*parse_token_list("  "), Ids{});
}

TEST(TokenList, NamesWhatIsNoId) {
  for (const char* text :
       {"1,,2", "1,", ",", "1 2", "-1", "2147483648", "99999999999999999999", "0x10", "1.5", "a"}) {
    const auto tokens = parse_token_list(text);
    ASSERT_FALSE(tokens.ok()) << text;
    EXPECT_EQ(tokens.status().code(), StatusCode::kInvalidArgument);
  }
  EXPECT_NE(parse_token_list("1,cat,3").status().message().find("'cat'"), std::string::npos);
}

TEST(TokenList, IsWrittenAsItIsRead) {
  const Ids ids{5, 0, 77};
  EXPECT_EQ(format_token_list(ids), "5,0,77");
  EXPECT_EQ(*parse_token_list(format_token_list(ids)), ids);
}

TEST(LogitBiases, AreAnIdAndAValue) {
  EXPECT_EQ(parse_logit_bias("42=-1.5")->token, 42);
  EXPECT_EQ(parse_logit_bias("42=-1.5")->added, -1.5F);
  EXPECT_EQ(parse_logit_bias("0=3")->added, 3.0F);
  EXPECT_TRUE(std::isinf(parse_logit_bias("1=-inf")->added));
  for (const char* text : {"", "=", "5", "5=", "=1", "-1=2", "5=x", "5=nan", "5=1=2"}) {
    EXPECT_FALSE(parse_logit_bias(text).ok()) << text;
  }
}

TEST(EditDistance, CountsLettersToChange) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("generate", "generate"), 0U);
  EXPECT_EQ(edit_distance("hcat", "chat"), 1U);  // neighbours swapped
  EXPECT_EQ(edit_distance("abc", "cab"), 2U);
}

TEST(NearestName, FindsWhatWasMeant) {
  const std::vector<std::string> names{"--temp", "--threads", "--top-k", "--cache", "-m"};
  EXPECT_EQ(nearest_name("--tmep", names), "--temp");
  EXPECT_EQ(nearest_name("--thread", names), "--threads");
  EXPECT_EQ(nearest_name("--cahce", names), "--cache");
  EXPECT_EQ(nearest_name("--temperature", names), std::nullopt);
  EXPECT_EQ(nearest_name("--thr", names), "--threads");  // the beginning of a name
}

TEST(NearestName, KeepsSilentWhereNothingIsNear) {
  const std::vector<std::string> names{"generate", "chat"};
  EXPECT_EQ(nearest_name("quantize", names), std::nullopt);
  EXPECT_EQ(nearest_name(std::string(100000, 'g'), names), std::nullopt);
  EXPECT_EQ(nearest_name("x", std::vector<std::string>{}), std::nullopt);
}

}  // namespace
}  // namespace cairn
