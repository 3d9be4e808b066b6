// Drafters for tests: one that is right as often as it is told to, over FakePass; and one of a text that is known.
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

  int64_t propose(std::span<const TokenId> text, std::span<TokenId> draft) override {
    const std::vector<TokenId> next = oracle_tokens({text.begin(), text.end()}, std::ssize(draft), plan_);
    for (size_t i = 0; i < draft.size(); ++i) {
      const bool is_wrong = wrong_in_ > 0 && random_bits(seed_, 0, drafted_++) % wrong_in_ == 0;
      draft[i] = is_wrong ? (next[i] + 1) % static_cast<TokenId>(kFakeVocab) : next[i];
    }
    return 16;
  }

 private:
  KvPlan plan_;
  uint64_t wrong_in_;
  uint64_t seed_;
  uint64_t drafted_ = 0;
};

// What stands at the same place in another text.
class TextDrafter final : public Drafter {
 public:
  explicit TextDrafter(std::vector<TokenId> text) : text_(std::move(text)) {}

  int64_t propose(std::span<const TokenId> text, std::span<TokenId> draft) override {
    for (size_t i = 0; i < draft.size(); ++i) {
      draft[i] = text.size() + i < text_.size() ? text_[text.size() + i] : TokenId{0};
    }
    return 16;
  }

 private:
  std::vector<TokenId> text_;
};

}  // namespace cairn
