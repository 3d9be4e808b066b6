#include "text/tokenizer/added_tokens.h"

#include <algorithm>

#include "base/utf8.h"
#include "text/tokenizer/unicode.h"

namespace cairn {
namespace {

bool stands_alone(std::string_view text, size_t begin, size_t end) {
  if (begin > 0 && is_word(utf8_at(text, utf8_before(text, begin)))) return false;
  return end == text.size() || !is_word(utf8_at(text, end));
}

size_t white_space_before(std::string_view text, size_t end) {
  while (end > 0) {
    const size_t at = utf8_before(text, end);
    if (!is_white_space(utf8_at(text, at))) break;
    end = at;
  }
  return end;
}

size_t white_space_after(std::string_view text, size_t at) {
  while (at < text.size() && is_white_space(utf8_at(text, at))) at += utf8_length(text[at]);
  return at;
}

}  // namespace

void AddedTokens::add(AddedToken token) {
  if (token.text.empty() || find_invalid_utf8(token.text)) return;  // cannot occur in valid text
  trie_.insert(token.text, static_cast<int32_t>(tokens_.size()));
  tokens_.push_back(std::move(token));
}

const AddedToken* AddedTokens::longest_at(std::string_view text) const {
  const AddedToken* longest = nullptr;
  trie_.for_each_prefix(text, [&](size_t, int32_t index) { longest = &tokens_[static_cast<size_t>(index)]; });
  return longest;
}

std::vector<AddedTokens::Piece> AddedTokens::split(std::string_view text, SpecialText special) const {
  std::vector<Piece> pieces;
  size_t plain = 0;  // where the plain text before `at` begins
  size_t at = trie_.empty() ? text.size() : 0;
  while (at < text.size()) {
    const AddedToken* token = longest_at(text.substr(at));
    if (token == nullptr) {
      at += utf8_length(text[at]);
      continue;
    }
    size_t begin = at;
    size_t end = at + token->text.size();
    at = end;
    if (token->special && special == SpecialText::kLiteral) continue;
    if (token->single_word && !stands_alone(text, begin, end)) continue;
    if (begin < plain) continue;  // inside white space that belongs to the token before
    if (token->strip_left) begin = std::max(plain, white_space_before(text, begin));
    if (token->strip_right) end = white_space_after(text, end);
    if (begin > plain) pieces.push_back({plain, begin, -1});
    pieces.push_back({begin, end, token->id});
    plain = end;
  }
  if (plain < text.size()) pieces.push_back({plain, text.size(), -1});
  return pieces;
}

}  // namespace cairn
