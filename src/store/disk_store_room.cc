// DiskStore: how room is made. Records leave the index, and segments are written anew without them.
#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "base/no_throw.h"
#include "base/printable.h"
#include "store/disk_store.h"
#include "store/disk_store_eviction.h"

namespace cairn {

void DiskStore::work() {
  std::unique_lock lock(work_mutex_);
  for (;;) {
    const std::chrono::milliseconds pause(std::max<uint64_t>(1, options_.sync_every_ms));
    const bool is_called = work_.wait_for(lock, pause, [&] { return is_stopping_ || wanted_bytes_ > 0; });
    if (is_stopping_) return;
    if (!is_called) {  // what was put last is durable too, though nothing follows it
      lock.unlock();
      if (writer_->has_undurable()) (void)flush();
      lock.lock();
      continue;
    }
    const uint64_t wanted_bytes = std::exchange(wanted_bytes_, 0);
    is_working_ = true;
    lock.unlock();
    bool freed = false;
    (void)no_throw([&] {  // no memory: whoever waits is told that nothing was freed
      freed = make_room(wanted_bytes);
      return Status();
    });
    lock.lock();
    is_working_ = false;
    ++round_count_;
    last_round_freed_ = freed;
    room_.notify_all();
  }
}

void DiskStore::ask_for_room() {
  const std::lock_guard lock(work_mutex_);
  wanted_bytes_ = std::max(wanted_bytes_, options_.segment_bytes);
  work_.notify_one();
}

// Waits for a round of work that began after this call, or for room.
Status DiskStore::wait_for_room(uint64_t bytes) {
  std::unique_lock lock(work_mutex_);
  wanted_bytes_ = std::max({wanted_bytes_, options_.segment_bytes, bytes});
  work_.notify_one();
  const uint64_t awaited = round_count_ + (is_working_ ? 2 : 1);
  room_.wait(lock, [&] { return fits(bytes) || round_count_ >= awaited; });
  if (fits(bytes) || last_round_freed_) return {};
  return resource_exhausted(
      printable_path(folder_.path) +
      ": the disk cache is full, and what is in it is pinned, being read, or cannot be moved");
}

// Whether any bytes were freed.
bool DiskStore::make_room(uint64_t wanted_bytes) {
  const std::lock_guard one(rewrite_mutex_);
  const uint64_t enough_bytes = options_.size_bytes - std::min(options_.size_bytes, wanted_bytes);
  bool freed = false;
  while (!is_stopping_ && *disk_bytes_ > enough_bytes) {
    // An eighth less, so that a segment that is written anew gives back about an eighth of itself or more.
    evict(enough_bytes - std::min(enough_bytes, options_.size_bytes / 8));
    SegmentPointer emptiest = index_.emptiest();
    if (emptiest == nullptr) break;
    const uint64_t before = *disk_bytes_;
    Copied copied;
    const Status rewritten = rewrite(emptiest, IfStuck::kKeep, copied);
    const bool has_no_room = rewritten.code() == StatusCode::kResourceExhausted && copied.can_read;
    if (has_no_room && evict_from(emptiest)) continue;  // less to copy
    if (!rewritten.ok()) break;
    emptiest.reset();  // its bytes are free when its last holder has gone
    if (*disk_bytes_ <= options_.size_bytes) is_shrinking_ = false;
    freed = freed || *disk_bytes_ < before;
    const std::lock_guard lock(work_mutex_);
    room_.notify_all();
  }
  return freed;
}

void DiskStore::evict(uint64_t enough_bytes) {
  uint64_t live_bytes = index_.totals().live_bytes;
  if (live_bytes <= enough_bytes) return;
  for (const StoredRecord& record : eviction_order(index_.all(), now_ms())) {
    if (live_bytes <= enough_bytes) return;
    if (!index_.drop_unpinned(record.name)) continue;
    live_bytes -= std::min(live_bytes, record.bytes);
    ++counters_.evicted;
  }
}

// What lies in a segment that is too full to be copied, as one is that was written when segments were larger, leaves until
// half a segment is left. Whether any left.
bool DiskStore::evict_from(const SegmentPointer& segment) {
  std::set<RecordName> here;
  for (const SegmentEntry& entry : index_.live_entries(segment)) here.insert(entry.name);
  bool any_left = false;
  for (const StoredRecord& record : eviction_order(index_.all(), now_ms())) {
    if (index_.live_bytes(segment) <= options_.segment_bytes / 2) break;
    if (!here.contains(record.name) || !index_.drop_unpinned(record.name)) continue;
    ++counters_.evicted;
    any_left = true;
  }
  return any_left;
}

// Copies what is found in the segment to elsewhere and removes its file. Under rewrite_mutex_.
Status DiskStore::rewrite(const SegmentPointer& segment, IfStuck if_stuck, Copied& copied) {
  {
    const SegmentWriter::Lock held = writer_->lock();
    writer_->close_if_open(held, segment);
  }
  if (Status status = copy_live(segment, copied);
      !status.ok() && (if_stuck == IfStuck::kKeep || !copied.can_read)) {
    return status;
  }
  if (Status removed = files_->remove(segment->path());
      !removed.ok() && removed.code() != StatusCode::kNotFound) {
    return removed;
  }
  counters_.evicted += index_.remove_segment(segment);
  return files_->sync_folder(folder_.path);
}

Status DiskStore::copy_live(const SegmentPointer& segment, Copied& copied) {
  const std::vector<SegmentEntry> entries = index_.live_entries(segment);
  if (entries.empty()) return {};
  CAIRN_RETURN_IF_ERROR(plan_to_copy(entries));
  const struct Reset {
    std::atomic<uint64_t>& bytes;
    ~Reset() { bytes = 0; }
  } reset{to_copy_bytes_};
  std::vector<StoreIndex::Move> moves;
  for (const SegmentEntry& entry : entries) {
    const RecordPlace place{segment, entry};
    const PooledBuffer buffer(buffers_, entry.bytes);
    if (Status read = read_record(place, buffer.bytes()); !read.ok()) {
      copied.can_read = read.code() != StatusCode::kResourceExhausted;
      if (!copied.can_read) return read;
      ++copied.lost_count;
      record_failed(place, read);
      continue;
    }
    const SegmentWriter::Lock held = writer_->lock();
    CAIRN_ASSIGN_OR_RETURN(RecordPlace copy, writer_->append(held, buffer.bytes(), entry, now_ms()));
    to_copy_bytes_ -= entry.bytes;
    moves.push_back({entry, std::move(copy.segment), std::move(copy.entry)});
    counters_.copied_bytes += entry.bytes;
  }
  CAIRN_RETURN_IF_ERROR(sync());
  for (const StoreIndex::Move& move : moves) {
    if (index_.is_suspect(move.to_segment)) return internal_error("copied records could not be made durable");
  }
  for (const StoreIndex::Move& move : moves) index_.move(segment, move);
  return {};
}

// Room for copies of these, and for the ends and beginnings of the segments that they come into. Nobody else gets it.
Status DiskStore::plan_to_copy(const std::vector<SegmentEntry>& entries) {
  uint64_t record_bytes = 0;
  uint64_t entry_bytes = 0;
  for (const SegmentEntry& entry : entries) {
    record_bytes += entry.bytes;
    entry_bytes += footer_entry_bytes(entry.slice_bytes->size());
  }
  // They end one segment, and are in another.
  const uint64_t bytes = record_bytes + 2 * footer_bytes_of(entry_bytes) + kSegmentHeaderBytes;
  const SegmentWriter::Lock held = writer_->lock();
  if (!is_shrinking_ && *disk_bytes_ + bytes > most_bytes()) {
    return resource_exhausted(printable_path(folder_.path) + ": no room to copy records");
  }
  to_copy_bytes_ = bytes;
  return {};
}

// What the system failed to make durable is written anew elsewhere, where it may succeed.
Status DiskStore::rewrite_suspects() {
  if (index_.suspects().empty()) return {};
  const std::lock_guard one(rewrite_mutex_);
  Copied copied;
  for (const SegmentPointer& segment : index_.suspects()) {
    CAIRN_RETURN_IF_ERROR(rewrite(segment, IfStuck::kKeep, copied));
  }
  if (copied.lost_count == 0) return {};
  return internal_error(printable_path(folder_.path) + ": records that were not durable are lost");
}

Result<uint64_t> DiskStore::erase_where(const std::function<bool(const SegmentEntry&)>& which) {
  return no_throw([&]() -> Result<uint64_t> {
    const std::lock_guard one(rewrite_mutex_);
    uint64_t erased_count = 0;
    std::vector<SegmentPointer> touched = index_.forget(which, erased_count);
    counters_.erased += erased_count;
    for (SegmentPointer& segment : touched) {
      Copied copied;
      CAIRN_RETURN_IF_ERROR(rewrite(segment, IfStuck::kGiveUp, copied));
      segment.reset();  // its bytes are free when its last holder has gone: the next one needs them
    }
    CAIRN_RETURN_IF_ERROR(save_usage());  // names say something too
    return erased_count;
  });
}

Result<uint64_t> DiskStore::erase(std::span<const RecordName> names) {
  return no_throw([&] {
    const std::set<RecordName> wanted(names.begin(), names.end());
    return erase_where([&](const SegmentEntry& entry) { return wanted.contains(entry.name); });
  });
}

Result<uint64_t> DiskStore::erase_owner(const OwnerTag& owner) {
  return erase_where([&](const SegmentEntry& entry) { return entry.owner == owner; });
}

Result<uint64_t> DiskStore::erase_all() {
  return erase_where([](const SegmentEntry&) { return true; });
}

}  // namespace cairn
