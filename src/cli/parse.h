// The command line: arguments in, one command's options out, or text to show, or what is wrong.
//
// Always true: it touches nothing but its arguments, and never prints. An error names the argument, and the
// nearest name where one was misspelt.
#pragma once

#include <span>
#include <string>
#include <variant>

#include "cairn/status.h"
#include "cli/bench.h"
#include "cli/bench_serve.h"
#include "cli/cache.h"
#include "cli/commands.h"
#include "cli/plan.h"
#include "cli/serve.h"

namespace cairn {

// Text that was requested: help or the version.
struct ShowText {
  std::string text;
};

using Command = std::variant<ShowText, GenerateOptions, ChatOptions, TokenizeOptions, ModelInfoOptions,
                             ModelSynthOptions, PlanOptions, VerifyOptions, BenchOptions, BenchServeOptions,
                             KeyOptions, CacheOptions, ServeOptions, ExplainOptions>;

// `arguments`: without the program's name. Errors: kInvalidArgument.
Result<Command> parse_command(std::span<const std::string> arguments);

}  // namespace cairn
