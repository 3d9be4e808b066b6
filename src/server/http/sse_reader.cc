#include "server/http/sse_reader.h"

#include <utility>

namespace cairn {

bool SseReader::push(std::string_view bytes, const std::function<void(const SseEvent&)>& take) {
  while (!bytes.empty() && !is_broken_) {
    if (std::exchange(was_cr_, false) && bytes.front() == '\n') {
      bytes.remove_prefix(1);
      continue;
    }
    const size_t end = bytes.find_first_of("\r\n");
    line_.append(bytes.substr(0, end));
    is_broken_ = line_.size() + event_.data.size() > kEventBytesMax;
    if (end == std::string_view::npos) break;
    was_cr_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    const std::string line = std::exchange(line_, {});
    take_line(line, take);
  }
  return !is_broken_;
}

void SseReader::take_line(std::string_view line, const std::function<void(const SseEvent&)>& take) {
  if (line.empty()) {
    const SseEvent event = std::exchange(event_, {});
    if (std::exchange(has_data_, false)) take(event);
    return;
  }
  const size_t colon = line.find(':');
  if (colon == 0) return;  // a comment: keeps the connection alive
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "event") event_.name = value;
  if (field != "data") return;
  if (has_data_) event_.data += '\n';
  event_.data += value;
  has_data_ = true;
}

}  // namespace cairn
