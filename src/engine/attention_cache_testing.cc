#include "engine/attention_cache_testing.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"

namespace cairn {

std::vector<float> rows_of(Part part, int64_t layer, std::span<const TokenId> tokens,
                           int64_t first_position) {
  const int64_t width = (part == Part::kQuery ? kHeads : kKvHeads) * kDim;
  std::vector<float> rows;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const uint64_t position = static_cast<uint64_t>(first_position) + i;
    const uint64_t stream = static_cast<uint64_t>(tokens[i]) * 16 + static_cast<uint64_t>(layer) * 3 +
                            static_cast<uint64_t>(part);
    for (int64_t e = 0; e < width; ++e) {
      const uint64_t bits = random_bits(stream, position, static_cast<uint64_t>(e));
      rows.push_back(static_cast<float>(static_cast<int64_t>(bits % 20001) - 10000) / 5000.0F);
    }
  }
  return rows;
}

std::vector<TokenId> some_tokens(uint64_t seed, int64_t count) {
  std::vector<TokenId> tokens;
  for (int64_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<TokenId>(random_bits(seed, 5, static_cast<uint64_t>(i)) % 1000));
  }
  return tokens;
}

std::vector<double> plain_attention(int64_t layer, std::span<const TokenId> tokens, double soft_cap) {
  const std::vector<float> queries = rows_of(Part::kQuery, layer, tokens, 0);
  const std::vector<float> keys = rows_of(Part::kKey, layer, tokens, 0);
  const std::vector<float> values = rows_of(Part::kValue, layer, tokens, 0);
  std::vector<double> out;
  for (int64_t t = 0; t < std::ssize(tokens); ++t) {
    for (int64_t head = 0; head < kHeads; ++head) {
      const int64_t kv_head = head / (kHeads / kKvHeads);
      std::vector<double> sum(kDim, 0.0);
      double total = 0;
      for (int64_t j = layer == 0 ? 0 : std::max<int64_t>(0, t - kWindow + 1); j <= t; ++j) {
        double score = 0;
        for (int64_t e = 0; e < kDim; ++e) {
          score += static_cast<double>(queries[static_cast<size_t>((t * kHeads + head) * kDim + e)]) *
                   static_cast<double>(keys[static_cast<size_t>((j * kKvHeads + kv_head) * kDim + e)]);
        }
        score /= std::sqrt(static_cast<double>(kDim));
        if (soft_cap > 0) score = soft_cap * std::tanh(score / soft_cap);
        const double p = std::exp(score);
        total += p;
        for (int64_t e = 0; e < kDim; ++e) {
          sum[static_cast<size_t>(e)] +=
              p * static_cast<double>(values[static_cast<size_t>((j * kKvHeads + kv_head) * kDim + e)]);
        }
      }
      for (const double s : sum) out.push_back(s / total);
    }
  }
  return out;
}

}  // namespace cairn
