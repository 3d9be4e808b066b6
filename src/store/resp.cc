#include "store/resp.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "base/check.h"

namespace cairn {
namespace {

using Progress = RespReader::Progress;
using Kind = RespValue::Kind;

constexpr size_t kLineEndBytes = 2;
constexpr std::string_view kKinds = "+-:$*";

std::optional<int64_t> parse_integer(std::string_view text) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return value;
}

}  // namespace

Progress RespReader::read(std::span<const std::byte>& input) {
  if (is_bad_) return Progress::kBad;
  while (!input.empty()) {
    const Progress progress = bulk_missing_ > 0 ? read_bytes(input) : read_line(input);
    if (progress != Progress::kMore) return progress;
  }
  return Progress::kMore;
}

RespValue RespReader::take() {
  CHECK(is_between_replies());
  return std::exchange(reply_, {});
}

bool RespReader::is_between_replies() const { return line_.empty() && bulk_missing_ == 0 && open_.empty(); }

Progress RespReader::read_line(std::span<const std::byte>& input) {
  if (line_.empty() && kKinds.find(static_cast<char>(input.front())) == std::string_view::npos) {
    return bad("a line of no known kind");
  }
  const auto* end = static_cast<const std::byte*>(std::memchr(input.data(), '\n', input.size()));
  const size_t count = end == nullptr ? input.size() : static_cast<size_t>(end - input.data()) + 1;
  if (count > limits_.line_bytes_max - line_.size()) return bad("a line without an end");
  line_.append(reinterpret_cast<const char*>(input.data()), count);
  input = input.subspan(count);
  return end == nullptr ? Progress::kMore : end_line();
}

Progress RespReader::end_line() {
  if (line_.size() < 1 + kLineEndBytes || line_[line_.size() - 2] != '\r')
    return bad("a line with a wrong end");
  const std::string line = std::exchange(line_, {});
  const std::string_view rest = std::string_view(line).substr(1, line.size() - 1 - kLineEndBytes);
  switch (line.front()) {
    case '+': return add({.kind = Kind::kStatus, .text = std::string(rest)});
    case '-': return add({.kind = Kind::kError, .text = std::string(rest)});
    case ':': {
      const std::optional<int64_t> value = parse_integer(rest);
      return value ? add({.kind = Kind::kInteger, .integer = *value}) : bad("a number that is none");
    }
    case '$': return begin_bytes(rest);
    default: return begin_array(rest);
  }
}

Progress RespReader::begin_bytes(std::string_view length) {
  const std::optional<int64_t> count = parse_integer(length);
  if (!count || *count < -1) return bad("a length that is none");
  if (*count == -1) return add({});
  if (static_cast<uint64_t>(*count) > limits_.bytes_max - bytes_used_)
    return bad("more bytes than are allowed");
  bytes_used_ += static_cast<size_t>(*count);
  bulk_ = {.kind = Kind::kBytes};
  bulk_.bytes.reserve(static_cast<size_t>(*count));
  bulk_missing_ = static_cast<size_t>(*count) + kLineEndBytes;
  return Progress::kMore;
}

Progress RespReader::read_bytes(std::span<const std::byte>& input) {
  if (bulk_missing_ > kLineEndBytes) {
    const auto part = input.first(std::min(input.size(), bulk_missing_ - kLineEndBytes));
    bulk_.bytes.insert(bulk_.bytes.end(), part.begin(), part.end());
    bulk_missing_ -= part.size();
    input = input.subspan(part.size());
  }
  while (bulk_missing_ <= kLineEndBytes && bulk_missing_ > 0 && !input.empty()) {
    const char expected = bulk_missing_ == kLineEndBytes ? '\r' : '\n';
    if (static_cast<char>(input.front()) != expected) return bad("bytes that go on behind their length");
    input = input.subspan(1);
    --bulk_missing_;
  }
  return bulk_missing_ > 0 ? Progress::kMore : add(std::exchange(bulk_, {}));
}

Progress RespReader::begin_array(std::string_view count) {
  const std::optional<int64_t> parsed = parse_integer(count);
  if (!parsed || *parsed < -1) return bad("a count that is none");
  if (*parsed == -1) return add({});
  if (static_cast<uint64_t>(*parsed) > limits_.element_count_max - elements_used_) {
    return bad("more elements than are allowed");
  }
  elements_used_ += static_cast<size_t>(*parsed);
  RespValue array{.kind = Kind::kArray};
  if (*parsed == 0) return add(std::move(array));
  if (open_.size() >= limits_.depth_max) return bad("arrays too deep in one another");
  open_.push_back({.array = std::move(array), .missing = static_cast<size_t>(*parsed)});
  return Progress::kMore;
}

Progress RespReader::add(RespValue value) {
  while (!open_.empty()) {
    OpenArray& innermost = open_.back();
    innermost.array.elements.push_back(std::move(value));
    if (--innermost.missing > 0) return Progress::kMore;
    value = std::move(innermost.array);
    open_.pop_back();
  }
  reply_ = std::move(value);
  bytes_used_ = 0;
  elements_used_ = 0;
  return Progress::kDone;
}

Progress RespReader::bad(std::string_view what) {
  is_bad_ = true;
  error_ = what;
  return Progress::kBad;
}

void append_resp_count(std::string& out, size_t count) { out += "*" + std::to_string(count) + "\r\n"; }

void append_resp_length(std::string& out, size_t byte_count) {
  out += "$" + std::to_string(byte_count) + "\r\n";
}

void append_resp_bytes(std::string& out, std::string_view bytes) {
  append_resp_length(out, bytes.size());
  out += bytes;
  out += "\r\n";
}

void append_resp_command(std::string& out, std::initializer_list<std::string_view> parts) {
  append_resp_count(out, parts.size());
  for (const std::string_view part : parts) append_resp_bytes(out, part);
}

}  // namespace cairn
