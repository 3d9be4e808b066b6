#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <set>

#include "base/random.h"

namespace cairn {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> some_logits(uint64_t seed, int64_t count) {
  std::vector<float> logits;
  for (int64_t i = 0; i < count; ++i) {
    logits.push_back(8 * random_float(seed, 1, static_cast<uint64_t>(i)) - 4);
  }
  return logits;
}

TokenId pick(std::vector<float> logits, const SamplingParams& params, std::vector<TokenId> history = {},
             int64_t position = 0) {
  Sampler sampler(static_cast<int64_t>(logits.size()));
  const Status valid = validate(params, static_cast<int64_t>(logits.size()));
  EXPECT_TRUE(valid.ok()) << valid.message();
  const auto token = sampler.pick(logits, params, history, position);
  EXPECT_TRUE(token.ok()) << token.status().message();
  return token.ok() ? *token : -1;
}

// The tokens that come up in many draws.
std::set<TokenId> support(const std::vector<float>& logits, const SamplingParams& params) {
  Sampler sampler(static_cast<int64_t>(logits.size()));
  std::set<TokenId> seen;
  for (int64_t position = 0; position < 2000; ++position) {
    seen.insert(*sampler.pick(logits, params, {}, position));
  }
  return seen;
}

std::vector<double> softmax(const std::vector<float>& logits, double temperature) {
  std::vector<double> p;
  double total = 0;
  for (const float logit : logits)
    total += p.emplace_back(std::exp(static_cast<double>(logit) / temperature));
  for (double& x : p) x /= total;
  return p;
}

// Sum of (observed - expected)^2 / expected over draws at consecutive positions.
double chi_square(const std::vector<float>& logits, const SamplingParams& params,
                  const std::vector<double>& expected, int draws) {
  Sampler sampler(static_cast<int64_t>(logits.size()));
  std::vector<int> observed(logits.size(), 0);
  for (int i = 0; i < draws; ++i) ++observed[static_cast<size_t>(*sampler.pick(logits, params, {}, i))];
  double sum = 0;
  for (size_t t = 0; t < logits.size(); ++t) {
    const double e = expected[t] * draws;
    if (e == 0) {
      EXPECT_EQ(observed[t], 0);
      continue;
    }
    sum += (observed[t] - e) * (observed[t] - e) / e;
  }
  return sum;
}

TEST(Sampler, GreedyTakesTheLargestAndTheLowestOfEqualOnes) {
  EXPECT_EQ(pick({1, 3, 2}, {}), 1);
  EXPECT_EQ(pick({1, 3, 3, 3}, {}), 1);
  EXPECT_EQ(pick({-5, -5}, {}), 0);
  EXPECT_EQ(pick({0.0F, -0.0F}, {}), 0);
  // Through the slow path too.
  EXPECT_EQ(pick({1, 3, 3, 3}, {.logit_bias = {{0, 0.5F}}}), 1);
  EXPECT_EQ(pick({1, 3, 3, 3}, {.temperature = 1, .top_k = 1}), 1);
}

TEST(Sampler, TemperatureGivesTheSoftmax) {
  const auto logits = some_logits(1, 12);
  for (const double temperature : {0.5, 1.0, 2.0}) {
    const SamplingParams params{.temperature = temperature, .seed = 42};
    // 11 degrees of freedom: above 31.3 once in a thousand seeds.
    EXPECT_LT(chi_square(logits, params, softmax(logits, temperature), 40000), 31.3) << temperature;
  }
}

TEST(Sampler, ChiSquareNoticesAWrongTemperature) {
  const auto logits = some_logits(1, 12);
  EXPECT_GT(chi_square(logits, {.temperature = 1, .seed = 42}, softmax(logits, 1.1), 40000), 31.3);
}

TEST(Sampler, TopPGivesTheRenormalisedHead) {
  const std::vector<float> logits = {std::log(0.4F), std::log(0.3F), std::log(0.2F), std::log(0.1F)};
  const SamplingParams params{.temperature = 1, .top_p = 0.85, .seed = 3};
  // 2 degrees of freedom: above 13.8 once in a thousand.
  EXPECT_LT(chi_square(logits, params, {0.4 / 0.9, 0.3 / 0.9, 0.2 / 0.9, 0}, 40000), 13.8);
}

TEST(Sampler, TopKKeepsTheKLikeliest) {
  const std::vector<float> logits = {0, 0.3F, 0.1F, 0.2F, -0.1F};
  EXPECT_EQ(support(logits, {.temperature = 1, .top_k = 1}), (std::set<TokenId>{1}));
  EXPECT_EQ(support(logits, {.temperature = 1, .top_k = 2}), (std::set<TokenId>{1, 3}));
  EXPECT_EQ(support(logits, {.temperature = 1, .top_k = 5}).size(), 5u);
  EXPECT_EQ(support(logits, {.temperature = 1, .top_k = 500}).size(), 5u);
  // A tie at the edge: the lower id stays.
  EXPECT_EQ(support({1, 0, 0, 0}, {.temperature = 1, .top_k = 2}), (std::set<TokenId>{0, 1}));
}

TEST(Sampler, TopPKeepsTheFewestThatReachIt) {
  const std::vector<float> logits = {std::log(0.5F), std::log(0.25F), std::log(0.125F), std::log(0.125F)};
  EXPECT_EQ(support(logits, {.temperature = 1, .top_p = 1e-9}), (std::set<TokenId>{0}));
  EXPECT_EQ(support(logits, {.temperature = 1, .top_p = 0.49}), (std::set<TokenId>{0}));
  EXPECT_EQ(support(logits, {.temperature = 1, .top_p = 0.51}), (std::set<TokenId>{0, 1}));
  EXPECT_EQ(support(logits, {.temperature = 1, .top_p = 0.8}),
            (std::set<TokenId>{0, 1, 2}));  // tie: lower id
  EXPECT_EQ(support(logits, {.temperature = 1, .top_p = 1}).size(), 4u);
}

TEST(Sampler, TopPIsOfWhatTopKLeft) {
  const std::vector<float> logits = {std::log(0.4F), std::log(0.3F), std::log(0.2F), std::log(0.1F)};
  // Of the two that top-k leaves, the first has 4/7 = 0.571.
  EXPECT_EQ(support(logits, {.temperature = 1, .top_k = 2, .top_p = 0.55}), (std::set<TokenId>{0}));
  EXPECT_EQ(support(logits, {.temperature = 1, .top_k = 2, .top_p = 0.6}), (std::set<TokenId>{0, 1}));
}

TEST(Sampler, TopPSortsInPortionsAsIfItHadSortedAll) {
  const auto logits = some_logits(9, 600);
  const auto p = softmax(logits, 1.5);
  std::vector<size_t> order(logits.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return logits[a] > logits[b]; });
  for (const double top_p : {0.05, 0.5, 0.9, 0.999}) {
    std::set<TokenId> kept;
    double sum = 0;
    for (size_t i = 0; i < order.size() && sum < top_p; ++i) {
      kept.insert(static_cast<TokenId>(order[i]));
      sum += p[order[i]];
    }
    for (const TokenId token : support(logits, {.temperature = 1.5, .top_p = top_p, .seed = 8})) {
      EXPECT_TRUE(kept.contains(token)) << top_p;
    }
  }
}

TEST(Sampler, MinPIsRelativeToTheLikeliest) {
  const std::vector<float> logits = {0, std::log(0.5F), std::log(0.24F), std::log(0.1F)};
  EXPECT_EQ(support(logits, {.temperature = 1, .min_p = 1}), (std::set<TokenId>{0}));
  EXPECT_EQ(support(logits, {.temperature = 1, .min_p = 0.25}), (std::set<TokenId>{0, 1}));
  EXPECT_EQ(support(logits, {.temperature = 1, .min_p = 0.2}), (std::set<TokenId>{0, 1, 2}));
  EXPECT_EQ(support(logits, {.temperature = 2, .min_p = 0.3}).size(), 4u);  // after temperature
}

TEST(Sampler, DrawsDependOnSeedSampleAndPositionAlone) {
  const auto logits = some_logits(2, 500);
  const SamplingParams params{.temperature = 1, .seed = 11};
  SamplingParams other_seed = params;
  other_seed.seed = 12;
  SamplingParams other_sample = params;
  other_sample.sample_index = 1;
  Sampler one(500);
  int seed_differs = 0;
  int sample_differs = 0;
  std::vector<TokenId> forward;
  for (int64_t p = 0; p < 100; ++p) {
    forward.push_back(*one.pick(logits, params, {}, p));
    seed_differs += *one.pick(logits, other_seed, {}, p) != forward.back() ? 1 : 0;
    sample_differs += *one.pick(logits, other_sample, {}, p) != forward.back() ? 1 : 0;
  }
  for (int64_t p = 99; p >= 0; --p) {
    EXPECT_EQ(*Sampler(500).pick(logits, params, {}, p), forward[static_cast<size_t>(p)]);
  }
  EXPECT_GT(seed_differs, 80);
  EXPECT_GT(sample_differs, 80);
}

// Made by a Python program of its own (Philox, math.exp and sorted), not by this code.
TEST(Sampler, GoldenDraws) {
  const auto logits = some_logits(5, 1000);
  const SamplingParams params{.temperature = 0.8, .top_k = 200, .top_p = 0.95, .min_p = 0.01, .seed = 1234};
  std::vector<TokenId> drawn;
  Sampler sampler(1000);
  for (int64_t p = 0; p < 8; ++p) drawn.push_back(*sampler.pick(logits, params, {}, p));
  EXPECT_EQ(drawn, (std::vector<TokenId>{680, 129, 845, 396, 440, 193, 743, 932}));
}

TEST(Sampler, RepetitionPenaltyDividesOrMultipliesOnce) {
  // 2 / 2 = 1 falls below 1.5; three occurrences count once, or -1 * 8 would lose against -5.
  EXPECT_EQ(pick({2, 1.5F, 0}, {.repetition_penalty = 2}, {0}), 1);
  EXPECT_EQ(pick({2, 0.9F, 0}, {.repetition_penalty = 2}, {0, 0, 0}), 0);
  EXPECT_EQ(pick({-1, -5}, {.repetition_penalty = 2}, {0, 0, 0}), 0);
  EXPECT_EQ(pick({-1, -1.5F}, {.repetition_penalty = 2}, {0}), 1);
  EXPECT_EQ(pick({1, 1.5F}, {.repetition_penalty = 0.5}, {0}), 0);  // below 1 it rewards
}

TEST(Sampler, FrequencyCountsAndPresenceDoesNot) {
  EXPECT_EQ(pick({2, 1}, {.frequency_penalty = 0.4}, {0, 0}), 0);
  EXPECT_EQ(pick({2, 1}, {.frequency_penalty = 0.4}, {0, 0, 0}), 1);
  EXPECT_EQ(pick({2, 1}, {.presence_penalty = 0.9}, {0, 0, 0}), 0);
  EXPECT_EQ(pick({2, 1}, {.presence_penalty = 1.1}, {0}), 1);
}

TEST(Sampler, PenaltiesSeeTheWindowOnly) {
  const SamplingParams all{.presence_penalty = 5};
  SamplingParams last_two = all;
  last_two.penalty_window = 2;
  SamplingParams none = all;
  none.penalty_window = 0;
  const std::vector<TokenId> history = {0, 1, 1};
  EXPECT_EQ(pick({2, 1, 0}, all, history), 2);
  EXPECT_EQ(pick({2, 1, 0}, last_two, history), 0);
  EXPECT_EQ(pick({2, 1, 0}, none, history), 0);
}

TEST(Sampler, LeavesNothingBehind) {
  Sampler sampler(3);
  const std::vector<float> logits = {2, 1, 0};
  const SamplingParams penal{.presence_penalty = 5};
  EXPECT_EQ(*sampler.pick(logits, penal, std::vector<TokenId>{0}, 0), 1);
  EXPECT_EQ(*sampler.pick(logits, penal, {}, 0), 0);
}

TEST(Sampler, BiasAddsUpAndForbids) {
  EXPECT_EQ(pick({2, 1, 0}, {.logit_bias = {{2, 1.5F}, {2, 1.0F}}}), 2);
  EXPECT_EQ(pick({2, 1, 0}, {.logit_bias = {{0, -kInfinity}}}), 1);
  EXPECT_EQ(support({2, 1, 0}, {.temperature = 1, .logit_bias = {{0, -kInfinity}}}),
            (std::set<TokenId>{1, 2}));
  const SamplingParams nothing_left{.logit_bias = {{0, -kInfinity}, {1, -kInfinity}}};
  Sampler sampler(2);
  const auto token = sampler.pick(std::vector<float>{1, 2}, nothing_left, {}, 0);
  EXPECT_EQ(token.status().code(), StatusCode::kInvalidArgument);
}

TEST(Sampler, NamesALogitThatIsNoNumber) {
  Sampler sampler(3);
  for (const float bad : {std::nanf(""), kInfinity, -kInfinity}) {
    for (const double temperature : {0.0, 1.0}) {
      const auto token = sampler.pick(std::vector<float>{0, 1, bad}, {.temperature = temperature}, {}, 0);
      EXPECT_EQ(token.status().code(), StatusCode::kInvalidData);
      EXPECT_NE(token.status().message().find("token 2"), std::string::npos);
    }
  }
}

TEST(Sampler, ExtremeParametersStillPick) {
  const std::vector<float> logits = {-3e38F, 3e38F, 0, 3e38F};
  EXPECT_EQ(pick(logits, {.temperature = 5e-324}), pick(logits, {.temperature = 5e-324}));
  EXPECT_EQ(support(logits, {.temperature = 1e-300}), (std::set<TokenId>{1, 3}));
  EXPECT_EQ(support(logits, {.temperature = 1.7e308}).size(), 4u);
  EXPECT_EQ(support({5}, {.temperature = 1, .top_k = 1, .top_p = 0.1, .min_p = 1}), (std::set<TokenId>{0}));
}

TEST(Sampler, ValidatesEachParameter) {
  const std::array<SamplingParams, 14> bad{{
      {.temperature = -0.1},
      {.temperature = std::nan("")},
      {.temperature = std::numeric_limits<double>::infinity()},
      {.top_k = 0},
      {.top_p = 0},
      {.top_p = 1.01},
      {.top_p = std::nan("")},
      {.min_p = -1},
      {.repetition_penalty = 0},
      {.frequency_penalty = std::nan("")},
      {.presence_penalty = 1e9},
      {.penalty_window = -1},
      {.logit_bias = {{10, 1.0F}}},
      {.logit_bias = {{1, kInfinity}}},
  }};
  for (const SamplingParams& params : bad) {
    EXPECT_EQ(validate(params, 10).code(), StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(validate({.top_k = 0}, 10).message(), "top-k is 0: it must be at least 1 (leave it out for all)");
  EXPECT_TRUE(validate({}, 10).ok());
}

TEST(Sampler, ShowsWhatItChoosesFrom) {
  Sampler sampler(4);
  const SamplingParams params{.frequency_penalty = 0.5,
                              .logit_bias = {{.token = 1, .added = 2}, {.token = 3, .added = -INFINITY}}};
  const std::array logits{1.0F, 2.0F, 3.0F, 4.0F};
  const std::array<TokenId, 2> history{2, 2};
  const auto adjusted = sampler.adjusted(logits, params, history);
  ASSERT_TRUE(adjusted.ok()) << adjusted.status().message();
  const std::vector<double> values(adjusted->begin(), adjusted->end());
  EXPECT_EQ(values, (std::vector<double>{1, 4, 2, -INFINITY}));
  EXPECT_EQ(*sampler.pick(logits, params, history, 2), 1);
}

}  // namespace
}  // namespace cairn
