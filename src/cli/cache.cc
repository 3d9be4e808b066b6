#include "cli/cache.h"

namespace cairn {

Result<ExitCode> run_cache(const CacheOptions& options, Console& console) {
  using What = CacheOptions::What;
  switch (options.what) {
    case What::kList: return run_cache_list(options, console);
    case What::kStats: return run_cache_stats(options, console);
    case What::kVerify: return run_cache_verify(options, console);
    case What::kExport: return run_cache_export(options, console);
    case What::kImport: return run_cache_import(options, console);
    case What::kPin:
    case What::kUnpin: return run_cache_pin(options, console);
    case What::kClear: return run_cache_clear(options, console);
  }
  return invalid_argument("there is no such subcommand");
}

}  // namespace cairn
