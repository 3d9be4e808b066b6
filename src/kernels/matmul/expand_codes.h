// A unit of a packed quantised panel, expanded into bytes and float scales in first-level cache, for the
// integer kernels. Plain loops that compilers vectorise; always inlined, so that each kernel gets its own
// instruction set.
#pragma once

#include <cstring>

#include "kernels/float16.h"
#include "kernels/weights/packed_matrix.h"

namespace cairn {

// Of at most 256 columns of 16 rows: for each 16 columns where the format's group is 16, else for each 32.
struct ExpandedScales {
  alignas(64) float scales[16][16];
  alignas(64) float minima[16][16];
};
// Value = scales * (level - zero) + minima.
struct ExpandedUnit : ExpandedScales {
  alignas(64) uint8_t levels[8][512];
};

#define CAIRN_ALWAYS_INLINE inline __attribute__((always_inline))

// One group of 32 columns: 64 * bits bytes of planes to 512 codes.
template <int kBits>
CAIRN_ALWAYS_INLINE void expand_planes(const uint8_t* __restrict from, uint8_t* __restrict to) {
  if constexpr ((kBits & 4) != 0) {
    for (int i = 0; i < 256; ++i) {
      to[i] = from[i] & 15U;
      to[i + 256] = static_cast<uint8_t>(from[i] >> 4);
    }
    from += 256;
  }
  constexpr int kTwoShift = (kBits & 4) != 0 ? 4 : 0;
  if constexpr ((kBits & 2) != 0) {
    for (int j = 0; j < 4; ++j) {
      for (int i = 0; i < 128; ++i) {
        const auto two = static_cast<uint8_t>((from[i] >> (2 * j) & 3U) << kTwoShift);
        to[128 * j + i] = kTwoShift == 0 ? two : static_cast<uint8_t>(to[128 * j + i] | two);
      }
    }
    from += 128;
  }
  constexpr int kOneShift = (kBits & 6);
  if constexpr ((kBits & 1) != 0) {
    for (int j = 0; j < 8; ++j) {
      for (int i = 0; i < 64; ++i) {
        to[64 * j + i] = static_cast<uint8_t>(to[64 * j + i] | (from[i] >> j & 1U) << kOneShift);
      }
    }
  }
}

// Sixteen f16 to float, and 512 codes to their levels, in place. Instruction sets provide their own: the same numbers,
// in one or two instructions.
struct PlainExpansion {
  static void widen(const std::byte* from, float* to) {
    uint16_t half[16];
    std::memcpy(half, from, sizeof half);
    for (int i = 0; i < 16; ++i) to[i] = f16_to_float(half[i]);
  }
  static void look_up(const CodeBook& book, uint8_t* codes) {
    for (int i = 0; i < 512; ++i) codes[i] = book[codes[i]];
  }
};

// The scales of a unit of 256 columns: d * sub-scale, and -(dmin * sub-minimum).
template <TensorType kType, typename Target>
CAIRN_ALWAYS_INLINE void expand_super_scales(const std::byte* from, ExpandedScales& to) {
  constexpr CodeFormat kFormat = code_format(kType);
  constexpr int kGroups = 256 / kFormat.group;
  const auto* scales = reinterpret_cast<const uint8_t*>(from);
  const uint8_t* minima = kType == TensorType::kQ2_K ? scales : scales + kGroups * 16;
  const std::byte* halves = from + kGroups * 16 * (kFormat.has_min && kType != TensorType::kQ2_K ? 2 : 1);
  alignas(64) float d[16];
  alignas(64) float dmin[16];
  Target::widen(halves, d);
  if constexpr (kFormat.has_min) Target::widen(halves + 32, dmin);
  for (int g = 0; g < kGroups; ++g) {
    for (int i = 0; i < 16; ++i) {
      const uint8_t scale = scales[g * 16 + i];
      to.scales[g][i] = d[i] * (kType == TensorType::kQ2_K ? static_cast<float>(scale & 15U)
                                                           : static_cast<float>(static_cast<int8_t>(scale)));
      if constexpr (kFormat.sub_scale_unit != 1.0F) to.scales[g][i] *= kFormat.sub_scale_unit;
    }
    if constexpr (kFormat.has_min) {
      for (int i = 0; i < 16; ++i) {
        const int minimum = kType == TensorType::kQ2_K ? minima[g * 16 + i] >> 4 : minima[g * 16 + i];
        to.minima[g][i] = -(dmin[i] * static_cast<float>(minimum));
      }
    }
  }
}

// Of the unit at `unit` (unit_bytes(kType) of them).
template <TensorType kType, typename Target = PlainExpansion>
CAIRN_ALWAYS_INLINE void expand_scales(const std::byte* unit, ExpandedScales& to) {
  constexpr CodeFormat kFormat = code_format(kType);
  const std::byte* scales = unit + 2 * kFormat.bits * unit_columns(kFormat);
  if constexpr (kFormat.is_super) {
    expand_super_scales<kType, Target>(scales, to);
  } else if constexpr (kFormat.scale == ScaleKind::kExponent) {
    for (int i = 0; i < 16; ++i) to.scales[0][i] = exponent_to_float(std::to_integer<uint32_t>(scales[i]));
  } else {
    Target::widen(scales, to.scales[0]);
    if constexpr (kFormat.has_min) Target::widen(scales + 32, to.minima[0]);
  }
}

template <TensorType kType, typename Target = PlainExpansion>
CAIRN_ALWAYS_INLINE void expand_unit(const std::byte* from, ExpandedUnit& to) {
  constexpr CodeFormat kFormat = code_format(kType);
  constexpr int kGroups = static_cast<int>(unit_columns(kFormat) / 32);
  for (int g = 0; g < kGroups; ++g) {
    const auto* planes = reinterpret_cast<const uint8_t*>(from) + g * 64 * kFormat.bits;
    if constexpr (kFormat.bits == 8) {
      std::memcpy(to.levels[g], planes, 512);
    } else {
      expand_planes<kFormat.bits>(planes, to.levels[g]);
    }
    // No `if constexpr`: under sanitizers GCC 12 takes the address of a book for no constant.
    if (kFormat.book != nullptr) Target::look_up(*kFormat.book, to.levels[g]);
  }
  expand_scales<kType, Target>(from, to);
}

}  // namespace cairn
