// Any bytes as a tokenizer and a text for it. Whatever the tables hold: an error message, or a tokenizer
// whose ids are in range and whose decoding is UTF-8, whole and in parts.
//
// The first byte picks what the rest is. 'j': a tokenizer.json, a zero byte, a text. 'l', 'g', 'u': tables of
// kind llama, gpt2, unigram, as lines: one a token (a byte for its type, one for its score, its text), an
// empty line, one a merge, an empty line; then a text.
#include <boost/json.hpp>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "base/utf8.h"
#include "files/json.h"
#include "text/tokenizer.h"

namespace {

using namespace cairn;  // NOLINT: a program of its own

void check(bool condition) {
  if (!condition) std::abort();
}

float score_of(unsigned char byte) {
  if (byte == 0xFF) return std::numeric_limits<float>::quiet_NaN();
  if (byte == 0xFE) return std::numeric_limits<float>::infinity();
  return static_cast<float>(byte) - 100.0F;
}

std::string_view take_line(std::string_view& rest) {
  const size_t end = std::min(rest.find('\n'), rest.size());
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return line;
}

Result<Tokenizer> from_tables(char kind, std::string_view& rest) {
  TokenizerTables tables;
  tables.model = kind == 'l' ? "llama" : kind == 'g' ? "gpt2" : "unigram";
  for (std::string_view line = take_line(rest); !line.empty(); line = take_line(rest)) {
    tables.types.push_back(line[0] - '0');
    tables.scores.push_back(score_of(line.size() > 1 ? static_cast<unsigned char>(line[1]) : 0));
    tables.tokens.emplace_back(line.substr(std::min<size_t>(2, line.size())));
  }
  for (std::string_view line = take_line(rest); !line.empty(); line = take_line(rest))
    tables.merges.emplace_back(line);
  if (kind != 'l') tables.unk = 0;
  tables.add_bos = tables.add_eos = false;
  return make_tokenizer(std::move(tables));
}

Result<Tokenizer> from_json(std::string_view& rest) {
  const size_t end = std::min(rest.find('\0'), rest.size());
  const auto value = parse_json(rest.substr(0, end), {.bytes_max = 1 << 16, .depth_max = 32});
  rest.remove_prefix(std::min(end + 1, rest.size()));
  if (!value.ok()) return value.status();
  if (!value->is_object()) return invalid_data("not an object");
  return make_tokenizer(value->get_object());
}

void use(const Tokenizer& tokenizer, std::string_view text) {
  for (const SpecialText special : {SpecialText::kLiteral, SpecialText::kParsed}) {
    const auto ids = tokenizer.encode(text, {BosEos::kAsModelSays, special});
    check(ids.ok() || !ids.status().message().empty());
    if (!ids.ok()) continue;
    std::string streamed;
    StreamDecoder decoder(tokenizer);
    for (const TokenId id : *ids) {
      check(id >= 0 && id < tokenizer.vocab_size());
      const std::string part = decoder.push(id);
      check(!find_invalid_utf8(part));
      streamed += part;
    }
    streamed += decoder.flush();
    check(streamed == tokenizer.decode(*ids));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  if (rest.empty()) return 0;
  const char kind = rest[0];
  rest.remove_prefix(1);
  const auto tokenizer = kind == 'j' ? from_json(rest) : from_tables(kind, rest);
  check(tokenizer.ok() || !tokenizer.status().message().empty());
  if (tokenizer.ok()) use(*tokenizer, rest);
  return 0;
}
