#include <fmt/format.h>
#include <unistd.h>

#include <ctime>

#include "cli/commands.h"
#include "cli/console.h"
#include "cli/conversation.h"
#include "cli/match_words.h"
#include "cli/open_model.h"
#include "cli/reply.h"
#include "cli/terminal_input.h"

namespace cairn {
namespace {

CivilTime local_time_now() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  return {.year = local.tm_year + 1900,
          .month = local.tm_mon + 1,
          .day = local.tm_mday,
          .hour = local.tm_hour,
          .minute = local.tm_min,
          .second = local.tm_sec};
}

// The conversation's turns over one engine. Its session keeps the rows of earlier turns.
class Chat {
 public:
  Chat(const ChatOptions& options, Engine& engine, Conversation conversation, Console& console)
      : options_(options),
        seed_(options.sampling.seed.value_or(fresh_seed())),
        engine_(engine),
        conversation_(std::move(conversation)),
        console_(console),
        asks_(::isatty(STDIN_FILENO) == 1) {}

  [[nodiscard]] uint64_t seed() const { return seed_; }

  ExitCode run() {
    LineReader reader(STDIN_FILENO, interrupt_.fd());
    std::string line;
    bool leaves_next = false;  // one Ctrl-C at the prompt was noticed
    while (console_.out_status().ok()) {
      interrupt_.clear();
      if (asks_) console_.ask("> ");
      const LineReader::Event event = reader.read(line);
      if (event == LineReader::Event::kEnd || (event == LineReader::Event::kInterrupted && leaves_next))
        break;
      leaves_next = event == LineReader::Event::kInterrupted;
      if (leaves_next) {
        console_.note("\n(Ctrl-C again, or Ctrl-D, leaves)");
        continue;
      }
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      if (line == "/reset") {
        reset();
        continue;
      }
      const Status status = turn(line);
      // A person reads the error and goes on; a script needs the exit code.
      if (!status.ok() && !asks_) return exit_code_of(status);
    }
    if (asks_) console_.note("");
    return ExitCode::kDone;
  }

 private:
  void reset() {
    conversation_.reset();
    console_.note("(a new conversation)");
  }

  Status turn(const std::string& line) {
    conversation_.add_user(line);
    const auto reply = next_reply();
    if (reply.ok()) {
      conversation_.add_assistant(reply->text);
      console_.write("\n");
      console_.note(describe_statistics(*reply));
      if (options_.explains) {
        console_.note(
            explain_match(reply->result.stats.match, conversation_.tokenizer(), sharing_of(options_.common)));
      }
      return {};
    }
    conversation_.drop_last();
    console_.error(reply.status());
    if (conversation_.message_count() > 1) console_.note("(/reset begins a new conversation)");
    return reply.status();
  }

  Result<Reply> next_reply() {
    CAIRN_ASSIGN_OR_RETURN(auto prompt, conversation_.prompt());
    Request request{.prompt = std::move(prompt), .max_tokens = options_.max_tokens};
    apply_sampling(options_.sampling, seed_, request);
    for (std::string& stop : conversation_.stop_strings()) request.stop_strings.push_back(std::move(stop));
    request.session = session_;
    return run_reply({engine_, console_, interrupt_}, std::move(request), {});
  }

  const ChatOptions& options_;
  uint64_t seed_;
  Engine& engine_;
  SessionId session_ = *engine_.open_session();
  Conversation conversation_;
  Console& console_;
  Interrupt interrupt_{Interrupt::SecondTime::kIsTheSame};
  bool asks_;
};

}  // namespace

Result<ExitCode> run_chat(const ChatOptions& options, Console& console) {
  CAIRN_ASSIGN_OR_RETURN(const OpenModel opened, open_model(options.common, console));
  CAIRN_ASSIGN_OR_RETURN(
      auto conversation,
      Conversation::create(opened.model->tokenizer(), {.chat_template = opened.model->chat_template(),
                                                       .system = options.system,
                                                       .now = local_time_now()}));
  const EngineOptions& engine_choices = opened.engine_options;
  CAIRN_ASSIGN_OR_RETURN(const auto engine, Engine::create(opened.model, *opened.threads, engine_choices));
  if (!conversation.has_template()) {
    console.note(
        "This model has no chat template: turns are written as \"User: ...\" and \"Assistant: ...\" lines.");
  }
  Chat talk(options, *engine, std::move(conversation), console);
  console.note(describe_choices(opened, engine_choices, engine->cache()) +
               fmt::format(", seed {}", talk.seed()));
  return talk.run();
}

}  // namespace cairn
