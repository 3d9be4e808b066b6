// --config FILE: a command's options in a TOML file, by their long names without dashes.
//
//   port = 8080                       # --port 8080
//   api-keys = "/etc/cairn/keys"      # --api-keys /etc/cairn/keys
//   cors-origin = ["https://a.example", "https://b.example"]    # an option that may be given several times
//   no-sharing = true                 # a flag; false is as if it were not there
//
// Always true: the entries become arguments before those of the command line and go through the same parser, so an option
// means the same in both; where the command line gives an option, or one that excludes it, the file's is left out. Names
// that are no options of the command are refused, with the nearest one; errors name the file and the line.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "cli/parse_with.h"

namespace cairn {

// --config, for commands that are parsed by parse_with_config.
void add_config_option(CLI::App& app, std::optional<std::string>& path);

// One entry of a file: the option's name without dashes, and the arguments that it stands for.
struct ConfigEntry {
  std::string name;
  int64_t line = 0;
  std::vector<std::string> words;  // "--port=8080"
};

// The entries of a TOML text for the options of `app`. `file` is for messages. Errors: kInvalidArgument.
Result<std::vector<ConfigEntry>> config_entries(std::string_view text, const std::string& file,
                                                const CLI::App& app);
// The same of a file of at most 1 MiB. Errors: also kNotFound.
Result<std::vector<ConfigEntry>> read_config_file(const std::string& path, const CLI::App& app);

// run_parser for a command with --config: with the file's entries before `arguments`.
Result<Command> run_parser_with_config(CLI::App& app, Arguments arguments, const Command& command);

// As parse_with, for a command that has --config (add_config_option).
template <typename Options, typename AddOptions>
Result<Command> parse_with_config(const std::string& name, const std::string& what, const char* examples,
                                  Arguments arguments, const AddOptions& add_options) {
  return parse_with<Options>(name, what, examples, arguments, add_options, run_parser_with_config);
}

}  // namespace cairn
