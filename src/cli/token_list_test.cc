#include "cli/token_list.h"

#include <gtest/gtest.h>

#include <cmath>

namespace cairn {
namespace {

using Ids = std::vector<TokenId>;

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

}  // namespace
}  // namespace cairn
