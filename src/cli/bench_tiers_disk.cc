#include "cli/bench_tiers_disk.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "cli/bench.h"
#include "kv/tiers/disk_tier.h"
#include "store/file_io.h"
#include "store/file_io_buffer.h"

namespace cairn {
namespace {

constexpr int kRounds = 3;
constexpr uint64_t kMostBytes = uint64_t{256} << 20;
constexpr uint64_t kRawPiece = uint64_t{4} << 20;
constexpr size_t kTogether = DiskTier::kBlocksOfARead;
constexpr double kReadBar = 0.8;
constexpr double kWriteBar = 0.6;

// A record, in memory.
struct Copy {
  StoredRecord record;
  std::vector<std::byte> head;
  std::vector<std::vector<std::byte>> slices;
};

double rate_of(uint64_t bytes, uint64_t begin_ns, const Clock& clock) {
  return static_cast<double>(bytes) / (static_cast<double>(clock.now_ns() - begin_ns) * 1e-9);
}

Result<Copy> room_for(const StoredRecord& record) {
  Copy copy{.record = record, .head = std::vector<std::byte>(record.head_bytes), .slices = {}};
  for (const uint32_t bytes : *record.slice_bytes) copy.slices.emplace_back(bytes);
  return copy;
}

// Several at once, as a load reads them.
Status read_into(DiskStore& store, std::span<Copy> copies) {
  std::vector<RecordReader> readers;
  std::vector<std::vector<SliceRead>> slices;
  for (Copy& copy : copies) {
    CAIRN_ASSIGN_OR_RETURN(RecordReader reader, store.open_record(copy.record.name));
    readers.push_back(std::move(reader));
    auto& of_copy = slices.emplace_back();
    for (size_t i = 0; i < copy.slices.size(); ++i) of_copy.push_back({.slice = i, .to = copy.slices[i]});
  }
  std::vector<RecordRead> reads;
  for (size_t i = 0; i < copies.size(); ++i) {
    reads.push_back({.reader = &readers[i], .slices = slices[i], .status = {}});
  }
  RecordReader::read_together(reads);
  for (size_t i = 0; i < copies.size(); ++i) {
    CAIRN_RETURN_IF_ERROR(reads[i].status);
    CAIRN_RETURN_IF_ERROR(readers[i].read_head(copies[i].head));
  }
  return {};
}

Status put_into(DiskStore& store, const Copy& copy) {
  const std::vector<std::span<const std::byte>> slices(copy.slices.begin(), copy.slices.end());
  return store.put({.name = copy.record.name,
                    .owner = copy.record.owner,
                    .created_ms = 1,
                    .head = copy.head,
                    .slices = slices});
}

// Files beside the store's, gone when this goes.
class Beside {
 public:
  explicit Beside(const std::string& folder) : path_(folder + ".bench") { clear(); }
  ~Beside() { clear(); }
  Beside(const Beside&) = delete;
  Beside& operator=(const Beside&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  void clear() const {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

 private:
  std::string path_;
};

struct Raw {
  double read = 0;
  double write = 0;
};

Result<Raw> measure_raw(FileSystem& files, const std::string& path, uint64_t bytes) {
  const SteadyClock clock;
  const AlignedBuffer buffer(kRawPiece);
  const std::span<std::byte> piece = buffer.first(kRawPiece);
  CAIRN_ASSIGN_OR_RETURN(const auto file, files.open(path, OpenMode::kNew));
  Raw raw;
  uint64_t begin_ns = clock.now_ns();
  for (uint64_t at = 0; at < bytes; at += kRawPiece) CAIRN_RETURN_IF_ERROR(file->write(at, piece));
  CAIRN_RETURN_IF_ERROR(file->sync());
  raw.write = rate_of(bytes, begin_ns, clock);
  begin_ns = clock.now_ns();
  for (uint64_t at = 0; at < bytes; at += kRawPiece) {
    const ReadPiece read{.offset = at, .to = piece};
    CAIRN_RETURN_IF_ERROR(file->read(std::span(&read, 1), [](size_t) {}));
  }
  raw.read = rate_of(bytes, begin_ns, clock);
  return raw;
}

}  // namespace

Result<DiskSpeed> measure_disk(DiskStore& store, const std::string& folder) {
  CAIRN_RETURN_IF_ERROR(store.flush());
  std::vector<StoredRecord> records;
  uint64_t bytes = 0;
  store.list([&](const StoredRecord& record) {
    if (bytes + record.bytes > kMostBytes) return;
    bytes += record.bytes;
    records.push_back(record);
  });
  std::vector<Copy> copies;
  for (const StoredRecord& record : records) {
    CAIRN_ASSIGN_OR_RETURN(Copy copy, room_for(record));
    copies.push_back(std::move(copy));
  }
  const Beside beside(folder);
  const SteadyClock clock;
  std::vector<double> raw_reads, raw_writes, reads, writes;
  for (int round = 0; round < kRounds; ++round) {
    uint64_t begin_ns = clock.now_ns();
    for (size_t at = 0; at < copies.size(); at += kTogether) {
      const size_t count = std::min(kTogether, copies.size() - at);
      CAIRN_RETURN_IF_ERROR(read_into(store, std::span(copies).subspan(at, count)));
    }
    reads.push_back(rate_of(bytes, begin_ns, clock));
    beside.clear();
    {
      CAIRN_ASSIGN_OR_RETURN(const auto other,
                             DiskStore::open({.folder = beside.path(), .size_bytes = 16 * kMostBytes}));
      begin_ns = clock.now_ns();
      for (const Copy& copy : copies) CAIRN_RETURN_IF_ERROR(put_into(*other, copy));
      CAIRN_RETURN_IF_ERROR(other->flush());
      writes.push_back(rate_of(bytes, begin_ns, clock));
    }
    CAIRN_ASSIGN_OR_RETURN(const auto files, system_files(beside.path(), FileIo::kAuto));
    const uint64_t whole_pieces = (bytes + kRawPiece - 1) / kRawPiece * kRawPiece;
    CAIRN_ASSIGN_OR_RETURN(const Raw raw, measure_raw(*files, beside.path() + "/raw", whole_pieces));
    raw_reads.push_back(raw.read);
    raw_writes.push_back(raw.write);
  }
  return DiskSpeed{.io = store.describe_io(),
                   .raw_read = median(std::move(raw_reads)),
                   .raw_write = median(std::move(raw_writes)),
                   .read = median(std::move(reads)),
                   .write = median(std::move(writes))};
}

std::string disk_text(const DiskSpeed& speed) {
  const auto line = [](std::string_view what, double rate, double raw, double bar) {
    return fmt::format("disk {}: {:.0f} MB/s, raw {:.0f} MB/s: {:.2f} (bar {:.1f})\n", what, rate / 1e6,
                       raw / 1e6, rate / raw, bar);
  };
  return line("read", speed.read, speed.raw_read, kReadBar) +
         line("write", speed.write, speed.raw_write, kWriteBar) + "disk I/O: " + speed.io + "\n";
}

boost::json::object disk_json(const DiskSpeed& speed) {
  return {{"io", speed.io},
          {"read_bytes_per_second", speed.read},
          {"raw_read_bytes_per_second", speed.raw_read},
          {"read_ratio", speed.read / speed.raw_read},
          {"read_ratio_bar", kReadBar},
          {"write_bytes_per_second", speed.write},
          {"raw_write_bytes_per_second", speed.raw_write},
          {"write_ratio", speed.write / speed.raw_write},
          {"write_ratio_bar", kWriteBar}};
}

}  // namespace cairn
