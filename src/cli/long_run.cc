#include "cli/long_run.h"

#include <fmt/format.h>

#include <cmath>

namespace cairn {

std::string about_duration(double seconds) {
  constexpr double kMinute = 60;
  constexpr double kHour = 3600;
  if (seconds < 100) return fmt::format("{:.0f} s", std::ceil(seconds / 5) * 5);
  if (seconds < 2 * kHour) return fmt::format("{:.0f} min", std::ceil(seconds / kMinute));
  const auto minutes = static_cast<int64_t>(std::ceil(seconds / (10 * kMinute))) * 10;
  return fmt::format("{} h {} min", minutes / 60, minutes % 60);
}

std::optional<double> expected_seconds(uint64_t done, uint64_t total, double seconds) {
  constexpr double kEnoughSeconds = 1;  // less is mostly the beginning, which is slower
  if (done == 0 || seconds < kEnoughSeconds) return std::nullopt;
  return seconds * static_cast<double>(total) / static_cast<double>(done);
}

LongRun::LongRun(Console& console, const Interrupt& interrupt, std::string_view label)
    : console_(console),
      interrupt_(interrupt),
      label_(label),
      bar_(console, label),
      begin_ns_(clock_.now_ns()) {}

void LongRun::update(uint64_t done, uint64_t total) {
  bar_.update(done, total);
  if (is_told_) return;
  const auto expected =
      expected_seconds(done, total, static_cast<double>(clock_.now_ns() - begin_ns_) * 1e-9);
  if (!expected.has_value()) return;
  is_told_ = true;
  constexpr double kMomentSeconds = 5;
  if (*expected < kMomentSeconds) return;
  console_.note(fmt::format("{}: about {}; Ctrl-C ends it, and what there is by then is printed", label_,
                            about_duration(*expected)));
}

}  // namespace cairn
