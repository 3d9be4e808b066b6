#include "kv/tiers/block_export.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/no_throw.h"
#include "store/record_fields.h"

namespace cairn {
namespace {

// docs/block-format.md. Its beginning is that of a segment's header.
constexpr std::string_view kMagic = "CAIRNEXP";
constexpr uint64_t kVersion = 1;  // 32 bits, and the zeros behind it
constexpr size_t kVersionAt = 8;
constexpr size_t kChecksumAt = 16;
constexpr size_t kCheckedAt = 32;
constexpr size_t kCreatedAt = 32;
constexpr size_t kBlockCountAt = 40;
constexpr size_t kRecordBytesAt = 48;

constexpr uint64_t kReadBytes = uint64_t{4} << 20;

Status stopped() { return internal_error("stopped before all blocks were there"); }

// Of a record that the store has, into memory.
Status read_whole(DiskStore& store, const RecordName& name, std::vector<std::byte>& to) {
  CAIRN_ASSIGN_OR_RETURN(RecordReader reader, store.look_at(name));
  const StoredRecord& record = reader.record();
  const std::vector<uint32_t>& sizes = *record.slice_bytes;
  std::vector<std::byte> head(record.head_bytes);
  CAIRN_RETURN_IF_ERROR(reader.read_head(head));
  std::vector<std::vector<std::byte>> slices;
  slices.reserve(sizes.size());
  std::vector<SliceRead> reads;
  for (size_t i = 0; i < sizes.size(); ++i) {
    slices.emplace_back(sizes[i]);
    reads.push_back({.slice = i, .to = slices.back()});
  }
  CAIRN_RETURN_IF_ERROR(reader.read_slices(reads));
  const RecordLayout layout = lay_out_record(record.head_bytes, sizes);
  to.resize(layout.record_bytes);
  const std::vector<std::span<const std::byte>> views(slices.begin(), slices.end());
  encode_record(
      {.name = name, .owner = record.owner, .created_ms = record.created_ms, .head = head, .slices = views},
      layout, to);
  return {};
}

}  // namespace

void encode_export_header(const ExportHeader& header, std::span<std::byte> to) {
  CHECK(to.size() == kExportHeaderBytes);
  std::ranges::fill(to, std::byte{0});
  copy_bytes(to, 0, std::as_bytes(std::span(kMagic)));
  put_field(to, kVersionAt, kVersion);
  put_field(to, kCreatedAt, header.created_ms);
  put_field(to, kBlockCountAt, header.block_count);
  put_field(to, kRecordBytesAt, header.record_bytes);
  put_field(to, kChecksumAt, checksum_of(to.subspan(kCheckedAt)));
}

Result<ExportHeader> parse_export_header(std::span<const std::byte> bytes) {
  if (bytes.size() != kExportHeaderBytes || !has_magic(bytes, kMagic)) {
    return invalid_data("this is no file of exported blocks");
  }
  if (get_field<uint64_t>(bytes, kVersionAt) != kVersion) {
    return unsupported("the file is of a version that this Cairn does not know, or its header is damaged");
  }
  if (get_field<Checksum>(bytes, kChecksumAt) != checksum_of(bytes.subspan(kCheckedAt))) {
    return invalid_data("the file's header is damaged");
  }
  return ExportHeader{.created_ms = get_field<uint64_t>(bytes, kCreatedAt),
                      .block_count = get_field<uint64_t>(bytes, kBlockCountAt),
                      .record_bytes = get_field<uint64_t>(bytes, kRecordBytesAt)};
}

Result<ExportReader> ExportReader::open(ReadBytes read) {
  ExportReader reader(std::move(read));
  std::vector<std::byte> bytes(kExportHeaderBytes);
  CAIRN_ASSIGN_OR_RETURN(const size_t got, reader.read_(bytes));
  CAIRN_ASSIGN_OR_RETURN(reader.header_, parse_export_header(std::span(bytes).first(got)));
  return reader;
}

Status ExportReader::fill(std::span<std::byte> to) {
  CAIRN_ASSIGN_OR_RETURN(const size_t got, read_(to));
  return got == to.size() ? Status() : invalid_data("the file ends inside a block");
}

// Into record_, piece by piece: a file that only says that a record is long costs no memory.
Status ExportReader::read_record() {
  record_.resize(kRecordAlignment);
  CAIRN_RETURN_IF_ERROR(fill(record_));
  const auto front_bytes = front_bytes_of(record_);
  if (!front_bytes) return invalid_data("no block begins where one should");
  const auto read_up_to = [&](uint64_t end) -> Status {
    while (record_.size() < end) {
      const size_t before = record_.size();
      record_.resize(std::min<uint64_t>(end, before + kReadBytes));
      CAIRN_RETURN_IF_ERROR(fill(std::span(record_).subspan(before)));
    }
    return {};
  };
  CAIRN_RETURN_IF_ERROR(read_up_to(*front_bytes));
  CAIRN_ASSIGN_OR_RETURN(const RecordFront front, parse_record_front(record_));
  const uint64_t bytes = front.record_bytes;
  if (bytes > kExportRecordBytesMax)
    return invalid_data(fmt::format("a record of {} bytes is no block", bytes));
  if (bytes > header_.record_bytes - taken_bytes_)
    return invalid_data("there are more bytes than the header says");
  return read_up_to(bytes);
}

Result<std::optional<RecordView>> ExportReader::next() {
  if (taken_count_ == header_.block_count) {
    std::byte more{};
    CAIRN_ASSIGN_OR_RETURN(const size_t got, read_(std::span(&more, 1)));
    if (got > 0 || taken_bytes_ != header_.record_bytes) {
      return invalid_data("the file's length is not what its header says");
    }
    return std::optional<RecordView>();
  }
  CAIRN_RETURN_IF_ERROR(read_record());
  CAIRN_ASSIGN_OR_RETURN(const RecordFront front, parse_record(record_));
  CAIRN_RETURN_IF_ERROR(check_block_head(front.name, front.head, front.slice_bytes, namer_).status());
  slices_.clear();
  const RecordLayout layout = lay_out_record(static_cast<uint32_t>(front.head.size()), front.slice_bytes);
  for (size_t i = 0; i < front.slice_bytes.size(); ++i) {
    slices_.push_back(
        std::span<const std::byte>(record_).subspan(layout.slice_offsets[i], front.slice_bytes[i]));
  }
  ++taken_count_;
  taken_bytes_ += record_.size();
  return std::optional(RecordView{.name = front.name,
                                  .owner = front.owner,
                                  .created_ms = front.created_ms,
                                  .head = front.head,
                                  .slices = slices_});
}

Status export_blocks(DiskStore& store, std::span<const RecordName> names, uint64_t now_ms,
                     const WriteBytes& write, const GoOn& go_on) {
  return no_throw([&]() -> Status {
    ExportHeader header{.created_ms = now_ms, .block_count = names.size(), .record_bytes = 0};
    for (const RecordName& name : names) {
      const auto record = store.find(name);
      if (!record) return not_found("a block is no longer in the disk cache");
      header.record_bytes += record->bytes;
    }
    std::vector<std::byte> bytes(kExportHeaderBytes);
    encode_export_header(header, bytes);
    CAIRN_RETURN_IF_ERROR(write(bytes));
    for (size_t i = 0; i < names.size(); ++i) {
      if (!go_on(i, names.size())) return stopped();
      CAIRN_RETURN_IF_ERROR(read_whole(store, names[i], bytes));
      CAIRN_RETURN_IF_ERROR(write(bytes));
    }
    return {};
  });
}

Status import_blocks(ExportReader& file, DiskStore& store, const GoOn& go_on, ImportReport& report) {
  return no_throw([&]() -> Status {
    for (;;) {
      if (!go_on(report.taken_count, file.header().block_count)) return stopped();
      CAIRN_ASSIGN_OR_RETURN(const auto record, file.next());
      if (!record.has_value()) return store.flush();
      const bool is_known = store.find(record->name).has_value();
      CAIRN_RETURN_IF_ERROR(store.put(*record));
      ++report.taken_count;
      report.known_count += is_known ? 1 : 0;
    }
  });
}

}  // namespace cairn
