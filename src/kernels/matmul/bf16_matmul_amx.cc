// bf16 weights by AMX: the tiles lie in memory as they are.
#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

#include "kernels/matmul/amx_product-inl.h"
#include "kernels/matmul/code_matmul.h"

namespace cairn {
namespace {

// Few rows wait on memory: a tile load takes its sixteen lines one after another if they are not in first-level cache,
// so they are asked for early.
template <int kPanels>
class FewStored {
 public:
  static constexpr int64_t kLag = 0;

  FewStored(const PackedMatrix& w, int64_t first_panel)
      : data_(w.data + first_panel * panel_bytes(w.type, w.columns)),
        panel_size_(panel_bytes(w.type, w.columns)) {}

  CAIRN_AMX_INLINE void prepare(int panel, int64_t step) const { prefetch_lines<16>(at(panel, step + 2)); }
  [[nodiscard]] CAIRN_AMX_INLINE const std::byte* at(int panel, int64_t step) const {
    return data_ + panel * panel_size_ + step * kTileBytes;
  }

 private:
  const std::byte* data_;
  int64_t panel_size_;
};

// Many rows leave time: the next piece comes into second-level cache line by line.
class ManyStored {
 public:
  ManyStored(const PackedMatrix& w, std::byte*)
      : data_(w.data), panel_size_(panel_bytes(w.type, w.columns)) {}

  CAIRN_AMX_INLINE void begin(const Piece& piece) {
    for (int i = 0; i < 2; ++i) read_[i] = next_[i];
    for (int i = 0; i < 2; ++i)
      next_[i] = data_ + piece.panels[i] * panel_size_ + piece.first_step * kTileBytes;
    lines_ = piece.steps * kTileBytes / 64;
  }
  [[nodiscard]] CAIRN_AMX_INLINE int64_t work() const { return 2 * lines_; }
  CAIRN_AMX_INLINE void work_on(int64_t line) const {
    const std::byte* const at = line < lines_ ? next_[0] + 64 * line : next_[1] + 64 * (line - lines_);
    _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T1);
  }
  [[nodiscard]] CAIRN_AMX_INLINE const std::byte* panel(int i) const { return read_[i]; }

 private:
  const std::byte* data_;
  int64_t panel_size_;
  const std::byte* read_[2] = {};
  const std::byte* next_[2] = {};
  int64_t lines_ = 0;
};

}  // namespace

CAIRN_AMX void prepare_bf16_group(const Operand& to, int64_t group) {
  const int64_t rows = to.rows_in_group(group);
  for (int64_t r = 0; r < rows; ++r) {
    const float* x = to.x + (group * kOperandRows + r) * to.stride;
    uint16_t* row = to.bf16 + 32 * (to.first_index(group) + r);
    for (int64_t c = 0; c < to.column_groups(); ++c, row += 32 * rows) {
      const Row32 natural = load_row(x + 32 * c, to.columns - 32 * c);
      const __m512bh both = _mm512_cvtne2ps_pbh(natural.high, natural.low);
      std::memcpy(row, &both, 64);
    }
  }
}

CAIRN_AMX void bf16_matmul_amx(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out,
                               int64_t stride) {
  const AmxJob job{w, x, out, stride};
  if (tile.group_count <= kFewGroups) {
    few_rows<FewStored>(job, tile);
  } else {
    many_rows<ManyStored>(job, tile);
  }
}

}  // namespace cairn

#endif  // __x86_64__
