// cairn key new and cairn key list.
#include <fmt/format.h>

#include "base/printable.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/keys_file.h"
#include "cli/output_format.h"

namespace cairn {
namespace {

Result<ExitCode> run_key_new(const KeyOptions& options, Console& console) {
  CAIRN_ASSIGN_OR_RETURN(const std::string key, make_key());
  TenantConfig config = options.tenant;
  config.key_hash = hash_of_key(key);
  if (options.file.has_value()) {
    CAIRN_ASSIGN_OR_RETURN(const std::vector<std::string> notes, add_key_line(*options.file, config));
    for (const std::string& note : notes) console.note(note);
  }
  console.write(key + "\n");
  if (!options.file.has_value()) {
    console.note("the line for the keys file:");
    console.note(key_line(config));
  } else {
    console.note(fmt::format("{} is in {}: the key is shown this once, so keep it", config.name,
                             printable_path(*options.file)));
  }
  return ExitCode::kDone;
}

Result<ExitCode> run_key_list(const KeyOptions& options, Console& console) {
  CAIRN_ASSIGN_OR_RETURN(const LoadedKeys loaded, KeyTable::load(*options.file));
  for (const std::string& note : loaded.notes) console.note(note);
  Table table({{"name"},
               {"weight", Align::kRight},
               {"kv", Align::kRight},
               {"requests", Align::kRight},
               {"tokens", Align::kRight},
               {"concurrent", Align::kRight},
               {"metrics"}});
  const auto rate = [](const std::optional<Rate>& of) { return of.has_value() ? rate_text(*of) : "-"; };
  for (const TenantConfig& tenant : loaded.table->tenants()) {
    table.add_row({tenant.name, fmt::format("{}", tenant.weight),
                   tenant.kv_quota_bytes.has_value() ? human_bytes(*tenant.kv_quota_bytes) : "-",
                   rate(tenant.requests), rate(tenant.tokens),
                   tenant.concurrent.has_value() ? fmt::format("{}", *tenant.concurrent) : "-",
                   tenant.metrics == MetricsAccess::kAll ? "yes" : "no"});
  }
  console.write(table.aligned());
  return ExitCode::kDone;
}

}  // namespace

Result<ExitCode> run_key(const KeyOptions& options, Console& console) {
  return options.what == KeyOptions::What::kNew ? run_key_new(options, console)
                                                : run_key_list(options, console);
}

}  // namespace cairn
