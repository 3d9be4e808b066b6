// AlignedBuffer: memory that a disk can read into and write from past the page cache. BufferPool keeps a few of them, so
// that a record's worth of pages is not mapped anew for every read; of any thread, and outlives its buffers' users.
//
// Always true: a buffer begins at a multiple of kRecordAlignment and its capacity is one. What is in it is anything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace cairn {

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  // Throws std::bad_alloc, as containers do.
  explicit AlignedBuffer(uint64_t bytes);

  [[nodiscard]] uint64_t capacity_bytes() const { return capacity_bytes_; }
  [[nodiscard]] std::span<std::byte> first(uint64_t bytes) const;

 private:
  struct Free {
    void operator()(std::byte* bytes) const { std::free(bytes); }
  };
  std::unique_ptr<std::byte, Free> data_;
  uint64_t capacity_bytes_ = 0;
};

class BufferPool {
 public:
  BufferPool();
  // A buffer of at least `bytes`; goes back with `give`, or is freed when dropped.
  [[nodiscard]] AlignedBuffer take(uint64_t bytes);
  void give(AlignedBuffer buffer);

 private:
  std::mutex mutex_;
  std::vector<AlignedBuffer> idle_;
  uint64_t idle_bytes_ = 0;
};

// One that goes back by itself.
class PooledBuffer {
 public:
  PooledBuffer(BufferPool& pool, uint64_t bytes) : pool_(pool), buffer_(pool.take(bytes)), bytes_(bytes) {}
  PooledBuffer(const PooledBuffer&) = delete;
  PooledBuffer& operator=(const PooledBuffer&) = delete;
  ~PooledBuffer() { pool_.give(std::move(buffer_)); }

  [[nodiscard]] std::span<std::byte> bytes() const { return buffer_.first(bytes_); }

 private:
  BufferPool& pool_;
  AlignedBuffer buffer_;
  uint64_t bytes_;
};

}  // namespace cairn
