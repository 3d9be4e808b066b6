#include "server/openai/response_object.h"

#include <fmt/format.h>

#include "server/openai/reply_parts.h"

namespace cairn {
namespace {

std::string_view progress_word(ResponseProgress progress) {
  switch (progress) {
    case ResponseProgress::kInProgress: return "in_progress";
    case ResponseProgress::kCompleted: return "completed";
    case ResponseProgress::kFailed: return "failed";
    case ResponseProgress::kIncomplete:
    case ResponseProgress::kFiltered: break;
  }
  return "incomplete";
}

void put_tool_choice(JsonWriter& json, const TextCall& call) {
  json.key("tool_choice");
  switch (call.tool_choice.use) {
    case ToolUse::kNone: json.text(call.tools.empty() ? "auto" : "none"); break;
    case ToolUse::kAuto: json.text("auto"); break;
    case ToolUse::kRequired: json.text("required"); break;
    case ToolUse::kNamed:
      json.open('{').text("type", "function").text("name", call.tool_choice.name).close('}');
      break;
  }
  json.key("tools").open('[');
  for (const CallTool& tool : call.tools) {
    json.open('{').text("type", "function").text("name", tool.spec.name);
    json.text_or_null("description", tool.spec.description).key("parameters").value(tool.spec.parameters);
    json.key("strict").flag(tool.strict).close('}');
  }
  json.close(']');
}

void put_format(JsonWriter& json, const ResponseFormat& format) {
  json.key("text").open('{').key("format").open('{');
  switch (format.kind) {
    case ResponseKind::kText: json.text("type", "text"); break;
    case ResponseKind::kJsonObject: json.text("type", "json_object"); break;
    case ResponseKind::kJsonSchema:
      json.text("type", "json_schema")
          .text("name", format.name)
          .text_or_null("description", format.description);
      json.key("schema").value(format.schema).key("strict").flag(format.strict);
      break;
  }
  json.close('}').close('}');
}

void put_response_usage(JsonWriter& json, const AnswerEnd* end) {
  json.key("usage");
  if (end == nullptr) {
    json.null();
    return;
  }
  const AnswerUsage& usage = end->usage;
  json.open('{').integer("input_tokens", usage.prompt_tokens);
  json.key("input_tokens_details").open('{').integer("cached_tokens", usage.cached_tokens).close('}');
  json.integer("output_tokens", usage.completion_tokens);
  json.key("output_tokens_details").open('{').integer("reasoning_tokens", usage.reasoning_tokens).close('}');
  json.integer("total_tokens", usage.prompt_tokens + usage.completion_tokens).close('}');
}

void put_outcome(JsonWriter& json, const ResponseState& state) {
  json.text("status", progress_word(state.progress)).key("error");
  if (state.error != nullptr) {
    const bool has_code = !state.error->code.empty();
    json.open('{').text("code", has_code ? state.error->code : state.error->type);
    json.text("message", state.error->message).close('}');
  } else {
    json.null();
  }
  json.key("incomplete_details");
  if (state.progress == ResponseProgress::kIncomplete || state.progress == ResponseProgress::kFiltered) {
    const bool is_filtered = state.progress == ResponseProgress::kFiltered;
    json.open('{').text("reason", is_filtered ? "content_filter" : "max_output_tokens").close('}');
  } else {
    json.null();
  }
}

void put_settings(JsonWriter& json, const TextCall& call) {
  json.key("instructions");
  if (call.instructions.has_value()) {
    json.text(*call.instructions);
  } else {
    json.null();
  }
  json.key("max_output_tokens");
  if (call.max_tokens.has_value()) {
    json.integer(*call.max_tokens);
  } else {
    json.null();
  }
  json.key("metadata").value(call.metadata);
  json.key("parallel_tool_calls").flag(call.parallel_tool_calls).key("previous_response_id").null();
  json.key("reasoning").open('{').text_or_null("effort", call.reasoning_effort.value_or(""));
  json.key("summary").null().close('}').key("store").flag(false);
  json.key("temperature").number(call.sampling.temperature).key("top_p").number(call.sampling.top_p);
  json.integer("top_logprobs", call.logprobs.value_or(0)).text("truncation", "disabled");
  put_format(json, call.format);
  put_tool_choice(json, call);
}

}  // namespace

ResponseProgress progress_of(AnswerFinish finish) {
  switch (finish) {
    case AnswerFinish::kStop: return ResponseProgress::kCompleted;
    case AnswerFinish::kContentFilter: return ResponseProgress::kFiltered;
    case AnswerFinish::kLength:
    case AnswerFinish::kDeadline:
    case AnswerFinish::kCancelled: break;
  }
  return ResponseProgress::kIncomplete;
}

void put_response(JsonWriter& json, const TextCall& call, const AnswerHead& head,
                  const ResponseState& state) {
  json.open('{').text("id", "resp_" + head.id).text("object", "response");
  json.integer("created_at", created_seconds(head));
  put_outcome(json, state);
  json.key("background").flag(false).text("model", head.model).key("output").raw(state.output);
  put_settings(json, call);
  put_response_usage(json, state.end);
  if (state.end != nullptr) put_cairn(json, *state.end);
  json.close('}');
}

std::string item_id(std::string_view kind, const AnswerHead& head, int64_t index) {
  return fmt::format("{}_{}_{}", kind, head.id, index);
}

void put_reasoning_part(JsonWriter& json, std::string_view text) {
  json.open('{').text("type", "reasoning_text").text("text", text).close('}');
}

void put_text_part(JsonWriter& json, std::string_view text, std::string_view logprobs) {
  json.open('{').text("type", "output_text").text("text", text).key("annotations").open('[').close(']');
  json.key("logprobs").raw(logprobs).close('}');
}

void put_reasoning_item(JsonWriter& json, std::string_view id, std::string_view text,
                        ResponseProgress progress) {
  json.open('{').text("id", id).text("type", "reasoning").text("status", progress_word(progress));
  json.key("summary").open('[').close(']').key("content").open('[');
  if (progress != ResponseProgress::kInProgress) put_reasoning_part(json, text);
  json.close(']').close('}');
}

void put_message_item(JsonWriter& json, std::string_view id, std::string_view text, std::string_view logprobs,
                      ResponseProgress progress) {
  json.open('{').text("id", id).text("type", "message").text("status", progress_word(progress));
  json.text("role", "assistant").key("content").open('[');
  if (progress != ResponseProgress::kInProgress) put_text_part(json, text, logprobs);
  json.close(']').close('}');
}

void put_call_item(JsonWriter& json, std::string_view id, const ToolCall& call, ResponseProgress progress) {
  json.open('{').text("id", id).text("type", "function_call").text("status", progress_word(progress));
  json.text("call_id", call.id).text("name", call.name).text("arguments", call.arguments).close('}');
}

}  // namespace cairn
