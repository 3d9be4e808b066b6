#include "cli/request_options.h"

#include <gtest/gtest.h>

#include "base/temporary_folder_testing.h"

namespace cairn {
namespace {

TEST(PromptText, ComesFromOneSource) {
  EXPECT_EQ(*read_prompt_text({.text = "hello\n"}, LastLineEnd::kDrop), "hello\n");  // typed: meant as it is
  EXPECT_EQ(*read_prompt_text({.tokens = std::vector<TokenId>{1, 2}}, LastLineEnd::kDrop), "");
  EXPECT_EQ(read_prompt_text({}, LastLineEnd::kDrop).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(read_prompt_text({.text = "a", .file = "b"}, LastLineEnd::kDrop).status().code(),
            StatusCode::kInvalidArgument);
}

TEST(PromptText, OfAFileLosesOneLineEndAtMost) {
  const TemporaryFolder folder;
  const std::string path = folder.write("prompt.txt", "hello\n\n");
  EXPECT_EQ(*read_prompt_text({.file = path}, LastLineEnd::kDrop), "hello\n");
  EXPECT_EQ(*read_prompt_text({.file = path}, LastLineEnd::kKeep), "hello\n\n");
}

TEST(PromptText, OfAMissingFileOrAFolderIsAnError) {
  const TemporaryFolder folder;
  const auto missing = read_prompt_text({.file = folder.at("nothing")}, LastLineEnd::kDrop);
  EXPECT_EQ(missing.status().code(), StatusCode::kNotFound);
  EXPECT_NE(missing.status().message().find("nothing"), std::string::npos);
  EXPECT_FALSE(read_prompt_text({.file = folder.path()}, LastLineEnd::kDrop).ok());
}

}  // namespace
}  // namespace cairn
