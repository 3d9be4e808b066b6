// The system's refusals as a Status, and a file descriptor that closes itself. Inside the store room.
#pragma once

#include <unistd.h>

#include <string>
#include <utility>

#include "cairn/status.h"

namespace cairn {

// "PATH: cannot WHAT: reason". No room on the disk or in the process is kResourceExhausted, no such file kNotFound, the rest
// kInternal.
[[nodiscard]] Status file_error(const std::string& path, const char* what, int error);

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }

  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_ = -1;  // none, in the system's own terms
};

}  // namespace cairn
