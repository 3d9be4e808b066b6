// Evaluation: how much a KV plan changes what a model says. A text is scored with f32 rows, then with the
// plan, and the two predictions are compared at every position.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "cairn/ids.h"
#include "cairn/status.h"
#include "kv/kv_plan.h"

namespace cairn {

class Model;
class ThreadPool;

struct PlanQuality {
  KvPlan plan;
  double position_bytes = 0;  // of keys and values, all layers
  double perplexity = 0;      // e to the mean of -log p(next token)
  double divergence = 0;      // mean Kullback-Leibler divergence from the f32 rows' predictions, in nats
  double same_best = 0;       // part of the positions whose most likely token is the same
  int64_t position_count = 0;
};

struct EvaluationOptions {
  int64_t window = 1024;  // the text is cut into pieces of so many tokens, each scored by itself
  std::function<void(uint64_t done, uint64_t total)> on_progress;
};

// A row for each plan, in their order; that of f32 itself, where it is among them, has divergence 0. The last
// piece of the text is left out where it is not whole, unless it is the only one. Errors: kInvalidArgument
// (fewer than 2 tokens, a window that is not possible), those of Engine::create.
Result<std::vector<PlanQuality>> evaluate_plans(const std::shared_ptr<const Model>& model,
                                                ThreadPool& threads, std::span<const TokenId> text,
                                                std::span<const KvPlan> plans,
                                                const EvaluationOptions& options);

}  // namespace cairn
