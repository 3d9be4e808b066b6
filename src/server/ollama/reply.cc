#include "server/ollama/reply.h"

#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <optional>

#include "server/ollama/utc_time.h"
#include "server/openai/json_writer.h"
#include "server/openai/reply_parts.h"

namespace cairn {
namespace {

// A tool's arguments as Ollama's clients want them: an object. What a model wrote that is none stands under a name.
void put_arguments(JsonWriter& json, std::string_view arguments) {
  boost::json::error_code error;
  auto value = boost::json::parse(boost::json::string_view(arguments.data(), arguments.size()), error);
  if (arguments.empty()) {
    json.open('{').close('}');
  } else if (!error && value.is_object()) {
    json.value(value);
  } else {
    json.open('{').text("arguments", arguments).close('}');
  }
}

void put_tool_call(JsonWriter& json, const ToolCall& call, int64_t index) {
  json.open('{');
  if (!call.id.empty()) json.text("id", call.id);
  json.key("function").open('{').integer("index", index).text("name", call.name).key("arguments");
  put_arguments(json, call.arguments);
  json.close('}').close('}');
}

void put_tool_calls(JsonWriter& json, std::span<const ToolCall> calls, int64_t first_index) {
  if (calls.empty()) return;
  json.key("tool_calls").open('[');
  for (const ToolCall& call : calls) put_tool_call(json, call, first_index++);
  json.close(']');
}

std::string_view done_reason(AnswerFinish finish) { return finish_word(finish, ToolCallsMade::kNone); }

// What one line says of the reply's content.
struct Content {
  std::string_view text = {};
  std::string_view reasoning = {};
  std::span<const ToolCall> tool_calls = {};
  int64_t first_call = 0;
  std::span<const TokenLogprob> logprobs = {};
};

void put_content(JsonWriter& json, ApiFace face, const Content& content) {
  if (face == ApiFace::kOllamaGenerate) {
    json.text("response", content.text);
    if (!content.reasoning.empty()) json.text("thinking", content.reasoning);
    put_tool_calls(json, content.tool_calls, content.first_call);
  } else {
    json.key("message").open('{').text("role", "assistant").text("content", content.text);
    if (!content.reasoning.empty()) json.text("thinking", content.reasoning);
    put_tool_calls(json, content.tool_calls, content.first_call);
    json.close('}');
  }
  if (content.logprobs.empty()) return;
  json.key("logprobs");
  put_token_logprobs(json, content.logprobs);
}

void put_end(JsonWriter& json, AnswerFinish finish, const AnswerEnd& end) {
  json.key("done").flag(true).text("done_reason", done_reason(finish));
  json.integer("total_duration", end.times.total_ns).integer("load_duration", end.times.load_ns);
  json.integer("prompt_eval_count", end.usage.prompt_tokens);
  json.integer("prompt_eval_duration", end.times.prompt_ns);
  json.integer("eval_count", end.usage.completion_tokens).integer("eval_duration", end.times.generation_ns);
  put_cairn(json, end);
}

class OllamaStream final : public StreamWriter {
 public:
  OllamaStream(const TextCall& call, AnswerHead head)
      : face_(call.face), has_logprobs_(call.logprobs.has_value()), head_(std::move(head)) {
    JsonWriter json(start_);
    json.open('{').text("model", head_.model).text("created_at", utc_time(head_.created_ns)).raw({});
  }

  std::string begin() override { return {}; }

  std::string piece(const StreamPiece& piece) override {
    std::string out;
    if (piece.choice != 0) return out;
    for (const ToolCallPiece& call : piece.tool_calls) add_call(out, call);
    const auto logprobs = has_logprobs_ ? std::span(piece.logprobs) : std::span<const TokenLogprob>();
    if (piece.text.empty() && piece.reasoning.empty() && logprobs.empty()) return out;
    put_line(out, {.text = piece.text, .reasoning = piece.reasoning, .logprobs = logprobs});
    return out;
  }

  std::string finish(int64_t choice, AnswerFinish finish) override {
    std::string out;
    if (choice != 0) return out;
    finish_ = finish;
    close_call(out);
    return out;
  }

  std::string end(const AnswerEnd& end) override {
    std::string out;
    JsonWriter json(out);
    json.open('{').text("model", head_.model);
    json.text("created_at", utc_time(head_.created_ns + end.times.total_ns));
    put_content(json, face_, {});
    put_end(json, finish_, end);
    json.close('}');
    return out + "\n";
  }

  std::string error(const ApiError& error) override { return ollama_error_body(error) + "\n"; }

 private:
  void put_line(std::string& out, const Content& content) const {
    out.reserve(out.size() + start_.size() + content.text.size() + content.text.size() / 8 + 96);
    out += start_;
    JsonWriter json(out);
    put_content(json, face_, content);
    json.key("done").flag(false).close('}');
    out.push_back('\n');
  }

  // Clients want a call at once, not in parts.
  void add_call(std::string& out, const ToolCallPiece& piece) {
    if (!open_call_.has_value() || open_index_ != piece.index) {
      close_call(out);
      open_call_ = ToolCall{piece.id, piece.name, {}};
      open_index_ = piece.index;
    }
    open_call_->arguments += piece.arguments;
  }
  void close_call(std::string& out) {
    if (!open_call_.has_value()) return;
    put_line(out, {.tool_calls = std::span(&*open_call_, 1), .first_call = open_index_});
    open_call_.reset();
  }

  ApiFace face_;
  bool has_logprobs_;
  AnswerHead head_;
  std::string start_;  // of each line but the last, with the comma behind
  std::optional<ToolCall> open_call_;
  int64_t open_index_ = 0;
  AnswerFinish finish_ = AnswerFinish::kStop;
};

}  // namespace

std::string ollama_error_body(const ApiError& error) {
  std::string out;
  JsonWriter json(out);
  json.open('{').text("error", error.message).close('}');
  return out;
}

std::string write_ollama_answer(const TextCall& call, const AnswerHead& head, const Answer& answer) {
  static const AnswerChoice kNothing;
  const AnswerChoice& choice = answer.choices.empty() ? kNothing : answer.choices.front();
  std::string out;
  JsonWriter json(out);
  json.open('{').text("model", head.model);
  json.text("created_at", utc_time(head.created_ns + answer.end.times.total_ns));
  const auto logprobs =
      call.logprobs.has_value() ? std::span(choice.logprobs) : std::span<const TokenLogprob>();
  put_content(json, call.face,
              {.text = choice.text,
               .reasoning = choice.reasoning,
               .tool_calls = choice.tool_calls,
               .logprobs = logprobs});
  put_end(json, choice.finish, answer.end);
  json.close('}');
  return out;
}

std::string ollama_load_body(const TextCall& call, const AnswerHead& head) {
  std::string out;
  JsonWriter json(out);
  json.open('{').text("model", head.model).text("created_at", utc_time(head.created_ns));
  put_content(json, call.face, {});
  json.key("done").flag(true).text("done_reason", "load").close('}');
  return out + "\n";
}

std::unique_ptr<StreamWriter> make_ollama_stream(const TextCall& call, AnswerHead head) {
  return std::make_unique<OllamaStream>(call, std::move(head));
}

}  // namespace cairn
