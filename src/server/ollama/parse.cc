#include "server/ollama/parse.h"

#include <fmt/format.h>

#include "server/openai/call_fields.h"
#include "server/openai/call_limits.h"
#include "server/openai/message_fields.h"

namespace cairn {
namespace {

TextCall defaults(ApiFace face) {
  TextCall call;
  call.face = face;
  call.delivery = ReplyDelivery::kStreamed;
  call.sampling.temperature = 0.8;
  call.sampling.top_k = 40;
  call.sampling.top_p = 0.9;
  call.sampling.repetition_penalty = 1.1;
  call.sampling.penalty_window = 64;
  return call;
}

// Ollama's numbers for "all of it": anything below 1.
std::optional<int64_t> positive(std::optional<int64_t> count) {
  return count.has_value() && *count < 1 ? std::nullopt : count;
}

void read_options(const FieldReader& fields, TextCall& call) {
  const auto options = fields.object("options");
  if (!options.has_value()) return;
  read_sampling(*options, call.sampling);
  // A negative seed asks for a random one.
  const auto* seed = options->find("seed");
  if (seed != nullptr && integer_of(*seed).value_or(0) < 0) call.sampling.seed = std::nullopt;
  call.max_tokens = positive(options->integer("num_predict", {-kMaxTokensMax, kMaxTokensMax}));
  call.stops = read_stops(*options, "stop");
}

// "json", a schema, or "" for text.
void read_ollama_format(const FieldReader& fields, TextCall& call) {
  const auto* format = fields.find("format");
  if (format == nullptr) return;
  const auto* word = format->if_string();
  if (word != nullptr && *word == "json") {
    call.format.kind = ResponseKind::kJsonObject;
  } else if (format->is_object()) {
    call.format.kind = ResponseKind::kJsonSchema;
    call.format.name = "format";
    call.format.schema = *format;
    call.format.strict = true;
  } else if (word == nullptr || !word->empty()) {
    fields.refuse("format", R"(must be "json" or a JSON schema)");
  }
}

// true, false, or how much.
void read_think(const FieldReader& fields, TextCall& call) {
  const auto* think = fields.find("think");
  if (think == nullptr) return;
  auto& variables = call.template_variables;
  if (const auto* flag = think->if_bool()) {
    variables.emplace_back("enable_thinking", *flag);
    return;
  }
  const auto* word = think->if_string();
  if (word == nullptr || (*word != "low" && *word != "medium" && *word != "high")) {
    fields.refuse("think", R"(must be true, false, "low", "medium" or "high")");
    return;
  }
  variables.emplace_back("enable_thinking", true);
  variables.emplace_back("reasoning_effort", std::string(word->data(), word->size()));
}

// What both faces have.
void read_shared(const FieldReader& fields, TextCall& call) {
  read_common(fields, call);
  read_options(fields, call);
  read_ollama_format(fields, call);
  read_think(fields, call);
  const bool wants_logprobs = fields.flag("logprobs").value_or(false);
  const auto top = fields.integer("top_logprobs", {0, kTopLogprobsMax});
  if (wants_logprobs) call.logprobs = top.value_or(0);
}

}  // namespace

ApiResult<TextCall> parse_ollama_chat(std::string_view body) {
  auto json = read_body(body);
  if (!json.ok()) return json.error();
  std::optional<ApiError> error;
  const FieldReader fields(*json, "", error);
  TextCall call = defaults(ApiFace::kOllamaChat);
  read_shared(fields, call);
  call.messages = read_messages(fields, MessageRules::kOllama);
  call.tools = read_tools(fields, ToolFields::kNested);
  call.tool_choice = {call.tools.empty() ? ToolUse::kNone : ToolUse::kAuto};
  if (error.has_value()) return std::move(*error);
  return call;
}

ApiResult<TextCall> parse_ollama_generate(std::string_view body) {
  auto json = read_body(body);
  if (!json.ok()) return json.error();
  std::optional<ApiError> error;
  const FieldReader fields(*json, "", error);
  TextCall call = defaults(ApiFace::kOllamaGenerate);
  call.tool_choice = {ToolUse::kNone};
  read_shared(fields, call);
  fields.refuse_if_set("template",
                       "is not served: the model's own template is used; send 'raw' to do without");
  fields.refuse_if_set("suffix", "is not served: this server only continues texts");
  fields.refuse_if_set("images", "has images: this server reads text only");
  fields.refuse_if_set("context", "is not served: send the turns before this one as messages, to /api/chat");
  call.raw = fields.flag("raw").value_or(false);
  auto system = fields.text("system");
  auto prompt = fields.text("prompt");
  if (error.has_value()) return std::move(*error);
  if (prompt.value_or("").empty()) return call;  // to load the model
  if (call.raw) {
    call.prompts.emplace_back(std::move(*prompt));
    return call;
  }
  if (!system.value_or("").empty()) {
    call.messages.emplace_back();
    call.messages.back().role = "system";
    call.messages.back().content = std::move(*system);
  }
  call.messages.emplace_back();
  call.messages.back().role = "user";
  call.messages.back().content = std::move(*prompt);
  return call;
}

ApiResult<std::string> parse_ollama_show(std::string_view body) {
  auto json = read_body(body);
  if (!json.ok()) return json.error();
  std::optional<ApiError> error;
  const FieldReader fields(*json, "", error);
  auto model = fields.text("model", kModelBytesMax);
  if (!model.has_value()) model = fields.text("name", kModelBytesMax);
  if (model.value_or("").empty()) fields.refuse("model", "is missing");
  if (error.has_value()) return std::move(*error);
  return std::move(*model);
}

}  // namespace cairn
