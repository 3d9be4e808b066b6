#include "model/weight_sizes.h"

#include <fmt/format.h>

#include <array>
#include <string>
#include <utility>

#include "kernels/weights/packed_matrix.h"

namespace cairn {
namespace {

constexpr uint64_t kAlignment = 64;

using OptionalPart = std::optional<TensorPart>;

// visit(part) for each norm and bias.
template <typename Visit>
void for_each_vector(const ModelPlan& plan, const Visit& visit) {
  const auto visit_if = [&](const OptionalPart& part) {
    if (part) visit(*part);
  };
  for (const LayerPlan& layer : plan.layers) {
    visit(layer.attention_norm);
    visit(layer.ffn_norm);
    for (const OptionalPart* part :
         {&layer.attention_norm_bias, &layer.query_bias, &layer.key_bias, &layer.value_bias,
          &layer.output_bias, &layer.query_norm, &layer.key_norm, &layer.attention_post_norm,
          &layer.ffn_norm_bias, &layer.gate_bias, &layer.up_bias, &layer.down_bias, &layer.ffn_post_norm}) {
      visit_if(*part);
    }
  }
  visit(plan.final_norm);
  visit_if(plan.final_norm_bias);
}

std::string divisors_of(int64_t n) {
  std::string text;
  for (int64_t d = 1; d <= n; ++d) {
    if (n % d == 0) text += fmt::format("{}{}", text.empty() ? "" : ", ", d);
  }
  return text;
}

}  // namespace

int64_t columns_of(const TensorPart& part) {
  return part.transposed ? part.tensor->shape.front() : part.tensor->shape.back();
}

uint64_t aligned_packed_bytes(const TensorPart& part, TensorType type) {
  const auto bytes = static_cast<uint64_t>(packed_bytes(type, part.row_count, columns_of(part)));
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

const TensorPart& output_part(const ModelPlan& plan) {
  return plan.output ? *plan.output : plan.token_embedding;
}

WeightSizes weight_sizes(const ModelPlan& plan, std::optional<TensorType> type) {
  WeightSizes sizes;
  const auto type_of = [&](const TensorPart& part) {
    return type.has_value() ? fitting_type(*type, columns_of(part)) : part.tensor->type;
  };
  const auto stored_bytes = [&](const TensorPart& part) {
    return static_cast<uint64_t>(part.row_count * row_bytes(type_of(part), columns_of(part)));
  };
  const auto count = [&](const TensorPart& part) {
    sizes.parameter_count += static_cast<uint64_t>(part.row_count * columns_of(part));
  };
  for_each_matrix(plan, [&](const TensorPart& part) {
    count(part);
    sizes.packed_bytes += aligned_packed_bytes(part, type_of(part));
    sizes.stored_bytes += stored_bytes(part);
  });
  for_each_vector(plan, [&](const TensorPart& part) {
    sizes.parameter_count += static_cast<uint64_t>(part.row_count);
    sizes.vector_bytes += static_cast<uint64_t>(part.row_count) * sizeof(float);
  });
  if (plan.output) count(plan.token_embedding);
  sizes.embedding_bytes += stored_bytes(plan.token_embedding);
  if (plan.position_embedding) {
    count(*plan.position_embedding);
    sizes.embedding_bytes += stored_bytes(*plan.position_embedding);
  }
  return sizes;
}

Result<ModelPlan> with_kv_heads(ModelPlan plan, int64_t kv_head_count) {
  Config& config = plan.config;
  if (kv_head_count < 1 || config.head_count % kv_head_count != 0) {
    return invalid_argument(
        fmt::format("{} KV heads cannot be shared by {} query heads: their number must divide it ({})",
                    kv_head_count, config.head_count, divisors_of(config.head_count)));
  }
  config.kv_head_count = kv_head_count;
  const int64_t rows = kv_head_count * config.head_dim;
  for (LayerPlan& layer : plan.layers) {
    layer.key.row_count = layer.value.row_count = rows;
    if (layer.key_bias) layer.key_bias->row_count = rows;
    if (layer.value_bias) layer.value_bias->row_count = rows;
  }
  return plan;
}

}  // namespace cairn
