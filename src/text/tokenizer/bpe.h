// RankedBpe: BPE with a list of merges, best first. Its smallest symbols are bytes (byte-level BPE) or
// characters (tokenizer.json of SentencePiece models).
#pragma once

#include <memory>
#include <unordered_set>

#include "text/tokenizer/join_set.h"
#include "text/tokenizer/segmenter.h"

namespace cairn {

enum class BpeUnit { kBytes, kCharacters };

struct RankedBpeTables {
  BpeUnit unit = BpeUnit::kBytes;
  TokenIndex index;  // ordinary tokens by their text (kBytes: the bytes that they represent)
  // Merges, best first; each half and the whole must be in `index`, or in `reserved`, in which case the merge
  // is left out.
  std::vector<std::pair<std::string, std::string>> merges;
  TokenIndex reserved;  // special tokens: never made from characters
  Fallback fallback;
  // A word that is a token becomes that token, whatever the merges would make.
  bool whole_words_first = false;
  // Ordinary tokens that are cut out of a text before it is segmented: no merge has to make them.
  std::unordered_set<std::string_view> cut_out;
};

class RankedBpe final : public Segmenter {
 public:
  // kInvalidData: a merge names a text that is not a token; or there are merges, but many tokens are made by none.
  static Result<std::unique_ptr<RankedBpe>> make(RankedBpeTables tables);
  Status segment(std::string_view word, MergeScratch& scratch, std::vector<TokenId>& ids) const override;

 private:
  RankedBpe() = default;
  [[nodiscard]] Status check_that_merges_make_tokens(const RankedBpeTables& tables) const;
  Status add_merge(const TokenIndex& reserved, std::string_view left, std::string_view right, uint32_t rank);
  Status segment_bytes(std::string_view word, MergeScratch& scratch, std::vector<TokenId>& ids) const;
  Status segment_characters(std::string_view word, MergeScratch& scratch, std::vector<TokenId>& ids) const;
  void merge_and_emit(MergeScratch& scratch, std::vector<TokenId>& ids) const;

  BpeUnit unit_ = BpeUnit::kBytes;
  TokenIndex index_;
  FlatTable<Merge> merges_;  // by left id << 32 | right id
  std::array<TokenId, 256> byte_ids_{};
  JoinSet joins_;
  Fallback fallback_;
  bool whole_words_first_ = false;
};

}  // namespace cairn
