// JoinSet: which pairs of neighbouring characters can ever be in one token. A word is cut between all other
// pairs before merging: no merge crosses such a cut, so the result is the same, and the pieces are short.
#pragma once

#include <string_view>

#include "base/utf8.h"
#include "text/tokenizer/flat_table.h"

namespace cairn {

class JoinSet {
 public:
  void add(char32_t left, char32_t right) { pairs_.insert(key(left, right), 0); }

  // All neighbours inside `valid_utf8`.
  void add_text(std::string_view text) {
    char32_t previous = 0;
    for (size_t at = 0; at < text.size(); at += utf8_length(text[at])) {
      const char32_t c = utf8_at(text, at);
      if (at != 0) add(previous, c);
      previous = c;
    }
  }

  [[nodiscard]] bool joins(char32_t left, char32_t right) const {
    return pairs_.find(key(left, right)) != nullptr;
  }

 private:
  static uint64_t key(char32_t left, char32_t right) { return static_cast<uint64_t>(left) << 32 | right; }
  FlatTable<char> pairs_;
};

}  // namespace cairn
