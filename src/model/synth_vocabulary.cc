#include "model/synth_vocabulary.h"

#include <array>
#include <map>
#include <span>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"

namespace cairn {
namespace {

using Word = std::vector<std::string>;  // a word as the symbols that it consists of now
using Merge = std::pair<std::string, std::string>;

// What the pieces are learnt from; words are cut at spaces, which belong to the word behind them.
constexpr std::string_view kParagraph =
    "once upon a time there was a little stone tower on a hill , and every traveller who came by laid one "
    "more "
    "stone upon it . in the winter the snow covered the road , but the tower stood above the snow and showed "
    "the "
    "way . a girl and her dog went up the hill to see the sea . they saw a ship with white sails , and the "
    "girl "
    "said that she would sail away one day and come back with a stone from the other side of the world . the "
    "dog "
    "did not want to go ; he liked the warm fire , the old house and the smell of bread . when the girl was "
    "older "
    "she went to the harbour , and the ship took her over the water . years went by , the dog grew grey , "
    "and one "
    "morning in spring he heard her steps on the road . she put her stone on top of the tower , and both of "
    "them "
    "looked at the sea again . people still tell this story there when the nights are long and the wind is "
    "loud .";

constexpr int kMergeCount = 253;

// The token types of the GGUF format.
constexpr int32_t kNormal = 1, kUnknown = 2, kControl = 3, kByte = 6;

// Characters as one-symbol strings; `space` stands for the space before a word.
std::vector<Word> split_words(std::string_view space) {
  std::vector<Word> words;
  Word word;
  for (const char c : kParagraph) {
    if (c != ' ') {
      word.emplace_back(1, c);
      continue;
    }
    words.push_back(word);
    word = {std::string(space)};
  }
  words.push_back(word);
  return words;
}

void apply_merge(Word& word, const Merge& merge) {
  Word merged;
  for (size_t i = 0; i < word.size(); ++i) {
    const bool both = i + 1 < word.size() && word[i] == merge.first && word[i + 1] == merge.second;
    merged.push_back(both ? merge.first + merge.second : word[i]);
    if (both) ++i;
  }
  word = std::move(merged);
}

// Byte-pair encoding (Sennrich et al., 2016): the most frequent pair is merged, the first in byte order on a
// tie.
std::vector<Merge> learn_merges(std::string_view space) {
  std::vector<Word> words = split_words(space);
  std::vector<Merge> merges;
  while (merges.size() < static_cast<size_t>(kMergeCount)) {
    std::map<Merge, int> counts;
    for (const Word& word : words) {
      for (size_t i = 0; i + 1 < word.size(); ++i) ++counts[{word[i], word[i + 1]}];
    }
    if (counts.empty()) break;
    const auto* best = &*counts.begin();
    for (const auto& entry : counts) {
      if (entry.second > best->second) best = &entry;
    }
    merges.push_back(best->first);
    for (Word& word : words) apply_merge(word, merges.back());
  }
  return merges;
}

std::string utf8(char32_t character) {
  std::string text;
  append_utf8(text, character);
  return text;
}

bool is_printable_byte(uint32_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

// GPT-2's byte symbols: printable bytes stand for themselves and come first, the others as U+0100 and on.
std::vector<std::string> byte_symbols() {
  std::vector<std::string> symbols;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    if (is_printable_byte(byte)) symbols.push_back(utf8(byte));
  }
  for (uint32_t i = 0; symbols.size() < 256; ++i) symbols.push_back(utf8(0x100 + i));
  return symbols;
}

// Grows the table of tokens; pieces that would not fit are left out.
class TokenTable {
 public:
  explicit TokenTable(int64_t size) : size_(static_cast<size_t>(size)) {}

  void add(std::string text, int32_t type, float score = 0) {
    CHECK(tokens_.size() < size_);
    tokens_.push_back(std::move(text));
    types_.push_back(type);
    scores_.push_back(score);
  }
  void fill() {
    for (int i = 0; tokens_.size() < size_; ++i) add("<extra_" + std::to_string(i) + ">", kNormal, -1e6F);
  }
  [[nodiscard]] uint32_t next() const { return static_cast<uint32_t>(tokens_.size()); }
  [[nodiscard]] size_t room() const { return size_ - tokens_.size(); }

  std::vector<std::string> tokens_;
  std::vector<int32_t> types_;
  std::vector<float> scores_;

 private:
  size_t size_;
};

using Settings = std::vector<std::pair<std::string, GgufSetting>>;

Settings sentence_piece(int64_t size) {
  const std::string space = "\xE2\x96\x81";  // U+2581
  TokenTable table(size);
  table.add("<unk>", kUnknown);
  table.add("<s>", kControl);
  table.add("</s>", kControl);
  for (int byte = 0; byte < 256; ++byte) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    table.add({'<', '0', 'x', kDigits[static_cast<size_t>(byte / 16)],
               kDigits[static_cast<size_t>(byte % 16)], '>'},
              kByte);
  }
  std::vector<std::string> characters = {space, ",", ".", ";", "'", "!", "?"};
  for (char c = 'a'; c <= 'z'; ++c) characters.emplace_back(1, c);
  for (const auto& character : characters) table.add(character, kNormal, -1000.0F);
  std::map<std::string, bool> seen;
  float score = 0;
  for (const auto& [left, right] : learn_merges(space)) {
    if (table.room() == 0) break;
    score -= 1;
    // Two ways to the same piece make one token, with the score of the first.
    if (seen.emplace(left + right, true).second) table.add(left + right, kNormal, score);
  }
  table.fill();
  return {{"tokenizer.ggml.model", std::string("llama")}, {"tokenizer.ggml.pre", std::string("default")},
          {"tokenizer.ggml.tokens", table.tokens_},       {"tokenizer.ggml.scores", table.scores_},
          {"tokenizer.ggml.token_type", table.types_},    {"tokenizer.ggml.bos_token_id", uint32_t{1}},
          {"tokenizer.ggml.eos_token_id", uint32_t{2}},   {"tokenizer.ggml.unknown_token_id", uint32_t{0}},
          {"tokenizer.ggml.add_bos_token", true},         {"tokenizer.ggml.add_eos_token", false},
          {"tokenizer.ggml.add_space_prefix", true}};
}

Settings byte_level(const std::string& pre, std::span<const std::string_view> specials, int64_t size) {
  TokenTable table(size);
  const std::vector<std::string> bytes = byte_symbols();
  for (const auto& symbol : bytes) table.add(symbol, kNormal);
  const std::string space = utf8(0x120);  // the symbol of byte 0x20
  std::vector<std::string> merges;
  std::map<std::string, bool> seen;
  for (const auto& [left, right] : learn_merges(space)) {
    if (table.room() <= specials.size()) break;
    merges.push_back(left + " " + right);
    if (seen.emplace(left + right, true).second) table.add(left + right, kNormal);
  }
  const uint32_t first_special = table.next();
  for (const std::string_view special : specials) table.add(std::string(special), kControl);
  const uint32_t last_special = table.next() - 1;
  table.fill();
  return {{"tokenizer.ggml.model", std::string("gpt2")},
          {"tokenizer.ggml.pre", pre},
          {"tokenizer.ggml.tokens", table.tokens_},
          {"tokenizer.ggml.token_type", table.types_},
          {"tokenizer.ggml.merges", merges},
          {"tokenizer.ggml.bos_token_id", first_special},
          {"tokenizer.ggml.eos_token_id", last_special},
          {"tokenizer.ggml.add_bos_token", false}};
}

}  // namespace

Settings synth_vocabulary(SynthVocabularyKind kind, int64_t size) {
  CHECK(size >= kSynthVocabularyMin);
  constexpr std::array<std::string_view, 3> kChatSpecials = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
  switch (kind) {
    case SynthVocabularyKind::kSentencePiece: return sentence_piece(size);
    case SynthVocabularyKind::kGpt2: return byte_level("gpt-2", std::span(kChatSpecials).first(1), size);
    case SynthVocabularyKind::kQwen2: return byte_level("qwen2", kChatSpecials, size);
    case SynthVocabularyKind::kSmolLm: return byte_level("smollm", kChatSpecials, size);
  }
  CHECK(false);
  return {};
}

}  // namespace cairn
