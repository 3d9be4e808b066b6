// ScoredBpe: SentencePiece's BPE. Of all neighbours whose joined text is a token, the pair with the best
// score is joined first (the leftmost of equals), until no pair is a token.
#pragma once

#include <memory>

#include "text/tokenizer/join_set.h"
#include "text/tokenizer/segmenter.h"

namespace cairn {

struct ScoredBpeTables {
  TokenIndex index;           // the tokens that joining may make
  std::vector<float> scores;  // by id, all finite
  Fallback fallback;
};

class ScoredBpe final : public Segmenter {
 public:
  explicit ScoredBpe(ScoredBpeTables tables);
  Status segment(std::string_view word, MergeScratch& scratch, std::vector<TokenId>& ids) const override;

 private:
  Status emit(std::string_view word, const MergeScratch& scratch, bool& after_unknown,
              std::vector<TokenId>& ids) const;
  ScoredBpeTables tables_;
  JoinSet joins_;
  size_t longest_ = 0;
};

}  // namespace cairn
