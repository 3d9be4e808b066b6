// KvCodec: how the elements of keys or values are stored in a block, and how many bytes that takes.
//
// A tile is what one KV head stores of keys, or of values, in one block: a matrix of lines times lanes.
//   keys    a line is an element of the head, a lane a position:  [head_dim][kBlockSize]
//   values  a line is a position, a lane an element of the head:  [kBlockSize][head_dim rounded up]
// so that both products of attention run over contiguous lanes without a horizontal sum.
//
// Floats are stored line after line, each line a multiple of 16 lanes. Integer codes are stored in groups of
// 32 lanes, 4 * bits bytes each; after all codes come the scales (f16), then, for asymmetric formats, the
// minima (f16):
//   int8   x = scale * code, code in [-127, 127]          a byte a lane
//   int4   x = scale * code + minimum, code in [0, 15]    byte i: lane i low, lane 16 + i in the upper half
//   int2   likewise, [0, 3]        two 32-bit words, of lanes 0-15 and 16-31: lane i in bits 2i, 2i + 1
//   int3   likewise, [0, 7]        as int2 (the low two bits), then one word with the third bit of 32 lanes
// Thirty-two elements share a scale; KvAxis says which. They lie either along a line or across 32 lines:
//   keys by token and values by channel  across: scale[line / 32][lane]
//   keys by channel and values by token  along:  scale[line][lane / 32]
// By channel the 32 elements are one element of all positions of the block, so the block must be complete
// before it can be encoded (KIVI, Liu et al. 2024, arXiv:2402.02750, stores keys this way); all else is
// written row by row, in its final form at once.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "kernels/codecs/kv_formats.h"

namespace cairn {

// A block holds kBlockSize consecutive positions of all layers; it is the unit of sealing, sharing and I/O.
// 32: two 16-lane vectors of keys.
inline constexpr int32_t kBlockSize = 32;

// Whether rows are multiplied by a Hadamard matrix before they are stored, which spreads outliers over all
// elements (QuaRot, Ashkboos et al. 2024, arXiv:2404.00456). Queries are multiplied by the same matrix,
// outputs by its inverse.
enum class KvTransform : uint8_t { kNone, kHadamard };

struct KvCodec {
  KvFormat format = KvFormat::kF16;
  KvAxis axis = KvAxis::kToken;  // of integer formats; the others have no scales
  KvTransform transform = KvTransform::kNone;

  friend bool operator==(const KvCodec&, const KvCodec&) = default;
};

// A Hadamard matrix of Sylvester exists for powers of two.
[[nodiscard]] constexpr bool kv_can_rotate(int64_t head_dim) {
  return head_dim > 0 && std::has_single_bit(static_cast<uint64_t>(head_dim));
}

// The most exact codec of the format's bytes for heads of `head_dim`, as measured (docs/kv.md): integers by channel, and
// rotated where such heads can be.
[[nodiscard]] constexpr KvCodec kv_best_codec(KvFormat format, int64_t head_dim) {
  if (!kv_is_integer(format)) return {.format = format};
  return {format, KvAxis::kChannel, kv_can_rotate(head_dim) ? KvTransform::kHadamard : KvTransform::kNone};
}

// Whether a block must be complete before it is encoded; until then its rows are kept as f32.
[[nodiscard]] constexpr bool kv_seals_whole_block(const KvCodec& codec) {
  return kv_is_integer(codec.format) && codec.axis == KvAxis::kChannel;
}

inline constexpr int64_t kKvGroup = 32;  // elements that share a scale; lanes that are packed together

// The shape of a tile, and where its parts are. Plain numbers; cheap to make.
struct KvTileShape {
  KvCodec codec;
  KvSide side = KvSide::kKeys;
  int32_t head_dim = 0;
  int32_t lines = 0;
  int32_t lanes = 0;          // a multiple of 16, of integer formats of 32
  int64_t line_bytes = 0;     // of floats or codes
  int64_t scales_offset = 0;  // of integer formats: uint16_t (f16) [scale_count]
  int64_t minima_offset = 0;  // where kv_has_minimum: uint16_t (f16) [scale_count]
  int64_t scale_count = 0;
  bool scales_along = false;  // scale[line * lanes / 32 + lane / 32]; else scale[line / 32 * lanes + lane]
  int64_t bytes = 0;          // of the whole tile, a multiple of 64
};

[[nodiscard]] KvTileShape kv_tile_shape(const KvCodec& codec, KvSide side, int32_t head_dim);

// ---- writing: plain scalar code for every instruction set; one thread at a time per tile ----

// Stores one position's row [head_dim] at `offset` (position % kBlockSize) of a tile; the codec must not be
// one that seals whole blocks. Values outside the format's range become its largest, NaN becomes 0; what is
// stored is always finite. Lanes that pad a line of values are written as zeros, of integers as codes of 0;
// bytes after the tile's last part become 0, so that a full tile is a function of its rows alone.
// Floats and codes are rounded to the nearest, ties to even. Minima are rounded down and scales up, so that
// codes cover the range: an element is within half a scale of what is read.
void kv_encode_row(const KvTileShape& shape, const float* row, int32_t offset, std::byte* tile);
// Encodes a complete block from an f32 tile (kv_tile_shape of kF32, same side and head_dim). Of a codec that
// works row by row: the same bits as kv_encode_row for each of its rows.
void kv_encode_block(const KvTileShape& shape, const float* f32_tile, std::byte* tile);
// row = H row / sqrt(n), H the Hadamard matrix of Sylvester; n a power of two. It is its own inverse.
void kv_hadamard(float* row, int64_t n);

}  // namespace cairn
