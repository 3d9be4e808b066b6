#include "cli/chat_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/printable.h"
#include "cli/option_values.h"

namespace cairn {
namespace {

enum class Argument : uint8_t { kNone, kOptional, kNeeded };

struct CommandName {
  std::string_view name;
  ChatCommand command;
  Argument argument;
  std::string_view shown;  // with its argument; empty: another name for the one before
  std::string_view help;
};

constexpr std::array<CommandName, 18> kNames{{
    {"/?", ChatCommand::kHelp, Argument::kNone, "/?", "this list"},
    {"/help", ChatCommand::kHelp, Argument::kNone, "", ""},
    {"/exit", ChatCommand::kExit, Argument::kNone, "/exit", "leave (also Ctrl-D)"},
    {"/quit", ChatCommand::kExit, Argument::kNone, "", ""},
    {"/bye", ChatCommand::kExit, Argument::kNone, "", ""},
    {"/reset", ChatCommand::kReset, Argument::kNone, "/reset", "begin a new conversation"},
    {"/new", ChatCommand::kReset, Argument::kNone, "", ""},
    {"/clear", ChatCommand::kReset, Argument::kNone, "", ""},
    {"/undo", ChatCommand::kUndo, Argument::kNone, "/undo", "take the last question and its reply back"},
    {"/again", ChatCommand::kAgain, Argument::kNone, "/again", "another reply to the last question"},
    {"/retry", ChatCommand::kAgain, Argument::kNone, "", ""},
    {"/regen", ChatCommand::kAgain, Argument::kNone, "", ""},
    {"/system", ChatCommand::kSystem, Argument::kOptional, "/system [TEXT]",
     "show the system message, or set it (- removes it)"},
    {"/set", ChatCommand::kSet, Argument::kOptional, "/set [NAME VALUE]", "show the settings, or change one"},
    {"/endless", ChatCommand::kEndless, Argument::kNone, "/endless",
     "go on past the context: from here on only the first few and the last tokens are seen"},
    {"/stats", ChatCommand::kStats, Argument::kNone, "/stats",
     "the last reply's statistics, and how full the context is"},
    {"/save", ChatCommand::kSave, Argument::kNeeded, "/save FILE", "write the conversation to a file"},
    {"/load", ChatCommand::kLoad, Argument::kNeeded, "/load FILE", "go on with the conversation in a file"},
}};

constexpr std::string_view kBlanks = " \t\r\n";

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

Status no_such_command(std::string_view word) {
  std::vector<std::string> names;
  for (const CommandName& each : kNames) {
    names.emplace_back(each.name);
  }
  std::string message = fmt::format("there is no command {}", printable(word));
  if (const auto nearest = nearest_name(word, names)) message += fmt::format("; did you mean {}?", *nearest);
  return invalid_argument(
      message + " (/? lists them; a line for the model that begins with a slash is written with two)");
}

}  // namespace

Result<ChatLine> parse_chat_line(std::string_view text) {
  const std::string_view line = trimmed(text);
  if (!line.starts_with('/')) return ChatLine{ChatCommand::kSay, std::string(text)};
  if (text.starts_with("//")) return ChatLine{ChatCommand::kSay, std::string(text.substr(1))};
  const std::string_view word = line.substr(0, line.find_first_of(kBlanks));
  const std::string_view argument = trimmed(line.substr(word.size()));
  const auto* known = std::ranges::find(kNames, lowered(word), &CommandName::name);
  if (known == kNames.end() && !text.starts_with('/')) return ChatLine{ChatCommand::kSay, std::string(text)};
  // Several lines are a text that was pasted, unless a system message may have them.
  const bool is_system = known != kNames.end() && known->command == ChatCommand::kSystem;
  if (line.find('\n') != std::string_view::npos && !is_system)
    return ChatLine{ChatCommand::kSay, std::string(text)};
  if (known == kNames.end()) return no_such_command(word);
  if (known->argument == Argument::kNone && !argument.empty()) {
    return invalid_argument(fmt::format("{} takes no argument", word));
  }
  if (known->argument == Argument::kNeeded && argument.empty()) {
    return invalid_argument(fmt::format("this needs an argument: {}", known->shown));
  }
  return ChatLine{known->command, std::string(argument)};
}

std::string chat_command_help() {
  std::string text;
  for (const CommandName& each : kNames) {
    if (!each.shown.empty()) text += fmt::format("  {:18} {}\n", each.shown, each.help);
  }
  return text +
         "A line that begins with // is sent with one slash. On a terminal, Alt-Enter or a backslash at the "
         "end of a\n"
         "line goes on with the message in the next line, and what is pasted is one message. Ctrl-C stops a "
         "reply.";
}

}  // namespace cairn
