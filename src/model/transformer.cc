#include "model/transformer.h"

#include <algorithm>
#include <cstring>
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
  Impl(std::shared_ptr<const Model> m, ThreadPool& t, const ForwardLimits& step_limits)
      : model(std::move(m)),
        config(model->config()),
        weights(model->weights()),
        kernels(model->kernels()),
        threads(t),
        limits(step_limits),
        buffers(config, limits, threads.thread_count()),
        attention(config, kernels, threads, limits) {
    for (const RopeConfig& rope : config.ropes) ropes.emplace_back(rope, config.rope_dim);
    places.resize(static_cast<size_t>(limits.rows));
  }

  std::shared_ptr<const Model> model;
  const Config& config;
  const Weights& weights;
  const Kernels& kernels;
  ThreadPool& threads;
  ForwardLimits limits;
  StepBuffers buffers;
  LayerAttention attention;
  std::vector<Rope> ropes;

  // Of the current step, by row.
  struct Place {
    int32_t sequence;
    int32_t position;
  };
  std::vector<Place> places;
  int64_t rows = 0;

  Status forward(const Batch& batch, KvLayerGate& gate, std::span<float> logits);
  void begin_step(const Batch& batch);
  void embed(const Batch& batch);
  void turn_angles(int64_t row);
  Status attention_block(const LayerWeights& layer, int64_t index, KvLayerGate& gate);
  void finish_row(const LayerWeights& layer, int64_t index, int64_t row);
  void ffn_block(const LayerWeights& layer);
  void add_projected(const std::vector<float>& bias, const std::vector<float>& post_norm);
  void project_logits(const Batch& batch, std::span<float> logits);

  void norm(const float* x, const std::vector<float>& w, const std::vector<float>& b, float* out) const;
  void norm_rows(const std::vector<float>& w, const std::vector<float>& b);
  void add_bias(const Linear& linear, float* row) const;
  void turn_heads(int64_t rope, int64_t row, int64_t head_count, float* heads) const;

  [[nodiscard]] int64_t heads_width() const { return config.head_count * config.head_dim; }
  [[nodiscard]] int64_t kv_width() const { return config.kv_head_count * config.head_dim; }
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
  rows = static_cast<int64_t>(batch.tokens.size());
  CHECK(rows <= limits.rows && static_cast<int64_t>(batch.logit_rows.size()) <= limits.logit_rows);
  for (size_t s = 0; s < batch.sequences.size(); ++s) {
    const BatchSequence& sequence = batch.sequences[s];
    Place* of_sequence = places.data() + sequence.first_row;
    for (int32_t i = 0; i < sequence.row_count; ++i) {
      of_sequence[i] = {static_cast<int32_t>(s), sequence.first_position + i};
    }
  }
  attention.begin_step(batch);
}

void Transformer::Impl::embed(const Batch& batch) {
  const int64_t dim = config.model_dim;
  for_rows(threads, rows, [&](int64_t row) {
    float* x = buffers.residual + row * dim;
    float* scratch = buffers.projected + row * dim;
    const auto width = static_cast<size_t>(dim);
    read_embedding_row(weights, weights.token_embedding, batch.tokens[static_cast<size_t>(row)], {x, width},
                       scratch);
    if (config.embedding_scale != 1) kernels.scale(config.embedding_scale, dim, x);
    if (weights.position_embedding) {
      float* position = buffers.normed + row * dim;
      read_embedding_row(weights, *weights.position_embedding, places[static_cast<size_t>(row)].position,
                         {position, width}, scratch);
      kernels.add(x, position, dim, x);
    }
    turn_angles(row);
  });
}

void Transformer::Impl::turn_angles(int64_t row) {
  const int64_t pairs = config.rope_dim / 2;
  const auto rope_count = static_cast<int64_t>(ropes.size());
  for (int64_t r = 0; r < rope_count; ++r) {
    const int64_t at = (row * rope_count + r) * pairs;
    ropes[static_cast<size_t>(r)].angles(places[static_cast<size_t>(row)].position, buffers.cosines + at,
                                         buffers.sines + at);
  }
}

Status Transformer::Impl::attention_block(const LayerWeights& layer, int64_t index, KvLayerGate& gate) {
  norm_rows(layer.attention_norm, layer.attention_norm_bias);
  const MatmulJob qkv[] = {{&layer.query.matrix, buffers.query, heads_width()},
                           {&layer.key.matrix, buffers.key, kv_width()},
                           {&layer.value.matrix, buffers.value, kv_width()}};
  const int64_t dim = config.model_dim;
  matmul(kernels, threads, {buffers.normed, rows, dim, dim}, qkv, buffers.matmul);
  for_rows(threads, rows, [&](int64_t row) { finish_row(layer, index, row); });
  CAIRN_RETURN_IF_ERROR(attention.run(gate, index, buffers));
  const MatmulJob output{&layer.output.matrix, buffers.projected, dim};
  matmul(kernels, threads, {buffers.attended, rows, heads_width(), heads_width()}, {&output, 1},
         buffers.matmul);
  add_projected(layer.output.bias, layer.attention_post_norm);
  return {};
}

// Bias, norm and turn of a row's query, key and value heads: what attention and the cache take.
void Transformer::Impl::finish_row(const LayerWeights& layer, int64_t index, int64_t row) {
  float* query = buffers.query + row * heads_width();
  float* key = buffers.key + row * kv_width();
  float* value = buffers.value + row * kv_width();
  add_bias(layer.query, query);
  add_bias(layer.key, key);
  add_bias(layer.value, value);
  const int64_t dim = config.head_dim;
  if (config.qk_norm) {
    for (int64_t h = 0; h < config.head_count; ++h)
      norm(query + h * dim, layer.query_norm, {}, query + h * dim);
    for (int64_t h = 0; h < config.kv_head_count; ++h) norm(key + h * dim, layer.key_norm, {}, key + h * dim);
  }
  const int64_t rope = config.layers[static_cast<size_t>(index)].rope;
  turn_heads(rope, row, config.head_count, query);
  turn_heads(rope, row, config.kv_head_count, key);
}

void Transformer::Impl::ffn_block(const LayerWeights& layer) {
  norm_rows(layer.ffn_norm, layer.ffn_norm_bias);
  const int64_t dim = config.model_dim;
  const int64_t ffn = config.ffn_dim;
  const MatmulJob jobs[] = {{&layer.up.matrix, buffers.up, ffn}, {&layer.gate.matrix, buffers.gate, ffn}};
  matmul(kernels, threads, {buffers.normed, rows, dim, dim}, std::span(jobs, config.gated_ffn ? 2 : 1),
         buffers.matmul);
  for_rows(threads, rows, [&](int64_t row) {
    float* up = buffers.up + row * ffn;
    float* gate = buffers.gate + row * ffn;
    add_bias(layer.up, up);
    if (!config.gated_ffn) return kernels.gelu(up, ffn, up);
    add_bias(layer.gate, gate);
    (config.activation == Activation::kSilu ? kernels.silu_times : kernels.gelu_times)(gate, up, ffn, up);
  });
  const MatmulJob down{&layer.down.matrix, buffers.projected, dim};
  matmul(kernels, threads, {buffers.up, rows, ffn, ffn}, {&down, 1}, buffers.matmul);
  add_projected(layer.down.bias, layer.ffn_post_norm);
}

// residual += post_norm(projected + bias)
void Transformer::Impl::add_projected(const std::vector<float>& bias, const std::vector<float>& post_norm) {
  const int64_t dim = config.model_dim;
  for_rows(threads, rows, [&](int64_t row) {
    float* x = buffers.projected + row * dim;
    float* residual = buffers.residual + row * dim;
    if (!bias.empty()) kernels.add(x, bias.data(), dim, x);
    if (!post_norm.empty()) norm(x, post_norm, {}, x);
    kernels.add(residual, x, dim, residual);
  });
}

void Transformer::Impl::project_logits(const Batch& batch, std::span<float> logits) {
  const int64_t dim = config.model_dim;
  const auto count = static_cast<int64_t>(batch.logit_rows.size());
  if (count == 0) return;
  for (int64_t i = 0; i < count; ++i) {
    const float* x = buffers.residual + batch.logit_rows[static_cast<size_t>(i)] * dim;
    norm(x, weights.final_norm, weights.final_norm_bias, buffers.final_rows + i * dim);
  }
  const MatmulJob output{&weights.output, logits.data(), config.vocab_size};
  matmul(kernels, threads, {buffers.final_rows, count, dim, dim}, {&output, 1}, buffers.matmul);
  if (config.final_soft_cap == 0) return;
  threads.for_each(count, [&](int64_t i, int) {
    kernels.soft_cap(config.final_soft_cap, config.vocab_size, logits.data() + i * config.vocab_size);
  });
}

void Transformer::Impl::norm(const float* x, const std::vector<float>& w, const std::vector<float>& b,
                             float* out) const {
  const auto n = static_cast<int64_t>(w.size());
  if (config.norm == NormKind::kRms) return kernels.rms_norm(x, w.data(), config.norm_eps, n, out);
  kernels.layer_norm(x, w.data(), b.data(), config.norm_eps, n, out);
}

void Transformer::Impl::norm_rows(const std::vector<float>& w, const std::vector<float>& b) {
  const int64_t dim = config.model_dim;
  for_rows(threads, rows,
           [&](int64_t row) { norm(buffers.residual + row * dim, w, b, buffers.normed + row * dim); });
}

void Transformer::Impl::add_bias(const Linear& linear, float* row) const {
  if (!linear.bias.empty()) kernels.add(row, linear.bias.data(), linear.matrix.rows, row);
}

void Transformer::Impl::turn_heads(int64_t rope, int64_t row, int64_t head_count, float* heads) const {
  if (config.rope_style == RopeStyle::kNone) return;
  const int64_t pairs = config.rope_dim / 2;
  const int64_t at = (row * static_cast<int64_t>(ropes.size()) + rope) * pairs;
  const auto turn = config.rope_style == RopeStyle::kAdjacent ? kernels.rope_adjacent : kernels.rope_halves;
  for (int64_t h = 0; h < head_count; ++h)
    turn(buffers.cosines + at, buffers.sines + at, pairs, heads + h * config.head_dim);
}

Transformer::Transformer(std::shared_ptr<const Model> model, ThreadPool& threads, const ForwardLimits& limits)
    : impl_(std::make_unique<Impl>(std::move(model), threads, limits)) {}
Transformer::~Transformer() = default;

Status Transformer::forward(const Batch& batch, KvLayerGate& gate, std::span<float> logits) {
  return impl_->forward(batch, gate, logits);
}
const ForwardLimits& Transformer::limits() const { return impl_->limits; }
uint64_t Transformer::work_bytes() const { return impl_->buffers.bytes() + impl_->attention.bytes(); }
uint64_t Transformer::work_bytes_for(const Config& config, const ForwardLimits& limits, int thread_count) {
  return StepBuffers::bytes_for(config, limits, thread_count) +
         LayerAttention::bytes_for(config, limits, thread_count);
}

}  // namespace cairn
