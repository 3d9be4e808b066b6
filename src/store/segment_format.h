// The bytes around the records of a segment file: a header before them and, once the segment is closed, a footer behind them
// that lists them, so that a start reads no record (docs/block-format.md, to the byte).
//
//   header | record | record | ... | footer entries | trailer         each part a multiple of kRecordAlignment
//
// Pure functions, of any thread. What parses takes any bytes; a checksum that agrees is not believed either: whatever an
// entry says lies inside the file, in order, without overlaps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "store/record.h"

namespace cairn {

inline constexpr uint64_t kSegmentHeaderBytes = kRecordAlignment;
inline constexpr uint64_t kSegmentTrailerBytes = kRecordAlignment;

// Shared, for most records of a segment have the same.
using SliceSizes = std::shared_ptr<const std::vector<uint32_t>>;

// What is known of a record without reading it.
struct SegmentEntry {
  RecordName name{};
  OwnerTag owner{};
  uint64_t created_ms = 0;
  uint64_t offset = 0;  // in the file
  uint64_t bytes = 0;
  uint32_t head_bytes = 0;
  SliceSizes slice_bytes;
};

// Gives equal sizes one copy. One thread at a time.
class SliceSizesPool {
 public:
  SliceSizes share(std::span<const uint32_t> sizes);

 private:
  static constexpr size_t kRecentCount = 8;  // layer groups times codecs that one cache mixes
  std::vector<SliceSizes> recent_;
  size_t next_ = 0;
};

// Writes kSegmentHeaderBytes.
void encode_segment_header(uint64_t segment, uint64_t created_ms, std::span<std::byte> to);
// Whether the header is one of this version.
[[nodiscard]] bool is_segment_header(std::span<const std::byte> header);

// What one entry takes in a footer, and what a footer with so many bytes of entries takes in the file, trailer included.
[[nodiscard]] uint64_t footer_entry_bytes(size_t slice_count);
[[nodiscard]] inline uint64_t footer_bytes_of(uint64_t entry_bytes) {
  return aligned_bytes(entry_bytes) + kSegmentTrailerBytes;
}
// The footer that is written at `offset`, the end of the last record; `to` has footer_bytes_of all entries' bytes.
void encode_footer(uint64_t segment, uint64_t offset, std::span<const SegmentEntry> entries,
                   std::span<std::byte> to);

struct FooterPlace {
  uint64_t offset = 0;
  uint64_t entry_bytes = 0;
  uint64_t entry_count = 0;
  Checksum checksum{};
};
// From the last block of a file of `file_bytes`. Nothing where that is no trailer of this segment.
[[nodiscard]] std::optional<FooterPlace> parse_trailer(uint64_t segment, uint64_t file_bytes,
                                                       std::span<const std::byte> trailer);
// `bytes` are the place's entry bytes. Nothing where they are damaged or lie.
[[nodiscard]] std::optional<std::vector<SegmentEntry>> parse_footer(const FooterPlace& place,
                                                                    std::span<const std::byte> bytes);

}  // namespace cairn
