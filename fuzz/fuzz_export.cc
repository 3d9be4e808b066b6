// Any bytes as an export file: what is taken is a block whose record says so, and no more is taken than the header says. Where
// the first byte is odd, checksums and names are mended first, as by someone who lies on purpose.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <utility>
#include <vector>

#include "kv/tiers/block_export.h"
#include "kv/tiers/block_export_testing.h"
#include "store/record_fields.h"

namespace {

using Bytes = std::span<std::byte>;

// docs/block-format.md: the checksum at place 16 covers place 32 to `end`.
void mend_checksum(Bytes bytes, uint64_t end) {
  if (end < 32 || end > bytes.size()) return;
  cairn::put_field(bytes, 16, cairn::checksum_of(bytes.subspan(32, end - 32)));
}

// The name at place 32 is the hash of the head's parent and tokens, at its places 48 and 88.
void mend_name(Bytes record, Bytes head) {
  if (head.size() < 216) return;
  cairn::BlockNamer namer{std::string_view()};
  const auto tokens = cairn::get_field<cairn::BlockTokens>(head, 88);
  cairn::put_field(record, 32, namer.child(cairn::get_field<cairn::BlockName>(head, 48), tokens));
}

void mend_record(Bytes rest) {
  const auto head_bytes = cairn::get_field<uint32_t>(rest, 96);
  const uint64_t slice_count = cairn::get_field<uint32_t>(rest, 100);
  const uint64_t head_at = 128 + 24 * slice_count;
  if (head_at > rest.size() || head_bytes > rest.size() - head_at) return;
  const Bytes head = rest.subspan(head_at, head_bytes);
  uint64_t at = cairn::aligned_bytes(head_at + head_bytes);
  for (uint64_t i = 0; i < slice_count; ++i) {
    const auto bytes = cairn::get_field<uint64_t>(rest, 128 + 24 * i);
    if (at > rest.size() || bytes > rest.size() - at) break;
    cairn::put_field(rest, 136 + 24 * i, cairn::checksum_of(rest.subspan(at, bytes)));
    at += cairn::aligned_bytes(bytes);
  }
  mend_name(rest, head);
  cairn::put_field(rest, 112, cairn::checksum_of(head));
  mend_checksum(rest, head_at + head_bytes);
}

void mend(Bytes file) {
  if (file.size() < cairn::kExportHeaderBytes) return;
  mend_checksum(file.first(cairn::kExportHeaderBytes), cairn::kExportHeaderBytes);
  for (uint64_t at = cairn::kExportHeaderBytes; at + cairn::kRecordAlignment <= file.size();
       at += cairn::kRecordAlignment) {
    if (cairn::has_magic(file.subspan(at), "CAIRNREC")) mend_record(file.subspan(at));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto input = std::as_bytes(std::span(data, size));
  std::vector<std::byte> bytes(input.begin() + (size > 0 ? 1 : 0), input.end());
  if (size > 0 && data[0] % 2 == 1) mend(bytes);
  const size_t file_bytes = bytes.size();
  auto reader = cairn::ExportReader::open(cairn::reading(std::move(bytes)));
  if (!reader.ok()) {
    if (reader.status().message().empty()) std::abort();
    return 0;
  }
  cairn::BlockNamer namer{std::string_view()};
  uint64_t taken_bytes = 0;
  for (uint64_t taken = 0;; ++taken) {
    const auto record = reader->next();
    if (!record.ok() && record.status().message().empty()) std::abort();
    if (!record.ok() || !record->has_value()) break;
    if (taken >= reader->header().block_count) std::abort();
    const auto sizes = cairn::slice_sizes_of(**record);
    if (!sizes.ok()) std::abort();
    if (!cairn::check_block_head((*record)->name, (*record)->head, *sizes, namer).ok()) std::abort();
    for (const auto slice : (*record)->slices) taken_bytes += slice.size();
    if (taken_bytes > file_bytes) std::abort();
  }
  return 0;
}
