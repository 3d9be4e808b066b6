// Rings of io_uring: many reads or writes of one file under way at once. A ring serves one thread at a time; the pool has as
// many as threads came at once. Of any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "store/file_io.h"

namespace cairn {

// What became of a batch: 0, or the system's error number. kEndsEarly: the file ended inside a piece.
inline constexpr int kEndsEarly = -1;

class UringPool {
 public:
  // Nothing where the system refuses (no io_uring, a container's filter, no memory to lock).
  static std::unique_ptr<UringPool> make();
  ~UringPool();

  int read(int fd, std::span<const ReadPiece> pieces, const std::function<void(size_t)>& done);
  int write(int fd, uint64_t offset, std::span<const std::byte> bytes);

 private:
  class Ring;
  UringPool();
  std::unique_ptr<Ring> take();
  void give(std::unique_ptr<Ring> ring);

  std::mutex mutex_;
  std::vector<std::unique_ptr<Ring>> idle_;
};

}  // namespace cairn
