// SseReader: the bytes of an event stream (text/event-stream) -> its events. Knows nothing of sockets.
//
// Always true: the events do not depend on how the bytes were cut; no more than kEventBytesMax of one event are kept.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace cairn {

struct SseEvent {
  std::string name;  // of `event:`; mostly empty
  std::string data;  // of its `data:` lines, joined by line ends
};

class SseReader {
 public:
  static constexpr size_t kEventBytesMax = 16 << 20;

  // Calls `take` for each event that is complete now. False once an event was too large: the stream is of no use.
  bool push(std::string_view bytes, const std::function<void(const SseEvent&)>& take);

 private:
  void take_line(std::string_view line, const std::function<void(const SseEvent&)>& take);

  std::string line_;  // that is not complete yet
  SseEvent event_;
  bool has_data_ = false;
  bool was_cr_ = false;  // a LF that follows belongs to it
  bool is_broken_ = false;
};

}  // namespace cairn
