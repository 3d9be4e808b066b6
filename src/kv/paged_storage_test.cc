// What only paged storage does: blocks that are found again, shared, copied when they are cut, evicted
// and unified. Through KvCache, its only face.
#include <gtest/gtest.h>

#include "kv/kv_cache_testing.h"

namespace cairn {
namespace {

std::unique_ptr<KvCache> make_paged(uint64_t pool_blocks = 0, const char* plan = "f16",
                                    PrefixSharing sharing = PrefixSharing::kOn) {
  return make_cache({.shape = small_shape(plan), .sharing = sharing, .context = 320, .max_sequences = 6},
                    pool_blocks);
}

uint64_t used_blocks(const KvCache& cache) { return cache.used_bytes() / cache.geometry().block_bytes(); }

std::byte* block_of(KvCache& cache, const TestSequence& sequence, size_t block) {
  return cache.view(sequence.lease).block(static_cast<int64_t>(block));
}

// free, open, held, idle
void expect_counts(const KvCache& cache, const std::vector<int64_t>& counts) {
  const KvCounts c = cache.counts();
  EXPECT_EQ((std::vector{c.free_blocks, c.open_blocks, c.held_blocks, c.idle_blocks}), counts);
  EXPECT_EQ(c.free_blocks + c.open_blocks + c.held_blocks + c.idle_blocks, c.block_count);
  EXPECT_TRUE(cache.check().ok()) << cache.check().message();
}

int64_t found(KvCache& cache, std::span<const TokenId> tokens, std::string_view salt = {}) {
  return cache.length(cache.match(tokens, salt));
}

TEST(PagedStorage, FindsWhatRunsAndWhatHasFinished) {
  auto cache = make_paged();
  TestSequence a = prefilled(*cache, some_tokens(100));
  const TestSequence b = begin(*cache, some_tokens(100));  // a still runs
  EXPECT_EQ(b.length(), 96);
  expect_intact(*cache, b);
  EXPECT_EQ(used_blocks(*cache), 4U);
  EXPECT_EQ(block_of(*cache, a, 2), block_of(*cache, b, 2));
  a.lease = {};
  expect_counts(*cache, {57, 0, 3, 0});
  expect_intact(*cache, b);
  TestSequence c = begin(*cache, some_tokens(80));
  EXPECT_EQ(c.length(), 64);
  EXPECT_EQ(cache->counts().matched_positions, 160);
}

// A prefix may be in one group's memory and not in the other's: it is found where both have it, computed again behind
// that, and kept once in the group that still had it.
TEST(PagedStorage, EvictsAndUnifiesInEachGroupApart) {
  auto cache = make_cache({.shape = grouped_shape("f16; layer 1: int8:token", {0, 1}),
                           .context = 320,
                           .max_sequences = 6,
                           .pool_blocks = {4, 8}});
  prefilled(*cache, some_tokens(96)).lease = {};
  TestSequence other = prefilled(*cache, some_tokens(64, 500));  // group 0 has one free block only
  EXPECT_EQ(cache->block_counts(0).evicted_blocks, 1);
  EXPECT_EQ(cache->block_counts(1).evicted_blocks, 0);
  EXPECT_EQ(cache->counts().evicted_blocks, 1);
  std::vector<std::pair<int64_t, uint64_t>> nodes;  // tokens and groups
  cache->walk_prefixes([&](const KvPrefixNode& node) {
    nodes.emplace_back(node.token_count, node.resident_groups);
    EXPECT_EQ(node.eviction.has_value(), node.resident_groups == 2);
  });
  EXPECT_EQ(nodes,
            (std::vector<std::pair<int64_t, uint64_t>>{{0, 0}, {32, 3}, {64, 3}, {32, 3}, {64, 3}, {96, 2}}));

  TestSequence again = begin(*cache, some_tokens(97));
  EXPECT_EQ(again.length(), 64);
  EXPECT_EQ(cache->match_report(again.lease).end, KvMatchEnd::kEvicted);
  other = {};
  ASSERT_EQ(extend(*cache, again, some_tokens(33, 64)), Room::kOk);
  expect_intact(*cache, again);
  EXPECT_EQ(cache->block_counts(0).unified_blocks, 0);
  EXPECT_EQ(cache->block_counts(1).unified_blocks, 1);
  EXPECT_EQ(cache->counts().unified_blocks, 1);
  EXPECT_EQ(found(*cache, some_tokens(97)), 96);
}

// What a request had computed before it lost its memory is no saving.
TEST(PagedStorage, CountsWhatWasFoundApartFromWhatWasRecovered) {
  auto cache = make_paged();
  prefilled(*cache, some_tokens(100)).lease = {};
  const std::vector<TokenId> tokens = some_tokens(100);
  const PrefixNames names = cache->names_of(tokens, {});
  int64_t matched = 0;
  int64_t recovered = 0;
  for (const int64_t own : {0, 1, 40, 95, 96, 97, 1000}) {
    EXPECT_EQ(cache->length(cache->match({.tokens = tokens, .names = names, .own_positions = own})), 96);
    matched += std::max<int64_t>(96 - own, 0);
    recovered += std::min<int64_t>(own, 96);
    EXPECT_EQ(cache->counts().matched_positions, matched) << own;
    EXPECT_EQ(cache->counts().recovered_positions, recovered) << own;
  }
  const std::vector<TokenId> others = some_tokens(100, 500);  // its own rows were evicted
  (void)cache->match({.tokens = others, .names = cache->names_of(others, {}), .own_positions = 70});
  EXPECT_EQ(cache->counts().matched_positions, matched);
  EXPECT_EQ(cache->counts().recovered_positions, recovered);
}

TEST(PagedStorage, SaysWhatAMatchWouldFindAndPinsNothing) {
  auto cache = make_paged();
  prefilled(*cache, some_tokens(100)).lease = {};
  for (const int64_t count : {0, 1, 32, 33, 64, 96, 97, 200}) {
    const std::vector<TokenId> tokens = some_tokens(count);
    const int64_t findable = cache->findable(tokens, cache->names_of(tokens, {}));
    expect_counts(*cache, {57, 0, 0, 3});
    EXPECT_EQ(findable, found(*cache, tokens));
  }
  EXPECT_EQ(cache->findable(some_tokens(100), cache->names_of(some_tokens(100), "a")), 0);
}

// Of n tokens at most (n - 1) / kBlockSize blocks: the last token always runs.
TEST(PagedStorage, NeverFindsTheLastToken) {
  auto cache = make_paged();
  {
    const TestSequence a = prefilled(*cache, some_tokens(320));
  }
  for (const int64_t count : {0, 1, 31, 32, 33, 63, 64, 65, 96, 97, 319, 320}) {
    EXPECT_EQ(found(*cache, some_tokens(count)), count == 0 ? 0 : (count - 1) / kBlockSize * kBlockSize)
        << count;
  }
  // Longer than the context, too; such a request is refused elsewhere.
  EXPECT_EQ(found(*cache, some_tokens(10'000)), 320);
}

TEST(PagedStorage, FindsOnlyWholeBlocksFromTheBeginning) {
  auto cache = make_paged();
  {
    const TestSequence a = prefilled(*cache, some_tokens(127));
  }
  EXPECT_EQ(found(*cache, some_tokens(128)), 96);  // the fourth block was never full
  std::vector<TokenId> tokens = some_tokens(128);
  tokens[95] = -1;
  EXPECT_EQ(found(*cache, tokens), 64);
  tokens[31] = -1;
  EXPECT_EQ(found(*cache, tokens), 0);
  EXPECT_EQ(found(*cache, some_tokens(96, 32)), 0);  // the same tokens at another place
}

TEST(PagedStorage, NeverCrossesSalts) {
  auto cache = make_paged();
  const TestSequence a = prefilled(*cache, some_tokens(70), "a");
  for (const std::string_view salt : {"", "b", "aa", "A"}) EXPECT_EQ(found(*cache, some_tokens(70), salt), 0);
  EXPECT_EQ(found(*cache, some_tokens(70), std::string_view("a\0", 2)), 0);
  EXPECT_EQ(found(*cache, some_tokens(70), "a"), 64);
  const TestSequence b = prefilled(*cache, some_tokens(70), "b");
  EXPECT_NE(block_of(*cache, a, 0), block_of(*cache, b, 0));  // never unified either
  expect_intact(*cache, a);
  expect_intact(*cache, b);
}

TEST(PagedStorage, AForkKeepsTheSalt) {
  auto cache = make_paged();
  TestSequence a = prefilled(*cache, some_tokens(40), "a");
  TestSequence b = forked(*cache, a);
  ASSERT_EQ(extend(*cache, b, some_tokens(40, 500)), Room::kOk);
  const std::vector<TokenId> tokens = joined(b.tokens, {1});
  EXPECT_EQ(found(*cache, tokens, "a"), 64);
  EXPECT_EQ(found(*cache, tokens), 0);
}

TEST(PagedStorage, DoesNotShareWhereItIsToldNotTo) {
  auto cache = make_paged(0, "f16", PrefixSharing::kOff);
  {
    const TestSequence a = prefilled(*cache, some_tokens(100));
    EXPECT_EQ(found(*cache, some_tokens(100)), 0);
    const TestSequence b = prefilled(*cache, some_tokens(100));
    expect_counts(*cache, {52, 2, 6, 0});
    const TestSequence c = forked(*cache, a);  // forks share all the same
    expect_counts(*cache, {51, 3, 6, 0});
  }
  expect_counts(*cache, {60, 0, 0, 0});
}

// A block that two sequences computed at once ends as one; the later one goes on in the other's.
TEST(PagedStorage, UnifiesWhatWasComputedTwice) {
  auto cache = make_paged();
  TestSequence a = begin(*cache, some_tokens(100));
  TestSequence b = begin(*cache, some_tokens(100));
  ASSERT_EQ(extend(*cache, a, some_tokens(100)), Room::kOk);
  EXPECT_EQ(used_blocks(*cache), 4U);
  ASSERT_EQ(extend(*cache, b, some_tokens(70)), Room::kOk);
  expect_counts(*cache, {55, 2, 3, 0});
  EXPECT_EQ(cache->counts().unified_blocks, 2);
  for (const size_t block : {0, 1}) EXPECT_EQ(block_of(*cache, a, block), block_of(*cache, b, block));
  expect_intact(*cache, a);
  a.lease = {};
  expect_intact(*cache, b);
  ASSERT_EQ(extend(*cache, b, some_tokens(30, 70)), Room::kOk);  // into a block that lies idle
  expect_counts(*cache, {56, 1, 3, 0});
  EXPECT_EQ(cache->counts().unified_blocks, 3);
  expect_intact(*cache, b);
}

TEST(PagedStorage, CopiesASealedBlockThatItCuts) {
  for (const PrefixSharing sharing : {PrefixSharing::kOn, PrefixSharing::kOff}) {
    auto cache = make_paged(0, "f16", sharing);
    TestSequence a = prefilled(*cache, some_tokens(100));
    const TestSequence b = forked(*cache, a);
    EXPECT_EQ(cut(*cache, a, 50), 50);
    EXPECT_NE(block_of(*cache, a, 1), block_of(*cache, b, 1));
    ASSERT_EQ(extend(*cache, a, some_tokens(60, 500)), Room::kOk);
    expect_intact(*cache, a);
    expect_intact(*cache, b);
  }
}

// Nobody holds it any more, but it can be found, so it must not change either.
TEST(PagedStorage, CopiesASealedBlockThatHasAName) {
  auto cache = make_paged();
  TestSequence a = prefilled(*cache, some_tokens(64));
  EXPECT_EQ(cut(*cache, a, 50), 50);
  expect_counts(*cache, {57, 1, 1, 1});
  ASSERT_EQ(extend(*cache, a, some_tokens(60, 500)), Room::kOk);
  const TestSequence b = begin(*cache, some_tokens(65));
  EXPECT_EQ(b.length(), 64);
  expect_intact(*cache, b);
  expect_intact(*cache, a);
  // What follows the cut is named by what it holds now.
  EXPECT_EQ(found(*cache, joined(a.tokens, {1})), 96);
}

TEST(PagedStorage, GoesOnInItsOwnBlockWhereNobodyKnowsIt) {
  auto cache = make_paged(2, "f16", PrefixSharing::kOff);
  TestSequence a = prefilled(*cache, some_tokens(64));
  std::byte* block = block_of(*cache, a, 1);
  EXPECT_EQ(cut(*cache, a, 50), 50);  // the pool is full, and no copy is needed
  EXPECT_EQ(block_of(*cache, a, 1), block);
  ASSERT_EQ(extend(*cache, a, some_tokens(14, 500)), Room::kOk);
  expect_intact(*cache, a);
}

TEST(PagedStorage, UnifiesACutThatIsFilledAsBefore) {
  auto cache = make_paged();
  TestSequence a = prefilled(*cache, some_tokens(64));
  std::byte* block = block_of(*cache, a, 1);
  cut(*cache, a, 50);
  ASSERT_EQ(extend(*cache, a, some_tokens(14, 50)), Room::kOk);
  EXPECT_EQ(block_of(*cache, a, 1), block);
  expect_counts(*cache, {58, 0, 2, 0});
  expect_intact(*cache, a);
}

TEST(PagedStorage, RecomputesACutBlockWhereThereIsNoMemoryForACopy) {
  auto cache = make_paged(3);
  TestSequence a = prefilled(*cache, some_tokens(96));
  const TestSequence b = forked(*cache, a);
  EXPECT_EQ(cut(*cache, a, 40), 32);
  EXPECT_EQ(cache->room(a.lease), 32);
  expect_intact(*cache, a);
  expect_intact(*cache, b);

  auto alone = make_paged(3);
  TestSequence c = prefilled(*alone, some_tokens(96));
  EXPECT_EQ(cut(*alone, c, 40), 40);  // the third block makes room for the copy
  expect_intact(*alone, c);
  expect_counts(*alone, {0, 1, 1, 1});
  EXPECT_EQ(alone->counts().evicted_blocks, 1);
}

TEST(PagedStorage, CutsASealedBlockToItsBeginningWhereItWasSealedWhole) {
  for (const char* plan : {"int4", "f16; layer 1: k=int4,v=f16"}) {
    auto cache = make_paged(0, plan);
    TestSequence a = prefilled(*cache, some_tokens(100));
    const TestSequence b = forked(*cache, a);
    EXPECT_EQ(cut(*cache, a, 98), 98);  // the open block
    expect_intact(*cache, a);
    EXPECT_EQ(cut(*cache, a, 95), 64);
    expect_intact(*cache, a);
    ASSERT_EQ(extend(*cache, a, some_tokens(20, 500)), Room::kOk);
    expect_intact(*cache, a);
    EXPECT_EQ(cut(*cache, a, 64), 64);
    EXPECT_EQ(cut(*cache, a, 1), 0);
    expect_intact(*cache, a);
    expect_intact(*cache, b);
  }
}

TEST(PagedStorage, EvictsEndsBeforeBeginnings) {
  auto cache = make_paged(10);
  {
    const TestSequence a = prefilled(*cache, some_tokens(160));
  }  // five blocks
  {
    const TestSequence b = prefilled(*cache, some_tokens(160, 1000));
  }
  expect_counts(*cache, {0, 0, 0, 10});
  const KvLease other = cache->open();
  for (int64_t blocks = 1; blocks <= 5; ++blocks) {
    ASSERT_EQ(cache->reserve(other, blocks * kBlockSize), Room::kOk);
    expect_counts(*cache, {0, blocks, 0, 10 - blocks});
    EXPECT_EQ(cache->counts().evicted_blocks, blocks);
    EXPECT_EQ(found(*cache, some_tokens(161)),
              (5 - blocks) * kBlockSize);  // which makes a the newer of the two
    EXPECT_EQ(found(*cache, some_tokens(161, 1000)), 160);
    if (blocks == 1) break;
  }
}

TEST(PagedStorage, EvictsWhatWasLetGoFirst) {
  auto cache = make_paged(4);
  {
    const TestSequence a = prefilled(*cache, some_tokens(32, 100));
  }
  {
    const TestSequence b = prefilled(*cache, some_tokens(32, 200));
  }
  {
    const TestSequence c = prefilled(*cache, some_tokens(32, 300));
  }
  EXPECT_EQ(found(*cache, some_tokens(33, 100)), 32);  // found again: a is the newest now
  const KvLease other = cache->open();
  ASSERT_EQ(cache->reserve(other, 2 * kBlockSize), Room::kOk);
  EXPECT_EQ(found(*cache, some_tokens(33, 200)), 0);
  EXPECT_EQ(found(*cache, some_tokens(33, 300)), 32);
  EXPECT_EQ(found(*cache, some_tokens(33, 100)), 32);
}

TEST(PagedStorage, NeverEvictsWhatIsHeld) {
  auto cache = make_paged(4);
  TestSequence a = prefilled(*cache, some_tokens(64));
  const TestSequence b = begin(*cache, some_tokens(64));  // the first block
  a.lease = {};
  expect_counts(*cache, {2, 0, 1, 1});
  const KvLease other = cache->open();
  EXPECT_EQ(cache->reserve(other, 4 * kBlockSize), Room::kNoRoom);
  expect_counts(*cache, {2, 0, 1, 1});  // not even the idle one went
  EXPECT_EQ(cache->reserve(other, 3 * kBlockSize), Room::kOk);
  expect_counts(*cache, {0, 3, 1, 0});
  expect_intact(*cache, b);
  EXPECT_EQ(found(*cache, some_tokens(64)), 32);
}

TEST(PagedStorage, AForkThatHasNoRoomChangesNothing) {
  auto cache = make_paged(3);
  TestSequence a = prefilled(*cache, some_tokens(70));
  EXPECT_FALSE(static_cast<bool>(cache->fork(a.lease)));  // no block for the open rows
  expect_counts(*cache, {0, 1, 2, 0});
  expect_intact(*cache, a);
  cut(*cache, a, 64);
  ASSERT_EQ(cache->reserve(a.lease, 96), Room::kOk);
  const TestSequence b = forked(*cache, a);  // no open rows, no block needed
  EXPECT_TRUE(static_cast<bool>(b.lease));
  EXPECT_EQ(cache->room(b.lease), 64);  // room without rows is not forked
  expect_intact(*cache, b);
}

// 32 sequences with one prompt: one prefix and 32 tails, to the byte.
TEST(PagedStorage, KeepsASharedPrefixOnce) {
  auto cache = make_cache({.context = 2048 + 64, .max_sequences = 32}, 64 + 32);
  std::vector<TestSequence> sequences;
  for (TokenId i = 0; i < 32; ++i) {
    sequences.push_back(prefilled(*cache, joined(some_tokens(2048), some_tokens(10, 10'000 + 100 * i))));
  }
  EXPECT_EQ(cache->used_bytes(), (64 + 32) * cache->geometry().block_bytes());
  expect_counts(*cache, {0, 32, 64, 0});
  EXPECT_EQ(cache->counts().matched_positions, 31 * 2048);
  EXPECT_EQ(cache->used_bytes(sequences[5].lease), 65 * cache->geometry().block_bytes());
  for (const TestSequence& sequence : sequences) expect_intact(*cache, sequence);
}

}  // namespace
}  // namespace cairn
