#include "model/layer_attention.h"

#include "base/check.h"
#include "model/for_rows.h"

namespace cairn {

LayerAttention::LayerAttention(const AttentionShape& shape, const Kernels& kernels, ThreadPool& threads,
                               const ForwardLimits& limits)
    : shape_(shape),
      kernels_(kernels),
      threads_(threads),
      limits_(limits),
      blocks_(limits.rows),
      tiles_(shape, limits, threads.thread_count()) {}

uint64_t LayerAttention::bytes_for(const AttentionShape& shape, const ForwardLimits& limits,
                                   int thread_count) {
  return AttentionTiles::bytes_for(shape, limits, thread_count);
}

void LayerAttention::begin_step(const Batch& batch) {
  sequence_count_ = std::ssize(batch.sequences);
  CHECK(sequence_count_ <= limits_.sequences);
  row_count_ = 0;
  for (const BatchSequence& sequence : batch.sequences) {
    CHECK(sequence.first_row == row_count_);
    CHECK(sequence.first_position >= 0 && sequence.row_count >= 1);
    CHECK(sequence.first_position <= limits_.context - sequence.row_count);
    row_count_ += sequence.row_count;
  }
  CHECK(row_count_ <= limits_.rows);
  blocks_.set(batch);
  tiles_.set(blocks_);
  next_layer_ = 0;
}

Status LayerAttention::run(KvLayerGate& gate, int64_t layer, const QkvRows& rows) {
  CHECK(row_count_ > 0);  // a step has begun
  CHECK(gate.layer_count() == shape_.layer_count());
  CHECK(layer == next_layer_ && layer < shape_.layer_count());
  CHECK(rows.query.width == shape_.query_width() && rows.attended.width == shape_.query_width());
  CHECK(rows.key.width == shape_.kv_width() && rows.value.width == shape_.kv_width());
  if (has_sinks(layer)) {
    CHECK(rows.sink_query.width == shape_.query_width() && rows.sink_query.count >= row_count_);
  }
  CAIRN_ASSIGN_OR_RETURN(const KvLayerView kv, gate.open(layer));
  check_view(kv, layer);
  attend(kv, layer, rows.first(row_count_));
  gate.close(layer);
  ++next_layer_;
  return {};
}

void LayerAttention::check_view(const KvLayerView& kv, int64_t layer) const {
  CHECK(kv.layout != nullptr);
  CHECK(kv.kv_head_count == shape_.kv_head_count && kv.head_dim == shape_.head_dim);
  CHECK(kv.layout->keys.head_dim == kv.head_dim && kv.layout->values.head_dim == kv.head_dim);
  CHECK(std::ssize(kv.sequences) == sequence_count_);
  CHECK(kv.visibility == shape_.layers[static_cast<size_t>(layer)]);
}

bool LayerAttention::has_sinks(int64_t layer) const {
  return shape_.layers[static_cast<size_t>(layer)].sinks > 0;
}

void LayerAttention::attend(const KvLayerView& kv, int64_t layer, const QkvRows& rows) {
  const KvLayerLayout& layout = *kv.layout;
  const bool meets_sinks = has_sinks(layer);
  for_rows(threads_, row_count_, [&](int64_t row) {
    finish_query(layout.keys.codec, rows.query, row);
    if (meets_sinks) finish_query(layout.keys.codec, rows.sink_query, row);
    hadamard(layout.keys.codec, rows.key.split(row, shape_.head_dim));
    hadamard(layout.values.codec, rows.value.split(row, shape_.head_dim));
  });
  blocks_.store(threads_, kv, rows.key, rows.value);
  tiles_.attend(kernels_, threads_, kv, layer, rows);
  blocks_.keep_open_rows(kv);
  if (layout.values.codec.transform == KvTransform::kNone) return;
  for_rows(threads_, row_count_,
           [&](int64_t row) { hadamard(layout.values.codec, rows.attended.split(row, shape_.head_dim)); });
}

void LayerAttention::finish_query(const KvCodec& key_codec, const Rows& queries, int64_t row) const {
  hadamard(key_codec, queries.split(row, shape_.head_dim));
  kernels_.scale(shape_.scale, queries.width, queries.row(row));
}

// Each head times the Hadamard matrix, where the codec asks for it.
void LayerAttention::hadamard(const KvCodec& codec, const Rows& heads) const {
  if (codec.transform == KvTransform::kNone) return;
  for (int64_t h = 0; h < heads.count; ++h) kv_hadamard(heads.row(h), heads.width);
}

}  // namespace cairn
