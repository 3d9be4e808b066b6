// Files as the disk store uses them: whole aligned blocks at an offset, past the page cache where the system allows it, many
// reads under way at once where it has io_uring. An interface, so that a test can fail the n-th call.
//
// Offsets, lengths and addresses are multiples of kRecordAlignment. A File may be used by several threads at once, except
// that writing and truncating are the caller's to order. FileSystem: of any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "cairn/status.h"

namespace cairn {

struct ReadPiece {
  uint64_t offset = 0;
  std::span<std::byte> to;
};

class File {
 public:
  virtual ~File() = default;

  // Fills every piece, in any order; `done(i)` as soon as piece i is there, on this thread, while others may be under way: it must not throw.
  // Errors: kInvalidData (the file ends before), kInternal (the system could not read). After an error no piece counts.
  virtual Status read(std::span<const ReadPiece> pieces, const std::function<void(size_t)>& done) = 0;
  // All or an error: kResourceExhausted (no room), kInternal. After an error any part of it may have been written.
  virtual Status write(uint64_t offset, std::span<const std::byte> bytes) = 0;
  // What was written before, and the file's length, survive a power failure.
  virtual Status sync() = 0;
  virtual Status truncate(uint64_t bytes) = 0;
  virtual Result<uint64_t> size() = 0;
};

enum class OpenMode { kExisting, kNew };

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // kNew: with mode 0600, and kInternal where a file has that name. Never follows a link. kNotFound, kInvalidArgument (no
  // regular file), kResourceExhausted, kInternal.
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& path) = 0;
  // New and removed names in the folder survive a power failure.
  virtual Status sync_folder(const std::string& folder) = 0;
  // "io_uring, O_DIRECT", for people.
  [[nodiscard]] virtual std::string describe() const = 0;
};

enum class FileIo { kAuto, kUring, kPlain };

// The system's files, for use in `folder`, which exists: what it allows is found out there, once. kUnsupported: io_uring was
// asked for and is refused here; kInternal: the folder cannot be written.
Result<std::shared_ptr<FileSystem>> system_files(const std::string& folder, FileIo io);

}  // namespace cairn
