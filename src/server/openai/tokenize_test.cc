#include "server/openai/tokenize.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

TEST(Tokenize, ReadsTextsOfBothForms) {
  const auto content = parse_tokenize_call(R"({"content":"Hi","add_special":false,"with_pieces":true})");
  ASSERT_TRUE(content.ok());
  EXPECT_EQ(content->text, "Hi");
  EXPECT_FALSE(content->add_special);
  EXPECT_TRUE(content->with_pieces);
  const auto prompt = parse_tokenize_call(R"({"model":"m","prompt":"","add_special_tokens":false})");
  ASSERT_TRUE(prompt.ok());
  EXPECT_EQ(prompt->text, "");
  EXPECT_EQ(prompt->model, "m");
  EXPECT_FALSE(prompt->add_special);
  EXPECT_FALSE(prompt->with_pieces);
  const auto chat = parse_tokenize_call(R"({"messages":[{"role":"user","content":"Hi"}]})");
  ASSERT_TRUE(chat.ok());
  EXPECT_FALSE(chat->text.has_value());
  EXPECT_EQ(chat->messages.size(), 1u);
  EXPECT_TRUE(chat->add_special);
}

TEST(Tokenize, NamesWhatIsWrong) {
  const auto param = [](std::string_view body) {
    const auto call = parse_tokenize_call(body);
    return call.ok() ? "none" : call.error().param;
  };
  EXPECT_EQ(param("{}"), "content");
  EXPECT_EQ(param(R"({"content":7})"), "content");
  EXPECT_EQ(param(R"({"prompt":["a"]})"), "prompt");
  EXPECT_EQ(param(R"({"content":"a","messages":[{"role":"user","content":"Hi"}]})"), "messages");
  EXPECT_EQ(param(R"({"content":"a","add_special":1})"), "add_special");
}

TEST(Tokenize, WritesIdsOrPieces) {
  const TokenId tokens[] = {1, 22};
  EXPECT_EQ(tokenize_body(tokens, {}, 64), R"({"tokens":[1,22],"count":2,"max_model_len":64})");
  const std::string pieces[] = {"a\"", "\xc3"};
  EXPECT_EQ(
      tokenize_body(tokens, pieces, 64),
      R"({"tokens":[{"id":1,"piece":"a\""},{"id":22,"piece":[195]}],"count":2,"max_model_len":64,"token_strs":["a\"","�"]})");
  EXPECT_EQ(tokenize_body({}, {}, 64), R"({"tokens":[],"count":0,"max_model_len":64})");
}

TEST(Detokenize, ReadsAndWrites) {
  const auto call = parse_detokenize_call(R"({"tokens":[1,2,3]})");
  ASSERT_TRUE(call.ok());
  EXPECT_EQ(call->tokens, (std::vector<TokenId>{1, 2, 3}));
  EXPECT_TRUE(parse_detokenize_call(R"({"tokens":[]})").ok());
  EXPECT_EQ(parse_detokenize_call("{}").error().param, "tokens");
  EXPECT_EQ(parse_detokenize_call(R"({"tokens":"x"})").error().param, "tokens");
  EXPECT_EQ(parse_detokenize_call(R"({"tokens":[1,-2]})").error().param, "tokens[1]");
  EXPECT_EQ(detokenize_body("a\n"), R"({"content":"a\n","prompt":"a\n"})");
}

}  // namespace
}  // namespace cairn
