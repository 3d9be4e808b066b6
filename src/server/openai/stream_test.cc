#include "server/openai/stream.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <chrono>

#include "server/openai/parse.h"
#include "server/openai/reply.h"

namespace cairn {
namespace {

AnswerHead head() { return {.id = "7", .created_ns = 1'700'000'000'000'000'000, .model = "demo"}; }
AnswerEnd some_end() { return {.usage = {.prompt_tokens = 10, .cached_tokens = 8, .completion_tokens = 3}}; }

// An event of a chat, from its choices on.
std::string chat_event(std::string_view rest) {
  return R"(data: {"id":"chatcmpl-7","object":"chat.completion.chunk","created":1700000000,"model":"demo","choices":[)" +
         std::string(rest) + "\n\n";
}

TEST(ChatStream, RoleFirstThenTextThenFinish) {
  const auto stream = make_openai_stream({.face = ApiFace::kChat}, head());
  EXPECT_EQ(
      stream->begin(),
      chat_event(
          R"({"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]})"));
  EXPECT_EQ(stream->piece({}), "");
  EXPECT_EQ(stream->piece({.text = "Hi\n"}),
            chat_event(R"({"index":0,"delta":{"content":"Hi\n"},"logprobs":null,"finish_reason":null}]})"));
  EXPECT_EQ(
      stream->piece({.reasoning = "Hm"}),
      chat_event(R"({"index":0,"delta":{"reasoning_content":"Hm"},"logprobs":null,"finish_reason":null}]})"));
  EXPECT_EQ(stream->finish(0, AnswerFinish::kStop),
            chat_event(R"({"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]})"));
  EXPECT_EQ(stream->end(some_end()), "data: [DONE]\n\n");
}

TEST(ChatStream, UsageComesLastAndIsNullBefore) {
  TextCall call = {.face = ApiFace::kChat};
  call.n = 2;
  call.include_usage = true;
  const auto stream = make_openai_stream(call, head());
  const std::string begin = stream->begin();
  EXPECT_NE(begin.find(R"({"index":0,"delta":{"role":"assistant")"), std::string::npos);
  EXPECT_NE(begin.find(R"({"index":1,"delta":{"role":"assistant")"), std::string::npos);
  EXPECT_EQ(
      stream->piece({.choice = 1, .text = "x"}),
      chat_event(
          R"({"index":1,"delta":{"content":"x"},"logprobs":null,"finish_reason":null}],"usage":null})"));
  AnswerEnd end = some_end();
  end.cairn = {{"a", 1}};
  EXPECT_EQ(
      stream->end(end),
      chat_event(
          R"(],"usage":{"prompt_tokens":10,"completion_tokens":3,"total_tokens":13,"prompt_tokens_details":{"cached_tokens":8},)"
          R"("completion_tokens_details":{"reasoning_tokens":0}},"cairn":{"a":1}})") +
          "data: [DONE]\n\n");
}

TEST(ChatStream, ToolCallsComeInPartsAndNameTheFinish) {
  const auto stream = make_openai_stream({.face = ApiFace::kChat}, head());
  EXPECT_EQ(
      stream->piece({.tool_calls = {{.index = 0, .id = "c1", .name = "add", .arguments = ""}}}),
      chat_event(
          R"({"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"add","arguments":""}}]},"logprobs":null,"finish_reason":null}]})"));
  EXPECT_EQ(
      stream->piece({.tool_calls = {{.index = 0, .arguments = "{\"a\""}}}),
      chat_event(
          R"({"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\""}}]},"logprobs":null,"finish_reason":null}]})"));
  EXPECT_NE(stream->finish(0, AnswerFinish::kStop).find(R"("finish_reason":"tool_calls")"),
            std::string::npos);
}

TEST(ChatStream, LogprobsComeWithTheirText) {
  TextCall call = {.face = ApiFace::kChat};
  call.logprobs = 0;
  const auto stream = make_openai_stream(call, head());
  EXPECT_EQ(
      stream->piece({.text = "a", .logprobs = {{.bytes = "a", .logprob = -1}}}),
      chat_event(
          R"({"index":0,"delta":{"content":"a"},"logprobs":{"content":[{"token":"a","logprob":-1,"bytes":[97],"top_logprobs":[]}],"refusal":null},"finish_reason":null}]})"));
}

TEST(ChatStream, AnErrorEndsIt) {
  const auto stream = make_openai_stream({.face = ApiFace::kChat}, head());
  EXPECT_EQ(
      stream->error(server_error("it broke")),
      R"(data: {"error":{"message":"it broke","type":"server_error","param":null,"code":"server_error"}})"
      "\n\ndata: [DONE]\n\n");
}

TEST(CompletionsStream, OffsetsGoOnFromPieceToPiece) {
  TextCall call = {.face = ApiFace::kCompletions};
  call.logprobs = 0;
  const auto stream = make_openai_stream(call, head());
  EXPECT_EQ(stream->begin(), "");
  const std::string start =
      R"(data: {"id":"cmpl-7","object":"text_completion","created":1700000000,"model":"demo","choices":[)";
  EXPECT_EQ(
      stream->piece({.text = "é", .logprobs = {{.bytes = "é", .logprob = -1}}}),
      start +
          R"({"text":"é","index":0,"logprobs":{"tokens":["é"],"token_logprobs":[-1],"top_logprobs":[null],"text_offset":[0]},"finish_reason":null}]})"
          "\n\n");
  EXPECT_NE(
      stream->piece({.text = "b", .logprobs = {{.bytes = "b", .logprob = -1}}}).find(R"("text_offset":[1])"),
      std::string::npos);
  EXPECT_EQ(stream->finish(0, AnswerFinish::kLength),
            start + R"({"text":"","index":0,"logprobs":null,"finish_reason":"length"}]})"
                    "\n\n");
  EXPECT_EQ(stream->end({}), "data: [DONE]\n\n");
}

// The events of a stream: their names, each checked to be the type of its JSON, and numbered.
struct Events {
  std::vector<std::string> types;
  std::vector<boost::json::value> data;
};
Events events_of(std::string_view stream) {
  Events events;
  while (!stream.empty()) {
    const size_t end = stream.find("\n\n");
    EXPECT_NE(end, std::string_view::npos);
    if (end == std::string_view::npos) break;
    const std::string_view event = stream.substr(0, end);
    stream.remove_prefix(end + 2);
    const size_t line = event.find('\n');
    events.types.emplace_back(event.substr(7, line - 7));
    boost::json::error_code error;
    const std::string json(event.substr(line + 7));
    events.data.push_back(boost::json::parse(json, error));
    EXPECT_FALSE(error) << json;
    EXPECT_EQ(events.data.back().at("type").as_string(), events.types.back());
    EXPECT_EQ(events.data.back().at("sequence_number").as_int64(), std::ssize(events.data) - 1);
  }
  return events;
}

TEST(ResponsesStream, OpensFillsAndClosesItems) {
  const auto call = parse_responses_call(R"({"input":"Hi","stream":true})");
  ASSERT_TRUE(call.ok());
  const auto stream = make_openai_stream(*call, head());
  std::string all = stream->begin();
  all += stream->piece({.reasoning = "Hm"});
  all += stream->piece({.reasoning = "."});
  all += stream->piece({.text = "He"});
  all += stream->piece({.text = "llo"});
  all += stream->piece({.tool_calls = {{.index = 0, .id = "c1", .name = "f", .arguments = ""}}});
  all += stream->piece({.tool_calls = {{.index = 0, .arguments = "{}"}}});
  all += stream->piece({.tool_calls = {{.index = 1, .id = "c2", .name = "g", .arguments = "{\"a\":1}"}}});
  all += stream->finish(0, AnswerFinish::kStop);
  all += stream->end(some_end());
  const Events events = events_of(all);
  EXPECT_EQ(events.types, (std::vector<std::string>{"response.created",
                                                    "response.in_progress",
                                                    "response.output_item.added",
                                                    "response.content_part.added",
                                                    "response.reasoning_text.delta",
                                                    "response.reasoning_text.delta",
                                                    "response.reasoning_text.done",
                                                    "response.content_part.done",
                                                    "response.output_item.done",
                                                    "response.output_item.added",
                                                    "response.content_part.added",
                                                    "response.output_text.delta",
                                                    "response.output_text.delta",
                                                    "response.output_text.done",
                                                    "response.content_part.done",
                                                    "response.output_item.done",
                                                    "response.output_item.added",
                                                    "response.function_call_arguments.delta",
                                                    "response.function_call_arguments.done",
                                                    "response.output_item.done",
                                                    "response.output_item.added",
                                                    "response.function_call_arguments.delta",
                                                    "response.function_call_arguments.done",
                                                    "response.output_item.done",
                                                    "response.completed"}));
  const auto& completed = events.data.back().at("response");
  EXPECT_EQ(completed.at("status").as_string(), "completed");
  EXPECT_EQ(completed.at("output").as_array().size(), 4u);
  EXPECT_EQ(completed.at("output").at(1).at("content").at(0).at("text").as_string(), "Hello");
  EXPECT_EQ(completed.at("output").at(3).at("call_id").as_string(), "c2");
  EXPECT_EQ(completed.at("usage").at("input_tokens_details").at("cached_tokens").as_int64(), 8);
  EXPECT_EQ(events.data[13].at("text").as_string(), "Hello");
  EXPECT_EQ(events.data[13].at("item_id").as_string(), "msg_7_1");
  EXPECT_EQ(events.data[13].at("output_index").as_int64(), 1);
  EXPECT_EQ(events.data[18].at("arguments").as_string(), "{}");
  EXPECT_EQ(events.data[18].at("name").as_string(), "f");

  // The whole reply has the same items.
  const Answer answer = {.choices = {{.text = "Hello",
                                      .reasoning = "Hm.",
                                      .tool_calls = {{"c1", "f", "{}"}, {"c2", "g", "{\"a\":1}"}}}},
                         .end = some_end()};
  EXPECT_EQ(completed, boost::json::parse(write_answer(*call, head(), answer)));
}

TEST(ResponsesStream, ALogprobListGoesWithTheText) {
  const auto call = parse_responses_call(R"({"input":"Hi","stream":true,"top_logprobs":1})");
  ASSERT_TRUE(call.ok());
  const auto stream = make_openai_stream(*call, head());
  std::string all = stream->begin();
  all += stream->piece({.text = "a", .logprobs = {{.bytes = "a", .logprob = -1, .top = {{"a", -1}}}}});
  all += stream->piece({.text = "b", .logprobs = {{.bytes = "b", .logprob = -2}}});
  all += stream->finish(0, AnswerFinish::kLength);
  all += stream->end({});
  const Events events = events_of(all);
  EXPECT_EQ(events.data[4].at("logprobs").as_array().size(), 1u);
  const auto& response = events.data.back().at("response");
  EXPECT_EQ(events.types.back(), "response.incomplete");
  EXPECT_EQ(response.at("incomplete_details").at("reason").as_string(), "max_output_tokens");
  EXPECT_EQ(response.at("output").at(0).at("content").at(0).at("logprobs").as_array().size(), 2u);
}

TEST(ResponsesStream, AnEmptyReplyIsAnEmptyMessage) {
  const auto stream = make_openai_stream({.face = ApiFace::kResponses}, head());
  std::string all = stream->begin();
  all += stream->finish(0, AnswerFinish::kStop);
  all += stream->end({});
  const Events events = events_of(all);
  EXPECT_EQ(events.data.back().at("response").at("output").at(0).at("type").as_string(), "message");
}

TEST(ResponsesStream, AnErrorFailsTheResponse) {
  const auto stream = make_openai_stream({.face = ApiFace::kResponses}, head());
  std::string all = stream->begin();
  all += stream->piece({.text = "He"});
  all += stream->error(server_error("it broke"));
  const Events events = events_of(all);
  EXPECT_EQ(events.types.back(), "response.failed");
  const auto& response = events.data.back().at("response");
  EXPECT_EQ(response.at("error").at("message").as_string(), "it broke");
  EXPECT_EQ(response.at("output").at(0).at("status").as_string(), "incomplete");
}

TEST(Stream, CostGrowsWithThePieceNotWithTheReply) {
  // Pieces of 64 KiB are written in one pass; quadratic code would take minutes for these.
  const std::string large(size_t{64} << 10, '"');
  for (const ApiFace face : {ApiFace::kChat, ApiFace::kCompletions, ApiFace::kResponses}) {
    const auto stream = make_openai_stream({.face = face}, head());
    static_cast<void>(stream->begin());
    const auto start = std::chrono::steady_clock::now();
    size_t bytes = 0;
    for (int i = 0; i < 16; ++i) bytes += stream->piece({.text = large}).size();
    for (int i = 0; i < 2'000; ++i) bytes += stream->piece({.text = "x"}).size();
    EXPECT_GT(bytes, 16 * large.size());
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  }
}

TEST(StreamContentType, IsThatOfTheFace) {
  EXPECT_EQ(stream_content_type(ApiFace::kChat), "text/event-stream");
  EXPECT_EQ(stream_content_type(ApiFace::kResponses), "text/event-stream");
  EXPECT_EQ(stream_content_type(ApiFace::kOllamaChat), "application/x-ndjson");
}

}  // namespace
}  // namespace cairn
