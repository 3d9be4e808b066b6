#include "engine/beam_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "base/exact_math.h"
#include "engine/log_softmax.h"
#include "engine/push_token.h"

namespace cairn {
namespace {

struct TokenScore {
  TokenId token = 0;
  double log_probability = 0;
};

// The `count` likeliest tokens of those that are possible at all, the likeliest first; ties go to the lower id.
std::vector<TokenScore> likeliest(std::span<const double> logits, size_t count) {
  const LogNormaliser normaliser = log_normaliser(logits);
  std::vector<TokenScore> scores;
  scores.reserve(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] == -std::numeric_limits<double>::infinity()) continue;
    const double log_probability = logits[i] - normaliser.peak - normaliser.log_sum;
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

// A search that ignored what was asked for would give a text that nobody asked for.
Status check_meaning(const Request& request) {
  const SamplingParams& sampling = request.sampling;
  if (sampling.temperature != 0 || sampling.top_k.has_value() || sampling.top_p != 1 || sampling.min_p != 0) {
    return invalid_argument(
        "a beam search draws nothing: leave out temperature, top-k, top-p and min-p (bias and penalties "
        "count)");
  }
  if (!request.forced_tokens.empty() || request.session.has_value() ||
      request.logits_wanted != LogitsWanted::kSampled) {
    return invalid_argument("a beam search has no forced tokens, no session and no logits to report");
  }
  if (request.constraint != nullptr) return invalid_argument("a beam search has no constraint");
  if (request.on_logits || request.on_mask || request.on_choice || request.on_token || request.on_text ||
      request.on_finish) {
    return invalid_argument("a beam search calls nobody back: it returns what it found");
  }
  return {};
}

}  // namespace

void BeamSearch::Text::push(const Tokenizer& tokenizer, TokenId token) {
  const StopMatcher::Output output = push_token(tokenizer, token, {}, decoder, stops);
  text += output.text;
  stopped = output.stopped;
}

// With what was withheld: the end of a character, the beginning of a stop string.
std::string BeamSearch::Text::whole() const {
  if (stopped) return text;
  Text ended = *this;
  const StopMatcher::Output last = ended.stops.push(ended.decoder.flush());
  ended.text += last.text;
  if (!last.stopped) ended.text += ended.stops.flush();
  return std::move(ended.text);
}

BeamSearch::BeamSearch(Engine& engine, const Tokenizer& tokenizer, Request request,
                       const BeamOptions& options)
    : engine_(&engine),
      tokenizer_(&tokenizer),
      request_(std::move(request)),
      options_(options),
      sampler_(engine.pass().vocab_size()) {
  // The last token is never run, so one more than the context's positions can be chosen.
  const int64_t most = engine.context() - std::ssize(request_.prompt) + 1;
  const int64_t asked = request_.max_tokens.value_or(most);
  max_tokens_ = std::min(asked, most);
  if (!request_.max_tokens.has_value() || asked > most) reason_of_length_ = FinishReason::kContextFull;
}

Result<BeamSearch> BeamSearch::start(Engine& engine, const Tokenizer& tokenizer, Request request,
                                     const BeamOptions& options) {
  if (options.width < 1 || options.width > engine.cache().max_sequences()) {
    return invalid_argument(
        fmt::format("{} beams are not possible: the engine runs 1 to {} sequences at once", options.width,
                    engine.cache().max_sequences()));
  }
  if (request.max_tokens.value_or(1) < 1) {
    return invalid_argument("a beam search needs at least 1 token to choose");
  }
  if (!std::isfinite(options.length_penalty)) {
    return invalid_argument("the length penalty of a beam search is not a finite number");
  }
  CAIRN_RETURN_IF_ERROR(check_meaning(request));
  BeamSearch search(engine, tokenizer, std::move(request), options);
  const Request& asked = search.request_;
  search.live_.push_back(std::make_unique<Hypothesis>(
      Hypothesis{.text = {.decoder = StreamDecoder(tokenizer, {.position = TextPosition::kContinuation}),
                          .stops = StopMatcher(asked.stop_strings)}}));
  Hypothesis& first = *search.live_.back();
  Request submitted = search.request_for(first, asked.prompt);
  submitted.sampling = asked.sampling;  // for the engine to check, likewise
  submitted.stop_strings = asked.stop_strings;
  CAIRN_ASSIGN_OR_RETURN(const RequestId id, engine.submit(std::move(submitted)));
  first.request = OwnRequest(engine, id);
  return search;
}

Request BeamSearch::request_for(Hypothesis& hypothesis, std::vector<TokenId> tokens) const {
  Request request{.prompt = std::move(tokens),
                  .picks = Picks::kByCaller,
                  .salt = request_.salt,
                  .owner_tag = request_.owner_tag,
                  .priority = request_.priority};
  request.on_logits = [&hypothesis](int64_t, std::span<const float> logits) {
    hypothesis.logits.assign(logits.begin(), logits.end());
  };
  request.on_finish = [&hypothesis](const RequestResult& result) { hypothesis.status = result.status; };
  return request;
}

bool BeamSearch::is_end(TokenId token) const {
  if (request_.ignore_end_tokens) return false;
  return tokenizer_->is_end(token) || std::ranges::count(request_.end_tokens, token) > 0;
}

double BeamSearch::score_of(double log_probability, size_t length) const {
  const double n = static_cast<double>(std::max<size_t>(length, 1));
  return log_probability / exact::exp(options_.length_penalty * exact::log(n));
}

// Each hypothesis' best continuations, the best of all first. Twice the width: as many of them may end.
Result<std::vector<BeamSearch::Candidate>> BeamSearch::candidates() {
  std::vector<Candidate> all;
  const auto each = static_cast<size_t>(2 * options_.width);
  for (size_t h = 0; h < live_.size(); ++h) {
    std::vector<TokenId> history = request_.prompt;
    history.insert(history.end(), live_[h]->tokens.begin(), live_[h]->tokens.end());
    CAIRN_ASSIGN_OR_RETURN(const std::span<const double> logits,
                           sampler_.adjusted(live_[h]->logits, request_.sampling, history));
    for (const TokenScore& next : likeliest(logits, each)) {
      all.push_back({h, next.token, live_[h]->log_probability + next.log_probability});
    }
  }
  std::ranges::stable_sort(all, std::ranges::greater(), &Candidate::log_probability);
  return all;
}

// Without the candidate's token: only its caller knows whether that belongs to the text.
Beam BeamSearch::beam_of(const Candidate& candidate, FinishReason reason) const {
  const Hypothesis& hypothesis = *live_[candidate.hypothesis];
  return {.tokens = hypothesis.tokens,
          .log_probability = candidate.log_probability,
          .score = score_of(candidate.log_probability, hypothesis.tokens.size() + 1),
          .reason = reason};
}

void BeamSearch::keep(Beam beam) {
  const auto after = std::ranges::upper_bound(ended_, beam.score, std::ranges::greater(), &Beam::score);
  ended_.insert(after, std::move(beam));
  if (std::ssize(ended_) > options_.width) ended_.pop_back();
}

// The best candidates that go on; those that end before are kept.
Result<std::vector<BeamSearch::Chosen>> BeamSearch::choose() {
  CAIRN_ASSIGN_OR_RETURN(const std::vector<Candidate> all, candidates());
  std::vector<Chosen> chosen;
  for (const Candidate& candidate : all) {
    if (std::ssize(chosen) == options_.width) break;
    const Hypothesis& hypothesis = *live_[candidate.hypothesis];
    if (is_end(candidate.token)) {
      Beam beam = beam_of(candidate, FinishReason::kEndToken);
      beam.text = hypothesis.text.whole();
      beam.end_token = candidate.token;
      keep(std::move(beam));
      continue;
    }
    Chosen next{candidate, hypothesis.text};
    next.text.push(*tokenizer_, candidate.token);
    const bool is_long = std::ssize(hypothesis.tokens) + 1 >= max_tokens_;
    if (!next.text.stopped && !is_long) {
      chosen.push_back(std::move(next));
      continue;
    }
    Beam beam = beam_of(candidate, next.text.stopped ? FinishReason::kStopString : reason_of_length_);
    beam.tokens.push_back(candidate.token);
    beam.text = next.text.whole();
    keep(std::move(beam));
  }
  return chosen;
}

Result<bool> BeamSearch::step() {
  if (live_.empty()) return false;
  if (!engine_->waits()) {
    engine_->step();
    return true;
  }
  for (const auto& hypothesis : live_) CAIRN_RETURN_IF_ERROR(hypothesis->status);
  CAIRN_ASSIGN_OR_RETURN(std::vector<Chosen> chosen, choose());
  token_count_ += std::ssize(live_);
  if (std::ssize(ended_) == options_.width || chosen.empty()) {
    live_.clear();
    return false;
  }
  CAIRN_RETURN_IF_ERROR(go_on(std::move(chosen)));
  return true;
}

// The requests of the next hypotheses. The first continuation of a hypothesis is the hypothesis itself, each other one a
// fork of it, which stands in `next`. Forks come before the hypotheses go on: they begin where those stand.
Status BeamSearch::continue_requests(const std::vector<Chosen>& chosen, Hypotheses& next) {
  std::vector<bool> goes_on(live_.size(), false);
  for (size_t i = 0; i < chosen.size(); ++i) {
    const size_t h = chosen[i].candidate.hypothesis;
    if (!goes_on[h]) {
      goes_on[h] = true;
      continue;
    }
    auto fork = std::make_unique<Hypothesis>(Hypothesis{.tokens = live_[h]->tokens, .text = chosen[i].text});
    Request request = request_for(*fork, {chosen[i].candidate.token});
    CAIRN_ASSIGN_OR_RETURN(const RequestId id, engine_->fork(live_[h]->request.id(), std::move(request)));
    fork->request = OwnRequest(*engine_, id);
    next[i] = std::move(fork);
  }
  for (size_t i = 0; i < chosen.size(); ++i) {
    auto& tokens = (next[i] != nullptr ? next[i] : live_[chosen[i].candidate.hypothesis])->tokens;
    tokens.reserve(tokens.size() + 1);
  }
  for (size_t i = 0; i < chosen.size(); ++i) {
    if (next[i] != nullptr) continue;
    const Candidate& candidate = chosen[i].candidate;
    CAIRN_RETURN_IF_ERROR(engine_->extend(live_[candidate.hypothesis]->request.id(), {&candidate.token, 1}));
  }
  return {};
}

// Hypotheses without a continuation end first: their places are needed.
Status BeamSearch::go_on(std::vector<Chosen> chosen) {
  for (size_t h = 0; h < live_.size(); ++h) {
    const auto continues = [h](const Chosen& one) { return one.candidate.hypothesis == h; };
    if (std::ranges::none_of(chosen, continues)) engine_->cancel(live_[h]->request.id());
  }
  Hypotheses next(chosen.size());
  CAIRN_RETURN_IF_ERROR(continue_requests(chosen, next));
  for (size_t i = 0; i < chosen.size(); ++i) {
    auto& [candidate, text] = chosen[i];
    if (next[i] == nullptr) next[i] = std::move(live_[candidate.hypothesis]);
    next[i]->tokens.push_back(candidate.token);  // has room: nothing fails from here on
    next[i]->log_probability = candidate.log_probability;
    next[i]->text = std::move(text);
  }
  live_ = std::move(next);
  return {};
}

// Those that still go on stand as they are, each with the score that it has so far.
std::vector<Beam> BeamSearch::beams() const {
  std::vector<Beam> all = ended_;
  for (const auto& hypothesis : live_) {
    if (hypothesis->tokens.empty()) continue;
    all.push_back({.tokens = hypothesis->tokens,
                   .text = hypothesis->text.whole(),
                   .log_probability = hypothesis->log_probability,
                   .score = score_of(hypothesis->log_probability, hypothesis->tokens.size())});
  }
  std::ranges::stable_sort(all, std::ranges::greater(), &Beam::score);
  if (std::ssize(all) > options_.width) all.resize(static_cast<size_t>(options_.width));
  return all;
}

}  // namespace cairn
