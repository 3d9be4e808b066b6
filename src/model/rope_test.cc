#include "model/rope.h"

#include <gtest/gtest.h>

#include "base/exact_math.h"

namespace cairn {
namespace {

// Sixteen elements turn; numbers below were computed with Python's math from the formulas alone.
Config config_with(RopeConfig rope, int64_t context_length) {
  Config config;
  config.context_length = context_length;
  config.rope_dim = 16;
  config.ropes = {std::move(rope)};
  return config;
}

Config settled(Config config, int64_t context) {
  settle_context(config, context);
  return config;
}

Config long_rope() {
  RopeConfig rope{.divisors = std::vector<double>(8, 1.5), .magnitude = 1.25};
  rope.by_context =
      LongRope{.original_context = 64, .divisors = std::vector<double>(8, 6.0), .magnitude = 1.5};
  return config_with(std::move(rope), 128);
}

TEST(SettleContext, LongRopeIsShortUpToItsOriginalContext) {
  for (const int64_t context : {1, 63, 64}) {
    const Config config = settled(long_rope(), context);
    EXPECT_EQ(config.ropes[0].divisors, std::vector<double>(8, 1.5)) << context;
    EXPECT_EQ(config.ropes[0].magnitude, 1.25);
    EXPECT_EQ(config.context_length, 64) << "short factors are good for no more";
  }
  for (const int64_t context : {65, 128}) {
    const Config config = settled(long_rope(), context);
    EXPECT_EQ(config.ropes[0].divisors, std::vector<double>(8, 6.0)) << context;
    EXPECT_EQ(config.ropes[0].magnitude, 1.5);
    EXPECT_EQ(config.context_length, 128);
    EXPECT_TRUE(std::holds_alternative<std::monostate>(config.ropes[0].by_context));
  }
}

TEST(SettleContext, DynamicNtkRaisesTheBase) {
  RopeConfig rope{.base = 10000.0};
  rope.by_context = DynamicNtk{.original_context = 64, .factor = 2.0};
  const Config config = config_with(std::move(rope), 128);
  const std::pair<int64_t, double> expected[] = {{1, 10000.0},
                                                 {64, 10000.0},
                                                 {65, 10357.933034681744},
                                                 {100, 23665.980178829905},
                                                 {128, 35097.924382760604}};
  for (const auto& [context, base] : expected) {
    const Config at = settled(config, context);
    EXPECT_NEAR(at.ropes[0].base, base, 1e-11 * base) << context;
    EXPECT_EQ(at.context_length, std::max<int64_t>(context, 64));
  }
  float cosines[8], sines[8];
  Rope(settled(config, 128).ropes[0], 16).angles(57, cosines, sines);
  EXPECT_FLOAT_EQ(cosines[0], 0.8998668269691937F);
  EXPECT_FLOAT_EQ(sines[0], 0.43616475524782494F);
  EXPECT_FLOAT_EQ(cosines[3], 0.43061114043522136F);
  EXPECT_FLOAT_EQ(sines[3], 0.9025375591813772F);
  EXPECT_FLOAT_EQ(cosines[7], 0.9999819500543004F);
  EXPECT_FLOAT_EQ(sines[7], 0.006008291404281054F);
}

TEST(SettleContext, OtherRopesAreWhatTheyWere) {
  const Config config = settled(config_with({.divisors = {2.0}, .magnitude = 1.1}, 128), 32);
  EXPECT_EQ(config.ropes[0].base, 10000.0);
  EXPECT_EQ(config.ropes[0].divisors, std::vector<double>{2.0});
  EXPECT_EQ(config.context_length, 128);
}

TEST(SettleContext, ALongerContextThanTheModelsIsTheConfigs) {
  EXPECT_EQ(settled(config_with({}, 128), 500).context_length, 500);
  const Config config = settled(long_rope(), 500);
  EXPECT_EQ(config.context_length, 500);
  EXPECT_EQ(config.ropes[0].divisors, std::vector<double>(8, 6.0));
}

// Gemma 3 has two: the shortest of what they are good for counts.
TEST(SettleContext, EachRopeIsSettled) {
  Config config = long_rope();
  config.ropes.push_back({.base = 5.0});
  config.ropes.back().by_context = DynamicNtk{.original_context = 16, .factor = 2.0};
  settle_context(config, 32);
  EXPECT_EQ(config.ropes[0].magnitude, 1.25);
  EXPECT_GT(config.ropes[1].base, 5.0);
  EXPECT_EQ(config.context_length, 32);
}

TEST(Rope, AnglesAreNumbersUpToTheEndOfTheLongestText) {
  float cosines[16], sines[16];
  const auto last = static_cast<int64_t>(exact::kMaxAngle) - 1;
  Rope({.base = 10000.0}, 32).angles(last, cosines, sines);
  for (int i = 0; i < 16; ++i) EXPECT_NEAR(cosines[i] * cosines[i] + sines[i] * sines[i], 1, 1e-6) << i;
}

}  // namespace
}  // namespace cairn
