#include "server/access.h"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "server/server_testing.h"

namespace cairn {
namespace {

class AccessTest : public ::testing::Test {
 protected:
  void open(const std::string& keys, int64_t texts_max) {
    std::shared_ptr<const KeyTable> table;
    if (!keys.empty()) table = std::make_shared<const KeyTable>(*KeyTable::parse(keys, "keys"));
    tenants_.emplace(table, TenantSharing::kWithinTenant);
    access_.emplace(
        Access::Parts{.tenants = *tenants_, .rates = rates_, .metrics = metrics_, .clock = clock_},
        texts_max);
  }
  static HttpHead with_key(std::string_view key) {
    return {.method = "GET", .path = "/", .headers = {{"Authorization", "Bearer " + std::string(key)}}};
  }
  TenantRef tenant(std::string_view key) { return *access_->who(with_key(key)); }
  // Whether there was room; the place is kept until the test ends.
  bool enters(std::string_view key, int64_t texts = 1) {
    auto entered = access_->enter(tenant(key), {.texts = texts, .tokens = 10});
    if (auto* place = std::get_if<Access::Place>(&entered)) {
      places_.push_back(std::move(*place));
      return true;
    }
    EXPECT_EQ(std::get<Access::Refusal>(entered).error.status, 429);
    EXPECT_GE(std::get<Access::Refusal>(entered).retry_after_s.value_or(0), 1);
    return false;
  }

  SteadyClock clock_;
  Metrics metrics_{MetricsOptions{}};
  RateLimiter rates_;
  std::optional<Tenants> tenants_;
  std::optional<Access> access_;
  std::vector<Access::Place> places_;
};

TEST_F(AccessTest, KeysComeInEitherHeader) {
  open(test_key_line("alice", "a"), 10);
  EXPECT_TRUE(access_->who(with_key("a")).ok());
  EXPECT_TRUE(access_->who({.method = "GET", .path = "/", .headers = {{"x-api-key", "a"}}}).ok());
  EXPECT_EQ(access_->who(with_key("b")).error().status, 401);
  EXPECT_EQ(access_->who({.method = "GET", .path = "/"}).error().status, 401);
}

TEST_F(AccessTest, WithoutKeysOneMayFillTheHouse) {
  open("", 6);
  EXPECT_TRUE(enters("", 4));
  EXPECT_FALSE(enters("", 3));
  EXPECT_TRUE(enters("", 2));
  EXPECT_FALSE(enters(""));
  EXPECT_EQ(access_->texts_inside(), 6);
  places_.clear();
  EXPECT_EQ(access_->texts_inside(), 0);
  EXPECT_TRUE(enters("", 6));
}

TEST_F(AccessTest, ABurstLeavesTheOthersTheirParts) {
  open(test_key_line("alice", "a", "weight=3") + test_key_line("bob", "b"), 16);
  // Eight places are parted six to two, eight are for anybody.
  EXPECT_TRUE(enters("a", 14));
  EXPECT_FALSE(enters("a"));
  EXPECT_TRUE(enters("b", 2));
  EXPECT_FALSE(enters("b"));
}

TEST_F(AccessTest, ALightTenantHasAPlaceToo) {
  open(test_key_line("whale", "w", "weight=1000") + test_key_line("minnow", "m"), 10);
  while (enters("w")) {
  }
  EXPECT_TRUE(enters("m"));
}

TEST_F(AccessTest, MoreTextsThanTheHouseHoldsAreWrong) {
  open("", 2);
  auto refused = access_->enter(tenant(""), {.texts = 3, .tokens = 0});
  ASSERT_TRUE(std::holds_alternative<Access::Refusal>(refused));
  EXPECT_EQ(std::get<Access::Refusal>(refused).error.status, 400);
  EXPECT_FALSE(std::get<Access::Refusal>(refused).retry_after_s.has_value());
}

TEST_F(AccessTest, MoreTextsThanATenantMayEverHaveAreWrong) {
  open(test_key_line("alice", "a") + test_key_line("bob", "b", "weight=3"), 17);
  // Of eight that are parted two, and the nine that are for anybody.
  auto refused = access_->enter(tenant("a"), {.texts = 12, .tokens = 0});
  ASSERT_TRUE(std::holds_alternative<Access::Refusal>(refused));
  EXPECT_EQ(std::get<Access::Refusal>(refused).error.status, 400);
  EXPECT_EQ(std::get<Access::Refusal>(refused).error.param, "n");
  EXPECT_TRUE(enters("a", 11));
}

TEST_F(AccessTest, TokensThatCameBeyondTheWishAreCharged) {
  open(test_key_line("alice", "a", "tokens=100/day"), 10);
  EXPECT_TRUE(enters("a"));
  places_.back().set_used_tokens(100);
  places_.clear();
  EXPECT_FALSE(enters("a"));
}

TEST_F(AccessTest, WhatIsRefusedTakesNothing) {
  open(test_key_line("alice", "a", "concurrent=1"), 10);
  EXPECT_TRUE(enters("a"));
  EXPECT_FALSE(enters("a"));
  EXPECT_EQ(access_->texts_inside(), 1);
  places_.clear();
  EXPECT_TRUE(enters("a"));
}

TEST_F(AccessTest, TokensThatWereNotUsedAreGivenBack) {
  open(test_key_line("alice", "a", "tokens=10/day"), 10);
  EXPECT_TRUE(enters("a"));
  EXPECT_FALSE(enters("a"));
  places_.back().set_used_tokens(0);
  places_.clear();
  EXPECT_TRUE(enters("a"));
  places_.back().set_used_tokens(10);
  places_.clear();
  EXPECT_FALSE(enters("a"));
}

}  // namespace
}  // namespace cairn
