#include "cli/tier_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "base/printable.h"
#include "cli/console.h"
#include "cli/output_format.h"
#include "server/tier_watch.h"

namespace cairn {
namespace {

constexpr uint64_t kMostByDefault = uint64_t{50} << 30;
constexpr size_t kMostRemoteBytes = size_t{256} << 20;  // of a block: Redis itself takes half a gigabyte

// Of its own files: what they take is no less free for them.
uint64_t bytes_in(const std::string& folder) {
  uint64_t bytes = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    std::error_code ignored;
    const uint64_t of_file = at->file_size(ignored);
    if (!ignored) bytes += of_file;
  }
  return bytes;
}

// Of the disk on which the folder is, or will be made.
Result<uint64_t> usual_disk_bytes(const std::string& folder) {
  std::error_code error;
  std::filesystem::path place = std::filesystem::absolute(folder, error);
  while (!std::filesystem::exists(place, error) && place.has_relative_path()) place = place.parent_path();
  const std::filesystem::space_info space = std::filesystem::space(place, error);
  if (error) {
    return invalid_argument(
        fmt::format("how much room there is for {} cannot be found out ({}): say --kv-disk-size",
                    printable_path(folder), error.message()));
  }
  constexpr uint64_t kLeast = uint64_t{64} << 20;
  const uint64_t own = bytes_in(folder);
  const uint64_t usual =
      std::max((space.available + own) / 10, own);  // others' files take nothing away from it
  if (usual < kLeast) {
    return invalid_argument(fmt::format(
        "there is hardly any room at {} ({} are free): name another folder with --kv-disk, or say "
        "--kv-disk-size",
        printable_path(folder), human_bytes(space.available)));
  }
  return std::min(usual, kMostByDefault);
}

}  // namespace

Result<BlockTierOptions> open_tiers(const TierSettings& settings) {
  BlockTierOptions tiers{.load = settings.load};
  if (settings.disk.has_value()) {
    DiskStoreOptions disk{.folder = *settings.disk};
    if (settings.disk_bytes.has_value()) {
      disk.size_bytes = *settings.disk_bytes;
    } else {
      CAIRN_ASSIGN_OR_RETURN(disk.size_bytes, usual_disk_bytes(*settings.disk));
    }
    CAIRN_ASSIGN_OR_RETURN(tiers.disk, DiskStore::open(std::move(disk)));
  }
  if (!settings.remote.empty()) {
    RedisStoreOptions remote{.urls = settings.remote, .certificates = settings.certificates};
    remote.value_bytes_max = kMostRemoteBytes;
    CAIRN_ASSIGN_OR_RETURN(tiers.remote, RedisStore::create(std::move(remote)));
  }
  return tiers;
}

void flush_tiers(const Engine& engine, const BlockTierOptions& tiers, Console& console) {
  if (engine.tiers() == nullptr) return;
  const Status status = engine.tiers()->flush();
  if (!status.ok()) console.note("warning: what was computed may not be on the disk: " + status.message());
  const BlockWriter::Counts counts = engine.tiers()->counts().writer;
  const auto warn = [&](uint64_t count, std::string_view why) {
    if (count == 0) return;
    console.note(fmt::format("warning: {} for {} block{}", why, count, count == 1 ? "" : "s"));
  };
  warn(counts.dropped, "there was no time to keep copies");
  warn(counts.failed[static_cast<size_t>(Tier::kDisk)], "the disk had no room, or failed,");
  const std::string why = tiers.remote != nullptr ? remote_failure(*tiers.remote) : std::string();
  warn(counts.failed[static_cast<size_t>(Tier::kRemote)],
       "the remote store failed" + (why.empty() ? why : " (" + why + ")"));
}

void add_cached(const RequestStats& stats, boost::json::object& object) {
  const int64_t disk = stats.match.load.positions[static_cast<size_t>(Tier::kDisk)];
  const int64_t remote = stats.match.load.positions[static_cast<size_t>(Tier::kRemote)];
  const int64_t memory = stats.reused_tokens - disk - remote;
  object["cached_tokens"] = stats.reused_tokens;
  object["cached_from"] = nullptr;
  if (stats.reused_tokens > 0) {
    const int64_t most = std::max({memory, disk, remote});
    object["cached_from"] = most == memory ? "memory" : most == disk ? "disk" : "remote";
  }
  object["cached_by_tier"] = boost::json::object{{"memory", memory}, {"disk", disk}, {"remote", remote}};
}

}  // namespace cairn
