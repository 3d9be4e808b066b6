// Kernels: the table of everything that computes, for one instruction set. Chosen once, passed in; a table is
// constant and lives as long as the program.
//
// For each weight type there is one arithmetic for every row count: a row's result does not depend on which
// other rows are in the batch, how tiles are cut or which thread computes them. All tables but kAmx's bf16
// product give the same bits; `scalar` is the plain reference, kept for ever.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "cairn/status.h"
#include "kernels/attention.h"
#include "kernels/isa.h"
#include "kernels/operand.h"
#include "kernels/packed_matrix.h"

namespace cairn {

// Which part of a product to compute: panels of the weights, row groups of the operand.
struct MatmulTile {
  int64_t first_panel = 0;
  int64_t panel_count = 0;
  int64_t first_group = 0;
  int64_t group_count = 0;
};

struct Kernels {
  Isa isa = Isa::kScalar;

  // The form in which activations meet weights of `type`.
  OperandKind (*operand_kind)(TensorType type);
  // Prepares row group `group` of x [row_count][stride] (kInt8 and kBf16; kFloat needs nothing).
  void (*prepare_group)(const Operand& to, int64_t group);
  // out[row * stride + n] = sum over k of x[row][k] * w[n][k], for the rows and panels of `tile`.
  void (*matmul)(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out, int64_t stride);

  // Vectors of n floats. RMSNorm: out = x / sqrt(mean(x^2) + eps) * w.
  void (*rms_norm)(const float* x, const float* w, float eps, int64_t n, float* out);
  // LayerNorm: out = (x - mean) / sqrt(variance + eps) * w + b.
  void (*layer_norm)(const float* x, const float* w, const float* b, float eps, int64_t n, float* out);
  void (*add)(const float* a, const float* b, int64_t n, float* out);
  void (*scale)(float factor, int64_t n, float* x);
  void (*silu_times)(const float* gate, const float* up, int64_t n, float* out);  // x / (1 + e^-x) * up
  void (*gelu_times)(const float* gate, const float* up, int64_t n, float* out);  // tanh form * up
  void (*gelu)(const float* x, int64_t n, float* out);
  void (*soft_cap)(float cap, int64_t n, float* x);  // cap * tanh(x / cap)
  // Turns the first 2 * pairs elements of a head by cos/sin[pairs]; pairs (2i, 2i+1) or (i, i + pairs).
  void (*rope_adjacent)(const float* cosines, const float* sines, int64_t pairs, float* head);
  void (*rope_halves)(const float* cosines, const float* sines, int64_t pairs, float* head);

  // Stores one position's key and value of one KV head (kernels/attention.h).
  void (*store_kv)(const KvSlot& slot, const float* key, const float* value);
  void (*attend)(const AttentionTile& tile, const AttentionScratch& scratch);
};

// The table of `isa`, which must be one of available_isas().
[[nodiscard]] const Kernels& kernels_for(Isa isa);
// By the name that --isa takes; without a name, the best of this machine. Errors: kInvalidArgument (no such
// name), kUnsupported (this machine lacks it); both list what this machine has.
Result<const Kernels*> select_kernels(std::optional<std::string_view> name);

}  // namespace cairn
