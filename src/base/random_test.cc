#include "base/random.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <set>
#include <vector>

namespace cairn {
namespace {

using Words4 = std::array<std::uint32_t, 4>;

// The known answers that the paper's authors publish with Random123 (kat_vectors, philox4x32 10).
TEST(Random, MatchesThePublishedKnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Words4{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr std::uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Words4{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words4{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, IsAPureFunctionOfItsThreeArguments) {
  EXPECT_EQ(random_bits(1, 2, 3), random_bits(1, 2, 3));
  std::set<std::uint64_t> seen;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    for (std::uint64_t stream = 0; stream < 8; ++stream) {
      for (std::uint64_t counter = 0; counter < 64; ++counter)
        seen.insert(random_bits(seed, stream, counter));
    }
  }
  EXPECT_EQ(seen.size(), 8u * 8 * 64);
  // The high halves count too.
  EXPECT_NE(random_bits(1, 0, 0), random_bits(1 | std::uint64_t{1} << 40, 0, 0));
  EXPECT_NE(random_bits(0, 1, 0), random_bits(0, 1 | std::uint64_t{1} << 40, 0));
  EXPECT_NE(random_bits(0, 0, 1), random_bits(0, 0, 1 | std::uint64_t{1} << 40));
}

TEST(Random, IsUniformAndBelowOne) {
  constexpr int kDraws = 100000, kBins = 100;
  std::vector<int> bins(kBins);
  double sum = 0;
  for (int i = 0; i < kDraws; ++i) {
    const float value = random_float(7, 1, i);
    ASSERT_GE(value, 0.0f);
    ASSERT_LT(value, 1.0f);
    ++bins[static_cast<int>(value * kBins)];
    const double wide = random_double(7, 2, i);
    ASSERT_GE(wide, 0.0);
    ASSERT_LT(wide, 1.0);
    sum += wide;
  }
  EXPECT_NEAR(sum / kDraws, 0.5, 0.005);  // five standard deviations
  double chi_square = 0;
  for (int count : bins) chi_square += (count - 1000.0) * (count - 1000.0) / 1000.0;
  EXPECT_LT(chi_square, 180.0);  // 99 degrees of freedom: mean 99, deviation 14
  EXPECT_GT(chi_square, 40.0);
}

TEST(Random, NeighbouringCountersShareHalfTheirBits) {
  int differing_bits = 0;
  for (int i = 0; i < 10000; ++i)
    differing_bits += std::popcount(random_bits(3, 4, i) ^ random_bits(3, 4, i + 1));
  EXPECT_NEAR(differing_bits / 10000.0, 32.0, 0.2);
}

}  // namespace
}  // namespace cairn
