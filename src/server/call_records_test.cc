#include "server/call_records.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

constexpr TenantId kAlice{1};
constexpr TenantId kBob{2};

class CallRecordsTest : public ::testing::Test {
 protected:
  CallRecordsTest()
      : metrics_({}), log_(*Log::to_sink({}, [](std::string_view) {})), records_(metrics_, *log_) {}

  void keep(TenantId tenant, const std::string& id) { records_.keep(tenant, {.id = id}); }
  bool knows(TenantId tenant, std::string_view id) { return records_.find(tenant, id).has_value(); }

  Metrics metrics_;
  std::unique_ptr<Log> log_;
  CallRecords records_;
};

TEST_F(CallRecordsTest, AnExplanationIsItsTenantsAlone) {
  keep(kAlice, "a");
  EXPECT_TRUE(knows(kAlice, "a"));
  EXPECT_TRUE(knows(kAlice, "last"));
  EXPECT_FALSE(knows(kBob, "a"));
  EXPECT_FALSE(knows(kBob, "last"));
}

TEST_F(CallRecordsTest, TheLatestOfATenantAreKept) {
  for (size_t i = 0; i <= CallRecords::kMostOfATenant; ++i) keep(kAlice, std::to_string(i));
  keep(kBob, "b");
  EXPECT_FALSE(knows(kAlice, "0"));
  EXPECT_TRUE(knows(kAlice, "1"));
  EXPECT_EQ(records_.find(kAlice, "last")->id, std::to_string(CallRecords::kMostOfATenant));
  EXPECT_TRUE(knows(kBob, "b"));
}

TEST_F(CallRecordsTest, ManyTenantsCostBoundedMemory) {
  for (uint32_t i = 1; i <= CallRecords::kMostTenants; ++i) keep({i}, "x");
  keep({1}, "again");  // used last, so it stays
  keep({5000}, "x");
  EXPECT_TRUE(knows({1}, "again"));
  EXPECT_FALSE(knows({2}, "x"));
  EXPECT_TRUE(knows({5000}, "x"));
}

}  // namespace
}  // namespace cairn
