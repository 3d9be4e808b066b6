// DraftSizes: how many tokens of which drafts a step verifies. More rows in a step take longer, and a token of a draft is
// worth its row only as far as it is likely to be right: what counts is tokens by time. It is told how long steps of so
// many rows took, and the chances of each draft; from that it chooses what makes most tokens in a second, or nothing.
//
// Times are medians of the last few steps of as many rows; of numbers of rows that have not run yet, a guess. What looks
// like a loss is tried again every so often: the machine, or the text, may have changed.
//
// Always true: a pure function of what it was told. Allocates nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/recent_samples.h"

namespace cairn {

inline constexpr int64_t kMostDraft = 15;         // tokens of one draft
inline constexpr int64_t kMostVerifiedRows = 32;  // of a step that verifies drafts, all rows

// What one sequence could have verified, and what it is granted.
struct DraftOffer {
  int64_t length = 0;   // tokens at hand
  double chance = 0;    // of each to be right, where all before it are; below 1
  int64_t granted = 0;  // set by choose
};

class DraftSizes {
 public:
  // A step without prompts had so many rows.
  void note(int64_t row_count, uint64_t ns);
  // A token more of the longest draft takes so long to guess. Where nobody says so, nothing.
  void note_drafting(uint64_t ns);
  // For a step in which `sequence_count` sequences decode a row each, and at most `row_limit` rows run.
  void choose(int64_t sequence_count, int64_t row_limit, std::span<DraftOffer> offers);

 private:
  using Times = RecentSamples<3>;  // in ns

  void forget_slower(int64_t row_count);
  [[nodiscard]] double ns_of(int64_t row_count) const;
  void grant(int64_t draft_rows, std::span<DraftOffer> offers) const;

  std::array<Times, kMostVerifiedRows> times_{};  // [rows - 1]
  Times drafting_;                                // of a token more of the longest draft
  int64_t refused_ = 0;                           // steps since a draft was verified
};

}  // namespace cairn
