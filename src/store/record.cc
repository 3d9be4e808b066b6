#include "store/record.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/check.h"
#include "store/record_fields.h"

namespace cairn {
namespace {

// docs/block-format.md: the fields of a front.
constexpr std::string_view kMagic = "CAIRNREC";
constexpr size_t kVersionAt = 8;
constexpr size_t kChecksumAt = 16;
constexpr size_t kCheckedAt = 32;  // the front's checksum covers everything from here to the end of the head
constexpr size_t kNameAt = 32;
constexpr size_t kOwnerAt = 64;
constexpr size_t kCreatedAt = 80;
constexpr size_t kRecordBytesAt = 88;
constexpr size_t kHeadBytesAt = 96;
constexpr size_t kSliceCountAt = 100;
constexpr size_t kReservedAt = 104;
constexpr size_t kHeadChecksumAt = 112;
constexpr size_t kTableAt = 128;
constexpr size_t kTableEntryBytes = 24;  // a slice's bytes, 64 bits, and its checksum

uint64_t used_front_bytes(uint64_t head_bytes, uint64_t slice_count) {
  return kTableAt + slice_count * kTableEntryBytes + head_bytes;
}

bool all_zero(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

void encode_front(const RecordView& record, const RecordLayout& layout, std::span<std::byte> front) {
  std::ranges::fill(front, std::byte{0});
  copy_bytes(front, 0, std::as_bytes(std::span(kMagic)));
  put_field(front, kVersionAt, kRecordVersion);
  put_field(front, kNameAt, record.name);
  put_field(front, kOwnerAt, record.owner);
  put_field(front, kCreatedAt, record.created_ms);
  put_field(front, kRecordBytesAt, layout.record_bytes);
  put_field(front, kHeadBytesAt, static_cast<uint32_t>(record.head.size()));
  put_field(front, kSliceCountAt, static_cast<uint32_t>(record.slices.size()));
  put_field(front, kHeadChecksumAt, checksum_of(record.head));
  size_t at = kTableAt;
  for (const auto slice : record.slices) {
    put_field(front, at, static_cast<uint64_t>(slice.size()));
    put_field(front, at + 8, checksum_of(slice));
    at += kTableEntryBytes;
  }
  copy_bytes(front, at, record.head);
  const uint64_t used = used_front_bytes(record.head.size(), record.slices.size());
  put_field(front, kChecksumAt, checksum_of(front.subspan(kCheckedAt, used - kCheckedAt)));
}

// Of bytes whose checksum agreed: still anything, for whoever wrote them may have lied.
Status read_table(std::span<const std::byte> front, uint32_t slice_count, RecordFront& parsed) {
  parsed.slice_bytes.reserve(slice_count);
  parsed.slice_checksums.reserve(slice_count);
  for (uint32_t i = 0; i < slice_count; ++i) {
    const size_t at = kTableAt + i * kTableEntryBytes;
    const auto bytes = get_field<uint64_t>(front, at);
    if (bytes > kSliceBytesMax) return invalid_data("a record's slice is too large");
    parsed.slice_bytes.push_back(static_cast<uint32_t>(bytes));
    parsed.slice_checksums.push_back(get_field<Checksum>(front, at + 8));
  }
  return {};
}

}  // namespace

Status check_record_shape(uint64_t head_bytes, std::span<const uint32_t> slice_bytes) {
  if (head_bytes > kHeadBytesMax) {
    return invalid_argument(
        fmt::format("a record's head has {} bytes; {} is the most", head_bytes, kHeadBytesMax));
  }
  if (slice_bytes.size() > kSliceCountMax) {
    return invalid_argument(
        fmt::format("a record has {} slices; {} is the most", slice_bytes.size(), kSliceCountMax));
  }
  for (const uint32_t bytes : slice_bytes) {
    if (bytes > kSliceBytesMax) {
      return invalid_argument(
          fmt::format("a record's slice has {} bytes; {} is the most", bytes, kSliceBytesMax));
    }
  }
  return {};
}

RecordLayout lay_out_record(uint32_t head_bytes, std::span<const uint32_t> slice_bytes) {
  RecordLayout layout;
  layout.front_bytes = aligned_bytes(used_front_bytes(head_bytes, slice_bytes.size()));
  layout.slice_offsets.reserve(slice_bytes.size());
  layout.record_bytes = layout.front_bytes;
  for (const uint32_t bytes : slice_bytes) {
    layout.slice_offsets.push_back(layout.record_bytes);
    layout.record_bytes += aligned_bytes(bytes);
  }
  return layout;
}

uint64_t record_bytes_of(uint32_t head_bytes, std::span<const uint32_t> slice_bytes) {
  uint64_t total = aligned_bytes(used_front_bytes(head_bytes, slice_bytes.size()));
  for (const uint32_t bytes : slice_bytes) total += aligned_bytes(bytes);
  return total;
}

Result<std::vector<uint32_t>> slice_sizes_of(const RecordView& record) {
  std::vector<uint32_t> sizes;
  sizes.reserve(record.slices.size());
  for (const auto slice : record.slices) {
    sizes.push_back(static_cast<uint32_t>(std::min<uint64_t>(slice.size(), uint64_t{kSliceBytesMax} + 1)));
  }
  CAIRN_RETURN_IF_ERROR(check_record_shape(record.head.size(), sizes));
  return sizes;
}

void encode_record(const RecordView& record, const RecordLayout& layout, std::span<std::byte> to) {
  CHECK(to.size() == layout.record_bytes);
  CHECK(record.slices.size() == layout.slice_offsets.size());
  for (size_t i = 0; i < record.slices.size(); ++i) {
    const uint64_t offset = layout.slice_offsets[i];
    const uint64_t end = i + 1 < record.slices.size() ? layout.slice_offsets[i + 1] : layout.record_bytes;
    CHECK(aligned_bytes(record.slices[i].size()) == end - offset);
    copy_bytes(to, offset, record.slices[i]);
    std::ranges::fill(to.subspan(offset + record.slices[i].size(), end - offset - record.slices[i].size()),
                      std::byte{0});
  }
  encode_front(record, layout, to.first(layout.front_bytes));
}

std::optional<uint64_t> front_bytes_of(std::span<const std::byte> start) {
  if (start.size() < kRecordAlignment || !has_magic(start, kMagic)) return std::nullopt;
  if (get_field<uint64_t>(start, kVersionAt) != kRecordVersion)
    return std::nullopt;  // and the zeros behind it
  const auto head_bytes = get_field<uint32_t>(start, kHeadBytesAt);
  const auto slice_count = get_field<uint32_t>(start, kSliceCountAt);
  if (head_bytes > kHeadBytesMax || slice_count > kSliceCountMax) return std::nullopt;
  return aligned_bytes(used_front_bytes(head_bytes, slice_count));
}

Result<RecordFront> parse_record_front(std::span<const std::byte> front) {
  const auto front_bytes = front_bytes_of(front);
  if (!front_bytes) return invalid_data("no record of this version begins here");
  if (*front_bytes > front.size()) return invalid_data("a record ends inside its front");
  const auto head_bytes = get_field<uint32_t>(front, kHeadBytesAt);
  const auto slice_count = get_field<uint32_t>(front, kSliceCountAt);
  const uint64_t used = used_front_bytes(head_bytes, slice_count);
  if (get_field<Checksum>(front, kChecksumAt) != checksum_of(front.subspan(kCheckedAt, used - kCheckedAt)) ||
      get_field<uint64_t>(front, kReservedAt) != 0 || !all_zero(front.subspan(used, *front_bytes - used))) {
    return invalid_data("a record's front is damaged");
  }
  RecordFront parsed;
  parsed.name = get_field<RecordName>(front, kNameAt);
  parsed.owner = get_field<OwnerTag>(front, kOwnerAt);
  parsed.created_ms = get_field<uint64_t>(front, kCreatedAt);
  parsed.record_bytes = get_field<uint64_t>(front, kRecordBytesAt);
  parsed.head = front.subspan(used - head_bytes, head_bytes);
  CAIRN_RETURN_IF_ERROR(read_table(front, slice_count, parsed));
  if (parsed.record_bytes != record_bytes_of(head_bytes, parsed.slice_bytes)) {
    return invalid_data("a record's length does not agree with its slices");
  }
  if (get_field<Checksum>(front, kHeadChecksumAt) != checksum_of(parsed.head)) {
    return invalid_data("a record's head is damaged");
  }
  return parsed;
}

Result<RecordFront> parse_record(std::span<const std::byte> record) {
  CAIRN_ASSIGN_OR_RETURN(RecordFront front, parse_record_front(record));
  if (front.record_bytes > record.size()) return invalid_data("a record is cut short");
  uint64_t at = *front_bytes_of(record);
  for (size_t i = 0; i < front.slice_bytes.size(); ++i) {
    if (checksum_of(record.subspan(at, front.slice_bytes[i])) != front.slice_checksums[i]) {
      return invalid_data(fmt::format("slice {} of a record is damaged", i));
    }
    at += aligned_bytes(front.slice_bytes[i]);
  }
  return front;
}

}  // namespace cairn
