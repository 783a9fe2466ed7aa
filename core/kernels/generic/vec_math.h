// Elementary functions of Vec<float> and Vec<double>, to 2 ULP or better over the whole domain.
//
// The polynomials are minimax fits made for this file (Remez, in 50 digits). A float32 function without an algorithm
// of its own runs the float64 one on both halves. What no vector version exists for goes lane by lane through libm.
#pragma once

#include "kernels/generic/scalar_math.h"
#include "kernels/generic/vec.h"

namespace rushlight {
inline namespace RUSHLIGHT_ISA_SPACE {

// c + c1 x + c2 x^2 + ..., by Horner's rule. Recursive, so that the coefficients become constants: a loop may stay a
// loop.
template <class T>
RUSHLIGHT_INLINE Vec<T> polynomial(Vec<T>, double c) { return Vec<T>(T(c)); }
template <class T, class... C>
RUSHLIGHT_INLINE Vec<T> polynomial(Vec<T> x, double c, C... more) {
    return multiply_add(polynomial(x, more...), x, Vec<T>(T(c)));
}

// The numbers that the exponent and logarithm code needs per type. `magic` is 1.5 * 2^(mantissa bits): adding it rounds
// a small number to an integer that can then be read from the low bits.
template <class T> struct Format;
template <> struct Format<float> {
    static constexpr int mantissa_bits = 23, bias = 127;
    static constexpr float magic = 12582912.0f, ln2_high = 0.693145751953125f, ln2_low = 1.42860682030941723e-6f;
    static constexpr uint32_t three_quarters = 0x3f400000, one = 0x3f800000, mantissa = 0x007fffff,
                              two_to_mantissa = 0x4b000000;
    static constexpr float smallest_normal = 0x1p-126f, lift = 0x1p25f, lift_bits = 25, safe_exponent = -100;
};
template <> struct Format<double> {
    static constexpr int mantissa_bits = 52, bias = 1023;
    static constexpr double magic = 6755399441055744.0, ln2_high = 6.93147180369123816490e-01,
                            ln2_low = 1.90821492927058770002e-10;
    static constexpr uint64_t three_quarters = 0x3fe8000000000000, one = 0x3ff0000000000000,
                              mantissa = 0x000fffffffffffff, two_to_mantissa = 0x4330000000000000;
    static constexpr double smallest_normal = 0x1p-1022, lift = 0x1p54, lift_bits = 54, safe_exponent = -900;
};

// 2^n for an integral n in the exponent's normal range.
template <class T>
RUSHLIGHT_INLINE Vec<T> power_of_two(Vec<T> n) {
    using F = Format<T>;
    return from_bits<T>((bits(n + F::magic) + UnsignedFor<T>(F::bias)) << F::mantissa_bits);
}
// x * 2^n for x near 1 and any integral n, rounded once.
template <class T>
RUSHLIGHT_INLINE Vec<T> scale(Vec<T> x, Vec<T> n) {
#if defined(__AVX512F__)
    if constexpr (same_type<T, float>) return Vec<T>::raw((Raw<T>)_mm512_scalef_ps((__m512)x.v, (__m512)n.v));
    else return Vec<T>::raw((Raw<T>)_mm512_scalef_pd((__m512d)x.v, (__m512d)n.v));
#else
    using F = Format<T>;
    Vec<T> first = where(n < F::safe_exponent, Vec<T>(F::safe_exponent), where(n > F::bias, Vec<T>(F::bias), n));
    return x * power_of_two(first) * power_of_two(n - first);
#endif
}

// ---- exponentials ------------------------------------------------------------------------------------------------

// exp(r) - 1 - r over r^2, for |r| <= ln(2) / 2.
RUSHLIGHT_INLINE Vec<float> exp_tail(Vec<float> r) {
    return polynomial(r, 0.5000000096, 0.1666651831, 0.04166620448, 0.008368953437, 0.001395057625);
}
RUSHLIGHT_INLINE Vec<double> exp_tail(Vec<double> r) {
    return polynomial(r, 0.5, 0.16666666666666684, 0.0416666666666667248, 0.00833333333331661786, 0.001388888888885833,
                      0.000198412698973628638, 0.000024801587373929157, 2.75572339286127617e-6, 2.75572332151386555e-7,
                      2.51123487403731676e-8, 2.0926984729634989e-9);
}
template <class T> inline constexpr T exp_lowest = sizeof(T) == 4 ? T(-105) : T(-746);
template <class T> inline constexpr T exp_highest = sizeof(T) == 4 ? T(89) : T(710);

// x within [low, high]; NaN stays.
template <class T>
RUSHLIGHT_INLINE Vec<T> clamp_keeping_nan(Vec<T> x, T low, T high) {
#if defined(__AVX512F__)
    // The instructions return their second operand when one is NaN.
    if constexpr (same_type<T, float>)
        return Vec<T>::raw(
            (Raw<T>)_mm512_min_ps(_mm512_set1_ps(high), _mm512_max_ps(_mm512_set1_ps(low), (__m512)x.v)));
    else
        return Vec<T>::raw(
            (Raw<T>)_mm512_min_pd(_mm512_set1_pd(high), _mm512_max_pd(_mm512_set1_pd(low), (__m512d)x.v)));
#else
    return where(x < low, Vec<T>(low), where(x > high, Vec<T>(high), x));
#endif
}

// x = n ln(2) + r, with |r| <= ln(2) / 2. `lost` is what rounding took from r.
template <class T> struct ExpReduction { Vec<T> n, r, lost; };
template <class T>
RUSHLIGHT_INLINE ExpReduction<T> reduce_for_exp(Vec<T> x) {
    using F = Format<T>;
    x = clamp_keeping_nan(x, exp_lowest<T>, exp_highest<T>);
    Vec<T> n = multiply_add(x, Vec<T>(1.44269504088896340736), Vec<T>(F::magic)) - F::magic;
    Vec<T> high = multiply_add(n, Vec<T>(-F::ln2_high), x), low = n * F::ln2_low;
    Vec<T> r = high - low;
    return {n, r, (high - r) - low};
}

template <class T>
RUSHLIGHT_INLINE Vec<T> exp_of_real(Vec<T> x) {
    auto [n, r, lost] = reduce_for_exp(x);
    return scale(multiply_add(r * r, exp_tail(r), lost) + r + 1, n);
}
RUSHLIGHT_INLINE Vec<float> exp(Vec<float> x) {
#if defined(__FMA__)
    // Fused products leave r an error of a quarter of a unit in the result's last place: nothing need be carried along.
    using F = Format<float>;
    x = clamp_keeping_nan(x, exp_lowest<float>, exp_highest<float>);
    Vec<float> n = fma(x, Vec<float>(1.44269504088896340736f), Vec<float>(F::magic)) - F::magic;
    Vec<float> r = fma(n, Vec<float>(-F::ln2_low), fma(n, Vec<float>(-F::ln2_high), x));
    return scale(fma(r * r, exp_tail(r), r) + 1, n);
#else
    return exp_of_real(x);
#endif
}
RUSHLIGHT_INLINE Vec<double> exp(Vec<double> x) { return exp_of_real(x); }

template <class T>
RUSHLIGHT_INLINE Vec<T> exp2_of_real(Vec<T> x) {
    using F = Format<T>;
    constexpr T lowest = sizeof(T) == 4 ? T(-151) : T(-1076), highest = sizeof(T) == 4 ? T(129) : T(1025);
    x = clamp_keeping_nan(x, lowest, highest);
    Vec<T> n = (x + F::magic) - F::magic;
    Vec<T> r = (x - n) * 0.69314718055994530942;
    return scale(multiply_add(r * r, exp_tail(r), r) + 1, n);
}
RUSHLIGHT_INLINE Vec<float> exp2(Vec<float> x) { return exp2_of_real(x); }
RUSHLIGHT_INLINE Vec<double> exp2(Vec<double> x) { return exp2_of_real(x); }

template <class T>
RUSHLIGHT_INLINE Vec<T> expm1_of_real(Vec<T> x) {
    auto [n, r, lost] = reduce_for_exp(x);
    Vec<T> tail = multiply_add(r * r, exp_tail(r), multiply_add(lost, r, lost));       // exp(r + lost) - 1 - r
    // One power less, so that 2^n stays finite up to the largest argument with a finite result.
    Vec<T> half = scale(Vec<T>(1), n - 1);
    Vec<T> sum = 2 * multiply_add(half, tail, multiply_add(half, r, half - T(0.5)));
    Vec<T> near_zero = r + tail;
    return where(abs(x) < T(1e-30), x, where(n == 0, near_zero, sum));
}
RUSHLIGHT_INLINE Vec<float> expm1(Vec<float> x) { return expm1_of_real(x); }
RUSHLIGHT_INLINE Vec<double> expm1(Vec<double> x) { return expm1_of_real(x); }

// ---- logarithms --------------------------------------------------------------------------------------------------

// x = 2^exponent * (1 + f) with 1 + f in [3/4, 3/2), for x > 0.
template <class T> struct LogReduction { Vec<T> exponent, f; };
template <class T>
RUSHLIGHT_INLINE LogReduction<T> reduce_for_log(Vec<T> x) {
#if defined(__AVX512F__)
    // These instructions know subnormals, and give the logarithm's own value at zero, below zero, at infinity and NaN.
    if constexpr (same_type<T, float>) {
        __m512 m = _mm512_getmant_ps((__m512)x.v, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_nan);
        __m512 e = _mm512_sub_ps(_mm512_getexp_ps((__m512)x.v), _mm512_getexp_ps(m));
        return {Vec<T>::raw((Raw<T>)e), Vec<T>::raw((Raw<T>)m) - 1};
    } else {
        __m512d m = _mm512_getmant_pd((__m512d)x.v, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_nan);
        __m512d e = _mm512_sub_pd(_mm512_getexp_pd((__m512d)x.v), _mm512_getexp_pd(m));
        return {Vec<T>::raw((Raw<T>)e), Vec<T>::raw((Raw<T>)m) - 1};
    }
#else
    using F = Format<T>;
    using U = UnsignedFor<T>;
    Mask<T> small = x < F::smallest_normal;
    Raw<U> b = bits(where(small, x * F::lift, x)) + U(F::one - F::three_quarters);
    // The biased exponent becomes a number by way of the low bits of 2^mantissa_bits.
    Vec<T> exponent = from_bits<T>((b >> F::mantissa_bits) | U(F::two_to_mantissa)) -
                      (T(U(1) << F::mantissa_bits) + T(F::bias));
    exponent = where(small, exponent - F::lift_bits, exponent);
    return {exponent, from_bits<T>((b & U(F::mantissa)) + U(F::three_quarters)) - 1};
#endif
}
// The values at 0, infinity and below zero, in place of what the algorithm left there.
template <class T>
RUSHLIGHT_INLINE Vec<T> log_edges(Vec<T> x, Vec<T> result) {
    Vec<T> edge = where(x == 0, Vec<T>(-infinity<T>), where(x < 0, Vec<T>(not_a_number<T>), x));
    return where((x > 0) & (x < infinity<T>), result, edge);
}

// log(1 + f) + exponent ln(2) + extra, where extra is tiny.
RUSHLIGHT_INLINE Vec<float> assemble_log(Vec<float> exponent, Vec<float> f, Vec<float> extra) {
    Vec<float> p = polynomial(f, 0.3333333707, -0.2500016638, 0.1999984617, -0.1665554867, 0.1427044829, -0.1271487635,
                              0.1173680837, -0.09254079072, 0.03881401747);
    Vec<float> z = f * f;
    Vec<float> low = multiply_add(exponent, Vec<float>(Format<float>::ln2_low), extra);
    Vec<float> tail = multiply_add(f * z, p, multiply_add(z, Vec<float>(-0.5f), low));
    return multiply_add(exponent, Vec<float>(Format<float>::ln2_high), f + tail);
}
RUSHLIGHT_INLINE Vec<double> assemble_log(Vec<double> exponent, Vec<double> f, Vec<double> extra) {
    // log(1 + f) = log((1 + s) / (1 - s)) with s = f / (2 + f): an odd series in s.
    Vec<double> s = f / (f + 2), z = s * s, half_square = 0.5 * f * f;
    Vec<double> series = z * polynomial(z, 0.666666666666665959, 0.400000000000569522, 0.285714285557678845,
                                        0.222222243028524246, 0.181816655121118835, 0.153911233736480887,
                                        0.131734128830311404, 0.138442717704737005);
    Vec<double> low = multiply_add(exponent, Vec<double>(Format<double>::ln2_low), extra);
    Vec<double> small = half_square - multiply_add(s, half_square + series, low);
    return multiply_add(exponent, Vec<double>(Format<double>::ln2_high), f - small);
}
template <class T>
RUSHLIGHT_INLINE Vec<T> log_of_real(Vec<T> x) {
    auto [e, f] = reduce_for_log(x);
    Vec<T> result = assemble_log(e, f, Vec<T>(0));
#if defined(__AVX512F__)
    return result;
#else
    return log_edges(x, result);
#endif
}
RUSHLIGHT_INLINE Vec<float> log(Vec<float> x) { return log_of_real(x); }
RUSHLIGHT_INLINE Vec<double> log(Vec<double> x) { return log_of_real(x); }

template <class T>
RUSHLIGHT_INLINE Vec<T> log1p_of_real(Vec<T> x) {
    Vec<T> u = x + 1;
    auto [e, f] = reduce_for_log(u);
    Vec<T> lost = where(u < 2, x - (u - 1), 1 - (u - x));            // what rounding took from u
    Vec<T> result = log_edges(u, assemble_log(e, f, lost / u));
    return where(abs(x) < (sizeof(T) == 4 ? T(0x1p-25) : T(0x1p-54)), x, result);
}
RUSHLIGHT_INLINE Vec<float> log1p(Vec<float> x) { return log1p_of_real(x); }
RUSHLIGHT_INLINE Vec<double> log1p(Vec<double> x) { return log1p_of_real(x); }
RUSHLIGHT_INLINE Vec<float> log2(Vec<float> x) {
    return in_double(x, [](Vec<double> a) { return log(a) * 1.44269504088896340736; });
}
RUSHLIGHT_INLINE Vec<float> log10(Vec<float> x) {
    return in_double(x, [](Vec<double> a) { return log(a) * 0.43429448190325182765; });
}
RUSHLIGHT_INLINE Vec<double> log2(Vec<double> x) {
    return lanes(x, [](double a) { return __builtin_log2(a); });
}
RUSHLIGHT_INLINE Vec<double> log10(Vec<double> x) {
    return lanes(x, [](double a) { return __builtin_log10(a); });
}

// ---- hyperbolic functions ----------------------------------------------------------------------------------------

RUSHLIGHT_INLINE Vec<float> tanh_tail(Vec<float> z) {
    return polynomial(z, -0.3333328392, 0.1333149122, -0.05374349305, 0.02065057155, -0.005717027938);
}
RUSHLIGHT_INLINE Vec<double> tanh_tail(Vec<double> z) {
    return polynomial(z, -0.333333333333333138, 0.133333333333298896, -0.0539682539661344148, 0.0218694884706538932,
                      -0.00886323434149992967, 0.00359211427125560056, -0.00145572761655163296, 0.000589458621722972726,
                      -0.000237030121019966318, 0.0000915898045002699569, -0.0000302179722268499804,
                      6.05563745658241524e-6);
}
template <class T>
RUSHLIGHT_INLINE Vec<T> tanh_of_real(Vec<T> x) {
    Vec<T> a = abs(x), z = x * x;
    Vec<T> near = multiply_add(a * z, tanh_tail(z), a), far = 1 - 2 / (exp(a + a) + 1);
    return copysign(where(a < T(0.625), near, far), x);
}
RUSHLIGHT_INLINE Vec<float> tanh(Vec<float> x) { return tanh_of_real(x); }
RUSHLIGHT_INLINE Vec<double> tanh(Vec<double> x) { return tanh_of_real(x); }

RUSHLIGHT_INLINE Vec<float> sinh(Vec<float> x) {
    return in_double(x, [](Vec<double> a) {
        Vec<double> b = abs(a);
        Vec<double> t = expm1(where(b > 200, Vec<double>(200), b));      // far beyond float32's range
        return copysign(0.5 * (t + t / (t + 1)), a);
    });
}
RUSHLIGHT_INLINE Vec<float> cosh(Vec<float> x) {
    return in_double(x, [](Vec<double> a) {
        Vec<double> t = exp(abs(a));
        return 0.5 * (t + 1 / t);
    });
}
RUSHLIGHT_INLINE Vec<float> asinh(Vec<float> x) {
    return in_double(x, [](Vec<double> a) {
        Vec<double> b = abs(a), square = b * b;
        return where(b < infinity<double>, copysign(log1p(b + square / (1 + sqrt(1 + square))), a), a);
    });
}
RUSHLIGHT_INLINE Vec<float> acosh(Vec<float> x) {
    return in_double(x, [](Vec<double> a) {
        Vec<double> t = a - 1;
        return where(a < 1, Vec<double>(not_a_number<double>), log1p(t + sqrt(t * (a + 1))));
    });
}
RUSHLIGHT_INLINE Vec<float> atanh(Vec<float> x) {
    return in_double(x, [](Vec<double> a) {
        Vec<double> b = abs(a);
        return copysign(0.5 * log1p(2 * b / (1 - b)), a);
    });
}
RUSHLIGHT_INLINE Vec<double> sinh(Vec<double> x) { return lanes(x, [](double a) { return __builtin_sinh(a); }); }
RUSHLIGHT_INLINE Vec<double> cosh(Vec<double> x) { return lanes(x, [](double a) { return __builtin_cosh(a); }); }
RUSHLIGHT_INLINE Vec<double> asinh(Vec<double> x) { return lanes(x, [](double a) { return __builtin_asinh(a); }); }
RUSHLIGHT_INLINE Vec<double> acosh(Vec<double> x) { return lanes(x, [](double a) { return __builtin_acosh(a); }); }
RUSHLIGHT_INLINE Vec<double> atanh(Vec<double> x) { return lanes(x, [](double a) { return __builtin_atanh(a); }); }

// ---- trigonometric functions -------------------------------------------------------------------------------------

// x = quadrant * pi/2 + r with |r| <= pi/4, for |x| <= trig_limit; pi/2 is split into three parts of 33 bits, whose
// products with the quadrant are exact.
inline constexpr double trig_limit = 1.0e6;
struct TrigReduction { Vec<double> r; Raw<uint64_t> quadrant; };
RUSHLIGHT_INLINE TrigReduction reduce_for_trig(Vec<double> x) {
    Vec<double> t = multiply_add(x, Vec<double>(0.63661977236758134308), Vec<double>(Format<double>::magic));
    Vec<double> n = t - Format<double>::magic;
    Vec<double> r = multiply_add(n, Vec<double>(-1.57079632673412561417e+00), x);
    r = multiply_add(n, Vec<double>(-6.07710050630396597660e-11), r);
    r = multiply_add(n, Vec<double>(-2.02226624879595063154e-21), r);
    return {r, bits(t)};
}
RUSHLIGHT_INLINE Vec<double> sin_near_zero(Vec<double> r) {
    Vec<double> z = r * r;
    Vec<double> p = polynomial(z, -0.166666666666666317, 0.00833333333332231541, -0.00019841269829725346,
                               2.75573136620949341e-6, -2.50507532692797965e-8, 1.58965051784975138e-10);
    return multiply_add(r * z, p, r);
}
RUSHLIGHT_INLINE Vec<double> cos_near_zero(Vec<double> r) {
    Vec<double> z = r * r, half = 0.5 * z, w = 1 - half;
    Vec<double> p = polynomial(z, 0.0416666666666665987, -0.00138888888888739909, 0.0000248015872893949495,
                               -2.75573143260204685e-7, 2.08757195555299846e-9, -1.13594484442025242e-11);
    return w + multiply_add(z * z, p, (1 - w) - half);
}
RUSHLIGHT_INLINE Mask<double> odd_quadrant(Raw<uint64_t> quadrant) {
    return Mask<double>{(Raw<int64_t>)(-(quadrant & uint64_t(1)))};
}
RUSHLIGHT_INLINE Vec<double> sin_in_range(Vec<double> x) {
    auto [r, quadrant] = reduce_for_trig(x);
    Vec<double> s = where(odd_quadrant(quadrant), cos_near_zero(r), sin_near_zero(r));
    return from_bits<double>(bits(s) ^ ((quadrant & uint64_t(2)) << 62));
}
RUSHLIGHT_INLINE Vec<double> cos_in_range(Vec<double> x) {
    auto [r, quadrant] = reduce_for_trig(x);
    Vec<double> c = where(odd_quadrant(quadrant), sin_near_zero(r), cos_near_zero(r));
    return from_bits<double>(bits(c) ^ (((quadrant + uint64_t(1)) & uint64_t(2)) << 62));
}
RUSHLIGHT_INLINE Vec<double> tan_in_range(Vec<double> x) {
    auto [r, quadrant] = reduce_for_trig(x);
    Vec<double> s = sin_near_zero(r), c = cos_near_zero(r);
    Mask<double> odd = odd_quadrant(quadrant);
    Vec<double> t = where(odd, c, s) / where(odd, s, c);
    return from_bits<double>(bits(t) ^ ((quadrant & uint64_t(1)) << 63));
}
// sin(-0.0) is -0.0, which the reduction of quadrant 0 keeps: r = -0.0 + 0 * ... would not.
template <class T>
RUSHLIGHT_INLINE Vec<T> keep_zero(Vec<T> x, Vec<T> y) { return where(x == 0, x, y); }

template <class T, class In, class Libm>
RUSHLIGHT_INLINE Vec<T> with_huge_arguments(Vec<T> x, In in_range, Libm libm) {
    Vec<T> y;
    if constexpr (same_type<T, float>) y = in_double(x, in_range);
    else y = in_range(x);
    Mask<T> huge = abs(x) > T(trig_limit);
    if (__builtin_expect(any(huge), 0)) y = repair_lanes(huge, x, y, libm);
    return y;
}
RUSHLIGHT_INLINE Vec<double> sin(Vec<double> x) {
    return keep_zero(x, with_huge_arguments(x, [](Vec<double> a) { return sin_in_range(a); },
                                            [](double a) { return __builtin_sin(a); }));
}
RUSHLIGHT_INLINE Vec<double> cos(Vec<double> x) {
    return with_huge_arguments(
        x, [](Vec<double> a) { return cos_in_range(a); }, [](double a) { return __builtin_cos(a); });
}
__attribute__((noinline)) inline Vec<float> sin_by_double(Vec<float> x) {
    return with_huge_arguments(
        x, [](Vec<double> a) { return sin_in_range(a); }, [](double a) { return __builtin_sin(a); });
}
__attribute__((noinline)) inline Vec<float> cos_by_double(Vec<float> x) {
    return with_huge_arguments(
        x, [](Vec<double> a) { return cos_in_range(a); }, [](double a) { return __builtin_cos(a); });
}

#if defined(__FMA__)
// The same in float32: with fused products three parts of 24 bits suffice for |x| <= float_trig_limit.
inline constexpr float float_trig_limit = 20000;
struct FloatTrigReduction { Vec<float> sine, cosine; Raw<uint32_t> quadrant; };
RUSHLIGHT_INLINE FloatTrigReduction reduce_for_float_trig(Vec<float> x) {
    Vec<float> t = fma(x, Vec<float>(0.63661977236758134308), Vec<float>(Format<float>::magic));
    Vec<float> n = t - Format<float>::magic;
    Vec<float> r = fma(n, Vec<float>(-1.57079637050628662109375), x);
    r = fma(n, Vec<float>(4.37113900018624283e-8), r);
    r = fma(n, Vec<float>(1.71512451e-15), r);
    Vec<float> z = r * r;
    Vec<float> sine = fma(r * z, polynomial(z, -0.1666666664, 0.00833332889, -0.0001983917609, 2.716810059e-6), r);
    Vec<float> cosine = fma(z * z, polynomial(z, 0.04166664438, -0.001388724274, 2.442388866e-5),
                            fma(z, Vec<float>(-0.5f), Vec<float>(1)));
    return {sine, cosine, bits(t)};
}
RUSHLIGHT_INLINE Mask<float> odd_quadrant(Raw<uint32_t> quadrant) {
    return Mask<float>{(Raw<int32_t>)(-(quadrant & uint32_t(1)))};
}
RUSHLIGHT_INLINE Vec<float> sin_in_float_range(Vec<float> x) {
    auto [s, c, quadrant] = reduce_for_float_trig(x);
    Vec<float> y = where(odd_quadrant(quadrant), c, s);
    return from_bits<float>(bits(y) ^ ((quadrant & uint32_t(2)) << 30));
}
RUSHLIGHT_INLINE Vec<float> cos_in_float_range(Vec<float> x) {
    auto [s, c, quadrant] = reduce_for_float_trig(x);
    Vec<float> y = where(odd_quadrant(quadrant), s, c);
    return from_bits<float>(bits(y) ^ (((quadrant + uint32_t(1)) & uint32_t(2)) << 30));
}
// Only the huge lanes take the long way, so that no result depends on its neighbours.
__attribute__((noinline)) inline Vec<float> sin_of_any(Vec<float> x) {
    return where(abs(x) > float_trig_limit, sin_by_double(x), sin_in_float_range(x));
}
__attribute__((noinline)) inline Vec<float> cos_of_any(Vec<float> x) {
    return where(abs(x) > float_trig_limit, cos_by_double(x), cos_in_float_range(x));
}
RUSHLIGHT_INLINE Vec<float> sin(Vec<float> x) {
    if (__builtin_expect(any(abs(x) > float_trig_limit), 0)) return keep_zero(x, sin_of_any(x));
    return keep_zero(x, sin_in_float_range(x));
}
RUSHLIGHT_INLINE Vec<float> cos(Vec<float> x) {
    if (__builtin_expect(any(abs(x) > float_trig_limit), 0)) return cos_of_any(x);
    return cos_in_float_range(x);
}
#else
RUSHLIGHT_INLINE Vec<float> sin(Vec<float> x) { return keep_zero(x, sin_by_double(x)); }
RUSHLIGHT_INLINE Vec<float> cos(Vec<float> x) { return cos_by_double(x); }
#endif
RUSHLIGHT_INLINE Vec<float> tan(Vec<float> x) {
    return keep_zero(x, with_huge_arguments(x, [](Vec<double> a) { return tan_in_range(a); },
                                            [](double a) { return __builtin_tan(a); }));
}
RUSHLIGHT_INLINE Vec<double> tan(Vec<double> x) { return lanes(x, [](double a) { return __builtin_tan(a); }); }

// atan on [0, 1], to float32's precision.
RUSHLIGHT_INLINE Vec<double> atan_near_zero(Vec<double> x) {
    Vec<double> z = x * x;
    Vec<double> p =
        polynomial(z, -0.333333322352704931, 0.199999321968006299, -0.14284250868674885, 0.110952025384704834,
                   -0.0898879266661807072, 0.0726938637928113213, -0.0547045323492964577, 0.0347047180281329553,
                   -0.0164715052891964652, 0.00499933842376193747, -0.000711308912193059154);
    return multiply_add(x * z, p, x);
}
inline constexpr double half_pi = 1.57079632679489661923, whole_pi = 3.14159265358979323846;

RUSHLIGHT_INLINE Vec<double> atan_for_float(Vec<double> x) {
    Vec<double> a = abs(x);
    Mask<double> far = a > 1;
    Vec<double> p = atan_near_zero(where(far, 1 / a, a));
    return copysign(where(far, half_pi - p, p), x);
}
RUSHLIGHT_INLINE Vec<double> atan2_for_float(Vec<double> y, Vec<double> x) {
    Vec<double> b = abs(y), a = abs(x);
    Mask<double> steep = b > a;
    Vec<double> large = where(steep, b, a), small = where(steep, a, b);
    Vec<double> ratio =
        where(large == 0, Vec<double>(0), where(small == infinity<double>, Vec<double>(1), small / large));
    Vec<double> p = atan_near_zero(ratio);
    p = where(steep, half_pi - p, p);
    p = where(signbit(x), whole_pi - p, p);
    return where((x != x) | (y != y), x + y, copysign(p, y));
}
RUSHLIGHT_INLINE Vec<float> atan(Vec<float> x) {
    Vec<float> a = abs(x);
    Mask<float> far = a > 1;
    Vec<float> t = where(far, Vec<float>(1), a) / where(far, a, Vec<float>(1)), z = t * t;
    Vec<float> p = polynomial(z, -0.3333330187, 0.1999863865, -0.1426524542, 0.109575753, -0.08419454353, 0.05823444382,
                              -0.03145557841, 0.01106436823, -0.00182719562);
    p = multiply_add(t * z, p, t);
    // pi/2 in two parts, the second of which rounding would lose.
    return copysign(where(far, 1.57079637050628662109375f - (p + 4.37113900018624283e-8f), p), x);
}
RUSHLIGHT_INLINE Vec<float> asin(Vec<float> x) {
    return in_double(x, [](Vec<double> a) { return atan_for_float(a / sqrt((1 - a) * (1 + a))); });
}
RUSHLIGHT_INLINE Vec<float> acos(Vec<float> x) {
    return in_double(x, [](Vec<double> a) { return 2 * atan_for_float(sqrt((1 - a) / (1 + a))); });
}
RUSHLIGHT_INLINE Vec<float> atan2(Vec<float> y, Vec<float> x) {
    return in_double(y, x, [](Vec<double> b, Vec<double> a) { return atan2_for_float(b, a); });
}
RUSHLIGHT_INLINE Vec<double> atan(Vec<double> x) { return lanes(x, [](double a) { return __builtin_atan(a); }); }
RUSHLIGHT_INLINE Vec<double> asin(Vec<double> x) { return lanes(x, [](double a) { return __builtin_asin(a); }); }
RUSHLIGHT_INLINE Vec<double> acos(Vec<double> x) { return lanes(x, [](double a) { return __builtin_acos(a); }); }
RUSHLIGHT_INLINE Vec<double> atan2(Vec<double> y, Vec<double> x) {
    return lanes(y, x, [](double b, double a) { return __builtin_atan2(b, a); });
}

// ---- error function and its relatives ----------------------------------------------------------------------------

#if defined(__AVX512F__)
// Around the centres 1/8, 3/8, ... 31/8: the coefficients of a polynomial in the distance, looked up in registers.
// Below 1 it gives erf(x) / x, from 1 on erf(x).
alignas(64) inline constexpr float erf_coefficients[6][16] = {
    {1.12252964, 1.07764509, 0.997185413, 0.896085786, 0.888388234, 0.948170075, 0.978443735, 0.991990058, 0.99734597,
     0.999217061, 0.999794624, 0.999952145, 0.999990103, 0.999998185, 0.999999705, 0.999999957},
    {-0.0931549468, -0.25944608, -0.373897393, -0.42438941, 0.318273962, 0.17035977, 0.0804722539, 0.0335458248,
     0.0123408193, 0.00400647795, 0.00114787561, 0.000290228661, 6.47588745e-5, 1.27518144e-5, 2.21594307e-6,
     3.39828213e-7},
    {-0.365642275, -0.288495272, -0.165264859, -0.0397309487, -0.358060318, -0.234247719, -0.130769398, -0.0628989958,
     -0.026223999, -0.00951495938, -0.00301286383, -0.000834249324, -0.000202308406, -4.30168393e-5, -8.02721641e-6,
     -1.31555352e-6},
    {0.055376768, 0.142984898, 0.175344023, 0.151600843, 0.162450398, 0.157938717, 0.114842585, 0.0674425391,
     0.0330379444, 0.0137304986, 0.00489022981, 0.00150238285, 0.000399942295, 9.25531381e-5, 1.86645201e-5,
     3.28613007e-6},
    {0.106052576, 0.0626983515, 0.00198034282, -0.0444001399, 0.0283349561, -0.0299829382, -0.0493812697, -0.0421631214,
     -0.0264028791, -0.0132059374, -0.00546693493, -0.00190853657, -0.000568222062, -0.000145342715, -3.21035903e-5,
     -6.14643589e-6},
    {-0.0194142984, -0.0462020794, -0.0464203091, -0.0255043172, -0.0610670881, -0.0306805712, -0.002336636,
     0.0113077488, 0.0124371206, 0.00836111456, 0.00423907298, 0.00172977257, 0.000585307288, 0.000166982304,
     4.05842497e-5, 8.46233405e-6},
};
RUSHLIGHT_INLINE Vec<float> erf(Vec<float> x) {
    Vec<float> a = abs(x), b = where(a < 3.99f, a, Vec<float>(3.99f)); // NaN goes there too, and comes back below
    __m512i index = _mm512_cvttps_epi32((__m512)(b * 4).v);
    Vec<float> d = b - (Vec<float>::raw((Raw<float>)_mm512_cvtepi32_ps(index)) * 0.25f + 0.125f);
    auto coefficient = [&](int k) {
        return Vec<float>::raw((Raw<float>)_mm512_permutexvar_ps(index, _mm512_load_ps(erf_coefficients[k])));
    };
    Vec<float> q = coefficient(5);
    for (int k = 4; k >= 0; k--) q = fma(q, d, coefficient(k));
    Vec<float> sure = where(a < 3.92f, copysign(q, x), copysign(Vec<float>(1), x));
    return where(a < 1, x * q, where(a == a, sure, x));
}
#else
RUSHLIGHT_INLINE Vec<float> erf(Vec<float> x) {
    Vec<float> a = abs(x), z = x * x;
    Vec<float> near = multiply_add(x,
                                   polynomial(z, 0.1283791666, -0.376126337, 0.1128369394, -0.0268592708,
                                              0.005200634304, -0.0008137437216, 8.345222618e-5),
                                   x);
    // log(erfc(a)) is smooth: a polynomial, then 1 - exp of it.
    Vec<float> b = where(a > 4.0f, Vec<float>(4.0f), a);
    Vec<float> q = polynomial(b, -0.1285517519, -0.6356252504, -0.1052627476, 0.0226741935, -0.002930194729,
                              4.96013448e-5, 4.557808827e-5, -4.937940727e-6);
    Vec<float> far = copysign(1 - exp(multiply_add(q, b, -b)), x);
    return where(a < 0.92f, near, where(a == a, far, x));
}
#endif
RUSHLIGHT_INLINE Vec<double> erf(Vec<double> x) { return lanes(x, [](double a) { return __builtin_erf(a); }); }
template <class T> RUSHLIGHT_INLINE Vec<T> erfc(Vec<T> x) {
    return lanes(x, [](T a) { return T(__builtin_erfc(double(a))); });
}
template <class T> RUSHLIGHT_INLINE Vec<T> erfinv(Vec<T> x) {
    return lanes(x, [](T a) { return T(scalar::erfinv(double(a))); });
}
RUSHLIGHT_INLINE Vec<double> lgamma(Vec<double> x) { return lanes(x, [](double a) { return scalar::lgamma(a); }); }
// Stirling's series (DLMF 5.11.1) in double precision, eight steps further up for small arguments: what cancels near 1
// and 2 is then far below a float's last place.
RUSHLIGHT_INLINE Vec<double> lgamma_of_positive(Vec<double> x) {
    Vec<double> steps = x * (x + 1) * (x + 2) * (x + 3) * ((x + 4) * (x + 5) * (x + 6) * (x + 7));
    Mask<double> small = x < 8;
    Vec<double> z = where(small, x + 8, x), w = 1 / z, log_z = log(z);
    Vec<double> tail =
        w * polynomial(w * w, 1 / 12.0, -1 / 360.0, 1 / 1260.0, -1 / 1680.0, 1 / 1188.0, -691 / 360360.0);
    Vec<double> y = multiply_add(z - 0.5, log_z, 0.91893853320467274178 - z) + tail;
    y -= log(where(small, steps, Vec<double>(1)));
    return where(x == infinity<double>, x, where((x == 1) | (x == 2), Vec<double>(0), y));
}
RUSHLIGHT_INLINE Vec<float> lgamma(Vec<float> x) {
    Vec<float> y = in_double(x, [](Vec<double> a) { return lgamma_of_positive(a); });
    Mask<float> others = x <= 0;
    if (__builtin_expect(any(others), 0))
        y = repair_lanes(others, x, y, [](float a) { return float(scalar::lgamma(double(a))); });
    return y;
}
template <class T> RUSHLIGHT_INLINE Vec<T> digamma(Vec<T> x) {
    return lanes(x, [](T a) { return T(scalar::digamma(double(a))); });
}

template <class T> RUSHLIGHT_INLINE Vec<T> square(Vec<T> x) { return x * x; }
template <class T> RUSHLIGHT_INLINE Vec<T> reciprocal(Vec<T> x) { return 1 / x; }
template <class T> RUSHLIGHT_INLINE Vec<T> rsqrt(Vec<T> x) { return 1 / sqrt(x); }
template <class T> RUSHLIGHT_INLINE Vec<T> sigmoid(Vec<T> x) {
    Vec<T> t = exp(-abs(x));
    return where(x < 0, t, Vec<T>(1)) / (1 + t);
}
// log(sigmoid(x)), which neither overflows nor cancels.
template <class T> RUSHLIGHT_INLINE Vec<T> logsigmoid(Vec<T> x) { return minimum(x, Vec<T>(0)) - log1p(exp(-abs(x))); }
// log(1 + exp(x)).
template <class T> RUSHLIGHT_INLINE Vec<T> softplus(Vec<T> x) { return maximum(x, Vec<T>(0)) + log1p(exp(-abs(x))); }

// ---- powers ------------------------------------------------------------------------------------------------------

RUSHLIGHT_INLINE Vec<double> pow_for_float(Vec<double> x, Vec<double> y) {
    Vec<double> a = abs(x);
    Vec<double> r = exp2(y * (log(a) * 1.44269504088896340736));
    Mask<double> whole = trunc(y) == y;
    Vec<double> half = 0.5 * y;
    Mask<double> odd = whole & (trunc(half) != half) & (abs(y) < infinity<double>);
    r = where(signbit(x) & odd, -r, r);
    r = where((x < 0) & (x > -infinity<double>) & !whole, Vec<double>(not_a_number<double>), r);
    r = where((a == 1) & (abs(y) == infinity<double>), Vec<double>(1), r);
    return where((x == 1) | (y == 0), Vec<double>(1), r);
}
// Powers that have a short cut which is as exact. A lane takes it whatever its neighbours' powers are, so that no
// result depends on them; `done` says whether the whole register did.
template <class T>
RUSHLIGHT_INLINE Vec<T> common_power(Vec<T> x, Vec<T> y, bool& done) {
    const T power = y[0];
    done = all(y == power);
    if (!done) return x;
    if (power == 2) return x * x;
    if (power == 3) return x * x * x;
    if (power == -1) return 1 / x;
    if (power == T(0.5)) return where(x == -infinity<T>, Vec<T>(infinity<T>), sqrt(x + 0));      // sqrt(-0.0) is -0.0
    done = false;
    return x;
}
template <class T>
RUSHLIGHT_INLINE Vec<T> with_common_powers(Vec<T> x, Vec<T> y, Vec<T> r) {
    if (all(y == y[0])) return r;
    r = where(y == 2, x * x, r);
    r = where(y == 3, x * x * x, r);
    r = where(y == -1, 1 / x, r);
    return where(y == T(0.5), where(x == -infinity<T>, Vec<T>(infinity<T>), sqrt(x + 0)), r);
}
RUSHLIGHT_INLINE Vec<float> pow(Vec<float> x, Vec<float> y) {
    bool done;
    Vec<float> r = common_power(x, y, done);
    if (done) return r;
    r = in_double(x, y, [](Vec<double> a, Vec<double> b) { return pow_for_float(a, b); });
    return with_common_powers(x, y, r);
}
RUSHLIGHT_INLINE Vec<double> pow(Vec<double> x, Vec<double> y) {
    bool done;
    Vec<double> r = common_power(x, y, done);
    if (done) return r;
    return with_common_powers(x, y, lanes(x, y, [](double a, double b) { return __builtin_pow(a, b); }));
}

}  // namespace isa
}  // namespace rushlight
