// The conversation that a chat begins with: which template writes it, and what is used where that one does not run.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "cli/conversation.h"

namespace cairn {

struct ConversationStart {
  std::optional<std::string> model_template;  // what the model brings
  std::optional<std::string> chosen;  // --chat-template: a file, a name of named_templates(), or "plain"
  std::optional<std::string> system;
  std::vector<std::pair<std::string, TemplateVariable>> variables;
  std::optional<CivilTime> now;
};

struct StartedConversation {
  Conversation conversation;
  std::vector<std::string> notes;  // each a line: what is not as the model's maker wrote it
};

// Where the model's own template does not run, the named one that it resembles is used, else plain lines, and a note
// says so. What was chosen is used or is an error: kInvalidArgument, kNotFound.
Result<StartedConversation> start_conversation(const Tokenizer& tokenizer, const ConversationStart& start);

// "NAME=VALUE" as --template-var takes it: true and false, whole numbers, else text, which may stand in double quotes.
Result<std::pair<std::string, TemplateVariable>> parse_template_variable(const std::string& text);

}  // namespace cairn
