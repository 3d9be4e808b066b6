#include "server/openai/reply.h"

#include <fmt/format.h>

#include "base/check.h"
#include "server/openai/reply_parts.h"
#include "server/openai/response_object.h"

namespace cairn {
namespace {

ToolCallsMade made_by(const AnswerChoice& choice) {
  return choice.tool_calls.empty() ? ToolCallsMade::kNone : ToolCallsMade::kSome;
}

void put_message(JsonWriter& json, const AnswerChoice& choice) {
  json.key("message").open('{').text("role", "assistant").key("content");
  if (choice.text.empty() && !choice.tool_calls.empty()) {
    json.null();
  } else {
    json.text(choice.text);
  }
  json.key("refusal").null();
  if (!choice.reasoning.empty()) json.text("reasoning_content", choice.reasoning);
  if (!choice.tool_calls.empty()) {
    json.key("tool_calls").open('[');
    for (const ToolCall& call : choice.tool_calls) {
      json.open('{').text("id", call.id).text("type", "function").key("function").open('{');
      json.text("name", call.name).text("arguments", call.arguments).close('}').close('}');
    }
    json.close(']');
  }
  json.close('}');
}

void put_chat_choice(JsonWriter& json, const TextCall& call, int64_t index, const AnswerChoice& choice) {
  json.open('{').integer("index", index);
  put_message(json, choice);
  json.key("logprobs");
  if (call.logprobs.has_value()) {
    json.open('{').key("content");
    put_token_logprobs(json, choice.logprobs);
    json.key("refusal").null().close('}');
  } else {
    json.null();
  }
  json.text("finish_reason", finish_word(choice.finish, made_by(choice))).close('}');
}

void put_completion_choice(JsonWriter& json, const TextCall& call, int64_t index,
                           const AnswerChoice& choice) {
  json.open('{').text("text", choice.text).integer("index", index).key("logprobs");
  if (call.logprobs.has_value()) {
    int64_t offset = 0;
    put_completion_logprobs(json, choice.logprobs, offset);
  } else {
    json.null();
  }
  json.text("finish_reason", finish_word(choice.finish, made_by(choice))).close('}');
}

std::string write_choices(const TextCall& call, const AnswerHead& head, const Answer& answer) {
  const bool is_chat = call.face == ApiFace::kChat;
  std::string out;
  JsonWriter json(out);
  json.open('{').text("id", fmt::format("{}{}", is_chat ? "chatcmpl-" : "cmpl-", head.id));
  json.text("object", is_chat ? "chat.completion" : "text_completion");
  json.integer("created", created_seconds(head)).text("model", head.model).key("choices").open('[');
  for (size_t i = 0; i < answer.choices.size(); ++i) {
    const auto put = is_chat ? put_chat_choice : put_completion_choice;
    put(json, call, static_cast<int64_t>(i), answer.choices[i]);
  }
  json.close(']');
  put_usage(json, answer.end.usage);
  put_fingerprint(json, head);
  put_cairn(json, answer.end);
  json.close('}');
  return out;
}

std::string write_response(const TextCall& call, const AnswerHead& head, const Answer& answer) {
  static const AnswerChoice kNothing;
  const AnswerChoice& choice = answer.choices.empty() ? kNothing : answer.choices.front();
  ResponseState state;
  state.progress = progress_of(choice.finish);
  std::string output;
  JsonWriter json(output);
  json.open('[');
  int64_t index = 0;
  if (!choice.reasoning.empty()) {
    put_reasoning_item(json, item_id("rs", head, index++), choice.reasoning, ResponseProgress::kCompleted);
  }
  if (!choice.text.empty() || choice.tool_calls.empty()) {
    std::string logprobs = "[";
    JsonWriter entries(logprobs);
    for (const TokenLogprob& logprob : choice.logprobs) put_token_logprob(entries, logprob);
    entries.close(']');
    put_message_item(json, item_id("msg", head, index++), choice.text, logprobs, state.progress);
  }
  for (const ToolCall& tool : choice.tool_calls) {
    put_call_item(json, item_id("fc", head, index++), tool, state.progress);
  }
  json.close(']');
  state.output = output;
  state.end = &answer.end;
  std::string out;
  JsonWriter response(out);
  put_response(response, call, head, state);
  return out;
}

}  // namespace

std::string write_answer(const TextCall& call, const AnswerHead& head, const Answer& answer) {
  CHECK(call.face != ApiFace::kOllamaChat && call.face != ApiFace::kOllamaGenerate);
  return call.face == ApiFace::kResponses ? write_response(call, head, answer)
                                          : write_choices(call, head, answer);
}

}  // namespace cairn
