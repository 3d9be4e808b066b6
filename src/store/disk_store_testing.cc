#include "store/disk_store_testing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

namespace cairn {
namespace {

namespace fs = std::filesystem;

}  // namespace

SampleRecord sample(uint64_t number, uint64_t owner) {
  std::vector<size_t> sizes;
  for (uint64_t i = 0; i <= number % 5; ++i) sizes.push_back(1 + (number * 2654435761U + i * 4099) % 8191);
  return SampleRecord(number, std::move(sizes), owner);
}

TestStore::TestStore(uint64_t segments) {
  options.folder = folder();
  options.size_bytes = segments * kTestSegmentBytes;
  options.segment_bytes = kTestSegmentBytes;
  options.io = FileIo::kPlain;
  options.unix_ms = [now = now_ms] { return now->load(); };
}

DiskStore& TestStore::open() {
  store_.reset();
  DiskStoreOptions with_faults = options;
  if (with_faults.files == nullptr) {
    auto real = system_files(folder_.path(), options.io);
    EXPECT_TRUE(real.ok()) << real.status().message();
    with_faults.files = faulty_files(*real, faults);
  }
  auto opened = DiskStore::open(std::move(with_faults));
  if (!opened.ok()) throw std::runtime_error(opened.status().message());
  store_ = std::move(*opened);
  return *store_;
}

std::vector<std::string> TestStore::files() const {
  std::vector<std::string> paths;
  for (const auto& file : fs::directory_iterator(folder())) {
    if (segment_number(file.path().filename().string())) paths.push_back(file.path().string());
  }
  std::ranges::sort(paths);
  return paths;
}

uint64_t TestStore::file_bytes() const {
  uint64_t bytes = 0;
  std::error_code gone;  // a segment may be removed meanwhile
  for (const std::string& path : files()) {
    const uint64_t size = fs::file_size(path, gone);
    bytes += gone ? 0 : size;
  }
  return bytes;
}

bool TestStore::holds_bytes(std::span<const std::byte> bytes) const {
  for (const auto& file : fs::directory_iterator(folder())) {
    if (!file.is_regular_file()) continue;
    const std::vector<std::byte> content = file_content(file.path().string());
    if (!std::ranges::search(content, bytes).empty()) return true;
  }
  return false;
}

Seen look_for(DiskStore& store, const SampleRecord& record) {
  auto reader = store.open_record(record.view().name);
  if (!reader.ok()) return Seen::kAbsent;
  const StoredRecord& stored = reader->record();
  if (stored.head_bytes != record.head().size() || stored.slice_bytes->size() != record.slices().size()) {
    return Seen::kWrong;
  }
  std::vector<std::vector<std::byte>> slices;
  std::vector<SliceRead> reads;
  for (const uint32_t bytes : *stored.slice_bytes) slices.emplace_back(bytes);
  for (size_t i = 0; i < slices.size(); ++i) reads.push_back({i, slices[i]});
  std::vector<std::byte> head(stored.head_bytes);
  if (!reader->read_slices(reads).ok() || !reader->read_head(head).ok()) return Seen::kAbsent;
  return head == record.head() && slices == record.slices() ? Seen::kThere : Seen::kWrong;
}

std::vector<std::byte> file_content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  const auto as_bytes = std::as_bytes(std::span(bytes));
  return {as_bytes.begin(), as_bytes.end()};
}

void write_file(const std::string& path, std::span<const std::byte> bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace cairn
