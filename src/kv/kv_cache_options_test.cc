// What a cache refuses, and whether it says why.
#include <gtest/gtest.h>

#include "kv/kv_cache_testing.h"

namespace cairn {
namespace {

constexpr std::array kKinds{KvStorageKind::kNone, KvStorageKind::kGrowing, KvStorageKind::kContiguous,
                            KvStorageKind::kPaged};

KvCacheOptions good_options(KvStorageKind kind = KvStorageKind::kPaged) {
  return {.shape = small_shape("f16"), .storage = kind, .context = 64};
}

// Both that make a cache and that only count say the same.
void expect_refusal(const KvCacheOptions& options, std::string_view words) {
  for (const Status& status : {KvCache::create(options).status(), KvCache::memory_of(options).status()}) {
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.message();
    EXPECT_NE(status.message().find(words), std::string::npos) << status.message();
  }
}

void expect_too_large(const KvCacheOptions& options) {
  const Status status = KvCache::create(options).status();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted) << status.message();
  for (const char* way_out : {"`context`", "`kv_plan`"}) {
    EXPECT_NE(status.message().find(way_out), std::string::npos) << status.message();
  }
  // Where there is one sequence already, fewer are no way out.
  EXPECT_EQ(status.message().find("fewer sequences (`max_sequences`)") != std::string::npos,
            options.max_sequences > 1)
      << status.message();
}

TEST(KvCacheOptions, RefusesMeaninglessSizes) {
  for (const KvStorageKind kind : kKinds) {
    for (const int64_t context :
         {int64_t{0}, int64_t{-1}, INT64_MIN, INT64_MAX, KvGeometry::kMaxPositions + 1}) {
      KvCacheOptions options = good_options(kind);
      options.context = context;
      expect_refusal(options, "a context of " + std::to_string(context) + " positions");
    }
    for (const int64_t count : {int64_t{0}, int64_t{-1}, int64_t{65537}, INT64_MAX}) {
      KvCacheOptions options = good_options(kind);
      options.max_sequences = count;
      expect_refusal(options, std::to_string(count) + " sequences at once");
    }
    for (const int64_t rows : {int64_t{0}, int64_t{-1}, INT64_MAX}) {
      KvCacheOptions options = good_options(kind);
      options.step_rows = rows;
      expect_refusal(options, "a step of " + std::to_string(rows) + " rows");
    }
  }
}

TEST(KvCacheOptions, RefusesImpossibleShapesAndPlans) {
  for (const KvStorageKind kind : kKinds) {
    KvCacheOptions options = good_options(kind);
    options.shape.layer_count = 0;
    expect_refusal(options, "layer count is 0");
    options = good_options(kind);
    options.shape.head_dim = -5;
    expect_refusal(options, "head dimension is -5");
    options = good_options(kind);
    options.shape = small_shape("f16; layer 2: int8:token");
    expect_refusal(options, "there is no layer 2");
  }
}

TEST(KvCacheOptions, RefusesAPoolThatHoldsNoBlock) {
  for (const KvStorageKind kind : {KvStorageKind::kGrowing, KvStorageKind::kPaged}) {
    for (const uint64_t bytes : {0, 1, 100}) {
      KvCacheOptions options = good_options(kind);
      options.pool_bytes = bytes;
      expect_refusal(options, "a cache of " + std::to_string(bytes) + " bytes cannot hold one block");
    }
    KvCacheOptions options = good_options(kind);
    options.pool_bytes = KvGeometry::make(options.shape)->block_bytes();
    EXPECT_TRUE(KvCache::create(options).ok());
  }
}

// Memory beyond what all sequences can hold keeps prefixes for later ones, where prefixes are shared; elsewhere it would lie idle.
TEST(KvCacheOptions, TakesMoreMemoryThanItsSequencesNeedWhereItIsOfUse) {
  for (const KvStorageKind kind : {KvStorageKind::kGrowing, KvStorageKind::kPaged}) {
    for (const PrefixSharing sharing : {PrefixSharing::kOn, PrefixSharing::kOff}) {
      KvCacheOptions options = good_options(kind);
      options.sharing = sharing;
      const uint64_t needed = KvCache::memory_of(options)->pool_bytes;
      options.pool_bytes = 3 * needed;
      const bool is_of_use = kind == KvStorageKind::kPaged && sharing == PrefixSharing::kOn;
      EXPECT_EQ(KvCache::memory_of(options)->pool_bytes, is_of_use ? 3 * needed : needed);
      EXPECT_TRUE(KvCache::create(options).ok());
    }
    KvCacheOptions options = good_options(kind);
    options.sharing = PrefixSharing::kOff;
    options.pool_bytes = UINT64_MAX;
    EXPECT_TRUE(KvCache::create(options).ok());
  }
  KvCacheOptions options = good_options();
  options.pool_bytes = UINT64_MAX;
  expect_refusal(options, "more than can be counted");
}

TEST(KvCacheOptions, SaysWhatDoesNotFitInMemory) {
  for (const KvStorageKind kind : kKinds) {
    KvCacheOptions options = good_options(kind);
    options.context = 4096;
    options.max_sequences = 4;
    options.shape = small_shape("int4");
    const KvMemory memory = *KvCache::memory_of(options);
    const uint64_t bytes = memory.total_bytes() + memory.table_bytes;
    options.available_bytes = bytes - 1;
    expect_too_large(options);
    options.available_bytes = bytes;
    EXPECT_TRUE(KvCache::create(options).ok());
  }
}

// Nobody says what is available; the system refuses, or the address space ends.
TEST(KvCacheOptions, SaysWhatNoMachineHas) {
  for (const KvStorageKind kind : {KvStorageKind::kNone, KvStorageKind::kContiguous, KvStorageKind::kPaged}) {
    KvCacheOptions options = good_options(kind);
    options.shape = {.layer_count = 96, .kv_head_count = 96, .head_dim = 128};
    options.context = KvGeometry::kMaxPositions;
    expect_too_large(options);
    options.max_sequences = 2;
    expect_too_large(options);
  }
  KvCacheOptions options = good_options();
  options.shape = {.layer_count = 96, .kv_head_count = 96, .head_dim = 128, .plan = small_shape("int2").plan};
  options.step_rows = KvGeometry::kMaxPositions;
  options.max_sequences = 1 << 16;
  options.pool_bytes = uint64_t{1} << 30;
  expect_too_large(options);  // the pool would fit; open rows do not
}

TEST(KvCacheOptions, CountsNeverOverflow) {
  KvCacheOptions options = good_options();
  // Blocks of 48 GiB, whose open rows take more than ten times as much, for each of 2^26 step slots.
  options.shape = {.layer_count = 1, .kv_head_count = 32768, .head_dim = 65536};
  options.shape.plan = small_shape("int2:channel").plan;
  options.step_rows = KvGeometry::kMaxPositions;
  expect_refusal(options, "more than can be counted");
  options = good_options();
  options.context = KvGeometry::kMaxPositions;
  options.max_sequences = 1 << 16;
  options.shape = {.layer_count = 96, .kv_head_count = 96, .head_dim = 128};
  expect_refusal(options, "more than can be counted");
}

TEST(KvStorageKind, NamesAreReadBack) {
  for (const KvStorageKind kind : kKinds) EXPECT_EQ(*parse_kv_storage_kind(kv_storage_kind_name(kind)), kind);
  const Status status = parse_kv_storage_kind("huge").status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  for (const char* name : {"huge", "none", "growing", "contiguous", "paged"}) {
    EXPECT_NE(status.message().find(name), std::string::npos) << status.message();
  }
}

}  // namespace
}  // namespace cairn
