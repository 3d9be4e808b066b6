#include "text/reply/chat_values.h"

#include <algorithm>
#include <boost/json.hpp>
#include <limits>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/printable.h"
#include "base/sha256.h"
#include "base/utf8.h"

namespace cairn {
namespace {

namespace json = boost::json;
using jinja::Value;
using Entries = std::vector<std::pair<Value, Value>>;

Value text_value(std::string_view text) { return Value::string(std::string(text)); }

// A JSON value as Python's json.loads gives it.
class FromJson {
 public:
  explicit FromJson(const ControlMarks& marks) : marks_(marks) {}

  Result<Value> operator()(const json::value& value, int depth = 0) const {
    if (depth > kMostJsonDepth) {
      return invalid_argument("JSON that nests deeper than " + std::to_string(kMostJsonDepth) +
                              " levels is not taken");
    }
    switch (value.kind()) {
      case json::kind::null: return Value::none();
      case json::kind::bool_: return Value::boolean(value.get_bool());
      case json::kind::int64: return Value::integer(value.get_int64());
      case json::kind::uint64: return from_unsigned(value.get_uint64());
      case json::kind::double_: return Value::real(value.get_double());
      case json::kind::string: return Value::string(marks_.mark(value.get_string()));
      case json::kind::array: return from_array(value.get_array(), depth);
      case json::kind::object: break;
    }
    return from_object(value.get_object(), depth);
  }

 private:
  static Value from_unsigned(uint64_t number) {
    if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return Value::real(static_cast<double>(number));
    }
    return Value::integer(static_cast<int64_t>(number));
  }

  Result<Value> from_array(const json::array& array, int depth) const {
    jinja::Items items;
    items.reserve(array.size());
    for (const json::value& item : array) {
      CAIRN_ASSIGN_OR_RETURN(Value made, (*this)(item, depth + 1));
      items.push_back(std::move(made));
    }
    return Value::sequence(jinja::SequenceKind::kList, std::move(items));
  }

  Result<Value> from_object(const json::object& object, int depth) const {
    Entries entries;
    entries.reserve(object.size());
    for (const auto& [key, item] : object) {
      CAIRN_ASSIGN_OR_RETURN(Value made, (*this)(item, depth + 1));
      entries.emplace_back(Value::string(marks_.mark(key)), std::move(made));
    }
    return Value::dict(std::move(entries));
  }

  const ControlMarks& marks_;
};

// Makes the values of one conversation, turn by turn.
class TurnWriter {
 public:
  TurnWriter(const TurnForm& form, const ControlMarks& marks, std::string_view system_tools)
      : form_(form), marks_(marks), system_tools_(system_tools) {}

  // `behind` stands behind the content, as it is.
  Result<Value> write(const ChatTurn& turn, std::string_view behind) {
    CAIRN_RETURN_IF_ERROR(check_text(turn.content, "content"));
    CAIRN_RETURN_IF_ERROR(check_text(turn.reasoning, "reasoning"));
    std::string content = marks_.mark(turn.content);
    const bool has_calls = !turn.tool_calls.empty();
    if (has_calls && form_.calls_in == CallsIn::kContent) {
      CAIRN_ASSIGN_OR_RETURN(const std::string calls, json_of_calls(turn.tool_calls));
      content += form_.call_marks.open + marks_.mark(calls) + form_.call_marks.close;
    }
    const bool is_none = content.empty() && has_calls && form_.no_content == NoContentAs::kNone;
    Entries entries{{text_value("role"), text_value(turn.role)},
                    {text_value("content"), is_none ? Value::none() : Value::string(content.append(behind))}};
    if (turn.role == "system") add_system_tools(entries);
    if (turn.role == "tool") CAIRN_RETURN_IF_ERROR(add_answer(turn, entries));
    if (!turn.reasoning.empty()) add_reasoning(turn, entries);
    if (has_calls && form_.calls_in == CallsIn::kVariable) {
      CAIRN_ASSIGN_OR_RETURN(Value calls, write_calls(turn.tool_calls));
      entries.emplace_back(text_value("tool_calls"), std::move(calls));
    }
    return Value::dict(std::move(entries));
  }

 private:
  static Status check_text(std::string_view text, const char* what) {
    const auto invalid = find_invalid_utf8(text);
    if (!invalid.has_value()) return {};
    return invalid_argument(std::string("a message's ") + what + " is not UTF-8 at byte " +
                            std::to_string(*invalid));
  }

  [[nodiscard]] std::string written_id(const std::string& id) const {
    return form_.call_ids == CallIdsAs::kGiven ? marks_.mark(id) : nine_characters(id);
  }

  // Templates know the reasoning by either name. gpt-oss's, which knows it as the second, refuses it beside both content
  // and calls.
  void add_reasoning(const ChatTurn& turn, Entries& entries) const {
    const Value reasoning = Value::string(marks_.mark(turn.reasoning));
    entries.emplace_back(text_value("reasoning_content"), reasoning);
    if (turn.content.empty() || turn.tool_calls.empty())
      entries.emplace_back(text_value("thinking"), reasoning);
  }

  void add_system_tools(Entries& entries) {
    if (system_tools_.empty()) return;
    entries.emplace_back(text_value("tools"), Value::string(marks_.mark(system_tools_)));
    system_tools_ = {};
  }

  Status add_answer(const ChatTurn& turn, Entries& entries) const {
    CAIRN_RETURN_IF_ERROR(check_text(turn.tool_call_id, "tool_call_id"));
    CAIRN_RETURN_IF_ERROR(check_text(turn.name, "name"));
    if (!turn.tool_call_id.empty()) {
      entries.emplace_back(text_value("tool_call_id"), Value::string(written_id(turn.tool_call_id)));
    }
    const auto called = called_.find(turn.tool_call_id);
    const std::string name = !turn.name.empty()        ? turn.name
                             : called != called_.end() ? called->second
                                                       : std::string();
    if (!name.empty()) entries.emplace_back(text_value("name"), Value::string(marks_.mark(name)));
    return {};
  }

  Result<Value> write_calls(const std::vector<ToolCall>& calls) {
    jinja::Items items;
    for (const ToolCall& call : calls) {
      CAIRN_RETURN_IF_ERROR(check_text(call.id, "tool call's id"));
      CAIRN_RETURN_IF_ERROR(check_text(call.name, "tool call's name"));
      called_[call.id] = call.name;
      CAIRN_ASSIGN_OR_RETURN(Value arguments, write_arguments(call));
      CAIRN_ASSIGN_OR_RETURN(Value function,
                             Value::dict({{text_value("name"), Value::string(marks_.mark(call.name))},
                                          {text_value("arguments"), std::move(arguments)}}));
      CAIRN_ASSIGN_OR_RETURN(Value item, Value::dict({{text_value("type"), text_value("function")},
                                                      {text_value("id"), Value::string(written_id(call.id))},
                                                      {text_value("function"), std::move(function)}}));
      items.push_back(std::move(item));
    }
    return Value::sequence(jinja::SequenceKind::kList, std::move(items));
  }

  static Result<json::value> parse_arguments(const ToolCall& call) {
    const std::string_view text = call.arguments.empty() ? std::string_view("{}") : call.arguments;
    boost::system::error_code error;
    json::value parsed = json::parse(text, error, {}, {.max_depth = kMostJsonDepth + 1});
    if (!error && parsed.is_object()) return parsed;
    return invalid_argument("the arguments of the tool call '" + printable(call.name) +
                            "' are not the text of a JSON object");
  }

  Result<Value> write_arguments(const ToolCall& call) const {
    CAIRN_ASSIGN_OR_RETURN(const json::value parsed, parse_arguments(call));
    if (form_.arguments == ArgumentsAs::kObject) return FromJson(marks_)(parsed);
    return Value::string(marks_.mark(call.arguments.empty() ? "{}" : call.arguments));
  }

  static Result<std::string> json_of_calls(const std::vector<ToolCall>& calls) {
    json::array list;
    for (const ToolCall& call : calls) {
      CAIRN_ASSIGN_OR_RETURN(json::value arguments, parse_arguments(call));
      list.push_back(json::object{{"name", call.name}, {"arguments", std::move(arguments)}});
    }
    return json::serialize(list);
  }

  const TurnForm& form_;
  const ControlMarks& marks_;
  std::string_view system_tools_;
  std::map<std::string, std::string> called_;  // names by call id
};

}  // namespace

Result<Value> value_of_turns(std::span<const ChatTurn> turns, const TurnForm& form, const ControlMarks& marks,
                             const TurnAdditions& additions) {
  TurnWriter writer(form, marks, additions.system_tools);
  jinja::Items items;
  items.reserve(turns.size());
  for (const ChatTurn& turn : turns) {
    const bool is_last = &turn == &turns.back();
    CAIRN_ASSIGN_OR_RETURN(Value item,
                           writer.write(turn, is_last ? additions.behind_last : std::string_view()));
    items.push_back(std::move(item));
  }
  return Value::sequence(jinja::SequenceKind::kList, std::move(items));
}

Result<Value> value_of_tools(std::span<const ToolSpec> tools, const ControlMarks& marks) {
  if (tools.empty()) return Value::none();
  jinja::Items items;
  items.reserve(tools.size());
  for (const ToolSpec& tool : tools) {
    auto made = FromJson(marks)(json::value(tool.raw));
    if (!made.ok()) {
      return invalid_argument("the tool '" + printable(tool.name) + "': " + made.status().message());
    }
    items.push_back(std::move(made).value());
  }
  return Value::sequence(jinja::SequenceKind::kList, std::move(items));
}

std::string json_of_tools(std::span<const ToolSpec> tools) {
  json::array functions;
  for (const ToolSpec& tool : tools) {
    const json::value* function = tool.raw.if_contains("function");
    functions.push_back(function != nullptr ? *function : json::value(tool.raw));
  }
  return json::serialize(functions);
}

std::string nine_characters(std::string_view id) {
  constexpr size_t kCharacters = 9;
  constexpr std::string_view kAlphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const auto is_one = [&](char c) { return kAlphabet.find(c) != std::string_view::npos; };
  if (id.size() == kCharacters && std::ranges::all_of(id, is_one)) return std::string(id);
  const Sha256Digest digest = sha256(std::as_bytes(std::span(id)));
  std::string made;
  for (size_t i = 0; i < kCharacters; ++i) made += kAlphabet[digest[i] % kAlphabet.size()];
  return made;
}

}  // namespace cairn
