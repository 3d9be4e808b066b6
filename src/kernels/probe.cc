#include "kernels/hwy_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/probe.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <atomic>

#include "base/thread_pool.h"
#include "kernels/probe.h"
#include "kernels/probe_amx.h"
#include "kernels/simd16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cairn::HWY_NAMESPACE {

// `part`: kStreams streams of `stream_bytes` each (a multiple of chunk_bytes).
template <int kStreams>
uint64_t read_streams(const std::byte* part, int64_t stream_bytes, int64_t chunk_bytes) {
  auto sum0 = hn::Zero(U32());
  auto sum1 = hn::Zero(U32());
  constexpr int64_t kStep = 2 * sizeof(float) * kPartLanes;
  for (int64_t at = 0; at < stream_bytes; at += chunk_bytes) {
    for (int s = 0; s < kStreams; ++s) {
      const std::byte* from = part + s * stream_bytes + at;
      for (int64_t i = 0; i < chunk_bytes; i += kStep) {
        const auto* words = reinterpret_cast<const uint32_t*>(from + i);
        sum0 = hn::Xor(sum0, hn::LoadU(U32(), words));
        sum1 = hn::Xor(sum1, hn::LoadU(U32(), words + kPartLanes));
      }
    }
  }
  return hn::GetLane(hn::SumOfLanes(U32(), hn::Xor(sum0, sum1)));
}

uint64_t read_part(const std::byte* part, int64_t bytes, ReadPattern pattern) {
  const int64_t step = int64_t{pattern.chunk_bytes < 128 ? 128 : pattern.chunk_bytes};
  const int64_t stream_bytes = bytes / pattern.streams / step * step;
  switch (pattern.streams) {
    case 1: return read_streams<1>(part, stream_bytes, step);
    case 2: return read_streams<2>(part, stream_bytes, step);
    case 4: return read_streams<4>(part, stream_bytes, step);
    case 8: return read_streams<8>(part, stream_bytes, step);
    default: return read_streams<16>(part, stream_bytes, step);
  }
}

// Enough chains to fill two units of latency 4 or 5, in registers.
double multiply_rounds(int64_t rounds) {
  constexpr int kChains = 12;
  const auto a = hn::Set(F32(), 0.999F);
  const auto b = hn::Set(F32(), 0.001F);
  hn::Vec<F32> sum[kChains];
  for (int i = 0; i < kChains; ++i) sum[i] = hn::Set(F32(), static_cast<float>(i));
  for (int64_t r = 0; r < rounds; ++r) {
    _Pragma("GCC unroll 16") for (int i = 0; i < kChains; ++i) sum[i] = hn::MulAdd(sum[i], a, b);
  }
  for (int i = 1; i < kChains; ++i) sum[0] = hn::Add(sum[0], sum[i]);
  const float total = hn::GetLane(hn::SumOfLanes(F32(), sum[0]));
  const double operations = 2.0 * kChains * kPartLanes * static_cast<double>(rounds);
  return total == 12345.0F ? operations + 1 : operations;  // the sums must not be dead code
}

}  // namespace cairn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cairn {
namespace {

using ReadPart = uint64_t (*)(const std::byte* part, int64_t bytes, ReadPattern pattern);
using MultiplyRounds = double (*)(int64_t rounds);

ReadPart read_part_of(Isa isa) {
#if defined(__x86_64__)
  return isa >= Isa::kAvx512 ? N_AVX3::read_part : N_AVX2::read_part;
#else
  (void)isa;
  return N_NEON::read_part;
#endif
}

MultiplyRounds multiply_rounds_of(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAmx) return amx_multiply_rounds;
  return isa == Isa::kAvx512 ? N_AVX3::multiply_rounds : N_AVX2::multiply_rounds;
#else
  (void)isa;
  return N_NEON::multiply_rounds;
#endif
}

}  // namespace

uint64_t read_once(ThreadPool& threads, Isa isa, std::span<const std::byte> bytes, ReadPattern pattern) {
  std::atomic<uint64_t> all{0};
  const auto share = static_cast<int64_t>(bytes.size()) / threads.thread_count();
  threads.run([&](int thread) { all ^= read_part_of(isa)(bytes.data() + thread * share, share, pattern); });
  return all;
}

double multiply_once(ThreadPool& threads, Isa isa, int64_t rounds) {
  std::atomic<double> all{0};
  threads.run([&](int) { all += multiply_rounds_of(isa)(rounds); });
  return all;
}

}  // namespace cairn
#endif
