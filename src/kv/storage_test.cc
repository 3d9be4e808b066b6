// check() of each way of holding blocks: it finds each kind of disorder between tables and memory. KvCache
// cannot make any, so holders are asked directly.
#include <gtest/gtest.h>

#include <utility>

#include "kv/holder.h"
#include "kv/kv_cache_testing.h"

namespace cairn {
namespace {

using MakeHolder = Result<std::unique_ptr<KvHolder>> (*)(const KvHolderPlan&);

// Two tables of three sequences: 70 rows (in paged two sealed blocks and an open one), and a block without
// rows.
class HolderCheck : public ::testing::TestWithParam<std::pair<MakeHolder, KvSharing>> {
 protected:
  HolderCheck()
      : plan_{*KvGeometry::make(small_shape("f16")), 4, 3, 12, GetParam().second},
        holder_(*GetParam().first(plan_)) {
    for (KvBlockTable& table : tables_) table.reserve(4);
    for (int32_t s = 0; s < 3; ++s) holder_->match({s}, tables_[static_cast<size_t>(s)], {}, {});
    EXPECT_EQ(holder_->grow({0}, tables_[0], 3), Room::kOk);
    holder_->commit({0}, tables_[0], 0, some_tokens(70));
    EXPECT_EQ(holder_->grow({1}, tables_[1], 1), Room::kOk);
    EXPECT_TRUE(holder_->check(tables_).ok()) << holder_->check(tables_).message();
  }
  void expect_disorder(const std::array<KvBlockTable, 3>& tables) const {
    EXPECT_EQ(holder_->check(tables).code(), StatusCode::kInternal);
    EXPECT_TRUE(holder_->check(tables_).ok());
  }
  [[nodiscard]] bool is_growing() const { return GetParam().first == make_growing_holder; }

  KvHolderPlan plan_;
  std::unique_ptr<KvHolder> holder_;
  std::array<KvBlockTable, 3> tables_;
};

INSTANTIATE_TEST_SUITE_P(Holders, HolderCheck,
                         ::testing::Values(std::pair(&make_none_holder, KvSharing::kNone),
                                           std::pair(&make_growing_holder, KvSharing::kNone),
                                           std::pair(&make_contiguous_holder, KvSharing::kNone),
                                           std::pair(&make_paged_holder, KvSharing::kNone),
                                           std::pair(&make_paged_holder, KvSharing::kPrefixes)));

TEST_P(HolderCheck, FindsAnAddressInsideABlock) {
  auto tables = tables_;
  tables[0][1] += 1;
  expect_disorder(tables);
}

TEST_P(HolderCheck, FindsBlocksInTheWrongPlace) {
  auto tables = tables_;
  std::swap(tables[0][0], tables[0][1]);
  expect_disorder(tables);
  tables = tables_;
  std::swap(tables[0], tables[1]);
  expect_disorder(tables);
}

TEST_P(HolderCheck, FindsABlockThatTwoSequencesHave) {
  auto tables = tables_;
  tables[1][0] = tables[0][0];
  expect_disorder(tables);
  tables = tables_;
  tables[2].push_back(tables[0][2]);
  expect_disorder(tables);
}

TEST_P(HolderCheck, FindsALostBlock) {
  if (GetParam().first == make_contiguous_holder) return;  // a shorter table is in order there
  auto tables = tables_;
  if (is_growing()) {
    tables[0].push_back(tables[0].back() + plan_.geometry.block_bytes());  // behind the tensor's end
  } else {
    tables[0].pop_back();
  }
  expect_disorder(tables);
}

}  // namespace
}  // namespace cairn
