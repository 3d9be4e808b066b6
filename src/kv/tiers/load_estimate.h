// LoadEstimate: whether loading blocks from a tier is quicker than computing them, from what both took lately.
//
// What a row of a prompt costs grows with its depth, so it is kept apart for depths that double; what a block costs to load
// is kept for each tier. Both follow what is measured, a quarter of the way each time, so a slow minute passes. A tier that
// is passed over for being slow is believed to be a little quicker each time, so that it is tried again.
// Integers only, and a pure function of what it was told. One thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "kv/tiers/tier.h"

namespace cairn {

class LoadEstimate {
 public:
  // Until something is measured, a disk reads 1 GB/s and answers in 0.1 ms, a remote store gives 100 MB/s and answers in 1 ms.
  explicit LoadEstimate(uint64_t block_bytes);

  // `rows` rows of a prompt, from `first_position` on, took `ns`.
  void note_computed(int64_t first_position, int64_t rows, uint64_t ns);
  // Nothing where no prompt has been computed yet.
  [[nodiscard]] std::optional<uint64_t> computing_ns(int64_t first_position, int64_t end_position) const;

  void note_loaded(Tier tier, int64_t block_count, uint64_t ns);
  void note_passed_over(Tier tier);
  [[nodiscard]] uint64_t loading_ns(Tier tier, int64_t block_count) const;

 private:
  // Positions 0 to 511, 512 to 1,023, 1,024 to 2,047 ...
  static constexpr size_t kDepths = 24;
  [[nodiscard]] static size_t depth_of(int64_t position);
  [[nodiscard]] std::optional<uint64_t> row_ps_near(size_t depth) const;

  std::array<std::optional<uint64_t>, kDepths> row_ps_;
  std::array<uint64_t, kTierCount> block_ns_;
  std::array<bool, kTierCount> is_measured_{};
};

}  // namespace cairn
