#include "engine/evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "base/check.h"
#include "base/exact_math.h"
#include "engine/engine.h"
#include "engine/log_softmax.h"
#include "engine/memory_plan.h"
#include "kv/geometry.h"
#include "model/model.h"

namespace cairn {
namespace {

using Piece = std::vector<TokenId>;
using LogitSink = std::function<void(int64_t position, std::span<const float> logits)>;

constexpr uint64_t kStepLogitBytes = uint64_t{64} << 20;  // of one step's predictions
constexpr int64_t kStepRowsMax = 256;                     // more make no step faster
// Of engines that run side by side, the reference's not counted: plans beyond it run afterwards, behind the reference
// again.
constexpr uint64_t kEnginesBytesMax = uint64_t{1} << 30;

int64_t step_rows(const Model& model) {
  const uint64_t row_bytes = static_cast<uint64_t>(model.config().vocab_size) * sizeof(float);
  const auto rows = static_cast<int64_t>(kStepLogitBytes / row_bytes);
  return std::clamp<int64_t>(rows / kBlockSize * kBlockSize, kBlockSize, kStepRowsMax);
}

EngineOptions scorer_options(const Model& model, const KvPlan& plan, int64_t context) {
  const int64_t rows = step_rows(model);
  return {.sharing = PrefixSharing::kOff,
          .kv_plan = plan,
          .context = context,
          .prefill_chunk = rows,
          .score_chunk = rows};
}

// One plan's engine, which scores piece after piece.
class Scorer {
 public:
  static Result<std::unique_ptr<Scorer>> create(const std::shared_ptr<const Model>& model,
                                                ThreadPool& threads, const KvPlan& plan, int64_t context) {
    std::unique_ptr<Scorer> scorer(new Scorer);
    CAIRN_ASSIGN_OR_RETURN(scorer->engine_,
                           Engine::create(model, threads, scorer_options(*model, plan, context)));
    return scorer;
  }

  Status begin(const Piece& piece, LogitSink sink) {
    Request request{.prompt = piece, .max_tokens = 0, .logits_wanted = LogitsWanted::kEveryPosition};
    length_ = 0;
    request.on_logits = [this, sink = std::move(sink)](int64_t position, std::span<const float> logits) {
      sink(position, logits);
      length_ = position + 1;
    };
    request.on_finish = [this](const RequestResult& result) { status_ = result.status; };
    CAIRN_ASSIGN_OR_RETURN(request_, engine_->submit(std::move(request)));
    return {};
  }
  // False where the piece is done.
  bool step() { return engine_->step(); }
  void give_up() { engine_->cancel(request_); }
  [[nodiscard]] int64_t length() const { return length_; }  // positions reported
  [[nodiscard]] const Status& status() const { return status_; }

 private:
  Scorer() = default;
  RequestId request_;
  Status status_;
  int64_t length_ = 0;
  std::unique_ptr<Engine> engine_;  // last: its end may report to the others
};

// A row's predictions.
struct Prediction {
  std::vector<double> log_probabilities;
  ptrdiff_t best = 0;

  void take(std::span<const float> logits) {
    const LogNormaliser normaliser = log_normaliser(logits);
    const double whole = normaliser.log_sum + normaliser.peak;
    log_probabilities.clear();
    for (const float logit : logits) log_probabilities.push_back(static_cast<double>(logit) - whole);
    best = std::ranges::max_element(logits) - logits.begin();
  }
};

// The reference's predictions, computed as far as they are asked for and kept as long as they are needed.
class Reference {
 public:
  explicit Reference(Scorer& scorer) : scorer_(scorer) {}

  Status begin(const Piece& piece) {
    rows_.clear();
    first_ = 0;
    return scorer_.begin(
        piece, [this](int64_t, std::span<const float> logits) { rows_.emplace_back().take(logits); });
  }
  const Prediction* at(int64_t position) {
    while (scorer_.status().ok() && first_ + std::ssize(rows_) <= position) {
      if (!scorer_.step()) return nullptr;
    }
    return scorer_.status().ok() ? &rows_[static_cast<size_t>(position - first_)] : nullptr;
  }
  void forget_before(int64_t position) {
    for (; first_ < position && !rows_.empty(); ++first_) rows_.pop_front();
  }
  [[nodiscard]] const Status& status() const { return scorer_.status(); }

 private:
  Scorer& scorer_;
  std::deque<Prediction> rows_;
  int64_t first_ = 0;  // the position of the first row
};

struct Sums {
  double loss = 0;
  double reference_loss = 0;
  double divergence = 0;
  int64_t same_best = 0;
  int64_t count = 0;

  void add(const Prediction& reference, const Prediction& found, TokenId next) {
    const auto at = static_cast<size_t>(next);
    for (size_t i = 0; i < found.log_probabilities.size(); ++i) {
      const double expected = reference.log_probabilities[i];
      divergence += exact::exp(expected) * (expected - found.log_probabilities[i]);
    }
    loss -= found.log_probabilities[at];
    reference_loss -= reference.log_probabilities[at];
    same_best += reference.best == found.best ? 1 : 0;
    ++count;
  }
};

// Some plans beside the reference, over all pieces.
class Comparison {
 public:
  struct Work {
    const std::function<bool()>& keeps_going;
    std::function<void(int64_t rows)> on_rows;
  };

  static Result<std::unique_ptr<Comparison>> create(const std::shared_ptr<const Model>& model,
                                                    ThreadPool& threads, std::span<const KvPlan> plans,
                                                    const KvPlan& reference, int64_t context) {
    std::unique_ptr<Comparison> comparison(new Comparison);
    CAIRN_ASSIGN_OR_RETURN(comparison->reference_, Scorer::create(model, threads, reference, context));
    for (const KvPlan& plan : plans) {
      CAIRN_ASSIGN_OR_RETURN(auto scorer, Scorer::create(model, threads, plan, context));
      comparison->scorers_.push_back(std::move(scorer));
    }
    comparison->sums_.resize(plans.size());
    return comparison;
  }

  // False where it was ended. What was compared before counts: of each plan the same positions.
  Result<bool> run(const Piece& piece, const Work& work) {
    Reference reference(*reference_);
    CAIRN_RETURN_IF_ERROR(reference.begin(piece));
    Prediction found;
    for (size_t i = 0; i < scorers_.size(); ++i) {
      CAIRN_RETURN_IF_ERROR(
          scorers_[i]->begin(piece, [&, i](int64_t position, std::span<const float> logits) {
            const Prediction* expected = reference.at(position);
            if (expected == nullptr || position + 1 == std::ssize(piece)) return;
            found.take(logits);
            sums_[i].add(*expected, found, piece[static_cast<size_t>(position + 1)]);
          }));
    }
    for (int64_t done = 0; done < std::ssize(piece);) {
      CAIRN_ASSIGN_OR_RETURN(const int64_t length, step_all(reference));
      reference.forget_before(length);
      work.on_rows((length - std::exchange(done, length)) * (std::ssize(scorers_) + 1));
      if (!work.keeps_going || work.keeps_going()) continue;
      for (const auto& scorer : scorers_) scorer->give_up();
      reference_->give_up();
      return false;
    }
    finish();
    return true;
  }

  [[nodiscard]] const std::vector<Sums>& sums() const { return sums_; }

 private:
  Comparison() = default;

  // A step of each plan, and more of those that cut the piece in smaller parts, until all have come equally far.
  Result<int64_t> step_all(const Reference& reference) {
    int64_t furthest = scorers_.front()->length() + 1;
    for (bool is_even = false; !is_even;) {
      is_even = true;
      for (const auto& scorer : scorers_) {
        while (scorer->length() < furthest) {
          const bool did_step = scorer->step();
          CAIRN_RETURN_IF_ERROR(scorer->status());
          CAIRN_RETURN_IF_ERROR(reference.status());
          CHECK(did_step);
        }
        is_even = is_even && scorer->length() == furthest;
        furthest = std::max(furthest, scorer->length());
      }
    }
    return furthest;
  }

  void finish() {
    while (reference_->step()) continue;
    for (const auto& scorer : scorers_) {
      while (scorer->step()) continue;
    }
  }

  std::unique_ptr<Scorer> reference_;
  std::vector<std::unique_ptr<Scorer>> scorers_;
  std::vector<Sums> sums_;
};

Status check_window(const Model& model, const EvaluationOptions& options) {
  const int64_t most = model.config().context_length;
  if (options.window >= 2 && options.window <= most) return {};
  return invalid_argument(
      fmt::format("pieces of {} tokens are not possible: 2 to {} are", options.window, most));
}

// How many of `plans`, at least one, run side by side.
Result<size_t> plans_at_once(const Model& model, std::span<const KvPlan> plans, int64_t context) {
  uint64_t bytes = 0;
  size_t count = 0;
  for (const KvPlan& plan : plans) {
    const MemoryWish wish{.engine = scorer_options(model, plan, context)};
    CAIRN_ASSIGN_OR_RETURN(const MemoryPlan memory,
                           plan_memory({.config = model.config(), .weights = {}}, wish));
    bytes += memory.kv_bytes + memory.work_bytes();
    if (count > 0 && bytes > kEnginesBytesMax) break;
    ++count;
  }
  return count;
}

PlanQuality quality_of(const KvPlan& plan, const Sums& sums, const KvGeometry& geometry) {
  const auto n = static_cast<double>(std::max<int64_t>(sums.count, 1));
  return {.plan = plan,
          .position_bytes = static_cast<double>(geometry.block_bytes()) / kBlockSize,
          .open_bytes = geometry.open_bytes(),
          .perplexity = exact::exp(sums.loss / n),
          .divergence = sums.divergence / n,
          .same_best = static_cast<double>(sums.same_best) / n};
}

}  // namespace

std::vector<Piece> evaluation_pieces(std::span<const Piece> documents, const EvaluationOptions& options) {
  std::vector<Piece> pieces;
  for (const Piece& document : documents) {
    for (auto next = document.begin(); next != document.end();) {
      Piece piece;
      if (options.first_token.has_value()) piece.push_back(*options.first_token);
      const auto count = std::min<ptrdiff_t>(options.window - std::ssize(piece), document.end() - next);
      piece.insert(piece.end(), next, next + count);
      next += count;
      if (piece.size() >= 2) pieces.push_back(std::move(piece));
    }
  }
  return pieces;
}

Result<Evaluation> evaluate_plans(const std::shared_ptr<const Model>& model, ThreadPool& threads,
                                  std::span<const Piece> documents, std::span<const KvPlan> plans,
                                  const EvaluationOptions& options) {
  CHECK(!plans.empty());
  CAIRN_RETURN_IF_ERROR(check_window(*model, options));
  const std::vector<Piece> pieces = evaluation_pieces(documents, options);
  if (pieces.empty()) return invalid_argument("a text of fewer than 2 tokens predicts nothing");
  int64_t context = 0;
  uint64_t rows = 0;
  for (const Piece& piece : pieces) {
    context = std::max(context, std::ssize(piece));
    rows += piece.size();
  }
  CAIRN_ASSIGN_OR_RETURN(const size_t at_once, plans_at_once(*model, plans, context));
  const uint64_t runs = plans.size() + (plans.size() + at_once - 1) / at_once;  // the reference's too
  uint64_t done = 0;
  const Comparison::Work work{.keeps_going = options.keeps_going, .on_rows = [&](int64_t more) {
                                done += static_cast<uint64_t>(more);
                                if (options.on_progress) options.on_progress(done, rows * runs);
                              }};
  Evaluation evaluation;
  for (size_t first = 0; first < plans.size() && evaluation.is_complete; first += at_once) {
    const auto group = plans.subspan(first, std::min(at_once, plans.size() - first));
    CAIRN_ASSIGN_OR_RETURN(const auto comparison,
                           Comparison::create(model, threads, group, options.reference, context));
    for (const Piece& piece : pieces) {
      CAIRN_ASSIGN_OR_RETURN(evaluation.is_complete, comparison->run(piece, work));
      if (!evaluation.is_complete) break;
    }
    if (!evaluation.is_complete && !evaluation.plans.empty()) break;  // fewer positions than those before it
    for (size_t i = 0; i < group.size(); ++i) {
      const Sums& sums = comparison->sums()[i];
      CAIRN_ASSIGN_OR_RETURN(const KvShape shape, kv_shape_of(model->config(), group[i], context));
      CAIRN_ASSIGN_OR_RETURN(const KvGeometry geometry, KvGeometry::make(shape));
      evaluation.plans.push_back(quality_of(group[i], sums, geometry));
      evaluation.position_count = sums.count;
      evaluation.reference_perplexity =
          exact::exp(sums.reference_loss / static_cast<double>(std::max<int64_t>(sums.count, 1)));
    }
  }
  return evaluation;
}

}  // namespace cairn
