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
#include <vector>

#include "cairn/status.h"
#include "engine/engine.h"

namespace cairn {

struct BeamOptions {
  int64_t width = 4;
  int64_t max_tokens = 100;
  double length_penalty = 1;        // alpha: 0 compares sums, 1 means
  std::vector<TokenId> end_tokens;  // besides the model's own
  std::string salt;                 // as Request::salt
};

struct Beam {
  std::vector<TokenId> tokens;  // behind the prompt, without the end token
  double log_probability = 0;   // of all of them, and of the end token where one came
  double score = 0;
  std::optional<TokenId> end_token;
};

class BeamSearch {
 public:
  // Errors: kInvalidArgument (an option), those of Engine::submit.
  static Result<BeamSearch> start(Engine& engine, const Tokenizer& tokenizer, std::vector<TokenId> prompt,
                                  const BeamOptions& options);
  BeamSearch(BeamSearch&&) = default;
  BeamSearch& operator=(BeamSearch&&) = delete;
  ~BeamSearch();

  // One token further. False when the search is done. Errors: what a hypothesis ended with.
  Result<bool> step();
  // At most `width` of them, the best first; complete once step() has returned false.
  [[nodiscard]] std::vector<Beam> beams() const;

 private:
  struct Hypothesis {
    RequestId id;
    std::vector<TokenId> tokens;
    double log_probability = 0;
    std::vector<float> logits;  // after its last token
    Status status;              // of its request, where that ended by itself
  };
  struct Candidate {
    size_t hypothesis = 0;
    TokenId token = 0;
    double log_probability = 0;
  };

  BeamSearch(Engine& engine, const Tokenizer& tokenizer, const BeamOptions& options)
      : engine_(&engine), tokenizer_(&tokenizer), options_(options) {}
  Request request_for(Hypothesis& hypothesis, std::vector<TokenId> prompt) const;
  [[nodiscard]] std::vector<Candidate> candidates() const;
  [[nodiscard]] bool is_end(TokenId token) const;
  [[nodiscard]] double score_of(double log_probability, size_t length) const;
  void keep(const Candidate& candidate, std::optional<TokenId> end_token);
  Status go_on(const std::vector<Candidate>& chosen);
  void cancel_all();

  Engine* engine_;
  const Tokenizer* tokenizer_;
  BeamOptions options_;
  std::vector<std::unique_ptr<Hypothesis>> live_;  // the best first
  std::vector<Beam> ended_;                        // likewise
};

}  // namespace cairn
