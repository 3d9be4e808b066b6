// Unigram: of all ways to write a word as tokens, the one with the largest sum of scores (Viterbi).
#pragma once

#include "text/tokenizer/byte_trie.h"
#include "text/tokenizer/segmenter.h"

namespace cairn {

struct UnigramTables {
  std::vector<std::pair<std::string_view, TokenId>> tokens;  // ordinary ones; the first of equal texts counts
  std::vector<double> scores;                                // by id, all finite
  std::vector<TokenId> user_defined;                         // of `tokens`: they cost nothing (score 0)
  Fallback fallback;
};

class Unigram final : public Segmenter {
 public:
  explicit Unigram(UnigramTables tables);
  Status segment(std::string_view word, MergeScratch& scratch, std::vector<TokenId>& ids) const override;

 private:
  std::vector<double> scores_;
  Fallback fallback_;
  ByteTrie trie_;
  double unknown_score_ = 0;
};

}  // namespace cairn
