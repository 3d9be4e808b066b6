// What a pace (EngineOptions::pace) may be, in percent, and which one is usual. Constants only.
#pragma once

#include <cstdint>

namespace cairn {

inline constexpr int64_t kLeastPace = 100;
inline constexpr int64_t kMostPace = 100'000;

// Of cairn serve, and of cairn bench pace, which measures what it costs. The bar is that beside a prompt a token of a running
// text takes at most three times as long. What a step took is known only afterwards, so a little less is aimed at.
inline constexpr int64_t kUsualPace = 285;

}  // namespace cairn
