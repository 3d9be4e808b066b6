// Conversation: the messages so far, and the token ids that prompt a model for its next turn.
//
// With the model's own chat template where it has one; else as "User: ... Assistant:" lines. The user's words
// never become control tokens of the model: an "<|im_end|>" in a message stays plain characters. A prompt begins with
// one BOS where the tokenizer adds one to a text, whether the template writes it or not.
// Pure: it reads no clock and prints nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/ids.h"
#include "cairn/status.h"
#include "text/chat_template.h"
#include "text/control_marks.h"
#include "text/tokenizer.h"

namespace cairn {

// Where a system message stands. Some templates refuse one of its own, or leave it out.
enum class SystemPlace : uint8_t { kOwnMessage, kFirstQuestion };

struct ConversationOptions {
  std::optional<std::string> chat_template;  // Jinja; absent: plain lines
  std::optional<std::string> end_of_turn;    // closes a reply, where the vocabulary may have no token for it
  std::optional<std::string> system;
  std::vector<std::pair<std::string, TemplateVariable>> variables;  // for the template
  std::optional<CivilTime> now;                                     // for templates that name the date
};

class Conversation {
 public:
  // Errors: those of ChatTemplate::parse, and of rendering two turns, with the system message as one of its own.
  static Result<Conversation> create(const Tokenizer& tokenizer, const ConversationOptions& options);

  [[nodiscard]] const Tokenizer& tokenizer() const { return marks_.tokenizer(); }
  [[nodiscard]] bool has_template() const { return template_.has_value(); }
  // Where a reply must end besides the model's end tokens.
  [[nodiscard]] std::vector<std::string> stop_strings() const;

  void add_user(std::string_view text);
  void add_assistant(std::string_view text);
  // Removes the last message (a user's whose turn failed; a reply that shall be made again).
  void drop_last();
  // Removes the last question and all that follows it, and returns it; absent where there is none.
  std::optional<std::string> undo();
  // Only the system message stays.
  void reset();
  // Absent: no system message. Where the template refuses one of its own or leaves it out, it goes into the first
  // question. An error, and no change, where it fails with that too.
  Status set_system(const std::optional<std::string>& text);
  [[nodiscard]] const std::optional<std::string>& system() const { return system_; }
  [[nodiscard]] SystemPlace system_place() const { return system_place_; }
  // Whether a variable of this name can matter: the template mentions it.
  [[nodiscard]] bool reads_variable(std::string_view name) const;
  // In place of one of the same name. An error, and no change, where the name is none or the template's own, and
  // where the template fails with it.
  Status set_variable(const std::string& name, const TemplateVariable& value);

  // All messages but the system message, those that are not sent any more included.
  [[nodiscard]] const std::vector<ChatMessage>& messages() const { return messages_; }
  // In place of all others. An error, and no change, where the template fails with them.
  Status set_messages(const std::optional<std::string>& system, const std::vector<ChatMessage>& messages);

  // The oldest question that is sent, and what follows it up to the next question, will not be sent any more. False
  // where there is no next question.
  bool forget_oldest_turn();
  [[nodiscard]] size_t forgotten_message_count() const { return first_sent_; }

  // The whole conversation up to where the assistant speaks next.
  [[nodiscard]] Result<std::vector<TokenId>> prompt() const;
  // Its text, as `prompt` makes ids of it; without the BOS that the tokenizer adds.
  [[nodiscard]] Result<std::string> prompt_text() const;

 private:
  Conversation(const Tokenizer& tokenizer, const ConversationOptions& options);
  void add(const std::string& role, std::string_view text);
  Status try_two_turns();
  [[nodiscard]] bool writes_system() const;
  [[nodiscard]] std::vector<ChatMessage> sent_messages() const;
  [[nodiscard]] Result<std::string> render() const;

  ControlMarks marks_;
  std::optional<ChatTemplate> template_;
  ChatTemplateOptions template_options_;
  std::optional<std::string> end_of_turn_;
  std::optional<std::string> system_;
  std::string marked_system_;
  SystemPlace system_place_ = SystemPlace::kOwnMessage;
  std::vector<ChatMessage> messages_;
  std::vector<std::string> marked_texts_;  // of messages_, with marks where control tokens' names were
  size_t first_sent_ = 0;                  // of messages_
};

}  // namespace cairn
