#include "text/tokenizer/vocabulary.h"

#include "base/check.h"

namespace cairn {

void Vocabulary::set(TokenId id, std::string text, TokenSort sort) {
  CHECK(id >= 0);
  const auto index = static_cast<size_t>(id);
  if (index >= tokens_.size()) tokens_.resize(index + 1);
  tokens_[index] = {std::move(text), sort};
}

TokenSort Vocabulary::sort(TokenId id) const {
  const auto index = static_cast<size_t>(id);
  return id >= 0 && index < tokens_.size() ? tokens_[index].sort : TokenSort::kAbsent;
}

std::string_view Vocabulary::text(TokenId id) const {
  const auto index = static_cast<size_t>(id);
  return id >= 0 && index < tokens_.size() ? std::string_view(tokens_[index].text) : std::string_view();
}

std::optional<TokenId> Vocabulary::find(std::string_view text) const {
  std::optional<TokenId> ordinary;
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const Token& token = tokens_[i];
    if (token.sort == TokenSort::kAbsent || token.text != text) continue;
    if (token.sort == TokenSort::kSpecial) return static_cast<TokenId>(i);
    if (!ordinary) ordinary = static_cast<TokenId>(i);
  }
  return ordinary;
}

}  // namespace cairn
