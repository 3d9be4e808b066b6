// V16: sixteen floats as one value, whatever the vector length: one AVX-512 register, two of AVX2, four of
// NEON. Kernels written on V16 perform the same operations in the same order on every machine, so they give
// the same bits as the plain reference. Included once per target (see <hwy/foreach_target.h>).
#if defined(CAIRN_KERNELS_SIMD16_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CAIRN_KERNELS_SIMD16_INL_H_
#undef CAIRN_KERNELS_SIMD16_INL_H_
#else
#define CAIRN_KERNELS_SIMD16_INL_H_
#endif

#include <hwy/highway.h>

#include "kernels/constants.h"

HWY_BEFORE_NAMESPACE();
namespace cairn::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using F32 = hn::CappedTag<float, 16>;
using I32 = hn::RebindToSigned<F32>;
using U32 = hn::RebindToUnsigned<F32>;
using HalfWords = hn::Rebind<uint16_t, F32>;
using F16 = hn::Rebind<hwy::float16_t, F32>;
constexpr int kPartLanes = hn::MaxLanes(F32());
constexpr int kParts = 16 / kPartLanes;

struct V16 {
  hn::Vec<F32> part[kParts];
};

#define CAIRN_FOR_PARTS(p) _Pragma("GCC unroll 4") for (int p = 0; p < kParts; ++p)

HWY_INLINE V16 broadcast(float x) {
  V16 r;
  CAIRN_FOR_PARTS(p) r.part[p] = hn::Set(F32(), x);
  return r;
}
HWY_INLINE V16 load(const float* from) {
  V16 r;
  CAIRN_FOR_PARTS(p) r.part[p] = hn::LoadU(F32(), from + p * kPartLanes);
  return r;
}
HWY_INLINE void store(const V16& a, float* to) {
  CAIRN_FOR_PARTS(p) hn::StoreU(a.part[p], F32(), to + p * kPartLanes);
}
HWY_INLINE V16 fma(const V16& a, const V16& b, const V16& c) {
  V16 r;
  CAIRN_FOR_PARTS(p) r.part[p] = hn::MulAdd(a.part[p], b.part[p], c.part[p]);
  return r;
}
HWY_INLINE V16 operator+(const V16& a, const V16& b) {
  V16 r;
  CAIRN_FOR_PARTS(p) r.part[p] = hn::Add(a.part[p], b.part[p]);
  return r;
}
HWY_INLINE V16 operator-(const V16& a, const V16& b) {
  V16 r;
  CAIRN_FOR_PARTS(p) r.part[p] = hn::Sub(a.part[p], b.part[p]);
  return r;
}
HWY_INLINE V16 operator*(const V16& a, const V16& b) {
  V16 r;
  CAIRN_FOR_PARTS(p) r.part[p] = hn::Mul(a.part[p], b.part[p]);
  return r;
}
HWY_INLINE V16 operator/(const V16& a, const V16& b) {
  V16 r;
  CAIRN_FOR_PARTS(p) r.part[p] = hn::Div(a.part[p], b.part[p]);
  return r;
}
HWY_INLINE V16 max(const V16& a, const V16& b) {
  V16 r;
  CAIRN_FOR_PARTS(p) r.part[p] = hn::Max(a.part[p], b.part[p]);
  return r;
}
HWY_INLINE V16 min(const V16& a, const V16& b) {
  V16 r;
  CAIRN_FOR_PARTS(p) r.part[p] = hn::Min(a.part[p], b.part[p]);
  return r;
}
// a where low <= lane < high, else b.
HWY_INLINE V16 select_range(int low, int high, const V16& a, const V16& b) {
  V16 r;
  CAIRN_FOR_PARTS(p) {
    const auto lane = hn::Iota(I32(), p * kPartLanes);
    const auto outside = hn::Or(hn::Lt(lane, hn::Set(I32(), low)), hn::Gt(lane, hn::Set(I32(), high - 1)));
    r.part[p] = hn::IfThenElse(hn::RebindMask(F32(), outside), b.part[p], a.part[p]);
  }
  return r;
}

// Sixteen stored numbers, widened. Exact.
HWY_INLINE V16 load_f16(const uint16_t* from) {
  V16 r;
  CAIRN_FOR_PARTS(p) {
    const auto bits = hn::LoadU(HalfWords(), from + p * kPartLanes);
    r.part[p] = hn::PromoteTo(F32(), hn::BitCast(F16(), bits));
  }
  return r;
}
HWY_INLINE V16 load_bf16(const uint16_t* from) {
  V16 r;
  CAIRN_FOR_PARTS(p) {
    const auto wide = hn::PromoteTo(U32(), hn::LoadU(HalfWords(), from + p * kPartLanes));
    r.part[p] = hn::BitCast(F32(), hn::ShiftLeft<16>(wide));
  }
  return r;
}
// Sixteen pairs of bf16 (element k in the low half, k + 1 in the high half of each 32-bit lane).
HWY_INLINE void load_bf16_pairs(const uint16_t* from, V16& even, V16& odd) {
  CAIRN_FOR_PARTS(p) {
    const auto pair = hn::LoadU(U32(), reinterpret_cast<const uint32_t*>(from) + p * kPartLanes);
    even.part[p] = hn::BitCast(F32(), hn::ShiftLeft<16>(pair));
    odd.part[p] = hn::BitCast(F32(), hn::And(pair, hn::Set(U32(), 0xFFFF0000U)));
  }
}

// Lane i joined with lane i + half, for halves, quarters, ...: the order that reference_vector.cc fixes.
template <class D, class V, class Join>
HWY_INLINE float join_lanes(D, const V& v, const Join& join) {
  if constexpr (hn::MaxLanes(D()) == 1) {
    return hn::GetLane(v);
  } else {
    const hn::Half<D> half;
    return join_lanes(half, join(hn::LowerHalf(half, v), hn::UpperHalf(half, v)), join);
  }
}
template <class Join>
HWY_INLINE float join_lanes(V16 a, const Join& join) {
  for (int half = kParts / 2; half > 0; half /= 2) {
    for (int p = 0; p < half; ++p) a.part[p] = join(a.part[p], a.part[p + half]);
  }
  return join_lanes(F32(), a.part[0], join);
}
struct AddLanes {
  template <class V>
  HWY_INLINE V operator()(V a, V b) const {
    return hn::Add(a, b);
  }
};
struct MaxLanes {
  template <class V>
  HWY_INLINE V operator()(V a, V b) const {
    return hn::Max(a, b);
  }
};
HWY_INLINE float sum_lanes(const V16& a) { return join_lanes(a, AddLanes()); }
HWY_INLINE float max_lanes(const V16& a) { return join_lanes(a, MaxLanes()); }

// e^x with the operations of reference exp_f32, lane by lane: within 1.5 ulp; 0 below kExpLowest.
HWY_INLINE V16 exp(const V16& x) {
  const V16 clamped = min(max(x, broadcast(kExpLowest)), broadcast(kExpHighest));
  const V16 magic = broadcast(kRoundMagic);
  const V16 n = fma(clamped, broadcast(kLog2E), magic) - magic;
  const V16 r = fma(n, broadcast(-kLn2Low), fma(n, broadcast(-kLn2High), clamped));
  V16 p = broadcast(kExpPoly[0]);
  _Pragma("GCC unroll 8") for (int i = 1; i < kExpPolyCount; ++i) p = fma(p, r, broadcast(kExpPoly[i]));
  V16 result;
  CAIRN_FOR_PARTS(q) {
    const auto exponent = hn::ShiftLeft<23>(hn::ConvertTo(I32(), n.part[q]));
    const auto scaled = hn::BitCast(F32(), hn::Add(hn::BitCast(I32(), p.part[q]), exponent));
    const auto in_range = hn::Ge(x.part[q], hn::Set(F32(), kExpLowest));
    result.part[q] = hn::IfThenElseZero(in_range, scaled);
  }
  return result;
}

// tanh(x) = sign(x) (1 - e^{-2|x|}) / (1 + e^{-2|x|}), as in the reference.
HWY_INLINE V16 tanh(const V16& x) {
  V16 magnitude;
  CAIRN_FOR_PARTS(p) magnitude.part[p] = hn::Abs(x.part[p]);
  const V16 e = exp(magnitude * broadcast(-2.0F));
  const V16 one = broadcast(1.0F);
  V16 t = (one - e) / (one + e);
  CAIRN_FOR_PARTS(p) t.part[p] = hn::CopySignToAbs(t.part[p], x.part[p]);
  return t;
}

}  // namespace cairn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // include guard, per target
