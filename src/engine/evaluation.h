// Evaluation: how much a KV plan changes what a model says. Texts are scored with a reference plan and with others side
// by side, and the predictions are compared at every position.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
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
  uint64_t open_bytes = 0;    // of a sequence's rows that wait as f32 until their block is complete
  double perplexity = 0;      // e to the mean of -log p(next token)
  double divergence = 0;      // mean Kullback-Leibler divergence from the reference's predictions, in nats
  double same_best = 0;       // part of the positions whose most likely token is the reference's
};

struct Evaluation {
  std::vector<PlanQuality> plans;  // in their order
  double reference_perplexity = 0;
  int64_t position_count = 0;  // predictions that were compared, of each plan
  bool is_complete = true;     // false: keeps_going ended it
};

struct EvaluationOptions {
  KvPlan reference = KvPlan(KvFormat::kF32);
  // Tokens of a piece at most, `first_token` included: what a document has more is cut into pieces, each scored by
  // itself.
  int64_t window = 1024;
  std::optional<TokenId> first_token = std::nullopt;  // begins each piece (BOS); it is not predicted itself
  std::function<void(uint64_t done, uint64_t total)> on_progress = {};  // in rows of all plans
  std::function<bool()> keeps_going = {};                               // asked after every step; empty: yes
};

// The pieces that are scored: every token of every document is in one, in order; one that is alone in its piece
// predicts nothing and is left out.
[[nodiscard]] std::vector<std::vector<TokenId>> evaluation_pieces(
    std::span<const std::vector<TokenId>> documents, const EvaluationOptions& options);

// Errors: kInvalidArgument (no piece of two tokens, a window that is not possible), those of Engine::create.
Result<Evaluation> evaluate_plans(const std::shared_ptr<const Model>& model, ThreadPool& threads,
                                  std::span<const std::vector<TokenId>> documents,
                                  std::span<const KvPlan> plans, const EvaluationOptions& options);

}  // namespace cairn
