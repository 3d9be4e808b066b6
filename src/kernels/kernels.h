// Kernels: the table of all kernels for one instruction set. It is chosen once and passed in; a table is
// constant and lives as long as the program.
//
// For each weight type there is one arithmetic for every row count: a row's result does not depend on which
// other rows are in the batch, how tiles are cut or which thread computes them. All tables but kAmx's, which
// multiplies in bf16 what is not f32 or f16, give the same bits; `scalar` is the plain reference, kept for ever.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "cairn/status.h"
#include "kernels/attention/attention.h"
#include "kernels/isa.h"
#include "kernels/matmul/operand.h"
#include "kernels/weights/packed_matrix.h"

namespace cairn {

// One thread's memory for products by AMX: sums that are not complete yet, of so many row groups times panels; and two
// pieces of so many columns of two panels, decoded to bf16.
inline constexpr int64_t kSumsGroups = 32;
inline constexpr int64_t kSumsPanels = 16;
inline constexpr int64_t kSumsFloats = kSumsGroups * kOperandRows * kSumsPanels * kPanelRows;
inline constexpr int64_t kPieceColumns = 512;
inline constexpr int64_t kPieceBytes = kPieceColumns * 2 * kPanelRows * 2;
inline constexpr int64_t kWorkFloats = kSumsFloats + 2 * kPieceBytes / int64_t{sizeof(float)};

// Which part of a product to compute: panels of the weights, row groups of the operand.
struct MatmulTile {
  int64_t first_panel = 0;
  int64_t panel_count = 0;
  int64_t first_group = 0;
  int64_t group_count = 0;
  float* work = nullptr;  // kWorkFloats of them, 64-byte aligned, overwritten; null for one row group
};

// Names of arithmetics: tables with the same name give the same bits, so keys and values computed by one may be used by
// another. The number goes up whenever a bit of any result changes; arithmetic_test.cc notices.
inline constexpr std::string_view kReferenceArithmetic = "f32 1";
inline constexpr std::string_view kAmxArithmetic = "amx-bf16 2";

struct Kernels {
  Isa isa = Isa::kScalar;
  std::string_view arithmetic = kReferenceArithmetic;

  // The form that activations take for weights of `type`.
  OperandKind (*operand_kind)(TensorType type);
  // Prepares row group `group` of x [row_count][stride] (all kinds but kFloat, which needs nothing).
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
  // Rotates the first 2 * pairs elements of a head by cos/sin[pairs]; pairs (2i, 2i+1) or (i, i + pairs).
  void (*rope_adjacent)(const float* cosines, const float* sines, int64_t pairs, float* head);
  void (*rope_halves)(const float* cosines, const float* sines, int64_t pairs, float* head);

  // Lines [first_line, first_line + line_count) of a stored tile, widened to f32: out [line_count][lanes],
  // 64-byte aligned. Exact, the same bits on every instruction set.
  void (*decode_kv)(const KvTileShape& shape, const std::byte* tile, int32_t first_line, int32_t line_count,
                    float* out);
  // Reduces these spans for each row of the tile that sees them, and merges them into the rows' states.
  void (*attend)(const AttentionTile& tile, SpanRange spans, const AttentionScratch& scratch);
  // into = the spans of `into`, then those of `from`, which must be one span (or none).
  void (*merge_attention)(const float* from, int64_t head_dim, float* into);
  // out[head_dim] = the row's attention, once all of its spans are merged.
  void (*finish_attention)(const float* state, int64_t head_dim, float* out);
};

// The table of `isa`, which must be one of available_isas().
[[nodiscard]] const Kernels& kernels_for(Isa isa);
// By the name that --isa takes; without a name, the best of this machine. Errors: kInvalidArgument (no such
// name), kUnsupported (this machine lacks it); both messages list what this machine has.
Result<const Kernels*> select_kernels(std::optional<std::string_view> name);

}  // namespace cairn
