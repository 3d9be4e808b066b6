// exp, log, pow, sin and cos in double, computed with + - * / and fma alone.
//
// Always true: the same argument gives the same bits on every machine, compiler and C library, because
// IEEE 754 fixes each operation used and -ffp-contract=off keeps the compiler from fusing others. (libm's
// functions differ between versions and processors, so none of them may touch a number that reaches a
// logit.) Results are within 2 ulp of the true value over the ranges given below.
// Anyone may call these; they are for tables that are computed once (RoPE angles, slopes), not for inner
// loops.
#pragma once

namespace cairn::exact {

// Any x. Overflows to infinity above 709.78, underflows gradually to 0 below -708.4.
double exp(double x);

// x > 0. log(0) is -infinity, log of a negative number is NaN.
double log(double x);

// base > 0 and finite, any x; NaN for another base. It exists for RoPE's theta^(-2i/d).
double pow(double base, double x);

// |x| <= kMaxAngle, else NaN: an angle beyond it would silently lose its meaning.
inline constexpr double kMaxAngle = 1073741824.0;  // 2^30: k * pi/2 below keeps 31 bits for k
double sin(double x);
double cos(double x);

}  // namespace cairn::exact
