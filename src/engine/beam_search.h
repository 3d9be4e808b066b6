// BeamSearch: the most likely continuations of a prompt, by keeping the `width` best hypotheses at each token
// (Graves 2012; length penalty as in Wu et al. 2016, without its constant: log p / length^alpha).
//
// Hypotheses are requests whose tokens we pick; where one goes on in several ways it is forked, so that all
// share their common rows. Always true: the same logits give the same result; ties go to the earlier
// hypothesis and the lower token. One thread at a time; the engine must outlive it, and be able to run
// `width` sequences at once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cairn/beam.h"
#include "cairn/status.h"
#include "engine/engine.h"
#include "engine/sampler.h"
#include "engine/stop_matcher.h"
#include "text/tokenizer.h"

namespace cairn {

class BeamSearch {
 public:
  // Of `request` count the prompt, max_tokens, stop strings, end tokens, the salt, the priority and, of the sampling
  // parameters, logit bias and penalties: probabilities are those after them. What draws or cuts (temperature, top-k,
  // top-p, min-p), forced tokens, a session and callbacks mean nothing to a search: they must be left out. Errors:
  // kInvalidArgument (one of these, the width), those of Engine::submit.
  static Result<BeamSearch> start(Engine& engine, const Tokenizer& tokenizer, Request request,
                                  const BeamOptions& options);
  BeamSearch(BeamSearch&&) = default;
  BeamSearch& operator=(BeamSearch&&) = delete;
  // Cancels the requests of the hypotheses that go on.
  ~BeamSearch() = default;

  // One step of the engine, or, where that has brought all logits, one token further. False when the search is done.
  // Errors: what a hypothesis ended with, kInvalidData (a logit is no number), kInvalidArgument (the bias forbids
  // every token); then the search is over.
  Result<bool> step();
  // At most `width` of them, the best first. Before step() has returned false they are the best so far.
  [[nodiscard]] std::vector<Beam> beams() const;
  // Tokens that were computed so far, of all hypotheses.
  [[nodiscard]] int64_t token_count() const { return token_count_; }
  // Of the hypotheses that go on.
  [[nodiscard]] int64_t length() const { return live_.empty() ? 0 : std::ssize(live_.front()->tokens); }

 private:
  // What a hypothesis' tokens say, and whether that ends it.
  struct Text {
    StreamDecoder decoder;
    StopMatcher stops;
    std::string text;
    bool stopped = false;

    void push(const Tokenizer& tokenizer, TokenId token);
    [[nodiscard]] std::string whole() const;
  };
  // A request of the engine's, which its end cancels.
  class OwnRequest {
   public:
    OwnRequest() = default;
    OwnRequest(Engine& engine, RequestId id) : engine_(&engine), id_(id) {}
    OwnRequest(OwnRequest&& other) noexcept
        : engine_(std::exchange(other.engine_, nullptr)), id_(other.id_) {}
    OwnRequest& operator=(OwnRequest&& other) noexcept {
      std::swap(engine_, other.engine_);
      std::swap(id_, other.id_);
      return *this;
    }
    ~OwnRequest() {
      if (engine_ != nullptr) engine_->cancel(id_);
    }
    [[nodiscard]] RequestId id() const { return id_; }

   private:
    Engine* engine_ = nullptr;
    RequestId id_ = {};
  };
  struct Hypothesis {
    std::vector<TokenId> tokens;
    double log_probability = 0;
    Text text;
    std::vector<float> logits;  // after its last token
    Status status;              // of its request, where that ended by itself
    OwnRequest request = {};    // the last: it goes before what its callbacks write to
  };
  using Hypotheses = std::vector<std::unique_ptr<Hypothesis>>;
  struct Candidate {
    size_t hypothesis = 0;
    TokenId token = 0;
    double log_probability = 0;
  };
  // A candidate that goes on, and its text.
  struct Chosen {
    Candidate candidate;
    Text text;
  };

  BeamSearch(Engine& engine, const Tokenizer& tokenizer, Request request, const BeamOptions& options);
  Request request_for(Hypothesis& hypothesis, std::vector<TokenId> tokens) const;
  [[nodiscard]] Result<std::vector<Candidate>> candidates();
  Result<std::vector<Chosen>> choose();
  [[nodiscard]] bool is_end(TokenId token) const;
  [[nodiscard]] double score_of(double log_probability, size_t length) const;
  [[nodiscard]] Beam beam_of(const Candidate& candidate, FinishReason reason) const;
  void keep(Beam beam);
  Status continue_requests(const std::vector<Chosen>& chosen, Hypotheses& next);
  Status go_on(std::vector<Chosen> chosen);

  Engine* engine_;
  const Tokenizer* tokenizer_;
  Request request_;
  BeamOptions options_;
  int64_t max_tokens_ = 0;
  FinishReason reason_of_length_ = FinishReason::kLength;
  int64_t token_count_ = 0;
  Sampler sampler_;          // for bias and penalties
  Hypotheses live_;          // the best first
  std::vector<Beam> ended_;  // likewise
};

}  // namespace cairn
