#include "text/tokenizer/spm.h"

#include <algorithm>

namespace cairn {

ScoredBpe::ScoredBpe(ScoredBpeTables tables) : tables_(std::move(tables)) {
  for (const auto& [text, id] : tables_.index) {
    joins_.add_text(text);
    longest_ = std::max(longest_, text.size());
  }
}

Status ScoredBpe::segment(std::string_view word, MergeScratch& scratch, std::vector<TokenId>& ids) const {
  const auto find = [&](const Symbol& left, const Symbol& right) -> std::optional<Merge> {
    const size_t length = size_t{left.length} + right.length;
    if (length > longest_) return std::nullopt;
    const auto id = find_token(tables_.index, word.substr(left.begin, length));
    if (!id) return std::nullopt;
    return Merge{rank_of_score(tables_.scores[static_cast<size_t>(*id)]), *id};
  };
  bool after_unknown = false;
  char32_t previous = 0;
  scratch.symbols.clear();
  for (size_t at = 0; at < word.size();) {
    const size_t length = utf8_length(word[at]);
    const char32_t character = utf8_at(word, at);
    if (!scratch.symbols.empty() && !joins_.joins(previous, character)) {
      merge_symbols(scratch, find);
      CAIRN_RETURN_IF_ERROR(emit(word, scratch, after_unknown, ids));
      scratch.symbols.clear();
    }
    scratch.add(at, length, find_token(tables_.index, word.substr(at, length)).value_or(-1));
    previous = character;
    at += length;
  }
  merge_symbols(scratch, find);
  return emit(word, scratch, after_unknown, ids);
}

Status ScoredBpe::emit(std::string_view word, const MergeScratch& scratch, bool& after_unknown,
                       std::vector<TokenId>& ids) const {
  const auto count = static_cast<int32_t>(scratch.symbols.size());
  for (int32_t i = 0; i < count; i = scratch.symbols[static_cast<size_t>(i)].next) {
    const Symbol& symbol = scratch.symbols[static_cast<size_t>(i)];
    const bool known = symbol.id >= 0;
    const std::string_view text = word.substr(symbol.begin, symbol.length);
    const Fallback& fallback = tables_.fallback;
    if (known) {
      ids.push_back(symbol.id);
    } else if (fallback.bytes) {
      for (const char c : text) ids.push_back((*fallback.bytes)[static_cast<unsigned char>(c)]);
    } else if (!fallback.unknown) {
      return no_token_for(text);
    } else if (!after_unknown || !fallback.fuse_unknown) {
      ids.push_back(*fallback.unknown);
    }
    after_unknown = !known && !fallback.bytes;
  }
  return {};
}

}  // namespace cairn
