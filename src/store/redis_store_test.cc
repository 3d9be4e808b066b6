// The client of the remote store against one real server.
#include "store/redis_store.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "store/redis_certificate_testing.h"
#include "store/redis_server_testing.h"
#include "store/redis_store_testing.h"

namespace cairn {
namespace {

using std::chrono::milliseconds;

TEST(RedisStoreTest, WhatIsStoredIsFoundAndNothingElse) {
  CAIRN_NEEDS_REDIS();
  const RedisServer server;
  const auto store = make_store({server.url()});
  const TestItems items(20, 3000);
  EXPECT_EQ(store->set(items.items()).done, 20u);
  const Got got = get_numbers(*store, {0, 19, 77, 5});
  EXPECT_EQ(got.tally.done, 3u);
  EXPECT_EQ(got.tally.absent, 1u);
  EXPECT_EQ(got.tally.failed, 0u);
  EXPECT_EQ(got.values[0], items.bytes(0));
  EXPECT_EQ(got.values[1], items.bytes(19));
  EXPECT_EQ(got.values[2], std::nullopt);
  EXPECT_EQ(got.values[3], items.bytes(5));

  const RedisCounts counts = store->counts();
  EXPECT_EQ(counts.stored, 20u);
  EXPECT_EQ(counts.hits, 3u);
  EXPECT_EQ(counts.misses, 1u);
  EXPECT_EQ(counts.failures, 0u);
  EXPECT_GT(counts.sent_bytes, 20u * 3000);
  EXPECT_GT(counts.received_bytes, 3u * 3000);
  EXPECT_TRUE(store->ping().ok());
}

TEST(RedisStoreTest, ValuesOfManySizesComeBackTheSame) {
  CAIRN_NEEDS_REDIS();
  const RedisServer server;
  const auto store = make_store({server.url()});
  int number = 0;
  for (const size_t size : {size_t{0}, size_t{1}, size_t{2}, size_t{131'071}, size_t{131'072},
                            size_t{131'073}, size_t{737'280}, size_t{5'000'001}}) {
    const std::string name = redis_test_name(++number);
    const std::vector<std::byte> bytes = redis_test_bytes(number, size);
    const RedisItem item{.name = name, .bytes = bytes};
    EXPECT_EQ(store->set({&item, 1}).done, 1u);
    EXPECT_EQ(get_numbers(*store, {number}).values[0], bytes) << size;
  }
}

TEST(RedisStoreTest, AnEmptyCallDoesNothing) {
  CAIRN_NEEDS_REDIS();
  const RedisServer server;
  const auto store = make_store({server.url()});
  EXPECT_EQ(store->set({}).done, 0u);
  EXPECT_TRUE(get_numbers(*store, {}).values.empty());
}

TEST(RedisStoreTest, NamesMayHaveAnyBytes) {
  CAIRN_NEEDS_REDIS();
  const RedisServer server;
  const auto store = make_store({server.url()});
  const std::vector<std::string> names = {std::string(1, '\0'), "\r\n", "*", "{a}",
                                          std::string(kRedisNameBytesMax, '\xff')};
  for (size_t i = 0; i < names.size(); ++i) {
    const std::vector<std::byte> bytes = redis_test_bytes(static_cast<int>(i), 10);
    const RedisItem item{.name = names[i], .bytes = bytes};
    EXPECT_EQ(store->set({&item, 1}).done, 1u);
  }
  for (size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(get_names(*store, {names[i]}).values[0], redis_test_bytes(static_cast<int>(i), 10));
  }
  EXPECT_EQ(server.ask({"GET", "cairn:0d0a"}).bytes, redis_test_bytes(1, 10));
}

TEST(RedisStoreTest, ExistsAndEraseSayHowManyThereWere) {
  CAIRN_NEEDS_REDIS();
  const RedisServer server;
  const auto store = make_store({server.url()});
  const TestItems items(3, 10);
  EXPECT_EQ(store->set(items.items()).done, 3u);
  std::vector<bool> found;
  const std::string other = redis_test_name(99);
  const std::vector<std::string_view> asked = {items.name(0), other, items.name(2)};
  EXPECT_EQ(store->exists(asked, found).done, 2u);
  EXPECT_EQ(found, (std::vector<bool>{true, false, true}));
  const RedisTally erased = store->erase(asked);
  EXPECT_EQ(erased.done, 2u);
  EXPECT_EQ(erased.absent, 1u);
  EXPECT_EQ(get_numbers(*store, {0, 1, 2}).tally.done, 1u);
}

TEST(RedisStoreTest, EraseAllErasesNamesThatBeginAlikeAndNoOthers) {
  CAIRN_NEEDS_REDIS();
  const RedisServer server;
  const auto store = make_store({server.url()});
  const auto other =
      make_store({server.url()}, [](RedisStoreOptions& options) { options.key_prefix = "other:"; });
  for (int i = 0; i < 2000; ++i) {
    const std::string name = (i % 2 == 0 ? "even" : "odd!") + redis_test_name(i);
    const RedisItem item{.name = name, .bytes = {}};
    ASSERT_EQ(store->set({&item, 1}).done, 1u);
    if (i < 10) ASSERT_EQ(other->set({&item, 1}).done, 1u);
  }
  const Result<uint64_t> erased = store->erase_all("even", milliseconds(20'000));
  ASSERT_TRUE(erased.ok()) << erased.status().message();
  EXPECT_EQ(*erased, 1000u);
  EXPECT_EQ(server.ask({"DBSIZE"}).integer, 1010);
  ASSERT_TRUE(store->erase_all("", milliseconds(20'000)).ok());
  EXPECT_EQ(server.ask({"DBSIZE"}).integer, 10);
}

TEST(RedisStoreTest, ValuesMayEndByTime) {
  CAIRN_NEEDS_REDIS();
  const RedisServer server;
  const auto store =
      make_store({server.url()}, [](RedisStoreOptions& options) { options.ttl = milliseconds(3'600'000); });
  const TestItems items(1, 100);
  EXPECT_EQ(store->set(items.items()).done, 1u);
  const std::string key = "cairn:" + hex_of(items.name(0));
  const int64_t left_ms = server.ask({"PTTL", key}).integer;
  EXPECT_GT(left_ms, 3'000'000);
  EXPECT_LE(left_ms, 3'600'000);
  EXPECT_EQ(get_numbers(*store, {0}).values[0], items.bytes(0));
}

TEST(RedisStoreTest, ValuesOverTheLimitAreNeitherStoredNorTaken) {
  CAIRN_NEEDS_REDIS();
  const RedisServer server;
  const auto generous = make_store({server.url()});
  const auto strict =
      make_store({server.url()}, [](RedisStoreOptions& options) { options.value_bytes_max = 1000; });
  const TestItems large(2, 1001);
  const RedisTally refused = strict->set(large.items());
  EXPECT_EQ(refused.failed, 2u);
  EXPECT_EQ(strict->counts().refused_sizes, 2u);
  EXPECT_EQ(server.ask({"DBSIZE"}).integer, 0);
  EXPECT_EQ(generous->set(large.items()).done, 2u);
  const Got got = get_numbers(*strict, {0, 1});
  EXPECT_EQ(got.tally.failed, 2u);
  EXPECT_EQ(got.values[0], std::nullopt);

  const TestItems huge(1, 3 << 20);  // over what a reply may have at all
  EXPECT_EQ(generous->set(huge.items()).done, 1u);
  EXPECT_EQ(get_numbers(*strict, {0}).tally.failed, 1u);
  EXPECT_EQ(strict->counts().garbage_errors, 1u);
  EXPECT_EQ(get_numbers(*generous, {0}).values[0], huge.bytes(0));
}

TEST(RedisStoreTest, AFullServerRefusesAndAnEvictingOneForgets) {
  CAIRN_NEEDS_REDIS();
  const TestItems items(40, 1 << 20);
  {
    const RedisServer full({"--maxmemory", "12mb", "--maxmemory-policy", "noeviction"});
    const auto store = make_store({full.url()});
    const RedisTally tally = store->set(items.items());
    EXPECT_GT(tally.failed, 20u);
    EXPECT_EQ(store->counts().error_replies, tally.failed);
    EXPECT_TRUE(store->ping().ok());
    EXPECT_EQ(store->state().nodes[0].breaker, RedisBreaker::State::kClosed);
  }
  const RedisServer evicting({"--maxmemory", "12mb", "--maxmemory-policy", "allkeys-lru"});
  const auto store = make_store({evicting.url()});
  EXPECT_EQ(store->set(items.items()).done, 40u);
  std::vector<int> numbers;
  for (int i = 0; i < 40; ++i) numbers.push_back(i);
  const Got got = get_numbers(*store, numbers);
  EXPECT_GT(got.tally.done, 0u);
  EXPECT_GT(got.tally.absent, 20u);
  for (int i = 0; i < 40; ++i) {
    if (got.values[i]) EXPECT_EQ(got.values[i], items.bytes(i));
  }
}

TEST(RedisStoreTest, PasswordUserAndDatabaseAreUsed) {
  CAIRN_NEEDS_REDIS();
  const RedisServer server({"--requirepass", "p@ss/word"}, "p@ss/word");
  server.ask({"ACL", "SETUSER", "cairn", "on", ">secret", "~cairn:*", "+@all"});
  const std::string place = "127.0.0.1:" + std::to_string(server.port());
  const TestItems items(1, 10);
  for (const std::string& url : {"redis://p%40ss%2Fword@" + place, "redis://cairn:secret@" + place + "/3"}) {
    const auto store = make_store({url});
    EXPECT_TRUE(store->ping().ok()) << store->ping().message();
    EXPECT_EQ(store->set(items.items()).done, 1u);
    EXPECT_EQ(get_numbers(*store, {0}).values[0], items.bytes(0));
  }
  EXPECT_NE(server.ask({"INFO", "keyspace"}).bytes_text().find("db3:keys=1"), std::string_view::npos);

  for (const std::string& url :
       {"redis://" + place, "redis://wrong@" + place, "redis://cairn:wrong@" + place}) {
    const auto store = make_store({url});
    EXPECT_EQ(get_numbers(*store, {0}).tally.failed, 1u);
    const Status status = store->ping();
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(status.message().find("wrong@"), std::string::npos);
    EXPECT_NE(status.message().find(place), std::string::npos) << status.message();
  }
}

TEST(RedisStoreTest, TlsIsSpokenAndCertificatesAreChecked) {
  CAIRN_NEEDS_REDIS();
  const TemporaryFolder folder;
  const RedisCertificates files = make_redis_certificates(folder.path());
  const uint16_t tls_port = free_port();
  const RedisServer server({"--tls-port", std::to_string(tls_port), "--tls-cert-file", files.certificate,
                            "--tls-key-file", files.key, "--tls-ca-cert-file", files.authority,
                            "--tls-auth-clients", "no"});
  const TestItems items(4, 737'280);
  const auto trusting = [&](RedisStoreOptions& options) { options.certificates = files.authority; };
  for (const char* host : {"127.0.0.1", "localhost"}) {
    const auto store =
        make_store({"rediss://" + std::string(host) + ":" + std::to_string(tls_port)}, trusting);
    EXPECT_TRUE(store->ping().ok()) << store->ping().message();
    EXPECT_EQ(store->set(items.items()).done, 4u);
    const Got got = get_numbers(*store, {3, 0});
    EXPECT_EQ(got.values[0], items.bytes(3));
    EXPECT_EQ(got.values[1], items.bytes(0));
  }
  const std::string url = "rediss://127.0.0.1:" + std::to_string(tls_port);
  const auto doubting = make_store({url});  // the system does not know this authority
  EXPECT_EQ(get_numbers(*doubting, {0}).tally.failed, 1u);
  EXPECT_GE(doubting->counts().connect_errors, 1u);
  EXPECT_FALSE(doubting->ping().ok());
  // The certificate is not for this host, though it is the same machine.
  const auto elsewhere = make_store({"rediss://127.0.0.2:" + std::to_string(tls_port)}, trusting);
  EXPECT_EQ(get_numbers(*elsewhere, {0}).tally.failed, 1u);
  const auto careless =
      make_store({url}, [](RedisStoreOptions& options) { options.trust = RedisTrust::kAnyCertificate; });
  EXPECT_EQ(get_numbers(*careless, {0}).values[0], items.bytes(0));
  // TLS to a port that does not speak it, and the other way round.
  const auto hasty = [&](RedisStoreOptions& options) {
    trusting(options);
    options.connect_deadline = options.deadline = milliseconds(300);
  };
  const auto too_secure = make_store({"rediss://127.0.0.1:" + std::to_string(server.port())}, hasty);
  EXPECT_EQ(get_numbers(*too_secure, {0}).tally.failed, 1u);
  const auto too_open = make_store({"redis://127.0.0.1:" + std::to_string(tls_port)}, hasty);
  EXPECT_EQ(get_numbers(*too_open, {0}).tally.failed, 1u);
}

TEST(RedisStoreTest, OptionsThatMakeNoSenseAreRefused) {
  const auto refused = [](const std::function<void(RedisStoreOptions&)>& change) {
    RedisStoreOptions options{.urls = {"redis://127.0.0.1"}};
    change(options);
    return RedisStore::create(std::move(options)).status();
  };
  using Options = RedisStoreOptions;
  EXPECT_TRUE(refused([](Options&) {}).ok());
  EXPECT_FALSE(refused([](Options& o) { o.urls.clear(); }).ok());
  EXPECT_FALSE(refused([](Options& o) { o.urls = {"http://127.0.0.1"}; }).ok());
  EXPECT_FALSE(refused([](Options& o) { o.urls = {"redis://a", "rediss://b"}; }).ok());
  EXPECT_FALSE(refused([](Options& o) { o.urls = {"redis://a/1", "redis://b/1"}; }).ok());
  EXPECT_FALSE(refused([](Options& o) { o.key_prefix = "a*"; }).ok());
  EXPECT_FALSE(refused([](Options& o) { o.deadline = milliseconds(0); }).ok());
  EXPECT_FALSE(refused([](Options& o) { o.value_bytes_max = 0; }).ok());
  EXPECT_FALSE(refused([](Options& o) { o.pipeline_depth = 0; }).ok());
  EXPECT_FALSE(refused([](Options& o) { o.ttl = milliseconds(-1); }).ok());
  const Status no_file = refused([](Options& o) {
    o.urls = {"rediss://a"};
    o.certificates = "/nowhere/at all.pem";
  });
  EXPECT_NE(no_file.message().find("/nowhere/at all.pem"), std::string::npos) << no_file.message();
}

}  // namespace
}  // namespace cairn
