// RecordReader: one record of a disk store, held readable: it can be evicted, moved or erased meanwhile, and is read as it
// was. Whatever is returned was checked against its checksum.
//
// Move-only; one thread at a time; must not outlive its store.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "cairn/status.h"
#include "store/disk_store_index.h"
#include "store/file_io_buffer.h"
#include "store/record.h"

namespace cairn {

struct SliceRead {
  size_t slice = 0;
  std::span<std::byte> to;  // as long as the slice is
};

class RecordReader;

// Slices of one record, of several that are read at once.
struct RecordRead {
  RecordReader* reader = nullptr;
  std::span<const SliceRead> slices;
  Status status;  // what came of it: as RecordReader::read_slices says
};

class RecordReader {
 public:
  // `failed` is told of a record that is damaged (kInvalidData) or could not be read (kInternal).
  using OnFailure = std::function<void(const RecordPlace&, const Status&)>;
  RecordReader(StoredRecord record, RecordPlace place, BufferPool& buffers, OnFailure failed);

  [[nodiscard]] const StoredRecord& record() const { return record_; }

  // Errors of all three: kInvalidData: the record is damaged or unreadable, is no longer in the store, and nothing of what
  // was read by this call may be used. kInvalidArgument: no such slice, or memory of another size.
  Status read_head(std::span<std::byte> to);
  Status read_slice(size_t slice, std::span<std::byte> to);
  // What is in it is not what its user means by that name: it leaves the store as a damaged one does.
  Status reject(const std::string& why);
  // Several at once, with many reads under way; fastest in ascending order.
  Status read_slices(std::span<const SliceRead> reads);
  // Of several records, each another one: those that lie in one file are read together, so that the disk is busy while they are
  // checked.
  static void read_together(std::span<RecordRead> reads);

 private:
  class Batch;
  static Status read_of_a_file(std::span<RecordRead> reads);
  Status check_reads(std::span<const SliceRead> reads) const;
  Status take_front(std::span<const std::byte> bytes);
  Status failed(Status why);

  StoredRecord record_;
  RecordPlace place_;
  BufferPool* buffers_;
  OnFailure failed_;
  RecordLayout layout_;
  // Of the front, once it was read.
  std::optional<std::vector<Checksum>> checksums_;
  std::vector<std::byte> head_;
};

// Whether the front is that of the record which the index means.
[[nodiscard]] Status check_front(const RecordFront& front, const SegmentEntry& entry);

// Reads a whole record and checks everything in it. Errors: kInvalidData, kInternal.
[[nodiscard]] Status read_record(const RecordPlace& place, std::span<std::byte> to);

}  // namespace cairn
