// --chat-template and --template-var.
#pragma once

#include <string>
#include <utility>

#include "cairn/status.h"
#include "text/conversation_start.h"

namespace cairn {

// A name of chat_form_names(), or a file. kInvalidArgument: neither.
Result<ChatForm> chosen_chat_form(const std::string& name_or_file);

// "NAME=VALUE": true and false, whole numbers, else text, which may stand in double quotes.
Result<std::pair<std::string, TemplateVariable>> parse_template_variable(const std::string& text);

}  // namespace cairn
