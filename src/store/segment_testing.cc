#include "store/segment_testing.h"

#include <memory>

#include "store/record_testing.h"

namespace cairn {

void append_footer(std::vector<std::byte>& file, const std::vector<SegmentEntry>& entries, uint64_t segment) {
  uint64_t entry_bytes = 0;
  for (const SegmentEntry& entry : entries) entry_bytes += footer_entry_bytes(entry.slice_bytes->size());
  const uint64_t offset = file.size();
  file.resize(offset + footer_bytes_of(entry_bytes));
  encode_footer(segment, offset, entries, std::span(file).subspan(offset));
}

std::vector<std::byte> segment_file(const std::vector<uint64_t>& numbers) {
  std::vector<std::byte> file(kSegmentHeaderBytes);
  encode_segment_header(kTestSegment, 1000, file);
  std::vector<SegmentEntry> entries;
  for (const uint64_t number : numbers) {
    const SampleRecord record(number, {100 + number, 5000}, number);
    const std::vector<std::byte> bytes = record.encoded();
    entries.push_back({.name = record.view().name,
                       .owner = record.view().owner,
                       .created_ms = record.view().created_ms,
                       .offset = file.size(),
                       .bytes = bytes.size(),
                       .head_bytes = static_cast<uint32_t>(record.head().size()),
                       .slice_bytes = std::make_shared<const std::vector<uint32_t>>(
                           std::vector<uint32_t>{static_cast<uint32_t>(100 + number), 5000})});
    file.insert(file.end(), bytes.begin(), bytes.end());
  }
  append_footer(file, entries);
  return file;
}

}  // namespace cairn
