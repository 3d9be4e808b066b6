// Scene: what a variation works with, and the parts that variations are made of. For engine/verify only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/verify/trial.h"

namespace cairn {

// How many variations are run: the plain kernels pay for all of them with one plan only.
enum class Scope : uint8_t { kAll, kThoseThatCodecsCouldBreak };

struct Scene {
  std::shared_ptr<const Model> model;
  const LawTexts& texts;
  KvPlan kv_plan;
  int thread_count = 1;
  Scope scope = Scope::kAll;
  PassWrapper wrap_pass;                   // as Trial::Setting
  std::vector<int64_t> scratch_positions;  // which positions of the text are recomputed from scratch
  std::function<void(int64_t row_count)> on_work;
  std::function<bool()> keeps_going = {};  // as Trial::Setting

  [[nodiscard]] int64_t length_of(int64_t text) const {
    return static_cast<int64_t>(texts[static_cast<size_t>(text)].size());
  }
  // Of the text that everything is varied on.
  [[nodiscard]] int64_t length() const { return length_of(0); }
  // The texts [first, last) together.
  [[nodiscard]] uint64_t work_of(int64_t first, int64_t last) const;

  // A whole text in one step, one sequence.
  [[nodiscard]] EngineOptions options(KvStorageKind storage = KvStorageKind::kPaged) const;
  // As many sequences at once; prompts share steps, and longer ones need several.
  [[nodiscard]] EngineOptions crowd_options(int64_t max_sequences) const;
  // Bytes of so many blocks, beside what windows need.
  [[nodiscard]] Result<uint64_t> pool_of(const EngineOptions& options, int64_t block_count) const;
};

struct Variation {
  int law = 1;
  std::string what;
  uint64_t work = 0;  // rows that go through the layers, about
  // Passes the logits to the comparison. Returns a remark where the variation does not apply, else an empty text.
  std::function<Result<std::string>(const Scene& scene, Comparison& comparison)> run;
};

[[nodiscard]] inline Trial::Setting trial_setting(const Scene& scene, int thread_count) {
  return {scene.model, scene.texts, thread_count, scene.wrap_pass, scene.keeps_going};
}

// A trial whose logits go to the comparison.
Result<std::unique_ptr<Trial>> start_trial(const Scene& scene, int thread_count, const EngineOptions& options,
                                           Comparison& comparison);
inline Result<std::unique_ptr<Trial>> start_trial(const Scene& scene, const EngineOptions& options,
                                                  Comparison& comparison) {
  return start_trial(scene, scene.thread_count, options, comparison);
}

// The positions [first, last) of a text must be seen.
void require(Comparison& comparison, int64_t text, int64_t first, int64_t last);
// All positions of the texts [first, last).
void require_texts(const Scene& scene, Comparison& comparison, int64_t first, int64_t last);

// A cache that computes everything again would be equal too, and prove nothing. `what`: what used no rows.
Result<std::string> remark_on_reuse(const Trial& trial, bool could_reuse, const std::string& what);

}  // namespace cairn
