// A drafter for tests that is right as often as it is told to, over FakePass.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"
#include "engine/drafts/drafter.h"
#include "engine/fake_pass_testing.h"

namespace cairn {

// Knows what a greedy request over FakePass will say; of its tokens one in `wrong_in` is wrong (0: none). Allocates.
class OracleDrafter final : public Drafter {
 public:
  explicit OracleDrafter(KvPlan plan = KvPlan(), uint64_t wrong_in = 0, uint64_t seed = 1)
      : plan_(std::move(plan)), wrong_in_(wrong_in), seed_(seed) {}

  [[nodiscard]] std::string_view name() const override { return "oracle"; }
  void look(std::span<DraftAsk> asks) override {
    for (DraftAsk& ask : asks) {
      fill(ask);
      ask.match_length = 16;
    }
  }

 private:
  void fill(const DraftAsk& ask) {
    const auto count = std::ssize(ask.draft);
    const std::vector<TokenId> next = oracle_tokens({ask.text.begin(), ask.text.end()}, count, plan_);
    for (size_t i = 0; i < ask.draft.size(); ++i) {
      const bool is_wrong = wrong_in_ > 0 && random_bits(seed_, 0, drafted_++) % wrong_in_ == 0;
      ask.draft[i] = is_wrong ? (next[i] + 1) % static_cast<TokenId>(kFakeVocab) : next[i];
    }
  }

  KvPlan plan_;
  uint64_t wrong_in_;
  uint64_t seed_;
  uint64_t drafted_ = 0;
};

}  // namespace cairn
