#include "store/file_io_uring.h"

#include <liburing.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "store/record.h"

namespace cairn {
namespace {

constexpr unsigned kDepth = 32;  // under way at once; more gained nothing on the disks that were tried

// One system request: a stretch of a file and the memory for it, whole or what is left of it.
struct Request {
  uint64_t offset = 0;
  std::byte* memory = nullptr;
  uint64_t left_bytes = 0;
};

constexpr uint64_t kWriteBytes = 256 << 10;  // a record is written as several requests of so many bytes

enum class Direction { kRead, kWrite };

}  // namespace

class UringPool::Ring {
 public:
  static std::unique_ptr<Ring> make() {
    auto ring = std::unique_ptr<Ring>(new Ring());
    const int error = ::io_uring_queue_init(kDepth, &ring->ring_, 0);
    if (error != 0) return nullptr;
    ring->ready_ = true;
    return ring;
  }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring() {
    if (ready_) ::io_uring_queue_exit(&ring_);
  }

  // Runs all requests. Returns only when none is under way any more, for the memory is the caller's.
  int run(int fd, Direction direction, std::span<Request> requests, const std::function<void(size_t)>& done) {
    int error = 0;
    size_t next = 0;
    std::vector<size_t> again;  // cut short by the system: to be asked for the rest
    again.reserve(kDepth);      // nothing may throw while memory is lent to the system
    for (;;) {
      while (error == 0 && prepared_ + under_way_ < kDepth && (next < requests.size() || !again.empty())) {
        const size_t i = again.empty() ? next++ : again.back();
        if (!again.empty()) again.pop_back();
        prepare(fd, direction, requests[i], i);
      }
      if (prepared_ + under_way_ == 0) return error;
      if (const int failed = submit(); failed != 0) {
        error = error == 0 ? failed : error;
        if (under_way_ == 0) return error;
      }
      if (under_way_ == 0) continue;
      const auto [i, result] = wait_for_one();
      if (const int failed = advance(requests[i], result, direction); failed != 0) {
        error = error == 0 ? failed : error;
      } else if (requests[i].left_bytes > 0) {
        again.push_back(i);
      } else if (error == 0) {
        done(i);
      }
    }
  }

  // Requests that the system would not take are still in the ring: it cannot be used again.
  [[nodiscard]] bool is_clean() const { return prepared_ == 0; }

 private:
  Ring() = default;

  void prepare(int fd, Direction direction, const Request& request, size_t number) {
    io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
    CHECK(entry != nullptr);  // no more are prepared than the ring holds
    const auto bytes = static_cast<unsigned>(std::min<uint64_t>(request.left_bytes, 1 << 30));
    if (direction == Direction::kRead) {
      ::io_uring_prep_read(entry, fd, request.memory, bytes, request.offset);
    } else {
      ::io_uring_prep_write(entry, fd, request.memory, bytes, request.offset);
    }
    ::io_uring_sqe_set_data64(entry, number);
    ++prepared_;
  }

  // 0 also where the system asks for another try later.
  int submit() {
    if (prepared_ == 0) return 0;
    const int submitted = ::io_uring_submit(&ring_);
    if (submitted >= 0) {
      prepared_ -= static_cast<unsigned>(submitted);
      under_way_ += static_cast<unsigned>(submitted);
      return 0;
    }
    return submitted == -EINTR || submitted == -EAGAIN || submitted == -EBUSY ? 0 : -submitted;
  }

  std::pair<size_t, int> wait_for_one() {
    io_uring_cqe* entry = nullptr;
    int failed = -EINTR;
    while (failed == -EINTR || failed == -EAGAIN) failed = ::io_uring_wait_cqe(&ring_, &entry);
    CHECK(failed == 0);  // anything else says that the ring itself is wrong
    const auto number = static_cast<size_t>(::io_uring_cqe_get_data64(entry));
    const int result = entry->res;
    ::io_uring_cqe_seen(&ring_, entry);
    --under_way_;
    return {number, result};
  }

  // 0: the request moved on, or is to be asked again.
  static int advance(Request& request, int result, Direction direction) {
    if (result == -EINTR || result == -EAGAIN) return 0;
    if (result < 0) return -result;
    const auto moved = static_cast<uint64_t>(result);
    // The system stops inside a block only at the end of the file, or of the room on the disk.
    if (moved == 0 || moved % kRecordAlignment != 0)
      return direction == Direction::kRead ? kEndsEarly : ENOSPC;
    request.offset += moved;
    request.memory += moved;
    request.left_bytes -= std::min(moved, request.left_bytes);
    return 0;
  }

  io_uring ring_{};
  bool ready_ = false;
  unsigned prepared_ = 0;   // not yet the system's
  unsigned under_way_ = 0;  // the system's
};

UringPool::UringPool() = default;
UringPool::~UringPool() = default;

std::unique_ptr<UringPool> UringPool::make() {
  auto ring = Ring::make();
  if (ring == nullptr) return nullptr;
  auto pool = std::unique_ptr<UringPool>(new UringPool());
  pool->give(std::move(ring));
  return pool;
}

std::unique_ptr<UringPool::Ring> UringPool::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto ring = std::move(idle_.back());
      idle_.pop_back();
      return ring;
    }
  }
  return Ring::make();
}

void UringPool::give(std::unique_ptr<Ring> ring) {
  if (!ring->is_clean()) return;
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(ring));
}

int UringPool::read(int fd, std::span<const ReadPiece> pieces, const std::function<void(size_t)>& done) {
  std::vector<Request> requests;
  requests.reserve(pieces.size());
  for (const ReadPiece& piece : pieces) requests.push_back({piece.offset, piece.to.data(), piece.to.size()});
  auto ring = take();
  if (ring == nullptr) return ENOMEM;
  const int error = ring->run(fd, Direction::kRead, requests, done);
  give(std::move(ring));
  return error;
}

int UringPool::write(int fd, uint64_t offset, std::span<const std::byte> bytes) {
  std::vector<Request> requests;
  for (uint64_t at = 0; at < bytes.size(); at += kWriteBytes) {
    // The system only reads from it.
    auto* memory =
        const_cast<std::byte*>(bytes.data()) + at;  // NOLINT(cppcoreguidelines-pro-type-const-cast)
    requests.push_back({offset + at, memory, std::min<uint64_t>(kWriteBytes, bytes.size() - at)});
  }
  auto ring = take();
  if (ring == nullptr) return ENOMEM;
  const int error = ring->run(fd, Direction::kWrite, requests, [](size_t) {});
  give(std::move(ring));
  return error;
}

}  // namespace cairn
