// Files that fail when a test says so, wait where it says so, and count. Of any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "store/file_io.h"

namespace cairn {

enum class FileCall { kOpen, kRead, kWrite, kSync, kTruncate, kRename, kRemove, kSyncFolder };
inline constexpr std::array kFileCalls = {FileCall::kOpen,   FileCall::kRead,      FileCall::kWrite,
                                          FileCall::kSync,   FileCall::kTruncate,  FileCall::kRename,
                                          FileCall::kRemove, FileCall::kSyncFolder};

// The state that the files of one system share.
class FaultPlan {
 public:
  // The n-th call of that kind from now on (1 is the next), and `count` - 1 after it, fail. A write that fails has
  // written its first half.
  void fail(FileCall call, uint64_t nth, StatusCode code, uint64_t count = 1);
  void heal();
  // Called before each call of any kind, outside of locks.
  void before(std::function<void(FileCall)> hook);
  [[nodiscard]] uint64_t call_count(FileCall call) const;
  [[nodiscard]] uint64_t failed_count() const { return failed_count_; }
  [[nodiscard]] uint64_t read_bytes() const { return read_bytes_; }

  Status enter(FileCall call);
  void add_read_bytes(uint64_t bytes) { read_bytes_ += bytes; }

 private:
  struct Kind {
    uint64_t calls = 0;
    uint64_t first = 0;  // of those that fail; they end before `end`
    uint64_t end = 0;
    StatusCode code = StatusCode::kInternal;
  };
  mutable std::mutex mutex_;
  std::array<Kind, kFileCalls.size()> kinds_;
  std::function<void(FileCall)> hook_;
  std::atomic<uint64_t> failed_count_ = 0;
  std::atomic<uint64_t> read_bytes_ = 0;
};

[[nodiscard]] std::shared_ptr<FileSystem> faulty_files(std::shared_ptr<FileSystem> real,
                                                       std::shared_ptr<FaultPlan> plan);

}  // namespace cairn
