// cairn key new and cairn key list.
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <array>

#include "base/printable.h"
#include "cli/help_text.h"
#include "cli/option_groups.h"
#include "cli/parse_with.h"

namespace cairn {
namespace {

// "write weight=2, a number ...", of the keys file, is "write --weight 2, a number ..." here.
std::string as_options_have_it(const Status& status, const std::string& name) {
  std::string words = status.message();
  const std::string written = name + "=";
  if (const size_t at = words.find(written); at != std::string::npos) {
    words.replace(at, written.size(), "--" + name + " ");
  }
  return words;
}

// An option whose value is a setting of the keys file, by the same name.
void add_setting(CLI::App& app, KeyOptions& options, const std::string& name, const char* type_name,
                 const char* help) {
  app.add_option_function<std::string>(
         "--" + name,
         [&options, name](const std::string& value) {
           const Status status = take_key_setting(name + "=" + value, options.tenant);
           if (!status.ok()) throw CLI::ValidationError("--" + name, as_options_have_it(status, name));
         },
         help)
      ->type_name(type_name);
}

Result<Command> parse_key_new(Arguments arguments) {
  auto command = parse_with<KeyOptions>(
      "cairn key new", "Makes an API key for the server, and shows it once.", kKeyExamples, arguments,
      [](CLI::App& app, KeyOptions& options) {
        app.add_option("NAME", options.tenant.name, "Whose key it is: letters, digits, '.', '_', '-'");
        app.add_option("--file", options.file, "Add its line to this file, which is made if there is none")
            ->type_name("FILE");
        add_setting(app, options, "weight", "N",
                    "Share of the machine beside others, 1 to 1000 (default: 1)");
        add_setting(app, options, "kv", "SIZE", "Most memory of the cache: 2GiB, ... (default: no limit)");
        add_setting(app, options, "requests", "RATE",
                    "Most requests in a time: 60/min, ... (default: no limit)");
        add_setting(app, options, "tokens", "RATE",
                    "Most tokens of prompts and replies in a time: 100000/min, ... (default: no limit)");
        add_setting(app, options, "concurrent", "N", "Most requests at once (default: no limit)");
        app.add_flag_callback(
            "--metrics", [&options] { options.tenant.metrics = MetricsAccess::kAll; },
            "May read the server's metrics, which count all tenants");
      });
  if (!command.ok()) return command;
  const auto* options = std::get_if<KeyOptions>(&*command);
  if (options == nullptr) return command;
  if (options->tenant.name.empty()) {
    return invalid_argument("cairn key new needs a name: cairn key new alice");
  }
  if (const Status status = check_tenant_name(options->tenant.name); !status.ok()) {
    return invalid_argument(fmt::format("'{}': {}", printable(options->tenant.name), status.message()));
  }
  return command;
}

Result<Command> parse_key_list(Arguments arguments) {
  auto command =
      parse_with<KeyOptions>("cairn key list", "Shows whose keys a file has, and what each may take.",
                             kKeyExamples, arguments, [](CLI::App& app, KeyOptions& options) {
                               options.what = KeyOptions::What::kList;
                               app.add_option("FILE", options.file, "The keys file");
                             });
  if (!command.ok()) return command;
  const auto* options = std::get_if<KeyOptions>(&*command);
  if (options != nullptr && !options->file.has_value()) {
    return invalid_argument("cairn key list needs the name of the keys file: cairn key list keys.txt");
  }
  return command;
}

}  // namespace

Result<Command> parse_key(Arguments arguments) {
  const std::string what = arguments.empty() ? "" : arguments.front();
  if (what == "new") return parse_key_new(arguments.subspan(1));
  if (what == "list") return parse_key_list(arguments.subspan(1));
  if (what == "--help" || what == "-h") {
    return Command(ShowText{std::string("API keys for the server.\nUsage: cairn key new [options] NAME\n"
                                        "       cairn key list FILE\n\n") +
                            kKeyExamples + "\n"});
  }
  const std::array<std::string, 2> names{"new", "list"};
  if (what.empty())
    return invalid_argument("cairn key needs to know what: cairn key new NAME, or key list FILE");
  return invalid_argument(
      with_nearest("cairn key does not know '" + what + "': write cairn key new NAME, or cairn key list FILE",
                   what, names));
}

}  // namespace cairn
