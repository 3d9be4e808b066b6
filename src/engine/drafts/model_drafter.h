// ModelDrafter: a second, smaller model with the same vocabulary that guesses a larger one's tokens ahead (Leviathan et al.,
// "Fast Inference from Transformers via Speculative Decoding", 2023). Where the text repeats, prompt lookup guesses, which
// costs nothing.
//
// The small model runs in an engine of its own, on the same threads, with a cache of its own: for each text a request whose
// caller picks the tokens. What was guessed wrong is replaced, what is new of a text comes in with the next guess. Guesses
// are greedy. A text whose prompt the small model has not computed yet gets no guess, but a step of that engine each time.
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
  // For an engine with these options, over a model whose vocabulary is `vocabulary`. `threads` must outlive it. Errors: those
  // of Engine::create; kInvalidArgument where the small model has another vocabulary.
  static Result<std::shared_ptr<ModelDrafter>> create(std::shared_ptr<const Model> small, ThreadPool& threads,
                                                      const Tokenizer& vocabulary,
                                                      const EngineOptions& options);
  // What create makes of the large engine's options.
  static EngineOptions small_options(const Config& small, const EngineOptions& options);

  void look(std::span<DraftAsk> asks) override;
  void draft(std::span<DraftAsk> asks) override;
  [[nodiscard]] bool takes_time() const override { return true; }
  void forget(RequestId id) override;

 private:
  // What the small model has of a text.
  struct Text {
    RequestId id;
    std::vector<TokenId> tokens;
    std::optional<TokenId> next;  // what it says comes behind them; absent: they are still being computed
  };

  explicit ModelDrafter(int64_t vocab_size) : vocab_size_(vocab_size) {}
  Status bring_up_to_date(const DraftAsk& ask);
  Status start(const DraftAsk& ask);
  Status go_on(Text& text, std::span<const TokenId> now);
  void extend_drafts(std::span<DraftAsk> asks, size_t place);
  [[nodiscard]] Text* text_of(RequestId id);

  int64_t vocab_size_;                        // of both models: a row of logits may be longer
  std::unordered_map<uint64_t, Text> texts_;  // by the large engine's request
  std::unique_ptr<Engine> engine_;            // last: its end may report to texts_
};

}  // namespace cairn
