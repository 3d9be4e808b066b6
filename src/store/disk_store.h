// DiskStore: records in a folder that outlive the process: each found by its name, checked when it is read, and dropped
// again when room is needed. It knows nothing of what is in them. docs/block-format.md has the files to the byte.
//
// Always true:
// - What a reader returns has the checksums that were made when the record was put. Damage is a record that is not there
//   (any more) and a count; it stops nothing else.
// - What was put before a flush() that returned ok is found after a crash of the process or the machine, unless it was
//   evicted or erased. Data reach the disk (fdatasync) in flush(), which serves all who wait at once; when a segment is
//   closed; and in a put() when the last time is `sync_every_ms` or more ago.
// - The files take at most `size_bytes`, and one segment more while records are copied out of one that is nearly empty
//   (right after a start with less than before: while it shrinks, one segment more than they had).
// - Finding and reading never wait for writing, for the disk to be durable, nor for records being copied.
//
// Eviction: disk_store_eviction.h has the rule. It begins when the files come within a segment of `size_bytes` and goes on
// until an eighth of it is free; then segments are written anew without what left, the emptiest first.
//
// Of any thread. put, flush, erase and verify wait for the disk: they are for threads in the background.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "store/disk_store_folder.h"
#include "store/disk_store_index.h"
#include "store/disk_store_reader.h"
#include "store/file_io.h"
#include "store/file_io_buffer.h"
#include "store/record.h"
#include "store/segment_writer.h"

namespace cairn {

struct DiskStoreOptions {
  std::string folder;
  uint64_t size_bytes = 0;
  uint64_t segment_bytes =
      0;  // 0: a 128th of the size, but at least 64 MiB and at most a quarter of it or 4 GiB
  FileIo io = FileIo::kAuto;
  uint64_t sync_every_ms = 5000;
  std::function<uint64_t()> unix_ms;  // empty: the system's clock
  std::shared_ptr<FileSystem> files;  // empty: the system's files, by `io`
};

struct DiskStoreCounts {
  uint64_t record_count = 0;
  uint64_t pinned_count = 0;
  uint64_t live_bytes = 0;  // of records that are found
  uint64_t disk_bytes = 0;  // of the files
  uint64_t size_bytes = 0;  // the most that they may have
  uint64_t segment_count = 0;
  uint64_t foreign_count = 0;  // files in the folder that are not the store's, when it was opened
  // Since it was opened.
  uint64_t put_count = 0;
  uint64_t known_count = 0;  // puts of what was there
  uint64_t hit_count = 0;    // records opened
  uint64_t miss_count = 0;
  uint64_t evicted_count = 0;
  uint64_t erased_count = 0;
  uint64_t copied_bytes = 0;       // out of segments that were written anew
  uint64_t bad_record_count = 0;   // damaged, dropped
  uint64_t read_error_count = 0;   // the system could not read them, dropped
  uint64_t write_error_count = 0;  // puts that failed, a full disk among them
  uint64_t sync_error_count = 0;
};

class DiskStore {
 public:
  // Errors: kInvalidArgument (the folder, see disk_store_folder.h; sizes that are too small), kUnsupported (io_uring was asked
  // for and is refused), kResourceExhausted, kInternal. Damage in the folder is none.
  static Result<std::unique_ptr<DiskStore>> open(DiskStoreOptions options);
  // Flushes, closes the open segment and writes down what was used.
  ~DiskStore();
  DiskStore(const DiskStore&) = delete;
  DiskStore& operator=(const DiskStore&) = delete;

  // Once it returns ok the record is found. Of a name that is there only the last use changes. kInvalidArgument: too large;
  // kResourceExhausted: no room on the disk, or nothing in the store may leave; kInternal.
  // Every use may count as one of `ago_ms` before, so that of records that are used together some leave earlier.
  Status put(const RecordView& record, uint64_t ago_ms = 0);
  // Whether a record of this shape can ever be put: kInvalidArgument where it is too large.
  [[nodiscard]] Status check_fits(const RecordLayout& layout, size_t slice_count) const;
  // From memory.
  [[nodiscard]] std::optional<StoredRecord> find(const RecordName& name) const { return index_.find(name); }
  // Counts as a use; reads nothing yet. kNotFound.
  Result<RecordReader> open_record(const RecordName& name, uint64_t ago_ms = 0);
  // The same, but for counting as a use: for who only looks into the store.
  Result<RecordReader> look_at(const RecordName& name);
  // Counts as a use. False: there is no such record.
  bool touch(const RecordName& name, uint64_t ago_ms = 0);

  Status flush();

  // Pinned records are never evicted, also after a restart. kNotFound where any is not there (the others are pinned all the
  // same); errors of writing that down.
  Status pin(std::span<const RecordName> names) { return set_pinned(names, true); }
  Status unpin(std::span<const RecordName> names) { return set_pinned(names, false); }
  Status pin(const RecordName& name) { return pin(std::span(&name, 1)); }
  Status unpin(const RecordName& name) { return unpin(std::span(&name, 1)); }

  // Once it returns ok, no file in the folder has any byte of these records. Returns how many were found. The segments that
  // they were in are written anew; where that fails, what else was in them is given up.
  Result<uint64_t> erase(const RecordName& name) { return erase(std::span(&name, 1)); }
  Result<uint64_t> erase(std::span<const RecordName> names);
  Result<uint64_t> erase_owner(const OwnerTag& owner);
  Result<uint64_t> erase_all();

  void list(const std::function<void(const StoredRecord&)>& visit) const;
  [[nodiscard]] DiskStoreCounts counts() const;
  // "io_uring, O_DIRECT", for people.
  [[nodiscard]] std::string describe_io() const { return files_->describe(); }

  struct VerifyReport {
    uint64_t checked_count = 0;
    std::vector<RecordName>
        bad;  // dropped: not found any more, and in the files until their segments are written anew
    bool is_complete = false;
  };
  // Reads every record and checks it; bad ones are dropped. `go_on` hears how many of how many were checked, and stops it
  // by returning false. `means_something` is asked about each record whose checksums agree: an error says that it is bad
  // all the same.
  VerifyReport verify(const std::function<bool(uint64_t done, uint64_t of)>& go_on,
                      const std::function<Status(const RecordFront&)>& means_something = {});

 private:
  enum class IfStuck { kKeep, kGiveUp };
  struct Counters {
    std::atomic<uint64_t> put{0}, known{0}, hit{0}, miss{0}, evicted{0}, erased{0}, copied_bytes{0},
        bad_record{0}, read_error{0}, write_error{0}, sync_error{0};
  };

  DiskStore(DiskStoreOptions options, StoreFolder folder, std::shared_ptr<FileSystem> files);
  [[nodiscard]] uint64_t now_ms() const { return options_.unix_ms(); }

  // disk_store_open.cc
  Status load();
  Status load_segment(uint64_t number, bool is_last);
  void load_usage();
  Status save_usage();

  // disk_store.cc
  [[nodiscard]] uint64_t ms_before(uint64_t ago_ms) const {
    const uint64_t now = now_ms();
    return now - std::min(now, ago_ms);
  }
  Status put_record(const RecordView& record, uint64_t ago_ms);
  Status append_or_wait(std::span<const std::byte> bytes, const SegmentEntry& entry, uint64_t ago_ms);
  Status sync();
  Status set_pinned(std::span<const RecordName> names, bool pinned);
  Result<RecordReader> reader_of(std::optional<std::pair<StoredRecord, RecordPlace>> found);
  void record_failed(const RecordPlace& place, const Status& why);

  // disk_store_room.cc
  void work();
  void ask_for_room();
  Status wait_for_room(uint64_t bytes);
  // A put's bytes. While records are copied, the segment that is more than `size_bytes` is for them.
  [[nodiscard]] bool fits(uint64_t bytes) const {
    const uint64_t then_bytes = *disk_bytes_ + bytes;
    return then_bytes <= options_.size_bytes && then_bytes + to_copy_bytes_ <= most_bytes();
  }
  [[nodiscard]] uint64_t most_bytes() const { return options_.size_bytes + options_.segment_bytes; }
  bool make_room(uint64_t wanted_bytes);
  void evict(uint64_t enough_bytes);
  struct Copied {
    bool can_read = true;  // false: for want of memory or descriptors, which says nothing of the records
    uint64_t lost_count = 0;
  };
  Status rewrite(const SegmentPointer& segment, IfStuck if_stuck, Copied& copied);
  bool evict_from(const SegmentPointer& segment);
  Status copy_live(const SegmentPointer& segment, Copied& copied);
  Status plan_to_copy(const std::vector<SegmentEntry>& entries);
  Status rewrite_suspects();
  Result<uint64_t> erase_where(const std::function<bool(const SegmentEntry&)>& which);

  DiskStoreOptions options_;
  StoreFolder folder_;
  std::shared_ptr<FileSystem> files_;
  DiskBytes disk_bytes_ = std::make_shared<std::atomic<uint64_t>>(0);
  BufferPool buffers_;
  StoreIndex index_;
  std::optional<SegmentWriter> writer_;
  Counters counters_;
  std::atomic<uint64_t> last_sync_ms_ = 0;
  std::atomic<bool> is_shrinking_ = false;  // opened with more than it may have
  std::atomic<uint64_t> to_copy_bytes_ =
      0;  // of a segment that is written anew, at most; changed under the writer's lock

  // Locks are taken in this order, after them the writer's, after that the index's.
  std::mutex rewrite_mutex_;      // segments are written anew one at a time
  std::mutex usage_mutex_;        // the file of uses is
  std::mutex work_mutex_;         // what follows
  std::condition_variable work_;  // for the worker: something is to be done
  std::condition_variable room_;  // for who waits for room
  uint64_t wanted_bytes_ = 0;
  bool is_working_ = false;
  std::atomic<bool> is_stopping_ = false;
  uint64_t round_count_ = 0;  // of make_room that ended
  bool last_round_freed_ = false;
  std::thread worker_;
};

}  // namespace cairn
