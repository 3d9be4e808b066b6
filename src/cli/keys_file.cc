#include "cli/keys_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/printable.h"
#include "base/text_file.h"

namespace cairn {
namespace {

// Open and locked; both end with it.
class LockedFile {
 public:
  explicit LockedFile(int fd) : fd_(fd) {}
  LockedFile(const LockedFile&) = delete;
  LockedFile& operator=(const LockedFile&) = delete;
  ~LockedFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

Status cannot(const std::string& path, int error) {
  const std::string message = printable_path(path) + ": cannot add to the file: " + std::strerror(error);
  if (error == ENOSPC || error == EDQUOT) return resource_exhausted(message);
  return error == EIO ? internal_error(message) : invalid_argument(message);
}

// All of it, or what was there before.
Status append(const std::string& path, int fd, const std::string& text) {
  struct stat before{};
  if (::fstat(fd, &before) != 0) return cannot(path, errno);
  const ssize_t wrote = ::write(fd, text.data(), text.size());
  const int error = wrote < 0 ? errno : ENOSPC;
  if (wrote == static_cast<ssize_t>(text.size())) {
    return ::fsync(fd) == 0 ? Status() : cannot(path, errno);
  }
  if (::ftruncate(fd, before.st_size) != 0) return cannot(path, errno);
  return cannot(path, error);
}

}  // namespace

Result<std::vector<std::string>> add_key_line(const std::string& path, const TenantConfig& config) {
  const LockedFile file(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0600));
  if (file.fd() < 0) return cannot(path, errno);
  struct stat facts{};
  if (::fstat(file.fd(), &facts) != 0) return cannot(path, errno);
  if (!S_ISREG(facts.st_mode)) return invalid_argument(printable_path(path) + " is no regular file");
  if (::flock(file.fd(), LOCK_EX) != 0) return cannot(path, errno);

  CAIRN_ASSIGN_OR_RETURN(const TextFile before, read_text_file(path, KeyTable::kMostFileBytes));
  const std::string separator = before.text.empty() || before.text.ends_with('\n') ? "" : "\n";
  const std::string line = separator + key_line(config) + "\n";
  CAIRN_ASSIGN_OR_RETURN(const KeyTable there, KeyTable::parse(before.text, path));
  if (std::ranges::find(there.tenants(), config.name, &TenantConfig::name) != there.tenants().end()) {
    return invalid_argument(
        fmt::format("{} has a key for {} already: choose another name, or remove its line",
                    printable_path(path), config.name));
  }
  CAIRN_RETURN_IF_ERROR(KeyTable::parse(before.text + line, path).status());
  CAIRN_RETURN_IF_ERROR(append(path, file.fd(), line));
  CAIRN_ASSIGN_OR_RETURN(LoadedKeys loaded, KeyTable::load(path));
  return std::move(loaded.notes);
}

}  // namespace cairn
