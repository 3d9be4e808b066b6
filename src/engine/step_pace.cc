#include "engine/step_pace.h"

#include <algorithm>
#include <bit>
#include <optional>

namespace cairn {
namespace {

// A prompt goes on whatever rows cost, and a step with fewer hardly takes less time: the weights are read all the same.
constexpr int64_t kFloorRows = 4;
// Steps with prompts from one measure of decoding to the next: it costs one of 32 steps, and the rows are right again
// within a few seconds of the machine's becoming slower or faster.
constexpr int64_t kProbeSteps = 32;
// ... where rows are at their floor: maybe only because decoding was measured in a better time.
constexpr int64_t kProbeStepsAtFloor = 8;
// A step with as few prompt rows as that tells what decoding takes.
constexpr int64_t kProbeRows = 1;
// Rows may be free for a step or two (they wait for the weights like those that decode); twice as many are not.
constexpr int64_t kGrowth = 2;
constexpr int64_t kPsPerNs = 1000;
// Kernels compute rows in tiles. One row beyond a full tile costs as much as several in one.
constexpr int64_t kTileRows = 4;

// Of prompts beside so many others, at most `rows`: as many as leave no tile part empty, but not below `floor`.
int64_t fill_tiles(int64_t decode_rows, int64_t rows, int64_t floor) {
  return std::max(rows - (decode_rows + rows) % kTileRows, floor);
}

}  // namespace

size_t StepPace::size_of(int64_t decode_rows) {
  const auto width = static_cast<size_t>(std::bit_width(static_cast<uint64_t>(decode_rows)));
  return std::min(width, kStreamSizes) - 1;
}

void StepPace::note(const StepTiming& step) {
  const auto ns = static_cast<int64_t>(step.ns);
  if (step.decode_rows == 0) {
    // Better than nothing: what a row takes together with its share of reading the weights.
    if (step.prompt_rows > 0 && !row_ps_.median().has_value()) row_ps_.add(ns * kPsPerNs / step.prompt_rows);
    return;
  }
  if (step.prompt_rows <= kProbeRows) {
    // One row may be free, or cost what the others do: half of that.
    const int64_t row_ns = row_ps_.median().value_or(0) / kPsPerNs * step.prompt_rows / 2;
    decode_ns_[size_of(step.decode_rows)].add(std::max<int64_t>(ns - row_ns, 1));
    since_probe_ = 0;
    return;
  }
  const std::optional<int64_t> decode_ns = decode_ns_[size_of(step.decode_rows)].median();
  if (!decode_ns.has_value()) return;
  // The short end of a prompt tells little about many rows, unless even that takes too long.
  const bool is_short = step.prompt_rows * 2 < step.prompt_limit;
  if (is_short && ns <= *decode_ns * percent_ / 100) return;
  ++since_probe_;
  row_ps_.add(std::max<int64_t>(ns - *decode_ns, 1) * kPsPerNs / step.prompt_rows);
  if (!is_short) last_rows_ = step.prompt_rows;
}

int64_t StepPace::prompt_rows(int64_t decode_rows) const {
  if (decode_rows == 0) return rows_max_;
  const std::optional<int64_t> decode_ns = decode_ns_[size_of(decode_rows)].median();
  if (!decode_ns.has_value() || since_probe_ >= kProbeSteps) return kProbeRows;
  const int64_t floor = std::min(kFloorRows, rows_max_);
  const std::optional<int64_t> row_ps = row_ps_.median();
  if (!row_ps.has_value()) return floor;
  const int64_t spare_ns = *decode_ns * (percent_ - 100) / 100;
  const int64_t wanted = spare_ns * kPsPerNs / std::max<int64_t>(*row_ps, 1);
  if (wanted <= floor && since_probe_ >= kProbeStepsAtFloor) return kProbeRows;
  const int64_t grown = std::min(wanted, std::max(last_rows_, floor) * kGrowth);
  return grown >= rows_max_ ? rows_max_ : fill_tiles(decode_rows, grown, floor);
}

}  // namespace cairn
