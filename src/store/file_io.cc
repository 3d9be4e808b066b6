#include "store/file_io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include "base/printable.h"
#include "store/file_io_buffer.h"
#include "store/file_io_error.h"
#include "store/file_io_uring.h"
#include "store/record.h"

namespace cairn {

Status file_error(const std::string& path, const char* what, int error) {
  const std::string message = printable_path(path) + ": cannot " + what + ": " + std::strerror(error);
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM: return resource_exhausted(message);
    case ENOENT: return not_found(message);
    default: return internal_error(message);
  }
}

namespace {

constexpr int kNoDirect = 0;

// The whole stretch by calls that wait, or why not (kEndsEarly, or an error number).
int read_whole(int fd, const ReadPiece& piece) {
  uint64_t at = 0;
  while (at < piece.to.size()) {
    const ssize_t got =
        ::pread(fd, piece.to.data() + at, piece.to.size() - at, static_cast<off_t>(piece.offset + at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0 || static_cast<uint64_t>(got) % kRecordAlignment != 0) return kEndsEarly;
    at += static_cast<uint64_t>(got);
  }
  return 0;
}

int write_whole(int fd, uint64_t offset, std::span<const std::byte> bytes) {
  uint64_t at = 0;
  while (at < bytes.size()) {
    const ssize_t wrote = ::pwrite(fd, bytes.data() + at, bytes.size() - at, static_cast<off_t>(offset + at));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return errno;
    if (wrote == 0 || static_cast<uint64_t>(wrote) % kRecordAlignment != 0) return ENOSPC;
    at += static_cast<uint64_t>(wrote);
  }
  return 0;
}

class SystemFile final : public File {
 public:
  SystemFile(std::string path, FileDescriptor fd, std::shared_ptr<UringPool> rings)
      : path_(std::move(path)), fd_(std::move(fd)), rings_(std::move(rings)) {}

  Status read(std::span<const ReadPiece> pieces, const std::function<void(size_t)>& done) override {
    int error = 0;
    if (rings_ != nullptr) {
      error = rings_->read(fd_.get(), pieces, done);
    } else {
      for (size_t i = 0; i < pieces.size() && error == 0; ++i) {
        error = read_whole(fd_.get(), pieces[i]);
        if (error == 0) done(i);
      }
    }
    if (error == kEndsEarly) return invalid_data(printable_path(path_) + ": the file ends too early");
    return error == 0 ? Status() : file_error(path_, "read", error);
  }

  Status write(uint64_t offset, std::span<const std::byte> bytes) override {
    const int error =
        rings_ != nullptr ? rings_->write(fd_.get(), offset, bytes) : write_whole(fd_.get(), offset, bytes);
    return error == 0 ? Status() : file_error(path_, "write", error);
  }

  Status sync() override {
    return ::fdatasync(fd_.get()) == 0 ? Status() : file_error(path_, "make durable what was written", errno);
  }

  Status truncate(uint64_t bytes) override {
    return ::ftruncate(fd_.get(), static_cast<off_t>(bytes)) == 0 ? Status()
                                                                  : file_error(path_, "cut", errno);
  }

  Result<uint64_t> size() override {
    struct stat facts{};
    if (::fstat(fd_.get(), &facts) != 0) return file_error(path_, "look at it", errno);
    return static_cast<uint64_t>(facts.st_size);
  }

 private:
  std::string path_;
  FileDescriptor fd_;
  std::shared_ptr<UringPool> rings_;  // null: calls that wait
};

class SystemFiles final : public FileSystem {
 public:
  SystemFiles(int direct_flag, std::shared_ptr<UringPool> rings)
      : direct_flag_(direct_flag), rings_(std::move(rings)) {}

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    const int flags = mode == OpenMode::kNew ? O_CREAT | O_EXCL : 0;
    FileDescriptor fd(
        ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | direct_flag_ | flags, 0600));
    if (!fd.is_open()) return file_error(path, "open", errno);
    struct stat facts{};
    if (::fstat(fd.get(), &facts) != 0) return file_error(path, "look at it", errno);
    if (!S_ISREG(facts.st_mode)) return invalid_argument(printable_path(path) + ": this is no regular file");
    if ((facts.st_mode & 07777) != 0600 && ::fchmod(fd.get(), 0600) != 0) {
      return file_error(path, "keep others from reading it", errno);
    }
    return std::unique_ptr<File>(std::make_unique<SystemFile>(path, std::move(fd), rings_));
  }

  Status rename(const std::string& from, const std::string& to) override {
    return ::rename(from.c_str(), to.c_str()) == 0 ? Status() : file_error(from, "rename", errno);
  }

  Status remove(const std::string& path) override {
    return ::unlink(path.c_str()) == 0 ? Status() : file_error(path, "remove", errno);
  }

  Status sync_folder(const std::string& folder) override {
    const FileDescriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.is_open()) return file_error(folder, "open", errno);
    return ::fsync(fd.get()) == 0 ? Status() : file_error(folder, "make durable what was written", errno);
  }

  [[nodiscard]] std::string describe() const override {
    return std::string(rings_ != nullptr ? "io_uring" : "pread and pwrite") +
           (direct_flag_ != kNoDirect ? ", O_DIRECT" : ", through the page cache");
  }

 private:
  int direct_flag_;
  std::shared_ptr<UringPool> rings_;
};

// Writes a block and reads it back.
Status try_files(FileSystem& files, const std::string& path) {
  (void)files.remove(path);  // of a process that was killed here
  CAIRN_ASSIGN_OR_RETURN(const auto file, files.open(path, OpenMode::kNew));
  const AlignedBuffer buffer(2 * kRecordAlignment);
  const auto written = buffer.first(kRecordAlignment);
  const auto read = buffer.first(2 * kRecordAlignment).subspan(kRecordAlignment);
  std::ranges::fill(written, std::byte{0x5a});
  std::ranges::fill(read, std::byte{0});
  CAIRN_RETURN_IF_ERROR(file->write(0, written));
  const ReadPiece piece{0, read};
  CAIRN_RETURN_IF_ERROR(file->read(std::span(&piece, 1), [](size_t) {}));
  return std::ranges::equal(written, read)
             ? Status()
             : internal_error(printable_path(path) + ": reads back other bytes");
}

}  // namespace

Result<std::shared_ptr<FileSystem>> system_files(const std::string& folder, FileIo io) {
  std::shared_ptr<UringPool> rings;
  if (io != FileIo::kPlain) rings = UringPool::make();
  if (io == FileIo::kUring && rings == nullptr) {
    return unsupported("the system refuses io_uring to this process; choose auto or plain file I/O");
  }
  const std::string probe = folder + "/probe";
  Status tried;
  // Best first. A kernel may make a ring and then know none of its requests; io_uring that was asked for stays.
  for (const bool uring : {true, false}) {
    if (uring ? rings == nullptr : io == FileIo::kUring) continue;
    for (const int direct : {O_DIRECT, kNoDirect}) {
      auto files = std::make_shared<SystemFiles>(direct, uring ? rings : nullptr);
      tried = try_files(*files, probe);
      (void)files->remove(probe);
      // On a full disk nothing can be tried, but what is there can be read.
      if (tried.ok() || tried.code() == StatusCode::kResourceExhausted) {
        return std::shared_ptr<FileSystem>(std::move(files));
      }
    }
  }
  return tried;
}

}  // namespace cairn
