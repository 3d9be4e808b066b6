// Vocabulary: for each id, the bytes that it adds to a text and the sort of token that it is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/ids.h"

namespace cairn {

enum class TokenSort : uint8_t {
  kAbsent,  // no token has this id (a gap)
  kOrdinary,
  kSpecial,  // hidden by SpecialOutput::kHide
};

class Vocabulary {
 public:
  // Sets the token `id` >= 0; gaps below it are absent. A later call for the same id replaces the first.
  void set(TokenId id, std::string text, TokenSort sort);

  [[nodiscard]] int64_t size() const { return static_cast<int64_t>(tokens_.size()); }
  [[nodiscard]] bool has(TokenId id) const { return sort(id) != TokenSort::kAbsent; }
  [[nodiscard]] TokenSort sort(TokenId id) const;         // kAbsent outside [0, size())
  [[nodiscard]] std::string_view text(TokenId id) const;  // empty outside [0, size())
  // The lowest id with this text, special tokens before ordinary ones. Walks over all tokens.
  [[nodiscard]] std::optional<TokenId> find(std::string_view text) const;

 private:
  struct Token {
    std::string text;
    TokenSort sort = TokenSort::kAbsent;
  };
  std::vector<Token> tokens_;
};

}  // namespace cairn
