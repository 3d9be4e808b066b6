// Conversation: the messages so far, and the token ids that prompt a model for its next turn.
//
// With the model's own chat template where it has one; else as "User: ... Assistant:" lines. The user's words
// never become control tokens of the model: an "<|im_end|>" in a message stays plain characters.
// Pure: it reads no clock and prints nothing.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/ids.h"
#include "cairn/status.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace cairn {

struct ConversationOptions {
  std::optional<std::string> chat_template;  // Jinja; absent: plain lines
  std::optional<std::string> system;
  std::optional<CivilTime> now;  // for templates that name the date
};

class Conversation {
 public:
  // Errors: those of ChatTemplate::parse, and of its rendering where it refuses a system message.
  static Result<Conversation> create(const Tokenizer& tokenizer, const ConversationOptions& options);

  [[nodiscard]] const Tokenizer& tokenizer() const { return tokenizer_; }
  [[nodiscard]] bool has_template() const { return template_.has_value(); }
  // Where a reply must end besides the model's end tokens.
  [[nodiscard]] std::vector<std::string> stop_strings() const;

  void add_user(std::string_view text);
  void add_assistant(std::string_view text);
  // Removes the last message (a user's whose turn failed).
  void drop_last();
  // Only the system message stays.
  void reset();
  [[nodiscard]] size_t message_count() const { return messages_.size(); }

  // The whole conversation up to where the assistant speaks next.
  [[nodiscard]] Result<std::vector<TokenId>> prompt() const;
  // Its text, as `prompt` makes ids of it.
  [[nodiscard]] Result<std::string> prompt_text() const;

 private:
  Conversation(const Tokenizer& tokenizer, const ConversationOptions& options);
  void add(const std::string& role, std::string_view text);
  [[nodiscard]] Result<std::string> render() const;
  [[nodiscard]] std::string plain_lines() const;
  [[nodiscard]] std::string_view name_of_mark(size_t index) const;

  Tokenizer tokenizer_;
  std::optional<ChatTemplate> template_;
  ChatTemplateOptions template_options_;
  std::optional<std::string> system_;
  std::vector<ChatMessage> messages_;       // with marks where control tokens' names were
  std::vector<std::string> control_names_;  // what the tokenizer would read as control tokens
  std::vector<std::string> marked_;         // the names that marks stand for
};

}  // namespace cairn
