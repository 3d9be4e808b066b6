// A model's chat template: the small program, in Jinja, that turns a conversation into the one text
// that the model was trained to continue.
//
// Always true: a parsed template is immutable, so one may serve any number of threads at once; its
// nesting, steps and bytes are bounded (jinja/budget.h), so a hostile one ends in a Status, never
// in a crash or a hang. It reads no clock: the time of `strftime_now` is an argument.
// The language is the subset of Jinja that published chat templates use, with the settings and extras
// under which they are published: trim_blocks, lstrip_blocks, break/continue, raise_exception,
// strftime_now, tojson without ASCII escapes.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/chat_message.h"
#include "cairn/status.h"

namespace cairn {

namespace jinja {
class Template;
class Value;
}  // namespace jinja

struct ChatTemplateOptions {
  bool add_generation_prompt = true;     // end with what opens the assistant's turn
  std::optional<std::string> bos_token;  // absent: undefined in the template
  std::optional<std::string> eos_token;
  std::optional<CivilTime> now;  // absent: the template has no strftime_now, and uses its fixed date
  // Further variables that a family's template reads, e.g. {"enable_thinking", false}.
  std::vector<std::pair<std::string, TemplateVariable>> variables;
};

class ChatTemplate {
 public:
  static Result<ChatTemplate> parse(std::string_view source);
  // kInvalidArgument: no name that a template can read, or one that every template is given (messages, bos_token, ...).
  static Status check_variable_name(std::string_view name);

  // Whether the name stands anywhere in the template, as a word.
  [[nodiscard]] bool mentions(std::string_view name) const;

  // kInvalidArgument if the template itself refuses the conversation (raise_exception), kInvalidData if the
  // template is at fault, kResourceExhausted if it exceeds a limit.
  [[nodiscard]] Result<std::string> render(std::span<const ChatMessage> messages,
                                           const ChatTemplateOptions& options) const;
  // Of messages with all that a template can read of them (text/reply/chat_values.h); `tools` may be none.
  [[nodiscard]] Result<std::string> render(const jinja::Value& messages, const jinja::Value& tools,
                                           const ChatTemplateOptions& options) const;

 private:
  ChatTemplate(std::shared_ptr<const jinja::Template> parsed, std::string_view source)
      : template_(std::move(parsed)), source_(std::make_shared<const std::string>(source)) {}

  std::shared_ptr<const jinja::Template> template_;
  std::shared_ptr<const std::string> source_;
};

}  // namespace cairn
