#include "engine/drafts/draft_chances.h"

#include <algorithm>
#include <bit>

namespace cairn {
namespace {

// Weighs like so many tries. Longer matches are better ones; all are guessed high enough to be tried.
constexpr double kGuessWeight = 4;
constexpr std::array<double, 5> kGuess = {0.5, 0.6, 0.7, 0.8, 0.7};
// What was right long ago says little: from here on, old tries count half.
constexpr int32_t kMostTries = 64;

}  // namespace

size_t DraftChances::kind_of(int64_t match_length) {
  const auto width = static_cast<size_t>(std::bit_width(static_cast<uint64_t>(match_length)));
  return std::clamp<size_t>(width, 2, kKinds + 1) - 2;
}

void DraftChances::note(int64_t match_length, int64_t draft_length, int64_t right) {
  Tries& tries = tries_[kind_of(match_length)];
  tries.right += static_cast<int32_t>(right);
  if (right < draft_length) ++tries.wrong;
  if (tries.right + tries.wrong < kMostTries) return;
  tries.right /= 2;
  tries.wrong /= 2;
}

double DraftChances::chance(int64_t match_length) const {
  const size_t kind = kind_of(match_length);
  const Tries& tries = tries_[kind];
  return (tries.right + kGuess[kind] * kGuessWeight) / (tries.right + tries.wrong + kGuessWeight);
}

}  // namespace cairn
