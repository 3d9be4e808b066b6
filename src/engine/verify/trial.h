// Trial: one engine that computes the texts' logits in some way, while a Comparison watches. All through
// Engine::submit and Engine::step, as every other user of a model. For engine/verify only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "engine/engine.h"
#include "engine/verify/logit_record.h"
#include "model/model.h"

namespace cairn {

using LawTexts = std::vector<std::vector<TokenId>>;

// What a trial tells while it runs, for each logit row.
using LogitSink = std::function<void(int64_t text, int64_t position, std::span<const float> logits)>;

class Trial {
 public:
  // `texts` must outlive the trial. It has threads of its own, so that a trial with one thread has one.
  static Result<std::unique_ptr<Trial>> start(std::shared_ptr<const Model> model, const LawTexts& texts,
                                              int thread_count, const EngineOptions& options, LogitSink sink);

  // A request over a text: `prompt_count` of its tokens as the prompt, the next ones up to `token_count` one
  // by one as if they had been generated. The logits of every position are told.
  Status submit_text(int64_t text, int64_t prompt_count, int64_t token_count,
                     std::optional<SessionId> session = std::nullopt);
  // The text's first `kept` tokens, then those of another one: the logits of the first part are told.
  Status submit_altered(int64_t text, int64_t kept, std::span<const TokenId> others,
                        std::optional<SessionId> session);
  // The first `prompt_count` tokens; only the logits after the last one are told, as in generation.
  Status submit_last(int64_t text, int64_t prompt_count);

  SessionId open_session() { return engine_->open_session(); }
  void steps(int count);
  // Steps until all requests have ended. The error of one that failed.
  Status finish();

  [[nodiscard]] int64_t preemptions() const { return preemptions_; }
  [[nodiscard]] int64_t reused_tokens() const { return reused_tokens_; }

 private:
  Trial(const LawTexts& texts, int thread_count, LogitSink sink)
      : texts_(texts), threads_(thread_count), sink_(std::move(sink)) {}
  // Logits of positions below `told` go to the sink.
  Status submit(int64_t text, int64_t told, Request request);

  const LawTexts& texts_;
  ThreadPool threads_;
  LogitSink sink_;
  std::unique_ptr<Engine> engine_;
  Status status_;
  int64_t preemptions_ = 0;
  int64_t reused_tokens_ = 0;
};

}  // namespace cairn
