// The KV cache and its attention with your own model code. The "model" here makes queries, keys and
// values from a token and its position; a real one would project, normalise and rotate them. Two sequences
// share a beginning; each result is compared with a plain loop.
#include <cairn/attention_cache.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

constexpr int64_t kLayers = 2, kHeads = 8, kKvHeads = 2, kDim = 64;

// In place of a model's projections: [rows][heads][kDim] of the tokens from position `first` on.
std::vector<float> rows_of(int part, int64_t heads, const std::vector<cairn::TokenId>& tokens, size_t first) {
  std::vector<float> rows;
  for (size_t t = first; t < tokens.size(); ++t) {
    for (int64_t e = 0; e < heads * kDim; ++e) {
      const double angle =
          0.37 * part + 1.7 * tokens[t] + 0.011 * static_cast<double>(t) + 0.93 * static_cast<double>(e);
      rows.push_back(static_cast<float>(std::sin(angle * angle)));
    }
  }
  return rows;
}

// The last token's attention, by one obvious loop.
std::vector<double> plain_attention(int64_t layer, const std::vector<cairn::TokenId>& tokens) {
  const int part = static_cast<int>(layer) * 3;
  const auto q = rows_of(part, kHeads, tokens, tokens.size() - 1);
  const auto k = rows_of(part + 1, kKvHeads, tokens, 0);
  const auto v = rows_of(part + 2, kKvHeads, tokens, 0);
  std::vector<double> out(kHeads * kDim, 0.0);
  for (int64_t h = 0; h < kHeads; ++h) {
    double total = 0;
    for (size_t j = 0; j < tokens.size(); ++j) {
      const size_t at = (j * kKvHeads + static_cast<size_t>(h / (kHeads / kKvHeads))) * kDim;
      double score = 0;
      for (size_t e = 0; e < kDim; ++e)
        score += double{q[static_cast<size_t>(h) * kDim + e]} * double{k[at + e]};
      const double p = std::exp(score / std::sqrt(double{kDim}));
      total += p;
      for (size_t e = 0; e < kDim; ++e) out[static_cast<size_t>(h) * kDim + e] += p * double{v[at + e]};
    }
    for (size_t e = 0; e < kDim; ++e) out[static_cast<size_t>(h) * kDim + e] /= total;
  }
  return out;
}

void check(const cairn::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.message().c_str());
  std::exit(1);
}

// Runs the tokens that the sequence lacks. Returns the largest difference of the last token's attention.
double run(cairn::AttentionCache& cache, cairn::CachedSequenceId id,
           const std::vector<cairn::TokenId>& tokens) {
  const auto first = static_cast<size_t>(*cache.length(id));
  const std::vector<cairn::SequenceRows> rows{{id, static_cast<int64_t>(tokens.size() - first)}};
  check(cache.reserve(id, static_cast<int64_t>(tokens.size())));
  check(cache.begin_step(rows));
  double worst = 0;
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    const int part = static_cast<int>(layer) * 3;
    const auto q = rows_of(part, kHeads, tokens, first);
    const auto k = rows_of(part + 1, kKvHeads, tokens, first);
    const auto v = rows_of(part + 2, kKvHeads, tokens, first);
    std::vector<float> attended(q.size());
    check(cache.attend(layer, {.queries = q, .keys = k, .values = v, .attended = attended}));
    const auto truth = plain_attention(layer, tokens);
    const auto last = attended.end() - static_cast<std::ptrdiff_t>(truth.size());
    for (size_t i = 0; i < truth.size(); ++i) {
      worst = std::max(worst, std::abs(truth[i] - double{last[static_cast<std::ptrdiff_t>(i)]}));
    }
  }
  check(cache.commit(std::vector(tokens.begin() + static_cast<std::ptrdiff_t>(first), tokens.end())));
  return worst;
}

}  // namespace

int main() {
  auto cache = cairn::AttentionCache::create({.layer_count = kLayers,
                                              .query_head_count = kHeads,
                                              .kv_head_count = kKvHeads,
                                              .head_dim = kDim,
                                              .kv_plan = "f32",
                                              .context = 1024,
                                              .max_sequences = 2});
  check(cache.status());

  std::vector<cairn::TokenId> tokens(300);
  for (cairn::TokenId t = 0; t < 300; ++t) tokens[static_cast<size_t>(t)] = t * t % 97;
  const auto one = cache->begin(tokens);
  check(one.status());
  double worst = run(*cache, one->id, tokens);

  const auto two = cache->begin(tokens);  // the same beginning: finds the full blocks
  check(two.status());
  std::printf("the second sequence found %lld of %zu positions\n", static_cast<long long>(two->found),
              tokens.size());
  worst = std::max(worst, run(*cache, two->id, tokens));
  for (cairn::TokenId next = 1; next <= 40; ++next) {  // decoding: one row a step
    tokens.push_back(next);
    worst = std::max(worst, run(*cache, two->id, tokens));
  }

  const cairn::CacheStatistics statistics = cache->statistics();
  std::printf("blocks: %lld free, %lld open, %lld held, of %llu bytes each\n",
              static_cast<long long>(statistics.free_blocks), static_cast<long long>(statistics.open_blocks),
              static_cast<long long>(statistics.held_blocks),
              static_cast<unsigned long long>(statistics.block_bytes));
  std::printf("largest difference from plain attention: %.1e\n", worst);
  return worst < 1e-4 && two->found > 0 ? 0 : 1;
}
