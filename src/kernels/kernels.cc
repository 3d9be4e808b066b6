#include "kernels/kernels.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "kernels/attention/attention_amx.h"
#include "kernels/matmul/code_matmul.h"
#include "kernels/reference.h"
#include "kernels/simd.h"

namespace cairn {
namespace {

Kernels scalar_kernels() {
  return {.isa = Isa::kScalar,
          .operand_kind = reference::operand_kind,
          .prepare_group = reference::prepare_group,
          .matmul = reference::matmul,
          .rms_norm = reference::rms_norm,
          .layer_norm = reference::layer_norm,
          .add = reference::add,
          .scale = reference::scale,
          .silu_times = reference::silu_times,
          .gelu_times = reference::gelu_times,
          .gelu = reference::gelu,
          .soft_cap = reference::soft_cap,
          .rope_adjacent = reference::rope_adjacent,
          .rope_halves = reference::rope_halves,
          .decode_kv = reference::decode_kv,
          .attend = reference::attend,
          .merge_attention = reference::merge_attention,
          .finish_attention = reference::finish_attention};
}

// matmul of one instruction set: float and quantised weights go to different kernels.
template <Isa kIsa, FloatMatmul kCodes>
void any_matmul(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out, int64_t stride) {
  static const FloatMatmul floats = float_matmul(kIsa);
  (is_quantised(w.type) ? kCodes : floats)(w, x, tile, out, stride);
}

template <Isa kIsa, FloatMatmul kCodes>
Kernels vector_kernels() {
  Kernels table = scalar_kernels();
  table.isa = kIsa;
  table.matmul = any_matmul<kIsa, kCodes>;
  fill_vector_kernels(kIsa, table);
  fill_decode_kv(kIsa, table);
  fill_attention(kIsa, table);
  return table;
}

#if defined(__x86_64__)
void amx_prepare_group(const Operand& to, int64_t group) {
  if (to.kind == OperandKind::kFloat) return;
  (to.kind == OperandKind::kBf16 ? prepare_bf16_group : prepare_cut_group)(to, group);
}

void amx_matmul(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out, int64_t stride) {
  if (w.type == TensorType::kBF16) return bf16_matmul_amx(w, x, tile, out, stride);
  any_matmul<Isa::kAvx512, code_matmul_amx>(w, x, tile, out, stride);
}

Kernels amx_kernels() {
  Kernels table = vector_kernels<Isa::kAvx512, code_matmul_avx512>();
  table.isa = Isa::kAmx;
  table.arithmetic = kAmxArithmetic;
  table.operand_kind = amx_operand_kind;
  table.prepare_group = amx_prepare_group;
  table.matmul = amx_matmul;
  table.attend = attend_amx;
  return table;
}
#endif

std::string available_names() {
  std::string names;
  for (const Isa isa : available_isas()) {
    if (!names.empty()) names += ", ";
    names += isa_name(isa);
  }
  return names;
}

}  // namespace

// A table is filled when it is first asked for: its fill functions are compiled for its own instruction set, so a
// machine without that set must not run them.
const Kernels& kernels_for(Isa isa) {
  CHECK(std::ranges::count(available_isas(), isa) == 1);
#if defined(__x86_64__)
  if (isa == Isa::kAvx2) {
    static const Kernels avx2 = vector_kernels<Isa::kAvx2, code_matmul_avx2>();
    return avx2;
  }
  if (isa == Isa::kAvx512) {
    static const Kernels avx512 = vector_kernels<Isa::kAvx512, code_matmul_avx512>();
    return avx512;
  }
  if (isa == Isa::kAmx) {
    static const Kernels amx = amx_kernels();
    return amx;
  }
#elif defined(__aarch64__)
  if (isa == Isa::kNeon) {
    static const Kernels neon = vector_kernels<Isa::kNeon, reference::matmul>();
    return neon;
  }
#endif
  static const Kernels scalar = scalar_kernels();
  return scalar;
}

Result<const Kernels*> select_kernels(std::optional<std::string_view> name) {
  if (!name) return &kernels_for(available_isas().back());
  const std::optional<Isa> isa = isa_from_name(*name);
  if (!isa) {
    return invalid_argument("no instruction set is named '" + std::string(*name) +
                            "'; this machine has: " + available_names());
  }
  if (std::ranges::count(available_isas(), *isa) == 0) {
    return unsupported("this machine does not have " + std::string(*name) + "; it has: " + available_names());
  }
  return &kernels_for(*isa);
}

}  // namespace cairn
