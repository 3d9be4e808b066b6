// cairn serve and cairn explain: their options, and the functions that run them. Plain data, filled by the parser.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "server/log.h"

namespace cairn {

// Every option has the same name in a configuration file (--config), without its dashes.
struct ServeOptions {
  CommonOptions common;
  std::string host = "127.0.0.1";   // --host
  int port = 8080;                  // --port; 0: any that is free
  std::optional<std::string> name;  // --name: of the model; absent: its file's name, or "demo"
  int64_t parallel = 16;            // --parallel: texts that run at once
  int64_t queue = 1024;             // --queue: texts that may wait
  // --pace: how long a step may take, in percent of one without prompts; 0: any (absent)
  std::optional<int64_t> pace = kUsualPace;
  std::optional<std::string> chat_template;                                  // --chat-template
  std::vector<std::pair<std::string, TemplateVariable>> template_variables;  // --template-var

  std::optional<std::string> config;  // --config; its options have been taken

  std::optional<std::string> api_keys;                  // --api-keys
  bool allows_anybody = false;                          // --allow-anybody
  bool shares_across_tenants = false;                   // --share-across-tenants
  std::optional<std::string> tls_certificate, tls_key;  // --tls-cert, --tls-key
  std::vector<std::string> cors_origins;                // --cors-origin
  std::vector<std::string> allowed_hosts;               // --allowed-host

  uint64_t body_bytes_max = uint64_t{16} << 20;  // --max-body
  int64_t connections_max = 1024;                // --max-connections
  double header_seconds = 10, body_seconds = 60, idle_seconds = 75, write_seconds = 30;
  double grace_seconds = 30;  // --grace: how long running texts may go on after SIGTERM

  LogFormat log_format = LogFormat::kText;        // --log-format
  LogLevel log_level = LogLevel::kInfo;           // --log-level
  LogPrompts log_prompts = LogPrompts::kLeftOut;  // --log-prompts
  bool metrics_by_tenant = false;                 // --metrics-by-tenant

  bool only_checks = false;  // --check-config: the options are looked at, nothing is served
};

// Serves until SIGTERM or Ctrl-C, then finishes what runs; a second signal ends it at once. SIGHUP reads the keys and the
// certificate again. kInterrupted only where the second signal came.
Result<ExitCode> run_serve(const ServeOptions& options, Console& console);

// cairn explain: why a prompt was processed again, as a server remembers it.
struct ExplainOptions {
  std::string id;  // of a reply, or "last"
  std::string url = "http://127.0.0.1:8080";
  std::optional<std::string> api_key;  // --api-key; absent: $CAIRN_API_KEY
  OutputForm output_form = OutputForm::kText;
};

Result<ExitCode> run_explain(const ExplainOptions& options, Console& console);

}  // namespace cairn
