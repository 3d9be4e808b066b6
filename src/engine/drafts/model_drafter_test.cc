// A small model that guesses: right or wrong, the large one's tokens stay the same.
#include "engine/drafts/model_drafter.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "engine/verify/laws_testing.h"
#include "kernels/kernels.h"
#include "model/model.h"

namespace cairn {
namespace {

// Steps cost nothing: whatever is guessed runs.
class NoTime final : public Clock {
 public:
  [[nodiscard]] uint64_t now_ns() const override { return 0; }
};
const NoTime kNoTime;

struct Said {
  std::vector<TokenId> tokens;
  std::vector<RequestResult> results;
};

class ModelDrafterTest : public ::testing::Test {
 protected:
  std::shared_ptr<const Model> large_ =
      made_model("tiny-llama", TensorType::kQ8_0, kernels_for(available_isas().back()));
  ThreadPool threads_{1};

  [[nodiscard]] EngineOptions options() const {
    return {.context = 256, .max_sequences = 4, .prefill_chunk = 64, .clock = &kNoTime};
  }
  std::unique_ptr<Engine> engine(std::shared_ptr<Drafter> drafter) {
    EngineOptions with = options();
    with.drafter = std::move(drafter);
    auto made = Engine::create(large_, threads_, with);
    EXPECT_TRUE(made.ok()) << made.status().message();
    return std::move(*made);
  }
  std::shared_ptr<ModelDrafter> drafter(std::shared_ptr<const Model> small) {
    auto made = ModelDrafter::create(std::move(small), threads_, large_->tokenizer(), options());
    EXPECT_TRUE(made.ok()) << made.status().message();
    return std::move(*made);
  }
  std::vector<TokenId> prompt(int64_t count, int64_t first) const {
    std::vector<TokenId> tokens;
    for (int64_t i = 0; i < count; ++i) {
      tokens.push_back(static_cast<TokenId>((first + i * 7919) % large_->config().vocab_size));
    }
    return tokens;
  }
  Request request(int64_t prompt_count, int64_t first, int64_t max_tokens, Said& said) const {
    Request made{.prompt = prompt(prompt_count, first), .max_tokens = max_tokens, .ignore_end_tokens = true};
    made.sampling.temperature = 0;
    made.on_token = [&said](TokenId token) { said.tokens.push_back(token); };
    made.on_finish = [&said](const RequestResult& result) { said.results.push_back(result); };
    return made;
  }
  // Four texts at once.
  std::vector<Said> talk(std::shared_ptr<Drafter> drafter, double temperature = 0) {
    std::vector<Said> said(4);
    const auto made = engine(std::move(drafter));
    for (size_t i = 0; i < said.size(); ++i) {
      const auto number = static_cast<int64_t>(i);
      Request one = request(20 + 30 * number, number, 60, said[i]);
      one.sampling.temperature = temperature;
      one.sampling.seed = i;
      EXPECT_TRUE(made->submit(std::move(one)).ok());
    }
    while (!made->idle()) made->step();
    return said;
  }
};

int64_t accepted(const std::vector<Said>& said) {
  int64_t sum = 0;
  for (const Said& one : said) sum += one.results.at(0).stats.accepted_draft_tokens;
  return sum;
}
int64_t drafted(const std::vector<Said>& said) {
  int64_t sum = 0;
  for (const Said& one : said) sum += one.results.at(0).stats.draft_tokens;
  return sum;
}

TEST_F(ModelDrafterTest, AModelGuessesItselfRight) {
  const auto plain = talk(nullptr);
  const auto guessed = talk(drafter(large_));
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_EQ(guessed[i].tokens, plain[i].tokens);
  EXPECT_GT(accepted(guessed), 60);
  EXPECT_GE(accepted(guessed) * 100,
            drafted(guessed) * 95);  // f16 against f16: where a text loops, it is looked up
}

TEST_F(ModelDrafterTest, AnotherModelsGuessesChangeNothing) {
  const auto other = made_model("tiny-mistral", TensorType::kQ4_0, kernels_for(available_isas().back()));
  for (const double temperature : {0.0, 0.8}) {
    const auto plain = talk(nullptr, temperature);
    const auto guessed = talk(drafter(other), temperature);
    for (size_t i = 0; i < plain.size(); ++i) EXPECT_EQ(guessed[i].tokens, plain[i].tokens);
    EXPECT_GT(drafted(guessed), accepted(guessed));
  }
}

TEST_F(ModelDrafterTest, ItsTextsEndWithTheLargeOnesAndAtItsOwnContext) {
  EngineOptions shorter = options();
  shorter.context = 64;
  auto made = ModelDrafter::create(large_, threads_, large_->tokenizer(), shorter);
  ASSERT_TRUE(made.ok());
  Said said;
  const auto both = engine(*made);
  ASSERT_TRUE(both->submit(request(30, 1, 150, said)).ok());
  while (!both->idle()) both->step();
  Said plain;
  const auto alone = engine(nullptr);
  ASSERT_TRUE(alone->submit(request(30, 1, 150, plain)).ok());
  while (!alone->idle()) alone->step();
  EXPECT_EQ(said.tokens, plain.tokens);
  EXPECT_GT(said.results.at(0).stats.accepted_draft_tokens, 0);
}

TEST_F(ModelDrafterTest, CancelsAndNewTextsLeaveNothingWrong) {
  const auto both = engine(drafter(large_));
  for (int64_t round = 0; round < 6; ++round) {
    Said cancelled;
    Said whole;
    const auto id = both->submit(request(10 + round, round, 100, cancelled));
    ASSERT_TRUE(id.ok());
    ASSERT_TRUE(both->submit(request(15, 50 + round, 20, whole)).ok());
    for (int64_t step = 0; step < 3 + round; ++step) both->step();
    both->cancel(*id);
    while (!both->idle()) both->step();
    Said plain;
    const auto alone = engine(nullptr);
    ASSERT_TRUE(alone->submit(request(15, 50 + round, 20, plain)).ok());
    while (!alone->idle()) alone->step();
    EXPECT_EQ(whole.tokens, plain.tokens);
  }
}

TEST_F(ModelDrafterTest, AnotherVocabularyIsRefused) {
  TokenizerTables tables;
  tables.model = "llama";
  tables.tokens = {"<unk>", "<s>", "</s>", "a", "b"};
  tables.types = {2, 3, 3, 1, 1};
  tables.scores.assign(tables.tokens.size(), 0.0F);
  tables.bos = 1;
  tables.eos = 2;
  tables.unk = 0;
  const auto other = make_tokenizer(std::move(tables));
  ASSERT_TRUE(other.ok()) << other.status().message();
  const auto made = ModelDrafter::create(large_, threads_, *other, options());
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace cairn
