// Trial: one engine that computes the texts' logits in some way, while a Comparison watches. All through
// Engine::submit and Engine::step, as every other user of a model; after each step the cache's check() must be
// clean. For engine/verify only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "engine/engine.h"
#include "engine/verify/logit_record.h"
#include "engine/verify/texts.h"
#include "model/model.h"

namespace cairn {

// What a trial reports while it runs, for each logit row.
using LogitSink = std::function<void(int64_t text, int64_t position, std::span<const float> logits)>;

// A request over a text: `prompt_count` of its tokens as the prompt, the next ones up to `token_count` one by
// one as if they had been generated.
struct TrialRequest {
  int64_t text = 0;
  int64_t prompt_count = 0;
  int64_t token_count = 0;
  LogitsWanted wanted = LogitsWanted::kEveryPosition;
  std::optional<SessionId> session = std::nullopt;
  std::string salt = {};
};

class Trial {
 public:
  struct Setting {
    std::shared_ptr<const Model> model;
    const LawTexts& texts;  // must outlive the trial
    int thread_count = 1;   // of its own, so that a trial with one thread has one
    PassWrapper wrap_pass;  // may be empty
    // Asked after every step: false ends the trial with an error. May be empty.
    std::function<bool()> keeps_going;
  };
  static Result<std::unique_ptr<Trial>> start(const Setting& setting, const EngineOptions& options,
                                              LogitSink sink);

  Result<RequestId> submit_text(const TrialRequest& request);
  // The same as a fork of a request over a text that begins alike; it must have at most `prompt_count`
  // tokens.
  Result<RequestId> fork_text(RequestId parent, const TrialRequest& request);
  // The text's first `kept` tokens, then those of another one: the logits of the first part are reported.
  Status submit_altered(int64_t text, int64_t kept, std::span<const TokenId> others,
                        std::optional<SessionId> session);
  // The first `prompt_count` tokens; only the logits after the last one are reported, as in generation.
  Status submit_last(int64_t text, int64_t prompt_count);

  // A request over the beginning of text 0 whose tokens are tried (Picks::kByCaller), one such in a trial.
  // Each of these runs until it waits; logits are reported where all tokens up to theirs are the text's.
  Status begin_tries(int64_t prompt_count);
  Status try_tokens(std::span<const TokenId> tokens);
  Status take_back(int64_t length);
  void end_tries();

  SessionId open_session() { return engine_->open_session().value(); }
  void steps(int count);
  // What was computed is in the tiers that the options name.
  Status flush_tiers() { return engine_->tiers()->flush(); }
  // Steps until all requests have ended. The error of one that failed, or of a cache that did not add up.
  Status finish();

  // Tokens that a live request has, prompt and generated ones; nothing where it has ended.
  [[nodiscard]] std::optional<int64_t> token_count(RequestId id) const;
  [[nodiscard]] int64_t preemptions() const { return preemptions_; }
  [[nodiscard]] int64_t reused_tokens() const { return reused_tokens_; }  // of the requests that have ended
  [[nodiscard]] int64_t accepted_draft_tokens() const { return accepted_draft_tokens_; }  // likewise
  [[nodiscard]] int64_t step_count() const { return step_count_; }
  [[nodiscard]] const KvCache& cache() const { return engine_->cache(); }

 private:
  Trial(const Setting& setting, LogitSink sink)
      : texts_(setting.texts),
        threads_(setting.thread_count),
        keeps_going_(setting.keeps_going),
        sink_(std::move(sink)) {}
  void step();
  Status run_tries();
  [[nodiscard]] Request request_of(const TrialRequest& request, int64_t first) const;
  // Logits of positions below `reported` are reported to the sink.
  Request watched(int64_t text, int64_t reported, Request request);

  const LawTexts& texts_;
  ThreadPool threads_;
  std::function<bool()> keeps_going_;
  LogitSink sink_;
  std::vector<TokenId> tried_;
  RequestId tries_;
  Status status_;
  bool is_stopped_ = false;
  int64_t preemptions_ = 0;
  int64_t reused_tokens_ = 0;
  int64_t accepted_draft_tokens_ = 0;
  int64_t step_count_ = 0;
  std::unique_ptr<Engine> engine_;  // last: its end may report to the others
};

}  // namespace cairn
