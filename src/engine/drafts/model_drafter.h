// ModelDrafter: a second, smaller model with the same vocabulary that guesses a larger one's tokens ahead (Leviathan et al.,
// "Fast Inference from Transformers via Speculative Decoding", 2023). Where the text repeats, prompt lookup guesses, which
// costs nothing.
//
// The small model runs in an engine of its own, on the same threads, with a cache of its own: for each text a request whose
// caller picks the tokens. What was guessed wrong is replaced, what is new of a text comes in with the next guess. Guesses
// are greedy. A text whose prompt the small model has not computed yet gets no guess, but a step of that engine each time:
// what that takes is not weighed against what guesses will gain. Allocates.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/drafts/drafter.h"
#include "engine/engine.h"

namespace cairn {

class ModelDrafter final : public Drafter {
 public:
  // How many tokens the vocabularies have, which must be the same ones. Errors: kInvalidArgument.
  static Result<int64_t> common_vocabulary(const Tokenizer& small, const Tokenizer& large);
  // For an engine with these options, over a model whose vocabulary is `vocabulary`. `threads` must outlive it. Errors: those
  // of Engine::create and of common_vocabulary.
  static Result<std::shared_ptr<ModelDrafter>> create(std::shared_ptr<const Model> small, ThreadPool& threads,
                                                      const Tokenizer& vocabulary,
                                                      const EngineOptions& options);
  // What create makes of the large engine's options.
  static EngineOptions small_options(const Config& small, const EngineOptions& options);

  [[nodiscard]] std::string_view name() const override { return "model"; }
  void look(std::span<DraftAsk> asks) override;
  std::optional<uint64_t> draft(std::span<DraftAsk> asks) override;
  void forget(RequestId id) override;

 private:
  // What the small model has of a text.
  struct Text {
    RequestId id;
    std::vector<TokenId> tokens;
    std::optional<TokenId> next;  // what it says comes behind them; absent: they are still being computed
    bool has_ended = false;       // the small model cannot go on with it: no more guesses
  };

  ModelDrafter(int64_t vocab_size, const Clock* clock)
      : vocab_size_(vocab_size), clock_(clock != nullptr ? clock : &steady_clock_) {}
  Status bring_up_to_date(const DraftAsk& ask);
  Status start(const DraftAsk& ask);
  Status go_on(Text& text, std::span<const TokenId> now);
  void bring_up_to_date(std::span<DraftAsk> asks);
  bool extend_drafts(std::span<DraftAsk> asks, size_t place);
  void end(RequestId id);
  [[nodiscard]] Text* text_of(RequestId id);

  int64_t vocab_size_;  // of both models: a row of logits may be longer
  SteadyClock steady_clock_;
  const Clock* clock_;
  std::unordered_map<uint64_t, Text> texts_;  // by the large engine's request
  std::unique_ptr<Engine> engine_;            // last: its end may report to texts_
};

}  // namespace cairn
