#include "model/weights.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/thread_pool.h"
#include "kernels/weights/dequantize.h"
#include "model/weight_sizes.h"

namespace cairn {
namespace {

uint64_t stored_row_bytes(const TensorPart& part) {
  return static_cast<uint64_t>(row_bytes(part.tensor->type, columns_of(part)));
}

const std::byte* stored_row(const TensorPart& part, int64_t row) {
  return part.tensor->data.data() + (part.row_begin + row) * row_bytes(part.tensor->type, columns_of(part));
}

// Row `row` of a tensor that is stored [in, out]; only unquantised tensors are.
void gather_row(const TensorPart& part, int64_t row, std::byte* to) {
  const auto element = static_cast<size_t>(tensor_type_info(part.tensor->type).bytes);
  const auto outputs = static_cast<size_t>(part.tensor->shape.back());
  const std::byte* from = part.tensor->data.data() + static_cast<size_t>(part.row_begin + row) * element;
  for (int64_t k = 0; k < columns_of(part); ++k, from += outputs * element, to += element) {
    std::memcpy(to, from, element);
  }
}

// `type`: the tensor's own, or f32.
void pack_one_panel(const TensorPart& part, TensorType type, int64_t panel, std::byte* to) {
  const bool is_decoded = type != part.tensor->type;
  const int64_t bytes = row_bytes(part.tensor->type, columns_of(part));
  std::vector<std::byte> gathered(part.transposed ? static_cast<size_t>(bytes * kPanelRows) : 0);
  std::vector<float> decoded(is_decoded ? static_cast<size_t>(columns_of(part) * kPanelRows) : 0);
  const std::byte* rows[kPanelRows] = {};
  for (int64_t r = 0; r < kPanelRows && panel * kPanelRows + r < part.row_count; ++r) {
    const int64_t row = panel * kPanelRows + r;
    if (part.transposed) {
      gather_row(part, row, gathered.data() + r * bytes);
      rows[r] = gathered.data() + r * bytes;
    } else {
      rows[r] = stored_row(part, row);
    }
    if (!is_decoded) continue;
    const auto values = std::span(decoded).subspan(static_cast<size_t>(r * columns_of(part)),
                                                   static_cast<size_t>(columns_of(part)));
    dequantize_row(part.tensor->type, rows[r], values);
    rows[r] = std::as_bytes(values).data();
  }
  pack_panel(type, rows, columns_of(part), to);
}

std::vector<float> read_vector(const TensorPart& part) {
  DCHECK(part.tensor->shape.size() == 1 && part.row_begin + part.row_count <= part.tensor->shape.front());
  std::vector<float> values(static_cast<size_t>(part.row_count));
  const int64_t element = tensor_type_info(part.tensor->type).bytes;
  dequantize_row(part.tensor->type, part.tensor->data.data() + part.row_begin * element, values);
  for (float& v : values) v += part.add;
  return values;
}

std::vector<float> read_vector(const std::optional<TensorPart>& part) {
  return part ? read_vector(*part) : std::vector<float>();
}

// Packs matrices one after the other into one memory.
class Packer {
 public:
  Packer(PageMemory& memory, ThreadPool& threads, const WeightsOptions& options, uint64_t total_bytes)
      : memory_(memory), threads_(threads), options_(options), total_bytes_(total_bytes) {}

  PackedMatrix pack(const TensorPart& part) {
    const std::vector<int64_t>& shape = part.tensor->shape;
    DCHECK(shape.size() == 2 && part.row_begin >= 0 && part.row_count >= 1);
    DCHECK(part.row_begin + part.row_count <= (part.transposed ? shape.back() : shape.front()));
    std::byte* to = memory_.data() + used_bytes_;
    const TensorType type = type_in_memory(options_.form).value_or(part.tensor->type);
    const PackedMatrix matrix{type, part.row_count, columns_of(part), to};
    used_bytes_ += aligned_packed_bytes(part, matrix.type);
    CHECK(used_bytes_ <= memory_.bytes());
    const int64_t piece = panels_of_a_piece(part);
    for (int64_t panel = 0; panel < matrix.panel_count(); panel += piece) {
      pack_panels(part, type, panel, std::min(piece, matrix.panel_count() - panel), to);
    }
    return matrix;
  }

  Linear pack(const TensorPart& part, const std::optional<TensorPart>& bias) {
    DCHECK(!bias || bias->row_count == part.row_count);
    return {pack(part), read_vector(bias)};
  }

 private:
  // A transposed matrix is read from one end to the other for each row: it is one piece.
  static int64_t panels_of_a_piece(const TensorPart& part) {
    if (part.transposed) return part.row_count;
    const uint64_t panel = stored_row_bytes(part) * static_cast<uint64_t>(kPanelRows);
    return static_cast<int64_t>(std::max<uint64_t>(kPackingPieceBytes / panel, 1));
  }

  void pack_panels(const TensorPart& part, TensorType type, int64_t first, int64_t count, std::byte* to) {
    const int64_t panel_size = panel_bytes(type, columns_of(part));
    threads_.for_each(
        count, [&](int64_t i, int) { pack_one_panel(part, type, first + i, to + (first + i) * panel_size); });
    const int64_t row = first * kPanelRows;
    const auto rows = static_cast<uint64_t>(std::min(count * kPanelRows, part.row_count - row));
    done_bytes_ += rows * stored_row_bytes(part);
    if (options_.release) {
      options_.release(part.transposed ? part.tensor->data
                                       : std::span(stored_row(part, row), rows * stored_row_bytes(part)));
    }
    if (options_.progress) options_.progress(done_bytes_, total_bytes_);
  }

  PageMemory& memory_;
  ThreadPool& threads_;
  const WeightsOptions& options_;
  uint64_t total_bytes_;
  uint64_t used_bytes_ = 0;
  uint64_t done_bytes_ = 0;
};

LayerWeights load_layer(const LayerPlan& plan, Packer& packer) {
  LayerWeights layer;
  layer.attention_norm = read_vector(plan.attention_norm);
  layer.attention_norm_bias = read_vector(plan.attention_norm_bias);
  layer.query = packer.pack(plan.query, plan.query_bias);
  layer.key = packer.pack(plan.key, plan.key_bias);
  layer.value = packer.pack(plan.value, plan.value_bias);
  layer.output = packer.pack(plan.output, plan.output_bias);
  layer.query_norm = read_vector(plan.query_norm);
  layer.key_norm = read_vector(plan.key_norm);
  layer.attention_post_norm = read_vector(plan.attention_post_norm);
  layer.ffn_norm = read_vector(plan.ffn_norm);
  layer.ffn_norm_bias = read_vector(plan.ffn_norm_bias);
  if (plan.gate) layer.gate = packer.pack(*plan.gate, plan.gate_bias);
  layer.up = packer.pack(plan.up, plan.up_bias);
  layer.down = packer.pack(plan.down, plan.down_bias);
  layer.ffn_post_norm = read_vector(plan.ffn_post_norm);
  return layer;
}

}  // namespace

Result<Weights> load_weights(const ModelPlan& plan, ThreadPool& threads, const WeightsOptions& options) {
  CHECK(plan.imagined_tensors == nullptr);
  CHECK(std::ssize(plan.layers) == plan.config.layer_count &&
        plan.config.layers.size() == plan.layers.size());
  Weights weights;
  weights.decode_file_bytes = weight_sizes(plan).stored_bytes;
  weights.copy = options.copy;
  const uint64_t packed_bytes = weight_sizes(plan, type_in_memory(options.form)).packed_bytes;
  CAIRN_ASSIGN_OR_RETURN(weights.memory, PageMemory::allocate(packed_bytes));
  Packer packer(weights.memory, threads, options, weights.decode_file_bytes);
  weights.token_embedding = plan.token_embedding;
  weights.position_embedding = plan.position_embedding;
  weights.layers.reserve(plan.layers.size());
  for (const LayerPlan& layer : plan.layers) weights.layers.push_back(load_layer(layer, packer));
  weights.final_norm = read_vector(plan.final_norm);
  weights.final_norm_bias = read_vector(plan.final_norm_bias);
  weights.output = packer.pack(output_part(plan));
  return weights;
}

void read_embedding_row(const Weights& weights, const TensorPart& part, int64_t row, std::span<float> values,
                        float* scratch) {
  if (!weights.copy) return read_row(part, row, values);
  DCHECK(!part.transposed && row >= 0 && row < part.row_count);
  DCHECK(std::ssize(values) == columns_of(part));
  auto* stored = reinterpret_cast<std::byte*>(scratch);  // no type takes more bytes than a float
  weights.copy({stored_row(part, row), stored_row_bytes(part)}, stored);
  dequantize_row(part.tensor->type, stored, values);
}

void read_row(const TensorPart& part, int64_t row, std::span<float> values) {
  DCHECK(!part.transposed && row >= 0 && row < part.row_count);
  DCHECK(std::ssize(values) == columns_of(part));
  dequantize_row(part.tensor->type, stored_row(part, row), values);
}

}  // namespace cairn
