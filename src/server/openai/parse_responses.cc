// POST /v1/responses.
#include <fmt/format.h>

#include <algorithm>

#include "base/printable.h"
#include "server/openai/call_fields.h"
#include "server/openai/call_limits.h"
#include "server/openai/message_fields.h"
#include "server/openai/parse.h"

namespace cairn {
namespace {

// Items of `input`, collected into turns: an assistant's reasoning, text and calls are items of their own here, and one
// turn for a template.
class InputItems {
 public:
  explicit InputItems(std::vector<ChatTurn>& turns) : turns_(&turns) {}

  void add(const FieldReader& item) {
    const auto type = item.text("type", kNameBytesMax).value_or("message");
    if (type == "message") return add_message(item);
    if (type == "function_call") return add_call(item);
    if (type == "function_call_output") return add_output(item);
    if (type == "reasoning") return add_reasoning(item);
    item.refuse_unsupported("type", fmt::format("is '{}': this server knows message, function_call, "
                                                "function_call_output and reasoning",
                                                printable(type)));
  }

 private:
  void add_message(const FieldReader& item) {
    auto role = item.text("role", kNameBytesMax).value_or("");
    if (role == "developer") role = "system";
    if (role != "system" && role != "user" && role != "assistant") {
      item.refuse("role", "must be one of system, developer, user, assistant");
    }
    auto content = read_content(item, "content");
    if (!content.has_value()) item.refuse("content", "is missing");
    ChatTurn& turn = role == "assistant" ? assistant() : next(role);
    if (!turn.content.empty()) turn.content.push_back('\n');
    turn.content += content.value_or("");
  }

  void add_call(const FieldReader& item) {
    ToolCall call{item.text("call_id", kNameBytesMax).value_or(""),
                  item.text("name", kNameBytesMax).value_or(""), item.text("arguments").value_or("{}")};
    if (call.id.empty()) item.refuse("call_id", "is missing");
    if (call.name.empty()) item.refuse("name", "is missing");
    if (call.arguments.empty()) call.arguments = "{}";
    ChatTurn& turn = assistant();
    if (turn.tool_calls.size() >= kToolCallsMax) item.refuse("", "is one call too many in a row");
    turn.tool_calls.push_back(std::move(call));
  }

  void add_output(const FieldReader& item) {
    ChatTurn& turn = next("tool");
    turn.tool_call_id = item.text("call_id", kNameBytesMax).value_or("");
    if (turn.tool_call_id.empty()) item.refuse("call_id", "is missing");
    auto output = read_content(item, "output");
    if (!output.has_value()) item.refuse("output", "is missing");
    turn.content = std::move(output).value_or("");
  }

  void add_reasoning(const FieldReader& item) {
    auto text = read_content(item, "content");
    if (!text.has_value() || text->empty()) text = read_content(item, "summary");
    if (text.has_value() && !text->empty()) {
      // It comes before what it led to.
      ChatTurn& turn = next("assistant");
      turn.reasoning = std::move(*text);
    }
  }

  ChatTurn& next(std::string_view role) {
    turns_->push_back({});
    turns_->back().role = role;
    return turns_->back();
  }
  // The assistant's turn that goes on.
  ChatTurn& assistant() {
    const bool goes_on = !turns_->empty() && turns_->back().role == "assistant";
    return goes_on ? turns_->back() : next("assistant");
  }

  std::vector<ChatTurn>* turns_;
};

void read_input(const FieldReader& fields, TextCall& call) {
  call.instructions = read_content(fields, "instructions");
  if (call.instructions.has_value()) {
    call.messages.emplace_back();
    call.messages.back().role = "system";
    call.messages.back().content = *call.instructions;
  }
  const auto* input = fields.find("input");
  if (input == nullptr) return fields.refuse("input", "is missing");
  if (const auto* text = input->if_string()) {
    call.messages.emplace_back();
    call.messages.back().role = "user";
    call.messages.back().content.assign(text->data(), text->size());
    return;
  }
  if (!input->is_array())
    return fields.refuse("input", "must be a string or a list of items, not " + kind_of(*input));
  const auto* list = fields.list("input", kMessagesMax);
  if (list != nullptr && list->empty()) fields.refuse("input", "is an empty list");
  InputItems items(call.messages);
  for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
    const auto item = fields.element("input", i, (*list)[i]);
    if (!item.has_value()) return;
    items.add(*item);
  }
  if (call.messages.empty()) fields.refuse("input", "has no message");
}

void read_metadata(const FieldReader& fields, TextCall& call) {
  const auto metadata = fields.object("metadata");
  if (!metadata.has_value()) return;
  if (metadata->json().size() > kMetadataMax) {
    fields.refuse("metadata", fmt::format("may have at most {} entries", kMetadataMax));
  }
  for (const auto& [key, value] : metadata->json()) {
    constexpr size_t kMetadataBytesMax = 512;  // OpenAI's own
    const auto text = metadata->text(key, kMetadataBytesMax);
    if (text.has_value()) call.metadata[key] = *text;
  }
}

void read_logprobs(const FieldReader& fields, TextCall& call) {
  const auto top = fields.integer("top_logprobs", {0, kTopLogprobsMax});
  if (top.value_or(0) > 0) call.logprobs = top;
  const auto* include = fields.list("include", kPartsMax);
  for (size_t i = 0; include != nullptr && i < include->size(); ++i) {
    const auto* text = (*include)[i].if_string();
    if (text == nullptr) {
      fields.refuse(element_path("include", i), "must be a string, not " + kind_of((*include)[i]));
    } else if (*text == "message.output_text.logprobs") {
      call.logprobs = top.value_or(0);
    }
  }
}

// How many calls a reply may have; after the choice of a tool. More than a reply has anyway are as many.
void read_calls_max(const FieldReader& fields, TextCall& call) {
  const auto most = fields.integer("max_tool_calls", {.min = 0});
  if (!most.has_value()) return;
  const bool is_must = call.tool_choice.use == ToolUse::kRequired || call.tool_choice.use == ToolUse::kNamed;
  if (*most > 0) {
    call.tool_calls_max = std::min(*most, call.tool_calls_max);
  } else if (is_must) {
    fields.refuse("max_tool_calls", "is 0, but 'tool_choice' asks for a call");
  } else {
    call.tool_choice = {ToolUse::kNone};
  }
}

void refuse_what_is_not_served(const FieldReader& fields) {
  fields.refuse_if_set("previous_response_id",
                       "is not served: this server keeps no responses, send the whole input");
  fields.refuse_if_set("conversation",
                       "is not served: this server keeps no conversations, send the whole input");
  fields.refuse_if_set("background", "is not served: wait for the response, or stream it");
  fields.refuse_if_set("prompt", "is not served: this server keeps no prompts, send instructions and input");
  static_cast<void>(fields.flag("store"));
}

}  // namespace

ApiResult<TextCall> parse_responses_call(std::string_view body) {
  auto json = read_body(body);
  if (!json.ok()) return json.error();
  std::optional<ApiError> error;
  const FieldReader fields(*json, "", error);
  TextCall call;
  call.face = ApiFace::kResponses;
  call.sampling.temperature = 1;
  read_common(fields, call);
  read_input(fields, call);
  read_sampling(fields, call.sampling);
  call.max_tokens = fields.integer("max_output_tokens", {1, kMaxTokensMax});
  call.stops = read_stops(fields, "stop");
  read_logprobs(fields, call);
  call.tools = read_tools(fields, ToolFields::kFlat);
  read_tool_choice(fields, ToolFields::kFlat, call);
  read_calls_max(fields, call);
  if (const auto text = fields.object("text")) call.format = read_format(*text, "format", FormatForm::kFlat);
  if (const auto reasoning = fields.object("reasoning")) read_reasoning_effort(*reasoning, "effort", call);
  read_metadata(fields, call);
  refuse_what_is_not_served(fields);
  if (error.has_value()) return std::move(*error);
  return call;
}

}  // namespace cairn
