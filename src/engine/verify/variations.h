// The ways in which a text is computed again: each must give the same bits as all others. For engine/verify only.
#pragma once

#include <span>
#include <vector>

#include "engine/verify/scene.h"

namespace cairn {

// The logits that all others are compared with: no cache, all positions of a text in one step.
Result<std::vector<LogitRecord>> expected_logits(const Scene& scene);

// All of them, in the order in which they run.
std::vector<Variation> law_variations(const Scene& scene, std::span<const int> thread_counts);

// The parts of that list: prefixes found, forks, rolled back tokens, groups (variations_sharing.cc); the memory
// plan and the states of blocks (variations_memory.cc); rows from a disk (variations_tiers.cc).
std::vector<Variation> sharing_variations(const Scene& scene);
std::vector<Variation> memory_variations(const Scene& scene);
std::vector<Variation> tier_variations(const Scene& scene);

}  // namespace cairn
