#include "engine/drafts/draft_sizes.h"

#include <algorithm>

namespace cairn {
namespace {

// What a row more adds to a step where nothing was measured, by the time of the smallest step that was. Rather too little:
// what is tried is measured, what is not stays a guess.
constexpr double kGuessedRow = 0.1;
// A gain below that is within what is known of times.
constexpr double kLeastGain = 1.03;
// From one try of what looks like a loss to the next: a step of three times the time costs a percent and a half.
constexpr int64_t kRetrySteps = 128;
constexpr int64_t kRetryRows = 3;

// The offer whose next token is most likely to be right; null: all have been granted.
DraftOffer* likeliest(std::span<DraftOffer> offers, double& chance) {
  DraftOffer* best = nullptr;
  chance = 0;
  for (DraftOffer& offer : offers) {
    if (offer.granted == offer.length) continue;
    double of_next = offer.chance;
    for (int64_t i = 0; i < offer.granted; ++i) of_next *= offer.chance;
    if (of_next <= chance) continue;
    chance = of_next;
    best = &offer;
  }
  return best;
}

}  // namespace

void DraftSizes::note(int64_t row_count, uint64_t ns) {
  if (row_count > kMostVerifiedRows) return;
  times_[static_cast<size_t>(row_count - 1)].add(static_cast<int64_t>(std::max<uint64_t>(ns, 1)));
  forget_slower(row_count);
}

// Fewer rows do not take longer: who says so was measured in a worse time, or behind longer texts.
void DraftSizes::forget_slower(int64_t row_count) {
  const auto ns = times_[static_cast<size_t>(row_count - 1)].median();
  for (int64_t rows = 1; rows < row_count; ++rows) {
    Times& times = times_[static_cast<size_t>(rows - 1)];
    if (times.median() > ns) times.clear();
  }
}

void DraftSizes::note_drafting(uint64_t ns) { drafting_.add(static_cast<int64_t>(ns)); }

// Where so many rows have not run: from the next smaller number that has, and never less than it.
double DraftSizes::ns_of(int64_t row_count) const {
  double row_ns = 0;
  double known_ns = 0;
  int64_t known_rows = 0;
  for (int64_t rows = 1; rows <= row_count; ++rows) {
    const auto median = times_[static_cast<size_t>(rows - 1)].median();
    if (!median.has_value()) continue;
    const auto ns = static_cast<double>(*median);
    if (row_ns == 0) row_ns = ns * kGuessedRow;
    known_ns = std::max(known_ns, ns);
    known_rows = rows;
  }
  return known_ns + row_ns * static_cast<double>(row_count - known_rows);
}

void DraftSizes::grant(int64_t draft_rows, std::span<DraftOffer> offers) const {
  for (DraftOffer& offer : offers) offer.granted = 0;
  double chance = 0;
  for (int64_t i = 0; i < draft_rows; ++i) ++likeliest(offers, chance)->granted;
}

void DraftSizes::choose(int64_t sequence_count, int64_t row_limit, std::span<DraftOffer> offers) {
  grant(0, offers);
  const int64_t most_rows = std::min(row_limit, kMostVerifiedRows);
  if (sequence_count >= most_rows || ns_of(sequence_count) == 0) return;
  const auto plain = static_cast<double>(sequence_count) / ns_of(sequence_count);
  double best = plain * kLeastGain;
  auto tokens = static_cast<double>(sequence_count);
  int64_t chosen = 0;
  int64_t offered = 0;
  double chance = 0;
  int64_t longest = 0;
  const auto drafting_ns = static_cast<double>(drafting_.median().value_or(0));
  for (; sequence_count + offered < most_rows; ++offered) {
    DraftOffer* const next = likeliest(offers, chance);
    if (next == nullptr) break;
    longest = std::max(longest, ++next->granted);
    tokens += chance;
    const double ns = ns_of(sequence_count + offered + 1) + drafting_ns * static_cast<double>(longest);
    const double gain = tokens / ns;
    if (gain <= best) continue;
    best = gain;
    chosen = offered + 1;
  }
  if (chosen > 0) {
    refused_ = 0;
  } else if (offered > 0 && ++refused_ >= kRetrySteps) {
    refused_ = 0;
    chosen = std::min(offered, kRetryRows);
  }
  grant(chosen, offers);
}

}  // namespace cairn
