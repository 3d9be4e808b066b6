// PackedMatrix: a weight matrix [rows, columns] as the matrix-product kernels read it, the same for every
// instruction set. Sixteen rows make a panel; inside it the rows lie side by side, so that one vector holds
// the same column of sixteen rows and a product needs no horizontal sum. Panels follow each other; the last
// one is padded with rows of scale zero. Nothing grows by more than 5 % over the file, except iq3_s and iq3_xxs (25 and
// 41 %): their magnitudes and signs become codes of 4 bits, because to look up each four in their grid, for every
// product, takes longer than to read the bytes that it saves.
//
//   f32   [column][16 rows]
//   f16   [column][16 rows]
//   bf16  [column pair][16 rows][2], columns filled to a multiple of 32 with zeros (AMX's order)
//   quantised: units of 32 columns (types with blocks of 256: 256), each: codes, then scales
//     codes of 32 columns: 512 in the order [quad of columns][16 rows][4], as planes of 8, or 4 + 2 + 1 bits:
//       4-bit plane   byte i holds code i (low nibble) and code i + 256
//       2-bit plane   byte i holds codes i + 128 j in bits 2 j
//       1-bit plane   byte i holds codes i + 64 j in bit j
//     scales: f16, or mxfp4's exponent byte, [16 rows] (and f16 minimum [16 rows] where the type has one)
//     scales of types with blocks of 256:
//       sub-scales    one byte [256 / group][16 rows]; q2_k: scale in the low nibble, minimum in the high one
//       sub-minima    q4_k and q5_k only: one byte [256 / group][16 rows]
//       d             f16 [16 rows]
//       dmin          f16 [16 rows], where the type has a minimum
// A stored value is  scale * (level - zero) + minimum,  where a code is its own level or stands for it in a book.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/weights/tensor_type.h"

namespace cairn {

inline constexpr int64_t kPanelRows = 16;
// Columns that share an activation scale; the step of the integer kernels.
inline constexpr int64_t kCodeGroup = 32;

struct PackedMatrix {
  TensorType type = TensorType::kF32;
  int64_t rows = 0;
  int64_t columns = 0;
  const std::byte* data = nullptr;  // packed_bytes() of them, 64-byte aligned; owned elsewhere

  [[nodiscard]] int64_t panel_count() const { return (rows + kPanelRows - 1) / kPanelRows; }
};

[[nodiscard]] constexpr int64_t unit_columns(const CodeFormat& f) { return f.is_super ? 256 : 32; }
[[nodiscard]] constexpr int64_t scale_bytes(const CodeFormat& f) {
  return f.scale == ScaleKind::kF16 ? 2 : 1;
}
// Of one unit of one panel of a quantised type.
[[nodiscard]] constexpr int64_t unit_bytes(TensorType type) {
  const CodeFormat& format = code_format(type);
  const int64_t codes = 2 * format.bits * unit_columns(format);  // 16 rows, bits / 8 bytes each
  const int64_t halves = 16 * scale_bytes(format) + (format.has_min ? 32 : 0);
  if (!format.is_super) return codes + halves;
  const int64_t sub_scales = 256 / format.group * 16;
  return codes + halves + (format.has_min && type != TensorType::kQ2_K ? 2 : 1) * sub_scales;
}
// bf16 columns are padded to AMX's step.
[[nodiscard]] constexpr int64_t padded_columns(TensorType type, int64_t columns) {
  return type == TensorType::kBF16 ? (columns + 31) / 32 * 32 : columns;
}
// Inline: the products ask for it with a type known at compile time.
[[nodiscard]] constexpr int64_t panel_bytes(TensorType type, int64_t columns) {
  switch (type) {
    case TensorType::kF32: return columns * 64;
    case TensorType::kF16:
    case TensorType::kBF16: return padded_columns(type, columns) * 32;
    default: return columns / unit_columns(code_format(type)) * unit_bytes(type);
  }
}
[[nodiscard]] int64_t packed_bytes(TensorType type, int64_t rows, int64_t columns);

// Packs one panel. rows[i] is row i as the file stores it (row_bytes(type, columns), no alignment needed), or
// null for a row of zeros. `to`: panel_bytes(type, columns).
void pack_panel(TensorType type, const std::byte* const rows[kPanelRows], int64_t columns, std::byte* to);

}  // namespace cairn
