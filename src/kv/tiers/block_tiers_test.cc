// Blocks that leave a cache for a disk and a real Redis, and come back into the next one.
#include "kv/tiers/block_tiers.h"

#include <gtest/gtest.h>

#include "base/temporary_folder_testing.h"
#include "kv/kv_cache_testing.h"
#include "store/redis_server_testing.h"

namespace cairn {
namespace {

KvCacheOptions cache_options(std::string identity = "model=a") {
  return {.shape = grouped_shape("f16", {0, 1, 1}),
          .identity = std::move(identity),
          .context = 640,
          .max_sequences = 3,
          .step_rows = 128};
}

// A cache with tiers; both anew with each.
struct Ladder {
  Ladder(const BlockTierOptions& options, KvCacheOptions of_cache = cache_options())
      : cache(make_cache(std::move(of_cache))) {
    auto made = BlockTiers::create(options, *cache, 512);
    EXPECT_TRUE(made.ok()) << made.status().message();
    tiers = std::move(*made);
    tiers->watch(*cache);
  }
  ~Ladder() { cache->watch_sealed({}); }

  // Loads what follows the sequence's rows of this text; returns how many blocks came.
  int64_t load(TestSequence& sequence, std::span<const TokenId> text, const OwnerTag& owner = {}) {
    const PrefixNames names = cache->names_of(text, sequence.salt);
    auto begun = tiers->begin_load({.tokens = text,
                                    .names = names,
                                    .first_block = sequence.length() / kBlockSize,
                                    .end_block = findable_blocks(std::ssize(text))},
                                   owner);
    report = begun.report;
    int64_t count = 0;
    if (begun.load == nullptr) return 0;
    while (!begun.load->has_ended()) {
      const auto tokens = text.subspan(static_cast<size_t>(sequence.length()));
      if (!begun.load->front().has_value()) {
        tiers->wait_for_news(std::chrono::milliseconds(1000));
        continue;
      }
      EXPECT_EQ(cache->reserve(sequence.lease, sequence.length() + kBlockSize), Room::kOk);
      EXPECT_TRUE(tiers->restore_next(*begun.load, *cache, sequence.lease, tokens.first(kBlockSize)));
      for (const TokenId token : tokens.first(kBlockSize)) sequence.push(token);
      ++count;
    }
    report = begun.load->report();
    return count;
  }

  std::unique_ptr<BlockTiers> tiers;  // outlives the cache
  std::unique_ptr<KvCache> cache;
  LoadReport report;
};

BlockTierOptions on_disk(const TemporaryFolder& folder) {
  BlockTierOptions options{.load = LoadPolicy::kAlways};
  auto store = DiskStore::open({.folder = folder.at("kept"), .size_bytes = 64 << 20});
  EXPECT_TRUE(store.ok()) << store.status().message();
  options.disk = std::move(*store);
  return options;
}

BlockTierOptions on(const RedisServer& server,
                    std::chrono::milliseconds deadline = std::chrono::milliseconds(1000)) {
  BlockTierOptions options{.load = LoadPolicy::kAlways};
  options.remote = RedisStore::create({.urls = {server.url()}, .deadline = deadline}).value();
  return options;
}

BlockTierOptions on(const RedisServer& server, const TemporaryFolder& folder) {
  BlockTierOptions both = on(server);
  both.disk = on_disk(folder).disk;
  return both;
}

void fill(Ladder& ladder, std::span<const TokenId> text, std::string_view salt = {}) {
  const TestSequence computed = prefilled(*ladder.cache, text, std::string(salt));
  ASSERT_TRUE(ladder.tiers->flush().ok());
}

TEST(BlockTiers, ADiskGivesBackWhatWasSealed) {
  const TemporaryFolder folder;
  const auto text = some_tokens(200);
  {
    Ladder before(on_disk(folder));
    fill(before, text);
    EXPECT_EQ(before.tiers->counts().writer.kept[0], 6U);
    EXPECT_EQ(before.tiers->counts().disk->record_count, 6U);
  }
  Ladder after(on_disk(folder));
  TestSequence sequence = begin(*after.cache, text);
  EXPECT_EQ(after.load(sequence, text), 6);
  expect_intact(*after.cache, sequence);
  EXPECT_EQ(after.report.positions[0], 192);
  EXPECT_EQ(after.tiers->counts().writer.kept[0], 0U);  // it has them
}

TEST(BlockTiers, ARemoteStoreGivesThemToAnotherMachineWhichKeepsThemOnItsDisk) {
  CAIRN_NEEDS_REDIS();
  const RedisServer server;
  const TemporaryFolder folder;
  const auto text = some_tokens(500);
  Ladder one(on(server));
  fill(one, text);
  EXPECT_EQ(one.tiers->counts().writer.kept[1], 15U);

  const BlockTierOptions both = on(server, folder);
  Ladder other(both);
  TestSequence sequence = begin(*other.cache, text);
  EXPECT_EQ(other.load(sequence, text), 15);
  expect_intact(*other.cache, sequence);
  EXPECT_EQ(other.report.positions[1], 480);
  ASSERT_TRUE(other.tiers->flush().ok());
  EXPECT_EQ(other.tiers->counts().writer.kept[0], 15U);
  EXPECT_EQ(other.tiers->counts().writer.kept[1], 0U);  // it came from there
}

TEST(BlockTiers, TheDiskIsAskedFirstAndTheRemoteStoreForTheRest) {
  CAIRN_NEEDS_REDIS();
  const RedisServer server;
  const TemporaryFolder folder;
  const auto text = some_tokens(300);
  {
    Ladder disk(on_disk(folder));
    fill(disk, std::span(text).first(100));
  }
  Ladder remote(on(server));
  fill(remote, text);
  const BlockTierOptions both = on(server, folder);
  Ladder other(both);
  TestSequence sequence = begin(*other.cache, text);
  EXPECT_EQ(other.load(sequence, text), 9);
  expect_intact(*other.cache, sequence);
  EXPECT_EQ(other.report.positions[0], 96);
  EXPECT_EQ(other.report.positions[1], 192);
}

TEST(BlockTiers, AnotherModelSaltOrTenantFindsNothing) {
  CAIRN_NEEDS_REDIS();
  const RedisServer server;
  const TemporaryFolder folder;
  const auto text = some_tokens(200);
  const BlockTierOptions both = on(server, folder);
  {
    Ladder one(both);
    fill(one, text, "salt");
  }
  {
    Ladder other(both, cache_options("model=b"));
    TestSequence sequence = begin(*other.cache, text, "salt");
    EXPECT_EQ(other.load(sequence, text), 0);
  }
  Ladder same(both);
  TestSequence other_salt = begin(*same.cache, text, "another");
  EXPECT_EQ(same.load(other_salt, text), 0);
  EXPECT_EQ(same.report.found_positions, 0);
  TestSequence sequence = begin(*same.cache, text, "salt");
  EXPECT_EQ(same.load(sequence, text), 6);
}

// Values that somebody else put under the right names are not used.
TEST(BlockTiers, AValueThatIsNoSuchBlockIsAMiss) {
  CAIRN_NEEDS_REDIS();
  const RedisServer server;
  const auto text = some_tokens(200);
  {
    Ladder one(on(server));
    fill(one, text);
  }
  // Every value becomes that of one block: whole, and of another name.
  const RespValue keys = server.ask({"KEYS", "*"});
  ASSERT_EQ(keys.elements.size(), 6U);
  const RespValue some = server.ask({"GET", keys.elements[0].bytes_text()});
  for (const RespValue& key : keys.elements) server.ask({"SET", key.bytes_text(), some.bytes_text()});
  Ladder other(on(server));
  TestSequence sequence = begin(*other.cache, text);
  EXPECT_LE(other.load(sequence, text), 1);
  expect_intact(*other.cache, sequence);
  EXPECT_GE(other.tiers->counts().remote_bad_count, 1U);
}

TEST(BlockTiers, AStoreThatIsDeadOrStandsStillCostsMissesOnly) {
  CAIRN_NEEDS_REDIS();
  RedisServer server;
  const auto text = some_tokens(200);
  const BlockTierOptions options = on(server, std::chrono::milliseconds(200));
  Ladder one(options);
  fill(one, text);
  server.stop_running();
  {
    Ladder other(options);
    TestSequence sequence = begin(*other.cache, text);
    EXPECT_EQ(other.load(sequence, text), 0);
    fill(other, text);
    EXPECT_GT(other.tiers->counts().writer.failed[1], 0U);
  }
  server.go_on();
  server.kill();
  Ladder other(options);
  TestSequence sequence = begin(*other.cache, text);
  EXPECT_EQ(other.load(sequence, text), 0);
}

// Six blocks of a tenant, and three of nobody.
void keep_for_two(const TemporaryFolder& folder, KvOwner tenant, const OwnerTag& tag) {
  Ladder ladder(on_disk(folder));
  ladder.tiers->set_owner_tag(tenant, tag);
  const auto text = some_tokens(200);
  TestSequence sequence =
      begin(*ladder.cache, {.tokens = text, .names = ladder.cache->names_of(text, {}), .owner = tenant}, {});
  ASSERT_EQ(extend(*ladder.cache, sequence, text), Room::kOk);
  fill(ladder, some_tokens(100, 900));
}

TEST(BlockTiers, AnOwnersBlocksCanBeErased) {
  const TemporaryFolder folder;
  const OwnerTag tag = owner_tag_of("secret");
  keep_for_two(folder, KvOwner{4}, tag);
  const auto store = on_disk(folder).disk;
  EXPECT_EQ(store->counts().record_count, 9U);
  EXPECT_EQ(store->erase_owner(tag).value(), 6U);
  EXPECT_EQ(store->counts().record_count, 3U);
}

// A record under a block's name that is another block (an import cannot tell) is refused, and makes room for the right one.
TEST(BlockTiers, ARecordThatIsAnotherBlockIsReplaced) {
  const TemporaryFolder folder;
  const auto text = some_tokens(200);
  const auto names = make_cache(cache_options())->names_of(text, {}).blocks;
  fill(*std::make_unique<Ladder>(on_disk(folder)), some_tokens(200, 7000));
  const auto store = on_disk(folder).disk;
  std::vector<StoredRecord> records;
  store->list([&](const StoredRecord& record) { records.push_back(record); });
  ASSERT_EQ(records.size(), 6U);
  auto reader = store->look_at(records[0].name).value();
  std::vector<std::byte> head(records[0].head_bytes);
  ASSERT_TRUE(reader.read_head(head).ok());
  std::vector<std::vector<std::byte>> slices;
  std::vector<std::span<const std::byte>> views;
  for (size_t i = 0; i < records[0].slice_bytes->size(); ++i) {
    slices.emplace_back((*records[0].slice_bytes)[i]);
    ASSERT_TRUE(reader.read_slice(i, slices.back()).ok());
  }
  for (const auto& slice : slices) views.emplace_back(slice);
  const RecordView liar{
      .name = record_name_of(names[0]), .owner = {}, .created_ms = 1, .head = head, .slices = views};
  ASSERT_TRUE(store->put(liar).ok());
  BlockTierOptions options{.disk = store, .load = LoadPolicy::kAlways};
  {
    Ladder ladder(options);
    TestSequence sequence = begin(*ladder.cache, text);
    EXPECT_EQ(ladder.load(sequence, text), 0);
    fill(ladder, text);
  }
  Ladder ladder(options);
  TestSequence sequence = begin(*ladder.cache, text);
  EXPECT_EQ(ladder.load(sequence, text), 6);
}

TEST(BlockTiers, MoreThanTheDiskKeepsUpWithIsDroppedAndCounted) {
  const TemporaryFolder folder;
  Ladder ladder(on_disk(folder));
  for (TokenId i = 0; i < 200; ++i) {
    const TestSequence sequence = prefilled(*ladder.cache, some_tokens(640, 1000 * i));
  }
  ASSERT_TRUE(ladder.tiers->flush().ok());
  const BlockTierCounts counts = ladder.tiers->counts();
  EXPECT_EQ(counts.writer.kept[0] + counts.writer.dropped, 4000U);
  EXPECT_EQ(counts.writer.waiting, 0U);
}

}  // namespace
}  // namespace cairn
