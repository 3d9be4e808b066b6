// Tools, the choice of one, and the format of a reply: what constrains it.
#include <fmt/format.h>

#include <algorithm>

#include "base/printable.h"
#include "server/openai/call_fields.h"
#include "server/openai/call_limits.h"
#include "text/grammar/object_schemas.h"

namespace cairn {
namespace {

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
         c == '.' || c == ':' || c == '/';
}

// A name that a model has to write and a template puts into a prompt.
std::string read_name(const FieldReader& fields) {
  const auto name = fields.text("name", kNameBytesMax);
  if (!name.has_value() || name->empty()) {
    fields.refuse("name", "is missing");
  } else if (!std::ranges::all_of(*name, is_name_character)) {
    fields.refuse("name", "may have letters, digits and the characters _ - . : / only");
  }
  return name.value_or("");
}

CallTool read_function(const FieldReader& function) {
  CallTool tool;
  tool.spec.name = read_name(function);
  tool.spec.description = function.text("description").value_or("");
  if (const auto parameters = function.object("parameters")) {
    tool.spec.parameters = parameters->json();
    const boost::json::value schema(tool.spec.parameters);
    if (!may_be_object(schema, schema)) {
      function.refuse(
          "parameters",
          R"(must be the schema of an object, since a call's arguments are one: this allows none)");
    }
  }
  tool.strict = function.flag("strict").value_or(false);
  return tool;
}

// What templates of models are written for, from the flat form.
boost::json::object nested_form(const CallTool& tool) {
  boost::json::object function = {{"name", tool.spec.name}};
  if (!tool.spec.description.empty()) function["description"] = tool.spec.description;
  function["parameters"] = tool.spec.parameters;
  return {{"type", "function"}, {"function", std::move(function)}};
}

CallTool read_tool(const FieldReader& fields, ToolFields form) {
  const auto type = fields.text("type", kNameBytesMax);
  if (type.value_or("function") != "function") {
    fields.refuse_unsupported("type",
                              fmt::format("is '{}': this server runs no tools of its own, the only type is "
                                          "\"function\"",
                                          printable(*type)));
    return {};
  }
  if (form == ToolFields::kFlat) {
    CallTool tool = read_function(fields);
    tool.spec.raw = nested_form(tool);
    return tool;
  }
  const auto function = fields.object("function");
  if (!function.has_value()) {
    fields.refuse("function", "is missing");
    return {};
  }
  CallTool tool = read_function(*function);
  tool.spec.raw = fields.json();
  return tool;
}

std::optional<ToolChoice> named_choice(const FieldReader& fields, ToolFields form) {
  const auto choice = fields.object("tool_choice");
  if (!choice.has_value()) return std::nullopt;
  const auto type = choice->text("type", kNameBytesMax).value_or("function");
  if (type != "function") {
    choice->refuse_unsupported("type",
                               fmt::format("is '{}': the only type is \"function\"", printable(type)));
    return std::nullopt;
  }
  if (form == ToolFields::kFlat) return ToolChoice{ToolUse::kNamed, read_name(*choice)};
  const auto function = choice->object("function");
  if (!function.has_value()) {
    choice->refuse("function", "is missing");
    return std::nullopt;
  }
  return ToolChoice{ToolUse::kNamed, read_name(*function)};
}

std::optional<ToolChoice> choice_of(const FieldReader& fields, ToolFields form) {
  const auto* value = fields.find("tool_choice");
  if (value == nullptr) return ToolChoice{};
  if (value->is_object()) return named_choice(fields, form);
  const auto* word = value->if_string();
  if (word != nullptr && *word == "none") return ToolChoice{ToolUse::kNone};
  if (word != nullptr && *word == "auto") return ToolChoice{ToolUse::kAuto};
  if (word != nullptr && *word == "required") return ToolChoice{ToolUse::kRequired};
  fields.refuse("tool_choice", R"(must be "none", "auto", "required", or an object that names a function)");
  return std::nullopt;
}

ResponseFormat read_schema(const FieldReader& fields) {
  ResponseFormat format;
  format.kind = ResponseKind::kJsonSchema;
  format.name = read_name(fields);
  format.description = fields.text("description").value_or("");
  format.strict = fields.flag("strict").value_or(false);
  const auto* schema = fields.find("schema");
  if (schema == nullptr) {
    fields.refuse("schema", "is missing");
  } else if (!schema->is_object() && !schema->is_bool()) {
    fields.refuse("schema", "must be an object, not " + kind_of(*schema));
  } else {
    format.schema = *schema;
  }
  return format;
}

}  // namespace

std::vector<CallTool> read_tools(const FieldReader& fields, ToolFields form) {
  const auto* list = fields.list("tools", kToolsMax);
  std::vector<CallTool> tools;
  for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
    const auto entry = fields.element("tools", i, (*list)[i]);
    if (!entry.has_value()) return {};
    CallTool tool = read_tool(*entry, form);
    const auto has_name = [&](const CallTool& other) { return other.spec.name == tool.spec.name; };
    if (!fields.failed() && std::ranges::any_of(tools, has_name)) {
      entry->refuse("", fmt::format("is a second tool of the name '{}'", tool.spec.name));
    }
    tools.push_back(std::move(tool));
  }
  return tools;
}

void read_tool_choice(const FieldReader& fields, ToolFields form, TextCall& call) {
  call.parallel_tool_calls = fields.flag("parallel_tool_calls").value_or(true);
  auto choice = choice_of(fields, form);
  if (!choice.has_value()) return;
  const auto is_named = [&](const CallTool& tool) { return tool.spec.name == choice->name; };
  if (choice->use == ToolUse::kNamed && std::ranges::none_of(call.tools, is_named)) {
    fields.refuse("tool_choice",
                  fmt::format("names '{}', which is none of the tools", printable(choice->name)));
  } else if (choice->use == ToolUse::kRequired && call.tools.empty()) {
    fields.refuse("tool_choice", "is \"required\", but there are no tools");
  }
  call.tool_choice = call.tools.empty() ? ToolChoice{ToolUse::kNone} : std::move(*choice);
}

ResponseFormat read_format(const FieldReader& fields, std::string_view name, FormatForm form) {
  const auto format = fields.object(name);
  if (!format.has_value()) return {};
  const auto type = format->text("type", kNameBytesMax);
  if (!type.has_value()) {
    format->refuse("type", "is missing");
    return {};
  }
  if (*type == "text") return {};
  if (*type == "json_object") return {.kind = ResponseKind::kJsonObject};
  if (*type != "json_schema") {
    format->refuse("type", R"(must be "text", "json_object" or "json_schema")");
    return {};
  }
  if (form == FormatForm::kFlat) return read_schema(*format);
  const auto nested = format->object("json_schema");
  if (nested.has_value()) return read_schema(*nested);
  format->refuse("json_schema", "is missing");
  return {};
}

}  // namespace cairn
