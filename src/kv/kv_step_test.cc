// A step from begin to end: what it shows to kernels, what a commit keeps and what an abandoned step leaves behind.
#include <gtest/gtest.h>

#include <type_traits>

#include "kv/kv_cache_testing.h"

namespace cairn {
namespace {

static_assert(!std::is_copy_constructible_v<KvStep> && std::is_nothrow_move_constructible_v<KvStep>);

std::unique_ptr<KvCache> make(PrefixSharing sharing = PrefixSharing::kOn, const char* plan = "f16",
                              KvStorageKind storage = KvStorageKind::kPaged) {
  return make_cache({.shape = small_shape(plan),
                     .storage = storage,
                     .sharing = sharing,
                     .context = 256,
                     .max_sequences = 4,
                     .step_rows = 256});
}

TEST(KvStep, ShowsEveryLayerOfEverySequenceInItsOrder) {
  auto cache = make(PrefixSharing::kOn, "f32; layer 1: int2:channel");
  const TestSequence a = prefilled(*cache, some_tokens(70));
  const TestSequence b = prefilled(*cache, some_tokens(10));
  KvStep step = cache->begin_step({{{b.lease.sequence(), 1}, {a.lease.sequence(), 2}}});
  for (size_t layer = 0; layer < 2; ++layer) {
    const KvLayerView view = *step.open(static_cast<int64_t>(layer));
    EXPECT_EQ(view.layout, &cache->geometry().layout().layers[layer]);
    EXPECT_EQ(view.kv_head_count, 1);
    EXPECT_EQ(view.head_dim, 2);
    ASSERT_EQ(view.sequences.size(), 2U);
    for (const size_t i : {0, 1}) {
      const KvSequenceView expected = cache->view(i == 0 ? b.lease : a.lease);
      EXPECT_EQ(view.sequences[i].table, expected.table);
      EXPECT_EQ(view.sequences[i].memory, expected.memory);
      EXPECT_EQ(view.sequences[i].block_bytes, static_cast<int64_t>(cache->geometry().block_bytes()));
      EXPECT_EQ(view.sequences[i].open, expected.open);
      EXPECT_NE(expected.open, nullptr);
    }
    EXPECT_EQ(view.step_slot_bytes, static_cast<int64_t>(cache->geometry().step_slot_bytes()));
    step.close(static_cast<int64_t>(layer));
  }
}

// Layers of a group have the same views, and are told apart by their place in its blocks.
TEST(KvStep, ShowsTheBlocksOfTheLayersGroup) {
  auto cache = make_cache({.shape = grouped_shape("f16; layer 1: f32; layer 3: int8:token", {0, 1, 0, 1}),
                           .context = 256,
                           .max_sequences = 4,
                           .step_rows = 256});
  const TestSequence a = prefilled(*cache, some_tokens(70));
  const TestSequence b = prefilled(*cache, some_tokens(10));
  KvStep step = cache->begin_step({{{b.lease.sequence(), 1}, {a.lease.sequence(), 2}}});
  std::array<KvLayerView, 4> views;
  for (const int64_t layer : {0, 1, 2, 3}) views[static_cast<size_t>(layer)] = *step.open(layer);
  for (size_t layer = 0; layer < 4; ++layer) {
    const auto group = static_cast<int32_t>(layer % 2);
    EXPECT_EQ(views[layer].layer_group, group);
    EXPECT_EQ(views[layer].sequences.data(), views[layer % 2].sequences.data());
    EXPECT_EQ(views[layer].sequences[1].block(2), cache->view(a.lease, group).block(2));
    EXPECT_EQ(views[layer].sequences[0].block(0), cache->view(b.lease, group).block(0));
    EXPECT_EQ(views[layer].sequences[0].block_bytes,
              static_cast<int64_t>(cache->geometry().block_bytes(group)));
  }
  EXPECT_NE(views[0].sequences[0].memory, views[1].sequences[0].memory);
}

TEST(KvStep, CommitsEachSequenceItsOwnTokens) {
  auto cache = make();
  TestSequence a = begin(*cache, some_tokens(100));
  TestSequence b = begin(*cache, some_tokens(100));
  TestSequence c = begin(*cache, some_tokens(40, 500));
  const std::array<std::vector<TokenId>, 3> tokens{some_tokens(70), some_tokens(33), some_tokens(40, 500)};
  const std::array<TestSequence*, 3> sequences{&a, &b, &c};
  std::vector<KvStepRows> rows;
  std::vector<TestPart> parts;
  std::vector<TokenId> all;
  for (size_t i = 0; i < 3; ++i) {
    ASSERT_EQ(cache->reserve(sequences[i]->lease, std::ssize(tokens[i])), Room::kOk);
    for (const TokenId token : tokens[i]) sequences[i]->push(token);
    rows.push_back(rows_of(*sequences[i], tokens[i]));
    parts.push_back({sequences[i], 0});
    all = joined(all, tokens[i]);
  }
  KvStep step = cache->begin_step(rows);
  run_layers(*cache, step, parts, cache->geometry().layer_count());
  for (const TestSequence* sequence : sequences)
    EXPECT_EQ(cache->length(sequence->lease), 0);  // until the end
  step.commit(all);
  for (const TestSequence* sequence : sequences) expect_intact(*cache, *sequence);
  EXPECT_EQ(cache->counts().unified_blocks, 1);  // a and b computed the same block at once
  EXPECT_EQ(cache->counts().abandoned_steps, 0);
  EXPECT_EQ(begin(*cache, some_tokens(40, 500)).length(), 32);
}

TEST(KvStep, MovesAndEndsOnce) {
  auto cache = make(PrefixSharing::kOff);
  TestSequence a = prefilled(*cache, some_tokens(10));
  {
    KvStep step = cache->begin_step({{{a.lease.sequence(), 1}}});
    KvStep moved = std::move(step);
    EXPECT_TRUE(cache->in_step());
    open_all_layers(moved);
    moved.commit(some_tokens(1));
    EXPECT_FALSE(cache->in_step());
  }
  EXPECT_EQ(cache->length(a.lease), 11);
  EXPECT_EQ(cache->counts().abandoned_steps, 0);
}

TEST(KvStep, LetsOtherSequencesLive) {
  auto cache = make();
  TestSequence a = prefilled(*cache, some_tokens(40));
  TestSequence b = prefilled(*cache, some_tokens(80, 500));
  ASSERT_EQ(cache->reserve(a.lease, 70), Room::kOk);
  KvStep step = cache->begin_step({{rows_of(a, some_tokens(30))}});
  TestSequence c = forked(*cache, b);
  ASSERT_TRUE(static_cast<bool>(c.lease));
  EXPECT_EQ(cut(*cache, b, 50), 50);
  EXPECT_EQ(cache->reserve(b.lease, 200), Room::kOk);
  const TestSequence d = begin(*cache, some_tokens(40));
  EXPECT_EQ(d.length(), 32);
  c.lease = {};
  for (const TokenId token : some_tokens(30, 700)) a.push(token);
  run_all_layers(*cache, step, a, 40);
  step.commit(some_tokens(30, 700));
  for (const TestSequence* sequence : std::initializer_list<const TestSequence*>{&a, &b, &d})
    expect_intact(*cache, *sequence);
}

TEST(KvStep, OverASequenceRefusesItsFork) {
  for (const KvStorageKind storage :
       {KvStorageKind::kGrowing, KvStorageKind::kContiguous, KvStorageKind::kPaged}) {
    auto cache = make(PrefixSharing::kOn, "k=int4:channel,v=int8:token", storage);
    const TestSequence a = prefilled(*cache, some_tokens(40));
    {
      const KvStep step = cache->begin_step({{{a.lease.sequence(), 1}}});
      EXPECT_FALSE(static_cast<bool>(cache->fork(a.lease)));
      EXPECT_TRUE(cache->check().ok());
    }
    const TestSequence b = forked(*cache, a);
    ASSERT_TRUE(static_cast<bool>(b.lease));
    expect_intact(*cache, b);
  }
}

// Kernels may be reading its blocks, and its rows are as good as any.
TEST(KvStep, ClosesADroppedSequenceWhenItEnds) {
  for (const bool commits : {true, false}) {
    auto cache = make_cache({.context = 128, .max_sequences = 1});
    TestSequence a = prefilled(*cache, some_tokens(40));
    ASSERT_EQ(extend(*cache, a, {}), Room::kOk);
    ASSERT_EQ(cache->reserve(a.lease, 70), Room::kOk);
    KvStep step = cache->begin_step({{{a.lease.sequence(), 30}}});
    run_all_layers(*cache, step, with_more(a, some_tokens(30, 40)), 40);
    a.lease = {};
    EXPECT_EQ(cache->used_bytes(), 3 * cache->geometry().block_bytes());
    EXPECT_FALSE(cache->has_free_sequence());
    EXPECT_FALSE(static_cast<bool>(cache->open()));
    EXPECT_TRUE(cache->check().ok()) << cache->check().message();
    if (commits) {
      step.commit(some_tokens(30, 40));
    } else {
      step.abandon();
    }
    EXPECT_EQ(cache->used_bytes(), 0U);
    EXPECT_TRUE(cache->check().ok()) << cache->check().message();
    const TestSequence b = begin(*cache, some_tokens(100));
    EXPECT_EQ(b.length(), commits ? 64 : 32);
    expect_intact(*cache, b);
  }
}

}  // namespace
}  // namespace cairn
