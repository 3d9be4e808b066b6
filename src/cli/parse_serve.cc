// The parsers of cairn serve and cairn explain.
#include <fmt/format.h>

#include <charconv>
#include <cstdlib>

#include "base/printable.h"
#include "cli/config_file.h"
#include "cli/help_text.h"
#include "cli/option_groups.h"
#include "cli/option_values.h"
#include "cli/parse_with.h"
#include "cli/serve.h"
#include "cli/template_options.h"
#include "server/openai/call_limits.h"

namespace cairn {
namespace {

constexpr const char* kWho = "Who may use it";
constexpr const char* kLimits = "Limits";
constexpr const char* kLogs = "Logs and metrics";

void add_address_options(CLI::App& app, ServeOptions& options) {
  app.add_option("--host", options.host, "Address to listen on (default: 127.0.0.1, this machine alone)")
      ->type_name("ADDRESS");
  app.add_option("--port", options.port, "Port; 0: any that is free (default: 8080)")
      ->check(CLI::Range(0, 65535).description(""))
      ->type_name("N");
  app.add_option("--name", options.name, "What clients call the model (default: its file's name, or demo)")
      ->type_name("NAME");
  add_config_option(app, options.config);
  app.add_flag("--check-config", options.only_checks, "Check the options and the files they name, and end");
}

// Absent: 0, no limit.
std::optional<int64_t> parse_pace(const std::string& text) {
  int64_t percent = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), percent);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  if (is_number && percent == 0) return std::nullopt;
  if (is_number && kLeastPace <= percent && percent <= kMostPace) return percent;
  throw CLI::ValidationError("--pace", fmt::format("'{}' is no pace: {} to {} percent, or 0 for no limit",
                                                   text, kLeastPace, kMostPace));
}

void add_engine_options(CLI::App& app, ServeOptions& options) {
  take_count(app.add_option("--parallel", options.parallel, "Texts that run at once (default: 16)"), 1, 1024);
  take_count(app.add_option("--queue", options.queue,
                            "Texts that may wait; more are answered with 429 (default: 1024)"),
             0, 1 << 20);
  app.add_option_function<std::string>(
         "--pace", [&options](const std::string& text) { options.pace = parse_pace(text); },
         fmt::format("How long a step may take while texts are being written, in percent of a step without "
                     "prompts: {} or more; 0: no limit (default: {})",
                     kLeastPace, kUsualPace))
      ->type_name("PERCENT");
  add_template_options(app, options.chat_template, options.template_variables);
}

void add_access_options(CLI::App& app, ServeOptions& options) {
  app.add_option("--api-keys", options.api_keys,
                 "File of keys (cairn key new makes one); read again on SIGHUP")
      ->type_name("FILE")
      ->group(kWho);
  app.add_flag("--allow-anybody", options.allows_anybody,
               "Listen on an address that others reach, without keys: anybody may use the server")
      ->group(kWho);
  app.add_flag("--share-across-tenants", options.shares_across_tenants,
               "Let tenants find each other's prompts in the cache. RISK: how fast a reply comes then tells "
               "a tenant "
               "whether another has sent the same text")
      ->group(kWho);
  app.add_option("--tls-cert", options.tls_certificate, "Certificate and its chain (PEM): serves https")
      ->type_name("FILE")
      ->group(kWho);
  app.add_option("--tls-key", options.tls_key, "The certificate's private key (PEM)")
      ->type_name("FILE")
      ->group(kWho);
  app.add_option(
         "--cors-origin", options.cors_origins,
         "A site whose pages may use this server: https://chat.example.org; may be given several times")
      ->allow_extra_args(false)
      ->type_name("ORIGIN")
      ->group(kWho);
  app.add_option("--allowed-host", options.allowed_hosts,
                 "A further name that this server answers to without keys; may be given several times")
      ->allow_extra_args(false)
      ->type_name("NAME")
      ->group(kWho);
}

void add_seconds(CLI::App& app, const std::string& name, double& value, const std::string& help) {
  // Not by a range of CLI11, which lets "nan" pass.
  const auto is_duration = [](const std::string& text) {
    const double seconds = std::strtod(text.c_str(), nullptr);
    return seconds >= 0.01 && seconds <= 86400 ? std::string()
                                               : "'" + text + "' is no time: 0.01 to 86400 seconds";
  };
  app.add_option(name, value, help)
      ->check(CLI::Validator(is_duration, ""))
      ->type_name("SECONDS")
      ->group(kLimits);
}

void add_limit_options(CLI::App& app, ServeOptions& options) {
  app.add_option_function<std::string>(
         "--max-body",
         [&options](const std::string& text) {
           options.body_bytes_max = value_or_throw("--max-body", parse_byte_count(text));
           if (options.body_bytes_max == 0 || options.body_bytes_max > kBodyBytesMax) {
             throw CLI::ValidationError("--max-body",
                                        "'" + text + "' is no limit of a body: 1 byte to 64MiB");
           }
         },
         "Bytes of a request's body at most (default: 16MiB)")
      ->type_name("SIZE")
      ->group(kLimits);
  CLI::Option* connections = app.add_option("--max-connections", options.connections_max,
                                            "Connections at once at most (default: 1024)");
  take_count(connections, 1, 1 << 20);
  connections->group(kLimits);
  add_seconds(app, "--header-timeout", options.header_seconds, "Time for a request's head (default: 10)");
  add_seconds(app, "--body-timeout", options.body_seconds, "Time for a request's body (default: 60)");
  add_seconds(app, "--idle-timeout", options.idle_seconds,
              "Time between requests of a connection (default: 75)");
  add_seconds(app, "--write-timeout", options.write_seconds,
              "Time in which a client must read some of its reply (default: 30)");
  add_seconds(app, "--grace", options.grace_seconds,
              "Time that texts have to end after SIGTERM (default: 30)");
}

void add_log_options(CLI::App& app, ServeOptions& options) {
  app.add_option_function<std::string>(
         "--log-format",
         [&options](const std::string& name) {
           const auto format = log_format_from_name(name);
           if (!format) throw CLI::ValidationError("--log-format", "'" + name + "' is none: text or json");
           options.log_format = *format;
         },
         "A line for each request on standard error, as text or json (default: text)")
      ->type_name("text|json")
      ->group(kLogs);
  app.add_option_function<std::string>(
         "--log-level",
         [&options](const std::string& name) {
           const auto level = log_level_from_name(name);
           if (!level) {
             throw CLI::ValidationError("--log-level",
                                        "'" + name + "' is none: debug, info, warning or error");
           }
           options.log_level = *level;
         },
         "From which level on lines are logged: debug, info, warning, error (default: info)")
      ->type_name("LEVEL")
      ->group(kLogs);
  app.add_flag_callback(
         "--log-prompts", [&options] { options.log_prompts = LogPrompts::kLogged; },
         "Also log the text of prompts and replies")
      ->group(kLogs);
  app.add_flag("--metrics-by-tenant", options.metrics_by_tenant, "Name tenants in /metrics")->group(kLogs);
}

// As a browser sends it: https://chat.example.org, with a port perhaps, and nothing behind it.
bool is_origin(std::string_view text) {
  const size_t scheme_end = text.find("://");
  if (text == "*") return true;
  if (scheme_end == std::string_view::npos || scheme_end == 0) return false;
  const std::string_view host = text.substr(scheme_end + 3);
  return !host.empty() && host.find_first_of("/?#@ ") == std::string_view::npos;
}

Status check_serve(const ServeOptions& options) {
  if (options.name.has_value() && options.name->empty()) {
    return invalid_argument("--name is what clients call the model: it cannot be empty");
  }
  for (const std::string& origin : options.cors_origins) {
    if (is_origin(origin)) continue;
    return invalid_argument(fmt::format(
        "--cors-origin '{}' is no origin: write https://chat.example.org, without a path, or * for "
        "the pages of all sites",
        printable(origin)));
  }
  if (options.tls_certificate.has_value() != options.tls_key.has_value()) {
    return invalid_argument("--tls-cert and --tls-key go together: name both files");
  }
  if (options.common.storage != KvStorageKind::kPaged) {
    return invalid_argument("cairn serve needs the paged cache: leave --cache out");
  }
  if (is_endless(options.common))
    return invalid_argument("cairn serve has no --endless: name a context with -c");
  return {};
}

}  // namespace

Result<Command> parse_serve(Arguments arguments) {
  auto command = parse_with_config<ServeOptions>(
      "cairn serve", "Serves a model to many, by OpenAI's and Ollama's interfaces, and a page at /.",
      kServeExamples, arguments, [](CLI::App& app, ServeOptions& options) {
        add_address_options(app, options);
        add_common_options(app, options.common);
        add_storage_options(app, options.common);
        add_speculate_options(app, options.common);
        add_tier_options(app, options.common.tiers);
        add_engine_options(app, options);
        add_access_options(app, options);
        add_limit_options(app, options);
        add_log_options(app, options);
      });
  if (!command.ok()) return command;
  if (const auto* options = std::get_if<ServeOptions>(&*command))
    CAIRN_RETURN_IF_ERROR(check_serve(*options));
  return command;
}

Result<Command> parse_explain(Arguments arguments) {
  auto command = parse_with<ExplainOptions>(
      "cairn explain", "Says why a prompt was processed again, as the server remembers it.", kExplainExamples,
      arguments, [](CLI::App& app, ExplainOptions& options) {
        app.add_option("ID", options.id, "The id of a reply (chatcmpl-...), or last");
        app.add_option("--url", options.url, "The server (default: http://127.0.0.1:8080)")->type_name("URL");
        app.add_option("--api-key", options.api_key, "The key that the request had (default: $CAIRN_API_KEY)")
            ->type_name("KEY");
        add_json_option(app, options.output_form);
      });
  if (!command.ok()) return command;
  const auto* options = std::get_if<ExplainOptions>(&*command);
  if (options != nullptr && options->id.empty()) {
    return invalid_argument("cairn explain needs the id of a reply, or last");
  }
  return command;
}

}  // namespace cairn
