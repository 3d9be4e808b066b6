// FileWriter: a new file that appears complete or not at all. Bytes go to a temporary file beside it;
// `finish` makes them durable and renames it. Destroyed without `finish`, it removes the temporary file, and
// a file that existed before is unchanged. Move-only; one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cairn/status.h"

namespace cairn {

// Who may read the file: who could read the one that it replaces, and of a new one whom the process lets read its files
// (umask); or its owner alone.
enum class FileReaders : uint8_t { kAsUsual, kOwner };

class FileWriter {
 public:
  // Where `path` is a symbolic link, the file that it leads to is written. Errors: kInvalidArgument (no such folder, not
  // allowed; something other than a regular file has the name), kResourceExhausted.
  static Result<FileWriter> create(const std::string& path, FileReaders readers = FileReaders::kAsUsual);

  FileWriter(FileWriter&& other) noexcept;
  FileWriter& operator=(FileWriter&& other) noexcept;
  ~FileWriter();

  // Errors: kResourceExhausted (no room on the disk), kInternal.
  Status append(std::span<const std::byte> bytes);
  [[nodiscard]] uint64_t appended_bytes() const { return appended_bytes_; }
  // The last call: afterwards the file exists under its name.
  Status finish();

 private:
  FileWriter(int fd, std::string path, std::string temporary_path);
  Status flush();
  Status failed(const char* what, int error) const;

  int fd_ = -1;  // no file, in the system's own terms
  std::string path_;
  std::string temporary_path_;  // empty: there is none to remove
  std::vector<std::byte> buffer_;
  uint64_t appended_bytes_ = 0;
};

}  // namespace cairn
