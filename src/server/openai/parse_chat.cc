// POST /v1/chat/completions.
#include "server/openai/call_fields.h"
#include "server/openai/call_limits.h"
#include "server/openai/message_fields.h"
#include "server/openai/parse.h"

namespace cairn {
namespace {

void read_max_tokens(const FieldReader& fields, TextCall& call) {
  // Both have one meaning; the newer name wins.
  for (const std::string_view name : {"max_tokens", "max_completion_tokens"}) {
    if (const auto count = fields.integer(name, {1, kMaxTokensMax})) call.max_tokens = count;
  }
}

void read_logprobs(const FieldReader& fields, TextCall& call) {
  const bool wanted = fields.flag("logprobs").value_or(false);
  const auto top = fields.integer("top_logprobs", {0, kTopLogprobsMax});
  if (wanted) {
    call.logprobs = top.value_or(0);
  } else if (top.value_or(0) > 0) {
    fields.refuse("top_logprobs", "needs 'logprobs' to be true");
  }
}

void refuse_what_is_not_served(const FieldReader& fields) {
  fields.refuse_if_set("functions", "is the form before tools: send 'tools'");
  fields.refuse_if_set("function_call", "is the form before tools: send 'tool_choice'");
  fields.refuse_if_set("audio", "asks for audio: this server writes text only");
  fields.refuse_if_set("web_search_options", "is not served: this server runs no tools of its own");
  const auto* modalities = fields.list("modalities", kPartsMax);
  for (size_t i = 0; modalities != nullptr && i < modalities->size(); ++i) {
    const auto* text = (*modalities)[i].if_string();
    if (text == nullptr || *text != "text") {
      fields.refuse_unsupported(element_path("modalities", i),
                                "must be \"text\": this server writes text only");
    }
  }
}

}  // namespace

ApiResult<TextCall> parse_chat_call(std::string_view body) {
  auto json = read_body(body);
  if (!json.ok()) return json.error();
  std::optional<ApiError> error;
  const FieldReader fields(*json, "", error);
  TextCall call;
  call.face = ApiFace::kChat;
  call.sampling.temperature = 1;
  read_common(fields, call);
  call.messages = read_messages(fields, MessageRules::kOpenAi);
  if (call.messages.empty())
    fields.refuse("messages", "is missing or empty: it must have at least one message");
  read_sampling(fields, call.sampling);
  read_max_tokens(fields, call);
  call.stops = read_stops(fields, "stop");
  call.n = fields.integer("n", {1, kSamplesMax}).value_or(1);
  read_logprobs(fields, call);
  if (const auto options = fields.object("stream_options")) {
    call.include_usage = options->flag("include_usage").value_or(false);
  }
  call.tools = read_tools(fields, ToolFields::kNested);
  read_tool_choice(fields, ToolFields::kNested, call);
  call.format = read_format(fields, "response_format", FormatForm::kNested);
  read_reasoning_effort(fields, "reasoning_effort", call);
  refuse_what_is_not_served(fields);
  if (error.has_value()) return std::move(*error);
  return call;
}

}  // namespace cairn
