#include "base/exact_math.h"

#include <bit>
#include <cmath>  // std::fma only: it is exact, so every library agrees on it
#include <cstdint>
#include <limits>

namespace cairn::exact {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// A number as the unevaluated sum of two doubles, |lo| <= ulp(hi)/2: about 106 bits.
struct Pair {
  double hi, lo;
};

Pair two_sum(double a, double b) {
  const double sum = a + b;
  const double b_part = sum - a;
  return {sum, (a - (sum - b_part)) + (b - b_part)};
}

Pair two_product(double a, double b) {
  const double product = a * b;
  return {product, std::fma(a, b, -product)};
}

Pair add(Pair a, Pair b) {
  const Pair sum = two_sum(a.hi, b.hi);
  return two_sum(sum.hi, sum.lo + (a.lo + b.lo));
}

Pair multiply(Pair a, Pair b) {
  const Pair product = two_product(a.hi, b.hi);
  return two_sum(product.hi, product.lo + std::fma(a.hi, b.lo, a.lo * b.hi));
}

// The nearest integer, ties to even; |x| < 2^51. Adding 1.5 * 2^52 leaves no room for a fraction.
double round_to_integer(double x) {
  constexpr double kShift = 6755399441055744.0;
  return (x + kShift) - kShift;
}

// value * 2^power for value in [0.5, 4) and power in [-1100, 1100]; two steps, so that a subnormal
// result is rounded once and 2^1024 never appears.
double scale(double value, int power) {
  const auto power_of_two = [](int p) { return std::bit_cast<double>(std::uint64_t(1023 + p) << 52); };
  if (power > 1000) return value * power_of_two(1000) * power_of_two(power - 1000);
  if (power < -1000) return value * power_of_two(power + 1000) * power_of_two(-1000);
  return value * power_of_two(power);
}

constexpr Pair kLn2 = {0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56};

// e^(x.hi + x.lo). x = k ln 2 + r with |r| <= 0.35; e^r by its Taylor series, whose 14th term is
// below 2^-57 there.
double exp_of(Pair x) {
  if (x.hi > 709.79) return kInfinity;
  if (x.hi < -745.2) return 0.0;
  constexpr double kInverseLn2 = 0x1.71547652b82fep+0;
  const double k = round_to_integer(x.hi * kInverseLn2);
  // k has 11 bits at most, so the product's low part and this first difference are exact.
  const Pair k_ln2 = two_product(k, kLn2.hi);
  const double r = ((x.hi - k_ln2.hi) - k_ln2.lo) + (x.lo - k * kLn2.lo);

  constexpr double kInverseFactorial[] = {
      1.0 / 6227020800.0, 1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0, 1.0 / 362880.0, 1.0 / 40320.0,
      1.0 / 5040.0,       1.0 / 720.0,       1.0 / 120.0,      1.0 / 24.0,      1.0 / 6.0,      0.5};
  double sum = kInverseFactorial[0];
  for (int i = 1; i < 12; ++i) sum = std::fma(sum, r, kInverseFactorial[i]);
  return scale(1.0 + std::fma(sum * r, r, r), static_cast<int>(k));
}

// log x as a pair, for finite x > 0: x = 2^k m with m in [sqrt(1/2), sqrt(2)), log m = 2 atanh(s),
// s = (m - 1)/(m + 1), |s| <= 0.172. The first two terms are pairs, the rest is 2^-12 of the sum.
Pair log_pair(double x) {
  int k = 0;
  if (x < std::numeric_limits<double>::min()) {
    x *= 0x1p54;
    k = -54;
  }
  const auto bits = std::bit_cast<std::uint64_t>(x);
  k += static_cast<int>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0x000fffffffffffffu) | 0x3ff0000000000000u);
  if (m > 0x1.6a09e667f3bcdp+0) {
    m *= 0.5;
    ++k;
  }

  const double numerator = m - 1.0;  // exact: m is within a factor of 2 of 1
  const Pair denominator = two_sum(m, 1.0);
  const double s_hi = numerator / denominator.hi;
  const double rest = std::fma(-s_hi, denominator.hi, numerator) - s_hi * denominator.lo;
  const Pair s = two_sum(s_hi, rest / denominator.hi);

  const Pair z = multiply(s, s);
  // 1/5 + z/7 + z^2/9 + ... to z^10/25: the next term is below 2^-58 of these.
  double tail = 1.0 / 25.0;
  for (int odd = 23; odd >= 5; odd -= 2) tail = std::fma(tail, z.hi, 1.0 / odd);
  constexpr Pair kThird = {0x1.5555555555555p-2, 0x1.5555555555555p-56};
  const Pair series = add(kThird, two_product(tail, z.hi));  // atanh(s) = s + s z series
  const Pair s_twice = {2.0 * s.hi, 2.0 * s.lo};
  const Pair log_m = add(s_twice, multiply(multiply(s_twice, z), series));

  return add(multiply({static_cast<double>(k), 0.0}, kLn2), log_m);
}

// x = quarter * pi/2 + r, |r| <= pi/4 (a hair more at the edge), r as a pair.
struct Reduced {
  Pair r;
  int quarter;  // modulo 4
};

Reduced reduce(double x) {
  // pi/2 as three doubles, 159 bits of it.
  constexpr double kHalfPi1 = 0x1.921fb54442d18p+0;
  constexpr double kHalfPi2 = 0x1.1a62633145c07p-54;
  constexpr double kHalfPi3 = -0x1.f1976b7ed8fbcp-110;
  constexpr double kTwoOverPi = 0x1.45f306dc9c883p-1;
  const double k = round_to_integer(x * kTwoOverPi);
  // Exact: both sides are multiples of 2^-53 and the difference is below 1.
  const double first = std::fma(-k, kHalfPi1, x);
  const Pair second = two_product(-k, kHalfPi2);
  const Pair sum = two_sum(first, second.hi);
  const Pair r = two_sum(sum.hi, sum.lo + (second.lo - k * kHalfPi3));
  return {r, static_cast<int>(static_cast<std::int64_t>(k) & 3)};
}

// sin and cos on |r| <= pi/4, minimax polynomials of FreeBSD's k_sin.c and k_cos.c (Sun, 1993: freely
// usable); their errors are below 2^-58.
double sin_near_zero(Pair r) {
  const double x = r.hi, z = x * x, v = z * x;
  double p = 1.58969099521155010221e-10;
  p = std::fma(p, z, -2.50507602534068634195e-08);
  p = std::fma(p, z, 2.75573137070700676789e-06);
  p = std::fma(p, z, -1.98412698298579493134e-04);
  p = std::fma(p, z, 8.33333333332248946124e-03);
  constexpr double kCubic = -1.66666666666666324348e-01;
  return x - ((z * (0.5 * r.lo - v * p) - r.lo) - v * kCubic);
}

double cos_near_zero(Pair r) {
  const double x = r.hi, z = x * x;
  double p = -1.13596475577881948265e-11;
  p = std::fma(p, z, 2.08757232129817482790e-09);
  p = std::fma(p, z, -2.75573143513906633035e-07);
  p = std::fma(p, z, 2.48015872894767294178e-05);
  p = std::fma(p, z, -1.38888888888741095749e-03);
  p = std::fma(p, z, 4.16666666666666019037e-02);
  const double half_z = 0.5 * z, w = 1.0 - half_z;
  return w + (((1.0 - w) - half_z) + (z * (z * p) - x * r.lo));
}

bool is_usable_angle(double x) { return x >= -kMaxAngle && x <= kMaxAngle; }  // false for NaN

}  // namespace

double exp(double x) {
  if (x != x) return x;
  return exp_of({x, 0.0});
}

double log(double x) {
  if (x != x || x < 0.0) return kNaN;
  if (x == 0.0) return -kInfinity;
  if (x == kInfinity) return x;
  return log_pair(x).hi;
}

double pow(double base, double x) {
  if (!(base > 0.0) || base == kInfinity || x != x) return kNaN;
  if (x == 0.0 || base == 1.0) return 1.0;
  const Pair log_base = log_pair(base);
  const double estimate = x * log_base.hi;
  if (estimate > 800.0) return kInfinity;
  if (estimate < -800.0) return 0.0;
  return exp_of(multiply({x, 0.0}, log_base));
}

double sin(double x) {
  if (!is_usable_angle(x)) return kNaN;
  if (x == 0.0) return x;  // keeps the sign of -0
  const Reduced reduced = reduce(x);
  const double value = (reduced.quarter & 1) ? cos_near_zero(reduced.r) : sin_near_zero(reduced.r);
  return (reduced.quarter & 2) ? -value : value;
}

double cos(double x) {
  if (!is_usable_angle(x)) return kNaN;
  const Reduced reduced = reduce(x);
  const double value = (reduced.quarter & 1) ? sin_near_zero(reduced.r) : cos_near_zero(reduced.r);
  return (reduced.quarter == 1 || reduced.quarter == 2) ? -value : value;
}

}  // namespace cairn::exact
