#include <gtest/gtest.h>

#include "server/openai/parse.h"
#include "server/openai/parse_testing.h"

namespace cairn {
namespace {

std::string with(std::string_view fields) { return R"({"input":"Hi",)" + std::string(fields) + "}"; }
TextCall call_with(std::string_view fields) { return parsed(parse_responses_call, with(fields)); }

TEST(ParseResponses, InputIsATextOrItems) {
  const TextCall text = parsed(parse_responses_call, R"({"input":"Hi","instructions":"Be kind."})");
  EXPECT_EQ(text.face, ApiFace::kResponses);
  EXPECT_EQ(text.messages, (std::vector<ChatTurn>{{.role = "system", .content = "Be kind."},
                                                  {.role = "user", .content = "Hi"}}));
  EXPECT_EQ(text.instructions, "Be kind.");

  const TextCall items = parsed(
      parse_responses_call,
      R"({"input":[{"role":"developer","content":"Short."},)"
      R"({"type":"message","role":"user","content":[{"type":"input_text","text":"1+1?"}]},)"
      R"({"type":"reasoning","id":"rs","summary":[{"type":"summary_text","text":"Add."}]},)"
      R"({"type":"message","role":"assistant","id":"m","status":"completed","content":[{"type":"output_text","text":"Wait.","annotations":[]}]},)"
      R"({"type":"function_call","call_id":"c1","name":"add","arguments":"{\"a\":1}"},)"
      R"({"type":"function_call","call_id":"c2","name":"now","arguments":""},)"
      R"({"type":"function_call_output","call_id":"c1","output":"2"},)"
      R"({"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"12:00"}]},)"
      R"({"type":"reasoning","summary":[]},)"
      R"({"type":"function_call","call_id":"c3","name":"now","arguments":"{}"}]})");
  const std::vector<ChatTurn> turns = {
      {.role = "system", .content = "Short."},
      {.role = "user", .content = "1+1?"},
      {.role = "assistant",
       .content = "Wait.",
       .reasoning = "Add.",
       .tool_calls = {{"c1", "add", R"({"a":1})"}, {"c2", "now", "{}"}}},
      {.role = "tool", .content = "2", .tool_call_id = "c1"},
      {.role = "tool", .content = "12:00", .tool_call_id = "c2"},
      {.role = "assistant", .content = "", .tool_calls = {{"c3", "now", "{}"}}},
  };
  ASSERT_EQ(items.messages.size(), turns.size());
  for (size_t i = 0; i < turns.size(); ++i) EXPECT_EQ(items.messages[i], turns[i]) << i;
}

TEST(ParseResponses, NamesTheItemThatIsWrong) {
  const BadField cases[] = {
      {"7", "input"},
      {"[]", "input"},
      {"[5]", "input[0]"},
      {R"([{"role":"tool","content":"x"}])", "input[0].role"},
      {R"([{"role":"user"}])", "input[0].content"},
      {R"([{"role":"user","content":[{"type":"input_image","image_url":"u"}]}])", "input[0].content[0].type"},
      {R"([{"role":"user","content":[{"type":"input_file"}]}])", "input[0].content[0].type"},
      {R"([{"type":"item_reference","id":"x"}])", "input[0].type"},
      {R"([{"type":"web_search_call"}])", "input[0].type"},
      {R"([{"type":"function_call","name":"f","arguments":"{}"}])", "input[0].call_id"},
      {R"([{"type":"function_call","call_id":"c"}])", "input[0].name"},
      {R"([{"type":"function_call","call_id":"c","name":"f","arguments":{}}])", "input[0].arguments"},
      {R"([{"type":"function_call_output","output":"x"}])", "input[0].call_id"},
      {R"([{"type":"function_call_output","call_id":"c"}])", "input[0].output"},
  };
  for (const BadField& c : cases) {
    expect_refused(parse_responses_call, R"({"input":)" + std::string(c.fields) + "}", c.param);
  }
  expect_refused(parse_responses_call, "{}", "input");
}

TEST(ParseResponses, ReadsEachField) {
  EXPECT_EQ(call_with(R"("max_output_tokens":9)").max_tokens, 9);
  EXPECT_EQ(call_with(R"("top_logprobs":2)").logprobs, 2);
  EXPECT_EQ(call_with(R"("include":["message.output_text.logprobs"])").logprobs, 0);
  EXPECT_FALSE(call_with(R"("include":["reasoning.encrypted_content"])").logprobs.has_value());
  EXPECT_TRUE(call_with(R"("stream":true)").is_streamed());
  EXPECT_EQ(call_with(R"("metadata":{"a":"b"})").metadata.at("a").as_string(), "b");
  EXPECT_EQ(call_with(R"("reasoning":{"effort":"low"})").reasoning_effort, "low");
  EXPECT_EQ(call_with(R"("text":{"format":{"type":"json_object"}})").format.kind, ResponseKind::kJsonObject);
  EXPECT_EQ(call_with(R"("store":true,"previous_response_id":null,"background":false)").n, 1);
  const TextCall schema = call_with(
      R"("text":{"format":{"type":"json_schema","name":"out","schema":{"type":"object"},"strict":true}})");
  EXPECT_EQ(schema.format.kind, ResponseKind::kJsonSchema);
  EXPECT_EQ(schema.format.name, "out");
  const TextCall tools = call_with(
      R"("tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":true}],"tool_choice":{"type":"function","name":"f"})");
  ASSERT_EQ(tools.tools.size(), 1u);
  EXPECT_EQ(tools.tool_choice.name, "f");
  // Templates know the form of chat completions.
  EXPECT_EQ(tools.tools[0].spec.raw.at("function").at("name").as_string(), "f");
}

TEST(ParseResponses, CallsOfToolsHaveAMost) {
  const auto with_most = [](std::string_view most) {
    return call_with(R"("tools":[{"type":"function","name":"f"}],"max_tool_calls":)" + std::string(most));
  };
  EXPECT_EQ(with_most("null").tool_calls_max, 16);
  EXPECT_EQ(with_most("3").tool_calls_max, 3);
  EXPECT_EQ(with_most("3").tool_choice.use, ToolUse::kAuto);
  EXPECT_EQ(with_most("1000000").tool_calls_max, 16);
  EXPECT_EQ(with_most("0").tool_choice.use, ToolUse::kNone);
}

TEST(ParseResponses, NamesEachFieldThatIsWrong) {
  const BadField cases[] = {
      {R"("max_output_tokens":0)", "max_output_tokens"},
      {R"("max_tool_calls":-1)", "max_tool_calls"},
      {R"("tools":[{"type":"function","name":"f"}],"tool_choice":"required","max_tool_calls":0)",
       "max_tool_calls"},
      {R"("instructions":7)", "instructions"},
      {R"("top_logprobs":21)", "top_logprobs"},
      {R"("include":[7])", "include[0]"},
      {R"("metadata":{"a":7})", "metadata.a"},
      {R"("metadata":[])", "metadata"},
      {R"("reasoning":{"effort":"x"})", "reasoning.effort"},
      {R"("text":{"format":{"type":"grammar"}})", "text.format.type"},
      {R"("text":{"format":{"type":"json_schema","schema":{}}})", "text.format.name"},
      {R"("tools":[{"type":"web_search"}])", "tools[0].type"},
      {R"("tools":[{"type":"function"}])", "tools[0].name"},
      {R"("tools":[{"type":"function","name":"f","parameters":{"type":"string"}}])", "tools[0].parameters"},
      {R"("tool_choice":{"type":"function","name":"g"})", "tool_choice"},
      {R"("previous_response_id":"resp_1")", "previous_response_id"},
      {R"("conversation":"conv")", "conversation"},
      {R"("background":true)", "background"},
      {R"("prompt":{"id":"p"})", "prompt"},
      {R"("store":"no")", "store"},
  };
  for (const BadField& c : cases) expect_refused(parse_responses_call, with(c.fields), c.param);
}

}  // namespace
}  // namespace cairn
