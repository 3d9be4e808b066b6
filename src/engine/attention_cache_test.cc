// AttentionCache against a plain attention loop in double, and against itself: no cut of the work changes a
// bit.
#include "cairn/attention_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/attention_cache_testing.h"
#include "kernels/float16.h"

namespace cairn {
namespace {

AttentionCacheOptions options_for(const std::string& plan) {
  return {.layer_count = kLayers,
          .query_head_count = kHeads,
          .kv_head_count = kKvHeads,
          .head_dim = kDim,
          .windows = {0, kWindow},
          .kv_plan = plan,
          .context = 512,
          .max_sequences = 4,
          .step_rows = 512,
          .thread_count = 2};
}

AttentionCache make_cache(const AttentionCacheOptions& options) {
  auto cache = AttentionCache::create(options);
  EXPECT_TRUE(cache.ok()) << cache.status().message();
  return std::move(*cache);
}

void ok(const Status& status) { ASSERT_TRUE(status.ok()) << status.message(); }

// The attention of each row that was run: [layer][rows * kHeads * kDim].
using Outputs = std::vector<std::vector<float>>;

// Of a step's rows, those of one sequence.
struct Piece {
  CachedSequenceId sequence;
  std::span<const TokenId> tokens;
  Outputs* outputs;
};

void run_step(AttentionCache& cache, const std::vector<Piece>& pieces) {
  std::vector<SequenceRows> rows;
  std::vector<int64_t> firsts;
  std::vector<TokenId> tokens;
  for (const Piece& piece : pieces) {
    firsts.push_back(*cache.length(piece.sequence));
    rows.push_back({piece.sequence, std::ssize(piece.tokens)});
    tokens.insert(tokens.end(), piece.tokens.begin(), piece.tokens.end());
    ok(cache.reserve(piece.sequence, firsts.back() + std::ssize(piece.tokens)));
  }
  ok(cache.begin_step(rows));
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    std::vector<float> queries;
    std::vector<float> keys;
    std::vector<float> values;
    for (size_t i = 0; i < pieces.size(); ++i) {
      const auto add = [&](Part part, std::vector<float>& to) {
        const std::vector<float> more = rows_of(part, layer, pieces[i].tokens, firsts[i]);
        to.insert(to.end(), more.begin(), more.end());
      };
      add(Part::kQuery, queries);
      add(Part::kKey, keys);
      add(Part::kValue, values);
    }
    std::vector<float> attended(queries.size());
    ok(cache.attend(layer, {queries, keys, values, attended}));
    auto at = attended.begin();
    for (const Piece& piece : pieces) {
      piece.outputs->resize(kLayers);
      const auto end = at + std::ssize(piece.tokens) * kHeads * kDim;
      (*piece.outputs)[static_cast<size_t>(layer)].insert((*piece.outputs)[static_cast<size_t>(layer)].end(),
                                                          at, end);
      at = end;
    }
  }
  ok(cache.commit(tokens));
}

// Runs what the sequence does not have yet of `tokens`, `chunk` rows at a time.
Outputs run(AttentionCache& cache, CachedSequenceId sequence, std::span<const TokenId> tokens,
            int64_t chunk) {
  Outputs outputs;
  for (int64_t at = *cache.length(sequence); at < std::ssize(tokens);) {
    const int64_t count = std::min(chunk, std::ssize(tokens) - at);
    run_step(cache,
             {{sequence, tokens.subspan(static_cast<size_t>(at), static_cast<size_t>(count)), &outputs}});
    at += count;
  }
  return outputs;
}

Outputs run_fresh(const AttentionCacheOptions& options, std::span<const TokenId> tokens, int64_t chunk) {
  AttentionCache cache = make_cache(options);
  return run(cache, cache.begin(tokens)->id, tokens, chunk);
}

// The last positions from `first` on.
Outputs tail(const Outputs& outputs, int64_t first) {
  Outputs rest;
  for (const auto& layer : outputs) rest.emplace_back(layer.begin() + first * kHeads * kDim, layer.end());
  return rest;
}

TEST(AttentionCacheTruth, EqualsPlainAttention) {
  const auto tokens = some_tokens(1, 300);  // past one span
  for (const float soft_cap : {0.0F, 3.0F}) {
    // f16 costs 2^-11 of each key and value.
    for (const auto& [plan, tolerance] : {std::pair("f32", 1e-5), std::pair("f16", 2e-2)}) {
      AttentionCacheOptions options = options_for(plan);
      options.soft_cap = soft_cap;
      const Outputs outputs = run_fresh(options, tokens, 100);
      for (int64_t layer = 0; layer < kLayers; ++layer) {
        const std::vector<double> truth = plain_attention(layer, tokens, static_cast<double>(soft_cap));
        const auto& out = outputs[static_cast<size_t>(layer)];
        ASSERT_EQ(out.size(), truth.size());
        double worst = 0;
        for (size_t i = 0; i < truth.size(); ++i) {
          worst = std::max(worst, std::abs(static_cast<double>(out[i]) - truth[i]));
        }
        EXPECT_LT(worst, tolerance) << plan << ", layer " << layer << ", soft cap " << soft_cap;
      }
    }
  }
}

class EveryPlan : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(
    AttentionCache, EveryPlan,
    ::testing::Values("f32", "f16", "int8", "k=int4:channel,v=int4:token",
                      "layer 0: f16; rest: k=int4:channel:hadamard,v=int3:channel:hadamard"));

TEST_P(EveryPlan, NoCutOfTheRowsChangesABit) {
  const auto tokens = some_tokens(2, 290);
  AttentionCacheOptions options = options_for(GetParam());
  const Outputs truth = run_fresh(options, tokens, 512);
  for (const int64_t chunk : {1, 7, 32, 33, 100}) {
    options.thread_count = chunk == 33 ? 1 : 2;
    EXPECT_EQ(run_fresh(options, tokens, chunk), truth) << "chunk " << chunk;
  }
}

TEST_P(EveryPlan, AHitAForkAndATruncationChangeNoBit) {
  const auto tokens = some_tokens(3, 100);
  const Outputs truth = run_fresh(options_for(GetParam()), tokens, 100);
  AttentionCache cache = make_cache(options_for(GetParam()));
  const BegunSequence first = *cache.begin(tokens);
  EXPECT_EQ(first.found, 0);
  EXPECT_EQ(run(cache, first.id, tokens, 50), truth);

  const BegunSequence second = *cache.begin(tokens);
  EXPECT_EQ(second.found, 96);
  EXPECT_EQ(run(cache, second.id, tokens, 9), tail(truth, 96));
  EXPECT_EQ(cache.statistics().held_blocks, 3 * cache.statistics().group_count);
  EXPECT_EQ(cache.statistics().matched_positions, 96);

  // Two forks go on in other ways, in one batch.
  const CachedSequenceId fork = *cache.fork(second.id);
  auto one = tokens;
  auto other = tokens;
  for (TokenId i = 0; i < 40; ++i) {
    one.push_back(i);
    other.push_back(2000 + i);
  }
  Outputs outputs_of_one;
  Outputs outputs_of_other;
  for (size_t i = 0; i < 40; i += 8) {
    run_step(cache, {{second.id, std::span(one).subspan(100 + i, 8), &outputs_of_one},
                     {fork, std::span(other).subspan(100 + i, 8), &outputs_of_other}});
  }
  const Outputs truth_of_one = run_fresh(options_for(GetParam()), one, 512);
  EXPECT_EQ(outputs_of_one, tail(truth_of_one, 100));
  EXPECT_EQ(outputs_of_other, tail(run_fresh(options_for(GetParam()), other, 512), 100));

  const int64_t kept = *cache.truncate(second.id, 50);
  EXPECT_LE(kept, 50);
  EXPECT_GE(kept, 32);
  EXPECT_EQ(run(cache, second.id, one, 13), tail(truth_of_one, kept));
}

TEST_P(EveryPlan, AnAbandonedStepLeavesNoTrace) {
  const auto tokens = some_tokens(4, 120);
  const Outputs truth = run_fresh(options_for(GetParam()), tokens, 512);
  AttentionCache cache = make_cache(options_for(GetParam()));
  const CachedSequenceId id = cache.begin(tokens)->id;
  run(cache, id, std::span(tokens).first(40), 40);
  for (const int64_t count : {10, 60}) {
    const auto part =
        std::span(tokens).subspan(static_cast<size_t>(*cache.length(id)), static_cast<size_t>(count));
    const int64_t first = *cache.length(id);
    ok(cache.reserve(id, first + count));
    ok(cache.begin_step(std::vector<SequenceRows>{{id, count}}));
    const auto queries = rows_of(Part::kQuery, 0, part, first + 1);  // not the true ones
    const auto keys = rows_of(Part::kKey, 0, part, first + 1);
    const auto values = rows_of(Part::kValue, 0, part, first + 1);
    std::vector<float> attended(queries.size());
    ok(cache.attend(0, {queries, keys, values, attended}));
    ok(cache.abandon_step());
  }
  const int64_t kept = *cache.length(id);
  EXPECT_GE(kept, 32);
  EXPECT_EQ(run(cache, id, tokens, 512), tail(truth, kept));
}

// A step of all tokens, and one of the next; what `make` makes of rows of floats.
template <typename Make>
Outputs run_rows_as(const std::string& plan, std::span<const TokenId> tokens, const Make& make) {
  AttentionCache cache = make_cache(options_for(plan));
  const CachedSequenceId id = cache.begin(tokens)->id;
  Outputs outputs(kLayers);
  for (const auto part : {tokens.first(tokens.size() - 1), tokens.last(1)}) {
    const int64_t first = *cache.length(id);
    ok(cache.reserve(id, std::ssize(tokens)));
    const std::vector<SequenceRows> rows{{id, std::ssize(part)}};
    ok(cache.begin_step(rows));
    for (int64_t layer = 0; layer < kLayers; ++layer) {
      const auto queries = make(rows_of(Part::kQuery, layer, part, first));
      const auto keys = make(rows_of(Part::kKey, layer, part, first));
      const auto values = make(rows_of(Part::kValue, layer, part, first));
      std::vector<float> attended(queries.size());
      ok(cache.attend(layer, {.queries = queries, .keys = keys, .values = values, .attended = attended}));
      auto& all = outputs[static_cast<size_t>(layer)];
      all.insert(all.end(), attended.begin(), attended.end());
    }
    ok(cache.commit(part));
  }
  return outputs;
}

template <typename To, typename Convert>
auto each_as(Convert convert) {
  return [convert](const std::vector<float>& rows) {
    std::vector<To> converted(rows.size());
    std::ranges::transform(rows, converted.begin(), convert);
    return converted;
  };
}

// The same bits as the same numbers in 32 bits, denormal and largest ones too.
TEST(AttentionCacheRows, OfSixteenBitsAreTheirNumbers) {
  const auto tokens = some_tokens(4, 70);
  for (const char* plan : {"f32", "f16", "int8", "k=int4:channel,v=int4:token"}) {
    SCOPED_TRACE(plan);
    for (const float scale : {1.0F, 1e-5F, 3e4F}) {
      const auto f16 = [scale](float number) { return Float16{float_to_f16(scale * number)}; };
      const auto bf16 = [scale](float number) { return BFloat16{float_to_bf16(scale * number)}; };
      EXPECT_EQ(
          run_rows_as(plan, tokens, each_as<Float16>(f16)),
          run_rows_as(plan, tokens, each_as<float>([&](float x) { return f16_to_float(f16(x).bits); })));
      EXPECT_EQ(
          run_rows_as(plan, tokens, each_as<BFloat16>(bf16)),
          run_rows_as(plan, tokens, each_as<float>([&](float x) { return bf16_to_float(bf16(x).bits); })));
    }
  }
}

// [heads][from_dim] to [heads][to_dim]: cut, or filled with zeros.
std::vector<float> with_head_dim(const std::vector<float>& rows, int64_t from_dim, int64_t to_dim) {
  std::vector<float> out;
  for (int64_t head = 0; head < std::ssize(rows) / from_dim; ++head) {
    for (int64_t e = 0; e < to_dim; ++e) {
      out.push_back(e < from_dim ? rows[static_cast<size_t>(head * from_dim + e)] : 0.0F);
    }
  }
  return out;
}

struct HeadDims {
  int64_t key;
  int64_t value;
};

// Layer 0's results for the numbers that a cache of these widths sees of the rows, as wide as its values.
std::vector<float> run_heads_of(const std::string& plan, HeadDims cache_dims, HeadDims row_dims) {
  const auto tokens = some_tokens(8, 70);
  AttentionCacheOptions options = options_for(plan);
  options.layer_count = 1;
  options.windows = {};
  options.head_dim = cache_dims.key;
  options.value_head_dim = cache_dims.value;
  options.attention_scale = 0.25F;
  AttentionCache cache = make_cache(options);
  const CachedSequenceId id = cache.begin(tokens)->id;
  std::vector<float> all;
  for (const auto part : {std::span(tokens).first(40), std::span(tokens).subspan(40)}) {
    const int64_t first = *cache.length(id);
    ok(cache.reserve(id, std::ssize(tokens)));
    ok(cache.begin_step(std::vector<SequenceRows>{{id, std::ssize(part)}}));
    const auto rows = [&](Part kind, int64_t row_dim, int64_t cache_dim) {
      return with_head_dim(with_head_dim(rows_of(kind, 0, part, first), kDim, row_dim), row_dim, cache_dim);
    };
    const auto queries = rows(Part::kQuery, row_dims.key, cache_dims.key);
    const auto keys = rows(Part::kKey, row_dims.key, cache_dims.key);
    const auto values = rows(Part::kValue, row_dims.value, cache_dims.value);
    std::vector<float> attended(static_cast<size_t>(std::ssize(part) * kHeads * cache_dims.value));
    ok(cache.attend(0, {.queries = queries, .keys = keys, .values = values, .attended = attended}));
    ok(cache.commit(part));
    all.insert(all.end(), attended.begin(), attended.end());
  }
  return all;
}

// The same bits as where a caller fills the narrower one with zeros, as DeepSeek's heads (192 and 128) often are.
TEST(AttentionCacheHeads, OfKeysAndValuesMayDifferInWidth) {
  for (const char* plan : {"f32", "f16", "int8", "k=int4:channel,v=int4:token"}) {
    SCOPED_TRACE(plan);
    for (const HeadDims dims : {HeadDims{24, 16}, HeadDims{16, 24}, HeadDims{24, 24}}) {
      const int64_t wide = std::max(dims.key, dims.value);
      EXPECT_EQ(run_heads_of(plan, dims, dims),
                with_head_dim(run_heads_of(plan, {wide, wide}, dims), wide, dims.value));
    }
  }
}

}  // namespace
}  // namespace cairn
