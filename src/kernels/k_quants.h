// One super-block of 256 elements of each k-quant type, to floats and back; reached through
// kernels/dequantize.h. A super-block holds sub-blocks of 16 (q2_k, q3_k, q6_k) or 32 (q4_k, q5_k) elements,
// each with a small integer scale; the f16 scales d and dmin are of the whole. Byte layouts, in order:
//   q2_k  scales[16] (low nibble scale, high nibble min), qs[64], d, dmin    x = q (d s) - dmin m
//   q3_k  high bits[32], qs[64], scales[12] (sixteen of 6 bits, less 32), d  x = (q - 4) (d s)
//   q4_k  d, dmin, scales[12] (eight scales, eight mins of 6 bits), qs[128]  x = q (d s) - dmin m
//   q5_k  d, dmin, scales[12], fifth bits[32], qs[128]                       x = q (d s) - dmin m
//   q6_k  low nibbles[128], high pairs[64], int8 scales[16], d               x = (q - 32) (d s)
#pragma once

#include <cstddef>

namespace cairn {

void decode_q2_k(const std::byte* block, float* values);
void decode_q3_k(const std::byte* block, float* values);
void decode_q4_k(const std::byte* block, float* values);
void decode_q5_k(const std::byte* block, float* values);
void decode_q6_k(const std::byte* block, float* values);

void encode_q2_k(const float* values, std::byte* block);
void encode_q3_k(const float* values, std::byte* block);
void encode_q4_k(const float* values, std::byte* block);
void encode_q5_k(const float* values, std::byte* block);
void encode_q6_k(const float* values, std::byte* block);

}  // namespace cairn
