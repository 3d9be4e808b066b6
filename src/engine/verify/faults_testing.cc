#include "engine/verify/faults_testing.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <limits>

#include "kernels/float16.h"

namespace cairn {
namespace {

const Kernels& sound() { return kernels_for(available_isas().back()); }

// --- products: for f32 weights, one row ---

float weight_at(const PackedMatrix& w, int64_t n, int64_t k) {
  float value = 0;
  const std::byte* panel = w.data + n / kPanelRows * panel_bytes(w.type, w.columns);
  std::memcpy(&value, panel + (k * kPanelRows + n % kPanelRows) * 4, sizeof(value));
  return value;
}

template <class Sum>
void one_row_otherwise(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out,
                       int64_t stride, const Sum& sum) {
  if (x.row_count != 1 || w.type != TensorType::kF32) return sound().matmul(w, x, tile, out, stride);
  const int64_t first = tile.first_panel * kPanelRows;
  const int64_t last = std::min(w.rows, (tile.first_panel + tile.panel_count) * kPanelRows);
  for (int64_t n = first; n < last; ++n) out[n] = sum(n);
}

void backward_sum(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out,
                  int64_t stride) {
  one_row_otherwise(w, x, tile, out, stride, [&](int64_t n) {
    float sum = 0;
    for (int64_t k = w.columns - 1; k >= 0; --k) sum = std::fma(x.x[k], weight_at(w, n, k), sum);
    return sum;
  });
}

void unfused_sum(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out,
                 int64_t stride) {
  one_row_otherwise(w, x, tile, out, stride, [&](int64_t n) {
    float sum = 0;
    for (int64_t k = 0; k < w.columns; ++k) sum = sum + x.x[k] * weight_at(w, n, k);
    return sum;
  });
}

void shared_scales(const Operand& to, int64_t group) {
  sound().prepare_group(to, group);
  if (to.kind != OperandKind::kInt8) return;
  const int64_t rows = to.rows_in_group(group);
  for (int64_t c = 0; c < to.column_groups(); ++c) {
    const int64_t first = to.first_index(group) + c * rows;
    const float scale = *std::max_element(to.scales + first, to.scales + first + rows);
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t i = first + r;
      const float* x = to.x + (group * kOperandRows + r) * to.stride + c * kCodeGroup;
      to.scales[i] = scale;
      to.sums[2 * i] = to.sums[2 * i + 1] = 0;
      for (int64_t k = 0; k < kCodeGroup; ++k) {
        const auto code = static_cast<int8_t>(scale == 0 ? 0 : std::lrint(x[k] / scale));
        to.codes[kCodeGroup * i + k] = code;
        to.sums[2 * i + k / 16] += code;
      }
    }
  }
}

// --- attention ---

float element_at(KvType type, const std::byte* tile, int64_t index) {
  if (type == KvType::kF32) {
    float value = 0;
    std::memcpy(&value, tile + index * 4, sizeof(value));
    return value;
  }
  uint16_t bits = 0;
  std::memcpy(&bits, tile + index * 2, sizeof(bits));
  return type == KvType::kF16 ? f16_to_float(bits) : bf16_to_float(bits);
}

// As attention is defined, but with any span; the same bits as the sound one only for itself.
void attend_in_spans(const AttentionTile& tile, int32_t row, int32_t span_size) {
  const auto at = [&](int64_t offset, int32_t position, int64_t index) {
    return element_at(tile.type, tile.blocks[position / kBlockSize] + offset, index);
  };
  float* out = tile.output[row];
  std::fill_n(out, tile.head_dim, 0.0F);
  float peak = -INFINITY;
  float total = 0;
  for (int32_t low = tile.begin[row] / span_size * span_size; low < tile.end[row]; low += span_size) {
    const int32_t begin = std::max(low, tile.begin[row]);
    const int32_t end = std::min(low + span_size, tile.end[row]);
    std::vector<float> p;
    for (int32_t j = begin; j < end; ++j) {
      float dot = 0;
      for (int32_t d = 0; d < tile.head_dim; ++d) {
        dot = std::fma(tile.query[row][d], at(tile.keys_offset, j, int64_t{d} * kBlockSize + j % kBlockSize),
                       dot);
      }
      p.push_back(dot);
    }
    const float top = std::max(peak, *std::max_element(p.begin(), p.end()));
    const float old_factor = std::exp(peak - top);
    total *= old_factor;
    for (int32_t d = 0; d < tile.head_dim; ++d) out[d] *= old_factor;
    for (int32_t j = begin; j < end; ++j) {
      const float weight = std::exp(p[static_cast<size_t>(j - begin)] - top);
      total += weight;
      for (int32_t d = 0; d < tile.head_dim; ++d) {
        out[d] += weight * at(tile.values_offset, j, int64_t{j % kBlockSize} * tile.head_dim + d);
      }
    }
    peak = top;
  }
  for (int32_t d = 0; d < tile.head_dim; ++d) out[d] /= total;
}

void attend_rows_in_spans(const AttentionTile& tile, int32_t span_size) {
  for (int32_t row = 0; row < tile.row_count; ++row) attend_in_spans(tile, row, span_size);
}

constexpr int32_t kShortSpan = 48;

void spans_by_tile_height(const AttentionTile& tile, const AttentionScratch&) {
  attend_rows_in_spans(tile, tile.row_count == kAttentionRows ? kSpanSize : kShortSpan);
}

std::atomic<int64_t> idle_threads = 0;

int64_t process_threads() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

void spans_by_threads(const AttentionTile& tile, const AttentionScratch&) {
  attend_rows_in_spans(tile, process_threads() > idle_threads ? kShortSpan : kSpanSize);
}

// Right up to the end of the first span; after it, decode (a tile that is not full) cuts the rest otherwise.
void spans_in_long_texts(const AttentionTile& tile, const AttentionScratch& scratch) {
  if (tile.end[0] <= kSpanSize || tile.row_count == kAttentionRows) return sound().attend(tile, scratch);
  attend_rows_in_spans(tile, kShortSpan);
}

std::atomic<std::byte* const*> first_table = nullptr;

void block_of_another(const AttentionTile& tile, const AttentionScratch& scratch) {
  std::byte* const* none = nullptr;
  first_table.compare_exchange_strong(none, tile.blocks);
  std::byte* const* other = first_table;
  if (other == tile.blocks) return sound().attend(tile, scratch);
  std::vector<std::byte*> blocks(tile.blocks,
                                 tile.blocks + (tile.end[tile.row_count - 1] - 1) / kBlockSize + 1);
  blocks[0] = other[0];
  AttentionTile wrong = tile;
  wrong.blocks = blocks.data();
  sound().attend(wrong, scratch);
}

void store_once(const KvSlot& slot, const float* key, const float* value) {
  const int64_t row_bytes = slot.head_dim * kv_element_bytes(slot.type);
  const std::byte* row = slot.values + slot.offset * row_bytes;
  if (std::all_of(row, row + row_bytes, [](std::byte b) { return b == std::byte{0}; })) {
    sound().store_kv(slot, key, value);
  }
}

// --- logits: the output matrix is the only one with so many rows (tiny-llama's vocabulary) ---

constexpr int64_t kVocabSize = 512;

void constant_logits(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out,
                     int64_t stride) {
  sound().matmul(w, x, tile, out, stride);
  if (w.rows != kVocabSize) return;
  for (int64_t row = 0; row < x.row_count; ++row) {
    const int64_t first = tile.first_panel * kPanelRows;
    std::fill_n(out + row * stride + first, tile.panel_count * kPanelRows, 1.0F);
  }
}

void nan_logit(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out, int64_t stride) {
  sound().matmul(w, x, tile, out, stride);
  if (w.rows != kVocabSize || tile.first_panel != 0) return;
  for (int64_t row = 0; row < x.row_count; ++row) {
    out[row * stride + 3] = std::numeric_limits<float>::quiet_NaN();
  }
}

void norm_of_nothing(const float*, const float* w, float, int64_t n, float* out) { std::copy_n(w, n, out); }

template <typename Function>
Kernels replaced(Function Kernels::* member, Function by) {
  Kernels kernels = sound();
  kernels.*member = by;
  return kernels;
}

}  // namespace

Kernels with_backward_sum_for_one_row() { return replaced(&Kernels::matmul, &backward_sum); }
Kernels with_unfused_sum_for_one_row() { return replaced(&Kernels::matmul, &unfused_sum); }
Kernels with_scales_shared_by_rows() { return replaced(&Kernels::prepare_group, &shared_scales); }
Kernels with_spans_by_tile_height() { return replaced(&Kernels::attend, &spans_by_tile_height); }
Kernels with_spans_by_threads() { return replaced(&Kernels::attend, &spans_by_threads); }
Kernels with_spans_in_long_texts() { return replaced(&Kernels::attend, &spans_in_long_texts); }
Kernels with_block_of_another_sequence() { return replaced(&Kernels::attend, &block_of_another); }
Kernels with_rows_that_stay() { return replaced(&Kernels::store_kv, &store_once); }
Kernels with_constant_logits() { return replaced(&Kernels::matmul, &constant_logits); }
Kernels with_logits_of_no_position() { return replaced(&Kernels::rms_norm, &norm_of_nothing); }
Kernels with_a_nan_logit() { return replaced(&Kernels::matmul, &nan_logit); }

void forget_sequences() { first_table = nullptr; }
void count_idle_threads() { idle_threads = process_threads(); }

}  // namespace cairn
