#include "text/tokenizer/tables_testing.h"

#include <array>
#include <random>

#include "base/utf8.h"
#include "text/tokenizer/byte_level.h"

namespace cairn {

TokenizerTables sentencepiece_tables(const std::vector<std::string>& pieces) {
  TokenizerTables t;
  t.model = "llama";
  t.tokens = {"<unk>", "<s>", "</s>"};
  t.types = {2, 3, 3};
  t.scores = {0, 0, 0};
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  for (size_t byte = 0; byte < 256; ++byte) {
    t.tokens.push_back({'<', '0', 'x', kHex[byte / 16], kHex[byte % 16], '>'});
    t.types.push_back(6);
    t.scores.push_back(0);
  }
  float score = 0;
  for (const std::string& piece : pieces) {
    t.tokens.push_back(piece);
    t.types.push_back(1);
    t.scores.push_back(score -= 1);
  }
  return t;
}

TokenizerTables byte_level_tables(const std::vector<std::string>& merges) {
  TokenizerTables t;
  t.model = "gpt2";
  t.pre = "gpt-2";
  for (int byte = 0; byte < 256; ++byte)
    t.tokens.push_back(byte_level_of_bytes(std::string(1, static_cast<char>(byte))));
  for (const std::string& merge : merges) {
    const size_t space = merge.find(' ');
    t.tokens.push_back(merge.substr(0, space) + merge.substr(space + 1));
  }
  t.merges = merges;
  t.types.assign(t.tokens.size(), 1);
  t.tokens.emplace_back("<|end|>");
  t.types.push_back(3);
  t.eos = static_cast<int64_t>(t.tokens.size()) - 1;
  return t;
}

TokenizerTables small_byte_level_tables() {
  return byte_level_tables({"h e", "Ġ t", "Ġt he", "l l", "he ll", "hell o", "Ġ a", "n d", "Ġa nd", "1 2",
                            "Ġ Ġ", "ĠĠ ĠĠ", "Ã ©", "ð Ł", "ðŁ ĺ", "e r", "i n", "' s"});
}

TokenizerTables small_sentencepiece_tables() {
  return sentencepiece_tables({"▁t",    "he", "▁the", "in", "er", "▁a", "nd", "▁and", "ll", "hell",
                               "hello", "▁▁", "12",   "▁",  "e",  "t",  "a",  "o",    "h",  "l",
                               "n",     "d",  "i",    "r",  "1",  "2",  "é",  "日本", "日", "本"});
}

std::string random_text(uint64_t seed, size_t characters) {
  static constexpr std::array<std::string_view, 24> kParts{
      " ", "  ",        "\n",   "the", " the", "hello", "and",      "12", "345", "'s",      "'LL",    ".",
      "é", "e\xCC\x81", "日本", "😀",  "👍🏽", "\t",    "\xC2\xA0", "▁",  "<s>", "<|end|>", "<0x41>", "Я"};
  std::mt19937_64 random(seed);
  std::string text;
  for (size_t i = 0; i < characters; ++i) {
    if (random() % 3 != 0) {
      text += kParts[random() % kParts.size()];
      continue;
    }
    char32_t c = static_cast<char32_t>(random() % 0x110000);
    if (random() % 2 == 0) c %= 0x250;
    if (c >= 0xD800 && c < 0xE000) c = U'x';
    append_utf8(text, c);
  }
  return text;
}

}  // namespace cairn
