// Layer groups with a window: what they give back, what they keep for later sequences, and what they take.
#include <gtest/gtest.h>

#include <array>

#include "kv/block_window.h"
#include "kv/kv_cache_testing.h"

namespace cairn {
namespace {

// As Gemma 3 has them: one layer in two sees all.
KvCacheOptions with_window(int64_t window, int64_t context, int64_t max_sequences = 1) {
  return {.shape = windowed_shape("f16", {{}, {.window = window}}),
          .context = context,
          .max_sequences = max_sequences,
          .step_rows = 128};
}

// To the end of the text.
void run(KvCache& cache, TestSequence& sequence, std::span<const TokenId> text) {
  while (sequence.length() < std::ssize(text)) {
    const auto rest = text.subspan(static_cast<size_t>(sequence.length()));
    ASSERT_EQ(extend(cache, sequence, rest.first(std::min<size_t>(128, rest.size()))), Room::kOk);
  }
}
void run_to(KvCache& cache, TestSequence& sequence, int64_t length) {
  run(cache, sequence, some_tokens(length));
}

TEST(WindowCache, TheMemoryOfAWindowDoesNotGrowWithTheContext) {
  for (const int64_t context : {1000, 10'000, 1'000'000}) {
    const KvCacheOptions options = with_window(512, context, 3);
    const auto cache = make_cache(options);
    const BlockWindow window({.window = 512});
    const int64_t needed = 3 * window.most_blocks() + BlockWindow::step_blocks(128, 3);
    const int64_t all = 3 * KvGeometry::blocks_for(context);
    const int64_t tails = std::min(3 * window.tail_blocks(), all - needed);
    const auto memory = KvCache::memory_of(options);
    ASSERT_TRUE(memory.ok());
    EXPECT_EQ(cache->block_counts(0).block_count, all);
    EXPECT_EQ(cache->block_counts(1).block_count, needed + tails);
    EXPECT_EQ(memory->resume_bytes, static_cast<uint64_t>(tails) * cache->geometry().block_bytes(1));
    EXPECT_EQ(memory->pool_bytes, cache->pool_bytes());
    EXPECT_EQ(memory->sequence_blocks,
              (std::vector<int64_t>{KvGeometry::blocks_for(context),
                                    std::min(window.most_blocks(), KvGeometry::blocks_for(context))}));
  }
}

TEST(WindowCache, ABlockThatNoQueryWillSeeIsFreeAtOnceAndAnEventSaysSo) {
  const auto cache = make_cache(with_window(64, 4000));
  TestSequence sequence = begin(*cache, {});
  run_to(*cache, sequence, 3200);
  expect_intact(*cache, sequence);
  const KvBlockCounts counts = cache->block_counts(1);
  const int64_t held = (3200 - BlockWindow({.window = 64}).first_kept(3200) * kBlockSize) / kBlockSize;
  EXPECT_EQ(counts.held_blocks, held);
  EXPECT_EQ(counts.idle_blocks, 0);
  EXPECT_EQ(counts.passed_blocks, 100 - held);
  EXPECT_EQ(cache->block_counts(0).held_blocks, 100);
  EXPECT_EQ(cache->kept_rows(sequence.lease, 0), (KvKeptRows{.end = 3200}));
  EXPECT_EQ(cache->kept_rows(sequence.lease, 1),
            (KvKeptRows{.begin = 3200 - held * kBlockSize, .end = 3200}));
  int64_t passed = 0;
  std::array<KvEvent, 64> events;
  for (uint64_t next = 0;;) {
    const EventRead read = cache->events().read(next, events);
    if (read.count == 0) break;
    next = read.next;
    for (size_t i = 0; i < read.count; ++i) passed += events[i].kind == KvEventKind::kPassed ? 1 : 0;
  }
  EXPECT_EQ(passed, counts.passed_blocks);
}

TEST(WindowCache, SixteenLaterUsersOfAPromptAllFindIt) {
  for (const int64_t prompt_length : {1500, 1504, 1535, 1536, 1537}) {
    const auto cache = make_cache(with_window(512, 3000, 2));
    const auto prompt = some_tokens(prompt_length);
    TestSequence first = begin(*cache, prompt);
    run_to(*cache, first, prompt_length);
    run_to(*cache, first, prompt_length + 700);  // the answer; the window has passed the prompt
    for (int user = 0; user < 16; ++user) {
      // The same prompt, or the prompt with a question of one's own.
      auto text = prompt;
      if (user % 2 == 1) text = joined(text, some_tokens(50, 5000 + user * 100));
      TestSequence later = begin(*cache, text);
      EXPECT_EQ(later.length(),
                findable_blocks(user % 2 == 1 ? prompt_length + 1 : prompt_length) * kBlockSize);
      expect_intact(*cache, later);
      ASSERT_EQ(extend(*cache, later, std::span(text).subspan(static_cast<size_t>(later.length()))),
                Room::kOk);
      expect_intact(*cache, later);
    }
    expect_intact(*cache, first);
  }
}

TEST(WindowCache, WhereTextsPartTheSecondLeavesATailForTheThird) {
  const auto cache = make_cache(with_window(64, 3000, 2));
  const auto header = some_tokens(1000);
  const auto user = [&](int i) { return joined(header, some_tokens(500, 2000 + i * 1000)); };
  {
    TestSequence first = begin(*cache, user(0));
    run(*cache, first, user(0));
  }
  const TestSequence second = [&] {
    TestSequence s = begin(*cache, user(1));
    EXPECT_EQ(s.length(), 0);
    const KvMatchReport& report = cache->match_report(s.lease);
    EXPECT_EQ(report.end, KvMatchEnd::kOutOfWindow);
    EXPECT_EQ(report.known_positions, 1000 / kBlockSize * kBlockSize);
    run(*cache, s, user(1));
    return s;
  }();
  for (int i = 2; i < 6; ++i) {
    const TestSequence later = begin(*cache, user(i));
    EXPECT_EQ(later.length(), 1000 / kBlockSize * kBlockSize);
    expect_intact(*cache, later);
  }
}

TEST(WindowCache, OneWhoSaysWhereAnotherWillPartFindsThatPlace) {
  const auto cache = make_cache(with_window(64, 3000, 2));
  const auto text = some_tokens(1000);
  TestSequence first = begin(*cache, text);
  cache->keep_tail(first.lease, 330);
  run(*cache, first, text);
  auto other = std::vector(text.begin(), text.begin() + 340);
  other.push_back(9999);
  EXPECT_EQ(begin(*cache, other).length(), 320);
}

TEST(WindowCache, GoingBackFartherThanTheMarginSaysHowManyRowsMustBeComputedAgain) {
  const auto cache = make_cache(with_window(64, 3000));
  const auto prompt = some_tokens(600);
  TestSequence sequence = begin(*cache, prompt);
  run_to(*cache, sequence, 1000);
  EXPECT_EQ(cut(*cache, sequence, 1000 - kRollbackMargin), 1000 - kRollbackMargin);
  expect_intact(*cache, sequence);
  EXPECT_EQ(cache->counts().recomputed_positions, 0);
  EXPECT_EQ(cut(*cache, sequence, 800), 576);  // the prompt's tail
  expect_intact(*cache, sequence);
  EXPECT_EQ(cache->counts().recomputed_positions, 800 - 576);
  run_to(*cache, sequence, 900);
  expect_intact(*cache, sequence);
  EXPECT_EQ(cut(*cache, sequence, 300), 0);  // nothing was kept there
  run_to(*cache, sequence, 900);
  expect_intact(*cache, sequence);
}

TEST(WindowCache, ASequenceThatLostItsPlaceIsFoundAgain) {
  const auto cache = make_cache(with_window(64, 3000, 2));
  const auto text = some_tokens(1000);
  {
    TestSequence first = begin(*cache, text);
    run(*cache, first, text);
  }
  const TestSequence again = begin(*cache, text);
  EXPECT_EQ(again.length(), 992);
  expect_intact(*cache, again);
}

TEST(WindowCache, AStreamHasNoEndAndItsMemoryIsFlat) {
  const auto cache = make_cache({.shape = windowed_shape("f16", {{.window = 128, .sinks = 4}}),
                                 .context = KvGeometry::kMaxStream,
                                 .max_sequences = 2,
                                 .step_rows = 128});
  TestSequence sequence = begin(*cache, {});
  run_to(*cache, sequence, 1280);
  const KvBlockCounts before = cache->block_counts(0);
  run_to(*cache, sequence, 12'800);
  const KvBlockCounts after = cache->block_counts(0);
  EXPECT_EQ(after.held_blocks, before.held_blocks);
  EXPECT_EQ(after.free_blocks, before.free_blocks);
  EXPECT_EQ(after.passed_blocks - before.passed_blocks, (12'800 - 1280) / kBlockSize);
  expect_intact(*cache, sequence);
  EXPECT_EQ(cache->max_length(), KvGeometry::kMaxStream);
}

TEST(WindowCache, AStreamOfLayersThatSeeAllIsRefused) {
  for (const KvStorageKind storage : {KvStorageKind::kPaged, KvStorageKind::kContiguous}) {
    const bool is_paged = storage == KvStorageKind::kPaged;
    const auto cache =
        KvCache::create({.shape = windowed_shape(
                             "f16", {{.window = 128}, is_paged ? Visibility{} : Visibility{.window = 99}}),
                         .storage = storage,
                         .context = KvGeometry::kMaxStream});
    EXPECT_EQ(cache.status().code(), StatusCode::kInvalidArgument);
  }
}

TEST(WindowCache, MemoryThatIsSaidIsForWhatSeesAllBesideTheWindows) {
  KvCacheOptions options = with_window(64, 3000, 2);
  const auto all = KvCache::memory_of(options);
  ASSERT_TRUE(all.ok());
  const KvGeometry geometry = *KvGeometry::make(options.shape);
  const uint64_t windows = all->pool_bytes - 2 * 94 * geometry.block_bytes(0);
  options.pool_bytes = windows + 10 * geometry.block_bytes(0) + 1;
  const auto cache = make_cache(options);
  EXPECT_EQ(cache->block_counts(0).block_count, 10);
  EXPECT_EQ(cache->pool_bytes(), windows + 10 * geometry.block_bytes(0));
  options.pool_bytes =
      windows - all->resume_bytes + geometry.block_bytes(0) - 1;  // what is kept for later gives way
  const auto refused = KvCache::create(options);
  EXPECT_EQ(refused.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(refused.status().message().find("a shorter window"), std::string::npos)
      << refused.status().message();
}

TEST(WindowCache, ABlockThatWasATailOnceIsNoneForEver) {
  const auto cache = make_cache({.shape = windowed_shape("f16", {{.window = 64}}),
                                 .context = KvGeometry::kMaxStream,
                                 .step_rows = 128});
  TestSequence sequence = begin(*cache, {});
  for (int64_t length = 128; length <= 4096; length += 128) {
    cache->keep_tail(sequence.lease, length - 64);
    run_to(*cache, sequence, length);
  }
  const int64_t idle = cache->block_counts(0).idle_blocks;
  EXPECT_LE(cache->block_counts(0).free_blocks, 1);  // all the others have been one
  run_to(*cache, sequence, 8192);
  EXPECT_GT(cache->block_counts(0).free_blocks, 1);
  EXPECT_LT(cache->block_counts(0).idle_blocks, idle);
}

TEST(WindowCache, AWindowNeverTakesMoreThanKeepingAllWould) {
  for (const int64_t context : {40, 100, 500, 600, 700, 1000, 2000, 5000}) {
    for (const int64_t max_sequences : {1, 3, 9}) {
      const auto memory = KvCache::memory_of(with_window(512, context, max_sequences));
      ASSERT_TRUE(memory.ok());
      EXPECT_LE(memory->pool_blocks[1], memory->pool_blocks[0]) << context << " " << max_sequences;
      EXPECT_LE(memory->resume_blocks[1], memory->pool_blocks[1]);
    }
  }
  const auto seen_whole = KvCache::memory_of(with_window(512, 512));
  EXPECT_EQ(seen_whole->resume_blocks[1], 0);  // nothing ever leaves the window
}

TEST(WindowCache, WhatIsKeptForLaterGivesWayWhereMemoryIsShort) {
  KvCacheOptions options{.shape = windowed_shape("f16", {{.window = 64}}),
                         .context = KvGeometry::kMaxStream,
                         .max_sequences = 2,
                         .step_rows = 128};
  const auto all = KvCache::memory_of(options);
  ASSERT_TRUE(all.ok());
  ASSERT_GT(all->resume_bytes, 0U);
  options.pool_bytes = all->pool_bytes - all->resume_bytes / 2;
  const auto some = KvCache::memory_of(options);
  ASSERT_TRUE(some.ok());
  EXPECT_LE(some->pool_bytes, *options.pool_bytes);
  EXPECT_EQ(all->pool_bytes - some->pool_bytes, all->resume_bytes - some->resume_bytes);
  EXPECT_GT(some->resume_bytes, 0U);
  options.pool_bytes = all->pool_bytes - all->resume_bytes;
  EXPECT_EQ(make_cache(options)->pool_bytes(), *options.pool_bytes);
  options.pool_bytes = *options.pool_bytes - 1;
  const std::string refusal = KvCache::create(options).status().message();
  EXPECT_NE(refusal.find("cannot hold the windows of 2 sequences ("), std::string::npos) << refusal;
}

TEST(WindowCache, AWindowNeedsItsBlocksWhereTheyAreGiven) {
  KvCacheOptions options = with_window(64, 3000, 2);
  const auto all = KvCache::memory_of(options);
  const int64_t needed = all->pool_blocks[1] - all->resume_blocks[1];
  options.pool_blocks = {50, needed};
  EXPECT_EQ(KvCache::memory_of(options)->resume_bytes, 0U);
  options.pool_blocks = {50, needed - 1};
  EXPECT_NE(KvCache::create(options).status().message().find("layer group 1 has a window"),
            std::string::npos);
}

TEST(WindowCache, BlocksAreNamedByWhatTheirLayersSee) {
  const auto names = [](const Visibility& seen) {
    const auto cache = make_cache({.shape = windowed_shape("f16", {seen}), .context = 100});
    return cache->names_of(some_tokens(64), {}).blocks;
  };
  EXPECT_NE(names({}), names({.window = 64}));
  EXPECT_NE(names({.window = 64}), names({.window = 65}));
  EXPECT_NE(names({.window = 64}), names({.window = 64, .sinks = 1}));
}

}  // namespace
}  // namespace cairn
