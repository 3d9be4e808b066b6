// decode_kv for the tables, of each target.
#include "kernels/hwy_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/codecs/decode_kv.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/codecs/decode_kv-inl.h"
#include "kernels/simd.h"

#if HWY_ONCE
namespace cairn {

void fill_decode_kv(Isa isa, Kernels& table) {
#if defined(__x86_64__)
  table.decode_kv = isa == Isa::kAvx2 ? N_AVX2::decode_kv : N_AVX3::decode_kv;
#else
  (void)isa;
  table.decode_kv = N_NEON::decode_kv;
#endif
}

}  // namespace cairn
#endif
