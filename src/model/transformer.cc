#include "model/transformer.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/float_mode.h"
#include "base/thread_pool.h"
#include "kernels/matmul/matmul.h"
#include "model/for_rows.h"
#include "model/layer_attention.h"
#include "model/rope.h"
#include "model/step_buffers.h"
#include "model/weights.h"

namespace cairn {

struct Transformer::Impl {
  Impl(std::shared_ptr<const Model> m, ThreadPool& t, const ForwardLimits& step_limits,
       std::vector<Visibility> visibility)
      : model(std::move(m)),
        config(model->config()),
        weights(model->weights()),
        kernels(model->kernels()),
        threads(t),
        limits(step_limits),
        shape(attention_shape(config, std::move(visibility))),
        buffers(config, shape, limits, threads.thread_count()),
        attention(shape, kernels, threads, limits) {
    const FloatMode mode;  // whatever the caller's is, angles are those of the steps
    for (const RopeConfig& rope : config.ropes) ropes.emplace_back(rope, config.rope_dim);
    CHECK(std::ssize(config.layers) == config.layer_count && weights.layers.size() == config.layers.size());
    places.resize(static_cast<size_t>(limits.rows));
    if (shape.has_sinks()) set_sink_angles();
  }

  std::shared_ptr<const Model> model;
  const Config& config;
  const Weights& weights;
  const Kernels& kernels;
  ThreadPool& threads;
  ForwardLimits limits;
  AttentionShape shape;
  StepBuffers buffers;
  LayerAttention attention;
  std::vector<Rope> ropes;

  // Of each row of the current step.
  struct Place {
    int32_t sequence;
    int64_t position;
  };
  std::vector<Place> places;
  int64_t row_count = 0;

  Status forward(const Batch& batch, KvLayerGate& gate, std::span<float> logits);
  void begin_step(const Batch& batch);
  void embed(const Batch& batch);
  void rope_angles(int64_t row);
  void set_sink_angles();
  Status attention_block(const LayerWeights& layer, int64_t index, KvLayerGate& gate);
  void finish_row(const LayerWeights& layer, int64_t index, int64_t row);
  void ffn_block(const LayerWeights& layer);
  void add_projected(const std::vector<float>& bias, const std::vector<float>& post_norm);
  void project_logits(const Batch& batch, std::span<float> logits);

  void norm(const float* x, const std::vector<float>& w, const std::vector<float>& b, float* out) const;
  void norm_rows(const std::vector<float>& w, const std::vector<float>& b);
  void add_bias(const Linear& linear, float* row) const;
  void norm_heads(const std::vector<float>& w, const Rows& heads) const;
  // Of a position, for one of the model's RoPEs.
  struct Angles {
    const float* cosines;
    const float* sines;
  };
  [[nodiscard]] Angles angles_at(int64_t row, int64_t rope) const;
  [[nodiscard]] Angles sink_angles_at(int64_t row, int64_t layer) const;
  void apply_rope(const Angles& angles, const Rows& heads) const;
  void multiply(const Rows& x, std::span<const MatmulJob> jobs);
  // The rows of this step in one of the buffers.
  [[nodiscard]] Rows of_step(const Rows& buffer) const { return buffer.first(row_count); }
};

Status Transformer::Impl::forward(const Batch& batch, KvLayerGate& gate, std::span<float> logits) {
  const FloatMode mode;
  begin_step(batch);
  embed(batch);
  for (int64_t index = 0; index < config.layer_count; ++index) {
    const LayerWeights& layer = weights.layers[static_cast<size_t>(index)];
    CAIRN_RETURN_IF_ERROR(attention_block(layer, index, gate));
    ffn_block(layer);
  }
  project_logits(batch, logits);
  return {};
}

void Transformer::Impl::begin_step(const Batch& batch) {
  row_count = std::ssize(batch.tokens);
  CHECK(row_count <= limits.rows && std::ssize(batch.logit_rows) <= limits.logit_rows);
  CHECK(row_count >= 1);
  int64_t next_row = 0;
  for (size_t s = 0; s < batch.sequences.size(); ++s) {
    const BatchSequence& sequence = batch.sequences[s];
    CHECK(sequence.first_row == next_row);
    next_row += sequence.row_count;
    CHECK(next_row <= row_count);
    Place* of_sequence = places.data() + sequence.first_row;
    for (int32_t i = 0; i < sequence.row_count; ++i) {
      of_sequence[i] = {static_cast<int32_t>(s), sequence.first_position + i};
    }
  }
  CHECK(next_row == row_count);
  attention.begin_step(batch);
}

void Transformer::Impl::embed(const Batch& batch) {
  const auto dim = static_cast<size_t>(config.model_dim);
  for_rows(threads, row_count, [&](int64_t row) {
    float* x = buffers.residual.row(row);
    float* scratch = buffers.projected.row(row);
    const TokenId token = batch.tokens[static_cast<size_t>(row)];
    DCHECK(token >= 0 && token < config.vocab_size);
    read_embedding_row(weights, weights.token_embedding, token, {x, dim}, scratch);
    if (config.embedding_scale != 1) kernels.scale(config.embedding_scale, config.model_dim, x);
    if (weights.position_embedding) {
      float* position = buffers.normed.row(row);
      read_embedding_row(weights, *weights.position_embedding, places[static_cast<size_t>(row)].position,
                         {position, dim}, scratch);
      kernels.add(x, position, config.model_dim, x);
    }
    rope_angles(row);
  });
}

// The cosines and sines of a row's position, for each of the model's RoPEs.
void Transformer::Impl::rope_angles(int64_t row) {
  if (ropes.empty() || config.rope_dim == 0) return;
  const Rows cosines = buffers.cosines.split(row, config.rope_dim / 2);
  const Rows sines = buffers.sines.split(row, config.rope_dim / 2);
  const int64_t position = places[static_cast<size_t>(row)].position;
  for (size_t r = 0; r < ropes.size(); ++r) {
    const auto rope = static_cast<int64_t>(r);
    ropes[r].angles(position, cosines.row(rope), sines.row(rope));
  }
}

// Of the queries that meet the sinks of a layer from behind a full window: all of them stand at one position.
void Transformer::Impl::set_sink_angles() {
  if (config.rope_style == RopeStyle::kNone) return;  // the query itself meets them
  for (int64_t index = 0; index < config.layer_count; ++index) {
    const Visibility& layer = shape.layers[static_cast<size_t>(index)];
    if (layer.sinks == 0) continue;
    const Rope& rope = ropes[static_cast<size_t>(config.layers[static_cast<size_t>(index)].rope)];
    constexpr int64_t kFar = std::numeric_limits<int64_t>::max();
    rope.angles(layer.sink_query_position(kFar), buffers.sink_cosines.row(index),
                buffers.sink_sines.row(index));
  }
}

Status Transformer::Impl::attention_block(const LayerWeights& layer, int64_t index, KvLayerGate& gate) {
  norm_rows(layer.attention_norm, layer.attention_norm_bias);
  const QkvRows rows = buffers.attention.first(row_count);
  const MatmulJob qkv[] = {
      {&layer.query.matrix, rows.query}, {&layer.key.matrix, rows.key}, {&layer.value.matrix, rows.value}};
  multiply(of_step(buffers.normed), qkv);
  for_rows(threads, row_count, [&](int64_t row) { finish_row(layer, index, row); });
  CAIRN_RETURN_IF_ERROR(attention.run(gate, index, rows));
  const MatmulJob output{&layer.output.matrix, of_step(buffers.projected)};
  multiply(rows.attended, {&output, 1});
  add_projected(layer.output.bias, layer.attention_post_norm);
  return {};
}

// Applies bias, norm and RoPE to a row's query, key and value heads. The query that meets the layer's sinks differs by its
// RoPE alone.
void Transformer::Impl::finish_row(const LayerWeights& layer, int64_t index, int64_t row) {
  const QkvRows& rows = buffers.attention;
  add_bias(layer.query, rows.query.row(row));
  add_bias(layer.key, rows.key.row(row));
  add_bias(layer.value, rows.value.row(row));
  const Rows queries = rows.query.split(row, config.head_dim);
  const Rows keys = rows.key.split(row, config.head_dim);
  if (config.qk_norm) {
    norm_heads(layer.query_norm, queries);
    norm_heads(layer.key_norm, keys);
  }
  const bool meets_sinks = shape.layers[static_cast<size_t>(index)].sinks > 0;
  if (meets_sinks) std::copy_n(queries.data, queries.floats(), rows.sink_query.row(row));
  if (config.rope_style == RopeStyle::kNone) return;
  const int64_t rope = config.layers[static_cast<size_t>(index)].rope;
  DCHECK(rope >= 0 && rope < std::ssize(ropes));
  if (meets_sinks) apply_rope(sink_angles_at(row, index), rows.sink_query.split(row, config.head_dim));
  const Angles angles = angles_at(row, rope);
  apply_rope(angles, queries);
  apply_rope(angles, keys);
}

void Transformer::Impl::ffn_block(const LayerWeights& layer) {
  norm_rows(layer.ffn_norm, layer.ffn_norm_bias);
  const Rows up_rows = of_step(buffers.up);
  const MatmulJob jobs[] = {{&layer.up.matrix, up_rows}, {&layer.gate.matrix, of_step(buffers.gate)}};
  multiply(of_step(buffers.normed), std::span(jobs, config.gated_ffn ? 2 : 1));
  for_rows(threads, row_count, [&](int64_t row) {
    float* up = buffers.up.row(row);
    float* gate = buffers.gate.row(row);
    add_bias(layer.up, up);
    if (!config.gated_ffn) return kernels.gelu(up, config.ffn_dim, up);
    add_bias(layer.gate, gate);
    const auto activate = config.activation == Activation::kSilu ? kernels.silu_times : kernels.gelu_times;
    activate(gate, up, config.ffn_dim, up);
  });
  const MatmulJob down{&layer.down.matrix, of_step(buffers.projected)};
  multiply(up_rows, {&down, 1});
  add_projected(layer.down.bias, layer.ffn_post_norm);
}

// residual += post_norm(projected + bias)
void Transformer::Impl::add_projected(const std::vector<float>& bias, const std::vector<float>& post_norm) {
  const int64_t dim = config.model_dim;
  for_rows(threads, row_count, [&](int64_t row) {
    float* x = buffers.projected.row(row);
    float* residual = buffers.residual.row(row);
    if (!bias.empty()) kernels.add(x, bias.data(), dim, x);
    if (!post_norm.empty()) norm(x, post_norm, {}, x);
    kernels.add(residual, x, dim, residual);
  });
}

void Transformer::Impl::project_logits(const Batch& batch, std::span<float> logits) {
  const Rows out{logits.data(), config.vocab_size, std::ssize(batch.logit_rows)};
  if (out.count == 0) return;
  CHECK(out.floats() <= std::ssize(logits));
  for (int64_t i = 0; i < out.count; ++i) {
    const int32_t row = batch.logit_rows[static_cast<size_t>(i)];
    DCHECK(row < row_count);
    norm(buffers.residual.row(row), weights.final_norm, weights.final_norm_bias, buffers.final_rows.row(i));
  }
  const MatmulJob output{&weights.output, out};
  multiply(buffers.final_rows.first(out.count), {&output, 1});
  if (config.final_soft_cap == 0) return;
  threads.for_each(out.count, [&](int64_t i, int) {
    kernels.soft_cap(config.final_soft_cap, config.vocab_size, out.row(i));
  });
}

void Transformer::Impl::multiply(const Rows& x, std::span<const MatmulJob> jobs) {
  matmul(kernels, threads, x, jobs, buffers.matmul);
}

void Transformer::Impl::norm(const float* x, const std::vector<float>& w, const std::vector<float>& b,
                             float* out) const {
  const auto n = static_cast<int64_t>(w.size());
  if (config.norm == NormKind::kRms) return kernels.rms_norm(x, w.data(), config.norm_eps, n, out);
  DCHECK(b.size() == w.size());
  kernels.layer_norm(x, w.data(), b.data(), config.norm_eps, n, out);
}

void Transformer::Impl::norm_rows(const std::vector<float>& w, const std::vector<float>& b) {
  DCHECK(std::ssize(w) == config.model_dim);
  for_rows(threads, row_count,
           [&](int64_t row) { norm(buffers.residual.row(row), w, b, buffers.normed.row(row)); });
}

void Transformer::Impl::norm_heads(const std::vector<float>& w, const Rows& heads) const {
  DCHECK(std::ssize(w) == heads.width);
  for (int64_t h = 0; h < heads.count; ++h) norm(heads.row(h), w, {}, heads.row(h));
}

void Transformer::Impl::add_bias(const Linear& linear, float* row) const {
  if (!linear.bias.empty()) kernels.add(row, linear.bias.data(), linear.matrix.rows, row);
}

Transformer::Impl::Angles Transformer::Impl::angles_at(int64_t row, int64_t rope) const {
  const int64_t pairs = config.rope_dim / 2;
  return {buffers.cosines.split(row, pairs).row(rope), buffers.sines.split(row, pairs).row(rope)};
}

// Where a row's query meets the sinks of a layer.
Transformer::Impl::Angles Transformer::Impl::sink_angles_at(int64_t row, int64_t layer) const {
  const int64_t position = places[static_cast<size_t>(row)].position;
  if (shape.layers[static_cast<size_t>(layer)].sink_query_position(position) == position) {
    return angles_at(row, config.layers[static_cast<size_t>(layer)].rope);
  }
  return {buffers.sink_cosines.row(layer), buffers.sink_sines.row(layer)};
}

void Transformer::Impl::apply_rope(const Angles& angles, const Rows& heads) const {
  const int64_t pairs = config.rope_dim / 2;
  DCHECK(2 * pairs <= heads.width);
  const auto rotate = config.rope_style == RopeStyle::kAdjacent ? kernels.rope_adjacent : kernels.rope_halves;
  for (int64_t h = 0; h < heads.count; ++h) rotate(angles.cosines, angles.sines, pairs, heads.row(h));
}

Transformer::Transformer(std::shared_ptr<const Model> model, ThreadPool& threads, const ForwardLimits& limits,
                         std::vector<Visibility> visibility)
    : impl_(std::make_unique<Impl>(std::move(model), threads, limits, std::move(visibility))) {}
Transformer::~Transformer() = default;

Status Transformer::forward(const Batch& batch, KvLayerGate& gate, std::span<float> logits) {
  return impl_->forward(batch, gate, logits);
}
const ForwardLimits& Transformer::limits() const { return impl_->limits; }
uint64_t Transformer::work_bytes() const { return impl_->buffers.bytes() + impl_->attention.bytes(); }
uint64_t Transformer::work_bytes_for(const Config& config, std::vector<Visibility> visibility,
                                     const ForwardLimits& limits, int thread_count) {
  const AttentionShape shape = attention_shape(config, std::move(visibility));
  return StepBuffers::bytes_for(config, shape, limits, thread_count) +
         LayerAttention::bytes_for(shape, limits, thread_count);
}

}  // namespace cairn
