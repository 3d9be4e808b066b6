// Plain lines: how turns are written for a model that has no chat template.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "cairn/chat_message.h"

namespace cairn {

// What a reply must not go on with: the model asks itself the next question.
inline constexpr std::string_view kPlainUserLine = "\nUser:";

// "User: ..." and "Assistant: ..." lines, up to where the assistant speaks next.
[[nodiscard]] inline std::string plain_lines(std::span<const ChatMessage> messages) {
  std::string text;
  for (const ChatMessage& message : messages) {
    if (message.role == "system") text += message.content + "\n\n";
    if (message.role == "user") text += "User: " + message.content + "\n";
    if (message.role == "assistant") text += "Assistant: " + message.content + "\n";
  }
  return text + "Assistant:";
}

}  // namespace cairn
