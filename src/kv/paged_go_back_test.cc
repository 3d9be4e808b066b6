// Going back over blocks that windows have passed: by the text's names, or by what the index remembers.
#include <gtest/gtest.h>

#include "kv/kv_cache_testing.h"
#include "kv/storage.h"

namespace cairn {
namespace {

constexpr SequenceId kOne{0};

// One sequence of a group with a window of 128, and no room for ghosts of what it has passed but a few.
class GoingBack : public ::testing::Test {
 protected:
  GoingBack() {
    BlockNamer namer{std::string_view()};
    names_.root = namer.root("");
    namer.extend(names_, tokens_);
    EXPECT_EQ(storage_->match(kOne, std::span(tokens_).first(600), names_).found_positions, 0);  // the prompt
    while (length_ < std::ssize(tokens_)) go_on();
    EXPECT_TRUE(storage_->check().ok());
  }
  void go_on() {
    const int64_t count = std::min<int64_t>(100, std::ssize(tokens_) - length_);
    ASSERT_EQ(storage_->grow(kOne, KvGeometry::blocks_for(length_ + count)), Room::kOk);
    storage_->begin_rows(kOne, length_ + count);
    storage_->commit(kOne, length_,
                     std::span(tokens_).subspan(static_cast<size_t>(length_), static_cast<size_t>(count)));
    length_ += count;
  }

  static KvStoragePlan plan() {
    return {.geometry = *KvGeometry::make(windowed_shape("f16", {{.window = 128, .sinks = 4}})),
            .context_blocks = 100,
            .max_sequences = 1,
            .pool_blocks = {30},
            .resume_blocks = {10},
            .sequence_blocks = {8},
            .table_blocks = {30},
            .sharing = PrefixSharing::kOn,
            .ghost_count = 5,
            .forgets = true};
  }

  std::vector<TokenId> tokens_ = some_tokens(1600);
  PrefixNames names_;
  KvEventLog events_;
  std::unique_ptr<KvStorage> storage_ = *make_paged_storage(plan(), events_);
  int64_t length_ = 0;
};

TEST_F(GoingBack, ByNamesItEndsAtTheLastTail) {
  const NamedText text{tokens_, names_};
  EXPECT_EQ(storage_->truncate(kOne, 1300, &text), 576);  // the prompt's last block end
  EXPECT_TRUE(storage_->check().ok()) << storage_->check().message();
  length_ = 576;
  while (length_ < 1600) go_on();
  EXPECT_EQ(storage_->truncate(kOne, 300, &text), 32);  // the sinks, and nothing behind them
  EXPECT_TRUE(storage_->check().ok());
}

TEST_F(GoingBack, WithoutNamesTheIndexMustStillKnowAllOfIt) {
  EXPECT_EQ(storage_->truncate(kOne, 1300, nullptr), 0);
  EXPECT_TRUE(storage_->check().ok());
}

TEST_F(GoingBack, WithinTheMarginNamesAreNotNeeded) {
  EXPECT_EQ(storage_->truncate(kOne, 1600 - kBlockSize, nullptr), 1600 - kBlockSize);
  EXPECT_TRUE(storage_->check().ok());
}

}  // namespace
}  // namespace cairn
