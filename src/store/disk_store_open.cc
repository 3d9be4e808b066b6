// DiskStore: what happens at its beginning and end.
#include <algorithm>
#include <string>
#include <utility>

#include "base/no_throw.h"
#include "base/printable.h"
#include "base/unix_time.h"
#include "store/disk_store.h"
#include "store/disk_store_usage.h"
#include "store/segment_contents.h"

namespace cairn {
namespace {

// Few enough files to keep them all open, and so small that writing one anew is no long work.
uint64_t usual_segment_bytes(uint64_t size_bytes) {
  constexpr uint64_t kLeast = uint64_t{64} << 20;
  constexpr uint64_t kMost = uint64_t{4} << 30;
  return std::min({std::max(size_bytes / 128, kLeast), size_bytes / 4, kMost});
}

Status settle_sizes(DiskStoreOptions& options) {
  constexpr uint64_t kLeastSegmentBytes = 4 * kRecordAlignment;  // header, one record, footer
  if (options.segment_bytes == 0) options.segment_bytes = usual_segment_bytes(options.size_bytes);
  options.segment_bytes = options.segment_bytes / kRecordAlignment * kRecordAlignment;
  if (options.segment_bytes < kLeastSegmentBytes || options.size_bytes / 4 < options.segment_bytes) {
    return invalid_argument("a disk cache of " + std::to_string(options.size_bytes) +
                            " bytes is too small; it needs four segments of at least " +
                            std::to_string(std::max(options.segment_bytes, kLeastSegmentBytes)) + " bytes");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<DiskStore>> DiskStore::open(DiskStoreOptions options) {
  return no_throw([&]() -> Result<std::unique_ptr<DiskStore>> {
    CAIRN_RETURN_IF_ERROR(settle_sizes(options));
    if (!options.unix_ms) options.unix_ms = unix_ms;
    CAIRN_ASSIGN_OR_RETURN(StoreFolder folder, open_store_folder(options.folder));
    std::shared_ptr<FileSystem> files = options.files;
    if (files == nullptr) {
      CAIRN_ASSIGN_OR_RETURN(files, system_files(folder.path, options.io));
    }
    std::unique_ptr<DiskStore> store(new DiskStore(std::move(options), std::move(folder), std::move(files)));
    CAIRN_RETURN_IF_ERROR(store->load());
    store->worker_ = std::thread([raw = store.get()] { raw->work(); });
    if (store->is_shrinking_) store->ask_for_room();
    return store;
  });
}

DiskStore::DiskStore(DiskStoreOptions options, StoreFolder folder, std::shared_ptr<FileSystem> files)
    : options_(std::move(options)), folder_(std::move(folder)), files_(std::move(files)) {
  const uint64_t next_number = folder_.segment_numbers.empty() ? 1 : folder_.segment_numbers.back() + 1;
  writer_.emplace(index_, *files_, buffers_,
                  SegmentWriter::Place{.folder = folder_.path,
                                       .segment_bytes = options_.segment_bytes,
                                       .next_number = next_number,
                                       .disk_bytes = disk_bytes_});
  last_sync_ms_ = now_ms();
}

DiskStore::~DiskStore() {
  if (!worker_.joinable()) return;  // it was never opened
  {
    const std::lock_guard lock(work_mutex_);
    is_stopping_ = true;
  }
  work_.notify_all();
  worker_.join();
  // What cannot be written down now was never acknowledged.
  (void)no_throw([&] {
    (void)flush();
    {
      const SegmentWriter::Lock held = writer_->lock();
      writer_->close(held);
    }
    return save_usage();
  });
}

Status DiskStore::load() {
  // The newest first: of two copies of a record, the one that was written last is found.
  const std::vector<uint64_t>& numbers = folder_.segment_numbers;
  for (size_t i = numbers.size(); i-- > 0;)
    CAIRN_RETURN_IF_ERROR(load_segment(numbers[i], i + 1 == numbers.size()));
  load_usage();
  is_shrinking_ = *disk_bytes_ > options_.size_bytes;
  return {};
}

Status DiskStore::load_segment(uint64_t number, bool is_last) {
  const std::string path = segment_path(folder_.path, number);
  auto file = files_->open(path, OpenMode::kExisting);
  if (!file.ok() && file.status().code() == StatusCode::kResourceExhausted) return file.status();
  if (!file.ok()) {
    ++folder_.foreign_count;
    return {};
  }
  const auto bytes = (*file)->size();
  auto contents =
      bytes.ok() ? read_segment(**file, *bytes, number, buffers_) : Result<SegmentContents>(bytes.status());
  if (contents.status().code() == StatusCode::kResourceExhausted)
    return contents.status();  // it says nothing of the file
  if (!contents.ok()) {
    ++counters_.read_error;
    contents =
        SegmentContents{.entries = {}, .end_bytes = bytes.ok() ? *bytes : 0, .has_unknown_bytes = true};
  }
  if (contents->entries.empty() && !contents->has_unknown_bytes) {
    (void)files_->remove(path);  // of a process that ended right after it began the file
    return {};
  }
  auto segment = std::make_shared<Segment>(number, path, std::move(*file), disk_bytes_);
  segment->set_file_bytes(bytes.ok() ? *bytes : 0);
  segment->entries = std::move(contents->entries);
  segment->has_unknown_bytes = contents->has_unknown_bytes;
  // A torn tail is cut; where it cannot be, it is somebody's until the segment is written anew.
  const bool is_ours = !segment->entries.empty();  // whose entries are unknown is another version's
  if (is_ours && !contents->has_footer && contents->end_bytes < segment->file_bytes()) {
    if (segment->file().truncate(contents->end_bytes).ok()) {
      segment->set_file_bytes(contents->end_bytes);
    } else {
      segment->has_unknown_bytes = true;
    }
  }
  index_.add_segment(segment, now_ms());
  // What a run that was killed left to the system: found, and taken for kept, from now on.
  if (!segment->file().sync().ok()) index_.set_suspect(segment);
  const bool goes_on =
      is_last && !segment->has_unknown_bytes && contents->end_bytes <= options_.segment_bytes / 2;
  if (goes_on) writer_->adopt(segment, contents->end_bytes, contents->has_footer);
  return {};
}

void DiskStore::load_usage() {
  const auto uses = read_usage(*files_, buffers_, folder_.path);
  if (!uses.ok()) {
    if (uses.status().code() != StatusCode::kNotFound) ++counters_.bad_record;
    return;
  }
  const uint64_t now = now_ms();
  for (auto [name, use] : *uses) {
    use.last_used_ms = std::min(use.last_used_ms, now);
    index_.set_use(name, use);
  }
}

Status DiskStore::save_usage() {
  const std::lock_guard lock(usage_mutex_);
  RecordUses uses;
  for (const StoredRecord& record : index_.all()) {
    const bool says_as_much = record.hits == 0 && record.last_used_ms == record.created_ms;  // its creation
    if (!record.is_pinned && says_as_much) continue;
    uses.emplace_back(record.name, RecordUse{record.last_used_ms, record.hits, record.is_pinned});
  }
  return write_usage(*files_, buffers_, folder_.path, uses);
}

}  // namespace cairn
