// Segment: one file of records, appended to until it is closed and never changed after. Whoever holds one can read it, also
// when its name is gone already: the file lives until its last holder goes.
//
// `disk_bytes` is the sum of what all segments of a store take, those among them whose name is gone; a segment takes its part
// off when it ends. The fields without a note belong to the StoreIndex that the segment is in, and are read and changed
// under its lock.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "store/file_io.h"
#include "store/segment_format.h"

namespace cairn {

using DiskBytes = std::shared_ptr<std::atomic<uint64_t>>;

class Segment {
 public:
  Segment(uint64_t number, std::string path, std::unique_ptr<File> file, DiskBytes disk_bytes)
      : number_(number), path_(std::move(path)), file_(std::move(file)), disk_bytes_(std::move(disk_bytes)) {}
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;
  ~Segment() { *disk_bytes_ -= file_bytes_; }

  [[nodiscard]] uint64_t number() const { return number_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] File& file() const { return *file_; }

  // How long the file is. Set by whoever writes it, one at a time; read by anyone.
  [[nodiscard]] uint64_t file_bytes() const { return file_bytes_; }
  void set_file_bytes(uint64_t bytes) {
    *disk_bytes_ += bytes - file_bytes_;  // unsigned: also where it shrinks
    file_bytes_ = bytes;
  }

  std::vector<SegmentEntry> entries;  // every record in the file, by offset
  uint64_t record_bytes = 0;          // of them
  uint64_t live_bytes = 0;            // of those that the index finds here
  uint64_t live_count = 0;
  bool is_open = false;            // the one that is appended to
  bool has_unknown_bytes = false;  // SegmentContents
  bool is_suspect = false;         // the system failed to make it durable: what is in it must be written anew

 private:
  uint64_t number_;
  std::string path_;
  std::unique_ptr<File> file_;
  DiskBytes disk_bytes_;
  std::atomic<uint64_t> file_bytes_ = 0;
};

using SegmentPointer = std::shared_ptr<Segment>;

// FOLDER/segment-0000000000000001.cairn
[[nodiscard]] std::string segment_path(const std::string& folder, uint64_t number);
// The number in a file's name; nothing where it is no segment's name.
[[nodiscard]] std::optional<uint64_t> segment_number(const std::string& file_name);

}  // namespace cairn
