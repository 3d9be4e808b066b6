#include "text/tokenizer/bpe.h"

#include "base/printable.h"

namespace cairn {
namespace {

uint64_t pair_key(TokenId left, TokenId right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

// Of the tokens that merges should make, one in so many may be made by none. The vocabularies of published models have
// next to none of them (GPT-2's: none); a list of merges that lost its end leaves out as many as it lost.
constexpr size_t kTokensToOneUnmade = 10;

// "<extra_1>", "[PAD7]": a filler or a special token that the file does not mark as one.
bool is_name(std::string_view text) {
  return (text.starts_with('<') && text.ends_with('>')) || (text.starts_with('[') && text.ends_with(']'));
}

bool is_joined(std::string_view text, BpeUnit unit) {
  return text.size() > (unit == BpeUnit::kBytes ? 1 : utf8_length(text.front()));
}

}  // namespace

Result<std::unique_ptr<RankedBpe>> RankedBpe::make(RankedBpeTables tables) {
  std::unique_ptr<RankedBpe> bpe(new RankedBpe);
  bpe->unit_ = tables.unit;
  bpe->index_ = std::move(tables.index);
  bpe->fallback_ = tables.fallback;
  bpe->whole_words_first_ = tables.whole_words_first;
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    bpe->byte_ids_[static_cast<size_t>(byte)] = find_token(bpe->index_, std::string_view(&c, 1)).value_or(-1);
  }
  bpe->merges_ = FlatTable<Merge>(tables.merges.size());
  for (size_t rank = 0; rank < tables.merges.size(); ++rank) {
    const auto& [left, right] = tables.merges[rank];
    CAIRN_RETURN_IF_ERROR(bpe->add_merge(tables.reserved, left, right, static_cast<uint32_t>(rank)));
  }
  CAIRN_RETURN_IF_ERROR(bpe->check_that_merges_make_tokens(tables));
  return bpe;
}

// A list of merges that was cut off would give other tokens than the model learnt, and nobody would be told.
Status RankedBpe::check_that_merges_make_tokens(const RankedBpeTables& tables) const {
  if (tables.merges.empty() || whole_words_first_) return {};
  std::unordered_set<std::string> made;
  made.reserve(tables.merges.size());
  for (const auto& [left, right] : tables.merges) made.insert(left + right);
  size_t joined = 0;
  size_t unmade = 0;
  std::string_view example;
  for (const auto& [text, id] : index_) {
    if (!is_joined(text, unit_) || is_name(text) || tables.cut_out.contains(text)) continue;
    ++joined;
    if (made.contains(std::string(text))) continue;
    ++unmade;
    if (example.empty() || text < example) example = text;
  }
  if (unmade * kTokensToOneUnmade <= joined) return {};
  return invalid_data("the tokenizer's merges make only " + std::to_string(joined - unmade) + " of the " +
                      std::to_string(joined) + " tokens that they should make (not \"" + printable(example) +
                      "\", for one): some of them are missing; convert or download the file again");
}

Status RankedBpe::add_merge(const TokenIndex& reserved, std::string_view left, std::string_view right,
                            uint32_t rank) {
  const std::string whole = std::string(left) + std::string(right);
  std::array<TokenId, 3> ids{};
  size_t at = 0;
  for (const std::string_view text : {left, right, std::string_view(whole)}) {
    const auto id = find_token(index_, text);
    if (!id && reserved.contains(text)) return {};
    if (!id) {
      return invalid_data("merge " + std::to_string(rank) + " of the tokenizer (\"" + printable(left) +
                          "\" and \"" + printable(right) + "\") needs \"" + printable(text) +
                          "\", which is not a token");
    }
    ids[at++] = *id;
  }
  merges_.insert(pair_key(ids[0], ids[1]), {rank, ids[2]});
  if (unit_ == BpeUnit::kCharacters)
    joins_.add(utf8_at(left, utf8_before(left, left.size())), utf8_at(right, 0));
  return {};
}

Status RankedBpe::segment(std::string_view word, MergeScratch& scratch, std::vector<TokenId>& ids) const {
  if (whole_words_first_) {
    if (const auto id = find_token(index_, word)) {
      ids.push_back(*id);
      return {};
    }
  }
  scratch.symbols.clear();
  return unit_ == BpeUnit::kBytes ? segment_bytes(word, scratch, ids)
                                  : segment_characters(word, scratch, ids);
}

// A character without any token is left out, as by the library that these vocabularies are trained with; what stood on
// its two sides may be merged then.
Status RankedBpe::segment_bytes(std::string_view word, MergeScratch& scratch,
                                std::vector<TokenId>& ids) const {
  for (size_t at = 0; at < word.size(); ++at) {
    TokenId id = byte_ids_[static_cast<unsigned char>(word[at])];
    if (id < 0 && !fallback_.unknown) continue;
    if (id < 0) id = *fallback_.unknown;
    scratch.add(at, 1, id);
  }
  merge_and_emit(scratch, ids);
  return {};
}

Status RankedBpe::segment_characters(std::string_view word, MergeScratch& scratch,
                                     std::vector<TokenId>& ids) const {
  bool after_unknown = false;
  char32_t previous = 0;
  for (size_t at = 0; at < word.size();) {
    const size_t length = utf8_length(word[at]);
    const std::string_view text = word.substr(at, length);
    const char32_t character = utf8_at(word, at);
    const auto id = find_token(index_, text);
    if (!id && !fallback_.bytes && !fallback_.unknown) {
      at += length;
      continue;
    }
    if (!scratch.symbols.empty() && !joins_.joins(previous, character)) {
      merge_and_emit(scratch, ids);
      scratch.symbols.clear();
    }
    if (id) {
      scratch.add(at, length, *id);
    } else if (fallback_.bytes) {
      for (size_t i = 0; i < length; ++i) {
        scratch.add(at + i, 1, (*fallback_.bytes)[static_cast<unsigned char>(text[i])]);
      }
    } else if (!after_unknown || !fallback_.fuse_unknown) {
      scratch.add(at, length, *fallback_.unknown);
    }
    after_unknown = !id && !fallback_.bytes;
    previous = character;
    at += length;
  }
  merge_and_emit(scratch, ids);
  return {};
}

void RankedBpe::merge_and_emit(MergeScratch& scratch, std::vector<TokenId>& ids) const {
  merge_symbols(scratch, [&](const Symbol& left, const Symbol& right) -> std::optional<Merge> {
    const Merge* merge = merges_.find(pair_key(left.id, right.id));
    if (merge == nullptr) return std::nullopt;
    return *merge;
  });
  const auto count = static_cast<int32_t>(scratch.symbols.size());
  for (int32_t i = 0; i < count; i = scratch.symbols[static_cast<size_t>(i)].next) {
    ids.push_back(scratch.symbols[static_cast<size_t>(i)].id);
  }
}

}  // namespace cairn
