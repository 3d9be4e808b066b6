#include "cli/chat_options.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "cli/option_groups.h"
#include "cli/template_options.h"

namespace cairn {

void add_chat_options(CLI::App& app, ChatOptions& options) {
  app.add_option("--system", options.system, "The system message")->type_name("TEXT");
  add_template_options(app, options.chat_template, options.template_variables);
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
  add_tier_options(app, options.common.tiers);
  add_endless_option(app, options.common.context);
  add_explain_option(app, options.explains);
  add_sampling_options(app, options.settings.sampling);
}

}  // namespace cairn
