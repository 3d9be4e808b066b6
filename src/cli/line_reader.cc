#include "cli/line_reader.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace cairn {

LineReader::Wait LineReader::wait() const {
  if (fd_ < 0) return Wait::kReady;  // reading will tell
  pollfd both[] = {{fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}};
  if (::poll(both, 2, -1) < 0) return errno == EINTR ? Wait::kInterrupted : Wait::kReady;
  return both[1].revents != 0 ? Wait::kInterrupted : Wait::kReady;
}

LineReader::Event LineReader::read(std::string& line) {
  constexpr size_t kLongestLine = size_t{1} << 20;
  std::array<char, 4096> part;
  while (true) {
    const size_t end = pending_.find('\n');
    if (end != std::string::npos || pending_.size() >= kLongestLine || (at_end_ && !pending_.empty())) {
      line = pending_.substr(0, std::min(end, kLongestLine));
      pending_.erase(0, line.size() + (end == line.size() ? 1 : 0));
      return Event::kLine;
    }
    if (at_end_) return Event::kEnd;
    if (wait() == Wait::kInterrupted) return Event::kInterrupted;
    const ssize_t got = ::read(fd_, part.data(), part.size());
    if (got < 0 && errno == EINTR) return Event::kInterrupted;
    if (got <= 0) {
      at_end_ = true;  // a broken input ends like a closed one
    } else {
      pending_.append(part.data(), static_cast<size_t>(got));
    }
  }
}

}  // namespace cairn
