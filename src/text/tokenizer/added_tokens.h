// AddedTokens: tokens that are found in a text before any other processing (special tokens, words that the
// model's authors added). The leftmost match wins, then the longest.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/ids.h"
#include "text/tokenizer.h"
#include "text/tokenizer/byte_trie.h"

namespace cairn {

struct AddedToken {
  std::string text;
  TokenId id = 0;
  bool special = false;      // plain text under SpecialText::kLiteral
  bool strip_left = false;   // includes the white space before it
  bool strip_right = false;  // and after it
  bool single_word = false;  // only if no letter or digit is next to it
};

class AddedTokens {
 public:
  struct Piece {
    size_t begin, end;  // bytes of the text
    TokenId id;         // negative: plain text
  };

  void add(AddedToken token);
  // Cuts `text` into plain pieces (none empty) and tokens, in order.
  [[nodiscard]] std::vector<Piece> split(std::string_view text, SpecialText special) const;

 private:
  [[nodiscard]] const AddedToken* longest_at(std::string_view text) const;
  std::vector<AddedToken> tokens_;
  ByteTrie trie_;  // to indices of tokens_
};

}  // namespace cairn
