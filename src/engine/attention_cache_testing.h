// Support for attention_cache_test.cc: rows that a model might make, and their attention by one obvious loop.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cairn/ids.h"

namespace cairn {

// A model of a sort: queries, keys and values are a hash of the token, its position and the layer.
inline constexpr int64_t kLayers = 2;
inline constexpr int64_t kHeads = 4;
inline constexpr int64_t kKvHeads = 2;
inline constexpr int64_t kDim = 32;
inline constexpr int64_t kWindow = 70;  // of layer 1

enum class Part : uint8_t { kQuery, kKey, kValue };

std::vector<float> rows_of(Part part, int64_t layer, std::span<const TokenId> tokens, int64_t first_position);
std::vector<TokenId> some_tokens(uint64_t seed, int64_t count);
// [positions][kHeads][kDim], in double.
std::vector<double> plain_attention(int64_t layer, std::span<const TokenId> tokens, double soft_cap);

}  // namespace cairn
