#include "store/disk_store_index.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"

namespace cairn {
namespace {

// What a segment's file would give back: everything but its live records.
uint64_t idle_bytes(const Segment& segment) {
  const uint64_t file_bytes = segment.file_bytes();
  return file_bytes - std::min(file_bytes, segment.live_bytes);
}

// Records that are not found, or bytes of nobody. Header and footer alone are no reason to write a segment anew.
bool has_idle_records(const Segment& segment) {
  return segment.live_bytes < segment.record_bytes || segment.has_unknown_bytes || segment.live_count == 0;
}

}  // namespace

StoredRecord StoreIndex::describe(const Found& found) {
  return {.name = found.entry.name,
          .owner = found.entry.owner,
          .created_ms = found.entry.created_ms,
          .last_used_ms = found.last_used_ms,
          .hits = found.hits,
          .is_pinned = found.is_pinned,
          .bytes = found.entry.bytes,
          .head_bytes = found.entry.head_bytes,
          .slice_bytes = found.entry.slice_bytes};
}

void StoreIndex::place(Found& found, const SegmentPointer& segment, const SegmentEntry& entry) {
  found.segment = segment;
  found.entry = entry;
  segment->live_bytes += entry.bytes;
  ++segment->live_count;
  live_bytes_ += entry.bytes;
}

void StoreIndex::lift(Found& found) {
  CHECK(found.segment->live_count > 0);
  found.segment->live_bytes -= found.entry.bytes;
  --found.segment->live_count;
  live_bytes_ -= found.entry.bytes;
}

StoreIndex::Map::iterator StoreIndex::erase(Map::iterator at) {
  lift(at->second);
  if (at->second.is_pinned) --pinned_count_;
  return records_.erase(at);
}

std::optional<StoredRecord> StoreIndex::find(const RecordName& name) const {
  const std::shared_lock lock(mutex_);
  const auto at = records_.find(name);
  if (at == records_.end()) return std::nullopt;
  return describe(at->second);
}

std::optional<std::pair<StoredRecord, RecordPlace>> StoreIndex::locate(const RecordName& name) const {
  const std::shared_lock lock(mutex_);
  const auto at = records_.find(name);
  if (at == records_.end()) return std::nullopt;
  return std::pair(describe(at->second), RecordPlace{at->second.segment, at->second.entry});
}

std::optional<std::pair<StoredRecord, RecordPlace>> StoreIndex::use(const RecordName& name, uint64_t now_ms) {
  const std::shared_lock lock(mutex_);
  const auto at = records_.find(name);
  if (at == records_.end()) return std::nullopt;
  Found& found = at->second;
  found.last_used_ms = now_ms;
  if (found.hits < std::numeric_limits<uint32_t>::max() / 2) ++found.hits;
  return std::pair(describe(found), RecordPlace{found.segment, found.entry});
}

std::vector<StoredRecord> StoreIndex::all() const {
  const std::shared_lock lock(mutex_);
  std::vector<StoredRecord> records;
  records.reserve(records_.size());
  for (const auto& [name, found] : records_) records.push_back(describe(found));
  return records;
}

StoreIndex::Totals StoreIndex::totals() const {
  const std::shared_lock lock(mutex_);
  return {.record_count = records_.size(),
          .pinned_count = pinned_count_,
          .live_bytes = live_bytes_,
          .segment_count = segments_.size()};
}

std::vector<SegmentPointer> StoreIndex::segments() const {
  const std::shared_lock lock(mutex_);
  return segments_;
}

void StoreIndex::add_segment(const SegmentPointer& segment, uint64_t now_ms) {
  const std::unique_lock lock(mutex_);
  segments_.push_back(segment);
  // Of two copies the later one is found: it was written because the earlier was damaged.
  for (size_t i = segment->entries.size(); i-- > 0;) {
    const SegmentEntry& entry = segment->entries[i];
    segment->record_bytes += entry.bytes;
    const auto [at, fresh] = records_.try_emplace(entry.name);
    if (!fresh) continue;
    place(at->second, segment, entry);
    at->second.last_used_ms = std::min(entry.created_ms, now_ms);
  }
}

uint64_t StoreIndex::remove_segment(const SegmentPointer& segment) {
  const std::unique_lock lock(mutex_);
  uint64_t dropped_count = 0;
  for (const SegmentEntry& entry : segment->entries) {
    const auto at = records_.find(entry.name);
    if (at == records_.end() || at->second.segment != segment) continue;
    erase(at);
    ++dropped_count;
  }
  std::erase(segments_, segment);
  return dropped_count;
}

void StoreIndex::set_open(const SegmentPointer& segment, bool open) {
  const std::unique_lock lock(mutex_);
  segment->is_open = open;
}

void StoreIndex::set_suspect(const SegmentPointer& segment) {
  const std::unique_lock lock(mutex_);
  segment->is_suspect = true;
}

void StoreIndex::set_unknown(const SegmentPointer& segment) {
  const std::unique_lock lock(mutex_);
  segment->has_unknown_bytes = true;
}

bool StoreIndex::is_suspect(const SegmentPointer& segment) const {
  const std::shared_lock lock(mutex_);
  return segment->is_suspect;
}

void StoreIndex::append(const SegmentPointer& segment, const SegmentEntry& entry) {
  const std::unique_lock lock(mutex_);
  segment->entries.push_back(entry);
  segment->record_bytes += entry.bytes;
}

void StoreIndex::publish(const SegmentPointer& segment, const SegmentEntry& entry, uint64_t now_ms) {
  const std::unique_lock lock(mutex_);
  const auto [at, fresh] = records_.try_emplace(entry.name);
  if (!fresh) return;
  place(at->second, segment, entry);
  at->second.last_used_ms = now_ms;
}

void StoreIndex::move(const SegmentPointer& from, const Move& copied) {
  const std::unique_lock lock(mutex_);
  const auto at = records_.find(copied.from.name);
  if (at == records_.end() || at->second.segment != from || at->second.entry.offset != copied.from.offset)
    return;
  lift(at->second);
  place(at->second, copied.to_segment, copied.to);
}

bool StoreIndex::drop(const Segment& segment, const SegmentEntry& entry) {
  const std::unique_lock lock(mutex_);
  const auto at = records_.find(entry.name);
  if (at == records_.end() || at->second.segment.get() != &segment ||
      at->second.entry.offset != entry.offset) {
    return false;
  }
  erase(at);
  return true;
}

bool StoreIndex::drop_unpinned(const RecordName& name) {
  const std::unique_lock lock(mutex_);
  const auto at = records_.find(name);
  if (at == records_.end() || at->second.is_pinned) return false;
  erase(at);
  return true;
}

std::vector<SegmentPointer> StoreIndex::forget(const std::function<bool(const SegmentEntry&)>& which,
                                               uint64_t& dropped_count) {
  const std::unique_lock lock(mutex_);
  for (auto at = records_.begin(); at != records_.end();) {
    const bool drop = which(at->second.entry);
    dropped_count += drop ? 1 : 0;
    at = drop ? erase(at) : std::next(at);
  }
  std::vector<SegmentPointer> touched;
  for (const SegmentPointer& segment : segments_) {
    if (segment->has_unknown_bytes || std::ranges::any_of(segment->entries, which))
      touched.push_back(segment);
  }
  return touched;
}

bool StoreIndex::set_pinned(const RecordName& name, bool pinned) {
  const std::unique_lock lock(mutex_);
  const auto at = records_.find(name);
  if (at == records_.end()) return false;
  pinned_count_ += static_cast<uint64_t>(pinned) - static_cast<uint64_t>(at->second.is_pinned);
  at->second.is_pinned = pinned;
  return true;
}

void StoreIndex::set_use(const RecordName& name, const RecordUse& use) {
  const std::unique_lock lock(mutex_);
  const auto at = records_.find(name);
  if (at == records_.end()) return;
  at->second.last_used_ms = use.last_used_ms;
  at->second.hits = use.hits;
  pinned_count_ += static_cast<uint64_t>(use.is_pinned) - static_cast<uint64_t>(at->second.is_pinned);
  at->second.is_pinned = use.is_pinned;
}

std::vector<SegmentEntry> StoreIndex::live_entries(const SegmentPointer& segment) const {
  const std::shared_lock lock(mutex_);
  std::vector<SegmentEntry> live;
  for (const SegmentEntry& entry : segment->entries) {
    const auto at = records_.find(entry.name);
    if (at != records_.end() && at->second.segment == segment && at->second.entry.offset == entry.offset) {
      live.push_back(entry);
    }
  }
  return live;
}

uint64_t StoreIndex::live_bytes(const SegmentPointer& segment) const {
  const std::shared_lock lock(mutex_);
  return segment->live_bytes;
}

SegmentPointer StoreIndex::emptiest() const {
  const std::shared_lock lock(mutex_);
  SegmentPointer best;
  double best_share = 0;
  for (const SegmentPointer& segment : segments_) {
    if (!has_idle_records(*segment) || (segment->is_open && segment->entries.empty())) continue;
    double share = static_cast<double>(idle_bytes(*segment)) / static_cast<double>(segment->file_bytes() + 1);
    if (segment->is_open) share /= 1e6;
    if (best == nullptr || share > best_share) {
      best = segment;
      best_share = share;
    }
  }
  return best;
}

std::vector<SegmentPointer> StoreIndex::suspects() const {
  const std::shared_lock lock(mutex_);
  std::vector<SegmentPointer> suspects;
  std::ranges::copy_if(segments_, std::back_inserter(suspects),
                       [](const SegmentPointer& segment) { return segment->is_suspect; });
  return suspects;
}

}  // namespace cairn
