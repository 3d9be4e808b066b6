// Small disk stores for tests, and records of a number to put into them and look for. Of any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/temporary_folder_testing.h"
#include "store/disk_store.h"
#include "store/file_io_testing.h"
#include "store/record_testing.h"

namespace cairn {

inline constexpr uint64_t kTestSegmentBytes = 256 << 10;

// The sizes of a record's slices are a function of its number: 1 to 5 slices, 4 to 40 KiB as a whole.
[[nodiscard]] SampleRecord sample(uint64_t number, uint64_t owner = 0);

// Options for a store of `segments` small segments, on a clock that stands still at `*now_ms`.
class TestStore {
 public:
  explicit TestStore(uint64_t segments = 16);

  // Opens it anew; the earlier one is closed first.
  DiskStore& open();
  void close() { store_.reset(); }
  [[nodiscard]] DiskStore& operator*() { return *store_; }
  [[nodiscard]] DiskStore* operator->() { return store_.get(); }

  [[nodiscard]] std::string folder() const { return folder_.at("store"); }
  // The segment files, by name.
  [[nodiscard]] std::vector<std::string> files() const;
  [[nodiscard]] uint64_t file_bytes() const;
  // Whether these bytes are in any file of the folder.
  [[nodiscard]] bool holds_bytes(std::span<const std::byte> bytes) const;

  DiskStoreOptions options;
  std::shared_ptr<FaultPlan> faults = std::make_shared<FaultPlan>();
  std::shared_ptr<std::atomic<uint64_t>> now_ms = std::make_shared<std::atomic<uint64_t>>(1'000'000);

 private:
  TemporaryFolder folder_;
  std::unique_ptr<DiskStore> store_;
};

enum class Seen { kThere, kAbsent, kWrong };
// Reads the record with everything in it, as a user of the store does. kWrong: other bytes than were put.
[[nodiscard]] Seen look_for(DiskStore& store, const SampleRecord& record);
[[nodiscard]] inline Seen look_for(DiskStore& store, uint64_t number) {
  return look_for(store, sample(number));
}

[[nodiscard]] std::vector<std::byte> file_content(const std::string& path);
void write_file(const std::string& path, std::span<const std::byte> bytes);

}  // namespace cairn
