// A folder of kept blocks for tests: what a small cache seals is put into a DiskStore at once. One thread.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kv/kv_cache_testing.h"
#include "kv/tiers/disk_tier.h"

namespace cairn {

inline std::unique_ptr<DiskStore> open_kept(const std::string& folder, uint64_t now_ms = 5000) {
  auto store = DiskStore::open(
      {.folder = folder, .size_bytes = uint64_t{64} << 20, .unix_ms = [now_ms] { return now_ms; }});
  EXPECT_TRUE(store.ok()) << store.status().message();
  return std::move(*store);
}

struct KeptText {
  std::vector<TokenId> tokens;
  std::string salt = {};
  uint64_t made_ms = 1000;
};

// Puts the full blocks of this text into the store, for the owner of its salt; returns their names.
inline std::vector<BlockName> keep_text(std::shared_ptr<DiskStore> store, const KeptText& text,
                                        const std::string& identity = "model=a",
                                        std::string_view plan = "f16") {
  const auto cache = make_cache({.shape = grouped_shape(plan, {0, 1, 1}),
                                 .identity = identity,
                                 .context = 1024,
                                 .max_sequences = 1,
                                 .step_rows = 1024});
  const auto form = BlockRecordForm::make(cache->geometry(), cache->identity());
  EXPECT_TRUE(form.ok()) << form.status().message();
  DiskTier disk(*form, std::move(store), 1);
  cache->watch_sealed([&](const SealedBlock& block) {
    std::vector<std::vector<std::byte>> copies;
    for (const auto bytes : block.group_bytes) copies.emplace_back(bytes.begin(), bytes.end());
    const std::vector<std::span<std::byte>> groups(copies.begin(), copies.end());
    const StoredBlock stored{
        .name = block.name,
        .place = {.root = block.root, .parent = block.parent, .index = block.index, .tokens = block.tokens},
        .owner = owner_tag_of(text.salt)};
    const Status put = disk.put(stored, groups, text.made_ms);
    EXPECT_TRUE(put.ok()) << put.message();
  });
  const PrefixNames names = cache->names_of(text.tokens, text.salt);
  {
    const TestSequence computed = prefilled(*cache, text.tokens, text.salt);
  }
  cache->watch_sealed({});
  return names.blocks;
}

}  // namespace cairn
