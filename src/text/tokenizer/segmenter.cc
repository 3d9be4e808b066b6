#include "text/tokenizer/segmenter.h"

#include "base/printable.h"

namespace cairn {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::optional<uint8_t> parse_byte_token(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return std::nullopt;
  const int high = hex_digit(text[3]);
  const int low = hex_digit(text[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<uint8_t>(high * 16 + low);
}

Status no_token_for(std::string_view character) {
  return invalid_argument(
      "the text holds \"" + printable(character) +
      "\", for which this model's vocabulary has no token, no byte tokens and no unknown token");
}

}  // namespace cairn
