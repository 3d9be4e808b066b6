#include "text/chat_template.h"

#include <algorithm>
#include <array>

#include "base/printable.h"
#include "text/jinja/interpreter.h"

namespace cairn {

namespace {

using jinja::Value;

Result<Value> value_of(std::span<const ChatMessage> messages) {
  jinja::Items items;
  for (const ChatMessage& message : messages) {
    CAIRN_ASSIGN_OR_RETURN(Value item,
                           Value::dict({{Value::string("role"), Value::string(message.role)},
                                        {Value::string("content"), Value::string(message.content)}}));
    items.push_back(std::move(item));
  }
  return Value::sequence(jinja::SequenceKind::kList, std::move(items));
}

struct ValueOfVariable {
  Value operator()(bool flag) const { return Value::boolean(flag); }
  Value operator()(int64_t number) const { return Value::integer(number); }
  Value operator()(const std::string& text) const { return Value::string(text); }
};

// What render() gives every template, and the language's own names.
constexpr std::array<std::string_view, 17> kGivenVariables{
    "loop",      "true",         "false",
    "none",      "True",         "False",
    "None",      "namespace",    "raise_exception",
    "range",     "strftime_now", "messages",
    "tools",     "documents",    "add_generation_prompt",
    "bos_token", "eos_token"};

bool is_word_character(char c) {
  return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

}  // namespace

Result<ChatTemplate> ChatTemplate::parse(std::string_view source) {
  CAIRN_ASSIGN_OR_RETURN(jinja::Template parsed, jinja::Template::parse(source));
  return ChatTemplate(std::make_shared<const jinja::Template>(std::move(parsed)), source);
}

Status ChatTemplate::check_variable_name(std::string_view name) {
  const bool is_word =
      !name.empty() && std::ranges::all_of(name, is_word_character) && !(name[0] >= '0' && name[0] <= '9');
  if (!is_word) {
    return invalid_argument("'" + printable(name) +
                            "' is no name of a template variable: letters, digits and _ make one");
  }
  if (std::ranges::count(kGivenVariables, name) == 0) return {};
  return invalid_argument("the template variable '" + std::string(name) + "' is set by the chat itself");
}

bool ChatTemplate::mentions(std::string_view name) const {
  const std::string_view source = *source_;
  const auto is_outside = [&](size_t at) { return at >= source.size() || !is_word_character(source[at]); };
  for (size_t at = source.find(name); at != std::string_view::npos; at = source.find(name, at + 1)) {
    if ((at == 0 || is_outside(at - 1)) && is_outside(at + name.size())) return true;
  }
  return false;
}

Result<std::string> ChatTemplate::render(std::span<const ChatMessage> messages,
                                         const ChatTemplateOptions& options) const {
  CAIRN_ASSIGN_OR_RETURN(const Value conversation, value_of(messages));
  return render(conversation, Value::none(), options);
}

Result<std::string> ChatTemplate::render(const Value& messages, const Value& tools,
                                         const ChatTemplateOptions& options) const {
  jinja::Template::Environment environment;
  environment.now = options.now;
  auto& variables = environment.variables;
  variables.emplace_back("messages", messages);
  // Templates are published for callers that always pass these two: defined, and None where there are none.
  variables.emplace_back("tools", tools);
  variables.emplace_back("documents", Value::none());
  variables.emplace_back("add_generation_prompt", Value::boolean(options.add_generation_prompt));
  if (options.bos_token) variables.emplace_back("bos_token", Value::string(*options.bos_token));
  if (options.eos_token) variables.emplace_back("eos_token", Value::string(*options.eos_token));
  for (const auto& [name, variable] : options.variables) {
    variables.emplace_back(name, std::visit(ValueOfVariable(), variable));
  }
  return template_->render(environment);
}

}  // namespace cairn
