// TierWatch: says in the log when a tier begins to fail, and when it is well again. Whoever runs the server looks at it now
// and then; between two looks there is one line at most of each trouble, however many blocks it cost.
// One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "server/log.h"
#include "store/disk_store.h"
#include "store/redis_store.h"

namespace cairn {

// What a node of the store failed at last, for a line; empty: at nothing.
[[nodiscard]] std::string remote_failure(const RedisStore& remote);

class TierWatch {
 public:
  // Either store may be null. `log` must outlive it.
  TierWatch(std::shared_ptr<DiskStore> disk, std::shared_ptr<RedisStore> remote, Log& log)
      : disk_(std::move(disk)), remote_(std::move(remote)), log_(log) {}

  void look();

 private:
  void look_at_disk();
  void look_at_remote();

  std::shared_ptr<DiskStore> disk_;
  std::shared_ptr<RedisStore> remote_;
  Log& log_;
  DiskStoreCounts disk_then_;  // at the last look
  RedisCounts remote_then_;
  bool is_disk_full_ = false;  // or takes nothing for another reason
  bool is_remote_lost_ = false;
};

}  // namespace cairn
