#include <gtest/gtest.h>

#include "server/openai/parse.h"
#include "server/openai/parse_testing.h"

namespace cairn {
namespace {

std::string with(std::string_view fields) { return R"({"prompt":"Hi",)" + std::string(fields) + "}"; }
TextCall call_with(std::string_view fields) { return parsed(parse_completions_call, with(fields)); }
std::vector<CallPrompt> prompts(std::string_view json) {
  return parsed(parse_completions_call, R"({"prompt":)" + std::string(json) + "}").prompts;
}

TEST(ParseCompletions, DefaultsAreOpenAis) {
  const TextCall call = parsed(parse_completions_call, R"({"prompt":"Hi"})");
  EXPECT_EQ(call.face, ApiFace::kCompletions);
  EXPECT_EQ(call.max_tokens, 16);
  EXPECT_EQ(call.sampling.temperature, 1);
  EXPECT_FALSE(call.echo);
  EXPECT_FALSE(call.logprobs.has_value());
}

TEST(ParseCompletions, PromptsAreTextsOrTokens) {
  using Tokens = std::vector<TokenId>;
  EXPECT_EQ(prompts(R"("Hi")"), (std::vector<CallPrompt>{std::string("Hi")}));
  EXPECT_EQ(prompts(R"("")"), (std::vector<CallPrompt>{std::string()}));
  EXPECT_EQ(prompts(R"(["a","b"])"), (std::vector<CallPrompt>{std::string("a"), std::string("b")}));
  EXPECT_EQ(prompts("[1,2,3]"), (std::vector<CallPrompt>{Tokens{1, 2, 3}}));
  EXPECT_EQ(prompts("[[1],[2147483647,0]]"), (std::vector<CallPrompt>{Tokens{1}, Tokens{2147483647, 0}}));
}

TEST(ParseCompletions, NamesThePromptThatIsWrong) {
  const BadField cases[] = {
      {"null", "prompt"},
      {"7", "prompt"},
      {"{}", "prompt"},
      {"[]", "prompt"},
      {"[[]]", "prompt[0]"},
      {"[{}]", "prompt[0]"},
      {"[null]", "prompt[0]"},
      {R"(["a",1])", "prompt[1]"},
      {"[1,-1]", "prompt[1]"},
      {"[1,2.5]", "prompt[1]"},
      {R"([1,"a"])", "prompt[1]"},
      {"[[1],[2,2147483648]]", "prompt[1][1]"},
      {"[true]", "prompt[0]"},
      {"[[[1]]]", "prompt[0][0]"},
  };
  for (const BadField& c : cases) {
    expect_refused(parse_completions_call, R"({"prompt":)" + std::string(c.fields) + "}", c.param);
  }
  expect_refused(parse_completions_call, "{}", "prompt");
  std::string many = "[\"\"";
  for (int i = 0; i < 64; ++i) many += ",\"\"";
  expect_refused(parse_completions_call, R"({"prompt":)" + many + "]}", "prompt");
}

TEST(ParseCompletions, ReadsEachField) {
  EXPECT_EQ(call_with(R"("max_tokens":0)").max_tokens, 0);
  EXPECT_EQ(call_with(R"("max_tokens":null)").max_tokens, 16);
  EXPECT_EQ(call_with(R"("logprobs":5)").logprobs, 5);
  EXPECT_EQ(call_with(R"("logprobs":0)").logprobs, 0);
  EXPECT_TRUE(call_with(R"("echo":true)").echo);
  EXPECT_EQ(call_with(R"("n":4,"best_of":4)").n, 4);
  EXPECT_EQ(call_with(R"("best_of":1)").n, 1);
  EXPECT_EQ(call_with(R"("suffix":"")").n, 1);
  EXPECT_EQ(call_with(R"("suffix":null)").n, 1);
  EXPECT_EQ(call_with(R"("stop":"x")").stops.size(), 1u);
  EXPECT_EQ(parsed(parse_completions_call, R"({"prompt":["a","b"],"n":2})").choice_count(), 4);
}

TEST(ParseCompletions, NamesEachFieldThatIsWrong) {
  const BadField cases[] = {
      {R"("max_tokens":-1)", "max_tokens"},
      {R"("max_tokens":1.5)", "max_tokens"},
      {R"("logprobs":true)", "logprobs"},
      {R"("logprobs":21)", "logprobs"},
      {R"("echo":1)", "echo"},
      {R"("n":0)", "n"},
      {R"("best_of":3)", "best_of"},
      {R"("n":2,"best_of":3)", "best_of"},
      {R"("suffix":"end")", "suffix"},
      {R"("temperature":3)", "temperature"},
  };
  for (const BadField& c : cases) expect_refused(parse_completions_call, with(c.fields), c.param);
  expect_refused(parse_completions_call, R"({"prompt":["1","2","3","4","5","6","7","8"],"n":16})", "n");
}

}  // namespace
}  // namespace cairn
