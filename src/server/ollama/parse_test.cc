#include "server/ollama/parse.h"

#include <gtest/gtest.h>

#include "server/openai/parse_testing.h"

namespace cairn {
namespace {

TEST(OllamaChat, DefaultsAreOllamas) {
  const TextCall call =
      parsed(parse_ollama_chat, R"({"model":"demo","messages":[{"role":"user","content":"Hi"}]})");
  EXPECT_EQ(call.face, ApiFace::kOllamaChat);
  EXPECT_TRUE(call.is_streamed());
  EXPECT_EQ(call.sampling.temperature, 0.8);
  EXPECT_EQ(call.sampling.top_k, 40);
  EXPECT_EQ(call.sampling.top_p, 0.9);
  EXPECT_EQ(call.sampling.repetition_penalty, 1.1);
  EXPECT_EQ(call.sampling.penalty_window, 64);
  EXPECT_FALSE(call.max_tokens.has_value());
  EXPECT_FALSE(call.is_load_only());
}

TEST(OllamaChat, ReadsEachField) {
  const TextCall call = parsed(
      parse_ollama_chat,
      R"({"model":"demo","stream":false,"keep_alive":"5m","think":false,"format":"json","options":{"temperature":0,"seed":7,)"
      R"("num_predict":9,"num_ctx":2048,"stop":["\n"],"top_k":0,"repeat_last_n":-1},"messages":[)"
      R"({"role":"user","content":"Hi","images":[]},)"
      R"({"role":"assistant","content":"","thinking":"Hm","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]},)"
      R"({"role":"tool","content":"2","tool_name":"f"}],)"
      R"("tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]})");
  EXPECT_FALSE(call.is_streamed());
  EXPECT_EQ(call.sampling.temperature, 0);
  EXPECT_EQ(call.sampling.seed, 7u);
  EXPECT_FALSE(call.sampling.top_k.has_value());
  EXPECT_FALSE(call.sampling.penalty_window.has_value());
  EXPECT_EQ(call.max_tokens, 9);
  EXPECT_EQ(call.stops, std::vector<std::string>{"\n"});
  EXPECT_EQ(call.format.kind, ResponseKind::kJsonObject);
  using Variables = std::vector<std::pair<std::string, TemplateVariable>>;
  EXPECT_EQ(call.template_variables, (Variables{{"enable_thinking", false}}));
  ASSERT_EQ(call.messages.size(), 3u);
  EXPECT_EQ(call.messages[1].reasoning, "Hm");
  EXPECT_EQ(call.messages[1].tool_calls, (std::vector<ToolCall>{{"", "f", R"({"a":1})"}}));
  EXPECT_EQ(call.messages[2].name, "f");
  EXPECT_EQ(call.tools.size(), 1u);
  EXPECT_EQ(call.tool_choice.use, ToolUse::kAuto);
}

TEST(OllamaChat, MinusOneMeansAll) {
  const auto with = [](std::string_view options) {
    return parsed(parse_ollama_chat,
                  R"({"messages":[{"role":"user","content":"Hi"}],"options":)" + std::string(options) + "}");
  };
  EXPECT_FALSE(with(R"({"num_predict":-1})").max_tokens.has_value());
  EXPECT_FALSE(with(R"({"num_predict":-2})").max_tokens.has_value());
  EXPECT_FALSE(with(R"({"seed":-1})").sampling.seed.has_value());
}

TEST(OllamaChat, NamesWhatIsWrong) {
  const BadField cases[] = {
      {R"("messages":"Hi")", "messages"},
      {R"("messages":[{"role":"user","content":"Hi","images":["aGk="]}])", "messages[0].images"},
      {R"("messages":[{"content":"Hi"}])", "messages[0].role"},
      {R"("messages":[],"options":[])", "options"},
      {R"("options":{"temperature":"hot"})", "options.temperature"},
      {R"("options":{"num_predict":1.5})", "options.num_predict"},
      {R"("options":{"stop":[1]})", "options.stop[0]"},
      {R"("format":"xml")", "format"},
      {R"("format":7)", "format"},
      {R"("think":"hard")", "think"},
      {R"("stream":"no")", "stream"},
      {R"("tools":[{"type":"function"}])", "tools[0].function"},
      {R"("tools":[{"type":"function","function":{"name":"f","parameters":{"type":"array"}}}])",
       "tools[0].function.parameters"},
      {R"("top_logprobs":21)", "top_logprobs"},
  };
  for (const BadField& c : cases) {
    expect_refused(parse_ollama_chat, R"({"model":"demo",)" + std::string(c.fields) + "}", c.param);
  }
}

TEST(OllamaChat, NoMessagesLoadTheModel) {
  EXPECT_TRUE(parsed(parse_ollama_chat, R"({"model":"demo"})").is_load_only());
  EXPECT_TRUE(parsed(parse_ollama_chat, R"({"model":"demo","messages":[]})").is_load_only());
}

TEST(OllamaGenerate, APromptIsAMessageUnlessRaw) {
  const TextCall call =
      parsed(parse_ollama_generate, R"({"model":"demo","prompt":"Hi","system":"Be kind.","think":"high"})");
  EXPECT_EQ(call.face, ApiFace::kOllamaGenerate);
  EXPECT_EQ(call.messages, (std::vector<ChatTurn>{{.role = "system", .content = "Be kind."},
                                                  {.role = "user", .content = "Hi"}}));
  EXPECT_EQ(call.template_variables.size(), 2u);
  const TextCall raw =
      parsed(parse_ollama_generate, R"({"model":"demo","prompt":"Hi","raw":true,"system":"x"})");
  EXPECT_TRUE(raw.messages.empty());
  EXPECT_EQ(raw.prompts, (std::vector<CallPrompt>{std::string("Hi")}));
  EXPECT_FALSE(parsed(parse_ollama_generate, R"({"prompt":"Hi","context":[]})").is_load_only());
  EXPECT_TRUE(parsed(parse_ollama_generate, R"({"model":"demo"})").is_load_only());
  EXPECT_TRUE(parsed(parse_ollama_generate, R"({"model":"demo","prompt":"","raw":true})").is_load_only());
}

TEST(OllamaGenerate, ASchemaIsAFormat) {
  const TextCall call = parsed(parse_ollama_generate, R"({"prompt":"Hi","format":{"type":"object"}})");
  EXPECT_EQ(call.format.kind, ResponseKind::kJsonSchema);
  EXPECT_EQ(call.format.schema.at("type").as_string(), "object");
  EXPECT_EQ(parsed(parse_ollama_generate, R"({"prompt":"Hi","format":""})").format.kind, ResponseKind::kText);
}

TEST(OllamaGenerate, NamesWhatIsWrong) {
  const BadField cases[] = {
      {R"("prompt":7)", "prompt"},
      {R"("prompt":"Hi","system":[])", "system"},
      {R"("prompt":"Hi","template":"{{ .Prompt }}")", "template"},
      {R"("prompt":"Hi","suffix":"x")", "suffix"},
      {R"("prompt":"Hi","images":["x"])", "images"},
      {R"("prompt":"Hi","context":[1,2])", "context"},
      {R"("prompt":"Hi","raw":"yes")", "raw"},
  };
  for (const BadField& c : cases) {
    expect_refused(parse_ollama_generate, "{" + std::string(c.fields) + "}", c.param);
  }
}

TEST(OllamaShow, NamesAModel) {
  EXPECT_EQ(*parse_ollama_show(R"({"model":"demo"})"), "demo");
  EXPECT_EQ(*parse_ollama_show(R"({"name":"demo"})"), "demo");
  EXPECT_FALSE(parse_ollama_show("{}").ok());
  EXPECT_FALSE(parse_ollama_show(R"({"model":7})").ok());
}

}  // namespace
}  // namespace cairn
