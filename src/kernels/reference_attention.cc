#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/float16.h"
#include "kernels/reference.h"

namespace cairn::reference {
namespace {

float element_at(KvType type, const std::byte* tile, int64_t index) {
  if (type == KvType::kF32) {
    float value;
    std::memcpy(&value, tile + index * 4, 4);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, tile + index * 2, 2);
  return type == KvType::kF16 ? f16_to_float(bits) : bf16_to_float(bits);
}

void put_element(KvType type, float value, std::byte* tile, int64_t index) {
  if (type == KvType::kF32) {
    std::memcpy(tile + index * 4, &value, 4);
    return;
  }
  const uint16_t bits =
      type == KvType::kF16 ? float_to_f16(std::clamp(value, -65504.0F, 65504.0F)) : float_to_bf16(value);
  std::memcpy(tile + index * 2, &bits, 2);
}

struct Span {
  float peak = 0;
  float total = 0;
};

const std::byte* block_of(const AttentionTile& tile, int32_t position) {
  return tile.blocks[position / kBlockSize];
}

float score(const AttentionTile& tile, int32_t row, int32_t position) {
  const std::byte* keys = block_of(tile, position) + tile.keys_offset;
  float dot = 0;
  for (int32_t d = 0; d < tile.head_dim; ++d) {
    const float k = element_at(tile.type, keys, int64_t{d} * kBlockSize + position % kBlockSize);
    dot = std::fma(tile.query[row][d], k, dot);
  }
  return tile.soft_cap == 0 ? dot : tile.soft_cap * tanh_f32(dot / tile.soft_cap);
}

// Reduces positions [begin, end) of one span: probabilities to `p`, their weighted values to `o`.
Span reduce_span(const AttentionTile& tile, int32_t row, int32_t begin, int32_t end, float* p, float* o) {
  Span span{.peak = -INFINITY};
  for (int32_t j = begin; j < end; ++j) {
    p[j - begin] = score(tile, row, j);
    span.peak = p[j - begin] > span.peak ? p[j - begin] : span.peak;
  }
  float lane[16] = {};
  for (int32_t j = begin; j < end; ++j) {
    p[j - begin] = exp_f32(p[j - begin] - span.peak);
    lane[j % 16] += p[j - begin];
  }
  for (int half = 8; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lane[i] += lane[i + half];
  }
  span.total = lane[0];
  for (int32_t d = 0; d < tile.head_dim; ++d) {
    float sum = 0;
    for (int32_t j = begin; j < end; ++j) {
      const std::byte* values = block_of(tile, j) + tile.values_offset;
      sum = std::fma(p[j - begin], element_at(tile.type, values, int64_t{j % kBlockSize} * tile.head_dim + d),
                     sum);
    }
    o[d] = sum + 0.0F;  // -0 becomes 0, as if masked positions had been added
  }
  return span;
}

void attend_row(const AttentionTile& tile, int32_t row, float* p, float* o) {
  float* merged = tile.output[row];
  Span all;
  bool first = true;
  for (int32_t low = tile.begin[row] / kSpanSize * kSpanSize; low < tile.end[row]; low += kSpanSize) {
    const Span span = reduce_span(tile, row, std::max(low, tile.begin[row]),
                                  std::min(low + kSpanSize, tile.end[row]), p, o);
    if (first) {
      std::copy_n(o, tile.head_dim, merged);
      all = span;
      first = false;
      continue;
    }
    const float peak = span.peak > all.peak ? span.peak : all.peak;
    const float old_factor = exp_f32(all.peak - peak);
    const float new_factor = exp_f32(span.peak - peak);
    for (int32_t d = 0; d < tile.head_dim; ++d)
      merged[d] = std::fma(o[d], new_factor, merged[d] * old_factor);
    all = {peak, std::fma(span.total, new_factor, all.total * old_factor)};
  }
  const float inverse = 1.0F / all.total;
  for (int32_t d = 0; d < tile.head_dim; ++d) merged[d] *= inverse;
}

}  // namespace

void store_kv(const KvSlot& slot, const float* key, const float* value) {
  for (int32_t d = 0; d < slot.head_dim; ++d) {
    put_element(slot.type, key[d], slot.keys, int64_t{d} * kBlockSize + slot.offset);
    put_element(slot.type, value[d], slot.values, int64_t{slot.offset} * slot.head_dim + d);
  }
}

void attend(const AttentionTile& tile, const AttentionScratch& scratch) {
  for (int32_t row = 0; row < tile.row_count; ++row) attend_row(tile, row, scratch.scores, scratch.sums);
}

}  // namespace cairn::reference
