// What the parsers of all commands share. Used by parse.cc and its neighbours parse_*.cc only.
#pragma once

#include <CLI/App.hpp>
#include <CLI/Config.hpp>     // an App is made here: it makes both of these, and
#include <CLI/Formatter.hpp>  // clang looks for their virtual tables elsewhere unless it sees them
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/parse.h"

namespace cairn {

using Arguments = std::span<const std::string>;  // those behind the command's name

Result<Command> parse_bench(Arguments arguments);
Result<Command> parse_bench_serve(Arguments arguments);
Result<Command> parse_plan(Arguments arguments);
Result<Command> parse_serve(Arguments arguments);
Result<Command> parse_explain(Arguments arguments);
Result<Command> parse_key(Arguments arguments);
Result<Command> parse_cache(Arguments arguments);
std::vector<std::string> cache_subcommand_names();

// `message`, and the nearest of `names` where one is near.
[[nodiscard]] std::string with_nearest(const std::string& message, std::string_view word,
                                       std::span<const std::string> names);
// Runs a parser that has been set up; it fills what is in `command`.
Result<Command> run_parser(CLI::App& app, Arguments arguments, const Command& command);
// Whether the options that all commands share go together.
Status check_options(const CommonOptions& options);

// The parsers fill the options that stand in `command`, so it is copied only when they are done.
template <typename Options, typename AddOptions>
Result<Command> parse_with(const std::string& name, const std::string& what, const char* examples,
                           Arguments arguments, const AddOptions& add_options,
                           Result<Command> (*run)(CLI::App&, Arguments, const Command&) = run_parser) {
  CLI::App app(what, name);
  app.footer(examples);
  app.option_defaults()->group("Options");
  Command command = Options{};
  add_options(app, std::get<Options>(command));
  auto parsed = run(app, arguments, command);
  if (!parsed.ok() || !std::holds_alternative<Options>(*parsed)) return parsed;
  if constexpr (requires(const Options& options) { options.common; }) {
    CAIRN_RETURN_IF_ERROR(check_options(std::get<Options>(*parsed).common));
  }
  if constexpr (requires(const Options& options) { options.sampling; }) {
    CAIRN_RETURN_IF_ERROR(check_sampling(std::get<Options>(*parsed).sampling));
  }
  if constexpr (requires(const Options& options) { options.settings.sampling; }) {
    CAIRN_RETURN_IF_ERROR(check_sampling(std::get<Options>(*parsed).settings.sampling));
  }
  return parsed;
}

}  // namespace cairn
