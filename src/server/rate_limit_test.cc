#include "server/rate_limit.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>

#include "base/random.h"

namespace cairn {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

ServedTenant limited(std::optional<Rate> requests, std::optional<Rate> tokens = std::nullopt) {
  ServedTenant tenant{.id = TenantId{1}};
  tenant.config.requests = requests;
  tenant.config.tokens = tokens;
  return tenant;
}

TEST(RateLimit, WithoutLimitsAllIsAdmitted) {
  RateLimiter limiter;
  const ServedTenant tenant = limited(std::nullopt);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(limiter.admit(tenant, 1, 1'000'000, 0).ok);
  EXPECT_EQ(limiter.running(tenant.id), 1000);
}

TEST(RateLimit, APeriodsAmountMayComeAtOnceAndThenEvenly) {
  RateLimiter limiter;
  const ServedTenant tenant = limited(Rate{60, 60});
  const uint64_t now = 1000 * kSecond;
  for (int i = 0; i < 60; ++i) EXPECT_TRUE(limiter.admit(tenant, 1, 0, now).ok) << i;
  const RateDecision refused = limiter.admit(tenant, 1, 0, now);
  EXPECT_FALSE(refused.ok);
  EXPECT_EQ(refused.limit, RateLimit::kRequests);
  EXPECT_EQ(refused.retry_after_s, 1);
  EXPECT_FALSE(limiter.admit(tenant, 1, 0, now + kSecond - 1).ok);
  EXPECT_TRUE(limiter.admit(tenant, 1, 0, now + kSecond).ok);
  EXPECT_FALSE(limiter.admit(tenant, 1, 0, now + kSecond).ok);
  for (int i = 0; i < 60; ++i) EXPECT_TRUE(limiter.admit(tenant, 1, 0, now + 1000 * kSecond).ok) << i;
  EXPECT_FALSE(limiter.admit(tenant, 1, 0, now + 1000 * kSecond).ok);
}

TEST(RateLimit, RetryAfterIsWhenItIsAdmitted) {
  for (const int64_t tokens : {1, 37, 99, 100, 101, 5000}) {
    RateLimiter limiter;
    const ServedTenant tenant = limited(std::nullopt, Rate{100, 60});
    ASSERT_TRUE(limiter.admit(tenant, 1, 90, 0).ok);
    uint64_t now = 0;
    RateDecision decision = limiter.admit(tenant, 1, tokens, now);
    if (tokens <= 10) {
      EXPECT_TRUE(decision.ok);
      continue;
    }
    ASSERT_FALSE(decision.ok);
    EXPECT_EQ(decision.limit, RateLimit::kTokens);
    ASSERT_GE(decision.retry_after_s, 1);
    now += static_cast<uint64_t>(decision.retry_after_s) * kSecond;
    EXPECT_FALSE(limiter.admit(tenant, 1, tokens, now - kSecond).ok) << tokens;
    EXPECT_TRUE(limiter.admit(tenant, 1, tokens, now).ok) << tokens;
  }
}

TEST(RateLimit, ARefusalTakesNothing) {
  RateLimiter limiter;
  const ServedTenant tenant = limited(Rate{10, 60}, Rate{100, 60});
  ASSERT_TRUE(limiter.admit(tenant, 1, 100, 0).ok);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(limiter.admit(tenant, 1, 50, 0).limit, RateLimit::kTokens);
  for (int i = 0; i < 9; ++i) EXPECT_TRUE(limiter.admit(tenant, 1, 0, 0).ok) << i;
  EXPECT_EQ(limiter.admit(tenant, 1, 0, 0).limit, RateLimit::kRequests);
}

TEST(RateLimit, WhatIsGivenBackCanBeTakenAgain) {
  RateLimiter limiter;
  const ServedTenant tenant = limited(Rate{10, 60}, Rate{100, 60});
  ASSERT_TRUE(limiter.admit(tenant, 1, 100, 0).ok);
  limiter.refund(tenant, 0, 60);
  EXPECT_TRUE(limiter.admit(tenant, 1, 60, 0).ok);
  EXPECT_FALSE(limiter.admit(tenant, 1, 1, 0).ok);
  limiter.refund(tenant, 10, 1'000'000);  // however much: never more than a full bucket
  EXPECT_FALSE(limiter.admit(tenant, 11, 0, 1).ok && limiter.admit(tenant, 1, 0, 1).ok);
  limiter.refund({.id = TenantId{99}}, 1, 1);  // unknown: nothing happens
}

TEST(RateLimit, PlacesAreFreedByTheEnd) {
  RateLimiter limiter;
  ServedTenant tenant = limited(std::nullopt);
  tenant.config.concurrent = 2;
  EXPECT_TRUE(limiter.admit(tenant, 1, 1, 0).ok);
  EXPECT_TRUE(limiter.admit(tenant, 1, 1, 0).ok);
  const RateDecision refused = limiter.admit(tenant, 1, 1, 0);
  EXPECT_FALSE(refused.ok);
  EXPECT_EQ(refused.limit, RateLimit::kConcurrent);
  EXPECT_GE(refused.retry_after_s, 1);
  limiter.end(tenant.id);
  EXPECT_TRUE(limiter.admit(tenant, 1, 1, 0).ok);
  for (int i = 0; i < 10; ++i) limiter.end(tenant.id);
  EXPECT_EQ(limiter.running(tenant.id), 0);
}

TEST(RateLimit, TenantsHaveBucketsOfTheirOwn) {
  RateLimiter limiter;
  ServedTenant other = limited(Rate{1, 60});
  other.id = TenantId{2};
  const ServedTenant tenant = limited(Rate{1, 60});
  EXPECT_TRUE(limiter.admit(tenant, 1, 0, 0).ok);
  EXPECT_FALSE(limiter.admit(tenant, 1, 0, 0).ok);
  EXPECT_TRUE(limiter.admit(other, 1, 0, 0).ok);
}

TEST(RateLimit, AReloadKeepsBucketsOfWhoStaysAndOfWhatRuns) {
  RateLimiter limiter;
  const ServedTenant tenant = limited(Rate{1, 60});
  ASSERT_TRUE(limiter.admit(tenant, 1, 0, 0).ok);
  limiter.keep_only({});  // runs
  EXPECT_EQ(limiter.size(), 1U);
  limiter.end(tenant.id);
  limiter.keep_only(std::array{tenant.id});
  EXPECT_FALSE(limiter.admit(tenant, 1, 0, 0).ok);
  limiter.keep_only({});
  EXPECT_EQ(limiter.size(), 0U);
}

TEST(RateLimit, HugeNumbersDoNotOverflow) {
  RateLimiter limiter;
  const ServedTenant tenant = limited(Rate{1, 86400}, Rate{kMostOfARate, 86400});
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  const uint64_t late = uint64_t{1} << 62;
  EXPECT_TRUE(limiter.admit(tenant, 1, kMost, late).ok);
  const RateDecision refused = limiter.admit(tenant, kMost, kMost, late);
  EXPECT_FALSE(refused.ok);
  EXPECT_LE(refused.retry_after_s, 101 * 86400);
  limiter.refund(tenant, kMost, kMost);
}

// Over a long time of random calls no more passes than the burst and what the rate brings.
TEST(RateLimit, NeverLetsMoreThrough) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    RateLimiter limiter;
    const ServedTenant tenant = limited(std::nullopt, Rate{1000, 60});
    uint64_t now = 5 * kSecond;
    const uint64_t begin = now;
    int64_t passed = 0;
    for (uint64_t i = 0; i < 2000; ++i) {
      now += random_bits(seed, 0, i) % kSecond;
      const auto tokens = static_cast<int64_t>(1 + random_bits(seed, 1, i) % 200);
      if (limiter.admit(tenant, 1, tokens, now).ok) passed += tokens;
    }
    const auto most = static_cast<int64_t>(1000 + (now - begin) / kSecond * 1000 / 60 + 17);
    EXPECT_LE(passed, most);
    EXPECT_GE(passed, most * 9 / 10);  // and not much less: the calls ask for more than the rate
  }
}

}  // namespace
}  // namespace cairn
