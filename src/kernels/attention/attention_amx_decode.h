// Stored keys and values become the pairs of bf16 that AMX multiplies, in registers: a codec's f32 numbers are cut to
// their upper halves, and two lines merge. Only for files that compile functions with CAIRN_AMX.
#pragma once

#if defined(__x86_64__)

#include <cstdint>

#include "kernels/attention/attention_span.h"

namespace cairn {

inline constexpr int64_t kTileElements = 512;  // of a tile of bf16: [16][32], or of pairs [16][16][2]
inline constexpr int32_t kSquare = 32;         // lines, and lanes, that become two tiles of pairs
static_assert(kSquare == kBlockSize && kSquare == kKvGroup);

// Cutting makes numbers smaller; what they are multiplied with is made larger by this factor. It is x * x / (x * cut x),
// summed over normal numbers in the codec, and a function of the codec alone: 1 where bf16 holds its numbers exactly. An
// open tile, f32 until its block is sealed, is cut like its block.
[[nodiscard]] constexpr float cut_factor(KvFormat format) {
  switch (format) {
    case KvFormat::kF32: return 1 + 1.0F / 354;
    case KvFormat::kF16: return 1 + 1.0F / 405;
    case KvFormat::kBF16: return 1;
    case KvFormat::kFp8E4M3: return 1;
    case KvFormat::kFp8E5M2: return 1;
    case KvFormat::kInt8: return 1 + 1.0F / 356;
    case KvFormat::kInt4: return 1 + 1.0F / 381;
    case KvFormat::kInt3: return 1 + 1.0F / 397;
    case KvFormat::kInt2: return 1 + 1.0F / 422;
  }
  return 1;
}

// Squares [first, last) of a block's keys or values. A square of keys is all positions of 32 elements of the head; a
// square of values is 32 elements of all positions.
struct KvSquares {
  const KvTileShape* shape = nullptr;
  StoredTile stored;
  // Positions of values that some row sees. The others may hold garbage, are not read, and become zeros.
  LineRange seen = {};
  int32_t first = 0;
  int32_t last = 0;
  float* scales = nullptr;  // work memory: 2 * padded32 floats, 64-byte aligned
  StoredTile ahead;         // what is read some blocks later: it is prefetched along the way
};

// Each square becomes two tiles: of its lanes 0-15 and 16-31, [16 pairs of lines][16 lanes][2]. Lines past the head's
// last element are zeros; lanes past the stored ones are any numbers.
void decode_pairs(const KvSquares& squares, uint16_t* to);

}  // namespace cairn

#endif  // __x86_64__
