#include "text/jinja/text.h"

#include <string.h>  // memmem: linear, where std::string_view::find is quadratic at worst
#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <vector>

namespace cairn::jinja {

namespace {

bool is_ascii(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

template <typename Change>
std::string change_case(std::string_view text, char from, char to, int shift, Change change) {
  std::string out(text);
  if (is_ascii(text)) {
    for (char& c : out) {
      if (c >= from && c <= to) c = static_cast<char>(c + shift);
    }
    return out;
  }
  auto wide = icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
  change(wide);
  out.clear();
  wide.toUTF8String(out);
  return out;
}

template <typename Drops>
std::string_view strip_if(std::string_view text, Side side, Drops drops) {
  while (side != Side::kRight && !text.empty()) {
    const Character c = first_character(text);
    if (!drops(text.substr(0, c.bytes), c.code)) break;
    text.remove_prefix(c.bytes);
  }
  while (side != Side::kLeft && !text.empty()) {
    const Character c = last_character(text);
    if (!drops(text.substr(text.size() - c.bytes), c.code)) break;
    text.remove_suffix(c.bytes);
  }
  return text;
}

}  // namespace

bool is_space(char32_t code) {
  if (code < 0x80) return (code >= 9 && code <= 13) || (code >= 0x1C && code <= 0x20);
  return code == 0x85 || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) ||
         code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

bool is_printable(char32_t code) {
  if (code == ' ') return true;
  constexpr uint32_t kHidden = U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CS_MASK | U_GC_CO_MASK | U_GC_CN_MASK |
                               U_GC_ZL_MASK | U_GC_ZP_MASK | U_GC_ZS_MASK;
  return (U_GET_GC_MASK(static_cast<UChar32>(code)) & kHidden) == 0;
}

std::string_view strip_space(std::string_view text, Side side) {
  return strip_if(text, side, [](std::string_view, char32_t code) { return is_space(code); });
}

std::string_view strip_characters(std::string_view text, std::string_view set, Side side) {
  std::vector<std::string_view> drop = characters_of(set);
  std::sort(drop.begin(), drop.end());
  return strip_if(text, side, [&](std::string_view character, char32_t) {
    return std::binary_search(drop.begin(), drop.end(), character);
  });
}

std::string to_upper(std::string_view text) {
  return change_case(text, 'a', 'z', 'A' - 'a',
                     [](icu::UnicodeString& s) { s.toUpper(icu::Locale::getRoot()); });
}

std::string to_lower(std::string_view text) {
  return change_case(text, 'A', 'Z', 'a' - 'A',
                     [](icu::UnicodeString& s) { s.toLower(icu::Locale::getRoot()); });
}

std::string capitalize(std::string_view text) {
  if (text.empty()) return {};
  const Character first = first_character(text);
  std::string out;
  append_utf8(out, static_cast<char32_t>(u_totitle(static_cast<UChar32>(first.code))));
  return out + to_lower(text.substr(first.bytes));
}

std::string title_words(std::string_view text) {
  std::string out;
  bool in_word = false;
  while (!text.empty()) {
    const Character c = first_character(text);
    const auto code = static_cast<UChar32>(c.code);
    append_utf8(out, static_cast<char32_t>(in_word ? u_tolower(code) : u_totitle(code)));
    in_word = u_hasBinaryProperty(code, UCHAR_CASED) != 0;
    text.remove_prefix(c.bytes);
  }
  return out;
}

std::size_t find_text(std::string_view text, std::string_view needle, std::size_t from) {
  if (from > text.size()) return std::string_view::npos;
  if (needle.empty()) return from;
  const void* at = memmem(text.data() + from, text.size() - from, needle.data(), needle.size());
  if (at == nullptr) return std::string_view::npos;
  return static_cast<std::size_t>(static_cast<const char*>(at) - text.data());
}

}  // namespace cairn::jinja
