#include <gtest/gtest.h>

#include <functional>

#include "server/openai/call_limits.h"
#include "server/openai/parse.h"
#include "server/openai/parse_testing.h"

namespace cairn {
namespace {

// A chat with one message, and more fields.
std::string with(std::string_view fields) {
  std::string body = R"({"messages":[{"role":"user","content":"Hi"}])";
  if (!fields.empty()) body += "," + std::string(fields);
  return body + "}";
}
TextCall call_with(std::string_view fields) { return parsed(parse_chat_call, with(fields)); }

constexpr std::string_view kTool =
    R"("tools":[{"type":"function","function":{"name":"add","description":"Adds.","parameters":{"type":"object"},"strict":true}}])";

TEST(ParseChat, DefaultsAreOpenAis) {
  const TextCall call = call_with("");
  EXPECT_EQ(call.face, ApiFace::kChat);
  EXPECT_EQ(call.model, "");
  EXPECT_FALSE(call.is_streamed());
  EXPECT_EQ(call.messages, (std::vector<ChatTurn>{{.role = "user", .content = "Hi"}}));
  EXPECT_EQ(call.sampling.temperature, 1);
  EXPECT_EQ(call.sampling.top_p, 1);
  EXPECT_EQ(call.sampling.repetition_penalty, 1);
  EXPECT_FALSE(call.sampling.seed.has_value());
  EXPECT_FALSE(call.max_tokens.has_value());
  EXPECT_FALSE(call.logprobs.has_value());
  EXPECT_EQ(call.n, 1);
  EXPECT_EQ(call.tool_choice.use, ToolUse::kNone);
  EXPECT_TRUE(call.parallel_tool_calls);
  EXPECT_EQ(call.format.kind, ResponseKind::kText);
  EXPECT_FALSE(call.explain_cache);
}

TEST(ParseChat, ReadsEachField) {
  struct Case {
    std::string_view fields;
    std::function<bool(const TextCall&)> holds;
  };
  using Call = const TextCall&;
  const Case cases[] = {
      {R"("model":"demo")", [](Call c) { return c.model == "demo"; }},
      {R"("stream":true)", [](Call c) { return c.is_streamed() && !c.include_usage; }},
      {R"("stream":true,"stream_options":{"include_usage":true})", [](Call c) { return c.include_usage; }},
      {R"("temperature":0)", [](Call c) { return c.sampling.temperature == 0; }},
      {R"("temperature":1.5)", [](Call c) { return c.sampling.temperature == 1.5; }},
      {R"("temperature":null)", [](Call c) { return c.sampling.temperature == 1; }},
      {R"("top_p":0.5)", [](Call c) { return c.sampling.top_p == 0.5; }},
      {R"("top_p":0)", [](Call c) { return c.sampling.top_p > 0 && c.sampling.top_p < 1e-9; }},
      {R"("min_p":0.05)", [](Call c) { return c.sampling.min_p == 0.05; }},
      {R"("top_k":40)", [](Call c) { return c.sampling.top_k == 40; }},
      {R"("top_k":0)", [](Call c) { return !c.sampling.top_k.has_value(); }},
      {R"("top_k":-1)", [](Call c) { return !c.sampling.top_k.has_value(); }},
      {R"("frequency_penalty":-2)", [](Call c) { return c.sampling.frequency_penalty == -2; }},
      {R"("presence_penalty":2)", [](Call c) { return c.sampling.presence_penalty == 2; }},
      {R"("repeat_penalty":1.1)", [](Call c) { return c.sampling.repetition_penalty == 1.1; }},
      {R"("repetition_penalty":1.2)", [](Call c) { return c.sampling.repetition_penalty == 1.2; }},
      {R"("repeat_last_n":64)", [](Call c) { return c.sampling.penalty_window == 64; }},
      {R"("repeat_last_n":-1)", [](Call c) { return !c.sampling.penalty_window.has_value(); }},
      {R"("seed":7)", [](Call c) { return c.sampling.seed == 7u; }},
      {R"("seed":-1)", [](Call c) { return c.sampling.seed == ~uint64_t{0}; }},
      {R"("seed":18446744073709551615)", [](Call c) { return c.sampling.seed == ~uint64_t{0}; }},
      {R"("max_tokens":5)", [](Call c) { return c.max_tokens == 5; }},
      {R"("max_completion_tokens":6)", [](Call c) { return c.max_tokens == 6; }},
      {R"("max_completion_tokens":6,"max_tokens":5)", [](Call c) { return c.max_tokens == 6; }},
      {R"("stop":"END")", [](Call c) { return c.stops == std::vector<std::string>{"END"}; }},
      {R"("stop":["a","b"])", [](Call c) { return c.stops == std::vector<std::string>{"a", "b"}; }},
      {R"("stop":[])", [](Call c) { return c.stops.empty(); }},
      {R"("n":3)", [](Call c) { return c.n == 3 && c.choice_count() == 3; }},
      {R"("logprobs":true)", [](Call c) { return c.logprobs == 0; }},
      {R"("logprobs":true,"top_logprobs":20)", [](Call c) { return c.logprobs == 20; }},
      {R"("logprobs":false,"top_logprobs":0)", [](Call c) { return !c.logprobs.has_value(); }},
      {R"("cache_salt":"s")", [](Call c) { return c.cache_salt == "s"; }},
      {R"("priority":-3)", [](Call c) { return c.priority == -3; }},
      {R"("deadline_ms":1000)", [](Call c) { return c.deadline_ms == 1000; }},
      {R"("cairn":{"explain_cache":true,"other":1})", [](Call c) { return c.explain_cache; }},
      {R"("user":"me","store":false,"metadata":{"a":"b"},"unknown":{"x":[1]},"service_tier":"auto")",
       [](Call c) { return c.n == 1; }},
      {R"("response_format":{"type":"text"})", [](Call c) { return c.format.kind == ResponseKind::kText; }},
      {R"("response_format":{"type":"json_object"})",
       [](Call c) { return c.format.kind == ResponseKind::kJsonObject; }},
      {R"("modalities":["text"])", [](Call c) { return c.n == 1; }},
      {R"("functions":[],"function_call":null)", [](Call c) { return c.tools.empty(); }},
  };
  for (const Case& c : cases) EXPECT_TRUE(c.holds(call_with(c.fields))) << c.fields;
}

TEST(ParseChat, NamesEachNumberThatIsWrong) {
  const BadField cases[] = {
      {R"("model":5)", "model"},
      {R"("stream":"yes")", "stream"},
      {R"("stream":1)", "stream"},
      {R"("stream_options":true)", "stream_options"},
      {R"("stream_options":{"include_usage":1})", "stream_options.include_usage"},
      {R"("temperature":"hot")", "temperature"},
      {R"("temperature":-0.1)", "temperature"},
      {R"("temperature":2.1)", "temperature"},
      {R"("temperature":1e308)", "temperature"},
      {R"("top_p":1.01)", "top_p"},
      {R"("top_p":-1)", "top_p"},
      {R"("top_p":[])", "top_p"},
      {R"("min_p":2)", "min_p"},
      {R"("top_k":2.5)", "top_k"},
      {R"("top_k":-2)", "top_k"},
      {R"("frequency_penalty":2.5)", "frequency_penalty"},
      {R"("presence_penalty":"0")", "presence_penalty"},
      {R"("repeat_penalty":0)", "repeat_penalty"},
      {R"("repetition_penalty":-1)", "repetition_penalty"},
      {R"("repeat_last_n":-2)", "repeat_last_n"},
      {R"("seed":1.5)", "seed"},
      {R"("seed":"7")", "seed"},
      {R"("seed":1e30)", "seed"},
      {R"("max_tokens":0)", "max_tokens"},
      {R"("max_tokens":-5)", "max_tokens"},
      {R"("max_tokens":2.5)", "max_tokens"},
      {R"("max_tokens":99999999999)", "max_tokens"},
      {R"("max_completion_tokens":"9")", "max_completion_tokens"},
      {R"("stop":5)", "stop"},
      {R"("stop":"")", "stop"},
      {R"("stop":["a",""])", "stop[1]"},
      {R"("stop":["a",null])", "stop[1]"},
      {R"("stop":["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"])", "stop"},
      {R"("n":0)", "n"},
      {R"("n":17)", "n"},
      {R"("n":true)", "n"},
      {R"("logprobs":5)", "logprobs"},
      {R"("top_logprobs":3)", "top_logprobs"},
      {R"("logprobs":true,"top_logprobs":21)", "top_logprobs"},
      {R"("logprobs":true,"top_logprobs":-1)", "top_logprobs"},
  };
  for (const BadField& c : cases) expect_refused(parse_chat_call, with(c.fields), c.param);
}

TEST(ParseChat, NamesEachExtensionThatIsWrong) {
  const BadField cases[] = {
      {R"("logit_bias":[])", "logit_bias"},
      {R"("logit_bias":{"x":1})", "logit_bias"},
      {R"("logit_bias":{"-1":1})", "logit_bias"},
      {R"("logit_bias":{"1.5":1})", "logit_bias"},
      {R"("logit_bias":{"99999999999":1})", "logit_bias"},
      {R"("logit_bias":{"5":101})", "logit_bias.5"},
      {R"("logit_bias":{"5":"1"})", "logit_bias.5"},
      {R"("user":7)", "user"},
      {R"("cache_salt":{})", "cache_salt"},
      {R"("priority":5000)", "priority"},
      {R"("priority":0.5)", "priority"},
      {R"("deadline_ms":0)", "deadline_ms"},
      {R"("deadline_ms":-1)", "deadline_ms"},
      {R"("cairn":true)", "cairn"},
      {R"("cairn":{"explain_cache":"yes"})", "cairn.explain_cache"},
      {R"("chat_template_kwargs":[])", "chat_template_kwargs"},
      {R"("chat_template_kwargs":{"a":[1]})", "chat_template_kwargs.a"},
      {R"("chat_template_kwargs":{"a":0.5})", "chat_template_kwargs.a"},
      {R"("reasoning_effort":"extreme")", "reasoning_effort"},
  };
  for (const BadField& c : cases) expect_refused(parse_chat_call, with(c.fields), c.param);
}

TEST(ParseChat, NamesEachFormatAndToolThatIsWrong) {
  const BadField cases[] = {
      {R"("response_format":"json")", "response_format"},
      {R"("response_format":{})", "response_format.type"},
      {R"("response_format":{"type":"xml"})", "response_format.type"},
      {R"("response_format":{"type":"json_schema"})", "response_format.json_schema"},
      {R"("response_format":{"type":"json_schema","json_schema":{"schema":{}}})",
       "response_format.json_schema.name"},
      {R"("response_format":{"type":"json_schema","json_schema":{"name":"a b","schema":{}}})",
       "response_format.json_schema.name"},
      {R"("response_format":{"type":"json_schema","json_schema":{"name":"a"}})",
       "response_format.json_schema.schema"},
      {R"("response_format":{"type":"json_schema","json_schema":{"name":"a","schema":[]}})",
       "response_format.json_schema.schema"},
      {R"("modalities":["text","audio"])", "modalities[1]"},
      {R"("audio":{"voice":"x"})", "audio"},
      {R"("functions":[{"name":"f"}])", "functions"},
      {R"("function_call":"auto")", "function_call"},
      {R"("tools":{})", "tools"},
      {R"("tools":[5])", "tools[0]"},
      {R"("tools":[{"type":"retrieval"}])", "tools[0].type"},
      {R"("tools":[{"type":"function"}])", "tools[0].function"},
      {R"("tools":[{"type":"function","function":{}}])", "tools[0].function.name"},
      {R"("tools":[{"type":"function","function":{"name":"a\nb"}}])", "tools[0].function.name"},
      {R"("tools":[{"type":"function","function":{"name":"a","parameters":[]}}])",
       "tools[0].function.parameters"},
      {R"("tools":[{"type":"function","function":{"name":"a","parameters":{"type":"array"}}}])",
       "tools[0].function.parameters"},
      {R"("tools":[{"type":"function","function":{"name":"a"}},{"type":"function","function":{"name":"b",
           "parameters":{"$ref":"#/$defs/x","$defs":{"x":{"type":"string"}}}}}])",
       "tools[1].function.parameters"},
      {R"("tools":[{"type":"function","function":{"name":"a"}},{"type":"function","function":{"name":"a"}}])",
       "tools[1]"},
      {R"("tool_choice":"required")", "tool_choice"},
      {R"("tool_choice":"maybe")", "tool_choice"},
      {R"("tool_choice":7)", "tool_choice"},
      {R"("tool_choice":{"type":"function"})", "tool_choice.function"},
      {R"("tool_choice":{"type":"allowed_tools"})", "tool_choice.type"},
      {R"("tool_choice":{"type":"function","function":{"name":"add"}})", "tool_choice"},
      {R"("parallel_tool_calls":"no")", "parallel_tool_calls"},
  };
  for (const BadField& c : cases) expect_refused(parse_chat_call, with(c.fields), c.param);
}

TEST(ParseChat, TakesParametersThatMayBeAnObject) {
  for (const std::string_view parameters :
       {"null", "{}", R"({"properties":{"a":{}}})", R"({"type":["object","null"]})",
        R"({"description":"none"})",
        R"({"anyOf":[{"type":"null"},{"$ref":"#/$defs/x"}],"$defs":{"x":{"type":"object"}}})",
        R"({"$ref":"#/$defs/x","$defs":{"x":{"properties":{"child":{"$ref":"#/$defs/x"}}}}})"}) {
    const auto call =
        parse_chat_call(with(R"("tools":[{"type":"function","function":{"name":"a","parameters":)" +
                             std::string(parameters) + "}}]"));
    EXPECT_TRUE(call.ok()) << parameters;
  }
}

TEST(ParseChat, RefusesNumbersThatNoDoubleHolds) {
  // Whether the JSON parser refuses them or the field does: no infinity comes through.
  for (const std::string_view number : {"1e999", "-1e999", "1e99999999999"}) {
    EXPECT_FALSE(parse_chat_call(with(R"("temperature":)" + std::string(number))).ok()) << number;
    EXPECT_FALSE(parse_chat_call(with(R"("seed":)" + std::string(number))).ok()) << number;
  }
}

TEST(ParseChat, ReadsLogitBiasAndTemplateVariables) {
  const TextCall call = call_with(
      R"("logit_bias":{"5":-100,"7":1.5},"chat_template_kwargs":{"enable_thinking":false,"k":3,"s":"x","z":null})");
  ASSERT_EQ(call.sampling.logit_bias.size(), 2u);
  EXPECT_EQ(call.sampling.logit_bias[0].token, 5);
  EXPECT_EQ(call.sampling.logit_bias[0].added, -100);
  EXPECT_EQ(call.sampling.logit_bias[1].added, 1.5f);
  using Variables = std::vector<std::pair<std::string, TemplateVariable>>;
  EXPECT_EQ(call.template_variables,
            (Variables{{"enable_thinking", false}, {"k", int64_t{3}}, {"s", std::string("x")}}));
}

TEST(ParseChat, ReasoningEffortIsAVariable) {
  using Variables = std::vector<std::pair<std::string, TemplateVariable>>;
  EXPECT_EQ(call_with(R"("reasoning_effort":"high")").template_variables,
            (Variables{{"reasoning_effort", std::string("high")}}));
  EXPECT_EQ(call_with(R"("reasoning_effort":"none")").template_variables,
            (Variables{{"reasoning_effort", std::string("none")}, {"enable_thinking", false}}));
  EXPECT_EQ(call_with(R"("reasoning_effort":"none","chat_template_kwargs":{"enable_thinking":true})")
                .template_variables,
            (Variables{{"enable_thinking", true}, {"reasoning_effort", std::string("none")}}));
}

TEST(ParseChat, ReadsToolsAndTheirChoice) {
  const TextCall call = call_with(kTool);
  ASSERT_EQ(call.tools.size(), 1u);
  EXPECT_EQ(call.tools[0].spec.name, "add");
  EXPECT_EQ(call.tools[0].spec.description, "Adds.");
  EXPECT_EQ(call.tools[0].spec.parameters.at("type").as_string(), "object");
  EXPECT_EQ(call.tools[0].spec.raw.at("type").as_string(), "function");
  EXPECT_TRUE(call.tools[0].strict);
  EXPECT_EQ(call.tool_choice.use, ToolUse::kAuto);
  const auto choice = [](std::string_view text) {
    return call_with(std::string(kTool) + R"(,"parallel_tool_calls":false,"tool_choice":)" +
                     std::string(text));
  };
  EXPECT_EQ(choice(R"("none")").tool_choice.use, ToolUse::kNone);
  EXPECT_EQ(choice(R"("auto")").tool_choice.use, ToolUse::kAuto);
  EXPECT_EQ(choice(R"("required")").tool_choice.use, ToolUse::kRequired);
  const TextCall named = choice(R"({"type":"function","function":{"name":"add"}})");
  EXPECT_EQ(named.tool_choice.use, ToolUse::kNamed);
  EXPECT_EQ(named.tool_choice.name, "add");
  EXPECT_FALSE(named.parallel_tool_calls);
  expect_refused(parse_chat_call,
                 with(std::string(kTool) + R"(,"tool_choice":{"type":"function","function":{"name":"sub"}})"),
                 "tool_choice");
}

TEST(ParseChat, ReadsAJsonSchema) {
  const TextCall call = call_with(
      R"("response_format":{"type":"json_schema","json_schema":{"name":"out","description":"d","schema":{"type":"object"},"strict":true}})");
  EXPECT_EQ(call.format.kind, ResponseKind::kJsonSchema);
  EXPECT_EQ(call.format.name, "out");
  EXPECT_EQ(call.format.description, "d");
  EXPECT_TRUE(call.format.strict);
  EXPECT_EQ(call.format.schema.at("type").as_string(), "object");
}

TEST(ParseChat, TooManyOfSomething) {
  std::string bias = R"("logit_bias":{)";
  for (size_t i = 0; i <= kLogitBiasMax; ++i) bias += (i > 0 ? ",\"" : "\"") + std::to_string(i) + "\":1";
  expect_refused(parse_chat_call, with(bias + "}"), "logit_bias");
  expect_refused(parse_chat_call, with(R"("stop":")" + std::string(kStopBytesMax + 1, 'x') + "\""), "stop");
  expect_refused(parse_chat_call, with(R"("cache_salt":")" + std::string(kSaltBytesMax + 1, 'x') + "\""),
                 "cache_salt");
  std::string messages = R"({"messages":[)";
  for (size_t i = 0; i <= kMessagesMax; ++i) messages += R"({"role":"user","content":""},)";
  messages.back() = ']';
  expect_refused(parse_chat_call, messages + "}", "messages");
}

}  // namespace
}  // namespace cairn
