// StoreIndex: which records a disk store has and where each lies, in memory. Every call is short and does no I/O, so that
// readers never wait for the disk here. Of any thread; inside the store room.
//
// Always true: a record is found in at most one place; a segment's live bytes are those of the records that are found in it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "store/record_fields.h"
#include "store/segment.h"

namespace cairn {

// What the store knows of a record without reading it.
struct StoredRecord {
  RecordName name{};
  OwnerTag owner{};
  uint64_t created_ms = 0;
  uint64_t last_used_ms = 0;
  uint32_t hits = 0;
  bool is_pinned = false;
  uint64_t bytes = 0;  // on the disk
  uint32_t head_bytes = 0;
  SliceSizes slice_bytes;  // one number a slice
};

// Where a record lies. Holding it keeps the segment readable.
struct RecordPlace {
  SegmentPointer segment;
  SegmentEntry entry;
};

struct RecordUse {
  uint64_t last_used_ms = 0;
  uint32_t hits = 0;
  bool is_pinned = false;
};

class StoreIndex {
 public:
  struct Totals {
    uint64_t record_count = 0;
    uint64_t pinned_count = 0;
    uint64_t live_bytes = 0;
    uint64_t segment_count = 0;
  };
  // A copy of a record from one segment to another.
  struct Move {
    SegmentEntry from;
    SegmentPointer to_segment;
    SegmentEntry to;
  };

  [[nodiscard]] std::optional<StoredRecord> find(const RecordName& name) const;
  [[nodiscard]] std::optional<std::pair<StoredRecord, RecordPlace>> locate(const RecordName& name) const;
  // locate, counted as a use.
  [[nodiscard]] std::optional<std::pair<StoredRecord, RecordPlace>> use(const RecordName& name,
                                                                        uint64_t now_ms);
  [[nodiscard]] std::vector<StoredRecord> all() const;
  [[nodiscard]] Totals totals() const;
  [[nodiscard]] std::vector<SegmentPointer> segments() const;

  // A segment with its entries, found from now on. Names that are found already stay where they are.
  void add_segment(const SegmentPointer& segment, uint64_t now_ms);
  // Whatever is found in it is so no longer; returns how many that were.
  uint64_t remove_segment(const SegmentPointer& segment);
  void set_open(const SegmentPointer& segment, bool open);
  void set_suspect(const SegmentPointer& segment);
  void set_unknown(const SegmentPointer& segment);
  [[nodiscard]] bool is_suspect(const SegmentPointer& segment) const;

  // A record that was written behind the segment's last; not found before it is published.
  void append(const SegmentPointer& segment, const SegmentEntry& entry);
  void publish(const SegmentPointer& segment, const SegmentEntry& entry, uint64_t now_ms);
  // Where the record is still found in `from`, it is found at its copy.
  void move(const SegmentPointer& from, const Move& copied);

  // False where the record is not found there (any more).
  bool drop(const Segment& segment, const SegmentEntry& entry);
  bool drop_unpinned(const RecordName& name);
  // Drops all that `which` says, and names the segments with any of their bytes, found or not, or with unknown ones.
  [[nodiscard]] std::vector<SegmentPointer> forget(const std::function<bool(const SegmentEntry&)>& which,
                                                   uint64_t& dropped_count);

  bool set_pinned(const RecordName& name, bool pinned);
  void set_use(const RecordName& name, const RecordUse& use);

  [[nodiscard]] std::vector<SegmentEntry> live_entries(const SegmentPointer& segment) const;
  [[nodiscard]] uint64_t live_bytes(const SegmentPointer& segment) const;
  // The segment that gives back most of itself when its live records are copied elsewhere; the open one only where no
  // other gives back anything.
  [[nodiscard]] SegmentPointer emptiest() const;
  [[nodiscard]] std::vector<SegmentPointer> suspects() const;

 private:
  struct NameHash {
    // A name is a SHA-256: any part of it is a hash.
    size_t operator()(const RecordName& name) const { return get_field<size_t>(name, 0); }
  };
  struct Found {
    SegmentPointer segment;
    SegmentEntry entry;
    std::atomic<uint64_t> last_used_ms = 0;
    std::atomic<uint32_t> hits = 0;
    bool is_pinned = false;
  };
  using Map = std::unordered_map<RecordName, Found, NameHash>;

  static StoredRecord describe(const Found& found);
  void place(Found& found, const SegmentPointer& segment, const SegmentEntry& entry);
  void lift(Found& found);
  Map::iterator erase(Map::iterator at);

  mutable std::shared_mutex mutex_;
  Map records_;
  std::vector<SegmentPointer> segments_;
  uint64_t live_bytes_ = 0;
  uint64_t pinned_count_ = 0;
};

}  // namespace cairn
