// What a line of a chat is: words for the model, or a command of the program. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cairn/status.h"

namespace cairn {

enum class ChatCommand : uint8_t {
  kSay,  // the words go to the model
  kHelp,
  kExit,
  kReset,
  kUndo,
  kAgain,
  kSystem,
  kSet,
  kEndless,
  kStats,
  kSave,
  kLoad,
};

struct ChatLine {
  ChatCommand command = ChatCommand::kSay;
  std::string argument;  // the words; of a command, what stands behind its name
};

// A line that begins with a slash is a command, in capitals too; with two, it is words that begin with one. Behind
// blanks, only the name of a command makes one. Several lines are words, but for /system.
// kInvalidArgument: there is no such command, or it needs an argument or takes none.
Result<ChatLine> parse_chat_line(std::string_view line);

// What /? shows.
[[nodiscard]] std::string chat_command_help();

}  // namespace cairn
