// Records made of a number, so that a test can say what must be in one that it reads back. Of any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "store/record.h"

namespace cairn {

[[nodiscard]] RecordName name_of(uint64_t number);
[[nodiscard]] OwnerTag owner_of(uint64_t number);
// Bytes that differ for every (number, part).
[[nodiscard]] std::vector<std::byte> some_bytes(uint64_t number, uint64_t part, size_t count);

// A record's bytes with the view of them; moves with its bytes.
class SampleRecord {
 public:
  // Slices of the sizes given; the head has 40 + number % 50 bytes.
  SampleRecord(uint64_t number, std::vector<size_t> slice_bytes, uint64_t owner = 0,
               uint64_t created_ms = 1000);
  SampleRecord(SampleRecord&&) = default;

  [[nodiscard]] RecordView view() const;
  [[nodiscard]] const std::vector<std::byte>& head() const { return head_; }
  [[nodiscard]] const std::vector<std::vector<std::byte>>& slices() const { return slices_; }
  [[nodiscard]] std::vector<std::byte> encoded() const;

 private:
  RecordName name_;
  OwnerTag owner_;
  uint64_t created_ms_;
  std::vector<std::byte> head_;
  std::vector<std::vector<std::byte>> slices_;
  std::vector<std::span<const std::byte>> spans_;
};

}  // namespace cairn
