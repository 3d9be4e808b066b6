// FakePass: a ForwardPass for tests. Its logits are a hash of the rows that it reads back through the gate,
// as the sealing rule says which form of them a query sees: a wrong, missing or stale row, a wrong block, a
// wrong position or the wrong form gives other tokens than the oracle's, which hashes the tokens alone.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "model/step_blocks.h"

namespace cairn {

// Two layers, two KV heads of three elements.
[[nodiscard]] KvShape fake_shape(const KvPlan& plan = KvPlan());
// Token 0 unknown, 1 begin, 2 end, 3 + b the byte b.
inline constexpr int64_t kFakeVocab = 259;

class FakePass final : public ForwardPass {
 public:
  FakePass(int64_t max_rows, int64_t max_logit_rows)
      : max_rows_(max_rows), max_logit_rows_(max_logit_rows), blocks_(max_rows) {
    hashes_.reserve(static_cast<size_t>(max_rows));
  }

  Status forward(const Batch& batch, KvLayerGate& gate, std::span<float> logits) override;
  [[nodiscard]] int64_t max_rows() const override { return max_rows_; }
  [[nodiscard]] int64_t max_logit_rows() const override { return max_logit_rows_; }
  [[nodiscard]] int64_t vocab_size() const override { return kFakeVocab; }
  [[nodiscard]] uint64_t work_bytes() const override { return 0; }

  std::function<void(const Batch&)> on_forward;  // called first, may be empty
  bool poisoned = false;                         // one logit is NaN
  std::optional<int64_t> fails_at_layer;         // before that layer; the number of layers: when all are done

 private:
  void run_layer(const Batch& batch, const KvLayerView& kv, int64_t layer);

  int64_t max_rows_;
  int64_t max_logit_rows_;
  StepBlocks blocks_;
  std::vector<uint64_t> hashes_;  // by row: what its query has seen, over the layers so far
};

// The logits after these tokens, computed without any cache.
std::vector<float> oracle_logits(std::span<const TokenId> tokens, const KvPlan& plan = KvPlan());
// `count` greedy tokens after `prompt`, likewise.
std::vector<TokenId> oracle_tokens(std::vector<TokenId> prompt, int64_t count, const KvPlan& plan = KvPlan());

Tokenizer fake_tokenizer();
std::vector<TokenId> bytes_of(std::string_view text);  // as tokens
std::vector<TokenId> some_prompt(uint64_t seed, int64_t count);
// The first `shared` tokens of some_prompt(seed), then others up to `count`.
std::vector<TokenId> branch_of(uint64_t seed, int64_t shared, uint64_t branch, int64_t count);

// An engine over a FakePass, which lives as long as the engine.
struct FakeEngine {
  std::unique_ptr<Engine> engine;
  FakePass* pass = nullptr;
};
// `layer_groups` as KvShape's.
FakeEngine make_fake_engine(const EngineOptions& options, std::vector<int32_t> layer_groups = {});
// Bytes of so many blocks of fake_shape().
uint64_t fake_blocks(int64_t count, const KvPlan& plan = KvPlan());

// What a request has reported.
struct Heard {
  std::vector<TokenId> tokens;
  std::string text;
  std::vector<int64_t> logit_positions;
  std::vector<std::vector<float>> logits;
  std::vector<RequestResult> results;  // exactly one in the end
};
// Sets the callbacks of `request`; `heard` must outlive it.
void listen(Request& request, Heard& heard);
// Greedy, ignores end tokens, reports to `heard`.
Request make_request(std::vector<TokenId> prompt, int64_t max_tokens, Heard& heard);
// Ended by its length, with the oracle's tokens.
void expect_oracle(const Heard& heard, const std::vector<TokenId>& prompt, int64_t count,
                   const KvPlan& plan = KvPlan(), FinishReason reason = FinishReason::kLength);
// One step, after which the cache's check() is clean.
void checked_step(Engine& engine);
// Steps until idle; fails the test if that takes more than `steps`.
void run_until_idle(Engine& engine, int steps = 100000);

}  // namespace cairn
