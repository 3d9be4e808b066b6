// Test support: the 512-bit instructions that the AMX kernels use, one plain loop each, so that those kernels run on
// any machine with AVX2. Include it before every header of kernels: it takes the instructions' names, and makes what
// follows compile for AVX2.
#pragma once

#if defined(__x86_64__)

#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <cstring>

#include "base/check.h"

#define CAIRN_AVX512_TARGET "avx2,fma,f16c"
#define CAIRN_AMX_TARGET CAIRN_AVX512_TARGET

namespace cairn::emulated {

#define CAIRN_INLINED __attribute__((target(CAIRN_AVX512_TARGET), always_inline)) inline
// Calls: kernels of a thousand instructions would take a compiler minutes else.
#define CAIRN_EMULATED __attribute__((target(CAIRN_AVX512_TARGET), noinline)) inline
#define CAIRN_UNROLL

template <typename Lane>
struct Lanes {
  static constexpr int kCount = 64 / sizeof(Lane);
  Lane lane[kCount];
};
template <typename Lane, typename Vector>
CAIRN_INLINED Lanes<Lane> lanes(const Vector& v) {
  static_assert(sizeof v == 64);
  Lanes<Lane> to;
  std::memcpy(&to, &v, sizeof to);
  return to;
}
template <typename Vector, typename Lane>
CAIRN_INLINED Vector vector(const Lanes<Lane>& from) {
  Vector to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}
// f(lane index) for each lane.
template <typename Vector, typename Lane, typename Function>
CAIRN_INLINED Vector each(const Function& f) {
  Lanes<Lane> to;
  for (int i = 0; i < Lanes<Lane>::kCount; ++i) to.lane[i] = f(i);
  return vector<Vector>(to);
}

#define CAIRN_LAMBDA __attribute__((target(CAIRN_AVX512_TARGET), always_inline))

// ---- memory, and one number in all lanes ----
CAIRN_EMULATED __m512 loadu_ps(const void* from) {
  __m512 to;
  std::memcpy(&to, from, 64);
  return to;
}
CAIRN_EMULATED __m512i loadu_si512(const void* from) {
  __m512i to;
  std::memcpy(&to, from, 64);
  return to;
}
CAIRN_EMULATED void storeu_ps(void* to, const __m512& v) { std::memcpy(to, &v, 64); }
// Where it is not aligned, the processor raises an exception.
CAIRN_INLINED void check_alignment(const void* at) { CHECK(reinterpret_cast<uintptr_t>(at) % 64 == 0); }
CAIRN_EMULATED __m512 load_ps(const void* from) {
  check_alignment(from);
  return loadu_ps(from);
}
CAIRN_EMULATED __m512i load_si512(const void* from) {
  check_alignment(from);
  return loadu_si512(from);
}
CAIRN_EMULATED void store_ps(void* to, const __m512& v) {
  check_alignment(to);
  std::memcpy(to, &v, 64);
}
CAIRN_EMULATED void store_si512(void* to, const __m512i& v) {
  check_alignment(to);
  std::memcpy(to, &v, 64);
}
CAIRN_EMULATED __m512 maskz_loadu_ps(uint32_t mask, const float* from) {
  return each<__m512, float>([&](int i) CAIRN_LAMBDA { return (mask >> i & 1U) != 0 ? from[i] : 0.0F; });
}
CAIRN_EMULATED void mask_storeu_ps(void* to, uint32_t mask, const __m512& v) {
  const auto from = lanes<float>(v);
  for (int i = 0; i < 16; ++i) {
    if ((mask >> i & 1U) != 0) std::memcpy(static_cast<float*>(to) + i, &from.lane[i], sizeof(float));
  }
}
CAIRN_EMULATED __m512 set1_ps(float x) {
  return each<__m512, float>([&](int) CAIRN_LAMBDA { return x; });
}
CAIRN_EMULATED __m512i set1_epi32(int32_t x) {
  return each<__m512i, int32_t>([&](int) CAIRN_LAMBDA { return x; });
}
CAIRN_EMULATED __m512i broadcast_i32x4(__m128i x) {
  __m512i to;
  for (int i = 0; i < 4; ++i) std::memcpy(reinterpret_cast<char*>(&to) + 16 * i, &x, 16);
  return to;
}

// ---- numbers ----
CAIRN_EMULATED __m512 add_ps(const __m512& a, const __m512& b) { return a + b; }
CAIRN_EMULATED __m512 mul_ps(const __m512& a, const __m512& b) { return a * b; }
CAIRN_EMULATED __m512 fmadd_ps(const __m512& a, const __m512& b, const __m512& c) {
  const auto x = lanes<float>(a), y = lanes<float>(b), z = lanes<float>(c);
  return each<__m512, float>([&](int i)
                                 CAIRN_LAMBDA { return __builtin_fmaf(x.lane[i], y.lane[i], z.lane[i]); });
}
CAIRN_EMULATED __m512 fnmadd_ps(const __m512& a, const __m512& b, const __m512& c) {
  return fmadd_ps(-a, b, c);
}
CAIRN_EMULATED __m512 cvtepi32_ps(const __m512i& a) {
  const auto x = lanes<int32_t>(a);
  return each<__m512, float>([&](int i) CAIRN_LAMBDA { return static_cast<float>(x.lane[i]); });
}
CAIRN_EMULATED __m512 cvtph_ps(__m256i a) {
  uint16_t half[16];
  std::memcpy(half, &a, sizeof half);
  return each<__m512, float>([&](int i) CAIRN_LAMBDA { return _cvtsh_ss(half[i]); });
}
// To bf16, nearest even, denormals as zero: `low` into the lower half.
CAIRN_EMULATED __m512bh cvtne2ps_pbh(const __m512& high, const __m512& low) {
  const auto x = lanes<uint32_t>(low), y = lanes<uint32_t>(high);
  return each<__m512bh, uint16_t>([&](int i) CAIRN_LAMBDA {
    const uint32_t bits = i < 16 ? x.lane[i] : y.lane[i - 16];
    const uint32_t exponent = bits >> 23 & 0xFFU;
    if (exponent == 0) return static_cast<uint16_t>(bits >> 16 & 0x8000U);
    if (exponent == 0xFFU) {
      const bool is_nan = (bits & 0x7FFFFFU) != 0;
      return static_cast<uint16_t>(bits >> 16 | (is_nan ? 0x40U : 0U));
    }
    return static_cast<uint16_t>((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
  });
}

// ---- bits ----
CAIRN_EMULATED __m512 castsi512_ps(const __m512i& a) { return loadu_ps(&a); }
CAIRN_EMULATED __m512i castps_si512(const __m512& a) { return loadu_si512(&a); }
CAIRN_EMULATED __m512i and_si512(const __m512i& a, const __m512i& b) { return a & b; }
CAIRN_EMULATED __m512i sub_epi32(const __m512i& a, const __m512i& b) {
  const auto x = lanes<uint32_t>(a), y = lanes<uint32_t>(b);
  return each<__m512i, uint32_t>([&](int i) CAIRN_LAMBDA { return x.lane[i] - y.lane[i]; });
}
CAIRN_EMULATED __m512i max_epi32(const __m512i& a, const __m512i& b) {
  const auto x = lanes<int32_t>(a), y = lanes<int32_t>(b);
  return each<__m512i, int32_t>([&](int i)
                                    CAIRN_LAMBDA { return x.lane[i] > y.lane[i] ? x.lane[i] : y.lane[i]; });
}
CAIRN_EMULATED __m512i or_si512(const __m512i& a, const __m512i& b) { return a | b; }
CAIRN_EMULATED __m512i slli_epi32(const __m512i& a, uint32_t bits) {
  const auto x = lanes<uint32_t>(a);
  return each<__m512i, uint32_t>([&](int i) CAIRN_LAMBDA { return x.lane[i] << bits; });
}
CAIRN_EMULATED __m512i srli_epi32(const __m512i& a, uint32_t bits) {
  const auto x = lanes<uint32_t>(a);
  return each<__m512i, uint32_t>([&](int i) CAIRN_LAMBDA { return x.lane[i] >> bits; });
}
// Bit by bit: bit (4 a + 2 b + c) of the table.
template <int kTable>
CAIRN_EMULATED __m512i ternarylogic_epi32(const __m512i& a, const __m512i& b, const __m512i& c) {
  __m512i to{};
  for (int row = 0; row < 8; ++row) {
    if ((kTable >> row & 1) == 0) continue;
    to |= ((row & 4) != 0 ? a : ~a) & ((row & 2) != 0 ? b : ~b) & ((row & 1) != 0 ? c : ~c);
  }
  return to;
}
// Each lane by its own number of bits.
CAIRN_EMULATED __m512i srlv_epi32(const __m512i& a, const __m512i& bits) {
  const auto x = lanes<uint32_t>(a), by = lanes<uint32_t>(bits);
  return each<__m512i, uint32_t>(
      [&](int i) CAIRN_LAMBDA { return by.lane[i] < 32 ? x.lane[i] >> by.lane[i] : uint32_t{0}; });
}

// ---- places ----
CAIRN_EMULATED __m512i permutexvar_epi16(const __m512i& places, const __m512i& a) {
  const auto at = lanes<uint16_t>(places), x = lanes<uint16_t>(a);
  return each<__m512i, uint16_t>([&](int i) CAIRN_LAMBDA { return x.lane[at.lane[i] & 31U]; });
}
CAIRN_EMULATED __m512i permutexvar_epi64(const __m512i& places, const __m512i& a) {
  const auto at = lanes<uint64_t>(places), x = lanes<uint64_t>(a);
  return each<__m512i, uint64_t>([&](int i) CAIRN_LAMBDA { return x.lane[at.lane[i] & 7U]; });
}
// Inside each sixteen bytes.
CAIRN_EMULATED __m512i shuffle_epi8(const __m512i& a, const __m512i& places) {
  const auto x = lanes<uint8_t>(a), at = lanes<uint8_t>(places);
  return each<__m512i, uint8_t>([&](int i) CAIRN_LAMBDA {
    return (at.lane[i] & 0x80U) != 0 ? uint8_t{0} : x.lane[i / 16 * 16 + (at.lane[i] & 15U)];
  });
}
CAIRN_EMULATED __m512i widen_epi8(__m128i a) {
  int8_t x[16];
  std::memcpy(x, &a, sizeof x);
  return each<__m512i, int32_t>([&](int i) CAIRN_LAMBDA { return int32_t{x[i]}; });
}
CAIRN_EMULATED __m512i widen_epu8(__m128i a) {
  uint8_t x[16];
  std::memcpy(x, &a, sizeof x);
  return each<__m512i, int32_t>([&](int i) CAIRN_LAMBDA { return int32_t{x[i]}; });
}
CAIRN_EMULATED __m512i widen_epu16(__m256i a) {
  uint16_t x[16];
  std::memcpy(x, &a, sizeof x);
  return each<__m512i, int32_t>([&](int i) CAIRN_LAMBDA { return int32_t{x[i]}; });
}
CAIRN_EMULATED __m512 permutexvar_ps(const __m512i& places, const __m512& a) {
  const auto at = lanes<uint32_t>(places);
  const auto x = lanes<float>(a);
  return each<__m512, float>([&](int i) CAIRN_LAMBDA { return x.lane[at.lane[i] & 15U]; });
}

}  // namespace cairn::emulated

#undef CAIRN_LAMBDA

#undef _mm512_ternarylogic_epi32  // a macro of clang

#define _mm512_load_ps(...) ::cairn::emulated::load_ps(__VA_ARGS__)
#define _mm512_loadu_ps(...) ::cairn::emulated::loadu_ps(__VA_ARGS__)
#define _mm512_load_si512(...) ::cairn::emulated::load_si512(__VA_ARGS__)
#define _mm512_loadu_si512(...) ::cairn::emulated::loadu_si512(__VA_ARGS__)
#define _mm512_store_ps(...) ::cairn::emulated::store_ps(__VA_ARGS__)
#define _mm512_storeu_ps(...) ::cairn::emulated::storeu_ps(__VA_ARGS__)
#define _mm512_store_si512(...) ::cairn::emulated::store_si512(__VA_ARGS__)
#define _mm512_maskz_loadu_ps(...) ::cairn::emulated::maskz_loadu_ps(__VA_ARGS__)
#define _mm512_mask_storeu_ps(...) ::cairn::emulated::mask_storeu_ps(__VA_ARGS__)
#define _mm512_setzero_ps() ::cairn::emulated::set1_ps(0)
#define _mm512_setzero_si512() ::cairn::emulated::set1_epi32(0)
#define _mm512_set1_ps(...) ::cairn::emulated::set1_ps(__VA_ARGS__)
#define _mm512_set1_epi32(...) ::cairn::emulated::set1_epi32(__VA_ARGS__)
#define _mm512_broadcast_i32x4(...) ::cairn::emulated::broadcast_i32x4(__VA_ARGS__)
#define _mm512_add_ps(...) ::cairn::emulated::add_ps(__VA_ARGS__)
#define _mm512_mul_ps(...) ::cairn::emulated::mul_ps(__VA_ARGS__)
#define _mm512_fmadd_ps(...) ::cairn::emulated::fmadd_ps(__VA_ARGS__)
#define _mm512_fnmadd_ps(...) ::cairn::emulated::fnmadd_ps(__VA_ARGS__)
#define _mm512_cvtepi32_ps(...) ::cairn::emulated::cvtepi32_ps(__VA_ARGS__)
#define _mm512_cvtph_ps(...) ::cairn::emulated::cvtph_ps(__VA_ARGS__)
#define _mm512_cvtne2ps_pbh(...) ::cairn::emulated::cvtne2ps_pbh(__VA_ARGS__)
#define _mm512_castsi512_ps(...) ::cairn::emulated::castsi512_ps(__VA_ARGS__)
#define _mm512_castps_si512(...) ::cairn::emulated::castps_si512(__VA_ARGS__)
#define _mm512_and_si512(...) ::cairn::emulated::and_si512(__VA_ARGS__)
#define _mm512_or_si512(...) ::cairn::emulated::or_si512(__VA_ARGS__)
#define _mm512_sub_epi32(...) ::cairn::emulated::sub_epi32(__VA_ARGS__)
#define _mm512_max_epi32(...) ::cairn::emulated::max_epi32(__VA_ARGS__)
#define _mm512_permutexvar_epi64(...) ::cairn::emulated::permutexvar_epi64(__VA_ARGS__)
#define _mm512_slli_epi32(...) ::cairn::emulated::slli_epi32(__VA_ARGS__)
#define _mm512_srli_epi32(...) ::cairn::emulated::srli_epi32(__VA_ARGS__)
#define _mm512_ternarylogic_epi32(a, b, c, table) ::cairn::emulated::ternarylogic_epi32<table>(a, b, c)
#define _mm512_permutexvar_epi16(...) ::cairn::emulated::permutexvar_epi16(__VA_ARGS__)
#define _mm512_shuffle_epi8(...) ::cairn::emulated::shuffle_epi8(__VA_ARGS__)
#define _mm512_cvtepi8_epi32(...) ::cairn::emulated::widen_epi8(__VA_ARGS__)
#define _mm512_cvtepu8_epi32(...) ::cairn::emulated::widen_epu8(__VA_ARGS__)
#define _mm512_cvtepu16_epi32(...) ::cairn::emulated::widen_epu16(__VA_ARGS__)
#define _mm512_srlv_epi32(...) ::cairn::emulated::srlv_epi32(__VA_ARGS__)
#define _mm512_permutexvar_ps(...) ::cairn::emulated::permutexvar_ps(__VA_ARGS__)

#endif  // __x86_64__
