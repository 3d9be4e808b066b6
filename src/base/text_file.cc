#include "base/text_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/printable.h"

namespace cairn {
namespace {

Status cannot(const std::string& path, int error) {
  const std::string message = printable_path(path) + ": cannot read the file: " + std::strerror(error);
  if (error == ENOENT || error == ENOTDIR) return not_found(message);
  return error == EACCES || error == EPERM || error == EISDIR ? invalid_argument(message)
                                                              : internal_error(message);
}

Result<TextFile> read_descriptor(const std::string& path, int fd, size_t most_bytes) {
  struct stat facts{};
  if (::fstat(fd, &facts) != 0) return cannot(path, errno);
  if (!S_ISREG(facts.st_mode)) return invalid_argument(printable_path(path) + " is no regular file");
  TextFile file{.mode = facts.st_mode & 07777U};
  constexpr size_t kPiece = 65536;
  while (file.text.size() <= most_bytes) {
    const size_t before = file.text.size();
    file.text.resize(before + kPiece);
    const ssize_t got = ::read(fd, file.text.data() + before, kPiece);
    const int error = errno;
    file.text.resize(before + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) return file;
    if (got < 0 && error != EINTR) return cannot(path, error);
  }
  return invalid_data(
      fmt::format("{} is too large: at most {} bytes are read", printable_path(path), most_bytes));
}

}  // namespace

Result<TextFile> read_text_file(const std::string& path, size_t most_bytes) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return cannot(path, errno);
  auto file = read_descriptor(path, fd, most_bytes);
  ::close(fd);
  return file;
}

}  // namespace cairn
