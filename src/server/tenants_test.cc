#include "server/tenants.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

namespace cairn {
namespace {

std::shared_ptr<const KeyTable> keys(const std::vector<TenantConfig>& configs) {
  std::string text;
  for (const TenantConfig& config : configs) text += key_line(config) + "\n";
  auto table = KeyTable::parse(text, "keys");
  EXPECT_TRUE(table.ok()) << table.status().message();
  return std::make_shared<const KeyTable>(*table);
}

TenantConfig tenant(const std::string& name, int64_t weight = 1) {
  return {.name = name, .key_hash = hash_of_key("key of " + name), .weight = weight};
}

TenantRef found(const Tenants& tenants, const std::string& name) { return tenants.find("key of " + name); }

std::optional<TenantShare> share_of(const Tenants& tenants, TenantId id) {
  for (const TenantShare& share : tenants.shares()) {
    if (share.id == id) return share;
  }
  return std::nullopt;
}

TEST(Tenants, WithoutKeysEveryoneIsAnonymous) {
  const Tenants tenants(nullptr, TenantSharing::kWithinTenant);
  EXPECT_FALSE(tenants.needs_key());
  for (const std::optional<std::string_view> key :
       {std::optional<std::string_view>(), std::optional<std::string_view>("any")}) {
    const TenantRef anonymous = tenants.find(key);
    ASSERT_NE(anonymous, nullptr);
    EXPECT_EQ(anonymous->config.name, "anonymous");
    EXPECT_EQ(anonymous->id, TenantId{});
    EXPECT_EQ(anonymous->salt, "");
  }
  EXPECT_EQ(tenants.list().size(), 1U);
  EXPECT_TRUE(tenants.shares().empty());
}

TEST(Tenants, WithKeysOnlyTheyOpen) {
  const Tenants tenants(keys({tenant("a"), tenant("b", 3)}), TenantSharing::kWithinTenant);
  EXPECT_TRUE(tenants.needs_key());
  EXPECT_EQ(tenants.find(std::nullopt), nullptr);
  EXPECT_EQ(tenants.find(""), nullptr);
  EXPECT_EQ(tenants.find("key of c"), nullptr);
  const TenantRef a = found(tenants, "a");
  const TenantRef b = found(tenants, "b");
  ASSERT_NE(a, nullptr);
  ASSERT_NE(b, nullptr);
  EXPECT_NE(a->id, b->id);
  EXPECT_NE(a->id, TenantId{});
  EXPECT_NE(b->id, TenantId{});
  EXPECT_NE(a->salt, b->salt);
  EXPECT_NE(a->salt, "");
  EXPECT_EQ(share_of(tenants, b->id)->weight, 3);
}

TEST(Tenants, ShareBlocksOnlyWhereThatIsAsked) {
  const Tenants tenants(keys({tenant("a"), tenant("b")}), TenantSharing::kAcrossTenants);
  EXPECT_EQ(found(tenants, "a")->salt, "");
  EXPECT_EQ(found(tenants, "b")->salt, "");
  EXPECT_NE(found(tenants, "a")->id, found(tenants, "b")->id);
}

TEST(Tenants, AReloadKeepsIdsByName) {
  Tenants tenants(keys({tenant("a"), tenant("b")}), TenantSharing::kWithinTenant);
  const TenantId a = found(tenants, "a")->id;
  const TenantId b = found(tenants, "b")->id;
  TenantConfig changed = tenant("b", 5);
  changed.kv_quota_bytes = 77;
  const auto change = tenants.reload(keys({tenant("c"), changed, tenant("a")}));
  EXPECT_EQ(change.added, 1U);
  EXPECT_EQ(change.changed, 1U);
  EXPECT_EQ(change.removed, 0U);
  EXPECT_EQ(found(tenants, "a")->id, a);
  EXPECT_EQ(found(tenants, "b")->id, b);
  EXPECT_NE(found(tenants, "c")->id, a);
  EXPECT_NE(found(tenants, "c")->id, b);
  EXPECT_EQ(share_of(tenants, b)->weight, 5);
  EXPECT_EQ(share_of(tenants, b)->kv_quota_bytes, 77U);
  EXPECT_EQ(tenants.list()[0]->config.name, "c");
}

TEST(Tenants, AnotherKeyForANameIsTheSameTenantWithAnotherSalt) {
  Tenants tenants(keys({tenant("a")}), TenantSharing::kWithinTenant);
  const TenantRef before = found(tenants, "a");
  TenantConfig config = tenant("a");
  config.key_hash = hash_of_key("new");
  tenants.reload(keys({config}));
  EXPECT_EQ(found(tenants, "a"), nullptr);
  EXPECT_EQ(tenants.find("new")->id, before->id);
  EXPECT_NE(tenants.find("new")->salt, before->salt);
}

TEST(Tenants, WhoIsRemovedKeepsIdAndShareWhileRequestsRun) {
  Tenants tenants(keys({tenant("a", 4), tenant("b")}), TenantSharing::kWithinTenant);
  TenantRef request = found(tenants, "a");
  const TenantId a = request->id;
  EXPECT_EQ(tenants.reload(keys({tenant("b")})).removed, 1U);
  EXPECT_EQ(found(tenants, "a"), nullptr);
  EXPECT_EQ(share_of(tenants, a)->weight, 4);
  tenants.reload(keys({tenant("b"), tenant("c")}));
  EXPECT_NE(found(tenants, "c")->id, a);

  tenants.reload(keys({tenant("b"), tenant("a", 9)}));  // it is back while its request runs
  EXPECT_EQ(found(tenants, "a")->id, a);
  EXPECT_EQ(share_of(tenants, a)->weight, 9);
  EXPECT_EQ(request->config.weight, 4);

  tenants.reload(keys({tenant("b")}));
  EXPECT_EQ(share_of(tenants, a)->weight, 4);  // the old request's
  request.reset();
  tenants.reload(keys({tenant("b")}));
  EXPECT_FALSE(share_of(tenants, a).has_value());
  tenants.reload(keys({tenant("b"), tenant("d")}));
  EXPECT_NE(found(tenants, "d")->id, a);  // an id is never another's
}

TEST(Tenants, ManyReloadsTakeNoMoreRoom) {
  Tenants tenants(keys({tenant("a")}), TenantSharing::kWithinTenant);
  for (int i = 0; i < 500; ++i)
    tenants.reload(keys({tenant("a", 1 + i % 7), tenant("n" + std::to_string(i))}));
  EXPECT_EQ(tenants.shares().size(), 2U);
}

TEST(Tenants, ReloadsAndReadsAtOnce) {
  Tenants tenants(keys({tenant("a"), tenant("b")}), TenantSharing::kWithinTenant);
  const TenantId a = found(tenants, "a")->id;
  std::atomic<bool> is_over{false};
  std::vector<std::thread> readers;
  readers.reserve(3);
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!is_over) {
        const TenantRef entry = found(tenants, "a");
        ASSERT_NE(entry, nullptr);
        ASSERT_EQ(entry->id, a);
        ASSERT_GE(tenants.shares().size(), 1U);
        ASSERT_GE(tenants.list().size(), 1U);
      }
    });
  }
  for (int i = 0; i < 300; ++i) {
    tenants.reload(i % 2 == 0 ? keys({tenant("a", 1 + i)}) : keys({tenant("c"), tenant("a")}));
  }
  is_over = true;
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace cairn
