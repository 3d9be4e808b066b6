#include "base/file_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/printable.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

// A link is followed, so that the file that it names is replaced and the link stays. What is there and no regular file (a
// device, a pipe, a folder) would be lost by the renaming, so it is refused.
Result<std::string> file_to_replace(const std::string& path) {
  constexpr int kLinks = 40;  // as many as Linux follows
  fs::path file = path;
  std::error_code error;
  int links = 0;
  while (fs::is_symlink(fs::symlink_status(file, error))) {
    const fs::path target = fs::read_symlink(file, error);
    if (error || ++links > kLinks) {
      return invalid_argument(printable_path(path) + ": cannot follow the link");
    }
    file = target.is_absolute() ? target : file.parent_path() / target;
  }
  const fs::file_status status = fs::status(file, error);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    return invalid_argument(printable_path(path) +
                            ": this is no regular file, so it cannot be replaced by one");
  }
  return file.string();
}

// Best effort: another user's file may be replaced where its folder allows it.
void keep_readers_of(const std::string& file, int fd) {
  struct stat replaced{};
  if (::stat(file.c_str(), &replaced) == 0) (void)::fchmod(fd, replaced.st_mode & 0777);
}

constexpr size_t kBufferBytes = size_t{1} << 20;  // one system call for many small appends

}  // namespace

FileWriter::FileWriter(int fd, std::string path, std::string temporary_path)
    : fd_(fd), path_(std::move(path)), temporary_path_(std::move(temporary_path)) {
  buffer_.reserve(kBufferBytes);
}

Result<FileWriter> FileWriter::create(const std::string& path, FileReaders readers) {
  const mode_t mode = readers == FileReaders::kOwner ? 0600 : 0666;
  // Our process id keeps two writers apart; a leftover of an ended process of that id is skipped.
  constexpr int kAttempts = 100;
  int error = EEXIST;
  CAIRN_ASSIGN_OR_RETURN(const std::string file, file_to_replace(path));
  for (int i = 0; i < kAttempts && error == EEXIST; ++i) {
    std::string temporary = file + ".partial-" + std::to_string(::getpid()) + "-" + std::to_string(i);
    const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd >= 0) {
      if (readers == FileReaders::kAsUsual) keep_readers_of(file, fd);
      return FileWriter(fd, file, std::move(temporary));
    }
    error = errno;
  }
  const std::string message = printable_path(path) + ": cannot create the file: " + std::strerror(error);
  if (error == ENOSPC || error == EDQUOT || error == EMFILE) return resource_exhausted(message);
  return invalid_argument(message);
}

FileWriter::FileWriter(FileWriter&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      temporary_path_(std::exchange(other.temporary_path_, {})),
      buffer_(std::move(other.buffer_)),
      appended_bytes_(other.appended_bytes_) {}

FileWriter& FileWriter::operator=(FileWriter&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  std::swap(temporary_path_, other.temporary_path_);
  std::swap(buffer_, other.buffer_);
  std::swap(appended_bytes_, other.appended_bytes_);
  return *this;
}

FileWriter::~FileWriter() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_path_.empty()) ::unlink(temporary_path_.c_str());
}

Status FileWriter::failed(const char* what, int error) const {
  const std::string message =
      printable_path(path_) + ": cannot " + what + " the file: " + std::strerror(error);
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) return resource_exhausted(message);
  return internal_error(message);
}

Status FileWriter::flush() {
  size_t done = 0;
  while (done < buffer_.size()) {
    const ssize_t wrote = ::write(fd_, buffer_.data() + done, buffer_.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return failed("write", errno);
    done += static_cast<size_t>(wrote);
  }
  buffer_.clear();
  return {};
}

Status FileWriter::append(std::span<const std::byte> bytes) {
  appended_bytes_ += bytes.size();
  while (!bytes.empty()) {
    const size_t room = kBufferBytes - buffer_.size();
    const auto piece = bytes.first(std::min(room, bytes.size()));
    buffer_.insert(buffer_.end(), piece.begin(), piece.end());
    bytes = bytes.subspan(piece.size());
    if (buffer_.size() == kBufferBytes) CAIRN_RETURN_IF_ERROR(flush());
  }
  return {};
}

Status FileWriter::finish() {
  CAIRN_RETURN_IF_ERROR(flush());
  if (::fsync(fd_) != 0) return failed("write", errno);
  if (::close(std::exchange(fd_, -1)) != 0) return failed("write", errno);
  if (::rename(temporary_path_.c_str(), path_.c_str()) != 0) return failed("rename", errno);
  temporary_path_.clear();
  return {};
}

}  // namespace cairn
