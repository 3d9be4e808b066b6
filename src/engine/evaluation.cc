#include "engine/evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/exact_math.h"
#include "engine/engine.h"
#include "engine/log_softmax.h"
#include "engine/memory_plan.h"
#include "model/model.h"

namespace cairn {
namespace {

constexpr uint64_t kLogitBytesMax = uint64_t{512} << 20;  // of the f32 rows' predictions, kept for comparing

// Natural logarithms of one row's probabilities.
void log_probabilities(std::span<const float> logits, std::vector<double>& out) {
  const LogNormaliser normaliser = log_normaliser(logits);
  const double whole = normaliser.log_sum + normaliser.peak;
  out.clear();
  for (const float logit : logits) out.push_back(static_cast<double>(logit) - whole);
}

using LogitSink = std::function<void(int64_t position, std::span<const float> logits)>;

// The logits after each token of a piece.
Status score(const std::shared_ptr<const Model>& model, ThreadPool& threads, const KvPlan& plan,
             std::span<const TokenId> piece, const LogitSink& sink) {
  CAIRN_ASSIGN_OR_RETURN(
      const auto engine,
      Engine::create(
          model, threads,
          {.kv_plan = plan, .context = std::ssize(piece), .prefill_chunk = 256, .score_chunk = 256}));
  Status status;
  Request request{
      .prompt = {piece.begin(), piece.end()}, .max_tokens = 0, .logits_wanted = LogitsWanted::kEveryPosition};
  request.on_logits = sink;
  request.on_finish = [&](const RequestResult& result) { status = result.status; };
  CAIRN_RETURN_IF_ERROR(engine->submit(std::move(request)).status());
  while (!engine->idle()) engine->step();
  return status;
}

struct Sums {
  double loss = 0;
  double divergence = 0;
  int64_t same_best = 0;
};

class PieceEvaluation {
 public:
  PieceEvaluation(std::span<const TokenId> piece, size_t vocab_size)
      : piece_(piece), vocab_size_(vocab_size) {
    truth_.reserve((piece.size() - 1) * vocab_size);
  }
  // The last token predicts what nobody knows.
  [[nodiscard]] bool counts(int64_t position) const { return position + 1 < std::ssize(piece_); }

  void take_truth(int64_t position, std::span<const float> logits) {
    if (counts(position)) truth_.insert(truth_.end(), logits.begin(), logits.end());
  }
  void compare(int64_t position, std::span<const float> logits, Sums& sums) {
    if (!counts(position)) return;
    const auto at = static_cast<size_t>(position);
    const std::span<const float> true_logits = std::span(truth_).subspan(at * vocab_size_, vocab_size_);
    log_probabilities(true_logits, true_log_);
    log_probabilities(logits, log_);
    for (size_t i = 0; i < vocab_size_; ++i) {
      sums.divergence += exact::exp(true_log_[i]) * (true_log_[i] - log_[i]);
    }
    sums.loss -= log_[static_cast<size_t>(piece_[at + 1])];
    const auto best = [](const std::vector<double>& row) {
      return std::ranges::max_element(row) - row.begin();
    };
    sums.same_best += best(true_log_) == best(log_) ? 1 : 0;
  }

 private:
  std::span<const TokenId> piece_;
  size_t vocab_size_;
  std::vector<float> truth_;  // [positions][vocab]
  std::vector<double> true_log_;
  std::vector<double> log_;
};

Result<int64_t> piece_length(const Model& model, std::span<const TokenId> text,
                             const EvaluationOptions& options) {
  const int64_t most = model.config().context_length;
  if (options.window < 2 || options.window > most) {
    return invalid_argument(
        fmt::format("pieces of {} tokens are not possible: 2 to {} are", options.window, most));
  }
  if (text.size() < 2) return invalid_argument("a text of fewer than 2 tokens predicts nothing");
  const auto by_memory = static_cast<int64_t>(
      kLogitBytesMax / (static_cast<uint64_t>(model.config().vocab_size) * sizeof(float)));
  return std::min({options.window, std::ssize(text), std::max<int64_t>(by_memory, 2)});
}

}  // namespace

Result<std::vector<PlanQuality>> evaluate_plans(const std::shared_ptr<const Model>& model,
                                                ThreadPool& threads, std::span<const TokenId> text,
                                                std::span<const KvPlan> plans,
                                                const EvaluationOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(const int64_t length, piece_length(*model, text, options));
  const Config& config = model->config();
  const int64_t piece_count = std::ssize(text) / length;
  const uint64_t runs = static_cast<uint64_t>(piece_count) * (plans.size() + 1);
  uint64_t done = 0;
  const auto progress = [&] {
    if (options.on_progress) options.on_progress(done, runs);
    ++done;
  };
  std::vector<Sums> sums(plans.size());
  for (int64_t p = 0; p < piece_count; ++p) {
    const auto piece = text.subspan(static_cast<size_t>(p * length), static_cast<size_t>(length));
    PieceEvaluation evaluation(piece, static_cast<size_t>(config.vocab_size));
    progress();
    CAIRN_RETURN_IF_ERROR(score(
        model, threads, KvPlan({{KvFormat::kF32}, {KvFormat::kF32}}), piece,
        [&](int64_t position, std::span<const float> logits) { evaluation.take_truth(position, logits); }));
    for (size_t i = 0; i < plans.size(); ++i) {
      progress();
      CAIRN_RETURN_IF_ERROR(
          score(model, threads, plans[i], piece, [&](int64_t position, std::span<const float> logits) {
            evaluation.compare(position, logits, sums[i]);
          }));
    }
  }
  std::vector<PlanQuality> qualities;
  const int64_t count = piece_count * (length - 1);
  const auto n = static_cast<double>(count);
  for (size_t i = 0; i < plans.size(); ++i) {
    CAIRN_ASSIGN_OR_RETURN(const KvGeometry geometry, KvGeometry::make(kv_shape_of(config, plans[i])));
    qualities.push_back({.plan = plans[i],
                         .position_bytes = static_cast<double>(geometry.block_bytes()) / kBlockSize,
                         .perplexity = exact::exp(sums[i].loss / n),
                         .divergence = sums[i].divergence / n,
                         .same_best = static_cast<double>(sums[i].same_best) / n,
                         .position_count = count});
  }
  return qualities;
}

}  // namespace cairn
