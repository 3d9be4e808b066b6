// cairn: parse, run, and an exit code. Nothing else of the program reads argv.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cli/console.h"
#include "cli/parse.h"

namespace cairn {
namespace {

Result<ExitCode> done_if_ok(const Status& status) {
  CAIRN_RETURN_IF_ERROR(status);
  return ExitCode::kDone;
}

struct Runner {
  Console& console;

  Result<ExitCode> operator()(const ShowText& show) const {
    console.write(show.text);
    return ExitCode::kDone;
  }
  Result<ExitCode> operator()(const GenerateOptions& options) const { return run_generate(options, console); }
  Result<ExitCode> operator()(const ChatOptions& options) const { return run_chat(options, console); }
  Result<ExitCode> operator()(const VerifyOptions& options) const { return run_verify(options, console); }
  Result<ExitCode> operator()(const TokenizeOptions& options) const {
    return done_if_ok(run_tokenize(options, console));
  }
  Result<ExitCode> operator()(const ModelInfoOptions& options) const {
    return done_if_ok(run_model_info(options, console));
  }
  Result<ExitCode> operator()(const ModelSynthOptions& options) const {
    return run_model_synth(options, console);
  }
  Result<ExitCode> operator()(const PlanOptions& options) const {
    return done_if_ok(run_plan(options, console));
  }
  Result<ExitCode> operator()(const BenchOptions& options) const { return run_bench(options, console); }
  Result<ExitCode> operator()(const BenchServeOptions& options) const {
    return run_bench_serve(options, console);
  }
  Result<ExitCode> operator()(const ServeOptions& options) const { return run_serve(options, console); }
  Result<ExitCode> operator()(const ExplainOptions& options) const { return run_explain(options, console); }
  Result<ExitCode> operator()(const CacheOptions& options) const { return run_cache(options, console); }
  Result<ExitCode> operator()(const KeyOptions& options) const { return run_key(options, console); }
};

bool is_dumb_terminal() {
  const char* term = std::getenv("TERM");
  return term != nullptr && std::string_view(term) == "dumb";
}

// A standard stream that is closed would be the first file that is opened: the model would be read as what a user typed.
// What is written to a closed standard output is an error.
void open_closed_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(stream, F_GETFD) != -1) continue;
    (void)open("/dev/null", stream == STDERR_FILENO ? O_WRONLY : O_RDONLY);
  }
}

// Every error of a command is printed here, once.
ExitCode run(const std::vector<std::string>& arguments, Console& console) {
  const auto command = parse_command(arguments);
  if (!command.ok()) {
    console.error(command.status());
    return ExitCode::kBadUsage;
  }
  const Result<ExitCode> code = std::visit(Runner{console}, *command);
  if (!code.ok()) console.error(code.status());
  if (!code.ok()) return exit_code_of(code.status());
  if (console.out_status().ok()) return *code;
  console.error(console.out_status());
  return ExitCode::kFailed;
}

}  // namespace
}  // namespace cairn

int main(int argc, char** argv) {
  using cairn::Console;
  cairn::open_closed_streams();
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error like any other: write() reports it
  Console console(
      std::getenv("NO_COLOR") != nullptr ? Console::Colours::kNever : Console::Colours::kOnTerminals,
      STDOUT_FILENO, STDERR_FILENO,
      cairn::is_dumb_terminal() ? Console::Commands::kAreIgnored : Console::Commands::kAreObeyed);
  try {
    const std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
    return static_cast<int>(cairn::run(arguments, console));
  } catch (const std::bad_alloc&) {
    console.error("out of memory: close other programs, or ask for less, such as a smaller --context");
  } catch (const std::exception& error) {  // Cairn throws none of its own; this one is a library's below it
    console.error(error.what());
  }
  return static_cast<int>(cairn::ExitCode::kFailed);
}
