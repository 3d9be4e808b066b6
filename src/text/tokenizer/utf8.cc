#include "text/tokenizer/utf8.h"

namespace cairn {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

enum class Shape { kWhole, kBroken, kUnfinished };
struct Step {
  Shape shape;
  size_t bytes;
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

Step step_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const LeadRule rule = rule_of(byte(at));
  if (rule.length == 0) return {Shape::kBroken, 1};
  for (size_t i = 1; i < rule.length; ++i) {
    if (at + i == text.size()) return {Shape::kUnfinished, i};
    const unsigned char low = i == 1 ? rule.low : 0x80;
    const unsigned char high = i == 1 ? rule.high : 0xBF;
    if (byte(at + i) < low || byte(at + i) > high) return {Shape::kBroken, i};
  }
  return {Shape::kWhole, rule.length};
}

}  // namespace

std::optional<size_t> find_invalid_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const Step step = step_at(text, at);
    if (step.shape != Shape::kWhole) return at;
    at += step.bytes;
  }
  return std::nullopt;
}

size_t take_utf8(std::string_view in, std::string& out) {
  size_t at = 0;
  while (at < in.size()) {
    const Step step = step_at(in, at);
    if (step.shape == Shape::kUnfinished) break;
    if (step.shape == Shape::kWhole) {
      out.append(in.substr(at, step.bytes));
    } else {
      out.append(kReplacement);
    }
    at += step.bytes;
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
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

void append_utf8(std::string& out, char32_t c) {
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
