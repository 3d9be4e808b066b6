#include "cli/parse_with.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <array>

#include "cli/foreign_words.h"
#include "cli/option_values.h"

namespace cairn {
namespace {

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

// An option's first short and first long name; the others are aliases, which need no place in the help.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option_name(const CLI::Option* option, bool is_positional) const override {
    if (is_positional) return CLI::Formatter::make_option_name(option, is_positional);
    std::string names;
    if (!option->get_snames().empty()) names = "-" + option->get_snames().front();
    if (option->get_lnames().empty()) return names;
    return names + (names.empty() ? "--" : ",--") + option->get_lnames().front();
  }

  // CLI11 keeps what an option excludes in the order of addresses: it is named in the order of names.
  std::string make_option_opts(const CLI::Option* option) const override {
    std::string words = CLI::Formatter::make_option_opts(option);
    std::vector<std::string> excluded;
    for (const CLI::Option* other : option->get_excludes()) excluded.push_back(other->get_name());
    // A long list hides the help: the headings say it, and the error does.
    if (excluded.size() > 3) return words.substr(0, words.find(" Excludes:"));
    if (excluded.empty()) return words;
    std::ranges::sort(excluded);
    return words.substr(0, words.find(" Excludes:")) +
           fmt::format(" (not with {})", fmt::join(excluded, ", "));
  }
};

// Before the parser looks: it would take "-ngl" for -n with the value "gl". What follows -p and its like is text.
Status check_foreign_words(const CLI::App& app, Arguments arguments) {
  constexpr std::array<std::string_view, 4> kBeforeTexts{"-p", "--prompt", "--stop", "--system"};
  const std::vector<std::string> ours = option_names(app);
  bool is_text = false;
  for (const std::string& word : arguments) {
    const std::string name = word.substr(0, word.find('='));
    const auto hint = is_text ? std::nullopt : hint_for_option(name);
    if (hint.has_value() && std::ranges::find(ours, name) == ours.end()) {
      return invalid_argument(fmt::format("{} has no option '{}': {}", app.get_name(), name, *hint));
    }
    is_text = std::ranges::find(kBeforeTexts, word) != kBeforeTexts.end();
  }
  return {};
}

// CLI11 counts an option's values: "--temp: At Most 1 required but received 2".
std::string said_plainly(const std::string& message) {
  const size_t count = message.find(": At Most 1 required");
  return count == std::string::npos ? message
                                    : message.substr(0, count) + " is given more than once: give it once";
}

}  // namespace

std::string with_nearest(const std::string& message, std::string_view word,
                         std::span<const std::string> names) {
  const auto nearest = nearest_name(word, names);
  return nearest.has_value() ? message + "; did you mean " + *nearest + "?" : message;
}

Result<Command> run_parser(CLI::App& app, Arguments arguments, const Command& command) {
  CAIRN_RETURN_IF_ERROR(check_foreign_words(app, arguments));
  app.allow_extras();
  app.formatter(std::make_shared<HelpFormatter>());
  app.get_formatter()->column_width(34);
  app.get_formatter()->label("OPTIONS", "options");
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    return Command(ShowText{app.help()});
  } catch (const CLI::ParseError& error) {
    return invalid_argument(said_plainly(error.what()) + " (" + app.get_name() + " --help explains)");
  }
  const std::vector<std::string> unknown = app.remaining();
  if (unknown.empty()) return command;

  const auto option =
      std::ranges::find_if(unknown, [](const std::string& word) { return word.starts_with('-'); });
  const std::string& word = option == unknown.end() ? unknown.front() : *option;
  const std::string what = option == unknown.end() ? " expects no argument '" : " has no option '";
  const std::vector<std::string> names = option_names(app);
  const std::string message = app.get_name() + what + word + "'";
  if (option == unknown.end() && std::ranges::count(names, "--prompt") > 0) {
    return invalid_argument(message + ": write -p before a prompt");
  }
  if (option == unknown.end() && std::ranges::count(names, "--preset") > 0) {
    return invalid_argument(message +
                            ": write --preset before the name of a published shape, -m before a file");
  }
  return invalid_argument(with_nearest(message, word.substr(0, word.find('=')), names));
}

// A limit that nothing keeps would be a surprise, on a small machine a costly one.
Status check_options(const CommonOptions& options) {
  if (is_endless(options) && options.storage != KvStorageKind::kPaged) {
    return invalid_argument(fmt::format("--endless needs the paged cache: --cache {} forgets nothing",
                                        kv_storage_kind_name(options.storage)));
  }
  if (guesses_ahead(options) && options.storage == KvStorageKind::kNone) {
    return invalid_argument(
        "--speculate and --draft-model need a cache: with --cache none each guess costs a whole text");
  }
  const bool has_tiers = options.tiers.disk.has_value() || !options.tiers.remote.empty();
  if (options.tiers.load != LoadPolicy::kAuto && !has_tiers) {
    return invalid_argument(
        "--kv-load says whether blocks that are kept elsewhere are loaded: say where with --kv-disk or "
        "--kv-remote");
  }
  const bool shares = options.storage == KvStorageKind::kPaged && options.sharing == PrefixSharing::kOn;
  if (has_tiers && !shares) {
    return invalid_argument(
        "--kv-disk and --kv-remote keep what prompts share: leave --no-sharing and --cache out");
  }
  const bool is_sizable =
      options.storage == KvStorageKind::kPaged || options.storage == KvStorageKind::kGrowing;
  if (is_sizable || !options.kv_memory_bytes.has_value()) return {};
  return invalid_argument(
      fmt::format("--kv-memory limits the caches paged and growing; with --cache {} leave it out: {}",
                  kv_storage_kind_name(options.storage),
                  options.storage == KvStorageKind::kNone
                      ? "that keeps nothing between steps"
                      : "that takes memory for whole contexts, so a shorter --context limits it"));
}

}  // namespace cairn
