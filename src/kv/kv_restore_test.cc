// Blocks that leave the cache as they are sealed, and come back as rows of another sequence, of this cache or the next.
#include <gtest/gtest.h>

#include <map>
#include <utility>

#include "kv/kv_cache_testing.h"

namespace cairn {
namespace {

// Keeps copies of everything that is sealed, as a store would.
class Copies {
 public:
  explicit Copies(KvCache& cache) {
    cache.watch_sealed([this](const SealedBlock& block) { keep(block); });
  }
  struct Copy {
    BlockName root;
    BlockName parent;
    int64_t index;
    KvOwner owner;
    std::vector<TokenId> tokens;
    std::vector<std::vector<std::byte>> groups;
  };
  [[nodiscard]] const Copy& at(const BlockName& name) const { return copies_.at(name); }
  [[nodiscard]] int64_t count() const { return std::ssize(copies_); }
  [[nodiscard]] int64_t shown_count() const { return shown_count_; }

 private:
  void keep(const SealedBlock& block) {
    ++shown_count_;
    Copy copy{.root = block.root,
              .parent = block.parent,
              .index = block.index,
              .owner = block.owner,
              .tokens = {block.tokens.begin(), block.tokens.end()},
              .groups = {}};
    for (const auto bytes : block.group_bytes) copy.groups.emplace_back(bytes.begin(), bytes.end());
    copies_[block.name] = std::move(copy);
  }
  std::map<BlockName, Copy> copies_;
  int64_t shown_count_ = 0;
};

// The next block of the text, from the copies.
void restore_next(KvCache& cache, TestSequence& sequence, std::span<const TokenId> text,
                  const Copies& copies) {
  const auto first = static_cast<size_t>(sequence.length());
  const auto tokens = text.subspan(first, kBlockSize);
  const PrefixNames names = cache.names_of(text, sequence.salt);
  const Copies::Copy& copy = copies.at(names.blocks[first / kBlockSize]);
  ASSERT_TRUE(std::ranges::equal(copy.tokens, tokens));
  const std::vector<std::span<const std::byte>> bytes(copy.groups.begin(), copy.groups.end());
  ASSERT_EQ(cache.reserve(sequence.lease, sequence.length() + kBlockSize), Room::kOk);
  cache.restore(sequence.lease, tokens, bytes);
  for (const TokenId token : tokens) sequence.push(token);
}

KvCacheOptions options_of(std::string_view plan) {
  return {.shape = small_shape(plan), .context = 640, .max_sequences = 3, .step_rows = 128};
}

class Restored : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Plans, Restored, ::testing::Values("f16", "f32", "int8:token", "int4:channel"));

TEST_P(Restored, RowsAreThoseThatWereSealedAlsoInAnotherCache) {
  const auto text = some_tokens(200);
  const auto before = make_cache(options_of(GetParam()));
  const Copies copies(*before);
  const TestSequence computed = prefilled(*before, text, "salt");
  EXPECT_EQ(copies.count(), 6);

  const auto after = make_cache(options_of(GetParam()));
  TestSequence sequence = begin(*after, text, "salt");
  EXPECT_EQ(sequence.length(), 0);
  for (int block = 0; block < 6; ++block) restore_next(*after, sequence, text, copies);
  expect_intact(*after, sequence);
  EXPECT_EQ(after->counts().restored_positions, 192);
  EXPECT_EQ(after->counts().matched_positions, 0);
  // It goes on, and is found, like any other.
  ASSERT_EQ(extend(*after, sequence, std::span(text).subspan(192)), Room::kOk);
  expect_intact(*after, sequence);
  const TestSequence later = begin(*after, text, "salt");
  EXPECT_EQ(later.length(), 192);
  expect_intact(*after, later);
  EXPECT_EQ(begin(*after, text, "another").length(), 0);
}

// A step over the rows behind `block_count` blocks that come from the copies while it runs, layer by layer.
KvStep begin_behind(KvCache& cache, const TestSequence& sequence, std::span<const TokenId> text,
                    int64_t block_count) {
  const auto restored =
      text.subspan(static_cast<size_t>(sequence.length()), static_cast<size_t>(block_count * kBlockSize));
  const KvStepRows rows{.sequence = sequence.lease.sequence(),
                        .row_count = std::ssize(text) - sequence.length() - std::ssize(restored),
                        .restored = restored};
  EXPECT_EQ(cache.reserve(sequence.lease, std::ssize(text)), Room::kOk);
  return cache.begin_step(std::span(&rows, 1));
}

void fill_layer(KvCache& cache, KvStep& step, int64_t layer, const PrefixNames& names, int64_t first_block,
                int64_t block_count, const Copies& copies) {
  const KvGeometry& geometry = cache.geometry();
  const int32_t group = geometry.group_of(layer);
  const KvLayout layout = geometry.layout();
  const KvLayerLayout& of_layer = layout.layers[static_cast<size_t>(layer)];
  const auto offset = static_cast<size_t>(of_layer.offset);
  const auto bytes = static_cast<size_t>(of_layer.head_bytes() * layout.kv_head_count);
  for (int64_t block = 0; block < block_count; ++block) {
    const auto& copy = copies.at(names.blocks[static_cast<size_t>(first_block + block)]);
    const auto from = std::span(copy.groups[static_cast<size_t>(group)]).subspan(offset, bytes);
    std::ranges::copy(from, step.restored_block(block, group).subspan(offset, bytes).begin());
  }
}

TEST_P(Restored, BlocksMayComeWhileTheStepBehindThemRuns) {
  const auto text = some_tokens(200);
  KvCacheOptions options = options_of(GetParam());
  options.shape = grouped_shape(GetParam(), {0, 1, 1});
  const auto before = make_cache(options);
  const Copies copies(*before);
  const TestSequence computed = prefilled(*before, text, "salt");

  const auto after = make_cache(options);
  const PrefixNames names = after->names_of(text, "salt");
  TestSequence sequence = begin(*after, text, "salt");
  restore_next(*after, sequence, text, copies);
  for (const bool is_abandoned : {true, false}) {
    KvStep step = begin_behind(*after, sequence, text, 5);
    for (int64_t layer = 0; layer < step.layer_count(); ++layer) {
      fill_layer(*after, step, layer, names, 1, 5, copies);
      if (is_abandoned && layer == 1) break;
      const KvLayerView view = step.open(layer).value();
      EXPECT_EQ(view.sequences.size(), 1U);
    }
    if (is_abandoned) {
      step.abandon();
      EXPECT_EQ(after->length(sequence.lease), 32);
      expect_intact(*after, sequence);
      EXPECT_EQ(begin(*after, text, "salt").length(), 32);  // nothing of it can be found
      continue;
    }
    step.commit(std::span(text).subspan(192));
    for (const TokenId token : std::span(text).subspan(32, 160)) sequence.push(token);
  }
  EXPECT_EQ(after->length(sequence.lease), 200);
  EXPECT_EQ(after->counts().restored_positions, 192);
  const TestSequence later = begin(*after, text, "salt");
  EXPECT_EQ(later.length(), 192);
  expect_intact(*after, later);
}

TEST(KvRestore, ShowsEachNamedBlockOnceWithItsPlaceInTheText) {
  const auto text = some_tokens(100);
  const auto cache = make_cache(options_of("f16"));
  const Copies copies(*cache);
  const TestSequence first = prefilled(*cache, text);
  const TestSequence second = prefilled(*cache, text);  // finds them
  EXPECT_EQ(copies.shown_count(), 3);
  const PrefixNames names = cache->names_of(text, {});
  for (size_t block = 0; block < 3; ++block) {
    const Copies::Copy& copy = copies.at(names.blocks[block]);
    EXPECT_EQ(copy.root, names.root);
    EXPECT_EQ(copy.parent, block == 0 ? names.root : names.blocks[block - 1]);
    EXPECT_EQ(copy.index, static_cast<int64_t>(block));
    EXPECT_EQ(copy.tokens[0], static_cast<TokenId>(block * kBlockSize));
  }
  cache->watch_sealed({});
  const TestSequence third = prefilled(*cache, some_tokens(100, 500));
  EXPECT_EQ(copies.shown_count(), 3);
}

TEST(KvRestore, ABlockThatIsThereMeanwhileEndsAsOneWithIt) {
  const auto text = some_tokens(100);
  const auto cache = make_cache(options_of("f16"));
  const Copies copies(*cache);
  TestSequence late = begin(*cache, text);  // before anything is known
  const TestSequence computed = prefilled(*cache, text);
  for (int block = 0; block < 3; ++block) restore_next(*cache, late, text, copies);
  expect_intact(*cache, late);
  EXPECT_EQ(cache->counts().unified_blocks, 3);
  EXPECT_EQ(copies.shown_count(), 3);
}

TEST(KvRestore, WindowsPassRestoredBlocksLikeComputedOnes) {
  const KvCacheOptions options{.shape = windowed_shape("f16", {{}, {.window = 64}}),
                               .context = 640,
                               .max_sequences = 2,
                               .step_rows = 128};
  const auto text = some_tokens(320);
  const auto before = make_cache(options);
  const Copies copies(*before);
  TestSequence computed = begin(*before, text);
  for (size_t done = 0; done < text.size(); done += 64) {
    ASSERT_EQ(extend(*before, computed, std::span(text).subspan(done, 64)), Room::kOk);
  }
  EXPECT_EQ(copies.count(), 10);

  const auto after = make_cache(options);
  TestSequence sequence = begin(*after, text);
  for (int block = 0; block < 9; ++block) restore_next(*after, sequence, text, copies);
  expect_intact(*after, sequence);
  ASSERT_EQ(extend(*after, sequence, std::span(text).subspan(288)), Room::kOk);
  expect_intact(*after, sequence);
  const TestSequence same = begin(*before, some_tokens(1));
  EXPECT_EQ(after->kept_rows(sequence.lease, 1), before->kept_rows(computed.lease, 1));
  EXPECT_GT(after->counts().passed_blocks, 0);
}

TEST(KvRestore, IsChargedToTheOwnerAndBoundByTheQuota) {
  KvCacheOptions options = options_of("f16");
  const auto text = some_tokens(200);
  const auto before = make_cache(options);
  const Copies copies(*before);
  const TestSequence computed = prefilled(*before, text);

  const auto after = make_cache(options);
  const KvOwner owner{7};
  const uint64_t block_bytes = after->geometry().block_bytes();
  ASSERT_TRUE(after->set_quota(owner, 2 * block_bytes).ok());
  TestSequence sequence =
      begin(*after, {.tokens = text, .names = after->names_of(text, {}), .owner = owner}, {});
  restore_next(*after, sequence, text, copies);
  restore_next(*after, sequence, text, copies);
  EXPECT_EQ(after->owner_counts(owner).held_bytes, 2 * block_bytes);
  EXPECT_EQ(after->reserve(sequence.lease, 96), Room::kExceedsQuota);
  expect_intact(*after, sequence);
}

}  // namespace
}  // namespace cairn
