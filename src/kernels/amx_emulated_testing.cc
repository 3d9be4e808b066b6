#include "kernels/amx_emulated_testing.h"

#include "kernels/avx512_emulated_testing.h"  // first: it takes the instructions' names
#include "kernels/isa.h"

#if defined(__x86_64__)

// Everything that the sources below include, so that only their own code ends up in the namespaces.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "kernels/amx.h"
#include "kernels/attention/attention_amx.h"
#include "kernels/attention/attention_span.h"
#include "kernels/avx512.h"
#include "kernels/float16.h"
#include "kernels/kernel_testing.h"
#include "kernels/matmul/code_matmul.h"
#include "kernels/weights/code_types.h"
#include "kernels/weights/packed_matrix.h"

namespace cairn::emulated {
namespace {

struct Tile {
  alignas(64) uint8_t row[16][64] = {};
  int32_t rows = 0;
  int32_t bytes = 0;  // of a row
};
thread_local Tile tiles[8];
thread_local bool configured = false;

void configure(const TileConfig& config) {
  CHECK(config.palette == 1 && config.start_row == 0);
  for (int i = 0; i < 8; ++i) {
    CHECK(config.rows[i] <= 16 && config.row_bytes[i] <= 64);
    tiles[i] = {{}, config.rows[i], config.row_bytes[i]};
  }
  configured = true;
}
void release() { configured = false; }

Tile& tile(int i) {
  CHECK(configured);
  CHECK(tiles[i].rows > 0 && tiles[i].bytes > 0);
  return tiles[i];
}
void zero(int to) { std::memset(tile(to).row, 0, sizeof tile(to).row); }
void load(int to, const void* from, size_t stride) {
  zero(to);
  for (int r = 0; r < tile(to).rows; ++r) {
    std::memcpy(tile(to).row[r], static_cast<const uint8_t*>(from) + static_cast<size_t>(r) * stride,
                static_cast<size_t>(tile(to).bytes));
  }
}
void store(int from, void* to, size_t stride) {
  for (int r = 0; r < tile(from).rows; ++r) {
    std::memcpy(static_cast<uint8_t*>(to) + static_cast<size_t>(r) * stride, tile(from).row[r],
                static_cast<size_t>(tile(from).bytes));
  }
}

void check_shapes(const Tile& c, const Tile& a, const Tile& b) {
  CHECK(c.rows == a.rows && c.bytes == b.bytes && a.bytes == 4 * b.rows);
  CHECK(a.bytes % 4 == 0 && b.bytes % 4 == 0);
}

// "FP32 FMA with DAZ=FTZ=1, RNE rounding": the processor's own, in that mode. Of each sixteen pairs the even and the odd
// factors are two chains from zero, whose sum is added.
__attribute__((target("avx2,fma"), noinline)) void add_bf16_products(Tile& c, const Tile& a, const Tile& b) {
  const auto widened = [](uint32_t pair, bool odd) {
    const uint32_t bits = odd ? pair & 0xFFFF0000U : pair << 16;
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
  };
  float factors[2][16][16];  // of b: even and odd, [pair][output]
  for (int k = 0; k < a.bytes / 4; ++k) {
    uint32_t pairs[16];
    std::memcpy(pairs, b.row[k], sizeof pairs);
    for (int n = 0; n < 16; ++n) {
      factors[0][k][n] = widened(pairs[n], false);
      factors[1][k][n] = widened(pairs[n], true);
    }
  }
  for (int m = 0; m < c.rows; ++m) {
    float sum[2][16] = {};
    for (int k = 0; k < a.bytes / 4; ++k) {
      uint32_t pair;
      std::memcpy(&pair, a.row[m] + 4 * k, 4);
      for (const bool odd : {false, true}) {
        const float x = widened(pair, odd);
        for (int n = 0; n < 16; ++n) sum[odd][n] = __builtin_fmaf(x, factors[odd][k][n], sum[odd][n]);
      }
    }
    float total[16];
    std::memcpy(total, c.row[m], sizeof total);
    for (int n = 0; n < c.bytes / 4; ++n) total[n] += sum[0][n] + sum[1][n];
    std::memcpy(c.row[m], total, static_cast<size_t>(c.bytes));
  }
}
void dpbf16ps(int to, int a, int b) {
  check_shapes(tile(to), tile(a), tile(b));
  constexpr unsigned kFlushesAll = 0x9FC0;  // MXCSR: flush to zero, denormals are zero, nearest, all masked
  const unsigned saved = _mm_getcsr();
  _mm_setcsr(kFlushesAll);
  add_bf16_products(tiles[to], tiles[a], tiles[b]);
  _mm_setcsr(saved);
}

}  // namespace
}  // namespace cairn::emulated

#undef _tile_zero
#undef _tile_loadd
#undef _tile_stream_loadd
#undef _tile_stored
#undef _tile_dpbf16ps
#undef _tile_release
#define _tile_zero(to) ::cairn::emulated::zero(to)
#define _tile_loadd(to, from, stride) ::cairn::emulated::load(to, from, stride)
#define _tile_stream_loadd(to, from, stride) ::cairn::emulated::load(to, from, stride)
#define _tile_stored(from, to, stride) ::cairn::emulated::store(from, to, stride)
#define _tile_dpbf16ps(to, a, b) ::cairn::emulated::dpbf16ps(to, a, b)
#define _tile_release() ::cairn::emulated::release()
#define load_config(config) ::cairn::emulated::configure(config)

// Their own `namespace cairn` ends up inside these.
namespace cairn::emulated::attention {
#include "kernels/attention/attention_amx.cc"         // NOLINT(bugprone-suspicious-include)
#include "kernels/attention/attention_amx_decode.cc"  // NOLINT(bugprone-suspicious-include)
#include "kernels/attention/attention_amx_pack.cc"    // NOLINT(bugprone-suspicious-include)
}  // namespace cairn::emulated::attention
namespace cairn::emulated::products {
#include "kernels/matmul/bf16_matmul_amx.cc"  // NOLINT(bugprone-suspicious-include)
#include "kernels/matmul/code_matmul_amx.cc"  // NOLINT(bugprone-suspicious-include)
}  // namespace cairn::emulated::products

namespace cairn {
namespace {

namespace products = emulated::products::cairn;

void prepare_group(const Operand& to, int64_t group) {
  if (to.kind == OperandKind::kFloat) return;
  (to.kind == OperandKind::kBf16 ? products::prepare_bf16_group : products::prepare_cut_group)(to, group);
}
void matmul(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out, int64_t stride) {
  if (w.type == TensorType::kBF16) return products::bf16_matmul_amx(w, x, tile, out, stride);
  if (is_quantised(w.type)) return products::code_matmul_amx(w, x, tile, out, stride);
  kernels_for(Isa::kAvx2).matmul(w, x, tile, out, stride);
}

Kernels make_kernels() {
  Kernels table = kernels_for(Isa::kAvx2);
  table.isa = Isa::kAmx;
  table.arithmetic = kAmxArithmetic;
  table.operand_kind = amx_operand_kind;
  table.prepare_group = prepare_group;
  table.matmul = matmul;
  table.attend = emulated::attention::cairn::attend_amx;
  return table;
}

}  // namespace

const Kernels* emulated_amx_kernels() {
  if (available_isas().back() < Isa::kAvx2) return nullptr;
  static const Kernels table = make_kernels();
  return &table;
}

std::vector<uint16_t> emulated_pairs(const KvTileShape& shape, const StoredTile& stored, LineRange seen) {
  namespace amx = emulated::attention::cairn;
  if (emulated_amx_kernels() == nullptr) return {};
  const int32_t wide = (shape.head_dim + 31) / 32;
  const TestArray<uint16_t> pairs(wide * 2 * amx::kTileElements);
  const TestArray<float> scales(int64_t{2} * 32 * wide);
  amx::decode_pairs({.shape = &shape,
                     .stored = stored,
                     .seen = seen,
                     .last = wide,
                     .scales = scales.data(),
                     .ahead = stored},
                    pairs.data());
  return {pairs.data(), pairs.data() + wide * 2 * amx::kTileElements};
}

}  // namespace cairn

#else

const cairn::Kernels* cairn::emulated_amx_kernels() { return nullptr; }
std::vector<uint16_t> cairn::emulated_pairs(const KvTileShape&, const StoredTile&, LineRange) { return {}; }

#endif  // __x86_64__

std::vector<cairn::TestKernels> cairn::all_test_kernels() {
  std::vector<TestKernels> all;
  for (const Isa isa : available_isas()) all.push_back({std::string(isa_name(isa)), &kernels_for(isa)});
  if (emulated_amx_kernels() != nullptr) all.push_back({"amx_emulated", emulated_amx_kernels()});
  return all;
}
