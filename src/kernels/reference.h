// The plain scalar reference of every kernel: one obvious loop each, kept for ever. It is the `scalar` table
// of kernels_for(), and the vector kernels are compared with it by the bit.
#pragma once

#include "kernels/kernels.h"

namespace cairn::reference {

[[nodiscard]] float exp_f32(float x);  // within 1.5 ulp on [-87, 88]; 0 below -87
[[nodiscard]] float tanh_f32(float x);

OperandKind operand_kind(TensorType type);
void prepare_group(const Operand& to, int64_t group);
void matmul(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out, int64_t stride);
void rms_norm(const float* x, const float* w, float eps, int64_t n, float* out);
void layer_norm(const float* x, const float* w, const float* b, float eps, int64_t n, float* out);
void add(const float* a, const float* b, int64_t n, float* out);
void scale(float factor, int64_t n, float* x);
void silu_times(const float* gate, const float* up, int64_t n, float* out);
void gelu_times(const float* gate, const float* up, int64_t n, float* out);
void gelu(const float* x, int64_t n, float* out);
void soft_cap(float cap, int64_t n, float* x);
void rope_adjacent(const float* cosines, const float* sines, int64_t pairs, float* head);
void rope_halves(const float* cosines, const float* sines, int64_t pairs, float* head);
void decode_kv(const KvTileShape& shape, const std::byte* tile, int32_t first_line, int32_t line_count,
               float* out);
void attend(const AttentionTile& tile, SpanRange spans, const AttentionScratch& scratch);
void merge_attention(const float* from, int64_t head_dim, float* into);
void finish_attention(const float* state, int64_t head_dim, float* out);

}  // namespace cairn::reference
