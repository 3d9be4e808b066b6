#include "store/file_io_buffer.h"

#include <algorithm>
#include <new>
#include <utility>

#include "base/check.h"
#include "store/record.h"

namespace cairn {
namespace {

constexpr size_t kIdleCountMax = 16;
constexpr uint64_t kIdleBytesMax = uint64_t{32} << 20;

}  // namespace

AlignedBuffer::AlignedBuffer(uint64_t bytes) : capacity_bytes_(aligned_bytes(std::max<uint64_t>(bytes, 1))) {
  data_.reset(static_cast<std::byte*>(std::aligned_alloc(kRecordAlignment, capacity_bytes_)));
  if (data_ == nullptr) throw std::bad_alloc();
}

std::span<std::byte> AlignedBuffer::first(uint64_t bytes) const {
  CHECK(bytes <= capacity_bytes_);
  return {data_.get(), static_cast<size_t>(bytes)};
}

BufferPool::BufferPool() { idle_.reserve(kIdleCountMax); }

AlignedBuffer BufferPool::take(uint64_t bytes) {
  {
    const std::lock_guard lock(mutex_);
    const auto large_enough = std::ranges::find_if(
        idle_, [&](const AlignedBuffer& buffer) { return buffer.capacity_bytes() >= bytes; });
    if (large_enough != idle_.end()) {
      AlignedBuffer buffer = std::move(*large_enough);
      idle_.erase(large_enough);
      idle_bytes_ -= buffer.capacity_bytes();
      return buffer;
    }
  }
  return AlignedBuffer(bytes);
}

void BufferPool::give(AlignedBuffer buffer) {
  const std::lock_guard lock(mutex_);
  if (idle_.size() == kIdleCountMax || idle_bytes_ + buffer.capacity_bytes() > kIdleBytesMax) return;
  idle_bytes_ += buffer.capacity_bytes();
  idle_.push_back(std::move(buffer));
}

}  // namespace cairn
