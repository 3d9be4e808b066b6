// cairn cache clear: blocks are erased, so that no file has them any more.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string_view>

#include "base/printable.h"
#include "cli/cache.h"
#include "cli/cache_places.h"
#include "cli/console.h"
#include "cli/option_values.h"
#include "cli/terminal_input.h"

namespace cairn {
namespace {

constexpr std::chrono::milliseconds kRemoteDeadline = std::chrono::minutes(10);

// One question, one answer: of what nobody can take back.
bool is_agreed_to(const std::string& question, Console& console) {
  console.ask(question + " (yes/no) ");
  LineReader reader(STDIN_FILENO);
  std::string answer;
  const bool is_answered = reader.read(answer) == LineSource::Event::kLine;
  return is_answered && (lowered(answer) == "yes" || lowered(answer) == "y");
}

std::string place_text(const CacheOptions& options) {
  return options.disk.has_value() ? printable_path(*options.disk) : "the remote store";
}

// Nothing: go on.
Result<std::optional<ExitCode>> confirm_all(const CacheOptions& options, Console& console) {
  if (!options.is_about_all || options.is_sure) return std::optional<ExitCode>();
  if (::isatty(STDIN_FILENO) == 0 || !console.err_is_terminal()) {
    return invalid_argument(
        "--all erases every block of everybody: where nobody can be asked, say --yes too");
  }
  if (is_agreed_to(fmt::format("Erase all blocks in {}?", place_text(options)), console)) {
    return std::optional<ExitCode>();
  }
  console.note("nothing was erased");
  return std::optional(ExitCode::kDone);
}

Result<ExitCode> clear_text(const CacheOptions& options, DiskStore& store, Console& console) {
  CAIRN_ASSIGN_OR_RETURN(const auto catalogue, read_catalogue(store, options, console));
  if (!catalogue.has_value()) return ExitCode::kInterrupted;
  CAIRN_ASSIGN_OR_RETURN(const size_t last, catalogue->find(*options.name));
  const std::vector<size_t> blocks = catalogue->blocks_only_of(last);
  const std::vector<size_t> chain = catalogue->chain_of(last);
  CAIRN_ASSIGN_OR_RETURN(const uint64_t erased, store.erase(record_names(*catalogue, blocks)));
  uint64_t shared_count = 0;
  for (const size_t at : chain) shared_count += std::ranges::find(blocks, at) == blocks.end() ? 1 : 0;
  std::string words = "erased " + block_count_text(erased);
  if (shared_count > 0) {
    words +=
        fmt::format("; {} at its beginning stay, which other texts have too", block_count_text(shared_count));
  }
  console.write(words + "\n");
  return ExitCode::kDone;
}

Result<uint64_t> clear_disk(const std::optional<OwnerTag>& owner, DiskStore& store) {
  return owner.has_value() ? store.erase_owner(*owner) : store.erase_all();
}

// Names begin with the owner's tag (kv/tiers/remote_tier.cc).
Result<uint64_t> clear_remote(const std::optional<OwnerTag>& owner, RedisStore& store) {
  const std::string_view name_start =
      owner.has_value() ? std::string_view(reinterpret_cast<const char*>(owner->data()), owner->size())
                        : std::string_view();
  return store.erase_all(name_start, kRemoteDeadline);
}

Status check_what(const CacheOptions& options) {
  if (options.disk.has_value() == !options.remote.empty()) {
    return invalid_argument("say where: --kv-disk DIR or --kv-remote URL, one at a time");
  }
  const int count = (options.tenant.has_value() ? 1 : 0) + (options.owner.has_value() ? 1 : 0) +
                    (options.name.has_value() ? 1 : 0) + (options.is_about_all ? 1 : 0);
  if (count != 1) {
    return invalid_argument(
        "say what is to be erased: one of --tenant NAME, --owner TAG, --name NAME and --all");
  }
  if (options.name.has_value() && !options.disk.has_value()) {
    return invalid_argument("a remote store's texts are not known one by one: --name goes with --kv-disk");
  }
  return {};
}

}  // namespace

Result<ExitCode> run_cache_clear(const CacheOptions& options, Console& console) {
  CAIRN_RETURN_IF_ERROR(check_what(options));
  CAIRN_ASSIGN_OR_RETURN(const std::optional<OwnerTag> owner, wanted_owner(options, console));
  std::unique_ptr<DiskStore> disk;
  std::unique_ptr<RedisStore> remote;
  if (options.disk.has_value()) {
    CAIRN_ASSIGN_OR_RETURN(disk, open_kept_blocks(options, IfAbsent::kRefuse));
  } else {
    CAIRN_ASSIGN_OR_RETURN(remote, open_remote_store(options));
  }
  if (options.name.has_value()) return clear_text(options, *disk, console);
  CAIRN_ASSIGN_OR_RETURN(const std::optional<ExitCode> refused, confirm_all(options, console));
  if (refused.has_value()) return *refused;
  CAIRN_ASSIGN_OR_RETURN(const uint64_t erased,
                         disk != nullptr ? clear_disk(owner, *disk) : clear_remote(owner, *remote));
  console.write(fmt::format("erased {}\n", block_count_text(erased)));
  return ExitCode::kDone;
}

}  // namespace cairn
