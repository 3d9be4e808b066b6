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
  if (stop_strings_.empty()) return;
  shown_.reserve(longest + 256);
  hidden_.reserve(4);  // special tokens in a row
}

void StopMatcher::drop_emitted() {
  held_.erase(0, dropped_);
  std::erase_if(hidden_, [&](const Hidden& part) { return part.begin + part.size <= dropped_; });
  for (Hidden& part : hidden_) {
    const size_t cut = dropped_ - std::min(dropped_, part.begin);  // a stop string may begin inside of it
    part = {part.begin + cut - dropped_, part.size - cut};
  }
  dropped_ = 0;
}

StopMatcher::Output StopMatcher::push(std::string_view text) {
  drop_emitted();
  held_ += text;
  return hidden_.empty() ? match() : match_with_hidden_parts();
}

StopMatcher::Output StopMatcher::push_hidden(std::string_view text) {
  if (stop_strings_.empty() || text.empty()) return {};
  drop_emitted();
  hidden_.push_back({held_.size(), text.size()});
  held_ += text;
  return match_with_hidden_parts();
}

// The text withheld before contains no whole stop string, so each one found here is new.
StopMatcher::Found StopMatcher::find_in(std::string_view text) const {
  Found found{std::string::npos, std::string::npos, text.size()};
  for (const std::string& stop : stop_strings_) {
    const size_t begin = text.find(stop);
    if (begin == std::string::npos) {
      found.maybe_begin = std::min(found.maybe_begin, text.size() - beginning_at_end(text, stop));
    } else if (begin + stop.size() < found.end || (begin + stop.size() == found.end && begin < found.begin)) {
      found.begin = begin;
      found.end = begin + stop.size();
    }
  }
  return found;
}

StopMatcher::Output StopMatcher::match() {
  const Found found = find_in(held_);
  const bool stopped = found.begin != std::string::npos;
  if (stopped) held_.resize(found.begin);
  dropped_ = emitted_ = stopped ? found.begin : found.maybe_begin;
  return {std::string_view(held_).substr(0, emitted_), stopped};
}

StopMatcher::Output StopMatcher::match_with_hidden_parts() {
  shown_.clear();
  size_t at = 0;
  for (const Hidden& part : hidden_) {
    shown_.append(held_, at, part.begin - at);
    at = part.begin + part.size;
  }
  shown_.append(held_, at);

  const Found in_all = find_in(held_);
  const Found in_shown = find_in(shown_);
  if (in_all.begin != std::string::npos || in_shown.begin != std::string::npos) {
    const size_t none = shown_.size() + 1;
    const bool is_in_all = in_all.begin != std::string::npos;
    const size_t all_begin = is_in_all ? shown_offset(in_all.begin) : none;
    const size_t all_end = is_in_all ? shown_offset(in_all.end) : none;
    const size_t end = std::min(all_end, in_shown.end);
    emitted_ = std::min(all_end == end ? all_begin : none, in_shown.end == end ? in_shown.begin : none);
    shown_.resize(emitted_);
    dropped_ = held_.size();
    return {shown_, true};
  }
  emitted_ = std::min(in_shown.maybe_begin, shown_offset(in_all.maybe_begin));
  dropped_ = std::min(in_all.maybe_begin, held_offset(emitted_));
  return {std::string_view(shown_).substr(0, emitted_), false};
}

// How much of the first `held` bytes of held_ is shown.
size_t StopMatcher::shown_offset(size_t held) const {
  size_t shown = held;
  for (const Hidden& part : hidden_) {
    if (part.begin < held) shown -= std::min(part.size, held - part.begin);
  }
  return shown;
}

// The last offset of held_ before which so much is shown.
size_t StopMatcher::held_offset(size_t shown) const {
  size_t held = shown;
  for (const Hidden& part : hidden_) {
    if (part.begin <= held) held += part.size;
  }
  return held;
}

std::string_view StopMatcher::flush() {
  const std::string_view all = hidden_.empty() ? held_ : shown_;
  const std::string_view rest = all.substr(emitted_);
  emitted_ = all.size();
  dropped_ = held_.size();
  return rest;
}

}  // namespace cairn
