// The conversation that a chat begins with: which template writes it, and what is used where that one does not run.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "text/conversation.h"

namespace cairn {

// How a conversation is written.
struct ChatForm {
  std::optional<std::string> source;       // Jinja; absent: plain lines
  std::optional<std::string> end_of_turn;  // as ConversationOptions::end_of_turn
};

// "plain", and those of named_templates().
[[nodiscard]] std::vector<std::string> chat_form_names();
[[nodiscard]] std::optional<ChatForm> find_chat_form(std::string_view name);

// Calls `make` with the forms that a chat may be written in until it takes one: `chosen`, or is an error
// (kInvalidArgument); else the model's own template; where that does not run, the named one that it resembles, else
// plain lines, and a note says so.
Status try_forms(const std::optional<std::string>& model_template, const std::optional<ChatForm>& chosen,
                 const std::function<Status(const ChatForm&)>& make, std::vector<std::string>& notes);

struct ConversationStart {
  std::optional<std::string> model_template;  // what the model brings
  std::optional<ChatForm> chosen;             // in place of it: `chat_template`
  std::optional<std::string> system;
  std::vector<std::pair<std::string, TemplateVariable>> variables;
  std::optional<CivilTime> now;
};

struct StartedConversation {
  Conversation conversation;
  std::vector<std::string> notes;  // what is not as the model's maker wrote it, without a full stop
};

// The note on a system message that SystemPlace::kFirstQuestion moves.
inline constexpr const char* kSystemInFirstQuestion =
    "the chat template has no system message: yours goes into the first question";

// The note on a variable that Conversation::reads_variable does not find.
[[nodiscard]] std::string unread_variable(std::string_view name);

// In the first form of try_forms that runs.
Result<StartedConversation> start_conversation(const Tokenizer& tokenizer, const ConversationStart& start);

}  // namespace cairn
