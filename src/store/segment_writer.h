// SegmentWriter: where new records go. It has one open segment, appends to it, closes it with a footer when it is full, and
// makes durable what was appended, for all who wait at once. Inside the store room.
//
// Always true: every record is written behind the last that counts; what a failed write left behind is cut or overwritten,
// and where it cannot be cut, the segment is closed. A segment that the system failed to make durable is suspect.
//
// Calls that take `Lock` are made while the caller holds lock(): checking and appending must be one. sync() may be called by
// any thread, not holding it; it waits for the disk without the lock.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string>

#include "cairn/status.h"
#include "store/disk_store_index.h"
#include "store/file_io.h"
#include "store/file_io_buffer.h"
#include "store/segment.h"

namespace cairn {

class SegmentWriter {
 public:
  using Lock = std::unique_lock<std::mutex>;
  struct Place {
    std::string folder;
    uint64_t segment_bytes =
        0;  // a closed segment's file has at most so many, but for one with a single larger record
    uint64_t next_number = 1;
    DiskBytes disk_bytes;
  };

  SegmentWriter(StoreIndex& index, FileSystem& files, BufferPool& buffers, Place place);

  // Goes on in a segment of an earlier run, which is in the index. Before any other call.
  void adopt(const SegmentPointer& segment, uint64_t end_bytes, bool has_footer);

  [[nodiscard]] Lock lock() { return Lock(mutex_); }

  // Whether a record is no larger than a segment. Larger ones are only copied: of a folder whose segments were larger.
  [[nodiscard]] bool fits_a_segment(uint64_t record_bytes, size_t slice_count) const;
  // By how much the files will have grown when one more record is written and the segment is closed.
  [[nodiscard]] uint64_t growth_bytes(const Lock& held, uint64_t record_bytes, size_t slice_count) const;
  // Writes a whole record; the entry comes back with its place. It is not found before it is published.
  Result<RecordPlace> append(const Lock& held, std::span<const std::byte> record, SegmentEntry entry,
                             uint64_t now_ms);
  // Closes `segment` if it is the open one. What was in it is durable, or it is suspect.
  void close_if_open(const Lock& held, const SegmentPointer& segment);
  void close(const Lock& held);

  // Everything that was appended before is durable, but what lies in suspect segments.
  Status sync();
  [[nodiscard]] bool has_undurable();

 private:
  Status open_new(uint64_t now_ms);
  Status start_file(const SegmentPointer& segment, uint64_t now_ms);
  Status begin_appending();
  Status cut_tail();
  Status write_footer();
  void undo_torn_write(StatusCode why);
  void abandon();

  StoreIndex& index_;
  FileSystem& files_;
  BufferPool& buffers_;
  Place place_;

  std::mutex mutex_;
  SegmentPointer open_;         // null: the next record opens one
  uint64_t end_bytes_ = 0;      // of it: where the next record goes
  uint64_t entry_bytes_ = 0;    // of its footer
  bool footer_stands_ = false;  // adopted, and nothing was appended yet
  SliceSizesPool shared_sizes_;
  uint64_t appended_count_ = 0;  // ever
  uint64_t durable_count_ = 0;

  std::mutex sync_mutex_;  // one waits for the disk, the others for it; taken before mutex_
};

}  // namespace cairn
