#include "cli/bench_growth_rounds.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "cli/bench.h"

namespace cairn {

GrowthRounds::GrowthRounds(std::vector<std::string> names, std::vector<int64_t> xs)
    : names_(std::move(names)),
      xs_(std::move(xs)),
      values_(names_.size(), std::vector<std::vector<double>>(xs_.size())) {}

Status GrowthRounds::run(int rounds, LongRun& progress,
                         const std::function<Result<std::vector<double>>(size_t point)>& measure) {
  const uint64_t total = static_cast<uint64_t>(rounds + 1) * xs_.size();
  uint64_t done = 0;
  for (int round = 0; round <= rounds; ++round) {
    for (size_t i = 0; i < xs_.size() && !progress.is_stopped(); ++i) {
      const size_t point = round % 2 == 0 ? i : xs_.size() - 1 - i;
      CAIRN_ASSIGN_OR_RETURN(const std::vector<double> measured, measure(point));
      CHECK(measured.size() == names_.size());
      for (size_t s = 0; round > 0 && s < names_.size(); ++s) values_[s][point].push_back(measured[s]);
      progress.update(++done, total);
    }
  }
  return {};
}

std::vector<PlotSeries> GrowthRounds::series() const {
  std::vector<PlotSeries> list;
  for (size_t s = 0; s < names_.size(); ++s) {
    PlotSeries& series = list.emplace_back(PlotSeries{.name = names_[s]});
    for (size_t point = 0; point < xs_.size(); ++point) {
      const std::vector<double>& values = values_[s][point];
      if (values.empty()) continue;
      series.points.push_back({.x = xs_[point],
                               .median = median(values),
                               .least = std::ranges::min(values),
                               .most = std::ranges::max(values)});
    }
  }
  return list;
}

}  // namespace cairn
