#include "engine/stop_matcher.h"

#include <algorithm>
#include <utility>

namespace cairn {
namespace {

// How many bytes at the end of `text` are a beginning of `stop`, but not all of it.
size_t beginning_at_end(std::string_view text, std::string_view stop) {
  size_t length = std::min(text.size(), stop.size() - 1);
  while (length > 0 && text.substr(text.size() - length) != stop.substr(0, length)) --length;
  return length;
}

}  // namespace

StopMatcher::StopMatcher(std::vector<std::string> stop_strings) : stop_strings_(std::move(stop_strings)) {
  size_t longest = 0;
  for (const std::string& stop : stop_strings_) longest = std::max(longest, stop.size());
  held_.reserve(longest + 256);  // a token's text is rarely longer than 256 bytes
}

StopMatcher::Output StopMatcher::push(std::string_view text) {
  held_.erase(0, told_);
  held_ += text;

  // The text withheld before contains no whole stop string, so each one found here is new.
  size_t first_begin = std::string::npos;
  size_t first_end = std::string::npos;
  size_t maybe = 0;
  for (const std::string& stop : stop_strings_) {
    const size_t begin = held_.find(stop);
    if (begin == std::string::npos) {
      maybe = std::max(maybe, beginning_at_end(held_, stop));
    } else if (begin + stop.size() < first_end || (begin + stop.size() == first_end && begin < first_begin)) {
      first_begin = begin;
      first_end = begin + stop.size();
    }
  }
  if (first_end != std::string::npos) {
    held_.resize(first_begin);
    told_ = first_begin;
    return {held_, true};
  }
  told_ = held_.size() - maybe;
  return {std::string_view(held_).substr(0, told_), false};
}

std::string_view StopMatcher::flush() {
  const std::string_view rest = std::string_view(held_).substr(told_);
  told_ = held_.size();
  return rest;
}

}  // namespace cairn
