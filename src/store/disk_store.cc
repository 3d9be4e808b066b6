#include "store/disk_store.h"

#include <fmt/format.h>

#include <utility>

#include "base/no_throw.h"
#include "base/printable.h"

namespace cairn {

Status DiskStore::put(const RecordView& record, uint64_t ago_ms) {
  const Status status = no_throw([&] { return put_record(record, ago_ms); });
  if (!status.ok() && status.code() != StatusCode::kInvalidArgument) ++counters_.write_error;
  return status;
}

Status DiskStore::put_record(const RecordView& record, uint64_t ago_ms) {
  if (touch(record.name, ago_ms)) {
    ++counters_.known;
    return {};
  }
  CAIRN_ASSIGN_OR_RETURN(auto sizes, slice_sizes_of(record));
  const RecordLayout layout = lay_out_record(static_cast<uint32_t>(record.head.size()), sizes);
  CAIRN_RETURN_IF_ERROR(check_fits(layout, sizes.size()));
  const SegmentEntry entry{.name = record.name,
                           .owner = record.owner,
                           .created_ms = record.created_ms,
                           .bytes = layout.record_bytes,
                           .head_bytes = static_cast<uint32_t>(record.head.size()),
                           .slice_bytes = std::make_shared<const std::vector<uint32_t>>(std::move(sizes))};
  {
    const PooledBuffer buffer(buffers_, layout.record_bytes);
    encode_record(record, layout, buffer.bytes());
    CAIRN_RETURN_IF_ERROR(append_or_wait(buffer.bytes(), entry, ago_ms));
  }
  if (*disk_bytes_ + options_.segment_bytes > options_.size_bytes) ask_for_room();
  // The record is found, durable or not: what went wrong here is counted, and the next flush says so.
  const uint64_t now = now_ms();
  const uint64_t last = last_sync_ms_;
  if (now < last || now - last >= options_.sync_every_ms) (void)flush();
  return {};
}

Status DiskStore::check_fits(const RecordLayout& layout, size_t slice_count) const {
  if (writer_->fits_a_segment(layout.record_bytes, slice_count)) return {};
  return invalid_argument(fmt::format(
      "a record of {} bytes is too large for a disk cache of {} bytes, in segments of {}: give it "
      "more room",
      layout.record_bytes, options_.size_bytes, options_.segment_bytes));
}

Status DiskStore::append_or_wait(std::span<const std::byte> bytes, const SegmentEntry& entry,
                                 uint64_t ago_ms) {
  for (;;) {
    uint64_t growth_bytes = 0;
    {
      const SegmentWriter::Lock held = writer_->lock();
      if (touch(entry.name, ago_ms)) {  // another thread was faster
        ++counters_.known;
        return {};
      }
      growth_bytes = writer_->growth_bytes(held, bytes.size(), entry.slice_bytes->size());
      if (fits(growth_bytes)) {
        CAIRN_ASSIGN_OR_RETURN(const RecordPlace place, writer_->append(held, bytes, entry, now_ms()));
        index_.publish(place.segment, place.entry, ms_before(ago_ms));
        ++counters_.put;
        return {};
      }
    }
    CAIRN_RETURN_IF_ERROR(wait_for_room(growth_bytes));
  }
}

Result<RecordReader> DiskStore::reader_of(std::optional<std::pair<StoredRecord, RecordPlace>> found) {
  if (!found) return not_found("no such record in the disk cache");
  return RecordReader(std::move(found->first), std::move(found->second), buffers_,
                      [this](const RecordPlace& place, const Status& why) { record_failed(place, why); });
}

Result<RecordReader> DiskStore::open_record(const RecordName& name, uint64_t ago_ms) {
  return no_throw([&]() -> Result<RecordReader> {
    auto found = index_.use(name, ms_before(ago_ms));
    ++(found ? counters_.hit : counters_.miss);
    return reader_of(std::move(found));
  });
}

Result<RecordReader> DiskStore::look_at(const RecordName& name) {
  return no_throw([&] { return reader_of(index_.locate(name)); });
}

bool DiskStore::touch(const RecordName& name, uint64_t ago_ms) {
  return index_.use(name, ms_before(ago_ms)).has_value();
}

void DiskStore::record_failed(const RecordPlace& place, const Status& why) {
  ++(why.code() == StatusCode::kInvalidData ? counters_.bad_record : counters_.read_error);
  index_.drop(*place.segment, place.entry);
}

Status DiskStore::sync() {
  const Status synced = writer_->sync();
  if (!synced.ok()) ++counters_.sync_error;
  return synced;
}

Status DiskStore::flush() {
  return no_throw([&]() -> Status {
    last_sync_ms_ = now_ms();
    CAIRN_RETURN_IF_ERROR(sync());
    return rewrite_suspects();
  });
}

Status DiskStore::set_pinned(std::span<const RecordName> names, bool pinned) {
  return no_throw([&]() -> Status {
    bool are_there = true;
    for (const RecordName& name : names) are_there &= index_.set_pinned(name, pinned);
    CAIRN_RETURN_IF_ERROR(save_usage());
    return are_there ? Status() : not_found("no such record in the disk cache");
  });
}

void DiskStore::list(const std::function<void(const StoredRecord&)>& visit) const {
  for (const StoredRecord& record : index_.all()) visit(record);
}

DiskStoreCounts DiskStore::counts() const {
  const StoreIndex::Totals totals = index_.totals();
  return {.record_count = totals.record_count,
          .pinned_count = totals.pinned_count,
          .live_bytes = totals.live_bytes,
          .disk_bytes = *disk_bytes_,
          .size_bytes = options_.size_bytes,
          .segment_count = totals.segment_count,
          .foreign_count = folder_.foreign_count,
          .put_count = counters_.put,
          .known_count = counters_.known,
          .hit_count = counters_.hit,
          .miss_count = counters_.miss,
          .evicted_count = counters_.evicted,
          .erased_count = counters_.erased,
          .copied_bytes = counters_.copied_bytes,
          .bad_record_count = counters_.bad_record,
          .read_error_count = counters_.read_error,
          .write_error_count = counters_.write_error,
          .sync_error_count = counters_.sync_error};
}

DiskStore::VerifyReport DiskStore::verify(const std::function<bool(uint64_t done, uint64_t of)>& go_on,
                                          const std::function<Status(const RecordFront&)>& means_something) {
  VerifyReport report;
  const std::vector<StoredRecord> records = index_.all();
  for (const StoredRecord& record : records) {
    if (!go_on(report.checked_count, records.size())) return report;
    ++report.checked_count;
    const auto found = index_.locate(record.name);
    if (!found) continue;  // it left meanwhile
    const RecordPlace& place = found->second;
    const Status read = no_throw([&]() -> Status {
      const PooledBuffer buffer(buffers_, place.entry.bytes);
      CAIRN_RETURN_IF_ERROR(read_record(place, buffer.bytes()));
      if (!means_something) return {};
      CAIRN_ASSIGN_OR_RETURN(const RecordFront front, parse_record_front(buffer.bytes()));
      return means_something(front);
    });
    if (read.ok() || read.code() == StatusCode::kResourceExhausted) continue;
    record_failed(place, read);
    report.bad.push_back(record.name);
  }
  report.is_complete = true;
  return report;
}

}  // namespace cairn
