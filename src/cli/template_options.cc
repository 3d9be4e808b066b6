#include "cli/template_options.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <charconv>
#include <fstream>
#include <sstream>

#include "base/printable.h"
#include "cli/option_groups.h"
#include "cli/option_values.h"
#include "text/named_templates.h"

namespace cairn {
namespace {

std::string template_names() {
  std::string names;
  for (const NamedTemplate& each : named_templates()) names += std::string(each.name) + ", ";
  return names + "plain";
}

Status no_such_template(const std::string& chosen) {
  const auto names = chat_form_names();
  std::string message = fmt::format("--chat-template: there is no file '{}', and no template of that name",
                                    printable_path(chosen));
  if (const auto nearest = nearest_name(chosen, names))
    message += fmt::format("; did you mean {}?", *nearest);
  return invalid_argument(message + fmt::format(" (names: {})", fmt::join(names, ", ")));
}

}  // namespace

void add_template_options(CLI::App& app, std::optional<std::string>& chat_template,
                          std::vector<std::pair<std::string, TemplateVariable>>& variables) {
  app.add_option("--chat-template", chat_template,
                 "A Jinja file, or one of " + template_names() + " (default: the model's own)")
      ->type_name("FILE|NAME");
  app.add_option_function<std::vector<std::string>>(
         "--template-var",
         [&variables](const std::vector<std::string>& texts) {
           for (const std::string& text : texts) {
             variables.push_back(value_or_throw("--template-var", parse_template_variable(text)));
           }
         },
         "A variable of the template: enable_thinking=false; may be given several times")
      ->allow_extra_args(false)
      ->type_name("NAME=VALUE");
}

// A name first: a file of the same name can be written as ./chatml.
Result<ChatForm> chosen_chat_form(const std::string& name_or_file) {
  if (auto named = find_chat_form(name_or_file)) return *std::move(named);
  std::ifstream file(name_or_file, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  std::string source = std::move(text).str();
  if (!file.is_open()) return no_such_template(name_or_file);
  if (file.bad() || source.empty()) {
    return invalid_argument(fmt::format("--chat-template: the file {} cannot be read, or is empty",
                                        printable_path(name_or_file)));
  }
  return ChatForm{std::move(source), std::nullopt};
}

Result<std::pair<std::string, TemplateVariable>> parse_template_variable(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos) {
    return invalid_argument(
        fmt::format("'{}' is no NAME=VALUE, as in enable_thinking=false", printable(text)));
  }
  std::string name = text.substr(0, equals);
  CAIRN_RETURN_IF_ERROR(ChatTemplate::check_variable_name(name));
  const std::string value = text.substr(equals + 1);
  if (value == "true" || value == "false")
    return std::pair{std::move(name), TemplateVariable(value == "true")};
  int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error == std::errc() && end == value.data() + value.size()) {
    return std::pair{std::move(name), TemplateVariable(number)};
  }
  const bool is_quoted = value.size() >= 2 && value.starts_with('"') && value.ends_with('"');
  return std::pair{std::move(name), TemplateVariable(is_quoted ? value.substr(1, value.size() - 2) : value)};
}

}  // namespace cairn
