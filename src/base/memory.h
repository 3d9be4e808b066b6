// PageMemory: memory mapped from the system, released by the destructor.
//
// Always true: it starts at a multiple of 64 bytes (of a huge page where it is at least that large), reads as
// zeros until written, and is followed by at least kSlackBytes that may be read and written too, so that a
// kernel may load a whole vector at the end of a row. Pages become resident only when they are used. Anyone
// may use it at start; it is not for small or frequent allocations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "cairn/status.h"

namespace cairn {

class PageMemory {
 public:
  static constexpr uint64_t kSlackBytes = 64;
  static constexpr uint64_t kHugePageBytes = uint64_t{2} << 20;  // x86-64's; elsewhere only an alignment

  // Empty: data() is null.
  PageMemory() = default;
  // kResourceExhausted: the system refuses, or `bytes` is absurd (more than 2^47).
  static Result<PageMemory> allocate(uint64_t bytes);

  PageMemory(PageMemory&& other) noexcept { swap(other); }
  PageMemory& operator=(PageMemory&& other) noexcept {
    PageMemory(std::move(other)).swap(*this);
    return *this;
  }
  ~PageMemory();

  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  template <typename T>
  [[nodiscard]] std::span<T> as() const {
    return {reinterpret_cast<T*>(data_), bytes_ / sizeof(T)};
  }

 private:
  void swap(PageMemory& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(mapping_, other.mapping_);
    std::swap(mapping_bytes_, other.mapping_bytes_);
  }

  std::byte* data_ = nullptr;
  uint64_t bytes_ = 0;
  void* mapping_ = nullptr;
  uint64_t mapping_bytes_ = 0;
};

// Returns unused pages of the heap to the system, where the C library can.
void trim_heap();

}  // namespace cairn
