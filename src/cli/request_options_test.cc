#include "cli/request_options.h"

#include <gtest/gtest.h>

#include "base/temporary_folder_testing.h"

namespace cairn {
namespace {

TEST(PromptText, ComesFromOneSource) {
  EXPECT_EQ(*read_prompt_text({.text = "hello\n"}), "hello\n");  // typed: meant as it is
  EXPECT_EQ(*read_prompt_text({.tokens = std::vector<TokenId>{1, 2}}), "");
  EXPECT_EQ(read_prompt_text({}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(read_prompt_text({.text = "a", .file = "b"}).status().code(), StatusCode::kInvalidArgument);
}

TEST(PromptText, OfAFileLosesOneLineEndAtMost) {
  const TemporaryFolder folder;
  const std::string path = folder.write("prompt.txt", "hello\n\n");
  EXPECT_EQ(*read_prompt_text({.file = path}), "hello\n");
}

TEST(PromptText, MayHaveLineEndsOfTwoCharacters) {
  const TemporaryFolder folder;
  EXPECT_EQ(*read_prompt_text({.file = folder.write("crlf.txt", "a\r\nb\r\n")}), "a\r\nb");
  EXPECT_EQ(*read_prompt_text({.file = folder.write("cr.txt", "a\r")}), "a\r");  // no line end
  EXPECT_EQ(*read_prompt_text({.file = folder.write("mixed.txt", "a\n\r\n")}), "a\n");
}

TEST(Sampling, TopKMayBeOffInTwoWays) {
  for (const int64_t off : {0, -1}) {
    Request request;
    apply_sampling({.top_k = off}, 1, request);
    EXPECT_EQ(request.sampling.top_k, std::nullopt);
    EXPECT_TRUE(check_sampling({.top_k = off}).ok());
  }
  EXPECT_EQ(check_sampling({.top_k = -2}).message(),
            "top-k is -2: it must be at least 1, or 0 or -1 for all tokens");
}

TEST(Sampling, IsCheckedWithoutAModel) {
  EXPECT_TRUE(check_sampling({}).ok());
  EXPECT_FALSE(check_sampling({.temperature = -1}).ok());
  EXPECT_FALSE(check_sampling({.top_p = 2}).ok());
  EXPECT_FALSE(check_sampling({.stop_strings = {""}}).ok());
  EXPECT_TRUE(
      check_sampling({.logit_bias = {{.token = 2000000000, .added = 1}}}).ok());  // its vocabulary decides
}

TEST(Sampling, OfASearchLeavesOutWhatDraws) {
  Request request;
  apply_to_search({.temperature = 2,
                   .top_k = 3,
                   .repeat_penalty = 1.5,
                   .logit_bias = {{.token = 5, .added = 1}},
                   .stop_strings = {"x"},
                   .end_tokens = EndTokens::kAreIgnored},
                  request);
  EXPECT_EQ(request.sampling.temperature, 0);
  EXPECT_EQ(request.sampling.top_k, std::nullopt);
  EXPECT_EQ(request.sampling.repetition_penalty, 1.5);
  EXPECT_EQ(request.sampling.logit_bias.size(), 1U);
  EXPECT_EQ(request.stop_strings.size(), 1U);
  EXPECT_TRUE(request.ignore_end_tokens);
}

TEST(PromptText, OfAMissingFileOrAFolderIsAnError) {
  const TemporaryFolder folder;
  const auto missing = read_prompt_text({.file = folder.at("nothing")});
  EXPECT_EQ(missing.status().code(), StatusCode::kNotFound);
  EXPECT_NE(missing.status().message().find("nothing"), std::string::npos);
  EXPECT_FALSE(read_prompt_text({.file = folder.path()}).ok());
}

}  // namespace
}  // namespace cairn
