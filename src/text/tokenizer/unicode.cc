#include "text/tokenizer/unicode.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>

#include <algorithm>

#include "base/check.h"
#include "base/utf8.h"

namespace cairn {

bool is_white_space(char32_t c) { return u_isUWhiteSpace(static_cast<UChar32>(c)) != 0; }

bool is_number(char32_t c) { return (U_GET_GC_MASK(static_cast<UChar32>(c)) & U_GC_N_MASK) != 0; }

bool is_word(char32_t c) {
  const auto code = static_cast<UChar32>(c);
  return u_hasBinaryProperty(code, UCHAR_ALPHABETIC) != 0 ||
         u_hasBinaryProperty(code, UCHAR_JOIN_CONTROL) != 0 ||
         (U_GET_GC_MASK(code) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0;
}

std::string normalize(std::string_view text, NormalForm form) {
  const bool ascii =
      std::all_of(text.begin(), text.end(), [](char c) { return static_cast<signed char>(c) >= 0; });
  if (ascii) return std::string(text);  // ASCII is its own normal form in all four
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer = nullptr;
  switch (form) {
    case NormalForm::kNfc: normalizer = icu::Normalizer2::getNFCInstance(error); break;
    case NormalForm::kNfd: normalizer = icu::Normalizer2::getNFDInstance(error); break;
    case NormalForm::kNfkc: normalizer = icu::Normalizer2::getNFKCInstance(error); break;
    case NormalForm::kNfkd: normalizer = icu::Normalizer2::getNFKDInstance(error); break;
  }
  CHECK(U_SUCCESS(error));  // the tables are built into the library
  std::string out;
  icu::StringByteSink<std::string> sink(&out);
  normalizer->normalizeUTF8(0, icu::StringPiece(text.data(), static_cast<int32_t>(text.size())), sink,
                            nullptr, error);
  CHECK(U_SUCCESS(error));  // valid UTF-8 of less than 2 GiB always has a normal form
  return out;
}

std::string lowercase(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size(); at += utf8_length(text[at])) {
    const char32_t c = utf8_at(text, at);
    append_utf8(out, static_cast<char32_t>(u_tolower(static_cast<UChar32>(c))));
    if (c == 0x130) append_utf8(out, 0x307);  // the one character whose lower case is two: i and a dot above
  }
  return out;
}

}  // namespace cairn
