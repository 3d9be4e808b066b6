#include "cli/chat_options.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "cli/option_groups.h"
#include "cli/template_options.h"
#include "text/named_templates.h"

namespace cairn {
namespace {

std::string template_names() {
  std::string names;
  for (const NamedTemplate& each : named_templates()) names += std::string(each.name) + ", ";
  return names + "plain";
}

void add_template_options(CLI::App& app, ChatOptions& options) {
  app.add_option("--system", options.system, "The system message")->type_name("TEXT");
  app.add_option("--chat-template", options.chat_template,
                 "A Jinja file, or one of " + template_names() + " (default: the model's own)")
      ->type_name("FILE|NAME");
  app.add_option_function<std::vector<std::string>>(
         "--template-var",
         [&options](const std::vector<std::string>& texts) {
           for (const std::string& text : texts) {
             options.template_variables.push_back(
                 value_or_throw("--template-var", parse_template_variable(text)));
           }
         },
         "A variable of the template: enable_thinking=false; may be given several times")
      ->allow_extra_args(false)
      ->type_name("NAME=VALUE");
}

}  // namespace

void add_chat_options(CLI::App& app, ChatOptions& options) {
  add_template_options(app, options);
  add_token_limit_option(app, options.settings.max_tokens, 1,
                         "Tokens of a reply at most (default: -1, no limit)");
  app.add_option_function<std::string>(
         "--when-full",
         [&options](const std::string& name) {
           options.settings.when_full = value_or_throw("--when-full", parse_when_full(name));
         },
         "Where the context is full: drop the oldest turns, or stop (default: drop)")
      ->type_name("drop|stop");
  app.add_flag_callback(
      "-q,--quiet",
      [&options] {
        options.shows_choices = false;
        options.common.shows_notes = false;
        options.settings.shows_statistics = false;
      },
      "No statistics, no notes on the model, and no line about what was chosen");
  app.add_flag_callback(
      "--no-history", [&options] { options.keeps_history = false; },
      "Do not keep what is typed for later runs");
  add_common_options(app, options.common);
  add_storage_options(app, options.common);
  add_endless_option(app, options.common.context);
  add_explain_option(app, options.explains);
  add_sampling_options(app, options.settings.sampling);
}

}  // namespace cairn
