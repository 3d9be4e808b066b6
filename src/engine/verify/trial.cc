#include "engine/verify/trial.h"

#include <utility>

namespace cairn {

Result<std::unique_ptr<Trial>> Trial::start(std::shared_ptr<const Model> model, const LawTexts& texts,
                                            int thread_count, const EngineOptions& options, LogitSink sink) {
  std::unique_ptr<Trial> trial(new Trial(texts, thread_count, std::move(sink)));
  CAIRN_ASSIGN_OR_RETURN(trial->engine_, Engine::create(std::move(model), trial->threads_, options));
  return trial;
}

Status Trial::submit_text(int64_t text, int64_t prompt_count, int64_t token_count,
                          std::optional<SessionId> session) {
  const std::span<const TokenId> tokens(texts_[static_cast<size_t>(text)]);
  const auto prompt = tokens.first(static_cast<size_t>(prompt_count));
  const auto forced = tokens.subspan(prompt.size(), static_cast<size_t>(token_count - prompt_count));
  Request request{.prompt = {prompt.begin(), prompt.end()},
                  .max_tokens = 0,
                  .forced_tokens = {forced.begin(), forced.end()},
                  .logits_wanted = LogitsWanted::kEveryPosition,
                  .session = session};
  if (!forced.empty()) {
    // The last generated token is never run, so there is one more; forced, for a sampler refuses NaN.
    request.forced_tokens.push_back(tokens[0]);
    request.max_tokens = static_cast<int64_t>(request.forced_tokens.size());
  }
  return submit(text, token_count, std::move(request));
}

Status Trial::submit_altered(int64_t text, int64_t kept, std::span<const TokenId> others,
                             std::optional<SessionId> session) {
  const auto& tokens = texts_[static_cast<size_t>(text)];
  Request request{.prompt = {tokens.begin(), tokens.begin() + kept},
                  .max_tokens = 0,
                  .logits_wanted = LogitsWanted::kEveryPosition,
                  .session = session};
  request.prompt.insert(request.prompt.end(), others.begin(), others.end());
  return submit(text, kept, std::move(request));
}

Status Trial::submit_last(int64_t text, int64_t prompt_count) {
  const auto& tokens = texts_[static_cast<size_t>(text)];
  return submit(text, prompt_count,
                {.prompt = {tokens.begin(), tokens.begin() + prompt_count},
                 .max_tokens = 1,
                 .forced_tokens = {tokens[0]}});
}

Status Trial::submit(int64_t text, int64_t told, Request request) {
  request.on_logits = [this, text, told](int64_t position, std::span<const float> logits) {
    if (position < told) sink_(text, position, logits);
  };
  request.on_finish = [this](const RequestResult& result) {
    if (status_.ok()) status_ = result.status;
    preemptions_ += result.stats.preemptions;
    reused_tokens_ += result.stats.reused_tokens;
  };
  return engine_->submit(std::move(request)).status();
}

void Trial::steps(int count) {
  for (int i = 0; i < count && !engine_->idle(); ++i) engine_->step();
}

Status Trial::finish() {
  while (!engine_->idle()) engine_->step();
  CAIRN_RETURN_IF_ERROR(status_);
  return engine_->cache().check();
}

}  // namespace cairn
