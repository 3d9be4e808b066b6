#include "kernels/weights/choose_codes.h"

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "kernels/float16.h"
#include "kernels/weights/quad_grid.h"
#include "kernels/weights/quant_block.h"

namespace cairn {
namespace {

constexpr int kBlock = 32;
constexpr int kSuper = 256;

// The value of largest magnitude, with its sign; the first of several. Two loops, first the magnitude and
// then the value: in one, clang 19 at -O3 sometimes picked a smaller one.
float peak(const float* x, int n) {
  float most = 0.0F;
  for (int i = 0; i < n; ++i) most = std::max(most, magnitude(x[i]));
  const float* const found = std::find_if(x, x + n, [most](float value) { return magnitude(value) == most; });
  return found == x + n ? 0.0F : *found;
}

// Stores a scale as f16, never infinite (a value past the range saturates instead), and returns it as a
// reader will decode it.
float store_scale(float scale, uint16_t& to) {
  to = float_to_f16(std::clamp(scale, -65504.0F, 65504.0F));
  return f16_to_float(to);
}

// The integer multiple of `unit` that is at least `x`, so that no value of the sub-block is clipped.
int32_t multiple_above(float x, float unit, int32_t most) {
  const float ratio = std::min(x * inverse(unit), static_cast<float>(most));
  const auto whole = static_cast<int32_t>(ratio > 0 ? ratio : 0.0F);
  return std::min(whole + (static_cast<float>(whole) < ratio ? 1 : 0), most);
}

void choose_q8_0(const float* values, WeightCodes& to) {
  const float id = inverse(store_scale(magnitude(peak(values, kBlock)) / 127.0F, to.d));
  for (int i = 0; i < kBlock; ++i) {
    to.codes[i] = static_cast<uint8_t>(nearest_in(values[i] * id, -127, 127) + 128);
  }
}

// q4_0, q5_0. The value of largest magnitude falls on code 0, where the range reaches furthest.
void choose_symmetric(const float* values, int32_t zero, WeightCodes& to) {
  const float id = inverse(store_scale(peak(values, kBlock) / -static_cast<float>(zero), to.d));
  for (int i = 0; i < kBlock; ++i) {
    to.codes[i] = static_cast<uint8_t>(nearest_in(values[i] * id, -zero, zero - 1) + zero);
  }
}

// q4_1, q5_1.
void choose_affine(const float* values, int32_t code_most, WeightCodes& to) {
  const auto [low, high] = std::minmax_element(values, values + kBlock);
  const float m = store_scale(*low, to.min);
  const float d = store_scale(std::max(*high - m, 0.0F) / static_cast<float>(code_most), to.d);
  const float id = inverse(d);
  for (int i = 0; i < kBlock; ++i) {
    to.codes[i] = static_cast<uint8_t>(nearest_in((values[i] - m) * id, 0, code_most));
  }
}

// q2_k, q4_k, q5_k: sub-blocks of `size`, sub-scales and sub-minima up to `scale_most`.
struct AffineShape {
  int size;
  int32_t code_most;
  int32_t scale_most;
};
void choose_affine_super(const float* values, AffineShape shape, WeightCodes& to) {
  const int count = kSuper / shape.size;
  float min[16], top[16];  // how far below zero a sub-block reaches, and its largest value
  float min_most = 0, scale_most = 0;
  for (int j = 0; j < count; ++j) {
    const auto [low, high] = std::minmax_element(values + j * shape.size, values + (j + 1) * shape.size);
    min[j] = std::max(-*low, 0.0F);
    top[j] = *high;
    min_most = std::max(min_most, min[j]);
  }
  const float dmin = store_scale(min_most / static_cast<float>(shape.scale_most), to.min);
  float scale[16];
  for (int j = 0; j < count; ++j) {
    to.sub_mins[j] = static_cast<uint8_t>(multiple_above(min[j], dmin, shape.scale_most));
    const float span = top[j] + dmin * static_cast<float>(to.sub_mins[j]);
    scale[j] = std::max(span, 0.0F) / static_cast<float>(shape.code_most);
    scale_most = std::max(scale_most, scale[j]);
  }
  const float d = store_scale(scale_most / static_cast<float>(shape.scale_most), to.d);
  for (int j = 0; j < count; ++j) {
    to.sub_scales[j] = static_cast<int8_t>(multiple_above(scale[j], d, shape.scale_most));
    const float step = inverse(d * static_cast<float>(to.sub_scales[j]));
    const float shift = dmin * static_cast<float>(to.sub_mins[j]);
    for (int i = j * shape.size; i < (j + 1) * shape.size; ++i) {
      to.codes[i] = static_cast<uint8_t>(nearest_in((values[i] + shift) * step, 0, shape.code_most));
    }
  }
}

// q3_k, q6_k: sub-blocks of 16 with signed scales. The value of largest magnitude falls on code 0.
void choose_signed_super(const float* values, int32_t zero, int32_t scale_most, WeightCodes& to) {
  float scale[16];
  float most = 0;
  for (int j = 0; j < 16; ++j) {
    scale[j] = peak(values + j * 16, 16) / -static_cast<float>(zero);
    most = std::max(most, magnitude(scale[j]));
  }
  const float d = store_scale(most / static_cast<float>(scale_most), to.d);
  for (int j = 0; j < 16; ++j) {
    const int32_t multiple = multiple_above(magnitude(scale[j]), d, scale_most);
    to.sub_scales[j] = static_cast<int8_t>(scale[j] < 0 ? -multiple : multiple);
    const float step = inverse(d * static_cast<float>(to.sub_scales[j]));
    for (int i = j * 16; i < (j + 1) * 16; ++i) {
      to.codes[i] = static_cast<uint8_t>(nearest_in(values[i] * step, -zero, zero - 1) + zero);
    }
  }
}

// The code of a book whose value is nearest to x; of a NaN, code 0.
uint8_t nearest_code(CodeFormat format, float x) {
  const float at = x + static_cast<float>(format.zero);
  size_t nearest = 0;
  float least = magnitude(at - static_cast<float>((*format.book)[0]));
  for (size_t code = 1; code < format.book->size(); ++code) {
    const float distance = magnitude(at - static_cast<float>((*format.book)[code]));
    if (distance < least) {
      nearest = code;
      least = distance;
    }
  }
  return static_cast<uint8_t>(nearest);
}

// Codes 0 of iq4's book stand for -127, where the value of largest magnitude falls.
constexpr float kIq4Peak = -127.0F;

void choose_iq4_nl(const float* values, CodeFormat format, WeightCodes& to) {
  const float id = inverse(store_scale(peak(values, kBlock) / kIq4Peak, to.d));
  for (int i = 0; i < kBlock; ++i) to.codes[i] = nearest_code(format, values[i] * id);
}

void choose_iq4_xs(const float* values, CodeFormat format, WeightCodes& to) {
  constexpr int32_t kScaleMost = 31;
  float scale[8];
  float most = 0;
  for (int j = 0; j < 8; ++j) {
    scale[j] = peak(values + j * kBlock, kBlock) / kIq4Peak;
    most = std::max(most, magnitude(scale[j]));
  }
  const float d = store_scale(most / static_cast<float>(kScaleMost), to.d);
  for (int j = 0; j < 8; ++j) {
    const int32_t multiple = multiple_above(magnitude(scale[j]), d, kScaleMost);
    to.sub_scales[j] = static_cast<int8_t>(scale[j] < 0 ? -multiple : multiple);
    const float id = inverse(d * static_cast<float>(to.sub_scales[j]));
    for (int i = j * kBlock; i < (j + 1) * kBlock; ++i) to.codes[i] = nearest_code(format, values[i] * id);
  }
}

// The exponent that takes the largest magnitude to 8..16; the book ends at 12.
void choose_mxfp4(const float* values, CodeFormat format, WeightCodes& to) {
  const uint32_t exponent = std::bit_cast<uint32_t>(magnitude(peak(values, kBlock))) >> 23;
  to.d = static_cast<uint16_t>(exponent < 2 ? 0 : exponent - 2);
  const float id = inverse(exponent_to_float(to.d));
  for (int i = 0; i < kBlock; ++i) to.codes[i] = nearest_code(format, values[i] * id);
}

// Moves four codes, each a sign and a magnitude, to the nearest quad of the grid.
void snap_to_grid(TensorType type, uint8_t* codes) {
  MagnitudeQuad quad;
  for (int i = 0; i < 4; ++i) quad[i] = codes[i] & 7U;
  quad = grid_quad(type, nearest_grid_index(type, quad));
  for (int i = 0; i < 4; ++i) codes[i] = static_cast<uint8_t>((codes[i] & 8U) | quad[i]);
}

// iq3_xxs stores seven signs of eight: the number of negative ones is even. If it is not, the least value's turns.
void make_signs_even(const float* values, uint8_t* codes) {
  int negative = 0;
  int least = 0;
  for (int i = 0; i < 8; ++i) {
    negative += codes[i] >> 3;
    if (magnitude(values[i]) < magnitude(values[least])) least = i;
  }
  if (negative % 2 != 0) codes[least] ^= 8U;
}

void choose_iq3(TensorType type, const float* values, WeightCodes& to) {
  const CodeFormat format = code_format(type);
  const auto value_most = static_cast<float>(format.zero);
  constexpr int32_t kStepsMost = 15;  // a sub-scale is 2 n + 1 units
  float scale[8];
  float most = 0;
  for (int j = 0; j < 8; ++j) {
    scale[j] = magnitude(peak(values + j * kBlock, kBlock)) / value_most;
    most = std::max(most, scale[j]);
  }
  const float d = store_scale(most / (format.sub_scale_unit * (2 * kStepsMost + 1)), to.d);
  const float unit = d * format.sub_scale_unit;
  for (int j = 0; j < 8; ++j) {
    to.sub_scales[j] = static_cast<int8_t>(2 * multiple_above(scale[j] - unit, 2 * unit, kStepsMost) + 1);
    const float id = inverse(unit * static_cast<float>(to.sub_scales[j]));
    for (int i = j * kBlock; i < (j + 1) * kBlock; ++i) to.codes[i] = nearest_code(format, values[i] * id);
  }
  for (int i = 0; type == TensorType::kIQ3_XXS && i < kSuper; i += 8)
    make_signs_even(values + i, to.codes + i);
  for (int i = 0; i < kSuper; i += 4) snap_to_grid(type, to.codes + i);
}

}  // namespace

void choose_codes(TensorType type, const float* values, WeightCodes& to) {
  switch (type) {
    case TensorType::kQ8_0: return choose_q8_0(values, to);
    case TensorType::kQ4_0: return choose_symmetric(values, 8, to);
    case TensorType::kQ5_0: return choose_symmetric(values, 16, to);
    case TensorType::kQ4_1: return choose_affine(values, 15, to);
    case TensorType::kQ5_1: return choose_affine(values, 31, to);
    case TensorType::kQ2_K: return choose_affine_super(values, {16, 3, 15}, to);
    case TensorType::kQ4_K: return choose_affine_super(values, {32, 15, 63}, to);
    case TensorType::kQ5_K: return choose_affine_super(values, {32, 31, 63}, to);
    case TensorType::kQ3_K: return choose_signed_super(values, 4, 31, to);
    case TensorType::kQ6_K: return choose_signed_super(values, 32, 127, to);
    case TensorType::kIQ4_NL: return choose_iq4_nl(values, code_format(type), to);
    case TensorType::kIQ4_XS: return choose_iq4_xs(values, code_format(type), to);
    case TensorType::kMXFP4: return choose_mxfp4(values, code_format(type), to);
    case TensorType::kIQ3_S:
    case TensorType::kIQ3_XXS: return choose_iq3(type, values, to);
    default: CHECK(false && "not a quantised type");
  }
}

}  // namespace cairn
