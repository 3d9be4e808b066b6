// MappedFile: a whole regular file, mapped read-only. Move-only; the mapping ends with the object.
// Always true: bytes() covers the file at its length on open and is never empty. (If a file is truncated
// while it is mapped, touching the lost part raises SIGBUS; replace model files by rename.) Threads may share
// one: nothing changes after open.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "cairn/status.h"

namespace cairn {

enum class AccessPattern { kNormal, kSequential, kRandom, kWillNeed };

class MappedFile {
 public:
  // Errors: kNotFound (no such file), kInvalidArgument (a folder, a pipe, a device), kInvalidData (empty),
  // kInternal and kResourceExhausted (with the system's message).
  static Result<MappedFile> open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] size_t size() const { return bytes_.size(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool contains(std::span<const std::byte> range) const;

  // A hint to the system about the whole file, without any guarantee.
  void advise(AccessPattern pattern) const;
  // Lets the system drop the pages of `range` (which lies in bytes()) and those that it read along with them;
  // they are read from the file again if touched.
  void release(std::span<const std::byte> range) const;
  // Copies `range` (which lies in bytes()) without mapping its pages into this process: for a few bytes here
  // and there, each of which would map up to 2 MiB.
  void copy(std::span<const std::byte> range, std::byte* to) const;

 private:
  MappedFile(std::string path, int fd, std::span<const std::byte> bytes)
      : path_(std::move(path)), fd_(fd), bytes_(bytes) {}

  std::string path_;
  int fd_ = -1;  // for copy
  std::span<const std::byte> bytes_;
};

}  // namespace cairn
