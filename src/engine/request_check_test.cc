#include "engine/request_check.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

constexpr RequestLimits kLimits{.vocab_size = 100, .context = 8, .context_max = 64};

std::string refusal(const Request& request, const RequestLimits& limits = kLimits) {
  const Status status = check_request(request, limits);
  EXPECT_EQ(status.code(), status.ok() ? StatusCode::kOk : StatusCode::kInvalidArgument);
  return status.message();
}

TEST(RequestCheck, AdvisesALargerContextWhereThereIsOne) {
  const Request long_prompt{.prompt = std::vector<TokenId>(9, 1)};
  EXPECT_EQ(refusal(long_prompt),
            "the prompt has 9 tokens, but the context holds 8: shorten it, or ask for a larger "
            "`context` (at most 64)");
  EXPECT_EQ(refusal(long_prompt, {.vocab_size = 100, .context = 8, .context_max = 8}),
            "the prompt has 9 tokens, but the context holds 8: shorten it: the model was made for no more");
  EXPECT_NE(refusal(long_prompt, {.vocab_size = 100, .context = 8}).find("a larger `context`"),
            std::string::npos);
  EXPECT_NE(
      refusal(long_prompt, {.vocab_size = 100, .context = 9, .cache_length = 8}).find("`kv_memory_bytes`"),
      std::string::npos);
}

TEST(RequestCheck, NamesWhatIsWrong) {
  EXPECT_EQ(refusal({.prompt = {1, 2}}), "");
  EXPECT_NE(refusal({}).find("empty"), std::string::npos);
  EXPECT_NE(refusal({.prompt = {1, 100}}).find("prompt position 1 is token 100"), std::string::npos);
  EXPECT_NE(refusal({.prompt = {1}, .max_tokens = -1}).find("max tokens"), std::string::npos);
  EXPECT_NE(refusal({.prompt = {1}, .stop_strings = {""}}).find("stop string"), std::string::npos);
  EXPECT_NE(refusal({.prompt = {1}, .picks = Picks::kByCaller, .deadline_ns = 7}).find("deadline_ns"),
            std::string::npos);
  EXPECT_NE(refusal({.prompt = {1}, .sampling = {.top_p = 7}}).find("top-p"), std::string::npos);
  EXPECT_NE(
      refusal({.prompt = {1}, .sampling = {.logit_bias = {{.token = 100, .added = 1}}}}).find("token 100"),
      std::string::npos);
}

}  // namespace
}  // namespace cairn
