#include "cli/config_file.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/printable.h"
#include "base/text_file.h"
#include "cli/option_values.h"

namespace cairn {
namespace {

// What only a command line says.
constexpr std::array<std::string_view, 3> kOnlyArguments{"config", "check-config", "help"};

Status wrong(const std::string& file, int64_t line, const std::string& what) {
  return invalid_argument(fmt::format("{}:{}: {}", printable_path(file), line, what));
}

bool is_flag(const CLI::Option& option) { return option.get_items_expected_max() == 0; }
bool is_list(const CLI::Option& option) { return option.get_items_expected_max() > 1; }

std::vector<std::string> long_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      if (std::ranges::find(kOnlyArguments, name) == kOnlyArguments.end()) names.push_back(name);
    }
  }
  return names;
}

// A TOML value as a word of a command line.
std::optional<std::string> word_of(const toml::node& value) {
  if (const auto* text = value.as_string()) return text->get();
  if (const auto* number = value.as_integer()) return fmt::format("{}", number->get());
  if (const auto* number = value.as_floating_point()) return fmt::format("{}", number->get());
  return std::nullopt;
}

// Appends the arguments that a value stands for; else what to write instead.
std::optional<std::string> add_words(const CLI::Option& option, const std::string& name,
                                     const toml::node& value, std::vector<std::string>& words) {
  const std::string argument = "--" + name;
  if (is_flag(option)) {
    const auto* flag = value.as_boolean();
    if (flag == nullptr) return fmt::format("{} is a flag: write {} = true", name, name);
    if (flag->get()) words.push_back(argument);
    return std::nullopt;
  }
  if (value.is_boolean()) return fmt::format("{} takes a value, not true or false", name);
  if (const auto* list = value.as_array()) {
    if (!is_list(option)) return fmt::format("{} takes one value, not a list", name);
    for (const toml::node& each : *list) {
      const auto word = word_of(each);
      if (!word.has_value()) return fmt::format("the list {} takes texts and numbers only", name);
      words.insert(words.end(), {argument, *word});
    }
    return std::nullopt;
  }
  const auto word = word_of(value);
  if (!word.has_value()) return fmt::format("{} takes a text in quotes or a number", name);
  // In two words: a value may be empty, or begin with a dash.
  words.insert(words.end(), {argument, *word});
  return std::nullopt;
}

// The value, where `word` is a long option that brings it along.
std::optional<std::string> attached_value(const std::string& word) {
  const size_t equals = word.find('=');
  if (!word.starts_with("--") || equals == std::string::npos) return std::nullopt;
  return word.substr(equals + 1);
}

const CLI::Option* option_of(const CLI::App& app, const std::string& word) {
  if (word.starts_with("--")) return app.get_option_no_throw(word.substr(0, word.find('=')));
  return word.size() >= 2 && word[0] == '-' ? app.get_option_no_throw(word.substr(0, 2)) : nullptr;
}

// What the arguments give, as CLI11 will read them.
struct Given {
  std::set<const CLI::Option*> options;
  std::optional<std::string> config_path;
};

Given given_by(const CLI::App& app, Arguments arguments) {
  Given given;
  for (size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
    const CLI::Option* option = option_of(app, arguments[i]);
    if (option == nullptr) continue;
    given.options.insert(option);
    if (is_flag(*option)) continue;
    std::optional<std::string> value = attached_value(arguments[i]);
    const bool is_attached_to_short = !arguments[i].starts_with("--") && arguments[i].size() > 2;
    if (!value.has_value() && !is_attached_to_short && i + 1 < arguments.size()) value = arguments[++i];
    if (option->check_lname("config")) given.config_path = value;
  }
  return given;
}

// Whether the command line has decided what `option` says in the file.
bool is_decided(const CLI::Option& option, const Given& given) {
  if (given.options.contains(&option)) return true;
  const std::set<CLI::Option*> excluded = option.get_excludes();
  return std::ranges::any_of(excluded, [&](const auto* other) { return given.options.contains(other); });
}

bool is_about(const std::string& message, const CLI::Option& option) {
  return std::ranges::any_of(option.get_lnames(), [&](const std::string& name) {
    const std::string argument = "--" + name;
    return message.starts_with(argument + ":") || message.starts_with(argument + " ");
  });
}

}  // namespace

void add_config_option(CLI::App& app, std::optional<std::string>& path) {
  app.add_option(
         "--config", path,
         "These options in a TOML file, by their long names: port = 8080. The command line comes first")
      ->type_name("FILE");
}

Result<std::vector<ConfigEntry>> config_entries(std::string_view text, const std::string& file,
                                                const CLI::App& app) {
  toml::table table;
  try {
    table = toml::parse(text, file);
  } catch (const toml::parse_error& error) {
    return wrong(file, error.source().begin.line, printable(error.description(), 300));
  }
  const std::vector<std::string> names = long_names(app);
  std::vector<ConfigEntry> entries;
  for (const auto& [key, value] : table) {
    ConfigEntry entry{.name = std::string(key.str()), .line = key.source().begin.line};
    if (std::ranges::find(kOnlyArguments, entry.name) != kOnlyArguments.end()) {
      return wrong(file, entry.line, entry.name + " belongs on the command line only");
    }
    const CLI::Option* option = app.get_option_no_throw("--" + entry.name);
    if (value.is_table()) {
      return wrong(file, entry.line,
                   fmt::format("[{}] is a table: options stand in the file by themselves, outside of tables",
                               printable(entry.name)));
    }
    if (option == nullptr) {
      return wrong(file, entry.line,
                   with_nearest(fmt::format("{} has no option '{}'", app.get_name(), printable(entry.name)),
                                entry.name, names));
    }
    const auto problem = add_words(*option, entry.name, value, entry.words);
    if (problem.has_value()) return wrong(file, entry.line, *problem);
    entries.push_back(std::move(entry));
  }
  std::ranges::stable_sort(entries, {}, &ConfigEntry::line);
  return entries;
}

Result<std::vector<ConfigEntry>> read_config_file(const std::string& path, const CLI::App& app) {
  constexpr size_t kMost = size_t{1} << 20;
  CAIRN_ASSIGN_OR_RETURN(const TextFile file, read_text_file(path, kMost));
  return config_entries(file.text, path, app);
}

Result<Command> run_parser_with_config(CLI::App& app, Arguments arguments, const Command& command) {
  const Given given = given_by(app, arguments);
  const bool asks_for_help = given.options.contains(app.get_help_ptr());
  if (!given.config_path.has_value() || asks_for_help) return run_parser(app, arguments, command);
  CAIRN_ASSIGN_OR_RETURN(std::vector<ConfigEntry> entries, read_config_file(*given.config_path, app));
  std::erase_if(entries, [&](const ConfigEntry& entry) {
    return is_decided(*app.get_option_no_throw("--" + entry.name), given);
  });
  std::vector<std::string> words;
  for (const ConfigEntry& entry : entries) words.insert(words.end(), entry.words.begin(), entry.words.end());
  words.insert(words.end(), arguments.begin(), arguments.end());
  auto parsed = run_parser(app, words, command);
  if (parsed.ok()) return parsed;
  const std::string message = parsed.status().message();
  for (const ConfigEntry& entry : entries) {
    if (!is_about(message, *app.get_option_no_throw("--" + entry.name))) continue;
    return wrong(*given.config_path, entry.line, message);
  }
  return parsed;
}

}  // namespace cairn
