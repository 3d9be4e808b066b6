#include "kernels/weights/packed_matrix.h"

#include <cstring>

#include "base/check.h"
#include "kernels/weights/weight_codes.h"

namespace cairn {
namespace {

template <typename Word>
void pack_words(const std::byte* const rows[], int64_t columns, std::byte* to) {
  for (int64_t k = 0; k < columns; ++k) {
    for (int64_t r = 0; r < kPanelRows; ++r, to += sizeof(Word)) {
      if (rows[r] != nullptr) {
        std::memcpy(to, rows[r] + k * static_cast<int64_t>(sizeof(Word)), sizeof(Word));
      } else {
        std::memset(to, 0, sizeof(Word));
      }
    }
  }
}

void pack_bf16_pairs(const std::byte* const rows[], int64_t columns, std::byte* to) {
  const int64_t pairs = padded_columns(TensorType::kBF16, columns) / 2;
  for (int64_t p = 0; p < pairs; ++p) {
    for (int64_t r = 0; r < kPanelRows; ++r, to += 4) {
      uint16_t pair[2] = {0, 0};
      if (rows[r] != nullptr && 2 * p < columns) {
        std::memcpy(pair, rows[r] + 4 * p, static_cast<size_t>(2 * p + 1 < columns ? 4 : 2));
      }
      std::memcpy(to, pair, 4);
    }
  }
}

// Copies the file's f16 scale and 32 signed bytes of each row, without unpacking blocks: this is the most
// common type and the bulk of a load.
void pack_q8_0(const std::byte* const rows[], int64_t columns, std::byte* to) {
  for (int64_t unit = 0; unit < columns / 32; ++unit, to += 544) {
    for (int64_t r = 0; r < kPanelRows; ++r) {
      uint32_t quads[8] = {};
      uint16_t d = 0;
      if (rows[r] != nullptr) {
        std::memcpy(&d, rows[r] + unit * 34, 2);
        std::memcpy(quads, rows[r] + unit * 34 + 2, 32);
      }
      for (int64_t q = 0; q < 8; ++q) {
        const uint32_t code = quads[q] ^ 0x80808080U;
        std::memcpy(to + q * 64 + r * 4, &code, 4);
      }
      std::memcpy(to + 512 + r * 2, &d, 2);
    }
  }
}

// Writes codes[row][column of 32] as planes.
void pack_planes(const uint8_t codes[16][32], int bits, uint8_t* to) {
  uint8_t flat[512];
  for (int quad = 0; quad < 8; ++quad) {
    for (int r = 0; r < 16; ++r) std::memcpy(flat + quad * 64 + r * 4, codes[r] + quad * 4, 4);
  }
  int shift = 0;
  for (const int plane : {4, 2, 1}) {
    if ((bits & plane) == 0) continue;
    const int per_byte = 8 / plane;
    const int bytes = 512 / per_byte;
    std::memset(to, 0, static_cast<size_t>(bytes));
    for (int part = 0; part < per_byte; ++part) {
      const uint8_t* const from = flat + part * bytes;
      for (int i = 0; i < bytes; ++i) {
        const uint32_t code = from[i] >> shift & ((1U << plane) - 1U);
        to[i] = static_cast<uint8_t>(to[i] | code << (part * plane));
      }
    }
    to += bytes;
    shift += plane;
  }
}

void put_halves(const WeightCodes block[16], uint16_t WeightCodes::* which, std::byte* to) {
  for (int r = 0; r < 16; ++r) std::memcpy(to + 2 * r, &(block[r].*which), 2);
}

// Sub-scales (and minima) of the sixteen rows, then d (and dmin).
void put_super_scales(TensorType type, const WeightCodes block[16], std::byte* to) {
  const CodeFormat format = code_format(type);
  const int groups = 256 / format.group;
  auto* bytes = reinterpret_cast<uint8_t*>(to);
  for (int g = 0; g < groups; ++g) {
    for (int r = 0; r < 16; ++r) {
      auto scale = static_cast<uint8_t>(block[r].sub_scales[g]);
      if (type == TensorType::kQ2_K) scale = static_cast<uint8_t>(scale | block[r].sub_mins[g] << 4);
      bytes[g * 16 + r] = scale;
    }
  }
  to += groups * 16;
  if (format.has_min && type != TensorType::kQ2_K) {
    bytes = reinterpret_cast<uint8_t*>(to);
    for (int i = 0; i < groups * 16; ++i) bytes[i] = block[i % 16].sub_mins[i / 16];
    to += groups * 16;
  }
  put_halves(block, &WeightCodes::d, to);
  if (format.has_min) put_halves(block, &WeightCodes::min, to + 32);
}

void pack_codes(TensorType type, const std::byte* const rows[], int64_t columns, std::byte* to) {
  const CodeFormat format = code_format(type);
  const int64_t block_bytes = tensor_type_info(type).bytes;
  const int64_t unit = unit_columns(format);
  const int64_t code_bytes = 64 * format.bits;  // of 32 columns
  WeightCodes blocks[16];
  for (int64_t u = 0; u < columns / unit; ++u, to += unit_bytes(type)) {
    for (int r = 0; r < 16; ++r) {
      if (rows[r] != nullptr) {
        take_apart(type, rows[r] + u * block_bytes, blocks[r]);
        continue;
      }
      blocks[r] = {};
      // Codes of a book may be any: the scale is zero.
      std::memset(blocks[r].codes, format.book == nullptr ? format.zero : 0, sizeof blocks[r].codes);
    }
    for (int64_t part = 0; part < unit / 32; ++part) {
      uint8_t codes[16][32];
      for (int r = 0; r < 16; ++r) std::memcpy(codes[r], blocks[r].codes + part * 32, 32);
      pack_planes(codes, format.bits, reinterpret_cast<uint8_t*>(to + part * code_bytes));
    }
    std::byte* scales = to + unit / 32 * code_bytes;
    if (format.is_super) {
      put_super_scales(type, blocks, scales);
    } else if (format.scale == ScaleKind::kExponent) {
      for (int r = 0; r < 16; ++r) scales[r] = static_cast<std::byte>(blocks[r].d);
    } else {
      put_halves(blocks, &WeightCodes::d, scales);
      if (format.has_min) put_halves(blocks, &WeightCodes::min, scales + 32);
    }
  }
}

}  // namespace

int64_t packed_bytes(TensorType type, int64_t rows, int64_t columns) {
  return (rows + kPanelRows - 1) / kPanelRows * panel_bytes(type, columns);
}

void pack_panel(TensorType type, const std::byte* const rows[kPanelRows], int64_t columns, std::byte* to) {
  DCHECK(columns % tensor_type_info(type).elements == 0);
  switch (type) {
    case TensorType::kF32: return pack_words<uint32_t>(rows, columns, to);
    case TensorType::kF16: return pack_words<uint16_t>(rows, columns, to);
    case TensorType::kBF16: return pack_bf16_pairs(rows, columns, to);
    case TensorType::kQ8_0: return pack_q8_0(rows, columns, to);
    default: return pack_codes(type, rows, columns, to);
  }
}

}  // namespace cairn
