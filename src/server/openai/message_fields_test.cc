#include <gtest/gtest.h>

#include "server/openai/parse.h"
#include "server/openai/parse_testing.h"

namespace cairn {
namespace {

std::string chat(std::string_view messages) { return R"({"messages":[)" + std::string(messages) + "]}"; }

TEST(ChatMessages, ReadsEachRole) {
  const TextCall call = parsed(
      parse_chat_call,
      chat(
          R"({"role":"system","content":"Be kind."},{"role":"developer","content":"Be short.","name":"d"},)"
          R"({"role":"user","content":[{"type":"text","text":"One"},{"type":"text","text":"two"}]},)"
          R"({"role":"assistant","content":null,"reasoning_content":"Hm.","tool_calls":[{"id":"c1","type":"function",)"
          R"("function":{"name":"add","arguments":"{\"a\":1}"}},{"id":"c2","type":"function","function":{"name":"now","arguments":""}}]},)"
          R"({"role":"tool","tool_call_id":"c1","content":"2"},{"role":"function","name":"now","content":"12:00"},)"
          R"({"role":"assistant","content":"Two.","refusal":null},{"role":"assistant","content":[{"type":"refusal","refusal":"No."}]},)"
          R"({"role":"assistant","function_call":{"name":"f","arguments":"{}"}})"));
  const std::vector<ChatTurn> turns = {
      {.role = "system", .content = "Be kind."},
      {.role = "system", .content = "Be short."},
      {.role = "user", .content = "One\ntwo"},
      {.role = "assistant",
       .content = "",
       .reasoning = "Hm.",
       .tool_calls = {{"c1", "add", R"({"a":1})"}, {"c2", "now", "{}"}}},
      {.role = "tool", .content = "2", .tool_call_id = "c1"},
      {.role = "tool", .content = "12:00", .name = "now"},
      {.role = "assistant", .content = "Two."},
      {.role = "assistant", .content = "No."},
      {.role = "assistant", .content = "", .tool_calls = {{"", "f", "{}"}}},
  };
  ASSERT_EQ(call.messages.size(), turns.size());
  for (size_t i = 0; i < turns.size(); ++i) EXPECT_EQ(call.messages[i], turns[i]) << i;
}

TEST(ChatMessages, NamesThePlaceOfWhatIsWrong) {
  const BadField cases[] = {
      {R"(5)", "messages[0]"},
      {R"({"content":"x"})", "messages[0].role"},
      {R"({"role":7,"content":"x"})", "messages[0].role"},
      {R"({"role":"wizard","content":"x"})", "messages[0].role"},
      {R"({"role":"user"})", "messages[0].content"},
      {R"({"role":"user","content":null})", "messages[0].content"},
      {R"({"role":"user","content":5})", "messages[0].content"},
      {R"({"role":"user","content":"x"},{"role":"user","content":{}})", "messages[1].content"},
      {R"({"role":"user","content":["x"]})", "messages[0].content[0]"},
      {R"({"role":"user","content":[{"text":"x"}]})", "messages[0].content[0].type"},
      {R"({"role":"user","content":[{"type":"text"}]})", "messages[0].content[0].text"},
      {R"({"role":"user","content":[{"type":"text","text":1}]})", "messages[0].content[0].text"},
      {R"({"role":"user","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"u"}}]})",
       "messages[0].content[1].type"},
      {R"({"role":"user","content":[{"type":"input_audio","input_audio":{}}]})",
       "messages[0].content[0].type"},
      {R"({"role":"user","content":[{"type":"file","file":{}}]})", "messages[0].content[0].type"},
      {R"({"role":"assistant","audio":{"id":"a"}})", "messages[0].audio"},
      {R"({"role":"tool","content":"x"})", "messages[0].tool_call_id"},
      {R"({"role":"function","content":"x"})", "messages[0].name"},
      {R"({"role":"assistant","tool_calls":{}})", "messages[0].tool_calls"},
      {R"({"role":"assistant","tool_calls":[1]})", "messages[0].tool_calls[0]"},
      {R"({"role":"assistant","tool_calls":[{"type":"function","function":{"name":"f","arguments":"{}"}}]})",
       "messages[0].tool_calls[0].id"},
      {R"({"role":"assistant","tool_calls":[{"id":"c","type":"custom"}]})", "messages[0].tool_calls[0].type"},
      {R"({"role":"assistant","tool_calls":[{"id":"c"}]})", "messages[0].tool_calls[0].function"},
      {R"({"role":"assistant","tool_calls":[{"id":"c","function":{"arguments":"{}"}}]})",
       "messages[0].tool_calls[0].function.name"},
      {R"({"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":7}}]})",
       "messages[0].tool_calls[0].function.arguments"},
      {R"({"role":"assistant","content":"x","reasoning_content":7})", "messages[0].reasoning_content"},
  };
  for (const BadField& c : cases) expect_refused(parse_chat_call, chat(c.fields), c.param);
  expect_refused(parse_chat_call, "{}", "messages");
  expect_refused(parse_chat_call, chat(""), "messages");
  expect_refused(parse_chat_call, R"({"messages":"Hi"})", "messages");
}

TEST(ChatMessages, AnImageIsRefusedInPlainWords) {
  const auto call = parse_chat_call(chat(R"({"role":"user","content":[{"type":"image_url"}]})"));
  ASSERT_FALSE(call.ok());
  EXPECT_EQ(call.error().code, "unsupported_value");
  EXPECT_EQ(call.error().message,
            "'messages[0].content[0].type' is 'image_url': this server reads text only");
}

}  // namespace
}  // namespace cairn
