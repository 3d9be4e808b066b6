#include "server/openai/reply.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "server/openai/models.h"
#include "server/openai/parse.h"

namespace cairn {
namespace {

AnswerHead head() { return {.id = "7", .created_ns = 1'700'000'000'999'999'999, .model = "demo"}; }
AnswerEnd some_end() {
  return {.usage = {.prompt_tokens = 10, .cached_tokens = 8, .completion_tokens = 3, .reasoning_tokens = 1}};
}

constexpr std::string_view kUsage =
    R"("usage":{"prompt_tokens":10,"completion_tokens":3,"total_tokens":13,)"
    R"("prompt_tokens_details":{"cached_tokens":8},"completion_tokens_details":{"reasoning_tokens":1}})";

TextCall chat_call() { return {.face = ApiFace::kChat}; }

TEST(ChatReply, HasTheFormOfChatCompletions) {
  const Answer answer = {.choices = {{.text = "Hi \"you\"\n"}}, .end = some_end()};
  EXPECT_EQ(
      write_answer(chat_call(), head(), answer),
      R"({"id":"chatcmpl-7","object":"chat.completion","created":1700000000,"model":"demo","choices":[)"
      R"({"index":0,"message":{"role":"assistant","content":"Hi \"you\"\n","refusal":null},"logprobs":null,"finish_reason":"stop"}],)" +
          std::string(kUsage) + "}");
}

TEST(ChatReply, SeveralChoicesWithReasoningAndToolCalls) {
  AnswerHead named = head();
  named.system_fingerprint = "fp";
  Answer answer;
  answer.choices.push_back({.text = "", .tool_calls = {{"call_1", "add", R"({"a":1})"}}});
  answer.choices.push_back({.text = "B", .reasoning = "Hm.", .finish = AnswerFinish::kLength});
  answer.end.cairn = {{"reused", 8}};
  const std::string text = write_answer(chat_call(), named, answer);
  EXPECT_NE(
      text.find(
          R"({"index":0,"message":{"role":"assistant","content":null,"refusal":null,"tool_calls":[{"id":"call_1","type":"function",)"
          R"("function":{"name":"add","arguments":"{\"a\":1}"}}]},"logprobs":null,"finish_reason":"tool_calls"},)"
          R"({"index":1,"message":{"role":"assistant","content":"B","refusal":null,"reasoning_content":"Hm."},"logprobs":null,"finish_reason":"length"}])"),
      std::string::npos)
      << text;
  EXPECT_NE(text.find(R"(,"system_fingerprint":"fp","cairn":{"reused":8}})"), std::string::npos) << text;
}

TEST(ChatReply, LogprobsGiveBytesOfWhatIsNoCharacter) {
  TextCall call = chat_call();
  call.logprobs = 2;
  const Answer answer = {
      .choices = {{.text = "é",
                   .logprobs = {{.bytes = "\xc3", .logprob = -0.5, .top = {{"\xc3", -0.5}, {"a", -2}}},
                                {.bytes = "\xa9", .logprob = -1e30}}}}};
  const std::string text = write_answer(call, head(), answer);
  EXPECT_NE(
      text.find(R"("logprobs":{"content":[{"token":"�","logprob":-0.5,"bytes":[195],"top_logprobs":[)"
                R"({"token":"�","logprob":-0.5,"bytes":[195]},{"token":"a","logprob":-2,"bytes":[97]}]},)"
                R"({"token":"�","logprob":-9999,"bytes":[169],"top_logprobs":[]}],"refusal":null})"),
      std::string::npos)
      << text;
}

TEST(CompletionsReply, HasTheFormOfCompletions) {
  TextCall call = {.face = ApiFace::kCompletions};
  const Answer answer = {.choices = {{.text = "Hi"}, {.text = "Ho", .finish = AnswerFinish::kDeadline}},
                         .end = some_end()};
  EXPECT_EQ(write_answer(call, head(), answer),
            R"({"id":"cmpl-7","object":"text_completion","created":1700000000,"model":"demo","choices":[)"
            R"({"text":"Hi","index":0,"logprobs":null,"finish_reason":"stop"},)"
            R"({"text":"Ho","index":1,"logprobs":null,"finish_reason":"length"}],)" +
                std::string(kUsage) + "}");
}

TEST(CompletionsReply, LogprobsAreListsAndOffsetsCountCharacters) {
  TextCall call = {.face = ApiFace::kCompletions};
  call.logprobs = 1;
  const Answer answer = {.choices = {{.text = "aéb",
                                      .logprobs = {{.bytes = "a"},
                                                   {.bytes = "\xc3", .logprob = -1, .top = {{"\xc3", -1}}},
                                                   {.bytes = "\xa9", .logprob = -2},
                                                   {.bytes = "b", .logprob = -3}}}}};
  EXPECT_NE(
      write_answer(call, head(), answer)
          .find(
              R"("logprobs":{"tokens":["a","bytes:\\xc3","bytes:\\xa9","b"],"token_logprobs":[null,-1,-2,-3],)"
              R"("top_logprobs":[null,{"bytes:\\xc3":-1},null,null],"text_offset":[0,1,2,2]})"),
      std::string::npos)
      << write_answer(call, head(), answer);
}

TEST(ResponsesReply, RepeatsTheCallAndListsItems) {
  const auto call = parse_responses_call(
      R"({"input":"Hi","instructions":"Be kind.","max_output_tokens":9,"metadata":{"k":"v"},"temperature":0.5,)"
      R"("tools":[{"type":"function","name":"f","parameters":{"type":"object"}}],"reasoning":{"effort":"low"}})");
  ASSERT_TRUE(call.ok());
  Answer answer = {.choices = {{.text = "Yes", .reasoning = "Hm.", .tool_calls = {{"c1", "f", "{}"}}}},
                   .end = some_end()};
  EXPECT_EQ(
      write_answer(*call, head(), answer),
      R"({"id":"resp_7","object":"response","created_at":1700000000,"status":"completed","error":null,"incomplete_details":null,)"
      R"("background":false,"model":"demo","output":[)"
      R"({"id":"rs_7_0","type":"reasoning","status":"completed","summary":[],"content":[{"type":"reasoning_text","text":"Hm."}]},)"
      R"({"id":"msg_7_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Yes","annotations":[],"logprobs":[]}]},)"
      R"({"id":"fc_7_2","type":"function_call","status":"completed","call_id":"c1","name":"f","arguments":"{}"}],)"
      R"("instructions":"Be kind.","max_output_tokens":9,"metadata":{"k":"v"},"parallel_tool_calls":true,"previous_response_id":null,)"
      R"("reasoning":{"effort":"low","summary":null},"store":false,"temperature":0.5,"top_p":1,"top_logprobs":0,"truncation":"disabled",)"
      R"("text":{"format":{"type":"text"}},"tool_choice":"auto",)"
      R"("tools":[{"type":"function","name":"f","description":null,"parameters":{"type":"object"},"strict":false}],)"
      R"("usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":8},"output_tokens":3,)"
      R"("output_tokens_details":{"reasoning_tokens":1},"total_tokens":13}})");
}

TEST(ResponsesReply, AReplyThatWasCutIsIncomplete) {
  const auto call = parse_responses_call(R"({"input":"Hi"})");
  ASSERT_TRUE(call.ok());
  const std::string text =
      write_answer(*call, head(), {.choices = {{.text = "Y", .finish = AnswerFinish::kLength}}, .end = {}});
  EXPECT_NE(
      text.find(R"("status":"incomplete","error":null,"incomplete_details":{"reason":"max_output_tokens"})"),
      std::string::npos)
      << text;
}

TEST(Reply, WhateverTheTextHoldsTheJsonIsValid) {
  std::string nasty;
  for (int byte = 0; byte < 256; ++byte) nasty.push_back(static_cast<char>(byte));
  for (const ApiFace face : {ApiFace::kChat, ApiFace::kCompletions, ApiFace::kResponses}) {
    TextCall call = {.face = face};
    call.logprobs = 1;
    const Answer answer = {
        .choices = {{.text = nasty,
                     .reasoning = nasty,
                     .tool_calls = {{nasty, nasty, nasty}},
                     .logprobs = {{.bytes = nasty, .logprob = -1, .top = {{nasty, -1}}}}}}};
    boost::json::error_code error;
    boost::json::parse(write_answer(call, {.id = nasty, .created_ns = 0, .model = nasty}, answer), error);
    EXPECT_FALSE(error) << error.message();
  }
}

TEST(Reply, AnAnswerWithoutChoicesIsWritten) {
  for (const ApiFace face : {ApiFace::kChat, ApiFace::kCompletions, ApiFace::kResponses}) {
    boost::json::error_code error;
    boost::json::parse(write_answer({.face = face}, head(), {}), error);
    EXPECT_FALSE(error);
  }
}

TEST(ErrorBody, HasOpenAisForm) {
  EXPECT_EQ(error_body(invalid_request("n", "'n' is wrong")),
            R"({"error":{"message":"'n' is wrong","type":"invalid_request_error","param":"n","code":null}})");
  EXPECT_EQ(
      error_body(model_not_found("a\nb")),
      R"({"error":{"message":"the model 'a\\nb' is not served here: GET /v1/models lists what is","type":"not_found_error","param":"model","code":"model_not_found"}})");
}

TEST(ErrorOf, FollowsTheCodeOfTheStatus) {
  EXPECT_EQ(error_of(invalid_argument("x")).status, 400);
  EXPECT_EQ(error_of(unsupported("x")).status, 400);
  EXPECT_EQ(error_of(not_found("x")).status, 404);
  EXPECT_EQ(error_of(resource_exhausted("x")).status, 503);
  EXPECT_EQ(error_of(internal_error("x")).status, 500);
  EXPECT_EQ(error_of(invalid_data("x")).status, 500);
}

TEST(Models, ListAndOne) {
  const ServedModel models[] = {{"demo", 5, 8192}, {"other", 6}};
  EXPECT_EQ(
      models_body(models),
      R"({"object":"list","data":[{"id":"demo","object":"model","created":5,"owned_by":"cairn","max_model_len":8192},)"
      R"({"id":"other","object":"model","created":6,"owned_by":"cairn"}]})");
  EXPECT_EQ(model_body(models[1]), R"({"id":"other","object":"model","created":6,"owned_by":"cairn"})");
}

}  // namespace
}  // namespace cairn
