// cairn cache list, stats, verify, export, import, pin, unpin and clear.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <array>

#include "cli/cache_places.h"
#include "cli/help_text.h"
#include "cli/option_groups.h"
#include "cli/parse_with.h"

namespace cairn {
namespace {

using What = CacheOptions::What;

void add_disk_option(CLI::App& app, CacheOptions& options) {
  app.add_option("--kv-disk", options.disk, "The folder of kept blocks: --kv-disk of a run")
      ->type_name("DIR");
}

void add_remote_options(CLI::App& app, CacheOptions& options) {
  add_remote_store_options(app, options.remote, options.certificates, "Or a Redis server");
}

void add_keys_option(CLI::App& app, CacheOptions& options, const char* help) {
  app.add_option("--api-keys", options.api_keys, help)->type_name("FILE");
}

void add_owner_options(CLI::App& app, CacheOptions& options) {
  app.add_option("--tenant", options.tenant, "Only blocks of this tenant; needs --api-keys")
      ->type_name("NAME");
  add_keys_option(app, options, "The server's keys file, which has the tenant");
  app.add_option_function<std::string>(
         "--owner",
         [&options](const std::string& digits) {
           options.owner = value_or_throw("--owner", parse_owner(digits));
         },
         "Only blocks with this tag, as stats shows it: of a tenant whose key is gone")
      ->type_name("TAG");
}

void add_name_option(CLI::App& app, CacheOptions& options, const char* help) {
  app.add_option("--name", options.name, help)->type_name("NAME");
}

// Which text.
void add_text_choice(CLI::App& app, CacheOptions& options) {
  add_name_option(app, options, "The text of this name, as list shows it; or give the text itself:");
  add_text_options(app, options.prompt);
  add_token_list_option(app, "--prompt-tokens", options.prompt.tokens, "The text as token ids: 1,2,3");
  add_model_option(app, options.model_path);
  add_pre_option(app, options.tokenizer);
  add_owner_options(app, options);
}

void add_list_options(CLI::App& app, CacheOptions& options) {
  add_disk_option(app, options);
  add_owner_options(app, options);
  app.add_option(
         "-m,--model", options.model_path,
         "Show how the texts of this model begin: GGUF file or Hugging Face folder (without it: token ids)")
      ->type_name("PATH");
  add_pre_option(app, options.tokenizer);
  app.add_flag_callback(
      "--json", [&options] { options.output_form = OutputForm::kJson; },
      "Print a JSON object for each text, one a line");
}

void add_stats_options(CLI::App& app, CacheOptions& options) {
  add_disk_option(app, options);
  add_remote_options(app, options);
  add_keys_option(app, options, "The server's keys file: names the owners that it knows");
  add_json_option(app, options.output_form);
}

void add_verify_options(CLI::App& app, CacheOptions& options) { add_disk_option(app, options); }

void add_export_options(CLI::App& app, CacheOptions& options) {
  add_disk_option(app, options);
  add_text_choice(app, options);
  app.add_option("-o,--output", options.file, "The file to write")->type_name("FILE");
  app.add_flag("--force", options.replaces_file, "Replace the file where there is one");
}

void add_import_options(CLI::App& app, CacheOptions& options) {
  add_disk_option(app, options);
  app.add_option("FILE", options.file, "What export wrote");
}

void add_pin_options(CLI::App& app, CacheOptions& options) {
  add_disk_option(app, options);
  add_text_choice(app, options);
}

void add_clear_options(CLI::App& app, CacheOptions& options) {
  add_disk_option(app, options);
  add_remote_options(app, options);
  add_owner_options(app, options);
  add_name_option(app, options, "Only the text of this name, as list shows it");
  app.add_flag("--all", options.is_about_all, "All blocks of everybody");
  app.add_flag("--yes", options.is_sure, "Do not ask before all is erased");
}

struct Subcommand {
  std::string name;
  What what;
  const char* help;
  void (*add_options)(CLI::App& app, CacheOptions& options);
};

const std::array<Subcommand, 8>& subcommands() {
  static const std::array<Subcommand, 8> all{{
      {"list", What::kList, "Shows the texts of which blocks are kept, those that were used last first.",
       add_list_options},
      {"stats", What::kStats, "Shows how much is kept, of whom and of which models.", add_stats_options},
      {"verify", What::kVerify, "Reads and checks every block, and erases bad ones.", add_verify_options},
      {"export", What::kExport, "Writes what is kept of a text into a file, for other machines.",
       add_export_options},
      {"import", What::kImport, "Takes the blocks of an exported file.", add_import_options},
      {"pin", What::kPin, "Keeps a text's blocks whatever room others need.", add_pin_options},
      {"unpin", What::kUnpin, "Lets a text's blocks go again when room is needed.", add_pin_options},
      {"clear", What::kClear, "Erases blocks, so that no file has them any more.", add_clear_options},
  }};
  return all;
}

Status check_cache_options(const CacheOptions& options) {
  if (options.what != What::kStats && options.what != What::kClear && !options.disk.has_value()) {
    return invalid_argument("name the folder of kept blocks: --kv-disk DIR");
  }
  if (!options.disk.has_value() && options.remote.empty()) {
    return invalid_argument("say where blocks are kept: --kv-disk DIR or --kv-remote URL");
  }
  if (options.what == What::kExport && !options.file.has_value()) {
    return invalid_argument("cairn cache export needs the name of the file to write: -o FILE");
  }
  if (options.what == What::kImport && !options.file.has_value()) {
    return invalid_argument("cairn cache import needs the name of the file to read");
  }
  return {};
}

Result<Command> parse_subcommand(const Subcommand& subcommand, Arguments arguments) {
  auto command = parse_with<CacheOptions>("cairn cache " + subcommand.name, subcommand.help, kCacheExamples,
                                          arguments, [&](CLI::App& app, CacheOptions& options) {
                                            options.what = subcommand.what;
                                            subcommand.add_options(app, options);
                                          });
  if (!command.ok()) return command;
  if (const auto* options = std::get_if<CacheOptions>(&*command)) {
    CAIRN_RETURN_IF_ERROR(check_cache_options(*options));
  }
  return command;
}

std::string cache_help() {
  std::string text =
      "Looks into what is kept of the cache outside memory, and tends it.\nUsage: cairn cache SUBCOMMAND "
      "[options]\n\n";
  for (const Subcommand& each : subcommands()) {
    text += "  cairn cache " + each.name + std::string(8 - each.name.size(), ' ') + each.help + "\n";
  }
  return text + "\n" + kCacheExamples + "\n";
}

}  // namespace

std::vector<std::string> cache_subcommand_names() {
  std::vector<std::string> names;
  for (const Subcommand& each : subcommands()) names.push_back(each.name);
  return names;
}

Result<Command> parse_cache(Arguments arguments) {
  const std::string word = arguments.empty() ? "" : arguments.front();
  for (const Subcommand& each : subcommands()) {
    if (word == each.name) return parse_subcommand(each, arguments.subspan(1));
  }
  if (word == "--help" || word == "-h") return Command(ShowText{cache_help()});
  const std::string hint = "cairn cache --help lists what it can do";
  if (word.empty())
    return invalid_argument("cairn cache needs to know what, as in cairn cache list: " + hint);
  return invalid_argument(
      with_nearest("cairn cache does not know '" + word + "': " + hint, word, cache_subcommand_names()));
}

}  // namespace cairn
