#include "model/reference_testing.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "base/check.h"
#include "kernels/weights/dequantize.h"

namespace cairn {
namespace {

using Matrix = ReferenceModel::Matrix;
using Vector = ReferenceModel::Vector;
using Rows = std::vector<Vector>;  // one vector for each position

std::vector<float> stored_row(const Tensor& tensor, int64_t row, int64_t columns) {
  std::vector<float> values(static_cast<size_t>(columns));
  const int64_t bytes = row_bytes(tensor.type, columns);
  CHECK(static_cast<size_t>((row + 1) * bytes) <= tensor.data.size());
  dequantize_row(tensor.type, tensor.data.data() + row * bytes, values);
  return values;
}

Matrix load_matrix(const TensorPart& part) {
  const Tensor& t = *part.tensor;
  CHECK(t.shape.size() == 2);
  if (!part.transposed) {
    Matrix m{part.row_count, t.shape[1], {}};
    for (int64_t r = 0; r < m.rows; ++r) {
      const auto row = stored_row(t, part.row_begin + r, m.columns);
      m.values.insert(m.values.end(), row.begin(), row.end());
    }
    return m;
  }
  Matrix m{part.row_count, t.shape[0], Vector(static_cast<size_t>(part.row_count * t.shape[0]))};
  for (int64_t in = 0; in < m.columns; ++in) {
    const auto row = stored_row(t, in, t.shape[1]);
    for (int64_t out = 0; out < m.rows; ++out) {
      m.values[static_cast<size_t>(out * m.columns + in)] =
          static_cast<double>(row[static_cast<size_t>(part.row_begin + out)]);
    }
  }
  return m;
}

Matrix load_matrix(const std::optional<TensorPart>& part) { return part ? load_matrix(*part) : Matrix{}; }

Vector load_vector(const TensorPart& part) {
  const Tensor& t = *part.tensor;
  CHECK(t.shape.size() == 1);
  const auto all = stored_row(t, 0, t.shape[0]);
  Vector v;
  for (int64_t i = 0; i < part.row_count; ++i) {
    v.push_back(static_cast<double>(all[static_cast<size_t>(part.row_begin + i)]) +
                static_cast<double>(part.add));
  }
  return v;
}

Vector load_vector(const std::optional<TensorPart>& part) { return part ? load_vector(*part) : Vector{}; }

Vector row_of(const Matrix& m, int64_t row) {
  CHECK(row >= 0 && row < m.rows);
  return {m.values.begin() + row * m.columns, m.values.begin() + (row + 1) * m.columns};
}

double dot(const double* a, const double* b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

Vector multiply(const Matrix& m, const Vector& x, const Vector& bias) {
  CHECK(static_cast<int64_t>(x.size()) == m.columns);
  Vector y;
  for (int64_t r = 0; r < m.rows; ++r) {
    const double sum = dot(m.values.data() + r * m.columns, x.data(), m.columns);
    y.push_back(bias.empty() ? sum : sum + bias[static_cast<size_t>(r)]);
  }
  return y;
}

void add(Vector& x, const Vector& y) {
  CHECK(x.size() == y.size());
  for (size_t i = 0; i < x.size(); ++i) x[i] += y[i];
}

void rms_norm(double* x, int64_t n, const Vector& weight, double eps) {
  const double scale = 1.0 / std::sqrt(dot(x, x, n) / static_cast<double>(n) + eps);
  for (int64_t i = 0; i < n; ++i) x[i] = x[i] * scale * weight[static_cast<size_t>(i)];
}

Vector layer_norm(const Vector& x, const Vector& weight, const Vector& bias, double eps) {
  const auto n = static_cast<double>(x.size());
  double mean = 0;
  for (const double v : x) mean += v / n;
  double variance = 0;
  for (const double v : x) variance += (v - mean) * (v - mean) / n;
  Vector y;
  for (size_t i = 0; i < x.size(); ++i)
    y.push_back((x[i] - mean) / std::sqrt(variance + eps) * weight[i] + bias[i]);
  return y;
}

Vector normalise(const Config& c, const Vector& x, const Vector& weight, const Vector& bias) {
  const auto eps = static_cast<double>(c.norm_eps);
  if (c.norm == NormKind::kLayer) return layer_norm(x, weight, bias, eps);
  Vector y = x;
  rms_norm(y.data(), static_cast<int64_t>(y.size()), weight, eps);
  return y;
}

void rotate(const Config& c, const RopeConfig& rope, int64_t position, double* head) {
  const int64_t pairs = c.rope_dim / 2;
  for (int64_t i = 0; i < pairs; ++i) {
    const double divisor = rope.divisors.empty() ? 1.0 : rope.divisors[static_cast<size_t>(i)];
    const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(c.rope_dim);
    const double angle = static_cast<double>(position) * std::pow(rope.base, exponent) / divisor;
    const bool adjacent = c.rope_style == RopeStyle::kAdjacent;
    double& a = head[adjacent ? 2 * i : i];
    double& b = head[adjacent ? 2 * i + 1 : i + pairs];
    const double cos = std::cos(angle) * rope.magnitude;
    const double sin = std::sin(angle) * rope.magnitude;
    const double turned_a = a * cos - b * sin;
    const double turned_b = a * sin + b * cos;
    a = turned_a;
    b = turned_b;
  }
}

double activate(Activation kind, double x) {
  if (kind == Activation::kSilu) return x / (1.0 + std::exp(-x));
  const double sqrt_2_over_pi = std::sqrt(2.0 / std::acos(-1.0));
  return 0.5 * x * (1.0 + std::tanh(sqrt_2_over_pi * (x + 0.044715 * x * x * x)));
}

double soft_cap(double x, float cap) {
  return cap > 0 ? static_cast<double>(cap) * std::tanh(x / static_cast<double>(cap)) : x;
}

// What the query at position t sees, ascending: the sinks, then the recent positions.
std::vector<int64_t> seen_positions(const Visibility& visibility, int64_t t) {
  std::vector<int64_t> seen;
  for (int64_t s = 0; s <= t; ++s) {
    if (s < visibility.sinks || visibility.window == 0 || t - s < visibility.window) seen.push_back(s);
  }
  return seen;
}

// One head of a row; where a RoPE is given, turned to `place`.
Vector head_of(const Config& c, const RopeConfig* rope, const Vector& row, int64_t head, size_t place) {
  Vector part(row.begin() + head * c.head_dim, row.begin() + (head + 1) * c.head_dim);
  if (rope != nullptr) rotate(c, *rope, static_cast<int64_t>(place), part.data());
  return part;
}

// Softmax of the scores of the keys of the positions that the last of them sees. Where a RoPE is given, queries and keys
// are not turned yet and stand at their places among `seen`, as in StreamingLLM's cache.
Vector attention_weights(const Config& c, const RopeConfig* rope, const Rows& queries, const Rows& keys,
                         int64_t head, const std::vector<int64_t>& seen) {
  const int64_t kv_head = head / (c.head_count / c.kv_head_count);
  const Vector query = head_of(c, rope, queries[static_cast<size_t>(seen.back())], head, seen.size() - 1);
  Vector weights;
  double largest = -std::numeric_limits<double>::infinity();
  for (size_t place = 0; place < seen.size(); ++place) {
    const Vector key = head_of(c, rope, keys[static_cast<size_t>(seen[place])], kv_head, place);
    const double score = dot(query.data(), key.data(), c.head_dim) * static_cast<double>(c.attention_scale);
    weights.push_back(soft_cap(score, c.attention_soft_cap));
    largest = std::max(largest, weights.back());
  }
  double sum = 0;
  for (double& w : weights) sum += w = std::exp(w - largest);
  for (double& w : weights) w /= sum;
  return weights;
}

double relative_entropy(const Vector& weights) {
  if (weights.size() < 2) return 1.0;
  double entropy = 0;
  for (const double w : weights) entropy -= w > 0 ? w * std::log(w) : 0;
  return entropy / std::log(static_cast<double>(weights.size()));
}

// Attention of all positions; x are the normed inputs. Entropies of the last position's heads are added up.
Rows attend(const Config& c, const ReferenceModel::Layer& layer, const RopeConfig* rope,
            const Visibility& visibility, const Rows& x, double& entropy_sum) {
  const int64_t d = c.head_dim;
  const bool turned_by_place = rope != nullptr && visibility.sinks > 0;
  Rows queries, keys, values;
  for (size_t t = 0; t < x.size(); ++t) {
    queries.push_back(multiply(layer.query, x[t], layer.query_bias));
    keys.push_back(multiply(layer.key, x[t], layer.key_bias));
    values.push_back(multiply(layer.value, x[t], layer.value_bias));
    const auto prepare = [&](Vector& heads, int64_t count, const Vector& norm_weight) {
      for (int64_t h = 0; h < count; ++h) {
        if (c.qk_norm) rms_norm(heads.data() + h * d, d, norm_weight, static_cast<double>(c.norm_eps));
        if (rope != nullptr && !turned_by_place) {
          rotate(c, *rope, static_cast<int64_t>(t), heads.data() + h * d);
        }
      }
    };
    prepare(queries[t], c.head_count, layer.query_norm);
    prepare(keys[t], c.kv_head_count, layer.key_norm);
  }
  Rows out;
  for (size_t t = 0; t < x.size(); ++t) {
    Vector mixed(static_cast<size_t>(c.head_count * d), 0.0);
    const std::vector<int64_t> seen = seen_positions(visibility, static_cast<int64_t>(t));
    for (int64_t h = 0; h < c.head_count; ++h) {
      const int64_t kv_head = h / (c.head_count / c.kv_head_count);
      const Vector weights = attention_weights(c, turned_by_place ? rope : nullptr, queries, keys, h, seen);
      if (t + 1 == x.size()) entropy_sum += relative_entropy(weights);
      for (size_t s = 0; s < weights.size(); ++s) {
        const double* value = values[static_cast<size_t>(seen[s])].data() + kv_head * d;
        for (int64_t i = 0; i < d; ++i) mixed[static_cast<size_t>(h * d + i)] += weights[s] * value[i];
      }
    }
    out.push_back(multiply(layer.output, mixed, layer.output_bias));
  }
  return out;
}

Vector feed_forward(const Config& c, const ReferenceModel::Layer& layer, const Vector& x) {
  Vector hidden = multiply(layer.up, x, layer.up_bias);
  if (c.gated_ffn) {
    const Vector gate = multiply(layer.gate, x, layer.gate_bias);
    for (size_t i = 0; i < hidden.size(); ++i) hidden[i] *= activate(c.activation, gate[i]);
  } else {
    for (double& h : hidden) h = activate(c.activation, h);
  }
  return multiply(layer.down, hidden, layer.down_bias);
}

ReferenceModel::Layer load_layer(const LayerPlan& p) {
  return {.attention_norm = load_vector(p.attention_norm),
          .attention_norm_bias = load_vector(p.attention_norm_bias),
          .query_norm = load_vector(p.query_norm),
          .key_norm = load_vector(p.key_norm),
          .attention_post_norm = load_vector(p.attention_post_norm),
          .query = load_matrix(p.query),
          .key = load_matrix(p.key),
          .value = load_matrix(p.value),
          .output = load_matrix(p.output),
          .query_bias = load_vector(p.query_bias),
          .key_bias = load_vector(p.key_bias),
          .value_bias = load_vector(p.value_bias),
          .output_bias = load_vector(p.output_bias),
          .ffn_norm = load_vector(p.ffn_norm),
          .ffn_norm_bias = load_vector(p.ffn_norm_bias),
          .ffn_post_norm = load_vector(p.ffn_post_norm),
          .gate = load_matrix(p.gate),
          .up = load_matrix(p.up),
          .down = load_matrix(p.down),
          .gate_bias = load_vector(p.gate_bias),
          .up_bias = load_vector(p.up_bias),
          .down_bias = load_vector(p.down_bias)};
}

}  // namespace

ReferenceModel::ReferenceModel(const ModelPlan& plan)
    : config_(plan.config),
      token_embedding_(load_matrix(plan.token_embedding)),
      position_embedding_(load_matrix(plan.position_embedding)),
      output_(plan.output ? load_matrix(*plan.output) : token_embedding_),
      final_norm_(load_vector(plan.final_norm)),
      final_norm_bias_(load_vector(plan.final_norm_bias)) {
  for (const LayerPlan& layer : plan.layers) layers_.push_back(load_layer(layer));
  for (const LayerConfig& layer : config_.layers) visibility_.push_back({.window = layer.window});
}

std::vector<Vector> ReferenceModel::run(std::span<const int32_t> tokens, double* entropy) const {
  const Config& c = config_;
  Rows x;
  for (size_t t = 0; t < tokens.size(); ++t) {
    x.push_back(row_of(token_embedding_, tokens[t]));
    for (double& v : x[t]) v *= static_cast<double>(c.embedding_scale);
    if (c.learned_positions) add(x[t], row_of(position_embedding_, static_cast<int64_t>(t)));
  }
  double entropy_sum = 0;
  for (size_t l = 0; l < layers_.size(); ++l) {
    const Layer& layer = layers_[l];
    Rows normed;
    for (const Vector& row : x)
      normed.push_back(normalise(c, row, layer.attention_norm, layer.attention_norm_bias));
    const RopeConfig* const rope =
        c.rope_style == RopeStyle::kNone ? nullptr : &c.ropes[static_cast<size_t>(c.layers[l].rope)];
    const Rows attended = attend(c, layer, rope, visibility_[l], normed, entropy_sum);
    for (size_t t = 0; t < x.size(); ++t) {
      add(x[t], c.post_norms ? normalise(c, attended[t], layer.attention_post_norm, {}) : attended[t]);
      const Vector out = feed_forward(c, layer, normalise(c, x[t], layer.ffn_norm, layer.ffn_norm_bias));
      add(x[t], c.post_norms ? normalise(c, out, layer.ffn_post_norm, {}) : out);
    }
  }
  if (entropy != nullptr) *entropy = entropy_sum / static_cast<double>(c.layer_count * c.head_count);
  return x;
}

std::vector<double> ReferenceModel::logits(std::span<const int32_t> tokens) const {
  std::vector<double> all;
  for (const Vector& row : run(tokens, nullptr)) {
    Vector logits = multiply(output_, normalise(config_, row, final_norm_, final_norm_bias_), {});
    for (double& v : logits) v = soft_cap(v, config_.final_soft_cap);
    all.insert(all.end(), logits.begin(), logits.end());
  }
  return all;
}

double ReferenceModel::attention_entropy(std::span<const int32_t> tokens) const {
  double entropy = 0;
  run(tokens, &entropy);
  return entropy;
}

}  // namespace cairn
