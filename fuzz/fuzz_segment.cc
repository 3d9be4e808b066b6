// Any bytes as a segment file: whatever is listed lies inside the file, by offset and without overlaps, and each record is
// then checked, or refused with a message. Where the first byte is odd, checksums are mended first, as by someone who lies
// on purpose; else hardly anything would get past them.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "store/disk_store_reader.h"
#include "store/record_fields.h"
#include "store/segment_contents.h"
#include "store/segment_testing.h"

namespace {

using cairn::Checksum;
using Bytes = std::span<std::byte>;

// docs/block-format.md: the checksum at place 16 covers place 32 to `end`.
void mend_checksum(Bytes block, uint64_t end) {
  if (end < 32 || end > block.size()) return;
  cairn::put_field(block, 16, cairn::checksum_of(block.subspan(32, end - 32)));
}

void mend_front(Bytes rest) {
  const auto head_bytes = cairn::get_field<uint32_t>(rest, 96);
  const uint64_t head_at = 128 + uint64_t{24} * cairn::get_field<uint32_t>(rest, 100);
  if (head_at > rest.size() || head_bytes > rest.size() - head_at) return;
  cairn::put_field(rest, 112, cairn::checksum_of(rest.subspan(head_at, head_bytes)));
  mend_checksum(rest, head_at + head_bytes);
}

void mend_trailer(Bytes file, Bytes trailer) {
  const auto offset = cairn::get_field<uint64_t>(trailer, 40);
  const auto entry_bytes = cairn::get_field<uint64_t>(trailer, 48);
  if (offset <= file.size() && entry_bytes <= file.size() - offset) {
    cairn::put_field(trailer, 64, cairn::checksum_of(file.subspan(offset, entry_bytes)));
  }
  mend_checksum(trailer, trailer.size());
}

void mend(Bytes file) {
  const uint64_t whole_bytes = file.size() / cairn::kRecordAlignment * cairn::kRecordAlignment;
  file = file.first(whole_bytes);
  for (uint64_t at = 0; at < file.size(); at += cairn::kRecordAlignment) {
    if (cairn::has_magic(file.subspan(at), "CAIRNREC")) mend_front(file.subspan(at));
  }
  if (file.empty()) return;
  mend_checksum(file.first(cairn::kSegmentHeaderBytes), cairn::kSegmentHeaderBytes);
  mend_trailer(file, file.last(cairn::kSegmentTrailerBytes));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto input = std::as_bytes(std::span(data, size));
  std::vector<std::byte> bytes(input.begin() + (size > 0 ? 1 : 0), input.end());
  if (size > 0 && data[0] % 2 == 1) mend(bytes);
  cairn::MemoryFile file(bytes);
  cairn::BufferPool buffers;
  const auto contents = cairn::read_segment(file, bytes.size(), cairn::kTestSegment, buffers);
  if (!contents.ok() || contents->end_bytes > bytes.size()) std::abort();
  uint64_t behind = cairn::kSegmentHeaderBytes;
  for (const cairn::SegmentEntry& entry : contents->entries) {
    if (entry.offset < behind || entry.offset > bytes.size() || entry.bytes > bytes.size() - entry.offset) {
      std::abort();
    }
    behind = entry.offset + entry.bytes;
    const auto record = cairn::parse_record(std::span(bytes).subspan(entry.offset, entry.bytes));
    if (!record.ok() && record.status().message().empty()) std::abort();
    if (record.ok()) (void)cairn::check_front(*record, entry);
  }
  return 0;
}
