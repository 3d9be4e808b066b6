#include "engine/evaluation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/thread_pool.h"
#include "engine/verify/laws_testing.h"
#include "kernels/kernels.h"
#include "kernels/weights/tensor_type.h"

namespace cairn {
namespace {

std::vector<TokenId> tokens_from(int64_t count, int64_t first) {
  std::vector<TokenId> tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back(static_cast<TokenId>((first + i * 37) % 200));
  return tokens;
}

class EvaluationTest : public testing::Test {
 protected:
  Evaluation evaluate(const std::vector<std::vector<TokenId>>& documents,
                      std::initializer_list<const char*> texts, const EvaluationOptions& options) {
    auto result = evaluate_plans(model_, threads_, documents, plans(texts), options);
    EXPECT_TRUE(result.ok()) << result.status().message();
    return std::move(result).value();
  }

  std::shared_ptr<const Model> model_ =
      made_model("tiny-llama", TensorType::kF32, *select_kernels(std::nullopt).value());
  ThreadPool threads_{1};
};

TEST(EvaluationPieces, HoldEveryTokenOnceAndNoTwoDocuments) {
  const std::vector<std::vector<TokenId>> documents{tokens_from(10, 0), tokens_from(1, 50),
                                                    tokens_from(3, 90)};
  const auto bare = evaluation_pieces(documents, {.window = 4});
  ASSERT_EQ(bare.size(), 4U);  // 4 + 4 + 2 of the first, none of a token alone, 3 of the last
  EXPECT_EQ(bare[2], std::vector<TokenId>(documents[0].begin() + 8, documents[0].end()));
  EXPECT_EQ(bare[3], documents[2]);

  const auto begun = evaluation_pieces(documents, {.window = 4, .first_token = 1});
  size_t predicted = 0;
  for (const auto& piece : begun) {
    EXPECT_EQ(piece.front(), 1);
    EXPECT_LE(piece.size(), 4U);
    predicted += piece.size() - 1;
  }
  EXPECT_EQ(predicted, 14U);
}

TEST_F(EvaluationTest, TheReferenceItselfDivergesByNothing) {
  const Evaluation evaluation =
      evaluate({tokens_from(130, 3), tokens_from(40, 9)}, {"f32", "int4", "int2"}, {.window = 100});
  EXPECT_EQ(evaluation.position_count, 99 + 29 + 39);
  EXPECT_TRUE(evaluation.is_complete);
  EXPECT_EQ(evaluation.plans[0].divergence, 0);
  EXPECT_EQ(evaluation.plans[0].perplexity, evaluation.reference_perplexity);
  EXPECT_EQ(evaluation.plans[0].same_best, 1);
  EXPECT_GT(evaluation.plans[1].divergence, 0);
  EXPECT_GT(evaluation.plans[2].divergence, evaluation.plans[1].divergence);
  EXPECT_TRUE(std::isfinite(evaluation.plans[2].perplexity));
}

// A plan's row depends on no other plan beside it.
TEST_F(EvaluationTest, AnyPlanCanBeTheReference) {
  const std::vector<std::vector<TokenId>> text{tokens_from(90, 5)};
  const Evaluation evaluation =
      evaluate(text, {"int4", "f16"}, {.reference = *KvPlan::parse("int4"), .window = 90});
  EXPECT_EQ(evaluation.plans[0].divergence, 0);
  EXPECT_GT(evaluation.plans[1].divergence, 0);
  const Evaluation alone = evaluate(text, {"f16"}, {.reference = *KvPlan::parse("int4"), .window = 90});
  EXPECT_EQ(alone.plans[0].divergence, evaluation.plans[1].divergence);
  EXPECT_EQ(alone.plans[0].perplexity, evaluation.plans[1].perplexity);
}

TEST_F(EvaluationTest, WholeContextsAreScoredHoweverManyStepsThatTakes) {
  const int64_t context = model_->config().context_length;
  const Evaluation evaluation = evaluate({tokens_from(context, 1)}, {"f16"}, {.window = context});
  EXPECT_EQ(evaluation.position_count, context - 1);
}

TEST_F(EvaluationTest, EndsEarlyWithWhatItHas) {
  int steps = 0;
  const Evaluation evaluation =
      evaluate({tokens_from(64, 3), tokens_from(64, 4), tokens_from(64, 5)}, {"f16", "int8"},
               {.window = 64, .keeps_going = [&] { return ++steps < 2; }});
  EXPECT_FALSE(evaluation.is_complete);
  EXPECT_EQ(evaluation.position_count, 2 * 63);
  EXPECT_GT(evaluation.plans[1].perplexity, 1);
}

TEST_F(EvaluationTest, RefusesWhatPredictsNothing) {
  const std::vector<std::vector<TokenId>> one{{5}};
  const auto list = plans({"f16"});
  EXPECT_EQ(evaluate_plans(model_, threads_, one, list, {.window = 64}).status().code(),
            StatusCode::kInvalidArgument);
  const std::vector<std::vector<TokenId>> two{{5, 6}};
  EXPECT_EQ(evaluate_plans(model_, threads_, two, list, {.window = 1}).status().code(),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace cairn
