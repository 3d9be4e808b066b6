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

struct Way {
  MakeStorage make;
  PrefixSharing sharing;
  int32_t group_count = 1;
};

// A layer for each group; the last one's is smaller.
KvGeometry geometry_of(int32_t group_count) {
  std::vector<int32_t> groups(static_cast<size_t>(group_count));
  for (size_t i = 0; i < groups.size(); ++i) groups[i] = static_cast<int32_t>(i);
  return *KvGeometry::make(grouped_shape(group_count == 1 ? "f16" : "f16; layer -1: int8:token", groups));
}

// Two tables of three sequences, in every group: 70 rows (in paged two sealed blocks and an open one), and a block
// without rows.
class StorageCheck : public ::testing::TestWithParam<Way> {
 protected:
  StorageCheck()
      : plan_{.geometry = geometry_of(GetParam().group_count),
              .context_blocks = 4,
              .max_sequences = 3,
              .pool_blocks = std::vector<int64_t>(static_cast<size_t>(GetParam().group_count), kPoolBlocks),
              .table_blocks = std::vector<int64_t>(static_cast<size_t>(GetParam().group_count), 4),
              .sharing = GetParam().sharing},
        storage_(*make()(plan_)) {
    for (int32_t s = 0; s < 3; ++s) storage_->match({s}, {}, {});
    EXPECT_EQ(storage_->grow({0}, 3), Room::kOk);
    storage_->commit({0}, 0, some_tokens(70));
    EXPECT_EQ(storage_->grow({1}, 1), Room::kOk);
    EXPECT_TRUE(storage_->check().ok()) << storage_->check().message();
  }
  // In each group in turn: `change` gets a table for each sequence.
  void expect_disorder(const std::function<void(Tables&)>& change) {
    Tables& tables = Peek::tables_of(*storage_);
    const Tables in_order = tables;
    const auto group_count = static_cast<size_t>(GetParam().group_count);
    for (size_t group = 0; group < group_count; ++group) {
      Tables of_group;
      for (size_t s = 0; s < 3; ++s) of_group.push_back(tables[s * group_count + group]);
      change(of_group);
      for (size_t s = 0; s < 3; ++s) tables[s * group_count + group] = of_group[s];
      EXPECT_EQ(storage_->check().code(), StatusCode::kInternal) << "group " << group;
      tables = in_order;
      EXPECT_TRUE(storage_->check().ok());
    }
  }
  [[nodiscard]] static MakeStorage make() { return GetParam().make; }
  [[nodiscard]] static bool is_pooled() { return make() == &make_paged || make() == &make_none; }

  static constexpr int64_t kPoolBlocks = 12;
  KvStoragePlan plan_;
  std::unique_ptr<KvStorage> storage_;
};

INSTANTIATE_TEST_SUITE_P(
    Storages, StorageCheck,
    ::testing::Values(Way{&make_none, PrefixSharing::kOff}, Way{&make_growing_storage, PrefixSharing::kOff},
                      Way{&make_contiguous_storage, PrefixSharing::kOff},
                      Way{&make_paged, PrefixSharing::kOff}, Way{&make_paged, PrefixSharing::kOn},
                      Way{&make_none, PrefixSharing::kOff, 2},
                      Way{&make_growing_storage, PrefixSharing::kOff, 2},
                      Way{&make_contiguous_storage, PrefixSharing::kOff, 3},
                      Way{&make_paged, PrefixSharing::kOff, 3}, Way{&make_paged, PrefixSharing::kOn, 2},
                      Way{&make_paged, PrefixSharing::kOn, 3}));

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
  if (!is_pooled() || GetParam().sharing == PrefixSharing::kOn) swap_blocks(0, 1);
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
  // A shorter table is in order there, unless those of other groups are longer.
  if (make() == &make_contiguous_storage && GetParam().group_count == 1) return;
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
