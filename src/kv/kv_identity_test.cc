// What a block's name covers, as a cache makes it: everything that shapes the block's bytes, and nothing else.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "kv/kv_cache_testing.h"

namespace cairn {
namespace {

KvCacheOptions base_options() {
  return {
      .shape = {.layer_count = 2,
                .kv_head_count = 2,
                .head_dim = 32,
                .plan = *KvPlan::parse("layer 0: k=int4:channel,v=int8:token; layer 1: k=f16,v=int4:token")},
      .identity = "model",
      .context = 320};
}

PrefixNames names_in(const KvCacheOptions& options, std::span<const TokenId> tokens,
                     std::string_view salt = "salt") {
  return make_cache(options)->names_of(tokens, salt);
}

std::vector<KvCacheOptions> other_identities() {
  std::vector<KvCacheOptions> all;
  const auto add = [&](const auto& change) {
    all.push_back(base_options());
    change(all.back());
  };
  for (const char* identity : {"", "Model", "model ", "model2", "model\n2 layers"}) {
    add([&](KvCacheOptions& o) { o.identity = identity; });
  }
  add([](KvCacheOptions& o) { o.identity = std::string("model\0", 6); });
  // One codec, one axis, one rotation of one side of one layer.
  for (
      const char* plan : {
          "layer 0: k=int3:channel,v=int8:token; layer 1: k=f16,v=int4:token",
          "layer 0: k=int4:token,v=int8:token; layer 1: k=f16,v=int4:token",
          "layer 0: k=int4,v=int8:token; layer 1: k=f16,v=int4:token",  // rotated
          "layer 0: k=int4:channel,v=int4:token; layer 1: k=f16,v=int4:token",
          "layer 0: k=int4:channel,v=int8:channel; layer 1: k=f16,v=int4:token",
          "layer 0: k=int4:channel,v=int8:token; layer 1: k=bf16,v=int4:token",
          "layer 0: k=int4:channel,v=int8:token; layer 1: k=f16,v=int3:token",
          "layer 0: k=int4:channel,v=int8:token; layer 1: k=f16,v=int4:token:hadamard",
          "layer 0: k=f16,v=int4:token; layer 1: k=int4:channel,v=int8:token",  // the two layers change places
          "layer 0: k=int8:token,v=int4:channel; layer 1: k=f16,v=int4:token",  // keys and values do
      }) {
    add([&](KvCacheOptions& o) { o.shape.plan = *KvPlan::parse(plan); });
  }
  add([](KvCacheOptions& o) { o.shape.kv_head_count = 1; });
  add([](KvCacheOptions& o) { o.shape.kv_head_count = 22; });
  add([](KvCacheOptions& o) { o.shape.head_dim = 64; });
  add([](KvCacheOptions& o) { std::swap(o.shape.kv_head_count, o.shape.head_dim); });
  add([](KvCacheOptions& o) { o.shape.layer_groups = {0, 1}; });
  add([](KvCacheOptions& o) { o.shape.layer_groups = {1, 0}; });
  // The same codecs in more layers.
  add([](KvCacheOptions& o) {
    o.shape.layer_count = 3;
    o.shape.plan = *KvPlan::parse("layer 0: k=int4:channel,v=int8:token; layers 1-2: k=f16,v=int4:token");
  });
  return all;
}

TEST(KvIdentity, EveryPartOfItChangesEveryName) {
  const std::vector<TokenId> tokens = some_tokens(100);
  std::vector<PrefixNames> all{names_in(base_options(), tokens), names_in(base_options(), tokens, ""),
                               names_in(base_options(), tokens, "salt2")};
  for (const KvCacheOptions& options : other_identities()) all.push_back(names_in(options, tokens));
  std::set<BlockName> names;
  for (const PrefixNames& of_one : all) {
    ASSERT_EQ(of_one.blocks.size(), 3U);
    names.insert(of_one.root);
    names.insert(of_one.blocks.begin(), of_one.blocks.end());
  }
  EXPECT_EQ(names.size(), 4 * all.size());
}

// Names are made of the codecs that a plan comes to, not of its words.
TEST(KvIdentity, PlansThatComeToTheSameCodecsShareTheirBlocks) {
  const std::vector<TokenId> tokens = some_tokens(64);
  const auto root_of = [&](const char* plan, int64_t head_dim) {
    KvCacheOptions options = base_options();
    options.shape.plan = *KvPlan::parse(plan);
    options.shape.head_dim = head_dim;
    return names_in(options, tokens).root;
  };
  EXPECT_EQ(root_of("int4", 32), root_of("int4:channel:hadamard", 32));
  EXPECT_EQ(root_of("int4", 32), root_of("layer 0: int4:hadamard; rest: k=int4,v=int4", 32));
  EXPECT_EQ(root_of("int4", 24), root_of("int4:channel", 24));  // such heads cannot be rotated
  EXPECT_NE(root_of("int4", 32), root_of("int4:channel", 32));
  for (const int64_t head_dim : {24, 32}) {
    EXPECT_NE(root_of("int4", head_dim), root_of("k=int4:channel,v=int4:token", head_dim));
  }
}

TEST(KvIdentity, EveryTokenChangesItsBlocksNameAndAllThatFollow) {
  const std::vector<TokenId> tokens = some_tokens(128);
  const PrefixNames names = names_in(base_options(), tokens);
  for (size_t at = 0; at < tokens.size(); ++at) {
    std::vector<TokenId> other = tokens;
    other[at] += 1'000;
    const PrefixNames of_other = names_in(base_options(), other);
    EXPECT_EQ(of_other.root, names.root);
    for (size_t b = 0; b < 4; ++b) EXPECT_EQ(of_other.blocks[b] == names.blocks[b], b < at / kBlockSize);
  }
}

TEST(KvIdentity, IsNotWhatOnlySizesTheCache) {
  const std::vector<TokenId> tokens = some_tokens(100);
  KvCacheOptions other = base_options();
  other.context = 1000;
  other.max_sequences = 7;
  other.step_rows = 77;
  other.pool_bytes = uint64_t{1} << 20;
  other.available_bytes = uint64_t{1} << 40;
  other.shape.layer_groups = {0, 0};
  // The same codecs in other words.
  other.shape.plan = *KvPlan::parse("k=f16,v=int4:token; layer 0: k=int4:channel,v=int8:token");
  const PrefixNames names = names_in(base_options(), tokens);
  EXPECT_EQ(names_in(other, tokens).root, names.root);
  EXPECT_EQ(names_in(other, tokens).blocks, names.blocks);
}

TEST(KvIdentity, NamesGrowWithTheirText) {
  auto cache = make_cache(base_options());
  const std::vector<TokenId> tokens = some_tokens(300);
  PrefixNames names = cache->names_of({}, "salt");
  for (size_t count = 0; count <= tokens.size(); count += 25) {
    cache->extend_names(names, std::span(tokens).first(count));
    const PrefixNames at_once = cache->names_of(std::span(tokens).first(count), "salt");
    EXPECT_EQ(names.root, at_once.root);
    EXPECT_EQ(names.blocks, at_once.blocks);
  }
}

TEST(KvIdentity, NothingIsNamedWhereNothingIsShared) {
  for (const KvStorageKind storage :
       {KvStorageKind::kNone, KvStorageKind::kGrowing, KvStorageKind::kContiguous, KvStorageKind::kPaged}) {
    KvCacheOptions options = base_options();
    options.storage = storage;
    if (storage == KvStorageKind::kPaged) options.sharing = PrefixSharing::kOff;
    auto cache = make_cache(options);
    PrefixNames names = cache->names_of(some_tokens(100), "salt");
    cache->extend_names(names, some_tokens(200));
    EXPECT_TRUE(names.blocks.empty());
    EXPECT_EQ(cache->findable(some_tokens(100), names), 0);
  }
}

}  // namespace
}  // namespace cairn
