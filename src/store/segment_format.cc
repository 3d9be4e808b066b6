#include "store/segment_format.h"

#include <algorithm>
#include <string_view>

#include "base/check.h"
#include "store/record_fields.h"

namespace cairn {
namespace {

// docs/block-format.md. Headers and trailers begin alike: magic, version, four zeros, checksum of what follows.
constexpr std::string_view kHeaderMagic = "CAIRNSEG";
constexpr std::string_view kTrailerMagic = "CAIRNIDX";
constexpr uint64_t kSegmentVersion = 1;  // 32 bits, and the zeros behind it
constexpr size_t kVersionAt = 8;
constexpr size_t kChecksumAt = 16;
constexpr size_t kCheckedAt = 32;

constexpr size_t kSegmentAt = 32;
constexpr size_t kCreatedAt = 40;
constexpr size_t kFooterOffsetAt = 40;
constexpr size_t kEntryBytesAt = 48;
constexpr size_t kEntryCountAt = 56;
constexpr size_t kFooterChecksumAt = 64;

constexpr size_t kEntryFixedBytes =
    72;  // name 32, owner 16, created 8, offset 8, head bytes 4, slice count 4
constexpr size_t kEntryOwnerAt = 32;
constexpr size_t kEntryCreatedAt = 48;
constexpr size_t kEntryOffsetAt = 56;
constexpr size_t kEntryHeadBytesAt = 64;
constexpr size_t kEntrySliceCountAt = 68;

void seal_block(std::string_view magic, std::span<std::byte> block) {
  copy_bytes(block, 0, std::as_bytes(std::span(magic)));
  put_field(block, kVersionAt, kSegmentVersion);
  put_field(block, kChecksumAt, checksum_of(block.subspan(kCheckedAt)));
}

bool is_sealed_block(std::string_view magic, std::span<const std::byte> block) {
  return block.size() == kRecordAlignment && has_magic(block, magic) &&
         get_field<uint64_t>(block, kVersionAt) == kSegmentVersion &&
         get_field<Checksum>(block, kChecksumAt) == checksum_of(block.subspan(kCheckedAt));
}

// The next entry, which must begin at `least_offset` or later and end by `end`; `at` moves behind it.
std::optional<SegmentEntry> parse_entry(std::span<const std::byte> bytes, size_t& at, uint64_t least_offset,
                                        uint64_t end, SliceSizesPool& shared) {
  if (bytes.size() - at < kEntryFixedBytes) return std::nullopt;
  const auto fixed = bytes.subspan(at, kEntryFixedBytes);
  SegmentEntry entry;
  entry.name = get_field<RecordName>(fixed, 0);
  entry.owner = get_field<OwnerTag>(fixed, kEntryOwnerAt);
  entry.created_ms = get_field<uint64_t>(fixed, kEntryCreatedAt);
  entry.offset = get_field<uint64_t>(fixed, kEntryOffsetAt);
  entry.head_bytes = get_field<uint32_t>(fixed, kEntryHeadBytesAt);
  const auto slice_count = get_field<uint32_t>(fixed, kEntrySliceCountAt);
  at += kEntryFixedBytes;
  if (slice_count > kSliceCountMax || bytes.size() - at < slice_count * sizeof(uint32_t)) return std::nullopt;
  std::vector<uint32_t> sizes(slice_count);
  copy_bytes(std::as_writable_bytes(std::span(sizes)), 0, bytes.subspan(at, slice_count * sizeof(uint32_t)));
  at += slice_count * sizeof(uint32_t);
  if (!check_record_shape(entry.head_bytes, sizes).ok()) return std::nullopt;
  entry.bytes = record_bytes_of(entry.head_bytes, sizes);
  if (entry.offset % kRecordAlignment != 0 || entry.offset < least_offset || entry.offset > end ||
      entry.bytes > end - entry.offset) {
    return std::nullopt;
  }
  entry.slice_bytes = shared.share(sizes);
  return entry;
}

}  // namespace

SliceSizes SliceSizesPool::share(std::span<const uint32_t> sizes) {
  for (const SliceSizes& known : recent_) {
    if (std::ranges::equal(*known, sizes)) return known;
  }
  auto fresh = std::make_shared<const std::vector<uint32_t>>(sizes.begin(), sizes.end());
  if (recent_.size() < kRecentCount) {
    recent_.push_back(fresh);
  } else {
    recent_[next_] = fresh;
    next_ = (next_ + 1) % kRecentCount;
  }
  return fresh;
}

void encode_segment_header(uint64_t segment, uint64_t created_ms, std::span<std::byte> to) {
  CHECK(to.size() == kSegmentHeaderBytes);
  std::ranges::fill(to, std::byte{0});
  put_field(to, kSegmentAt, segment);
  put_field(to, kCreatedAt, created_ms);
  seal_block(kHeaderMagic, to);
}

bool is_segment_header(std::span<const std::byte> header) { return is_sealed_block(kHeaderMagic, header); }

uint64_t footer_entry_bytes(size_t slice_count) { return kEntryFixedBytes + slice_count * sizeof(uint32_t); }

void encode_footer(uint64_t segment, uint64_t offset, std::span<const SegmentEntry> entries,
                   std::span<std::byte> to) {
  std::ranges::fill(to, std::byte{0});
  size_t at = 0;
  for (const SegmentEntry& entry : entries) {
    const std::vector<uint32_t>& sizes = *entry.slice_bytes;
    put_field(to, at, entry.name);
    put_field(to, at + kEntryOwnerAt, entry.owner);
    put_field(to, at + kEntryCreatedAt, entry.created_ms);
    put_field(to, at + kEntryOffsetAt, entry.offset);
    put_field(to, at + kEntryHeadBytesAt, entry.head_bytes);
    put_field(to, at + kEntrySliceCountAt, static_cast<uint32_t>(sizes.size()));
    copy_bytes(to, at + kEntryFixedBytes, std::as_bytes(std::span(sizes)));
    at += footer_entry_bytes(sizes.size());
  }
  CHECK(footer_bytes_of(at) == to.size());
  const auto trailer = to.last(kSegmentTrailerBytes);
  put_field(trailer, kSegmentAt, segment);
  put_field(trailer, kFooterOffsetAt, offset);
  put_field(trailer, kEntryBytesAt, static_cast<uint64_t>(at));
  put_field(trailer, kEntryCountAt, static_cast<uint64_t>(entries.size()));
  put_field(trailer, kFooterChecksumAt, checksum_of(to.first(at)));
  seal_block(kTrailerMagic, trailer);
}

std::optional<FooterPlace> parse_trailer(uint64_t segment, uint64_t file_bytes,
                                         std::span<const std::byte> trailer) {
  if (!is_sealed_block(kTrailerMagic, trailer) || get_field<uint64_t>(trailer, kSegmentAt) != segment) {
    return std::nullopt;
  }
  const FooterPlace place{.offset = get_field<uint64_t>(trailer, kFooterOffsetAt),
                          .entry_bytes = get_field<uint64_t>(trailer, kEntryBytesAt),
                          .entry_count = get_field<uint64_t>(trailer, kEntryCountAt),
                          .checksum = get_field<Checksum>(trailer, kFooterChecksumAt)};
  if (place.offset % kRecordAlignment != 0 || place.offset < kSegmentHeaderBytes ||
      place.offset > file_bytes || place.entry_bytes > file_bytes - place.offset ||
      footer_bytes_of(place.entry_bytes) != file_bytes - place.offset) {
    return std::nullopt;
  }
  return place;
}

std::optional<std::vector<SegmentEntry>> parse_footer(const FooterPlace& place,
                                                      std::span<const std::byte> bytes) {
  if (bytes.size() != place.entry_bytes || checksum_of(bytes) != place.checksum) return std::nullopt;
  std::vector<SegmentEntry> entries;
  SliceSizesPool shared;
  size_t at = 0;
  uint64_t least_offset = kSegmentHeaderBytes;
  while (at < bytes.size()) {
    auto entry = parse_entry(bytes, at, least_offset, place.offset, shared);
    if (!entry) return std::nullopt;
    least_offset = entry->offset + entry->bytes;
    entries.push_back(std::move(*entry));
  }
  if (entries.size() != place.entry_count) return std::nullopt;
  return entries;
}

}  // namespace cairn
