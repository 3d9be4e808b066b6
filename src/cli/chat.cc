#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "base/local_time.h"
#include "base/printable.h"
#include "cli/chat_command.h"
#include "cli/chat_turns.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/line_editor.h"
#include "cli/line_history.h"
#include "cli/open_model.h"
#include "cli/template_options.h"
#include "cli/terminal_input.h"
#include "cli/tier_options.h"
#include "cli/transcript.h"

namespace cairn {
namespace {

// No shell has read the name.
std::string with_home(const std::string& path) {
  const char* home = std::getenv("HOME");
  return path.starts_with("~/") && home != nullptr ? home + path.substr(1) : path;
}

// Lines in, words to the model, commands obeyed.
class Chat {
 public:
  Chat(ChatTurns& turns, LineSource& lines, Interrupt& interrupt, Console& console)
      : turns_(turns), lines_(lines), interrupt_(interrupt), console_(console) {}

  // `asks`: a prompt is written before each line, for a person whose terminal has no editor.
  void ask_for_lines() { asks_ = true; }

  ExitCode run();

 private:
  enum class After : uint8_t { kGoOn, kLeave };
  Result<After> obey(const ChatLine& line);
  Result<After> obey_line(const std::string& text);
  Status set_system(const std::string& text);
  Status save(const std::string& file);
  Status load(const std::string& file);
  void undo();

  ChatTurns& turns_;
  LineSource& lines_;
  Interrupt& interrupt_;
  Console& console_;
  bool asks_ = false;
  bool is_a_person_ = ::isatty(STDIN_FILENO) == 1;
  std::set<std::string> own_files_;  // saved or loaded here: they may be replaced
};

ExitCode Chat::run() {
  using Event = LineSource::Event;
  std::string line;
  bool leaves_next = false;  // one Ctrl-C at the prompt was noticed
  while (console_.out_status().ok()) {
    interrupt_.clear();
    if (interrupt_.must_end()) break;  // behind clear(): a signal from here on wakes the wait
    if (asks_) console_.ask("> ");
    const Event event = lines_.read(line);
    if (event == Event::kEnd || interrupt_.must_end() || (event == Event::kInterrupted && leaves_next)) break;
    leaves_next = event == Event::kInterrupted;
    if (leaves_next) console_.note("(Ctrl-C again, or Ctrl-D, leaves)");
    if (event != Event::kLine || line.find_first_not_of(" \t\r\n") == std::string::npos) continue;
    const auto after = obey_line(line);
    if (after.ok() && *after == After::kLeave) break;
    if (after.ok()) continue;
    console_.error(after.status());
    // A person reads the error and goes on; a script needs the exit code.
    if (!is_a_person_) return exit_code_of(after.status());
  }
  if (asks_) console_.note("");
  return interrupt_.must_end() ? ExitCode::kInterrupted : ExitCode::kDone;
}

Result<Chat::After> Chat::obey_line(const std::string& text) {
  CAIRN_ASSIGN_OR_RETURN(const ChatLine line, parse_chat_line(text));
  return obey(line);
}

Result<Chat::After> Chat::obey(const ChatLine& line) {
  Status status;
  switch (line.command) {
    case ChatCommand::kSay: status = turns_.say(line.argument); break;
    case ChatCommand::kHelp: console_.note(chat_command_help()); break;
    case ChatCommand::kExit: return After::kLeave;
    case ChatCommand::kReset:
      turns_.conversation().reset();
      console_.note("(a new conversation)");
      break;
    case ChatCommand::kUndo: undo(); break;
    case ChatCommand::kAgain: status = turns_.again(); break;
    case ChatCommand::kSystem: status = set_system(line.argument); break;
    case ChatCommand::kSet:
      if (line.argument.empty()) {
        console_.note(turns_.describe_settings() +
                      "  template-var       NAME=VALUE, a variable of the template");
      } else {
        status = turns_.set(line.argument);
      }
      break;
    case ChatCommand::kEndless: status = turns_.go_endless(); break;
    case ChatCommand::kStats: console_.note(turns_.describe_state()); break;
    case ChatCommand::kSave: status = save(with_home(line.argument)); break;
    case ChatCommand::kLoad: status = load(with_home(line.argument)); break;
  }
  CAIRN_RETURN_IF_ERROR(status);
  return After::kGoOn;
}

void Chat::undo() {
  const auto question = turns_.conversation().undo();
  console_.note(question.has_value() ? fmt::format("(taken back: {})", printable(*question))
                                     : "(there is no question to take back)");
}

Status Chat::set_system(const std::string& text) {
  Conversation& conversation = turns_.conversation();
  if (text.empty()) {
    const auto& system = conversation.system();
    console_.note(system.has_value() ? *system : "(there is no system message)");
    return {};
  }
  CAIRN_RETURN_IF_ERROR(conversation.set_system(text == "-" ? std::nullopt : std::optional(text)));
  if (text == "-") {
    console_.note("(no system message from here on)");
  } else if (conversation.system_place() == SystemPlace::kFirstQuestion) {
    console_.note(fmt::format("({})", kSystemInFirstQuestion));
  } else {
    console_.note("(the system message is set)");
  }
  return {};
}

Status Chat::save(const std::string& file) {
  std::error_code ignored;
  if (std::filesystem::exists(file, ignored) && !own_files_.contains(file)) {
    return invalid_argument(
        fmt::format("{} is there already: nothing was written; choose another name", printable_path(file)));
  }
  const Conversation& conversation = turns_.conversation();
  CAIRN_RETURN_IF_ERROR(save_transcript(file, {conversation.system(), conversation.messages()}));
  own_files_.insert(file);
  console_.note(
      fmt::format("({} messages written to {})", conversation.messages().size(), printable_path(file)));
  return {};
}

Status Chat::load(const std::string& file) {
  CAIRN_ASSIGN_OR_RETURN(const Transcript transcript, load_transcript(file));
  Conversation& conversation = turns_.conversation();
  CAIRN_RETURN_IF_ERROR(conversation.set_messages(transcript.system, transcript.messages));
  own_files_.insert(file);
  const auto& messages = conversation.messages();
  const bool waits = !messages.empty() && messages.back().role == "user";
  console_.note(fmt::format("({} messages; {})", messages.size(),
                            waits ? "/again replies to the last question" : "go on"));
  return {};
}

ExitCode chat_with(ChatTurns& turns, const ChatOptions& options, Interrupt& interrupt, EarlyKeys& early_keys,
                   Console& console) {
  LineHistory history(options.keeps_history && ::isatty(STDIN_FILENO) == 1
                          ? history_path(std::getenv("XDG_STATE_HOME"), std::getenv("HOME"))
                          : std::nullopt);
  if (!history.status().ok() && options.shows_choices) {
    console.note(fmt::format("(what is typed is not kept: {})", history.status().message()));
  }
  const auto editor =
      LineEditor::create(STDIN_FILENO, {STDERR_FILENO, STDOUT_FILENO}, interrupt.fd(), history);
  if (editor == nullptr) early_keys.give_back();
  LineReader reader(STDIN_FILENO, interrupt.fd());
  LineSource& lines = editor != nullptr ? static_cast<LineSource&>(*editor) : reader;
  Chat chat(turns, lines, interrupt, console);
  if (editor == nullptr && ::isatty(STDIN_FILENO) == 1) chat.ask_for_lines();
  return chat.run();
}

}  // namespace

Result<ExitCode> run_chat(const ChatOptions& options, Console& console) {
  ConversationStart start{
      .system = options.system, .variables = options.template_variables, .now = local_time_now()};
  if (options.chat_template.has_value()) {
    CAIRN_ASSIGN_OR_RETURN(start.chosen, chosen_chat_form(*options.chat_template));
  }
  EarlyKeys early_keys(STDIN_FILENO);
  CAIRN_ASSIGN_OR_RETURN(const OpenModel opened, open_model(options.common, console));
  start.model_template = opened.model->chat_template();
  CAIRN_ASSIGN_OR_RETURN(auto started, start_conversation(opened.model->tokenizer(), start));
  CAIRN_ASSIGN_OR_RETURN(ChatEngine chat, ChatEngine::create(opened));
  for (const std::string& note : started.notes) console.note(fmt::format("({})", with_flags(note)));
  Interrupt interrupt(Interrupt::SecondTime::kIsTheSame);
  ChatTurns turns({chat, console, interrupt}, std::move(started.conversation), options.settings,
                  options.explains ? std::optional(sharing_of(options.common)) : std::nullopt);
  if (options.shows_choices) {
    console.note(describe_choices(opened, opened.engine_options, chat.engine().cache()) +
                 fmt::format(", seed {}", *turns.settings().sampling.seed));
  }
  Result<ExitCode> code = chat_with(turns, options, interrupt, early_keys, console);
  flush_tiers(chat.engine(), opened.engine_options.tiers, console);
  return code;
}

}  // namespace cairn
