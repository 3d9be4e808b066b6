#include "store/disk_store_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/printable.h"
#include "store/segment.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kOnlyOwner = 0700;

Status refused(const std::string& path, const std::string& why) {
  return invalid_argument(printable_path(path) + ": " + why);
}

std::string lock_path(const std::string& folder) { return folder + "/lock"; }

// What a process that was killed may have left half done.
bool is_leftover(std::string_view name) { return name == "probe" || name == "usage.partial"; }

bool is_of_a_store(std::string_view name) {
  return name == "lock" || name == "usage" || is_leftover(name) ||
         segment_number(std::string(name)).has_value();
}

bool holds_other_files(const std::string& path) {
  std::error_code error;
  for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    if (!is_of_a_store(at->path().filename().string())) return true;
  }
  return static_cast<bool>(error);
}

bool is_digits_and_a_line_end(std::string_view text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  return text.empty() || (digits > 0 && text.substr(digits) == "\n");
}

// Whether a store made this `lock`: there is nothing in it, or a process's number.
bool has_lock_of_a_store(const std::string& path) {
  const FileDescriptor fd(::open(lock_path(path).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  char text[32] = {};
  const ssize_t got = fd.is_open() ? ::pread(fd.get(), text, sizeof text, 0) : -1;
  return got >= 0 && is_digits_and_a_line_end({text, static_cast<size_t>(got)});
}

// A folder that was there before: empty, or a store's. Somebody's own files may have names like a store's.
Status check_contents(const std::string& path) {
  std::error_code error;
  bool is_empty = true;
  bool has_segment = false;
  for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    is_empty = false;
    has_segment = has_segment || segment_number(at->path().filename().string()).has_value();
  }
  if (error) return internal_error(printable_path(path) + ": cannot list the folder: " + error.message());
  if (is_empty || has_segment || (has_lock_of_a_store(path) && !holds_other_files(path))) return {};
  return refused(path, "the folder holds other files; name a folder of its own for the disk cache");
}

// Nobody is kept out of what is not the store's alone.
Status keep_others_out(const std::string& path) {
  if (holds_other_files(path)) {
    return refused(
        path,
        "others may look into this folder, and it holds other files; name a folder of its own for the "
        "disk cache");
  }
  if (::chmod(path.c_str(), kOnlyOwner) == 0) return {};
  return refused(path, std::string("cannot keep others out of the folder: ") + std::strerror(errno));
}

Status make_folder(const std::string& path) {
  std::error_code error;
  const fs::path parent = fs::path(path).parent_path();
  if (!parent.empty()) fs::create_directories(parent, error);
  if (error) return refused(path, "cannot make the folder above it: " + error.message());
  if (::mkdir(path.c_str(), kOnlyOwner) != 0 && errno != EEXIST) {
    return refused(path, std::string("cannot make the folder: ") + std::strerror(errno));
  }
  struct stat facts{};
  if (::stat(path.c_str(), &facts) != 0) return refused(path, std::strerror(errno));
  if (!S_ISDIR(facts.st_mode)) return refused(path, "this is no folder; name one for the disk cache");
  if (facts.st_uid != ::geteuid()) {
    return refused(path, "the folder belongs to another user; name one of your own for the disk cache");
  }
  CAIRN_RETURN_IF_ERROR(check_contents(path));
  if ((facts.st_mode & 0077) != 0) CAIRN_RETURN_IF_ERROR(keep_others_out(path));
  if (::access(path.c_str(), R_OK | W_OK | X_OK) != 0) {
    return refused(path, std::string("the folder cannot be written: ") + std::strerror(errno));
  }
  return {};
}

// " (process 123)", as that process wrote it.
std::string holder_of(int fd) {
  char text[32] = {};
  const ssize_t got = ::pread(fd, text, sizeof text - 1, 0);
  const std::string_view digits(text, got > 0 ? static_cast<size_t>(got) : 0);
  const size_t count = std::min(digits.find_first_not_of("0123456789"), digits.size());
  return count == 0 ? std::string() : " (process " + std::string(digits.substr(0, count)) + ")";
}

Result<FileDescriptor> lock_folder(const std::string& path) {
  const std::string file = lock_path(path);
  FileDescriptor fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  if (!fd.is_open()) return refused(file, std::string("cannot open it: ") + std::strerror(errno));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return refused(path, "another process uses this disk cache" + holder_of(fd.get()) +
                               "; end it, or name another folder");
    }
    return refused(path, std::string("cannot lock the folder: ") + std::strerror(errno));
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  // Only a help to people: that it cannot be written on a full disk is no reason to refuse.
  [[maybe_unused]] const bool is_written = ::fchmod(fd.get(), 0600) == 0 && ::ftruncate(fd.get(), 0) == 0 &&
                                           ::pwrite(fd.get(), pid.data(), pid.size(), 0) > 0;
  return fd;
}

Status list_files(StoreFolder& folder) {
  std::error_code error;
  for (fs::directory_iterator at(folder.path, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    std::error_code ignored;
    const bool regular = at->symlink_status(ignored).type() == fs::file_type::regular;
    const auto number = segment_number(name);
    if (regular && number) {
      folder.segment_numbers.push_back(*number);
    } else if (regular && is_leftover(name)) {
      fs::remove(at->path(), ignored);
    } else if (name != "lock" && name != "usage") {
      ++folder.foreign_count;
    }
  }
  if (error)
    return internal_error(printable_path(folder.path) + ": cannot list the folder: " + error.message());
  std::ranges::sort(folder.segment_numbers);
  return {};
}

}  // namespace

Result<StoreFolder> open_store_folder(const std::string& path) {
  if (path.empty()) return invalid_argument("the disk cache needs a folder, and its name is empty");
  StoreFolder folder;
  folder.path = path;
  while (folder.path.size() > 1 && folder.path.back() == '/') folder.path.pop_back();
  CAIRN_RETURN_IF_ERROR(make_folder(folder.path));
  CAIRN_ASSIGN_OR_RETURN(folder.lock, lock_folder(folder.path));
  CAIRN_RETURN_IF_ERROR(list_files(folder));
  return folder;
}

bool is_store_folder_held(const std::string& path) {
  const FileDescriptor fd(::open(lock_path(path).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  return fd.is_open() && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

std::string usage_path(const std::string& folder) { return folder + "/usage"; }

}  // namespace cairn
