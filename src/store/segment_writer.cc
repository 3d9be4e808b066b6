#include "store/segment_writer.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace cairn {

SegmentWriter::SegmentWriter(StoreIndex& index, FileSystem& files, BufferPool& buffers, Place place)
    : index_(index), files_(files), buffers_(buffers), place_(std::move(place)) {}

void SegmentWriter::adopt(const SegmentPointer& segment, uint64_t end_bytes, bool has_footer) {
  CHECK(open_ == nullptr);
  open_ = segment;
  end_bytes_ = end_bytes;
  footer_stands_ = has_footer;
  entry_bytes_ = 0;
  for (const SegmentEntry& entry : segment->entries)
    entry_bytes_ += footer_entry_bytes(entry.slice_bytes->size());
  index_.set_open(segment, true);
}

bool SegmentWriter::fits_a_segment(uint64_t record_bytes, size_t slice_count) const {
  const uint64_t around = kSegmentHeaderBytes + footer_bytes_of(footer_entry_bytes(slice_count));
  return around <= place_.segment_bytes && record_bytes <= place_.segment_bytes - around;
}

uint64_t SegmentWriter::growth_bytes(const Lock& held, uint64_t record_bytes, size_t slice_count) const {
  DCHECK(held.owns_lock());
  const uint64_t entry_bytes = footer_entry_bytes(slice_count);
  const uint64_t this_footer = open_ == nullptr ? 0 : footer_bytes_of(entry_bytes_ + entry_bytes);
  return record_bytes + this_footer + kSegmentHeaderBytes + footer_bytes_of(entry_bytes);
}

Result<RecordPlace> SegmentWriter::append(const Lock& held, std::span<const std::byte> record,
                                          SegmentEntry entry, uint64_t now_ms) {
  DCHECK(held.owns_lock());
  const uint64_t entry_bytes = footer_entry_bytes(entry.slice_bytes->size());
  if (open_ != nullptr &&
      end_bytes_ + record.size() + footer_bytes_of(entry_bytes_ + entry_bytes) > place_.segment_bytes) {
    close(held);
  }
  if (open_ == nullptr) CAIRN_RETURN_IF_ERROR(open_new(now_ms));
  CAIRN_RETURN_IF_ERROR(begin_appending());
  // Counted before it is there: the files never have more than is said.
  open_->set_file_bytes(end_bytes_ + record.size());
  if (Status written = open_->file().write(end_bytes_, record); !written.ok()) {
    undo_torn_write(written.code());
    return written;
  }
  entry.offset = end_bytes_;
  entry.bytes = record.size();
  entry.slice_bytes = shared_sizes_.share(*entry.slice_bytes);
  end_bytes_ += record.size();
  entry_bytes_ += entry_bytes;
  ++appended_count_;
  index_.append(open_, entry);
  return RecordPlace{open_, std::move(entry)};
}

Status SegmentWriter::open_new(uint64_t now_ms) {
  const std::string path = segment_path(place_.folder, place_.next_number);
  CAIRN_ASSIGN_OR_RETURN(auto file, files_.open(path, OpenMode::kNew));
  auto segment = std::make_shared<Segment>(place_.next_number, path, std::move(file), place_.disk_bytes);
  ++place_.next_number;
  if (Status started = start_file(segment, now_ms); !started.ok()) {
    (void)files_.remove(path);
    return started;
  }
  segment->is_open = true;
  index_.add_segment(segment, now_ms);
  open_ = std::move(segment);
  end_bytes_ = kSegmentHeaderBytes;
  entry_bytes_ = 0;
  footer_stands_ = false;
  return {};
}

Status SegmentWriter::start_file(const SegmentPointer& segment, uint64_t now_ms) {
  const PooledBuffer header(buffers_, kSegmentHeaderBytes);
  encode_segment_header(segment->number(), now_ms, header.bytes());
  segment->set_file_bytes(kSegmentHeaderBytes);
  CAIRN_RETURN_IF_ERROR(segment->file().write(0, header.bytes()));
  return files_.sync_folder(place_.folder);
}

// Cuts off the footer, or what an earlier process left torn.
Status SegmentWriter::begin_appending() {
  Status cut = cut_tail();
  footer_stands_ = false;
  if (!cut.ok()) abandon();
  return cut;
}

Status SegmentWriter::cut_tail() {
  if (open_->file_bytes() <= end_bytes_) return {};
  CAIRN_RETURN_IF_ERROR(open_->file().truncate(end_bytes_));
  open_->set_file_bytes(end_bytes_);
  return {};
}

void SegmentWriter::undo_torn_write(StatusCode why) {
  const bool cut = open_->file().truncate(end_bytes_).ok();
  if (cut) open_->set_file_bytes(end_bytes_);
  // A full disk may have room again. Anything else may be this file's own trouble: the next record begins another.
  if (cut && why == StatusCode::kResourceExhausted) return;
  abandon();
}

// Leaves the open segment as it is, without a footer.
void SegmentWriter::abandon() {
  if (open_->file_bytes() > end_bytes_) index_.set_unknown(open_);
  index_.set_open(open_, false);
  index_.set_suspect(open_);  // nobody makes it durable any more: its records must be written anew
  open_ = nullptr;
}

Status SegmentWriter::write_footer() {
  const uint64_t bytes = footer_bytes_of(entry_bytes_);
  CAIRN_RETURN_IF_ERROR(cut_tail());  // a footer is the end of its file
  const PooledBuffer footer(buffers_, bytes);
  encode_footer(open_->number(), end_bytes_, open_->entries, footer.bytes());
  open_->set_file_bytes(end_bytes_ + bytes);
  Status written = open_->file().write(end_bytes_, footer.bytes());
  if (written.ok()) return {};
  // Without a footer the next start looks for the records. Of a footer that is half there, it believes nothing.
  if (open_->file().truncate(end_bytes_).ok()) open_->set_file_bytes(end_bytes_);
  return written;
}

void SegmentWriter::close_if_open(const Lock& held, const SegmentPointer& segment) {
  if (open_ == segment) close(held);
}

void SegmentWriter::close(const Lock& held) {
  DCHECK(held.owns_lock());
  if (open_ == nullptr) return;
  if (!footer_stands_) {
    (void)write_footer();
    if (!open_->file().sync().ok()) index_.set_suspect(open_);
  }
  index_.set_open(open_, false);
  open_ = nullptr;
  durable_count_ = appended_count_;
}

bool SegmentWriter::has_undurable() {
  const Lock held = lock();
  return durable_count_ < appended_count_;
}

Status SegmentWriter::sync() {
  uint64_t wanted = 0;
  {
    const Lock held = lock();
    wanted = appended_count_;
  }
  const std::lock_guard one(sync_mutex_);
  SegmentPointer segment;
  uint64_t reached = 0;
  {
    const Lock held = lock();
    if (durable_count_ >= wanted) return {};
    segment = open_;
    reached = appended_count_;
  }
  const Status synced = segment == nullptr ? Status() : segment->file().sync();
  const Lock held = lock();
  if (synced.ok()) {
    durable_count_ = std::max(durable_count_, reached);
  } else {
    index_.set_suspect(segment);
    if (open_ == segment) abandon();
  }
  return synced;
}

}  // namespace cairn
