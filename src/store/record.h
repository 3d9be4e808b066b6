// Record: opaque bytes under a name, as they lie in a segment file, in a remote store and in an export
// (docs/block-format.md, to the byte). A record is a front (what it is, its head, the checksum of everything in it) and
// slices, each of which begins at a multiple of kRecordAlignment and has a checksum of its own, so that one can be read
// without the others, past the page cache.
//
// Pure functions, of any thread. What parses takes any bytes: damaged or hostile ones are kInvalidData, never more.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "cairn/status.h"
#include "store/checksum.h"

namespace cairn {

inline constexpr uint64_t kRecordAlignment = 4096;  // what every disk and file system takes for O_DIRECT
inline constexpr uint32_t kRecordVersion = 1;
inline constexpr uint32_t kHeadBytesMax = 64 << 10;
inline constexpr uint32_t kSliceCountMax = 4096;
inline constexpr uint32_t kSliceBytesMax = 1 << 30;

using RecordName = std::array<std::byte, 32>;  // SHA-256 of all that determines the bytes
using OwnerTag = std::array<std::byte, 16>;    // who can have it erased; opaque, and no secret

[[nodiscard]] constexpr uint64_t aligned_bytes(uint64_t bytes) {
  return (bytes + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
}

struct RecordView {
  RecordName name{};
  OwnerTag owner{};
  uint64_t created_ms = 0;  // since 1970
  std::span<const std::byte> head;
  std::span<const std::span<const std::byte>> slices;
};

// Where the parts of a record lie, from its beginning. All are multiples of kRecordAlignment.
struct RecordLayout {
  uint64_t front_bytes = 0;
  std::vector<uint64_t> slice_offsets;
  uint64_t record_bytes = 0;
};

// kInvalidArgument: more than the limits above, and says which.
[[nodiscard]] Status check_record_shape(uint64_t head_bytes, std::span<const uint32_t> slice_bytes);
// Of a shape that was checked.
[[nodiscard]] RecordLayout lay_out_record(uint32_t head_bytes, std::span<const uint32_t> slice_bytes);
[[nodiscard]] uint64_t record_bytes_of(uint32_t head_bytes, std::span<const uint32_t> slice_bytes);

// The sizes of the view's slices. kInvalidArgument as check_record_shape.
[[nodiscard]] Result<std::vector<uint32_t>> slice_sizes_of(const RecordView& record);

// Writes all of `to`, which is as long as the layout of the record says.
void encode_record(const RecordView& record, const RecordLayout& layout, std::span<std::byte> to);

struct RecordFront {
  RecordName name{};
  OwnerTag owner{};
  uint64_t created_ms = 0;
  uint64_t record_bytes = 0;
  std::span<const std::byte> head;  // inside the bytes that were parsed
  std::vector<uint32_t> slice_bytes;
  std::vector<Checksum> slice_checksums;
};

// How long the front is that begins with `start` (at least kRecordAlignment bytes): what must be read before
// parse_record_front. Nothing where no record of this version begins so.
[[nodiscard]] std::optional<uint64_t> front_bytes_of(std::span<const std::byte> start);

// kInvalidData: these bytes are no front, or a damaged one. `front` may be longer than the front.
[[nodiscard]] Result<RecordFront> parse_record_front(std::span<const std::byte> front);

// Checks every checksum of a record that is in memory as a whole. kInvalidData: damaged, or shorter than it says.
[[nodiscard]] Result<RecordFront> parse_record(std::span<const std::byte> record);

}  // namespace cairn
