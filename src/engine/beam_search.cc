#include "engine/beam_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/exact_math.h"
#include "engine/log_softmax.h"

namespace cairn {
namespace {

struct TokenScore {
  TokenId token = 0;
  double log_probability = 0;
};

// The `count` likeliest tokens, the likeliest first; ties go to the lower id.
std::vector<TokenScore> likeliest(std::span<const float> logits, size_t count) {
  const LogNormaliser normaliser = log_normaliser(logits);
  std::vector<TokenScore> scores;
  scores.reserve(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    const double log_probability = static_cast<double>(logits[i]) - normaliser.peak - normaliser.log_sum;
    scores.push_back({static_cast<TokenId>(i), log_probability});
  }
  count = std::min(count, scores.size());
  std::ranges::partial_sort(scores, scores.begin() + static_cast<std::ptrdiff_t>(count),
                            [](const TokenScore& a, const TokenScore& b) {
                              if (a.log_probability != b.log_probability) {
                                return a.log_probability > b.log_probability;
                              }
                              return a.token < b.token;
                            });
  scores.resize(count);
  return scores;
}

}  // namespace

Result<BeamSearch> BeamSearch::start(Engine& engine, const Tokenizer& tokenizer, std::vector<TokenId> prompt,
                                     const BeamOptions& options) {
  if (options.width < 1 || options.width > engine.cache().max_sequences()) {
    return invalid_argument(
        fmt::format("{} beams are not possible: the engine runs 1 to {} sequences at once", options.width,
                    engine.cache().max_sequences()));
  }
  if (options.max_tokens < 1) return invalid_argument("a beam search needs at least 1 token to choose");
  const auto room = engine.context() - static_cast<int64_t>(prompt.size());
  BeamSearch search(engine, tokenizer, options);
  search.options_.max_tokens = std::min(options.max_tokens, std::max<int64_t>(room, 1));
  search.live_.push_back(std::make_unique<Hypothesis>());
  Hypothesis& first = *search.live_.back();
  CAIRN_ASSIGN_OR_RETURN(first.id, engine.submit(search.request_for(first, std::move(prompt))));
  return search;
}

BeamSearch::~BeamSearch() { cancel_all(); }

void BeamSearch::cancel_all() {
  for (const auto& hypothesis : live_) engine_->cancel(hypothesis->id);
}

Request BeamSearch::request_for(Hypothesis& hypothesis, std::vector<TokenId> prompt) const {
  Request request{.prompt = std::move(prompt), .picks = Picks::kByCaller, .salt = options_.salt};
  request.on_logits = [&hypothesis](int64_t, std::span<const float> logits) {
    hypothesis.logits.assign(logits.begin(), logits.end());
  };
  request.on_finish = [&hypothesis](const RequestResult& result) { hypothesis.status = result.status; };
  return request;
}

bool BeamSearch::is_end(TokenId token) const {
  return tokenizer_->is_end(token) || std::ranges::count(options_.end_tokens, token) > 0;
}

double BeamSearch::score_of(double log_probability, size_t length) const {
  const double n = static_cast<double>(std::max<size_t>(length, 1));
  return log_probability / exact::exp(options_.length_penalty * exact::log(n));
}

// Each hypothesis' best continuations, the best of all first. Twice the width: as many of them may end.
std::vector<BeamSearch::Candidate> BeamSearch::candidates() const {
  std::vector<Candidate> all;
  const auto each = static_cast<size_t>(2 * options_.width);
  for (size_t h = 0; h < live_.size(); ++h) {
    for (const TokenScore& next : likeliest(live_[h]->logits, each)) {
      all.push_back({h, next.token, live_[h]->log_probability + next.log_probability});
    }
  }
  std::ranges::stable_sort(all, std::ranges::greater(), &Candidate::log_probability);
  return all;
}

void BeamSearch::keep(const Candidate& candidate, std::optional<TokenId> end_token) {
  Beam beam{.tokens = live_[candidate.hypothesis]->tokens,
            .log_probability = candidate.log_probability,
            .score = score_of(candidate.log_probability, live_[candidate.hypothesis]->tokens.size() + 1),
            .end_token = end_token};
  if (!end_token.has_value()) beam.tokens.push_back(candidate.token);
  const auto after = std::ranges::upper_bound(ended_, beam.score, std::ranges::greater(), &Beam::score);
  ended_.insert(after, std::move(beam));
  if (std::ssize(ended_) > options_.width) ended_.pop_back();
}

Result<bool> BeamSearch::step() {
  if (live_.empty()) return false;
  while (!engine_->waits()) engine_->step();
  for (const auto& hypothesis : live_) CAIRN_RETURN_IF_ERROR(hypothesis->status);

  std::vector<Candidate> chosen;
  for (const Candidate& candidate : candidates()) {
    if (std::ssize(chosen) == options_.width) break;
    if (is_end(candidate.token)) {
      keep(candidate, candidate.token);
    } else {
      chosen.push_back(candidate);
    }
  }
  const bool is_long = std::ssize(live_.front()->tokens) + 1 >= options_.max_tokens;
  if (is_long) {
    for (const Candidate& candidate : chosen) keep(candidate, std::nullopt);
  }
  if (is_long || std::ssize(ended_) == options_.width || chosen.empty()) {
    cancel_all();
    live_.clear();
    return false;
  }
  CAIRN_RETURN_IF_ERROR(go_on(chosen));
  return true;
}

// The first continuation of a hypothesis is the hypothesis itself, each other one a fork of it. Those without
// one end first: their places are needed. Forks come before the hypotheses go on: they begin where those
// stand.
Status BeamSearch::go_on(const std::vector<Candidate>& chosen) {
  for (size_t h = 0; h < live_.size(); ++h) {
    if (std::ranges::count(chosen, h, &Candidate::hypothesis) == 0) engine_->cancel(live_[h]->id);
  }
  std::vector<size_t> places;  // in live_, which owns forks too from the start: their requests report to them
  for (const Candidate& candidate : chosen) {
    if (std::ranges::find(places, candidate.hypothesis) == places.end()) {
      places.push_back(candidate.hypothesis);
      continue;
    }
    const Hypothesis& parent = *live_[candidate.hypothesis];
    auto fork = std::make_unique<Hypothesis>();
    fork->tokens = parent.tokens;
    CAIRN_ASSIGN_OR_RETURN(fork->id, engine_->fork(parent.id, request_for(*fork, {candidate.token})));
    places.push_back(live_.size());
    live_.push_back(std::move(fork));
  }
  for (size_t i = 0; i < chosen.size(); ++i) {
    Hypothesis& hypothesis = *live_[places[i]];
    if (places[i] == chosen[i].hypothesis) {
      CAIRN_RETURN_IF_ERROR(engine_->extend(hypothesis.id, {&chosen[i].token, 1}));
    }
    hypothesis.tokens.push_back(chosen[i].token);
    hypothesis.log_probability = chosen[i].log_probability;
  }
  std::vector<std::unique_ptr<Hypothesis>> next;
  for (const size_t place : places) next.push_back(std::move(live_[place]));
  live_ = std::move(next);
  return {};
}

std::vector<Beam> BeamSearch::beams() const { return ended_; }

}  // namespace cairn
