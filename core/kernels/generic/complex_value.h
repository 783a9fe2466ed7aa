// Complex<T>: the value that element-wise formulas are compiled over for complex dtypes, with the functions that they
// call. Compiled once, for the baseline, on single values.
//
// Products are formed as written, without the repairs of C's Annex G, and quotients are scaled by the divisor's larger
// part, so that neither overflows early; both as PyTorch does. The other functions are the C library's, which cut their
// branches and treat infinities as Annex G says.
#pragma once

#include <cmath>
#include <complex>
#include <type_traits>

namespace rushlight {

template <class T>
struct Complex {
    T re = 0, im = 0;

    Complex() = default;
    template <class S>
        requires std::is_arithmetic_v<S>
    Complex(S x) : re(T(x)), im(0) {}
    Complex(T x, T y) : re(x), im(y) {}
    Complex(std::complex<T> z) : re(z.real()), im(z.imag()) {}

    friend Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
    friend Complex operator-(Complex a, Complex b) { return {a.re - b.re, a.im - b.im}; }
    friend Complex operator-(Complex a) { return {-a.re, -a.im}; }
    friend Complex operator*(Complex a, Complex b) {
        return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
    }
    friend Complex operator/(Complex a, Complex b) {
        T c = std::fabs(b.re), d = std::fabs(b.im);
        if (c == 0 && d == 0) return {a.re / c, a.im / d};
        if (c >= d) {
            T ratio = b.im / b.re, scale = b.re + b.im * ratio;
            return {(a.re + a.im * ratio) / scale, (a.im - a.re * ratio) / scale};
        }
        T ratio = b.re / b.im, scale = b.im + b.re * ratio;
        return {(a.re * ratio + a.im) / scale, (a.im * ratio - a.re) / scale};
    }
    friend bool operator==(Complex a, Complex b) { return a.re == b.re && a.im == b.im; }
};

template <class T> std::complex<T> library(Complex<T> z) { return {z.re, z.im}; }

#define RUSHLIGHT_LIBRARY_FUNCTION(NAME) \
    template <class T> Complex<T> NAME(Complex<T> x) { return std::NAME(library(x)); }
RUSHLIGHT_LIBRARY_FUNCTION(exp)
RUSHLIGHT_LIBRARY_FUNCTION(log)
RUSHLIGHT_LIBRARY_FUNCTION(sqrt)
RUSHLIGHT_LIBRARY_FUNCTION(sin)
RUSHLIGHT_LIBRARY_FUNCTION(cos)
RUSHLIGHT_LIBRARY_FUNCTION(tan)
RUSHLIGHT_LIBRARY_FUNCTION(asin)
RUSHLIGHT_LIBRARY_FUNCTION(acos)
RUSHLIGHT_LIBRARY_FUNCTION(atan)
RUSHLIGHT_LIBRARY_FUNCTION(sinh)
RUSHLIGHT_LIBRARY_FUNCTION(cosh)
RUSHLIGHT_LIBRARY_FUNCTION(tanh)
RUSHLIGHT_LIBRARY_FUNCTION(asinh)
RUSHLIGHT_LIBRARY_FUNCTION(acosh)
RUSHLIGHT_LIBRARY_FUNCTION(atanh)
#undef RUSHLIGHT_LIBRARY_FUNCTION

// Each part by a real number: an infinite part does not make the other one NaN.
template <class T> Complex<T> scaled(Complex<T> x, T factor) { return {x.re * factor, x.im * factor}; }

template <class T> T abs(Complex<T> x) { return std::hypot(x.re, x.im); }
template <class T> T angle(Complex<T> x) { return std::atan2(x.im, x.re); }
template <class T> Complex<T> conj(Complex<T> x) { return {x.re, -x.im}; }
template <class T> Complex<T> sgn(Complex<T> x) {
    T length = abs(x);
    return length == 0 ? Complex<T>() : Complex<T>(x.re / length, x.im / length);
}
template <class T> Complex<T> exp2(Complex<T> x) { return exp(scaled(x, T(0.69314718055994530942))); }
template <class T> Complex<T> log2(Complex<T> x) { return scaled(log(x), T(1.44269504088896340736)); }
template <class T> Complex<T> log10(Complex<T> x) { return scaled(log(x), T(0.43429448190325182765)); }
template <class T> Complex<T> rsqrt(Complex<T> x) { return 1 / sqrt(x); }

// exp(x) - 1, where the parts nearly cancel: expm1(a) cos(b) - 2 sin(b / 2)^2 + i exp(a) sin(b).
template <class T> Complex<T> expm1(Complex<T> x) {
    if (x.im == 0) return {std::expm1(x.re), x.im};
    if (!std::isfinite(x.im)) {                                    // as C's exp has it: an infinite real part decides
        Complex<T> y = exp(x);
        return {y.re - 1, y.im};
    }
    T half = std::sin(x.im / 2);
    return {std::expm1(x.re) * std::cos(x.im) - 2 * half * half, std::exp(x.re) * std::sin(x.im)};
}
// log(1 + x): near zero |1 + x|^2 - 1 = a (2 + a) + b^2 is exact enough where |1 + x| itself is not.
template <class T> Complex<T> log1p(Complex<T> x) {
    T direction = std::atan2(x.im, x.re + 1);
    if (abs(x) >= 1) return {std::log(std::hypot(x.re + 1, x.im)), direction};
    return {std::log1p(x.re * (2 + x.re) + x.im * x.im) / 2, direction};
}
template <class T> Complex<T> sigmoid(Complex<T> x) { return 1 / (1 + exp(-x)); }
template <class T> Complex<T> sinc(Complex<T> x) {
    if (x == 0) return 1;
    Complex<T> turned = scaled(x, T(3.14159265358979323846));
    return sin(turned) / turned;
}
// Small whole powers by products. Others in float64, since the logarithm loses as many digits as the power is large.
template <class T> Complex<T> pow(Complex<T> x, Complex<T> y) {
    if (y == 0.5) return sqrt(x);
    if (y.im == 0 && std::fabs(y.re) <= 4 && y.re == std::trunc(y.re)) {
        Complex<T> power = 1;
        for (int n = int(std::fabs(y.re)); n > 0; n--) power = power * x;
        return y.re < 0 ? 1 / power : power;
    }
    if (x == 0) return y.re > 0 ? Complex<T>() : Complex<T>(T(HUGE_VAL), T(NAN));
    return std::complex<T>(std::pow(std::complex<double>(library(x)), std::complex<double>(library(y))));
}
// Around the number with the larger real part, whose exponential is the larger one.
template <class T> Complex<T> logaddexp(Complex<T> x, Complex<T> y) {
    Complex<T> high = x.re >= y.re ? x : y, low = x.re >= y.re ? y : x;
    if (std::isinf(high.re)) return high.re < 0 ? Complex<T>(high.re, 0) : log(exp(x) + exp(y));
    return high + log1p(exp(low - high));
}
template <class T> Complex<T> add_scaled(Complex<T> x, Complex<T> y, Complex<T> alpha) {
    return alpha == 1 ? x + y : x + y * alpha;
}
template <class T> Complex<T> sub_scaled(Complex<T> x, Complex<T> y, Complex<T> alpha) {
    return alpha == 1 ? x - y : x - y * alpha;
}
template <class T> Complex<T> lerp(Complex<T> x, Complex<T> y, Complex<T> weight) {
    // From the nearer end, so that weights 0 and 1 give the ends exactly.
    return abs(weight) < T(0.5) ? x + weight * (y - x) : y - (y - x) * (1 - weight);
}
template <class T> Complex<T> where(bool condition, Complex<T> x, Complex<T> y) { return condition ? x : y; }
template <class T> bool isnan(Complex<T> x) { return x.re != x.re || x.im != x.im; }
template <class T> bool isinf(Complex<T> x) { return std::isinf(x.re) || std::isinf(x.im); }
template <class T> bool isfinite(Complex<T> x) { return std::isfinite(x.re) && std::isfinite(x.im); }

}  // namespace rushlight
