// GrowthRounds: points of several series, measured in turn: each point once a round, so that what else the machine does
// meanwhile falls on all of them alike. A round goes up and the next one down, so that what drifts does too. The first round
// does not count: it warms up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "cli/long_run.h"
#include "cli/svg_plot.h"

namespace cairn {

class GrowthRounds {
 public:
  GrowthRounds(std::vector<std::string> names, std::vector<int64_t> xs);

  // `measure(i)`: what was measured at xs[i], a value for each series. A stop ends it after a point. Errors: the first of
  // measure's.
  Status run(int rounds, LongRun& progress,
             const std::function<Result<std::vector<double>>(size_t point)>& measure);

  // Median, least and most of each point, where a round counted.
  [[nodiscard]] std::vector<PlotSeries> series() const;

 private:
  std::vector<std::string> names_;
  std::vector<int64_t> xs_;
  std::vector<std::vector<std::vector<double>>> values_;  // [series][point][round]
};

}  // namespace cairn
