// WeightSizes: the memory of a model's weights, from its plan alone. load_weights takes exactly that.
#pragma once

#include <cstdint>
#include <optional>

#include "model/model_plan.h"
#include "model/weights_form.h"

namespace cairn {

// Matrices are packed in pieces of about this many bytes, and the file's pages are released after each, so that loading
// needs no more than that on top of the weights.
inline constexpr uint64_t kPackingPieceBytes = uint64_t{8} << 20;

struct WeightSizes {
  uint64_t parameter_count = 0;  // all elements; a matrix that serves twice (a tied output) counts once
  uint64_t packed_bytes = 0;     // Weights::memory: all matrices
  uint64_t vector_bytes = 0;     // norms and biases, as floats
  uint64_t embedding_bytes = 0;  // tables in the file that are read a row at a time and never packed
  uint64_t stored_bytes = 0;     // of the packed matrices as the file stores them

  [[nodiscard]] uint64_t loaded_bytes() const { return packed_bytes + vector_bytes; }
};

// `type`: as if all matrices and tables were stored so (or as what fits their rows); absent: as they are.
[[nodiscard]] WeightSizes weight_sizes(const ModelPlan& plan, std::optional<TensorType> type = std::nullopt);
// The type that matrices of this form have in memory, where it is not that of the file.
[[nodiscard]] constexpr std::optional<TensorType> type_in_memory(WeightsForm form) {
  return form == WeightsForm::kDequantised ? std::optional(TensorType::kF32) : std::nullopt;
}

// The plan as if queries shared `kv_head_count` heads of keys and values. For size calculations, not for loading.
// Errors: kInvalidArgument where that does not divide the number of query heads.
Result<ModelPlan> with_kv_heads(ModelPlan plan, int64_t kv_head_count);

// ---- for weights.cc ----

[[nodiscard]] int64_t columns_of(const TensorPart& part);
// Bytes of one packed matrix of this type, a multiple of 64.
[[nodiscard]] uint64_t aligned_packed_bytes(const TensorPart& part, TensorType type);
[[nodiscard]] const TensorPart& output_part(const ModelPlan& plan);  // the output matrix, tied or not

// visit(part) for each matrix that is packed, in no particular order.
template <typename Visit>
void for_each_matrix(const ModelPlan& plan, const Visit& visit) {
  for (const LayerPlan& layer : plan.layers) {
    for (const TensorPart* part : {&layer.query, &layer.key, &layer.value, &layer.output}) visit(*part);
    if (layer.gate) visit(*layer.gate);
    visit(layer.up);
    visit(layer.down);
  }
  visit(output_part(plan));
}

}  // namespace cairn
