// AddedTokens: tokens that are found in a text before anything else is done to it (special tokens, words that
// a model's maker added). The leftmost one wins, then the longest.
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
  bool special = false;      // stays text under SpecialText::kLiteral
  bool strip_left = false;   // takes the white space before it with it
  bool strip_right = false;  // and after it
  bool single_word = false;  // only where no letter or digit stands beside it
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
