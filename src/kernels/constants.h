// The constants of the one arithmetic: shared by the plain reference and every vector kernel, so that both
// perform the same operations.
#pragma once

namespace cairn {

// exp: x = n ln 2 + r with n rounded to nearest, |r| <= ln 2 / 2; ln 2 in two parts (Cody and Waite), the
// first with trailing zeros so that n * kLn2High is exact; then a degree-6 polynomial (Cephes' coefficients).
inline constexpr float kLog2E = 1.44269504088896341F;
inline constexpr float kLn2High = 0.693359375F;
inline constexpr float kLn2Low = -2.12194440e-4F;
inline constexpr float kRoundMagic = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer
inline constexpr float kExpLowest = -87.0F;        // e^-87 is still a normal number; below it: exactly 0
inline constexpr float kExpHighest = 88.0F;
inline constexpr int kExpPolyCount = 8;
inline constexpr float kExpPoly[kExpPolyCount] = {1.9875691500e-4F,
                                                  1.3981999507e-3F,
                                                  8.3334519073e-3F,
                                                  4.1665795894e-2F,
                                                  1.6666665459e-1F,
                                                  5.0000001201e-1F,
                                                  1.0F,
                                                  1.0F};

inline constexpr float kGeluCubic = 0.044715F;
inline constexpr float kSqrt2OverPi = 0.79788456080286535588F;

}  // namespace cairn
