// StepPace: how many rows of prompts a step may have beside running streams, so that they keep their pace. A step with
// prompts takes at most `percent` of the time of one that only decodes; without streams a step has all rows.
//
// It is told what each step had and how long it took, and learns from that two things: what a step takes that only
// decodes, by the number of streams, and what a row of a prompt adds. Both are medians of the last few samples, so one
// slow step changes nothing, and a slow minute is soon forgotten: rows at most double from step to step, never fall
// below a floor, and every so often a step runs with one prompt row only, which measures decoding anew.
//
// Always true: a pure function of what it was told, in integers; so a recorded run gives the same rows again
// (schedule_trace.h). Never less than one row. Allocates nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/recent_samples.h"

namespace cairn {

// What a step ran, and how long that took.
struct StepTiming {
  int64_t decode_rows = 0;  // of sequences that had one row to run
  int64_t prompt_rows = 0;
  int64_t prompt_limit = 0;  // that it might have had, with longer prompts
  uint64_t ns = 0;
};

class StepPace {
 public:
  // A percent of at least 100; `rows_max`: a step has no more rows of prompts.
  StepPace(int64_t percent, int64_t rows_max) : percent_(percent), rows_max_(rows_max) {}

  void note(const StepTiming& step);
  // For the next step, beside so many streams.
  [[nodiscard]] int64_t prompt_rows(int64_t decode_rows) const;

 private:
  static constexpr size_t kStreamSizes = 16;
  // Numbers of streams that are close enough to share a measure: 1, 2-3, 4-7 ...
  [[nodiscard]] static size_t size_of(int64_t decode_rows);

  int64_t percent_;
  int64_t rows_max_;
  std::array<RecentSamples<3>, kStreamSizes> decode_ns_;  // steps that only decode
  RecentSamples<5> row_ps_;                               // what a prompt's row adds
  int64_t last_rows_ = 0;                                 // that a step ran beside streams
  int64_t since_probe_ = 0;  // steps with prompts and streams since decoding was measured
};

}  // namespace cairn
