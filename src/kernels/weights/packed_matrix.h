// PackedMatrix: a weight matrix [rows, columns] as the matrix-product kernels read it, the same for every
// instruction set. Sixteen rows make a panel; inside it the rows lie side by side, so that one vector holds
// the same column of sixteen rows and a product needs no horizontal sum. Panels follow each other; the last
// one is padded with zero rows. Nothing grows by more than 5 % over the file.
//
//   f32   [column][16 rows]
//   f16   [column][16 rows]
//   bf16  [column pair][16 rows][2], columns filled to a multiple of 32 with zeros (AMX's order)
//   quantised: units of 32 columns (k-quants: 256), each: codes, then scales
//     codes of 32 columns: 512 in the order [quad of columns][16 rows][4], as planes of 8, or 4 + 2 + 1 bits:
//       4-bit plane: byte i holds code i (low nibble) and code i + 256;
//       2-bit plane: byte i holds codes i + 128 j in bits 2 j; 1-bit plane: byte i, codes i + 64 j in bit j
//     scales: f16 [16 rows] (and f16 minimum [16 rows] where the type has one)
//     k-quants: sub-scales, one byte [256 / group][16 rows] (q4_k, q5_k: then sub-minima, the same; q2_k:
//       scale in the low nibble and minimum in the high one), then d f16 [16 rows] (and dmin f16 [16 rows])
// A stored value is  scale * (code - zero) + minimum.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/weights/tensor_type.h"

namespace cairn {

inline constexpr int64_t kPanelRows = 16;
// Columns that share an activation scale; the step of the integer kernels.
inline constexpr int64_t kCodeGroup = 32;

// How a quantised type's codes are stored; `bits` == 0 for float types.
struct CodeFormat {
  int bits = 0;
  int zero = 0;    // the code of the value 0
  int group = 32;  // columns that share a weight scale: 32 or 16
  bool has_min = false;
  bool is_super = false;  // k-quants: units of 256 columns with integer sub-scales
};

[[nodiscard]] constexpr CodeFormat code_format(TensorType type) {
  switch (type) {
    case TensorType::kQ8_0: return {.bits = 8, .zero = 128};
    case TensorType::kQ4_0: return {.bits = 4, .zero = 8};
    case TensorType::kQ4_1: return {.bits = 4, .has_min = true};
    case TensorType::kQ5_0: return {.bits = 5, .zero = 16};
    case TensorType::kQ5_1: return {.bits = 5, .has_min = true};
    case TensorType::kQ2_K: return {.bits = 2, .group = 16, .has_min = true, .is_super = true};
    case TensorType::kQ3_K: return {.bits = 3, .zero = 4, .group = 16, .is_super = true};
    case TensorType::kQ4_K: return {.bits = 4, .has_min = true, .is_super = true};
    case TensorType::kQ5_K: return {.bits = 5, .has_min = true, .is_super = true};
    case TensorType::kQ6_K: return {.bits = 6, .zero = 32, .group = 16, .is_super = true};
    default: return {};
  }
}
[[nodiscard]] constexpr bool is_quantised(TensorType type) { return code_format(type).bits != 0; }

struct PackedMatrix {
  TensorType type = TensorType::kF32;
  int64_t rows = 0;
  int64_t columns = 0;
  const std::byte* data = nullptr;  // packed_bytes() of them, 64-byte aligned; owned elsewhere

  [[nodiscard]] int64_t panel_count() const { return (rows + kPanelRows - 1) / kPanelRows; }
};

[[nodiscard]] constexpr int64_t unit_columns(CodeFormat f) { return f.is_super ? 256 : 32; }
// Of one unit of one panel of a quantised type.
[[nodiscard]] constexpr int64_t unit_bytes(TensorType type) {
  const CodeFormat format = code_format(type);
  const int64_t codes = 2 * format.bits * unit_columns(format);  // 16 rows, bits / 8 bytes each
  const int64_t halves = format.has_min ? 64 : 32;
  if (!format.is_super) return codes + halves;
  const int64_t sub_scales = 256 / format.group * 16;
  return codes + halves + (format.has_min && type != TensorType::kQ2_K ? 2 : 1) * sub_scales;
}
[[nodiscard]] int64_t panel_bytes(TensorType type, int64_t columns);
[[nodiscard]] int64_t packed_bytes(TensorType type, int64_t rows, int64_t columns);

// Packs one panel. rows[i] is row i as the file stores it (row_bytes(type, columns), no alignment needed), or
// null for a row of zeros. `to`: panel_bytes(type, columns).
void pack_panel(TensorType type, const std::byte* const rows[kPanelRows], int64_t columns, std::byte* to);

}  // namespace cairn
