// Messages of a chat, from OpenAI's and Ollama's form. For the parsers of server/openai/ and server/ollama/.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/openai/field_reader.h"
#include "text/reply/chat_turn.h"

namespace cairn {

// Whose rules the messages follow.
enum class MessageRules : uint8_t {
  kOpenAi,  // a tool's answer names the call by its id; arguments are text
  kOllama,  // by the tool's name; arguments are an object
};

// The list `messages`; empty where it is absent.
[[nodiscard]] std::vector<ChatTurn> read_messages(const FieldReader& fields, MessageRules rules);

// The text of `name`: a string, or a list of parts, each with the "type" of a text; several are joined by a line break.
// Parts that are no text are refused. Absent: it is absent or null.
[[nodiscard]] std::optional<std::string> read_content(const FieldReader& fields, std::string_view name);

}  // namespace cairn
