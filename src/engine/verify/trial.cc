#include "engine/verify/trial.h"

#include <algorithm>
#include <utility>

namespace cairn {

Result<std::unique_ptr<Trial>> Trial::start(const Setting& setting, const EngineOptions& options,
                                            LogitSink sink) {
  std::unique_ptr<Trial> trial(new Trial(setting, std::move(sink)));
  CAIRN_ASSIGN_OR_RETURN(Engine::Parts parts, Engine::parts_of(setting.model, trial->threads_, options));
  if (setting.wrap_pass) parts.pass = setting.wrap_pass(std::move(parts.pass));
  CAIRN_ASSIGN_OR_RETURN(trial->engine_, Engine::create(std::move(parts), options));
  return trial;
}

// Tokens from `first` on: the prompt's, then forced ones.
Request Trial::request_of(const TrialRequest& request, int64_t first) const {
  const std::span<const TokenId> tokens(texts_[static_cast<size_t>(request.text)]);
  const auto prompt =
      tokens.subspan(static_cast<size_t>(first), static_cast<size_t>(request.prompt_count - first));
  const auto forced = tokens.subspan(static_cast<size_t>(request.prompt_count),
                                     static_cast<size_t>(request.token_count - request.prompt_count));
  Request made{.prompt = {prompt.begin(), prompt.end()},
               .max_tokens = 0,
               .forced_tokens = {forced.begin(), forced.end()},
               .logits_wanted = request.wanted,
               .salt = request.salt,
               .session = request.session};
  if (!forced.empty()) {
    // The last generated token is never run, so there is one more; forced, for a sampler refuses NaN.
    made.forced_tokens.push_back(tokens[0]);
    made.max_tokens = static_cast<int64_t>(made.forced_tokens.size());
  }
  return made;
}

Result<RequestId> Trial::submit_text(const TrialRequest& request) {
  return engine_->submit(watched(request.text, request.token_count, request_of(request, 0)));
}

Result<RequestId> Trial::fork_text(RequestId parent, const TrialRequest& request) {
  const std::optional<int64_t> shared = token_count(parent);
  if (!shared.has_value() || *shared > request.prompt_count) {
    return internal_error("the request to fork has ended, or is too far");
  }
  return engine_->fork(parent, watched(request.text, request.token_count, request_of(request, *shared)));
}

Status Trial::submit_altered(int64_t text, int64_t kept, std::span<const TokenId> others,
                             std::optional<SessionId> session) {
  const auto& tokens = texts_[static_cast<size_t>(text)];
  Request request{.prompt = {tokens.begin(), tokens.begin() + kept},
                  .max_tokens = 0,
                  .logits_wanted = LogitsWanted::kEveryPosition,
                  .session = session};
  request.prompt.insert(request.prompt.end(), others.begin(), others.end());
  return engine_->submit(watched(text, kept, std::move(request))).status();
}

Status Trial::submit_last(int64_t text, int64_t prompt_count) {
  const auto& tokens = texts_[static_cast<size_t>(text)];
  return engine_
      ->submit(watched(text, prompt_count,
                       {.prompt = {tokens.begin(), tokens.begin() + prompt_count},
                        .max_tokens = 1,
                        .forced_tokens = {tokens[0]}}))
      .status();
}

Request Trial::watched(int64_t text, int64_t reported, Request request) {
  request.on_logits = [this, text, reported](int64_t position, std::span<const float> logits) {
    if (position < reported) sink_(text, position, logits);
  };
  request.on_finish = [this](const RequestResult& result) {
    if (status_.ok()) status_ = result.status;
    preemptions_ += result.stats.preemptions;
    reused_tokens_ += result.stats.reused_tokens;
    accepted_draft_tokens_ += result.stats.accepted_draft_tokens;
  };
  return request;
}

Status Trial::begin_tries(int64_t prompt_count) {
  const auto& text = texts_[0];
  tried_.assign(text.begin(), text.begin() + prompt_count);
  Request request = watched(0, 0, {.prompt = tried_, .picks = Picks::kByCaller});
  request.logits_wanted = LogitsWanted::kEveryNewPosition;
  request.on_logits = [this, &text](int64_t position, std::span<const float> logits) {
    const auto differs = std::ranges::mismatch(tried_, text);
    if (position < differs.in1 - tried_.begin()) sink_(0, position, logits);
  };
  CAIRN_ASSIGN_OR_RETURN(tries_, engine_->submit(std::move(request)));
  return run_tries();
}

Status Trial::try_tokens(std::span<const TokenId> tokens) {
  CAIRN_RETURN_IF_ERROR(engine_->extend(tries_, tokens));
  tried_.insert(tried_.end(), tokens.begin(), tokens.end());
  return run_tries();
}

Status Trial::take_back(int64_t length) {
  CAIRN_RETURN_IF_ERROR(engine_->roll_back(tries_, length));
  tried_.resize(static_cast<size_t>(length));
  return run_tries();
}

void Trial::end_tries() { engine_->cancel(tries_); }

Status Trial::run_tries() {
  while (status_.ok() && !is_stopped_ && !engine_->waits()) step();
  return status_;
}

std::optional<int64_t> Trial::token_count(RequestId id) const {
  const RequestStats* stats = engine_->stats(id);
  if (stats == nullptr) return std::nullopt;
  return stats->prompt_tokens + stats->generated_tokens;
}

void Trial::step() {
  engine_->step();
  ++step_count_;
  if (status_.ok()) status_ = engine_->cache().check();
  is_stopped_ = keeps_going_ && !keeps_going_();
  if (is_stopped_ && status_.ok()) status_ = internal_error("the check was stopped");
}

void Trial::steps(int count) {
  for (int i = 0; i < count && !is_stopped_ && !engine_->idle(); ++i) step();
}

Status Trial::finish() {
  while (!is_stopped_ && !engine_->idle()) step();
  return status_;
}

}  // namespace cairn
