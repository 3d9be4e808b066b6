// Encoding of keys and values. Plain scalar code and one result on every machine: what is stored must not
// depend on the instruction set, and encoding is a small part of a step.
#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "kernels/codecs/float8.h"
#include "kernels/codecs/kv_codec.h"
#include "kernels/float16.h"
#include "kernels/weights/quant_block.h"

namespace cairn {
namespace {

// The largest number of a format. Integer formats are limited by their f16 scale or minimum.
constexpr float kLargestF16 = 65504.0F;
constexpr float kLargestBf16 = 0x1.FEp127F;
constexpr float kLargestInt8 = 127 * kLargestF16;

float finite(float x, float largest) { return x != x ? 0.0F : std::clamp(x, -largest, largest); }

// A row of head_dim floats; element d is from[d * stride].
struct Row {
  const float* from;
  int64_t stride;
};

// ---- floats ----

float f32_bits(float x) { return finite(x, std::numeric_limits<float>::max()); }
uint16_t f16_bits(float x) { return float_to_f16(finite(x, kLargestF16)); }
uint16_t bf16_bits(float x) { return float_to_bf16(finite(x, kLargestBf16)); }
uint8_t e4m3_bits(float x) { return float_to_e4m3(finite(x, 448.0F)); }
uint8_t e5m2_bits(float x) { return float_to_e5m2(finite(x, 57344.0F)); }

template <typename Stored, Stored (*kBits)(float)>
void put_row(const KvTileShape& shape, const Row& row, int32_t offset, std::byte* tile) {
  auto* to = reinterpret_cast<Stored*>(tile);
  if (shape.side == KvSide::kKeys) {
    for (int64_t d = 0; d < shape.head_dim; ++d)
      to[d * shape.lanes + offset] = kBits(row.from[d * row.stride]);
    return;
  }
  to += int64_t{offset} * shape.lanes;
  for (int64_t d = 0; d < shape.head_dim; ++d) to[d] = kBits(row.from[d * row.stride]);
  std::fill(to + shape.head_dim, to + shape.lanes, Stored{0});
}

// ---- integers ----

// Elements that share a scale, and where they lie: element i is lane `lane` + i of line `line` where scales
// lie along, lane `lane` of line `line` + i where they lie across.
struct Group {
  const float* from;
  int64_t stride;
  int32_t count;  // of elements; padding lanes follow
  int32_t line;
  int32_t lane;
};

// The nearest f16 at or above x, 0 <= x <= 65504.
uint16_t f16_above(float x) {
  const uint16_t bits = float_to_f16(x);
  return f16_to_float(bits) < x ? bits + 1 : bits;
}
// The nearest f16 at or below x, |x| <= 65504. The bits of a negative f16 grow with its magnitude.
uint16_t f16_below(float x) {
  const uint16_t bits = float_to_f16(x);
  if (f16_to_float(bits) <= x) return bits;
  if (bits == 0) return 0x8001;
  return (bits & 0x8000U) != 0 ? bits + 1 : bits - 1;
}

// How a group is stored: x = scale * code + minimum.
struct Grid {
  uint16_t scale_bits = 0;
  uint16_t minimum_bits = 0;
  float scale = 0;
  float minimum = 0;
};

// Rounded outwards, the minimum down and the scale up, so that the grid covers the range: every element is
// then within half a step of a code. The scale is computed from the rounded minimum, so that a range that is
// small beside its minimum keeps its resolution.
Grid asymmetric_grid(const float* x, int32_t count, float levels) {
  const auto [low, high] = std::minmax_element(x, x + count);
  Grid grid;
  if (*low == *high) {  // one number: the nearest f16
    grid.minimum_bits = float_to_f16(*low);
    grid.minimum = f16_to_float(grid.minimum_bits);
    return grid;
  }
  grid.minimum_bits = f16_below(*low);
  grid.minimum = f16_to_float(grid.minimum_bits);
  grid.scale_bits = f16_above((*high - grid.minimum) / levels);
  grid.scale = f16_to_float(grid.scale_bits);
  return grid;
}

Grid symmetric_grid(const float* x, int32_t count) {
  float largest = 0;
  for (int32_t i = 0; i < count; ++i) largest = std::max(largest, magnitude(x[i]));
  Grid grid;
  grid.scale_bits = f16_above(std::min(largest / 127.0F, kLargestF16));
  grid.scale = f16_to_float(grid.scale_bits);
  return grid;
}

void put_bits(std::byte* at, int shift, unsigned mask, unsigned code) {
  const unsigned others = std::to_integer<unsigned>(*at) & ~(mask << shift);
  *at = static_cast<std::byte>(others | code << shift);
}

// The code of lane `lane` of 32 lanes that begin at `to`.
template <KvFormat kFormat>
void put_code(std::byte* to, int32_t lane, int32_t code) {
  const auto bits = static_cast<unsigned>(code);
  if constexpr (kFormat == KvFormat::kInt8) {
    to[lane] = static_cast<std::byte>(bits & 0xFFU);
  } else if constexpr (kFormat == KvFormat::kInt4) {
    put_bits(to + lane % 16, lane / 16 * 4, 15, bits);
  } else {  // words are stored low byte first
    put_bits(to + lane / 4, lane % 4 * 2, 3, bits & 3U);
    if constexpr (kFormat == KvFormat::kInt3) put_bits(to + 8 + lane / 8, lane % 8, 1, bits >> 2);
  }
}

template <KvFormat kFormat>
void encode_group(const KvTileShape& shape, const Group& group, std::byte* tile) {
  constexpr bool kSymmetric = kFormat == KvFormat::kInt8;
  constexpr int32_t kBits = kv_format_bits(kFormat);
  constexpr int32_t kHighest = kSymmetric ? 127 : (1 << kBits) - 1;
  constexpr int32_t kLowest = kSymmetric ? -127 : 0;
  const int32_t lane_group = group.lane / kKvGroup;

  float x[kKvGroup] = {};
  for (int32_t i = 0; i < group.count; ++i) {
    x[i] = finite(group.from[i * group.stride], kSymmetric ? kLargestInt8 : kLargestF16);
  }
  const int32_t count = std::max(group.count, 1);  // a group of padding alone is stored as a zero
  const Grid grid = kSymmetric ? symmetric_grid(x, count) : asymmetric_grid(x, count, kHighest);
  const int64_t index = shape.scales_along ? group.line * (shape.lanes / kKvGroup) + lane_group
                                           : group.line / kKvGroup * shape.lanes + group.lane;
  std::memcpy(tile + shape.scales_offset + 2 * index, &grid.scale_bits, 2);
  if (!kSymmetric) std::memcpy(tile + shape.minima_offset + 2 * index, &grid.minimum_bits, 2);

  const float inverse_scale = inverse(grid.scale);
  const auto code = [&](int32_t i) {
    return i < group.count ? nearest_in((x[i] - grid.minimum) * inverse_scale, kLowest, kHighest) : 0;
  };
  std::byte* to = tile + group.line * shape.line_bytes + lane_group * 4 * kBits;
  if (shape.scales_along) {
    for (int32_t i = 0; i < kKvGroup; ++i) put_code<kFormat>(to, i, code(i));
  } else {
    const int32_t lines = std::min<int32_t>(kKvGroup, shape.lines - group.line);
    for (int32_t i = 0; i < lines; ++i, to += shape.line_bytes) {
      put_code<kFormat>(to, group.lane % kKvGroup, code(i));
    }
  }
}

// By token: the groups of one row are 32 of its elements each, the last one perhaps fewer.
template <KvFormat kFormat>
void encode_groups_of_row(const KvTileShape& shape, const Row& row, int32_t offset, std::byte* tile) {
  const bool keys = shape.side == KvSide::kKeys;
  for (int32_t d = 0; d < shape.head_dim; d += kKvGroup) {
    const auto count = std::min<int32_t>(kKvGroup, shape.head_dim - d);
    encode_group<kFormat>(
        shape, {row.from + d * row.stride, row.stride, count, keys ? d : offset, keys ? offset : d}, tile);
  }
}

// By channel: a group is one element of the head, of all positions.
template <KvFormat kFormat>
void encode_channels(const KvTileShape& shape, const float* f32_tile, std::byte* tile) {
  if (shape.side == KvSide::kKeys) {
    for (int32_t d = 0; d < shape.head_dim; ++d) {
      encode_group<kFormat>(shape, {f32_tile + int64_t{d} * kBlockSize, 1, kBlockSize, d, 0}, tile);
    }
    return;
  }
  const int64_t stride = (int64_t{shape.head_dim} + 15) / 16 * 16;  // lanes of the f32 tile
  for (int32_t d = 0; d < shape.lanes; ++d) {
    const int32_t count = d < shape.head_dim ? kBlockSize : 0;
    encode_group<kFormat>(shape, {count == 0 ? nullptr : f32_tile + d, stride, count, 0, d}, tile);
  }
}

// ---- both ----

// Bytes behind the last part, so that a full tile is a function of its rows alone.
void clear_tail(const KvTileShape& shape, std::byte* tile) {
  const int64_t minima = kv_has_minimum(shape.codec.format) ? 2 * shape.scale_count : 0;
  std::fill(tile + shape.minima_offset + minima, tile + shape.bytes, std::byte{0});
}

void encode(const KvTileShape& shape, const Row& row, int32_t offset, std::byte* tile) {
  clear_tail(shape, tile);
  switch (shape.codec.format) {
    case KvFormat::kF32: return put_row<float, f32_bits>(shape, row, offset, tile);
    case KvFormat::kF16: return put_row<uint16_t, f16_bits>(shape, row, offset, tile);
    case KvFormat::kBF16: return put_row<uint16_t, bf16_bits>(shape, row, offset, tile);
    case KvFormat::kFp8E4M3: return put_row<uint8_t, e4m3_bits>(shape, row, offset, tile);
    case KvFormat::kFp8E5M2: return put_row<uint8_t, e5m2_bits>(shape, row, offset, tile);
    case KvFormat::kInt8: return encode_groups_of_row<KvFormat::kInt8>(shape, row, offset, tile);
    case KvFormat::kInt4: return encode_groups_of_row<KvFormat::kInt4>(shape, row, offset, tile);
    case KvFormat::kInt3: return encode_groups_of_row<KvFormat::kInt3>(shape, row, offset, tile);
    case KvFormat::kInt2: return encode_groups_of_row<KvFormat::kInt2>(shape, row, offset, tile);
  }
}

}  // namespace

void kv_encode_row(const KvTileShape& shape, const float* row, int32_t offset, std::byte* tile) {
  CHECK(!kv_seals_whole_block(shape.codec));
  CHECK(offset >= 0 && offset < kBlockSize);
  encode(shape, {row, 1}, offset, tile);
}

void kv_encode_block(const KvTileShape& shape, const float* f32_tile, std::byte* tile) {
  if (!kv_seals_whole_block(shape.codec)) {
    const bool keys = shape.side == KvSide::kKeys;
    const int64_t padded = (int64_t{shape.head_dim} + 15) / 16 * 16;
    for (int32_t p = 0; p < kBlockSize; ++p) {
      encode(shape, keys ? Row{f32_tile + p, kBlockSize} : Row{f32_tile + p * padded, 1}, p, tile);
    }
    return;
  }
  clear_tail(shape, tile);
  switch (shape.codec.format) {
    case KvFormat::kInt8: return encode_channels<KvFormat::kInt8>(shape, f32_tile, tile);
    case KvFormat::kInt4: return encode_channels<KvFormat::kInt4>(shape, f32_tile, tile);
    case KvFormat::kInt3: return encode_channels<KvFormat::kInt3>(shape, f32_tile, tile);
    case KvFormat::kInt2: return encode_channels<KvFormat::kInt2>(shape, f32_tile, tile);
    default: CHECK(false);  // no other format seals whole blocks
  }
}

}  // namespace cairn
