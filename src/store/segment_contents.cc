#include "store/segment_contents.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"

namespace cairn {
namespace {

// Where a front is expected, most are found in so much; where one must be looked for, more is read at once.
constexpr uint64_t kFrontWindowBytes = 2 * kRecordAlignment;
constexpr uint64_t kFooterBytesMax = uint64_t{1} << 30;  // of millions of records; more is a liar's
constexpr uint64_t kSearchWindowBytes = uint64_t{1} << 20;
static_assert(aligned_bytes(128 + 24 * uint64_t{kSliceCountMax} + kHeadBytesMax) <= kSearchWindowBytes);

// The part of a file that is in memory.
class Window {
 public:
  Window(File& file, uint64_t file_bytes, BufferPool& buffers)
      : file_(file), file_bytes_(file_bytes), buffer_(buffers, kSearchWindowBytes) {}

  // `bytes` of the file, or fewer at its end; more is read ahead where it is not there yet.
  Result<std::span<const std::byte>> at(uint64_t offset, uint64_t bytes, uint64_t ahead_bytes) {
    bytes = std::min(bytes, file_bytes_ - offset);
    if (offset < begin_ || offset + bytes > end_) {
      const uint64_t wanted = std::min(std::max(bytes, ahead_bytes), file_bytes_ - offset);
      const ReadPiece piece{offset, buffer_.bytes().first(wanted)};
      begin_ = end_ = 0;
      CAIRN_RETURN_IF_ERROR(file_.read(std::span(&piece, 1), [](size_t) {}));
      begin_ = offset;
      end_ = offset + wanted;
    }
    return std::span<const std::byte>(buffer_.bytes().subspan(offset - begin_, bytes));
  }

 private:
  File& file_;
  uint64_t file_bytes_;
  PooledBuffer buffer_;
  uint64_t begin_ = 0;
  uint64_t end_ = 0;
};

Result<std::optional<std::vector<SegmentEntry>>> entries_of_footer(File& file, uint64_t file_bytes,
                                                                   uint64_t segment, BufferPool& buffers,
                                                                   uint64_t& end_bytes) {
  using Entries = std::optional<std::vector<SegmentEntry>>;
  if (file_bytes < kSegmentHeaderBytes + kSegmentTrailerBytes) return Entries();
  std::optional<FooterPlace> place;
  {
    const PooledBuffer trailer(buffers, kSegmentTrailerBytes);
    const ReadPiece piece{file_bytes - kSegmentTrailerBytes, trailer.bytes()};
    CAIRN_RETURN_IF_ERROR(file.read(std::span(&piece, 1), [](size_t) {}));
    place = parse_trailer(segment, file_bytes, trailer.bytes());
  }
  if (!place || place->entry_bytes > kFooterBytesMax) return Entries();
  const PooledBuffer footer(buffers, aligned_bytes(place->entry_bytes));
  if (place->entry_bytes > 0) {
    const ReadPiece piece{place->offset, footer.bytes()};
    CAIRN_RETURN_IF_ERROR(file.read(std::span(&piece, 1), [](size_t) {}));
  }
  end_bytes = place->offset;
  return parse_footer(*place, footer.bytes().first(place->entry_bytes));
}

// The record that begins at `offset` and lies in the file as a whole.
Result<std::optional<SegmentEntry>> entry_at(Window& window, uint64_t offset, uint64_t file_bytes,
                                             uint64_t ahead_bytes, SliceSizesPool& shared) {
  using Entry = std::optional<SegmentEntry>;
  CAIRN_ASSIGN_OR_RETURN(const auto start, window.at(offset, kRecordAlignment, ahead_bytes));
  const auto front_bytes = front_bytes_of(start);
  if (!front_bytes || *front_bytes > file_bytes - offset) return Entry();
  CAIRN_ASSIGN_OR_RETURN(const auto bytes, window.at(offset, *front_bytes, ahead_bytes));
  const auto front = parse_record_front(bytes);
  if (!front.ok() || front->record_bytes > file_bytes - offset) return Entry();
  return Entry(SegmentEntry{.name = front->name,
                            .owner = front->owner,
                            .created_ms = front->created_ms,
                            .offset = offset,
                            .bytes = front->record_bytes,
                            .head_bytes = static_cast<uint32_t>(front->head.size()),
                            .slice_bytes = shared.share(front->slice_bytes)});
}

Result<SegmentContents> look_for_records(File& file, uint64_t file_bytes, BufferPool& buffers) {
  SegmentContents contents;
  contents.end_bytes = kSegmentHeaderBytes;
  Window window(file, file_bytes, buffers);
  SliceSizesPool shared;
  uint64_t offset = kSegmentHeaderBytes;
  uint64_t ahead_bytes = kFrontWindowBytes;
  bool skipped = false;
  while (offset < file_bytes) {
    CAIRN_ASSIGN_OR_RETURN(auto entry, entry_at(window, offset, file_bytes, ahead_bytes, shared));
    if (!entry) {
      offset += kRecordAlignment;
      ahead_bytes = kSearchWindowBytes;
      skipped = true;
      continue;
    }
    contents.has_unknown_bytes = contents.has_unknown_bytes || skipped;
    skipped = false;
    ahead_bytes = kFrontWindowBytes;
    offset += entry->bytes;
    contents.end_bytes = offset;
    contents.entries.push_back(std::move(*entry));
  }
  return contents;
}

// A file of another version is not searched: nobody reads it, and its room is taken when room is needed.
Result<bool> has_our_header(File& file, uint64_t file_bytes, BufferPool& buffers) {
  if (file_bytes < kSegmentHeaderBytes) return false;
  const PooledBuffer header(buffers, kSegmentHeaderBytes);
  const ReadPiece piece{0, header.bytes()};
  CAIRN_RETURN_IF_ERROR(file.read(std::span(&piece, 1), [](size_t) {}));
  return is_segment_header(header.bytes());
}

Result<SegmentContents> read_whole_blocks(File& file, uint64_t file_bytes, uint64_t segment,
                                          BufferPool& buffers) {
  SegmentContents contents;
  CAIRN_ASSIGN_OR_RETURN(auto entries,
                         entries_of_footer(file, file_bytes, segment, buffers, contents.end_bytes));
  if (!entries) {
    CAIRN_ASSIGN_OR_RETURN(const bool ours, has_our_header(file, file_bytes, buffers));
    if (ours) return look_for_records(file, file_bytes, buffers);
    return SegmentContents{.entries = {}, .end_bytes = file_bytes, .has_unknown_bytes = file_bytes > 0};
  }
  contents.entries = std::move(*entries);
  contents.has_footer = true;
  // A footer that leaves something out is the work of a liar, but what it leaves out may be somebody's.
  uint64_t behind = kSegmentHeaderBytes;
  for (const SegmentEntry& entry : contents.entries) {
    contents.has_unknown_bytes = contents.has_unknown_bytes || entry.offset != behind;
    behind = entry.offset + entry.bytes;
  }
  contents.has_unknown_bytes = contents.has_unknown_bytes || behind != contents.end_bytes;
  return contents;
}

}  // namespace

Result<SegmentContents> read_segment(File& file, uint64_t file_bytes, uint64_t segment, BufferPool& buffers) {
  // Whole blocks only: what hangs over is torn.
  const uint64_t whole_bytes = file_bytes / kRecordAlignment * kRecordAlignment;
  auto contents = read_whole_blocks(file, whole_bytes, segment, buffers);
  if (!contents.ok() && contents.status().code() == StatusCode::kInvalidData) {  // it shrinks meanwhile
    return SegmentContents{.entries = {}, .end_bytes = whole_bytes, .has_unknown_bytes = true};
  }
  return contents;
}

}  // namespace cairn
