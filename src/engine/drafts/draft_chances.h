// DraftChances: how likely the next token of a draft is right, for one text: by how many tokens agreed where the draft was
// found. Learned from what became of the text's earlier drafts; a guess before.
//
// Always true: a pure function of what it was told. Allocates nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace cairn {

class DraftChances {
 public:
  // Of a draft that `match_length` tokens spoke for, `draft_length` tokens were tried, and the first `right` were right.
  void note(int64_t match_length, int64_t draft_length, int64_t right);
  // Of each token, where all before it are right; in (0, 1).
  [[nodiscard]] double chance(int64_t match_length) const;

 private:
  struct Tries {
    int32_t right = 0;
    int32_t wrong = 0;
  };
  static constexpr size_t kKinds = 5;
  // Lengths that are close enough to share a measure: 2-3, 4-7, 8-15, 16; and kGuessOfModel.
  [[nodiscard]] static size_t kind_of(int64_t match_length);

  std::array<Tries, kKinds> tries_{};
};

}  // namespace cairn
