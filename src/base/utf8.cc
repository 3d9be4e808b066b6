#include "base/utf8.h"

#include "base/check.h"

namespace cairn {
namespace {

enum class Form { kWhole, kInvalid, kTruncated };
struct Scan {
  Form form;
  size_t bytes;  // of the character, or of the maximal part that could have begun one
};

// The smallest and largest second byte that may follow `lead`, and the length; length 0: no lead byte.
struct LeadRule {
  size_t length;
  unsigned char low, high;
};

LeadRule rule_of(unsigned char lead) {
  if (lead < 0x80) return {1, 0, 0};
  if (lead < 0xC2) return {0, 0, 0};
  if (lead < 0xE0) return {2, 0x80, 0xBF};
  if (lead == 0xE0) return {3, 0xA0, 0xBF};
  if (lead == 0xED) return {3, 0x80, 0x9F};  // no surrogates
  if (lead < 0xF0) return {3, 0x80, 0xBF};
  if (lead == 0xF0) return {4, 0x90, 0xBF};
  if (lead < 0xF4) return {4, 0x80, 0xBF};
  if (lead == 0xF4) return {4, 0x80, 0x8F};  // up to U+10FFFF
  return {0, 0, 0};
}

Scan scan_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const LeadRule rule = rule_of(byte(at));
  if (rule.length == 0) return {Form::kInvalid, 1};
  for (size_t i = 1; i < rule.length; ++i) {
    if (at + i == text.size()) return {Form::kTruncated, i};
    const unsigned char low = i == 1 ? rule.low : 0x80;
    const unsigned char high = i == 1 ? rule.high : 0xBF;
    if (byte(at + i) < low || byte(at + i) > high) return {Form::kInvalid, i};
  }
  return {Form::kWhole, rule.length};
}

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

Character first_character(std::string_view text) {
  const Scan scan = scan_at(text, 0);
  if (scan.form != Form::kWhole) return {};
  return {utf8_at(text, 0), scan.bytes};
}

Character last_character(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && text.size() - at < 4 && is_continuation(text[at])) --at;
  const Character c = first_character(text.substr(at));
  return at + c.bytes == text.size() ? c : Character{};
}

size_t count_characters(std::string_view text) {
  size_t count = 0;
  for (; !text.empty(); ++count) text.remove_prefix(first_character(text).bytes);
  return count;
}

std::vector<std::string_view> characters_of(std::string_view text) {
  std::vector<std::string_view> out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t bytes = first_character(text).bytes;
    out.push_back(text.substr(0, bytes));
    text.remove_prefix(bytes);
  }
  return out;
}

std::optional<size_t> find_invalid_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const Scan scan = scan_at(text, at);
    if (scan.form != Form::kWhole) return at;
    at += scan.bytes;
  }
  return std::nullopt;
}

size_t take_utf8(std::string_view in, std::string& out) {
  size_t at = 0;
  while (at < in.size()) {
    const Scan scan = scan_at(in, at);
    if (scan.form == Form::kTruncated) break;
    if (scan.form == Form::kWhole) {
      out.append(in.substr(at, scan.bytes));
    } else {
      append_utf8(out, kReplacementCharacter);
    }
    at += scan.bytes;
  }
  return at;
}

char32_t utf8_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[at + i])); };
  switch (utf8_length(text[at])) {
    case 1: return byte(0);
    case 2: return (byte(0) & 0x1F) << 6 | (byte(1) & 0x3F);
    case 3: return (byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    default:
      return (byte(0) & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
  }
}

size_t utf8_before(std::string_view text, size_t end) {
  size_t at = end - 1;
  while (at > 0 && is_continuation(text[at])) --at;
  return at;
}

void append_utf8(std::string& out, char32_t c) {
  DCHECK(c < 0xD800 || (c > 0xDFFF && c <= 0x10FFFF));
  if (c < 0x80) {
    out += static_cast<char>(c);
    return;
  }
  if (c < 0x800) {
    out += static_cast<char>(0xC0 | c >> 6);
  } else {
    if (c < 0x10000) {
      out += static_cast<char>(0xE0 | c >> 12);
    } else {
      out += static_cast<char>(0xF0 | c >> 18);
      out += static_cast<char>(0x80 | (c >> 12 & 0x3F));
    }
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
  }
  out += static_cast<char>(0x80 | (c & 0x3F));
}

}  // namespace cairn
