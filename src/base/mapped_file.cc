#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <functional>
#include <utility>

#include "base/check.h"
#include "base/printable.h"

namespace cairn {
namespace {

// Closes on every return but the last, where the MappedFile takes the descriptor.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

Status system_error(const std::string& name, const char* what, int error) {
  const std::string message = name + ": cannot " + what + ": " + std::strerror(error);
  if (error == ENOENT || error == ENOTDIR) return not_found(name + ": no such file");
  if (error == EACCES || error == EPERM) return invalid_argument(message);
  if (error == ENOMEM || error == EMFILE || error == ENFILE) return resource_exhausted(message);
  return internal_error(message);
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::string& path) {
  const std::string name = printable_path(path);
  // O_NONBLOCK: opening a pipe without a writer must not wait for ever.
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) return system_error(name, "open the file", errno);

  struct stat info{};
  if (::fstat(file.fd, &info) != 0) return system_error(name, "read the file's size", errno);
  if (S_ISDIR(info.st_mode)) return invalid_argument(name + ": is a folder, not a file");
  if (!S_ISREG(info.st_mode)) return invalid_argument(name + ": is not a regular file");
  if (info.st_size == 0) return invalid_data(name + ": the file is empty");

  const auto size = static_cast<size_t>(info.st_size);
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (address == MAP_FAILED) return system_error(name, "map the file into memory", errno);
  return MappedFile(path, std::exchange(file.fd, -1), {static_cast<const std::byte*>(address), size});
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  if (fd_ >= 0) ::close(fd_);
}

bool MappedFile::contains(std::span<const std::byte> range) const {
  const std::less_equal<const std::byte*> not_after;
  return not_after(bytes_.data(), range.data()) &&
         not_after(range.data() + range.size(), bytes_.data() + bytes_.size());
}

void MappedFile::advise(AccessPattern pattern) const {
  int advice = MADV_NORMAL;
  switch (pattern) {
    case AccessPattern::kNormal: advice = MADV_NORMAL; break;
    case AccessPattern::kSequential: advice = MADV_SEQUENTIAL; break;
    case AccessPattern::kRandom: advice = MADV_RANDOM; break;
    case AccessPattern::kWillNeed: advice = MADV_WILLNEED; break;
  }
  ::madvise(const_cast<std::byte*>(bytes_.data()), bytes_.size(), advice);
}

void MappedFile::release(std::span<const std::byte> range) const {
  DCHECK(contains(range));
  if (range.empty()) return;
  // Touching a page maps its neighbours too: on Linux an aligned window of 64 KiB, since 6.18 the whole folio
  // of the page cache, up to 2 MiB, aligned in the file. They are dropped as well.
  constexpr size_t kWindow = size_t{2} << 20;
  const auto first = static_cast<size_t>(range.data() - bytes_.data());
  const size_t begin = first / kWindow * kWindow;
  const size_t end = std::min((first + range.size() + kWindow - 1) / kWindow * kWindow, bytes_.size());
  ::madvise(const_cast<std::byte*>(bytes_.data()) + begin, end - begin, MADV_DONTNEED);
}

void MappedFile::copy(std::span<const std::byte> range, std::byte* to) const {
  DCHECK(contains(range));
  size_t done = 0;
  while (done < range.size()) {
    const auto at = static_cast<off_t>(range.data() - bytes_.data()) + static_cast<off_t>(done);
    const ssize_t count = ::pread(fd_, to + done, range.size() - done, at);
    if (count <= 0 && !(count < 0 && errno == EINTR)) break;
    if (count > 0) done += static_cast<size_t>(count);
  }
  // If the system cannot do that, the bytes are read through the mapping.
  std::copy(range.begin() + static_cast<std::ptrdiff_t>(done), range.end(), to + done);
}

}  // namespace cairn
