// check() of each way to store blocks: it finds each kind of disorder in its tables. KvCache cannot make any, so the
// tables are changed behind the storage's back.
#include "kv/storage.h"

#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "kv/kv_cache_testing.h"

namespace cairn {
namespace {

using MakeStorage = Result<std::unique_ptr<KvStorage>> (*)(const KvStoragePlan&);
using Tables = std::vector<KvBlockTable>;

KvEventLog& event_log() {
  static KvEventLog events;
  return events;
}
Result<std::unique_ptr<KvStorage>> make_none(const KvStoragePlan& plan) {
  return make_none_storage(plan, event_log());
}
Result<std::unique_ptr<KvStorage>> make_paged(const KvStoragePlan& plan) {
  return make_paged_storage(plan, event_log());
}

struct Peek : KvStorage {
  static Tables& tables_of(KvStorage& storage) { return storage.*&Peek::tables_; }
};

// Two tables of three sequences: 70 rows (in paged two sealed blocks and an open one), and a block without
// rows.
class StorageCheck : public ::testing::TestWithParam<std::pair<MakeStorage, PrefixSharing>> {
 protected:
  StorageCheck()
      : plan_{*KvGeometry::make(small_shape("f16")), 4, 3, kPoolBlocks, GetParam().second},
        storage_(*make()(plan_)) {
    for (int32_t s = 0; s < 3; ++s) storage_->match({s}, {}, {});
    EXPECT_EQ(storage_->grow({0}, 3), Room::kOk);
    storage_->commit({0}, 0, some_tokens(70));
    EXPECT_EQ(storage_->grow({1}, 1), Room::kOk);
    EXPECT_TRUE(storage_->check().ok()) << storage_->check().message();
  }
  void expect_disorder(const std::function<void(Tables&)>& change) {
    Tables& tables = Peek::tables_of(*storage_);
    const Tables in_order = tables;
    change(tables);
    EXPECT_EQ(storage_->check().code(), StatusCode::kInternal);
    tables = in_order;
    EXPECT_TRUE(storage_->check().ok());
  }
  [[nodiscard]] static MakeStorage make() { return GetParam().first; }
  [[nodiscard]] static bool is_pooled() { return make() == &make_paged || make() == &make_none; }

  static constexpr int64_t kPoolBlocks = 12;
  KvStoragePlan plan_;
  std::unique_ptr<KvStorage> storage_;
};

INSTANTIATE_TEST_SUITE_P(Storages, StorageCheck,
                         ::testing::Values(std::pair(&make_none, PrefixSharing::kOff),
                                           std::pair(&make_growing_storage, PrefixSharing::kOff),
                                           std::pair(&make_contiguous_storage, PrefixSharing::kOff),
                                           std::pair(&make_paged, PrefixSharing::kOff),
                                           std::pair(&make_paged, PrefixSharing::kOn)));

TEST_P(StorageCheck, FindsABlockOutsideTheMemory) {
  for (const int32_t id : {-1, int32_t{kPoolBlocks} + 4, INT32_MIN, INT32_MAX}) {
    for (size_t b = 0; b < 3; ++b) {
      expect_disorder([&](Tables& tables) { tables[0].blocks[b] = {id}; });
    }
    expect_disorder([&](Tables& tables) { tables[1].blocks[0] = {id}; });
    expect_disorder([&](Tables& tables) { tables[2].blocks.push_back({id}); });
  }
}

TEST_P(StorageCheck, FindsBlocksInTheWrongPlace) {
  const auto swap_blocks = [&](size_t a, size_t b) {
    expect_disorder([&](Tables& tables) { std::swap(tables[0].blocks[a], tables[0].blocks[b]); });
  };
  swap_blocks(0, 2);
  swap_blocks(1, 2);
  // Two sealed blocks of a pool are told apart by their names alone.
  if (!is_pooled() || GetParam().second == PrefixSharing::kOn) swap_blocks(0, 1);
  expect_disorder([](Tables& tables) { std::swap(tables[0], tables[1]); });
}

TEST_P(StorageCheck, FindsABlockThatTwoSequencesHave) {
  for (size_t b = 0; b < 3; ++b) {
    if (b == 0 && make() == &make_growing_storage)
      continue;  // every sequence's first block is its own block 0
    expect_disorder([&](Tables& tables) { tables[1].blocks[0] = tables[0].blocks[b]; });
    expect_disorder([&](Tables& tables) { tables[2].blocks.push_back(tables[0].blocks[b]); });
  }
}

TEST_P(StorageCheck, FindsALostBlock) {
  if (make() == &make_contiguous_storage) return;  // a shorter table is in order there
  expect_disorder([](Tables& tables) {
    KvBlockTable& table = tables[0];
    if (make() == &make_growing_storage) {
      table.blocks.push_back({table.blocks.back().value + 1});  // behind the tensor's end
    } else {
      table.blocks.pop_back();
    }
  });
}

}  // namespace
}  // namespace cairn
