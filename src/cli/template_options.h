// --chat-template and --template-var.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "text/conversation_start.h"

namespace CLI {
class App;
}  // namespace CLI

namespace cairn {

// Adds both options to a parser; what they fill must live until it is done.
void add_template_options(CLI::App& app, std::optional<std::string>& chat_template,
                          std::vector<std::pair<std::string, TemplateVariable>>& variables);

// A name of chat_form_names(), or a file. kInvalidArgument: neither.
Result<ChatForm> chosen_chat_form(const std::string& name_or_file);

// "NAME=VALUE": true and false, whole numbers, else text, which may stand in double quotes.
Result<std::pair<std::string, TemplateVariable>> parse_template_variable(const std::string& text);

}  // namespace cairn
