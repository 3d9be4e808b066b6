#include "kv/tiers/block_catalogue.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/temporary_folder_testing.h"
#include "kv/tiers/kept_blocks_testing.h"
#include "store/disk_store_testing.h"

namespace cairn {
namespace {

bool go_on(uint64_t, uint64_t) { return true; }

BlockCatalogue catalogue_of(DiskStore& store) {
  auto catalogue = BlockCatalogue::read(store, go_on);
  EXPECT_TRUE(catalogue.ok()) << catalogue.status().message();
  return std::move(*catalogue);
}

size_t at(const BlockCatalogue& catalogue, const BlockName& name) {
  const auto found = catalogue.find(to_hex(name));
  EXPECT_TRUE(found.ok()) << found.status().message();
  return *found;
}

std::vector<BlockName> names_at(const BlockCatalogue& catalogue, const std::vector<size_t>& blocks) {
  std::vector<BlockName> names;
  for (const size_t block : blocks) names.push_back(catalogue.block(block).name);
  return names;
}

std::vector<BlockName> sorted(std::vector<BlockName> names) {
  std::ranges::sort(names);
  return names;
}

using Names = std::vector<BlockName>;

// Two texts that begin alike: five blocks, three of them in both; and one of somebody else.
class Catalogue : public ::testing::Test {
 protected:
  Catalogue() : store(open_kept(folder.at("kept"))) {
    const auto start = some_tokens(96);
    a = keep_text(store, {joined(start, some_tokens(64, 500))});
    b = keep_text(store, {joined(start, some_tokens(40, 700))});
    c = keep_text(store, {some_tokens(70), "salt"});
  }

  TemporaryFolder folder;
  std::shared_ptr<DiskStore> store;
  Names a, b, c;
};

TEST_F(Catalogue, HasEveryBlockInItsText) {
  const BlockCatalogue catalogue = catalogue_of(*store);
  EXPECT_EQ(catalogue.blocks().size(), 3U + 2 + 1 + 2);
  EXPECT_EQ(catalogue.bad_count(), 0U);
  EXPECT_EQ(names_at(catalogue, catalogue.chain_of(at(catalogue, a.back()))), a);
  EXPECT_EQ(names_at(catalogue, catalogue.chain_of(at(catalogue, b.back()))), b);
  EXPECT_EQ(sorted(names_at(catalogue, catalogue.leaves())), sorted({a.back(), b.back(), c.back()}));
  const KeptBlock& first = catalogue.block(at(catalogue, c.front()));
  EXPECT_EQ(first.index, 0);
  EXPECT_EQ(first.owner, owner_tag_of("salt"));
  EXPECT_TRUE(std::ranges::equal(first.tokens, some_tokens(32)));
  EXPECT_TRUE(catalogue.identities()[first.identity].starts_with("model=a\n"));
  EXPECT_EQ(first.created_ms, 1000U);
  EXPECT_EQ(catalogue.identities().size(), 1U);
}

TEST_F(Catalogue, IsNoUseOfABlock) {
  const auto before = store->find(record_name_of(a.front()));
  (void)catalogue_of(*store);
  const auto after = store->find(record_name_of(a.front()));
  EXPECT_EQ(after->hits, before->hits);
  EXPECT_EQ(after->last_used_ms, before->last_used_ms);
}

TEST_F(Catalogue, TextsThatWereUsedLastComeFirst) {
  store.reset();
  const uint64_t now_ms = uint64_t{1} << 40;
  store = open_kept(folder.at("kept"), now_ms);
  ASSERT_TRUE(store->touch(record_name_of(b.back()), 3 * 60'000));  // as DiskTier tells it of a fourth block
  const BlockCatalogue catalogue = catalogue_of(*store);
  const KeptBlock& first = catalogue.block(catalogue.leaves().front());
  EXPECT_EQ(first.name, b.back());
  EXPECT_EQ(first.last_used_ms, now_ms);
}

TEST_F(Catalogue, ATextGoesWithoutWhatOthersNeed) {
  const BlockCatalogue catalogue = catalogue_of(*store);
  const auto only = [&](const BlockName& name) {
    return sorted(names_at(catalogue, catalogue.blocks_only_of(at(catalogue, name))));
  };
  EXPECT_EQ(only(a.back()), sorted({a[3], a[4]}));
  EXPECT_EQ(only(b.back()), sorted({b[3]}));
  EXPECT_EQ(only(c.back()), sorted(c));
  // In the middle: what builds on it goes too.
  EXPECT_EQ(only(a[1]), sorted({a[0], a[1], a[2], a[3], a[4], b[3]}));
}

TEST_F(Catalogue, WhatAnotherPinnedTextNeedsStaysPinned) {
  const auto pin = [&](const Names& names) {
    for (const BlockName& name : names) ASSERT_TRUE(store->pin(record_name_of(name)).ok());
  };
  pin(a);
  BlockCatalogue catalogue = catalogue_of(*store);
  EXPECT_EQ(names_at(catalogue, catalogue.unpinnable_of(at(catalogue, a.back()))), a);
  pin(b);
  catalogue = catalogue_of(*store);
  EXPECT_EQ(names_at(catalogue, catalogue.unpinnable_of(at(catalogue, a.back()))), (Names{a[3], a[4]}));
  EXPECT_EQ(names_at(catalogue, catalogue.unpinnable_of(at(catalogue, a[2]))), Names{});
}

TEST_F(Catalogue, AGapEndsAText) {
  ASSERT_TRUE(store->erase(record_name_of(a[1])).ok());
  const BlockCatalogue catalogue = catalogue_of(*store);
  EXPECT_EQ(names_at(catalogue, catalogue.chain_of(at(catalogue, a.back()))), (Names{a[2], a[3], a[4]}));
  EXPECT_EQ(catalogue.leaves().size(), 4U);  // what is before the gap is a text of its own
}

TEST_F(Catalogue, FindsABlockByTheBeginningOfItsName) {
  const BlockCatalogue catalogue = catalogue_of(*store);
  std::string digits = to_hex(a[2]).substr(0, 12);
  EXPECT_EQ(catalogue.block(*catalogue.find(digits)).name, a[2]);
  std::ranges::transform(digits, digits.begin(),
                         [](char digit) { return static_cast<char>(std::toupper(digit)); });
  EXPECT_EQ(catalogue.block(*catalogue.find(digits)).name, a[2]);
  EXPECT_EQ(catalogue.find("").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(catalogue.find("0123456").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(catalogue.find("0123456x").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(catalogue.find(std::string(65, '0')).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(catalogue.find(std::string(64, '0')).status().code(), StatusCode::kNotFound);
}

TEST_F(Catalogue, FindsTheLongestThatIsKeptOfAPromptForEachRoot) {
  const auto prompt = joined(some_tokens(96), some_tokens(100, 500));
  const auto of_other_model = keep_text(store, {some_tokens(40)}, "model=b");
  const BlockCatalogue catalogue = catalogue_of(*store);
  const auto all = [](const KeptBlock&) { return true; };
  EXPECT_EQ(sorted(names_at(catalogue, catalogue.find_prefixes(prompt, all))),
            sorted({a.back(), c.back(), of_other_model.back()}));
  const auto is_a = [&](const KeptBlock& block) {
    return block.owner == OwnerTag{} && catalogue.identities()[block.identity].starts_with("model=a\n");
  };
  EXPECT_EQ(names_at(catalogue, catalogue.find_prefixes(prompt, is_a)), Names{a.back()});
  EXPECT_EQ(names_at(catalogue, catalogue.find_prefixes(some_tokens(63), is_a)), Names{a[0]});
  EXPECT_EQ(names_at(catalogue, catalogue.find_prefixes(some_tokens(31), all)), Names{});
  EXPECT_EQ(names_at(catalogue, catalogue.find_prefixes(some_tokens(64, 1), all)), Names{});
}

TEST_F(Catalogue, CountsWhatIsNoBlock) {
  ASSERT_TRUE(store->put(SampleRecord(1, {100}).view()).ok());
  const BlockCatalogue catalogue = catalogue_of(*store);
  EXPECT_EQ(catalogue.blocks().size(), 8U);
  EXPECT_EQ(catalogue.bad_count() + catalogue.foreign_count(), 1U);
  EXPECT_FALSE(BlockCatalogue::read(*store, [](uint64_t done, uint64_t) { return done < 3; }).ok());
}

// What anybody may write: whole by its checksums, and a lie.
class Lies : public Catalogue {
 protected:
  // A copy of a's second block, changed.
  void put_changed(const RecordName& name, const std::function<void(std::vector<std::byte>& head)>& change,
                   size_t slice_bytes = 0) {
    auto reader = store->look_at(record_name_of(a[1]));
    ASSERT_TRUE(reader.ok());
    const auto& sizes = *reader->record().slice_bytes;
    std::vector<std::byte> head(reader->record().head_bytes);
    ASSERT_TRUE(reader->read_head(head).ok());
    change(head);
    std::vector<std::vector<std::byte>> slices;
    for (const uint32_t bytes : sizes) slices.emplace_back(slice_bytes > 0 ? slice_bytes : bytes);
    const std::vector<std::span<const std::byte>> views(slices.begin(), slices.end());
    ASSERT_TRUE(store->put({.name = name, .head = head, .slices = views}).ok());
  }
  void expect_found_out() {
    EXPECT_EQ(catalogue_of(*store).bad_count(), 1U);
    const BlockVerifyReport report = verify_blocks(*store, go_on);
    EXPECT_EQ(report.checked_count, 9U);
    EXPECT_EQ(report.bad_count, 1U);
    EXPECT_TRUE(report.is_complete && report.erased.ok());
    store.reset();
    store = open_kept(folder.at("kept"));
    EXPECT_EQ(store->counts().record_count, 8U);
    EXPECT_EQ(verify_blocks(*store, go_on).bad_count, 0U);
  }
};

TEST_F(Lies, AnotherName) {
  put_changed(name_of(7), [](auto&) {});
  expect_found_out();
}

TEST_F(Lies, OtherTokens) {
  ASSERT_TRUE(store->erase(record_name_of(b[3])).ok());
  put_changed(record_name_of(b[3]), [](auto& head) { head[88] ^= std::byte{1}; });
  EXPECT_EQ(verify_blocks(*store, go_on).bad_count, 1U);
}

TEST_F(Lies, SlicesOfAnotherLength) {
  auto copy = record_name_of(a[1]);
  const auto erase_first = [&](auto&) { ASSERT_TRUE(store->erase(copy).ok()); };
  put_changed(copy, erase_first, 64);
  EXPECT_EQ(verify_blocks(*store, go_on).bad_count, 1U);
}

TEST_F(Lies, AFirstBlockInTheMiddle) {
  auto copy = record_name_of(a[1]);
  put_changed(copy, [&](auto& head) {
    ASSERT_TRUE(store->erase(copy).ok());
    std::fill_n(head.begin() + 8, 8, std::byte{0});
  });
  EXPECT_EQ(verify_blocks(*store, go_on).bad_count, 1U);
}

TEST_F(Lies, NoHeadAtAll) {
  ASSERT_TRUE(store->put({.name = name_of(1)}).ok());
  expect_found_out();
}

TEST_F(Lies, AnotherVersionIsLeftAlone) {
  put_changed(name_of(7), [](auto& head) { head[0] = std::byte{2}; });
  EXPECT_EQ(catalogue_of(*store).foreign_count(), 1U);
  const BlockVerifyReport report = verify_blocks(*store, go_on);
  EXPECT_EQ(report.bad_count, 0U);
  EXPECT_EQ(report.foreign_count, 1U);
  EXPECT_EQ(store->counts().record_count, 9U);
}

TEST_F(Catalogue, VerifyErasesWhatIsDamagedFromTheFilesToo) {
  const std::string path = segment_path(folder.at("kept"), 1);
  auto reader = store->look_at(record_name_of(a[3]));
  ASSERT_TRUE(reader.ok());
  std::vector<std::byte> slice(reader->record().slice_bytes->back());
  ASSERT_TRUE(reader->read_slice(reader->record().slice_bytes->size() - 1, slice).ok());
  reader = not_found("");
  store.reset();
  std::vector<std::byte> bytes = file_content(path);
  const auto there = std::ranges::search(bytes, slice);
  ASSERT_FALSE(there.empty());
  there.front() ^= std::byte{1};
  write_file(path, bytes);

  store = open_kept(folder.at("kept"));
  const BlockVerifyReport report = verify_blocks(*store, go_on);
  EXPECT_EQ(report.bad_count, 1U);
  EXPECT_TRUE(report.erased.ok()) << report.erased.message();
  store.reset();
  store = open_kept(folder.at("kept"));
  EXPECT_EQ(store->counts().record_count, 7U);
  EXPECT_FALSE(store->find(record_name_of(a[3])));
  EXPECT_EQ(verify_blocks(*store, go_on).bad_count, 0U);
}

}  // namespace
}  // namespace cairn
