#include "text/chat_template.h"

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

}  // namespace

Result<ChatTemplate> ChatTemplate::parse(std::string_view source) {
  CAIRN_ASSIGN_OR_RETURN(jinja::Template parsed, jinja::Template::parse(source));
  return ChatTemplate(std::make_shared<const jinja::Template>(std::move(parsed)));
}

Result<std::string> ChatTemplate::render(std::span<const ChatMessage> messages,
                                         const ChatTemplateOptions& options) const {
  CAIRN_ASSIGN_OR_RETURN(Value conversation, value_of(messages));
  jinja::Template::Environment environment;
  environment.now = options.now;
  auto& variables = environment.variables;
  variables.emplace_back("messages", std::move(conversation));
  // Templates are published for callers that always pass these two: defined, and None.
  variables.emplace_back("tools", Value::none());
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
