#include "server/openai/message_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>

#include "base/printable.h"
#include "server/openai/call_limits.h"
#include "server/openai/json_writer.h"

namespace cairn {
namespace {

// The text of one part; absent where it was refused.
std::optional<std::string> text_of_part(const FieldReader& part) {
  const auto type = part.text("type", kNameBytesMax);
  if (!type.has_value()) {
    part.refuse("type", "is missing");
    return std::nullopt;
  }
  const bool is_text = *type == "text" || *type == "input_text" || *type == "output_text" ||
                       *type == "reasoning_text" || *type == "summary_text";
  const std::string_view field = *type == "refusal" ? "refusal" : "text";
  if (!is_text && *type != "refusal") {
    part.refuse_unsupported("type", fmt::format("is '{}': this server reads text only", printable(*type)));
    return std::nullopt;
  }
  auto text = part.text(field);
  if (!text.has_value()) part.refuse(field, "is missing");
  return text;
}

std::string read_parts(const FieldReader& fields, std::string_view name, const boost::json::array& parts) {
  std::string content;
  for (size_t i = 0; i < parts.size(); ++i) {
    const auto part = fields.element(name, i, parts[i]);
    if (!part.has_value()) return {};
    const auto text = text_of_part(*part);
    if (!text.has_value()) return {};
    if (i > 0) content.push_back('\n');
    content += *text;
  }
  return content;
}

std::string read_arguments(const FieldReader& function) {
  const auto* value = function.find("arguments");
  std::string arguments;
  if (value == nullptr) return "{}";
  if (value->is_object()) {
    append_json_value(arguments, *value);
  } else if (const auto* text = value->if_string()) {
    arguments = text->empty() ? "{}" : std::string(*text);
  } else {
    function.refuse("arguments", "must be JSON as a string, not " + kind_of(*value));
  }
  return arguments;
}

ToolCall read_function_call(const FieldReader& function, std::string id) {
  ToolCall call{std::move(id), function.text("name", kNameBytesMax).value_or(""), {}};
  if (call.name.empty()) function.refuse("name", "is missing");
  call.arguments = read_arguments(function);
  return call;
}

void read_tool_calls(const FieldReader& message, MessageRules rules, ChatTurn& turn) {
  const auto* list = message.list("tool_calls", kToolCallsMax);
  for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
    const auto call = message.element("tool_calls", i, (*list)[i]);
    if (!call.has_value()) return;
    auto id = call->text("id", kNameBytesMax);
    if (!id.has_value() && rules == MessageRules::kOpenAi) call->refuse("id", "is missing");
    if (call->text("type", kNameBytesMax).value_or("function") != "function") {
      call->refuse_unsupported("type", "must be \"function\"");
    }
    const auto function = call->object("function");
    if (!function.has_value()) {
      call->refuse("function", "is missing");
      return;
    }
    turn.tool_calls.push_back(read_function_call(*function, std::move(id).value_or("")));
  }
  // The form before tools: at most one call, without an id.
  if (const auto old = message.object("function_call"))
    turn.tool_calls.push_back(read_function_call(*old, {}));
}

void read_assistant(const FieldReader& message, MessageRules rules, ChatTurn& turn) {
  for (const std::string_view name : {"reasoning_content", "reasoning", "thinking"}) {
    if (auto reasoning = message.text(name)) turn.reasoning = std::move(*reasoning);
  }
  read_tool_calls(message, rules, turn);
  if (turn.content.empty()) turn.content = message.text("refusal").value_or("");
}

void read_tool_answer(const FieldReader& message, MessageRules rules, ChatTurn& turn) {
  turn.tool_call_id = message.text("tool_call_id", kNameBytesMax).value_or("");
  turn.name = message.text("name", kNameBytesMax).value_or("");
  if (auto name = message.text("tool_name", kNameBytesMax)) turn.name = std::move(*name);
  if (turn.role == "function") {
    turn.role = "tool";
    if (turn.name.empty()) message.refuse("name", "is missing: the function whose answer this is");
  } else if (turn.tool_call_id.empty() && rules == MessageRules::kOpenAi) {
    message.refuse("tool_call_id", "is missing: the call that this answers");
  }
}

ChatTurn read_message(const FieldReader& message, MessageRules rules) {
  ChatTurn turn;
  const auto role = message.text("role", kNameBytesMax);
  if (!role.has_value()) message.refuse("role", "is missing");
  turn.role = role.value_or("") == "developer" ? "system" : role.value_or("");
  message.refuse_if_set("images", "has images: this server reads text only");
  message.refuse_if_set("audio", "is audio: this server reads text only");
  auto content = read_content(message, "content");
  turn.content = content.value_or("");
  if (turn.role == "assistant") {
    read_assistant(message, rules, turn);
    return turn;
  }
  if (turn.role == "tool" || turn.role == "function") {
    read_tool_answer(message, rules, turn);
  } else if (turn.role != "system" && turn.role != "user") {
    message.refuse("role", "must be one of system, developer, user, assistant, tool");
  }
  if (!content.has_value() && rules == MessageRules::kOpenAi) message.refuse("content", "is missing");
  return turn;
}

}  // namespace

std::optional<std::string> read_content(const FieldReader& fields, std::string_view name) {
  const auto* value = fields.find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return fields.text(name);
  if (!value->is_array()) {
    fields.refuse(name, "must be a string or a list of parts, not " + kind_of(*value));
    return std::nullopt;
  }
  const auto* parts = fields.list(name, kPartsMax);
  if (parts == nullptr) return std::nullopt;
  return read_parts(fields, name, *parts);
}

std::vector<ChatTurn> read_messages(const FieldReader& fields, MessageRules rules) {
  const auto* list = fields.list("messages", kMessagesMax);
  std::vector<ChatTurn> turns;
  if (list != nullptr) turns.reserve(list->size());
  for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
    const auto message = fields.element("messages", i, (*list)[i]);
    if (!message.has_value()) return {};
    turns.push_back(read_message(*message, rules));
    if (fields.failed()) return {};
  }
  return turns;
}

}  // namespace cairn
