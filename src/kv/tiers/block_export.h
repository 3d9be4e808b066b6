// An export: blocks of a disk store in one file, for other machines that should have them (docs/block-format.md, to the byte).
// A header says how many there are; records follow as they lie in a segment file.
//
// Always true: what is taken from a file was checked first: its checksums, and all that can be known of a block without its
// cache (check_block_head). Nothing behind the first record that is not whole is taken. Checksums find damage; they are no
// proof against forgery, so a file is worth as much trust as whoever gives it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "cairn/status.h"
#include "kv/tiers/block_catalogue.h"
#include "store/disk_store.h"
#include "store/record.h"

namespace cairn {

inline constexpr uint64_t kExportHeaderBytes = kRecordAlignment;
// Of one record: more than any block, and little enough to be read into memory whatever a file says.
inline constexpr uint64_t kExportRecordBytesMax = uint64_t{1} << 30;

struct ExportHeader {
  uint64_t created_ms = 0;  // since 1970
  uint64_t block_count = 0;
  uint64_t record_bytes = 0;  // of all records together

  friend bool operator==(const ExportHeader&, const ExportHeader&) = default;
};
// `to` has kExportHeaderBytes.
void encode_export_header(const ExportHeader& header, std::span<std::byte> to);
// Of kExportHeaderBytes. kInvalidData: no header, or a damaged one; kUnsupported: of another version.
[[nodiscard]] Result<ExportHeader> parse_export_header(std::span<const std::byte> bytes);

// Reads what comes next; less than was asked for only at the end of the file.
using ReadBytes = std::function<Result<size_t>(std::span<std::byte> to)>;
using WriteBytes = std::function<Status(std::span<const std::byte> bytes)>;

class ExportReader {
 public:
  // Errors: those of parse_export_header and of `read`.
  static Result<ExportReader> open(ReadBytes read);

  [[nodiscard]] const ExportHeader& header() const { return header_; }
  // The next record, checked; nothing behind the last. It points into memory of the reader, until the next call. Errors, after
  // which there is no next: kInvalidData (damaged, cut short, no block, more than the header says), kUnsupported (a
  // block of another version), those of `read`.
  Result<std::optional<RecordView>> next();

 private:
  explicit ExportReader(ReadBytes read) : read_(std::move(read)) {}
  Status fill(std::span<std::byte> to);
  Status read_record();

  ReadBytes read_;
  ExportHeader header_;
  BlockNamer namer_{std::string_view()};
  uint64_t taken_count_ = 0;
  uint64_t taken_bytes_ = 0;
  std::vector<std::byte> record_;
  std::vector<std::span<const std::byte>> slices_;
};

// Writes these records, in this order. Counts as no use of them. Errors: kNotFound, kInvalidData (one is damaged: it is
// dropped), those of `write`; kInternal where `go_on` said no.
Status export_blocks(DiskStore& store, std::span<const RecordName> names, uint64_t now_ms,
                     const WriteBytes& write, const GoOn& go_on);

struct ImportReport {
  uint64_t taken_count = 0;
  uint64_t known_count = 0;  // of those: the store had them
};
// Puts blocks into the store as they come, and flushes. `report` says how far it came, also after an error: those of
// ExportReader and of DiskStore::put; kInternal where `go_on` said no.
Status import_blocks(ExportReader& file, DiskStore& store, const GoOn& go_on, ImportReport& report);

}  // namespace cairn
