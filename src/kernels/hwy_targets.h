// Which of Highway's targets are compiled: AVX2 and AVX-512 on x86-64, NEON on arm64. Include it before any
// of Highway's headers. Lower x86 targets use the scalar reference; the AVX-512 variants with more extensions
// would not help float kernels.
#pragma once

#if defined(__x86_64__)
#define HWY_BASELINE_TARGETS HWY_AVX2
#define HWY_DISABLED_TARGETS HWY_AVX3_DL
#elif defined(__aarch64__)
// SVE's vectors have no fixed size, and V16 holds arrays of vectors.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#endif
