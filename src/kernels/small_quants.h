// One block of 32 elements of each simple quantised type, to floats and back; reached through
// kernels/dequantize.h. Byte layouts, in order (f16 scales, nibbles: element j low, j + 16 high):
//   q8_0  d, int8[32]                x = q d
//   q4_0  d, nibbles[16]             x = (q - 8) d
//   q4_1  d, m, nibbles[16]          x = q d + m
//   q5_0  d, fifth bits u32, nibbles x = (q - 16) d
//   q5_1  d, m, fifth bits, nibbles  x = q d + m
#pragma once

#include <cstddef>

namespace cairn {

void decode_q8_0(const std::byte* block, float* values);
void decode_q4_0(const std::byte* block, float* values);
void decode_q4_1(const std::byte* block, float* values);
void decode_q5_0(const std::byte* block, float* values);
void decode_q5_1(const std::byte* block, float* values);

void encode_q8_0(const float* values, std::byte* block);
void encode_q4_0(const float* values, std::byte* block);
void encode_q4_1(const float* values, std::byte* block);
void encode_q5_0(const float* values, std::byte* block);
void encode_q5_1(const float* values, std::byte* block);

}  // namespace cairn
