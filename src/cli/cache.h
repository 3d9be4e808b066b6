// cairn cache: looks into what is kept of the cache outside memory (a folder, a remote store), and tends it.
// Options are plain data, filled by the parser.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "cli/commands.h"
#include "cli/request_options.h"
#include "store/record.h"
#include "text/tokenizer.h"

namespace cairn {

struct CacheOptions {
  enum class What : uint8_t {
    kList,
    kStats,
    kVerify,
    kExport,
    kImport,
    kPin,
    kUnpin,
    kClear
  } what = What::kList;

  std::optional<std::string> disk;          // --kv-disk
  std::vector<std::string> remote;          // --kv-remote
  std::optional<std::string> certificates;  // --kv-remote-ca

  // Whose blocks; absent: everybody's.
  std::optional<std::string> tenant;    // --tenant, by its name in the keys file
  std::optional<std::string> api_keys;  // --api-keys: the keys file
  std::optional<OwnerTag> owner;        // --owner: the tag itself

  // Which text: by the name of its last block, or as a prompt.
  std::optional<std::string> name;        // --name
  std::optional<std::string> model_path;  // -m
  TokenizerOptions tokenizer;             // --pre
  PromptOptions prompt;

  std::optional<std::string> file;  // -o of export; what import reads
  bool replaces_file = false;       // --force
  bool is_about_all = false;        // --all
  bool is_sure = false;             // --yes
  OutputForm output_form = OutputForm::kText;
};

// kFailed also where verify found bad blocks, and where a remote store does not answer.
Result<ExitCode> run_cache(const CacheOptions& options, Console& console);

// The subcommands, each in a file of its own.
Result<ExitCode> run_cache_list(const CacheOptions& options, Console& console);
Result<ExitCode> run_cache_stats(const CacheOptions& options, Console& console);
Result<ExitCode> run_cache_verify(const CacheOptions& options, Console& console);
Result<ExitCode> run_cache_export(const CacheOptions& options, Console& console);
Result<ExitCode> run_cache_import(const CacheOptions& options, Console& console);
Result<ExitCode> run_cache_pin(const CacheOptions& options, Console& console);
Result<ExitCode> run_cache_clear(const CacheOptions& options, Console& console);

}  // namespace cairn
