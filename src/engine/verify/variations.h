// The ways in which a text is computed again: each must give the bits of all others. For engine/verify only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/verify/trial.h"

namespace cairn {

// What a variation works with.
struct Scene {
  std::shared_ptr<const Model> model;
  const LawTexts& texts;
  KvPlan kv_plan;
  int thread_count = 1;
  std::vector<int64_t> scratch_positions;  // which positions of the text are recomputed from scratch
  std::function<void(int64_t row_count)> on_work;
};

struct Variation {
  int law = 1;
  std::string what;
  uint64_t work = 0;  // rows that go through the layers, about
  // Shows the comparison the logits. Answers a remark where the variation does not apply, else nothing.
  std::function<Result<std::string>(const Scene& scene, Comparison& comparison)> run;
};

// The logits that all others are held against: no cache, all positions of a text in one step.
Result<std::vector<LogitRecord>> expected_logits(const Scene& scene);

std::vector<Variation> law_variations(const Scene& scene, std::span<const int> thread_counts);

}  // namespace cairn
