#include "server/tier_watch.h"

#include "base/printable.h"

namespace cairn {
namespace {

uint64_t answers(const RedisCounts& counts) { return counts.hits + counts.misses + counts.stored; }

uint64_t damaged(const DiskStoreCounts& counts) { return counts.bad_record_count + counts.read_error_count; }

}  // namespace

std::string remote_failure(const RedisStore& remote) {
  constexpr size_t kMostCharacters = 300;
  for (const RedisNodeState& node : remote.state().nodes) {
    if (!node.last_failure.empty()) return printable(node.last_failure, kMostCharacters);
  }
  return "";
}

void TierWatch::look() {
  if (disk_ != nullptr) look_at_disk();
  if (remote_ != nullptr) look_at_remote();
}

void TierWatch::look_at_disk() {
  const DiskStoreCounts now = disk_->counts();
  if (const uint64_t bad = damaged(now) - damaged(disk_then_); bad > 0) {
    log_.write(LogLevel::kWarning, "blocks on the disk were damaged: they are dropped, and computed again",
               {{"blocks", static_cast<int64_t>(bad)}});
  }
  const bool fails = now.write_error_count > disk_then_.write_error_count;
  const bool takes = now.put_count > disk_then_.put_count;
  if (fails && !is_disk_full_) {
    log_.write(LogLevel::kWarning,
               "the disk does not take blocks (is it full?): what is computed is kept in memory alone");
  } else if (is_disk_full_ && takes && !fails) {
    log_.write(LogLevel::kInfo, "the disk takes blocks again");
  }
  is_disk_full_ = fails || (is_disk_full_ && !takes);
  disk_then_ = now;
}

void TierWatch::look_at_remote() {
  const RedisCounts now = remote_->counts();
  const bool fails = now.failures > remote_then_.failures;
  const bool answered = answers(now) > answers(remote_then_);
  if (fails && !is_remote_lost_) {
    const std::string why = remote_failure(*remote_);
    log_.write(LogLevel::kWarning, "the remote store fails: what it has is computed instead",
               {{"why", why.empty() ? "no node of it is known" : std::string_view(why)}});
  } else if (is_remote_lost_ && answered && !fails) {
    log_.write(LogLevel::kInfo, "the remote store answers again");
  }
  is_remote_lost_ = fails || (is_remote_lost_ && !answered);
  remote_then_ = now;
}

}  // namespace cairn
