#include "cli/bench_serve_call.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "files/json.h"

namespace cairn {
namespace {

namespace json = boost::json;

constexpr size_t kRefusalBytesMax = 4096;
constexpr size_t kSentenceMax = 200;

json::value prompt_value(const PlannedCall& call) {
  if (const auto* text = std::get_if<std::string>(&call.prompt)) return json::string(*text);
  const auto& tokens = std::get<std::vector<int64_t>>(call.prompt);
  return json::array(tokens.begin(), tokens.end());
}

// The object of this name, or null.
const json::object* object_in(const json::object* object, std::string_view key) {
  const json::value* value = object == nullptr ? nullptr : object->if_contains(key);
  return value == nullptr ? nullptr : value->if_object();
}

std::string_view text_in(const json::object* object, std::string_view key) {
  const json::value* value = object == nullptr ? nullptr : object->if_contains(key);
  const json::string* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string_view() : std::string_view(text->data(), text->size());
}

int64_t count_in(const json::object* object, std::string_view key) {
  const json::value* value = object == nullptr ? nullptr : object->if_contains(key);
  const int64_t* count = value == nullptr ? nullptr : value->if_int64();
  return count == nullptr || *count < 0 ? 0 : *count;
}

// Whether a chunk brings a piece of an answer: text, reasoning, or a call of a tool.
bool has_piece(const json::object& chunk) {
  const json::value* choices = chunk.if_contains("choices");
  if (choices == nullptr || !choices->is_array()) return false;
  for (const json::value& value : choices->get_array()) {
    const json::object* choice = value.if_object();
    const json::object* delta = object_in(choice, "delta");
    if (!text_in(choice, "text").empty()) return true;
    for (const char* key : {"content", "reasoning_content", "reasoning"}) {
      if (!text_in(delta, key).empty()) return true;
    }
    const json::value* tools = delta == nullptr ? nullptr : delta->if_contains("tool_calls");
    if (tools != nullptr && tools->is_array()) return true;
  }
  return false;
}

}  // namespace

HttpClientRequest call_request(const BenchServeOptions& options, const std::string& model,
                               const PlannedCall& call) {
  json::object body{{"model", model},
                    {"max_tokens", call.max_tokens},
                    {"temperature", 0},
                    {"stream", true},
                    {"stream_options", {{"include_usage", true}}}};
  const bool is_chat = options.face == ServerFace::kChat;
  if (is_chat) {
    body["messages"] = json::array{json::object{{"role", "user"}, {"content", prompt_value(call)}}};
  } else {
    body["prompt"] = prompt_value(call);
  }
  if (options.ignores_end) body["ignore_eos"] = true;
  HttpClientRequest request{.method = "POST",
                            .target = is_chat ? "/v1/chat/completions" : "/v1/completions",
                            .headers = {{"Content-Type", "application/json"}},
                            .body = json::serialize(body)};
  if (options.api_key) request.headers.push_back({"Authorization", "Bearer " + *options.api_key});
  return request;
}

void CallRecorder::on_data(std::string_view bytes, uint64_t now_ns) {
  if (result_.status != 200) {
    refusal_ += bytes.substr(0, kRefusalBytesMax - std::min(kRefusalBytesMax, refusal_.size()));
    return;
  }
  const bool is_fine = reader_.push(bytes, [&](const SseEvent& event) { take_event(event, now_ns); });
  if (!is_fine && result_.error.empty()) result_.error = "an event of the stream is too large";
}

void CallRecorder::take_event(const SseEvent& event, uint64_t now_ns) {
  if (event.data == "[DONE]") {
    is_done_ = true;
    return;
  }
  const auto value = parse_json(event.data, {});
  const json::object* chunk = value.ok() ? value->if_object() : nullptr;
  if (chunk == nullptr) {
    if (result_.error.empty()) result_.error = "an event of the stream is no JSON object";
    return;
  }
  if (chunk->contains("error") && !chunk->at("error").is_null()) {
    if (result_.error.empty()) result_.error = error_sentence(event.data);
    return;
  }
  if (has_piece(*chunk)) {
    if (result_.first_ns == 0) result_.first_ns = now_ns;
    result_.last_ns = now_ns;
    ++pieces_;
  }
  const json::object* usage = object_in(chunk, "usage");
  if (usage == nullptr) return;
  result_.prompt_tokens = count_in(usage, "prompt_tokens");
  result_.answer_tokens = count_in(usage, "completion_tokens");
  result_.cached_tokens = count_in(object_in(usage, "prompt_tokens_details"), "cached_tokens");
}

CallResult CallRecorder::finish(const Status& status, uint64_t now_ns) {
  result_.end_ns = now_ns;
  if (result_.answer_tokens == 0) result_.answer_tokens = pieces_;
  if (result_.error.empty() && !status.ok()) result_.error = status.message();
  if (result_.error.empty() && result_.status != 200) {
    result_.error = error_sentence(refusal_);
    if (result_.error.empty()) result_.error = fmt::format("status {}", result_.status);
  }
  if (result_.error.empty() && !is_done_) result_.error = "the stream ended without [DONE]";
  return std::move(result_);
}

std::string error_sentence(std::string_view body) {
  const auto value = parse_json(body, {});
  const json::object* object = value.ok() ? value->if_object() : nullptr;
  std::string_view message = text_in(object_in(object, "error"), "message");
  if (message.empty()) message = text_in(object, "error");  // Ollama's shape
  if (message.empty()) message = body;
  return std::string(message.substr(0, kSentenceMax));
}

Result<std::string> first_model(const HttpClientReply& reply) {
  if (reply.status != 200) {
    return invalid_argument(
        fmt::format("the server does not list its models (status {}: {}): name one with --model",
                    reply.status, error_sentence(reply.body)));
  }
  const auto value = parse_json(reply.body, {});
  const json::object* object = value.ok() ? value->if_object() : nullptr;
  const json::value* data = object == nullptr ? nullptr : object->if_contains("data");
  if (data != nullptr && data->is_array() && !data->get_array().empty()) {
    const std::string_view id = text_in(data->get_array().front().if_object(), "id");
    if (!id.empty()) return std::string(id);
  }
  return invalid_data("the server's list of models is empty: name one with --model");
}

}  // namespace cairn
