// One list of tests for all ways to hold keys and values, and lists of random operations against a naive
// model.
#include "kv/kv_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <string>

namespace cairn {
namespace {

constexpr KvShape kShape{.layer_count = 2, .kv_head_count = 2, .head_dim = 3, .type = KvType::kF16};

// Writes or reads every element of a position's rows: 16-bit elements, as kShape has.
template <typename Element>
void each_element(const KvView& view, int64_t sequence, int64_t position, const Element& element) {
  const int64_t block = position / kBlockSize;
  const int64_t slot = position % kBlockSize;
  for (int64_t layer = 0; layer < kShape.layer_count; ++layer) {
    std::byte* base = view.layer_of_block(sequence, block, layer);
    for (int64_t head = 0; head < kShape.kv_head_count; ++head) {
      auto* keys = reinterpret_cast<uint16_t*>(base + view.layout.keys_offset(head));
      auto* values = reinterpret_cast<uint16_t*>(base + view.layout.values_offset(head));
      for (int64_t d = 0; d < kShape.head_dim; ++d) {
        element(keys[d * kBlockSize + slot], layer * 100 + head * 10 + d);
        element(values[slot * kShape.head_dim + d], layer * 100 + head * 10 + d + 5);
      }
    }
  }
}

void write_row(const KvView& view, int64_t sequence, int64_t position, uint16_t mark) {
  each_element(view, sequence, position,
               [&](uint16_t& at, int64_t place) { at = static_cast<uint16_t>(mark + place); });
}

bool row_is(const KvView& view, int64_t sequence, int64_t position, uint16_t mark) {
  bool same = true;
  each_element(view, sequence, position, [&](uint16_t& at, int64_t place) {
    same = same && at == static_cast<uint16_t>(mark + place);
  });
  return same;
}

std::unique_ptr<KvCache> make_cache(KvHolding holding, int64_t context, int64_t max_sequences,
                                    std::optional<uint64_t> pool_blocks = std::nullopt) {
  KvCacheOptions options{
      .shape = kShape, .holding = holding, .context = context, .max_sequences = max_sequences};
  if (pool_blocks.has_value()) options.pool_bytes = *pool_blocks * KvGeometry::make(kShape)->block_bytes();
  auto cache = KvCache::create(options);
  EXPECT_TRUE(cache.ok()) << cache.status().message();
  return std::move(*cache);
}

class EveryHolding : public ::testing::TestWithParam<KvHolding> {
 protected:
  std::unique_ptr<KvCache> make(int64_t context, int64_t max_sequences) {
    return make_cache(GetParam(), context, max_sequences);
  }
};

INSTANTIATE_TEST_SUITE_P(Holdings, EveryHolding,
                         ::testing::Values(KvHolding::kNone, KvHolding::kGrowing, KvHolding::kContiguous,
                                           KvHolding::kPaged),
                         [](const auto& param) { return std::string(kv_holding_name(param.param)); });

TEST_P(EveryHolding, ReadsBackWhatAStepWrote) {
  auto cache = make(100, 2);
  const SequenceId a = *cache->open();
  const SequenceId b = *cache->open();
  ASSERT_EQ(cache->reserve(a, 40), Room::kOk);
  ASSERT_EQ(cache->reserve(b, 33), Room::kOk);
  const KvView view = cache->view(std::array{b, a});
  for (int64_t p = 0; p < 33; ++p) write_row(view, 0, p, static_cast<uint16_t>(1000 + p));
  for (int64_t p = 0; p < 40; ++p) write_row(view, 1, p, static_cast<uint16_t>(2000 + p));
  for (int64_t p = 0; p < 33; ++p) EXPECT_TRUE(row_is(view, 0, p, static_cast<uint16_t>(1000 + p)));
  for (int64_t p = 0; p < 40; ++p) EXPECT_TRUE(row_is(view, 1, p, static_cast<uint16_t>(2000 + p)));
  EXPECT_TRUE(cache->check().ok());
}

TEST_P(EveryHolding, KeepsRowsWhileItGrowsOrForgetsAllOfThem) {
  auto cache = make(200, 1);
  const SequenceId a = *cache->open();
  for (int64_t length = 0; length < 200; ++length) {
    ASSERT_EQ(cache->reserve(a, length + 1), Room::kOk);
    const KvView view = cache->view(std::array{a});
    EXPECT_EQ(cache->length(a), cache->keeps_rows() ? length : 0);
    for (int64_t p = 0; p < cache->length(a); ++p)
      ASSERT_TRUE(row_is(view, 0, p, static_cast<uint16_t>(p * 7)));
    for (int64_t p = cache->length(a); p <= length; ++p) write_row(view, 0, p, static_cast<uint16_t>(p * 7));
    cache->commit(a, length + 1);
    ASSERT_TRUE(cache->check().ok()) << cache->check().message();
  }
  EXPECT_EQ(cache->keeps_rows(), GetParam() != KvHolding::kNone);
  EXPECT_EQ(cache->used_bytes(a), cache->keeps_rows() ? 7 * cache->geometry().block_bytes() : 0);
}

TEST_P(EveryHolding, TruncatesAndGoesOn) {
  auto cache = make(128, 1);
  if (!cache->keeps_rows()) return;  // nothing is kept, so nothing can be cut
  const SequenceId a = *cache->open();
  ASSERT_EQ(cache->reserve(a, 100), Room::kOk);
  for (int64_t p = 0; p < 100; ++p) write_row(cache->view(std::array{a}), 0, p, static_cast<uint16_t>(p));
  cache->commit(a, 100);
  cache->truncate(a, 45);
  EXPECT_EQ(cache->length(a), 45);
  EXPECT_EQ(cache->room(a), 64);
  ASSERT_TRUE(cache->check().ok()) << cache->check().message();
  ASSERT_EQ(cache->reserve(a, 128), Room::kOk);
  for (int64_t p = 45; p < 128; ++p)
    write_row(cache->view(std::array{a}), 0, p, static_cast<uint16_t>(500 + p));
  cache->commit(a, 128);
  const KvView view = cache->view(std::array{a});
  for (int64_t p = 0; p < 45; ++p) EXPECT_TRUE(row_is(view, 0, p, static_cast<uint16_t>(p)));
  for (int64_t p = 45; p < 128; ++p) EXPECT_TRUE(row_is(view, 0, p, static_cast<uint16_t>(500 + p)));
}

TEST_P(EveryHolding, OpensAtMostMaxSequencesAndReusesThem) {
  auto cache = make(64, 2);
  const SequenceId a = *cache->open();
  const SequenceId b = *cache->open();
  EXPECT_NE(a, b);
  EXPECT_FALSE(cache->open().has_value());
  ASSERT_EQ(cache->reserve(a, 64), Room::kOk);
  cache->close(a);
  EXPECT_EQ(cache->used_bytes(), 0u);
  EXPECT_EQ(cache->open(), a);
  EXPECT_EQ(cache->length(a), 0);
  EXPECT_EQ(cache->room(a), 0);
}

TEST_P(EveryHolding, HoldsEverySequenceToTheLastPositionOfTheContext) {
  constexpr int64_t kContext = 70;  // ends inside a block
  auto cache = make(kContext, 3);
  EXPECT_EQ(cache->max_length(), kContext);
  for (int i = 0; i < 3; ++i) {
    const SequenceId s = *cache->open();
    ASSERT_EQ(cache->reserve(s, kContext), Room::kOk) << i;
    const KvView view = cache->view(std::array{s});
    for (int64_t p = 0; p < kContext; ++p) write_row(view, 0, p, static_cast<uint16_t>(p));
    cache->commit(s, kContext);
    ASSERT_TRUE(cache->check().ok()) << cache->check().message();
  }
}

TEST_P(EveryHolding, ReadsAVectorPastTheLastBlock) {
  auto cache = make(32, 1);
  const SequenceId a = *cache->open();
  ASSERT_EQ(cache->reserve(a, 32), Room::kOk);
  const std::byte* end = cache->view(std::array{a}).layer_of_block(0, 0, 0) + cache->geometry().block_bytes();
  std::array<std::byte, 64> vector{};
  std::memcpy(vector.data(), end, vector.size());  // a sanitizer or the system would object
  EXPECT_EQ(reinterpret_cast<uintptr_t>(end) % 64, 0u);
}

TEST_P(EveryHolding, SaysWhatDoesNotFitInMemory) {
  KvCacheOptions options{.shape = kShape, .holding = GetParam(), .context = 4096, .max_sequences = 4};
  options.available_bytes = 10'000;
  const Status status = KvCache::create(options).status();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_NE(status.message().find("--context"), std::string::npos) << status.message();
}

TEST_P(EveryHolding, RefusesMeaninglessSizes) {
  for (const int64_t context : {int64_t{0}, int64_t{-1}, INT64_MAX}) {
    const auto cache = KvCache::create({.shape = kShape, .holding = GetParam(), .context = context});
    EXPECT_EQ(cache.status().code(), StatusCode::kInvalidArgument);
  }
  const auto cache =
      KvCache::create({.shape = kShape, .holding = GetParam(), .context = 64, .max_sequences = 0});
  EXPECT_EQ(cache.status().code(), StatusCode::kInvalidArgument);
}

TEST(KvCache, PoolHoldsWhatGeometrySays) {
  const uint64_t block = KvGeometry::make(kShape)->block_bytes();
  EXPECT_EQ(make_cache(KvHolding::kContiguous, 100, 3)->pool_bytes(), 12 * block);
  EXPECT_EQ(make_cache(KvHolding::kPaged, 100, 3)->pool_bytes(), 12 * block);
  EXPECT_EQ(make_cache(KvHolding::kPaged, 100, 3, 5)->pool_bytes(), 5 * block);
  EXPECT_EQ(make_cache(KvHolding::kNone, 100, 3)->pool_bytes(), 7 * block);
  EXPECT_EQ(make_cache(KvHolding::kGrowing, 100, 3)->pool_bytes(), 0u);
  EXPECT_EQ(make_cache(KvHolding::kPaged, 100, 3, 2)->max_length(), 64);
  EXPECT_FALSE(KvCache::create({.shape = kShape, .context = 64, .pool_bytes = 100}).ok());
}

TEST(KvCache, NoRoomChangesNothing) {
  for (const KvHolding holding : {KvHolding::kPaged, KvHolding::kGrowing}) {
    auto cache = make_cache(holding, 320, 2, 6);
    const SequenceId a = *cache->open();
    const SequenceId b = *cache->open();
    ASSERT_EQ(cache->reserve(a, 4 * kBlockSize), Room::kOk);
    ASSERT_EQ(cache->reserve(b, kBlockSize), Room::kOk);
    for (int64_t p = 0; p < kBlockSize; ++p) write_row(cache->view(std::array{b}), 0, p, 77);
    cache->commit(b, kBlockSize);
    const uint64_t used = cache->used_bytes();
    const uint64_t pool = cache->pool_bytes();

    EXPECT_EQ(cache->reserve(b, 3 * kBlockSize), Room::kNoRoom);
    EXPECT_EQ(cache->used_bytes(), used);
    EXPECT_EQ(cache->pool_bytes(), pool);
    EXPECT_EQ(cache->room(b), kBlockSize);
    EXPECT_EQ(cache->length(b), kBlockSize);
    for (int64_t p = 0; p < kBlockSize; ++p) EXPECT_TRUE(row_is(cache->view(std::array{b}), 0, p, 77));
    ASSERT_TRUE(cache->check().ok()) << cache->check().message();

    EXPECT_EQ(cache->reserve(b, 2 * kBlockSize), Room::kOk);
    cache->close(a);
    EXPECT_EQ(cache->reserve(b, 6 * kBlockSize), Room::kOk);
    EXPECT_EQ(cache->reserve(b, 6 * kBlockSize + 1), Room::kNoRoom);
  }
}

TEST(KvCache, NamesAreReadBack) {
  for (const auto* name : {"none", "growing", "contiguous", "paged"}) {
    EXPECT_EQ(kv_holding_name(*parse_kv_holding(name)), name);
  }
  for (const auto* name : {"f32", "f16", "bf16"}) EXPECT_EQ(kv_type_name(*parse_kv_type(name)), name);
  EXPECT_NE(parse_kv_holding("huge").status().message().find("contiguous"), std::string::npos);
  EXPECT_NE(parse_kv_type("int3").status().message().find("bf16"), std::string::npos);
}

// The naive model: for each open sequence, the marks of its rows.
class RandomOperations {
 public:
  RandomOperations(KvHolding holding, uint32_t seed, int64_t pool_blocks)
      : cache_(make_cache(holding, kContext, kSequences, pool_blocks)), random_(seed) {}

  void run(int count) {
    for (int i = 0; i < count && !::testing::Test::HasFailure(); ++i) {
      one();
      const Status status = cache_->check();
      ASSERT_TRUE(status.ok()) << status.message();
      compare();
    }
  }

 private:
  static constexpr int64_t kContext = 150;
  static constexpr int64_t kSequences = 4;

  int64_t below(int64_t end) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(end)); }

  void one() {
    if (model_.empty() || below(10) == 0) return open();
    auto& [id, marks] = *std::next(model_.begin(), below(static_cast<int64_t>(model_.size())));
    switch (below(6)) {
      case 0: return close(id);
      case 1: return cut(id, marks);
      default: return append(id, marks);
    }
  }

  void open() {
    const std::optional<SequenceId> id = cache_->open();
    ASSERT_EQ(id.has_value(), model_.size() < kSequences);
    if (id.has_value()) ASSERT_TRUE(model_.try_emplace(*id).second);
  }

  void close(SequenceId id) {
    cache_->close(id);
    model_.erase(id);
  }

  void cut(SequenceId id, std::vector<uint16_t>& marks) {
    marks.resize(static_cast<size_t>(below(static_cast<int64_t>(marks.size()) + 1)));
    cache_->truncate(id, static_cast<int64_t>(marks.size()));
  }

  void append(SequenceId id, std::vector<uint16_t>& marks) {
    const auto length = static_cast<int64_t>(marks.size());
    const int64_t target = length + below(kContext - length + 1);
    const int64_t room = cache_->room(id);
    const uint64_t used = cache_->used_bytes();
    if (cache_->reserve(id, target) == Room::kNoRoom) {
      ASSERT_EQ(cache_->room(id), room);
      ASSERT_EQ(cache_->used_bytes(), used);
      return;
    }
    ASSERT_GE(cache_->room(id), target);
    if (below(4) == 0) return;  // reserved and not used: the step was given up
    const KvView view = cache_->view(std::array{id});
    for (int64_t p = length; p < target; ++p) {
      marks.push_back(static_cast<uint16_t>(random_()));
      write_row(view, 0, p, marks.back());
    }
    cache_->commit(id, target);
    if (!cache_->keeps_rows()) marks.clear();
  }

  void compare() {
    uint64_t room = 0;
    for (const auto& [id, marks] : model_) {
      ASSERT_EQ(cache_->length(id), static_cast<int64_t>(marks.size()));
      const KvView view = cache_->view(std::array{id});
      for (size_t p = 0; p < marks.size(); ++p)
        ASSERT_TRUE(row_is(view, 0, static_cast<int64_t>(p), marks[p]));
      room += static_cast<uint64_t>(cache_->room(id));
    }
    ASSERT_EQ(cache_->used_bytes(), room / kBlockSize * cache_->geometry().block_bytes());
    ASSERT_LE(cache_->used_bytes(), cache_->pool_bytes());
  }

  std::unique_ptr<KvCache> cache_;
  std::mt19937_64 random_;
  std::map<SequenceId, std::vector<uint16_t>> model_;
};

TEST_P(EveryHolding, AgreesWithANaiveModel) {
  for (uint32_t seed = 1; seed <= 40 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    // From a pool that is nearly always full to one that never is.
    RandomOperations(GetParam(), seed, 2 + seed % 20).run(300);
  }
}

}  // namespace
}  // namespace cairn
