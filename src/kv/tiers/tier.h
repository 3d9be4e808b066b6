// Tier: where blocks are that are not in memory. What a load brought from there, for whoever asks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace cairn {

enum class Tier : uint8_t { kDisk, kRemote };
inline constexpr size_t kTierCount = 2;
[[nodiscard]] constexpr std::string_view tier_name(Tier tier) {
  return tier == Tier::kDisk ? "disk" : "remote";
}

// Whether blocks that a tier has are loaded.
enum class LoadPolicy : uint8_t {
  kAuto,
  kAlways,
  kNever
};  // kAuto: where that is quicker than computing them

// "auto", "always", "never".
[[nodiscard]] constexpr std::optional<LoadPolicy> load_policy_from_name(std::string_view name) {
  if (name == "auto") return LoadPolicy::kAuto;
  if (name == "always") return LoadPolicy::kAlways;
  if (name == "never") return LoadPolicy::kNever;
  return std::nullopt;
}

enum class LoadChoice : uint8_t {
  kNone,        // no tier had the next block of the text, or there was none
  kLoaded,      // what was found was loaded, as far as it was good
  kComputed,    // computing was estimated to be quicker
  kNotAllowed,  // LoadPolicy::kNever
};

// What the tiers did for one text. Plain data.
struct LoadReport {
  LoadChoice choice = LoadChoice::kNone;
  int64_t found_positions = 0;                  // that tiers said they had, behind what was in memory
  std::array<int64_t, kTierCount> positions{};  // that came from each, by Tier
  bool is_cut_short = false;                    // a block was missing, damaged or late: the rest was computed
  uint64_t loading_ns = 0;                      // as it was estimated
  uint64_t computing_ns = 0;                    // likewise; 0: not known yet
  uint64_t took_ns = 0;                         // from the question to the last block

  [[nodiscard]] int64_t loaded_positions() const { return positions[0] + positions[1]; }
};

}  // namespace cairn
