#include "engine/verify/faults_testing.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iterator>
#include <limits>
#include <map>
#include <span>
#include <vector>

#include "engine/verify/pass_faults_testing.h"
#include "kernels/reference.h"
#include "model/step_blocks.h"

namespace cairn {
namespace {

// The best whose activations have the scales that a fault shares out: not AMX.
const Kernels& sound() {
  const auto& isas = available_isas();
  const auto is_reference = [](Isa isa) { return kernels_for(isa).arithmetic == kReferenceArithmetic; };
  return kernels_for(*std::find_if(isas.rbegin(), isas.rend(), is_reference));
}

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

// A block's keys and values, widened: as the tile says, or from other f32 tiles.
struct OpenTiles {
  const float* keys = nullptr;
  const float* values = nullptr;
};

class WideBlock {
 public:
  WideBlock(const AttentionTile& tile, int64_t block, const OpenTiles& open)
      : keys_(static_cast<size_t>(tile.keys.lines * kBlockSize)), value_lanes_(tile.values.lanes) {
    const std::byte* bytes = tile.sequence.block(block);
    if (open.keys != nullptr) {
      std::copy_n(open.keys, keys_.size(), keys_.begin());
    } else {
      sound().decode_kv(tile.keys, bytes + tile.keys_offset, 0, tile.keys.lines,
                        aligned(tile.keys.lanes).data());
      std::copy_n(aligned_.begin() + shift_, keys_.size(), keys_.begin());
    }
    if (open.values != nullptr) {
      value_lanes_ = attention_padded(tile.values.head_dim);
      values_.assign(open.values, open.values + kBlockSize * value_lanes_);
    } else {
      sound().decode_kv(tile.values, bytes + tile.values_offset, 0, kBlockSize, aligned(value_lanes_).data());
      values_.assign(aligned_.begin() + shift_, aligned_.begin() + shift_ + kBlockSize * value_lanes_);
    }
  }
  [[nodiscard]] float key(int64_t d, int64_t slot) const {
    return keys_[static_cast<size_t>(d * kBlockSize + slot)];
  }
  [[nodiscard]] float value(int64_t d, int64_t slot) const {
    return values_[static_cast<size_t>(slot * value_lanes_ + d)];
  }

 private:
  // Decoding wants 64-byte alignment.
  std::span<float> aligned(int64_t lanes) {
    aligned_.assign(static_cast<size_t>(256 * std::max<int64_t>(lanes, 32) + 16), 0);
    shift_ =
        static_cast<int64_t>((64 - reinterpret_cast<uintptr_t>(aligned_.data()) % 64) % 64 / sizeof(float));
    return std::span(aligned_).subspan(static_cast<size_t>(shift_));
  }
  std::vector<float> keys_;
  std::vector<float> values_;
  int64_t value_lanes_;
  std::vector<float> aligned_;
  int64_t shift_ = 0;
};

// Where a block's rows are read from, if not from the block.
using OpenOf = std::function<OpenTiles(const AttentionTile& tile, int64_t block)>;

OpenTiles own_block_open(const AttentionTile& tile, int64_t block) {
  if (block != tile.open_block) return {};
  return {tile.open_keys, tile.open_values};
}

// One range of a row, reduced to a state of its own.
std::vector<float> reduce(const std::map<int64_t, WideBlock>& blocks, const AttentionTile& tile,
                          const VisibleRange& range) {
  const auto& [query, begin, end] = range;
  const int64_t head_dim = tile.keys.head_dim;
  std::vector<float> p;
  for (int64_t j = begin; j < end; ++j) {
    float dot = 0;
    for (int64_t d = 0; d < head_dim; ++d) {
      dot = std::fma(query[d], blocks.at(j / kBlockSize).key(d, j % kBlockSize), dot);
    }
    p.push_back(dot);
  }
  std::vector<float> state(static_cast<size_t>(attention_state_floats(head_dim)), 0.0F);
  state[0] = *std::max_element(p.begin(), p.end());
  for (int64_t j = begin; j < end; ++j) {
    const float weight = std::exp(p[static_cast<size_t>(j - begin)] - state[0]);
    state[1] += weight;
    for (int64_t d = 0; d < head_dim; ++d) {
      state[static_cast<size_t>(16 + d)] += weight * blocks.at(j / kBlockSize).value(d, j % kBlockSize);
    }
  }
  return state;
}

// As attention is defined, but with spans of any size and blocks from anywhere; the same bits as the sound
// one only for itself.
void attend_otherwise(const AttentionTile& tile, SpanRange spans, int32_t span_size, const OpenOf& open_of) {
  std::map<int64_t, WideBlock> blocks;
  for (const AttentionRow& row : tile.rows) {
    const VisibleRange& seen = row.visible;
    const int64_t begin = std::max(seen.begin, spans.first * kSpanSize);
    const int64_t end = std::min(seen.end, spans.last * kSpanSize);
    for (int64_t block = begin / kBlockSize; block * kBlockSize < end; ++block) {
      if (!blocks.contains(block)) blocks.emplace(block, WideBlock(tile, block, open_of(tile, block)));
    }
    for (int64_t low = begin / span_size * span_size; low < end; low += span_size) {
      const std::vector<float> state =
          reduce(blocks, tile, {seen.query, std::max(low, begin), std::min(low + span_size, end)});
      reference::merge_attention(state.data(), tile.keys.head_dim, row.state);
    }
  }
}

constexpr int32_t kShortSpan = 48;
constexpr size_t kFullTile = 64;  // tiny-llama: 32 positions of 2 query heads

void spans_by_tile_height(const AttentionTile& tile, SpanRange spans, const AttentionScratch&) {
  attend_otherwise(tile, spans, tile.rows.size() == kFullTile ? kSpanSize : kShortSpan, own_block_open);
}

std::atomic<int64_t> idle_threads = 0;

int64_t process_threads() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

void spans_by_threads(const AttentionTile& tile, SpanRange spans, const AttentionScratch&) {
  attend_otherwise(tile, spans, process_threads() > idle_threads ? kShortSpan : kSpanSize, own_block_open);
}

// Right up to the end of the first span; after it, decode (a tile that is not full) cuts the rest otherwise.
void spans_in_long_texts(const AttentionTile& tile, SpanRange spans, const AttentionScratch& scratch) {
  if (tile.rows.front().visible.end <= kSpanSize || tile.rows.size() == kFullTile) {
    return sound().attend(tile, spans, scratch);
  }
  attend_otherwise(tile, spans, kShortSpan, own_block_open);
}

void windows_from_block_edges(const AttentionTile& tile, SpanRange spans, const AttentionScratch& scratch) {
  if (tile.rows.size() == kFullTile) return sound().attend(tile, spans, scratch);
  std::vector<AttentionRow> rows(tile.rows.begin(), tile.rows.end());
  for (AttentionRow& row : rows) row.visible.begin -= row.visible.begin % kBlockSize;
  AttentionTile wider = tile;
  wider.rows = rows;
  sound().attend(wider, spans, scratch);
}

std::atomic<const BlockId*> first_table = nullptr;

void block_of_another(const AttentionTile& tile, SpanRange spans, const AttentionScratch& scratch) {
  const BlockId* const own = tile.sequence.table;
  const BlockId* none = nullptr;
  first_table.compare_exchange_strong(none, own);
  const BlockId* const other = first_table;
  if (other == own) return sound().attend(tile, spans, scratch);
  std::vector<BlockId> table(own, own + (tile.rows.back().visible.end - 1) / kBlockSize + 1);
  table[0] = other[0];
  AttentionTile wrong = tile;
  wrong.sequence.table = table.data();
  sound().attend(wrong, spans, scratch);
}

// --- attention that looks at the step (pass_faults_testing.h knows which one runs) ---

void spans_by_batch(const AttentionTile& tile, SpanRange spans, const AttentionScratch&) {
  const bool is_alone = step_now()->batch.sequences.size() == 1;
  attend_otherwise(tile, spans, is_alone ? kSpanSize : kShortSpan, own_block_open);
}

// The layer and KV head of a tile.
struct Place {
  size_t layer = 0;
  int64_t kv_head = 0;
};

Place place_of(const AllLayers& kv, const AttentionTile& tile) {
  for (size_t layer = 0; layer < kv.views.size(); ++layer) {
    for (int64_t head = 0; head < kv.views[layer].kv_head_count; ++head) {
      if (kv.views[layer].layout->keys_offset(head) == tile.keys_offset) return {layer, head};
    }
  }
  return {};
}

// Blocks that this step has filled are read open by all of its queries, as if they were sealed when it ends.
void sealed_when_the_step_ends(const AttentionTile& tile, SpanRange spans, const AttentionScratch&) {
  const StepNow& now = *step_now();
  const Place place = place_of(now.kv, tile);
  StepBlocks blocks(std::ssize(now.batch.tokens));
  blocks.set(now.batch);
  attend_otherwise(tile, spans, kSpanSize, [&](const AttentionTile&, int64_t block) -> OpenTiles {
    for (const StepBlock& filled : blocks.blocks()) {
      const auto sequence = static_cast<size_t>(filled.sequence);
      if (filled.block != block || now.kv.sequence(sequence).table != tile.sequence.table) continue;
      const auto open = StepBlocks::open_tiles(now.kv.views[place.layer], filled, place.kv_head);
      return {reinterpret_cast<const float*>(open.keys), reinterpret_cast<const float*>(open.values)};
    }
    return {};
  });
}

// Of a group, each member's own spans come first, and then those that all share.
void shared_spans_last(const AttentionTile& tile, SpanRange spans, const AttentionScratch& scratch) {
  const auto needs_more = [&](const AttentionRow& row) { return row.visible.end > spans.last * kSpanSize; };
  if (spans.first == 0 && std::ranges::any_of(tile.rows, needs_more)) return;
  sound().attend(tile, spans, scratch);
  if (spans.first > 0) sound().attend(tile, {0, spans.first}, scratch);
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
Kernels with_windows_from_block_edges() { return replaced(&Kernels::attend, &windows_from_block_edges); }
Kernels with_block_of_another_sequence() { return replaced(&Kernels::attend, &block_of_another); }
Kernels with_spans_by_batch() { return replaced(&Kernels::attend, &spans_by_batch); }
Kernels with_seals_when_the_step_ends() { return replaced(&Kernels::attend, &sealed_when_the_step_ends); }
Kernels with_shared_spans_last() { return replaced(&Kernels::attend, &shared_spans_last); }
Kernels with_constant_logits() { return replaced(&Kernels::matmul, &constant_logits); }
Kernels with_logits_of_no_position() { return replaced(&Kernels::rms_norm, &norm_of_nothing); }
Kernels with_a_nan_logit() { return replaced(&Kernels::matmul, &nan_logit); }

void forget_sequences() { first_table = nullptr; }
void count_idle_threads() { idle_threads = process_threads(); }

}  // namespace cairn
