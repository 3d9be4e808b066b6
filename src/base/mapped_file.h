// MappedFile: a whole regular file, mapped read-only. Move-only; the mapping ends with the object.
// Always true: bytes() is the file as long as it was at open and is never empty. (A file that someone
// cuts while it is mapped raises SIGBUS when the lost part is touched; replace model files by rename.)
// May be shared by threads: nothing here changes after open.
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
  // kInternal and kResourceExhausted (what the system said).
  static Result<MappedFile> open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] size_t size() const { return bytes_.size(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool contains(std::span<const std::byte> range) const;

  // A hint to the system about the whole file; nothing is promised.
  void advise(AccessPattern pattern) const;
  // The pages of `range` (which lies in bytes()), and those that the system brought with them, need not stay
  // in memory: they are read from the file again if touched.
  void release(std::span<const std::byte> range) const;
  // Copies `range` (which lies in bytes()) without bringing its pages into this process's memory: for a few
  // bytes here and there, each of which would bring up to 2 MiB.
  void copy(std::span<const std::byte> range, std::byte* to) const;

 private:
  MappedFile(std::string path, int fd, std::span<const std::byte> bytes)
      : path_(std::move(path)), fd_(fd), bytes_(bytes) {}

  std::string path_;
  int fd_ = -1;  // for copy
  std::span<const std::byte> bytes_;
};

}  // namespace cairn
