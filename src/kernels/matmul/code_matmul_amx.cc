// Quantised weights by AMX: decoded to tiles of bf16 (cut_codes-inl.h), times rows of bf16. One arithmetic for every
// number of rows:
//   one row     AVX-512 alone, with the tiles' bits: of each 32 columns the even and the odd ones are a chain of fma from 0,
//               whose sum is added; denormals are zero
//   few rows    tiles pass through a ring in first-level cache
//   many rows   the next piece of two panels is decoded in between the products of this one
// Which of its NaNs a sum becomes is not promised: no manual says so of tiles.
#if defined(__x86_64__)

// gcc 12 warns of what its own header leaves undefined on purpose.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "kernels/float16.h"
#include "kernels/matmul/amx_product-inl.h"
#include "kernels/matmul/code_matmul.h"
#include "kernels/matmul/cut_codes-inl.h"
#include "kernels/weights/code_types.h"

namespace cairn {
namespace {

// TDPBF16PS takes denormals for zero, going in and coming out; so does everything beside it, while one of these lives.
class FlushDenormals {
 public:
  FlushDenormals() : saved_(_mm_getcsr()) {
    constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x40;
    _mm_setcsr(saved_ | kFlushToZero | kDenormalsAreZero);
  }
  ~FlushDenormals() { _mm_setcsr(saved_); }
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  unsigned saved_;
};

// ---- one row ----

constexpr int64_t kBytesAhead = 1024;  // weights are asked for so early; past the end that does nothing

// even, odd += a's columns of one line of a group.
template <TensorType kType, int i>
CAIRN_AMX_INLINE void add_line(const CutCodes<kType>& codes, const float* a, __m512& even, __m512& odd) {
  __m512 w[8];
  codes.template weights<i>(w);
  CAIRN_UNROLL for (int j = 0; j < 8; j += 2) {
    even = _mm512_fmadd_ps(cut(w[j]), _mm512_set1_ps(a[8 * i + j]), even);
    odd = _mm512_fmadd_ps(cut(w[j + 1]), _mm512_set1_ps(a[8 * i + j + 1]), odd);
  }
}

// kPanels at once, each a stream of memory.
template <TensorType kType, int kPanels>
CAIRN_AMX_INLINE void one_row_of(const AmxJob& job, int64_t panel) {
  constexpr int64_t kUnitGroups = unit_columns(code_format(kType)) / 32;
  constexpr int64_t kGroupBytes = unit_bytes(kType) / kUnitGroups;
  const int64_t panel_size = panel_bytes(kType, job.w.columns);
  const std::byte* unit = job.w.data + panel * panel_size;
  const float* a = job.x.cut_row;
  __m512 sums[kPanels];
  CAIRN_UNROLL for (int p = 0; p < kPanels; ++p) sums[p] = _mm512_setzero_ps();
  for (int64_t left = job.steps(); left > 0; left -= kUnitGroups, unit += unit_bytes(kType)) {
    for (int64_t group = 0; group < kUnitGroups; ++group, a += 32) {
      CAIRN_UNROLL for (int p = 0; p < kPanels; ++p) {
        const std::byte* const of_panel = unit + p * panel_size;
        for (int64_t b = 0; b < kGroupBytes; b += 64) {
          _mm_prefetch(reinterpret_cast<const char*>(of_panel + group * kGroupBytes + kBytesAhead + b),
                       _MM_HINT_T0);
        }
        const CutCodes<kType> codes(of_panel, group);
        __m512 even = _mm512_setzero_ps(), odd = _mm512_setzero_ps();
        add_line<kType, 0>(codes, a, even, odd);
        add_line<kType, 1>(codes, a, even, odd);
        add_line<kType, 2>(codes, a, even, odd);
        add_line<kType, 3>(codes, a, even, odd);
        sums[p] = _mm512_add_ps(sums[p], _mm512_add_ps(even, odd));
      }
    }
  }
  for (int p = 0; p < kPanels; ++p) {
    const int64_t first = (panel + p) * kPanelRows;
    store_sum(sums[p], job.w.rows - first, job.out + first);
  }
}

template <TensorType kType>
CAIRN_AMX void one_row(const AmxJob& job, int64_t panel, int64_t panel_end) {
  for (; panel + 4 <= panel_end; panel += 4) one_row_of<kType, 4>(job, panel);
  for (; panel < panel_end; ++panel) one_row_of<kType, 1>(job, panel);
}

// ---- rows by tiles: the same for all types ----

struct CodeTypeFunctions {
  void (*one_row)(const AmxJob& job, int64_t panel, int64_t panel_end);
  void (*decode_half_tile)(const std::byte* unit, int64_t group, int64_t half, std::byte* tile) noexcept;
};

const CodeTypeFunctions& functions_of(TensorType type) {
  static const auto all = [] {
    std::array<CodeTypeFunctions, kTensorTypes.size()> functions{};
    for (size_t i = 0; i < functions.size(); ++i) {
      if (!is_quantised(kTensorTypes[i].type)) continue;
      visit_code_type(kTensorTypes[i].type, [&](auto t) {
        constexpr TensorType kType = decltype(t)::value;
        functions[i] = {one_row<kType>, decode_half_tile<kType>};
      });
    }
    return functions;
  }();
  return all[kTensorTypePlace[static_cast<size_t>(type)]];
}

// A matrix as a sequence of half tiles.
class CodeTiles {
 public:
  explicit CodeTiles(const PackedMatrix& w)
      : data_(w.data),
        panel_bytes_(panel_bytes(w.type, w.columns)),
        unit_bytes_(unit_bytes(w.type)),
        unit_shift_(code_format(w.type).is_super ? 3 : 0),
        decode_(functions_of(w.type).decode_half_tile) {}

  void decode(int64_t panel, int64_t step, int64_t half, std::byte* tile) const {
    const std::byte* const unit = data_ + panel * panel_bytes_ + (step >> unit_shift_) * unit_bytes_;
    decode_(unit, step & ((1 << unit_shift_) - 1), half, tile);
  }
  // Asks for what is read some bytes after half a step's codes, into first-level cache or second-level cache.
  template <bool kIntoFirst>
  CAIRN_AMX_INLINE void prefetch(int64_t panel, int64_t step, int64_t half, int64_t ahead) const {
    const int64_t group_bytes = unit_bytes_ >> unit_shift_;
    const std::byte* const at =
        data_ + panel * panel_bytes_ + step * group_bytes + half * group_bytes / 2 + ahead;
    for (int64_t b = 0; b < group_bytes / 2 + 32; b += 64) {
      if constexpr (kIntoFirst) {
        _mm_prefetch(reinterpret_cast<const char*>(at + b), _MM_HINT_T0);
      } else {
        _mm_prefetch(reinterpret_cast<const char*>(at + b), _MM_HINT_T1);
      }
    }
  }

 private:
  const std::byte* data_;
  int64_t panel_bytes_, unit_bytes_;
  int unit_shift_;  // a unit has 1 << unit_shift_ groups of 32 columns
  void (*decode_)(const std::byte*, int64_t, int64_t, std::byte*) noexcept;
};

// A tile is read some steps after it was written, when the stores have left the processor's buffers.
template <int kPanels>
class FewCodes {
 public:
  static constexpr int64_t kLag = kPanels == 4 ? 2 : 4;

  FewCodes(const PackedMatrix& w, int64_t first_panel) : tiles_(w), first_panel_(first_panel) {}

  CAIRN_AMX_INLINE void prepare(int panel, int64_t step) {
    for (int64_t half = 0; half < 2; ++half) {
      tiles_.prefetch<true>(first_panel_ + panel, step, half, kBytesAhead);
      tiles_.decode(first_panel_ + panel, step, half, ring_[panel][step % kRing]);
    }
    settle_memory();
  }
  [[nodiscard]] CAIRN_AMX_INLINE const std::byte* at(int panel, int64_t step) const {
    return ring_[panel][step % kRing];
  }

 private:
  static constexpr int64_t kRing = 2 * kLag;

  CodeTiles tiles_;
  int64_t first_panel_;
  alignas(64) std::byte ring_[kPanels][kRing][kTileBytes];
};

class ManyCodes {
 public:
  ManyCodes(const PackedMatrix& w, std::byte* memory)
      : tiles_(w), read_(memory + kPieceBytes), written_(memory) {}

  CAIRN_AMX_INLINE void begin(const Piece& piece) {
    settle_memory();
    std::swap(read_, written_);
    piece_ = piece;
  }
  [[nodiscard]] CAIRN_AMX_INLINE int64_t work() const { return 4 * piece_.steps; }
  CAIRN_AMX_INLINE void work_on(int64_t unit) {
    constexpr int64_t kFarAhead = 4096;
    const int64_t i = unit < 2 * piece_.steps ? 0 : 1;
    const int64_t step = unit / 2 - i * piece_.steps, half = unit % 2;
    tiles_.prefetch<false>(piece_.panels[i], piece_.first_step + step, half, kFarAhead);
    tiles_.decode(piece_.panels[i], piece_.first_step + step, half,
                  written_ + i * kPieceBytes / 2 + step * kTileBytes);
  }
  [[nodiscard]] CAIRN_AMX_INLINE const std::byte* panel(int i) const { return read_ + i * kPieceBytes / 2; }

 private:
  CodeTiles tiles_;
  std::byte* read_;
  std::byte* written_;
  Piece piece_{};
};

}  // namespace

CAIRN_AMX void prepare_cut_group(const Operand& to, int64_t group) {
  const __m512 gain = _mm512_set1_ps(to.kind == OperandKind::kCut ? kCutGain : 1.0F);
  const int64_t rows = to.rows_in_group(group);
  for (int64_t r = 0; r < rows; ++r) {
    const float* x = to.x + (group * kOperandRows + r) * to.stride;
    uint16_t* row = to.bf16 + 32 * (to.first_index(group) + r);
    for (int64_t c = 0; c < to.column_groups(); ++c, row += 32 * rows) {
      const __m512 low = _mm512_mul_ps(_mm512_loadu_ps(x + 32 * c), gain);
      const __m512 high = _mm512_mul_ps(_mm512_loadu_ps(x + 32 * c + 16), gain);
      const auto natural = (__m512i)_mm512_cvtne2ps_pbh(high, low);
      // Quads of columns 0, 4, 1, 5, ...: the order of a group's lines.
      alignas(64) static constexpr int64_t kOrder[8] = {0, 4, 1, 5, 2, 6, 3, 7};
      const __m512i ordered = _mm512_permutexvar_epi64(_mm512_load_si512(kOrder), natural);
      std::memcpy(row, &ordered, 64);
      if (to.row_count > 1) continue;
      for (int64_t k = 0; k < 32; ++k) to.cut_row[32 * c + k] = bf16_to_float(row[k]);
    }
  }
}

CAIRN_AMX void code_matmul_amx(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out,
                               int64_t stride) {
  const FlushDenormals flush;
  const AmxJob job{w, x, out, stride};
  if (x.row_count == 1) {
    functions_of(w.type).one_row(job, tile.first_panel, tile.first_panel + tile.panel_count);
  } else if (tile.group_count <= kFewGroups) {
    few_rows<FewCodes>(job, tile);
  } else {
    many_rows<ManyCodes>(job, tile);
  }
}

}  // namespace cairn

#endif  // __x86_64__
