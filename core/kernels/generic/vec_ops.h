// Functions of Vec<T> that are operators of PyTorch rather than of the mathematical library: integer division,
// remainders, shifts, and the like. No integer operation traps or overflows undefinedly.
#pragma once

#include "kernels/generic/vec.h"
#include "kernels/generic/vec_math.h"

namespace rushlight {
inline namespace RUSHLIGHT_ISA_SPACE {

// The type of a parameter that converts instead of being deduced, so that a number may stand for it.
template <class V> struct PlainType { using type = V; };
template <class V> using Plain = typename PlainType<V>::type;

template <class T> inline constexpr bool is_signed_integer = !is_real<T> && T(-1) < T(0);
template <class T> inline constexpr T lowest_integer = T(UnsignedFor<T>(1) << (8 * sizeof(T) - 1));

// A double as T: integers saturate and a NaN becomes 0.
template <class T>
RUSHLIGHT_INLINE typename LaneFor<T>::type number_as(double d) {
    if constexpr (is_real<T>) return T(d);
    else if constexpr (is_bool<T>) return d != 0;
    else {
        constexpr bool has_sign = T(-1) < T(0);
        constexpr int value_bits = 8 * int(sizeof(T)) - (has_sign ? 1 : 0);
        constexpr double end = double(uint64_t(1) << (value_bits - 1)) * 2;
        constexpr T highest = T(UnsignedFor<T>(-1) >> (has_sign ? 1 : 0));
        if (!(d == d)) return 0;
        if (d >= end) return highest;
        if (has_sign ? d < -end : d <= -1) return has_sign ? T(~highest) : T(0);
        return T(d);
    }
}

// ---- division ----------------------------------------------------------------------------------------------------

template <class T> inline T divide_integers(T a, T b) {
    if (b == 0) return 0;                                       // the caller has refused it already
    if (is_signed_integer<T> && b == T(-1)) return T(UnsignedFor<T>(0) - UnsignedFor<T>(a));
    return T(a / b);
}
template <class T> inline T modulo_integers(T a, T b) {
    if (b == 0 || (is_signed_integer<T> && b == T(-1))) return 0;
    return T(a % b);
}

// The remainder with the dividend's sign.
RUSHLIGHT_INLINE Vec<double> fmod(Vec<double> x, Vec<double> y) {
    return lanes(x, y, [](double a, double b) { return __builtin_fmod(a, b); });
}
RUSHLIGHT_INLINE Vec<float> fmod(Vec<float> x, Vec<float> y) {
#if defined(__FMA__)
    // With a quotient below 2^22 the fused remainder is exact; where the quotient was rounded up, it is one `y` short.
    Vec<float> a = abs(x), b = abs(y), q = a / b;
    if (all((q < 0x1p22f) & (b > 0x1p-100f) & (b < infinity<float>))) {
        Vec<float> r = fma(-trunc(q), b, a);
        return copysign(where(r < 0, r + b, r), x);
    }
#endif
    return lanes(x, y, [](float a, float b) { return __builtin_fmodf(a, b); });
}
template <class T> RUSHLIGHT_INLINE Vec<T> fmod(Vec<T> x, Vec<T> y) {
    return lanes(x, y, [](T a, T b) { return modulo_integers(a, b); });
}

// The remainder with the divisor's sign, as Python's %.
template <class T> RUSHLIGHT_INLINE Vec<T> remainder(Vec<T> x, Vec<T> y) {
    if constexpr (is_real<T>) {
        Vec<T> r = fmod(x, y);
        return where(r == 0, copysign(r, y), where((r < 0) ^ (y < 0), r + y, r));
    } else {
        return lanes(x, y, [](T a, T b) {
            T r = modulo_integers(a, b);
            return r != 0 && (r < 0) != (b < 0) ? T(r + b) : r;
        });
    }
}
#if defined(__AVX512DQ__)
// Of dividends below 2^52 the quotient in double precision, truncated, is exact: it is too far from the next integer to
// be rounded to it. Ten times as fast as dividing integers.
RUSHLIGHT_INLINE Vec<int64_t> floor_divide_small(Vec<int64_t> x, Vec<int64_t> y) {
    Raw<double> quotient = __builtin_convertvector(x.v, Raw<double>) / __builtin_convertvector(y.v, Raw<double>);
    Vec<int64_t> q = Vec<int64_t>::raw(__builtin_convertvector(quotient, Raw<int64_t>)), r = x - q * y;
    return where((r != 0) & ((r < 0) ^ (y < 0)), q - 1, q);
}
#endif

template <class T> RUSHLIGHT_INLINE Vec<T> floor_divide(Vec<T> x, Vec<T> y) {
#if defined(__AVX512DQ__)
    if constexpr (same_type<T, int64_t>)
        if (all((x < (int64_t(1) << 52)) & (x > -(int64_t(1) << 52)) & (y != 0))) return floor_divide_small(x, y);
#endif
    if constexpr (is_real<T>) {
        // From the exact remainder, since the quotient itself may round up to the next integer.
        Vec<T> r = fmod(x, y), q = (x - r) / y;
        q = where((r != 0) & ((r < 0) ^ (y < 0)), q - 1, q);
        Vec<T> whole = floor(q);
        whole = where(q - whole > T(0.5), whole + 1, whole);
        Vec<T> quotient = x / y;
        whole = where(q == 0, copysign(Vec<T>(0), quotient), whole);
        return where(y == 0, quotient, whole);
    } else {
        return lanes(x, y, [](T a, T b) {
            using U = UnsignedFor<T>;
            if (b == 0) return T(0);                                  // the caller has refused it already
            T q = divide_integers(a, b), r = T(U(a) - U(U(q) * U(b)));            // a second division would cost more
            return r != 0 && (r < 0) != (b < 0) ? T(q - 1) : q;
        });
    }
}
// The quotient rounded down: infinity where x is infinite, 0 where y is.
template <class T> RUSHLIGHT_INLINE Vec<T> floor_quotient(Vec<T> x, Vec<T> y) {
    if constexpr (is_real<T>) return floor(x / y);
    else return floor_divide(x, y);
}
template <class T> RUSHLIGHT_INLINE Vec<T> trunc_divide(Vec<T> x, Vec<T> y) {
    if constexpr (is_real<T>) return trunc(x / y);
    else return lanes(x, y, [](T a, T b) { return divide_integers(a, b); });
}

// ---- integers ----------------------------------------------------------------------------------------------------

// A shift by the width or more, or by a negative count, shifts everything out.
template <class T> RUSHLIGHT_INLINE Vec<T> left_shift(Vec<T> x, Vec<T> count) {
    using U = UnsignedFor<T>;
    constexpr U width = 8 * sizeof(T);
    Raw<U> n = bits(count);
    return from_bits<T>((bits(x) << (n & U(width - 1))) & (Raw<U>)(n < width));
}
template <class T> RUSHLIGHT_INLINE Vec<T> right_shift(Vec<T> x, Vec<T> count) {
    using U = UnsignedFor<T>;
    constexpr U last = 8 * sizeof(T) - 1;
    Raw<U> n = bits(count), limited = n < last ? n : Raw<U>{} + last;
    if constexpr (is_signed_integer<T>) return Vec<T>::raw(x.v >> (Raw<T>)limited);
    else return from_bits<T>((bits(x) >> limited) & (Raw<U>)(n <= last));
}
template <class T> inline UnsignedFor<T> magnitude(T a) {
    return a < 0 ? UnsignedFor<T>(0) - UnsignedFor<T>(a) : UnsignedFor<T>(a);
}
template <class U> inline U gcd_of_magnitudes(U a, U b) {
    while (b) {
        U r = U(a % b);
        a = b;
        b = r;
    }
    return a;
}
template <class T> RUSHLIGHT_INLINE Vec<T> gcd(Vec<T> x, Vec<T> y) {
    return lanes(x, y, [](T a, T b) { return T(gcd_of_magnitudes(magnitude(a), magnitude(b))); });
}
template <class T> RUSHLIGHT_INLINE Vec<T> lcm(Vec<T> x, Vec<T> y) {
    return lanes(x, y, [](T a, T b) {
        using U = UnsignedFor<T>;
        U divisor = gcd_of_magnitudes(magnitude(a), magnitude(b));
        // The product in 64 bits: narrow unsigned types would be promoted to int, which must not overflow.
        return divisor ? T(magnitude(T(uint64_t(magnitude(a)) / divisor * magnitude(b)))) : T(0);
    });
}
// Integer powers wrap; a negative exponent leaves only the powers of 1 and -1.
template <class T> inline T power_of_integer(T base, T exponent) {
    if (is_signed_integer<T> && exponent < 0)
        return base == 1 ? T(1) : base == T(-1) ? (exponent & 1 ? T(-1) : T(1)) : T(0);
    uint64_t result = 1, b = uint64_t(base);
    for (UnsignedFor<T> e = UnsignedFor<T>(exponent); e; e = UnsignedFor<T>(e >> 1)) {
        if (e & 1) result *= b;
        b *= b;
    }
    return T(result);
}
template <class T> RUSHLIGHT_INLINE Vec<T> pow(Vec<T> x, Vec<T> y) {
    return lanes(x, y, [](T a, T b) { return power_of_integer(a, b); });
}

// ---- the rest ----------------------------------------------------------------------------------------------------

// x + alpha * y; nearly always alpha is 1.
template <class T> RUSHLIGHT_INLINE Vec<T> add_scaled(Vec<T> x, Vec<T> y, T alpha) {
    if (alpha == T(1)) return x + y;
    return x + y * alpha;
}
template <class T> RUSHLIGHT_INLINE Vec<T> sub_scaled(Vec<T> x, Vec<T> y, T alpha) {
    if (alpha == T(1)) return x - y;
    return x - y * alpha;
}
RUSHLIGHT_INLINE Vec<float> hypot(Vec<float> x, Vec<float> y) {
    Vec<float> r = in_double(x, y, [](Vec<double> a, Vec<double> b) { return sqrt(a * a + b * b); });
    return where(isinf(x) | isinf(y), Vec<float>(infinity<float>), r);
}
RUSHLIGHT_INLINE Vec<double> hypot(Vec<double> x, Vec<double> y) {
    return lanes(x, y, [](double a, double b) { return __builtin_hypot(a, b); });
}
template <class T> RUSHLIGHT_INLINE Vec<T> nextafter(Vec<T> x, Vec<T> y) {
    using U = UnsignedFor<T>;
    // One step of the bits away from zero, or toward it.
    Mask<T> away = (x < y) ^ signbit(x);
    Vec<T> step = where(away, from_bits<T>(bits(x) + U(1)), from_bits<T>(bits(x) - U(1)));
    step = where(x == 0, copysign(from_bits<T>(Raw<U>{} + U(1)), y), step);
    return where((x != x) | (y != y), x + y, where(x == y, y, step));
}
template <class T> RUSHLIGHT_INLINE Vec<T> logaddexp(Vec<T> x, Plain<Vec<T>> y) {
    Vec<T> high = maximum(x, y);
    return where(isinf(x) & (x == y), x, high + log1p(exp(-abs(x - y))));
}
template <class T> RUSHLIGHT_INLINE Vec<T> logaddexp2(Vec<T> x, Plain<Vec<T>> y) {
    Vec<T> high = maximum(x, y);
    return where(isinf(x) & (x == y), x, high + log1p(exp2(-abs(x - y))) * 1.44269504088896340736);
}
template <class T> RUSHLIGHT_INLINE Vec<T> heaviside(Vec<T> x, Vec<T> y) {
    if constexpr (is_bool<T>) return x | y;
    else return where(x == 0, y, where(x > 0, Vec<T>(1), Vec<T>(0)));
}
template <class T> RUSHLIGHT_INLINE Vec<T> xlogy(Vec<T> x, Vec<T> y) {
    return where(y != y, y, where(x == 0, Vec<T>(0), x * log(y)));
}
template <class T> RUSHLIGHT_INLINE Vec<T> lerp(Vec<T> x, Vec<T> y, Vec<T> weight) {
    // From the nearer end, so that weights 0 and 1 give the ends exactly.
    return where(abs(weight) < T(0.5), x + weight * (y - x), y - (y - x) * (1 - weight));
}
template <class T> inline constexpr T highest_finite = T(sizeof(T) == 4 ? 0x1.fffffep127 : 0x1.fffffffffffffp1023);

// p: the numbers that stand in for NaN, infinity and minus infinity.
template <class T, class P> RUSHLIGHT_INLINE Vec<T> nan_to_num(Vec<T> x, const P& p) {
    if constexpr (!is_real<T>) return x;
    else {
        Vec<T> high = p.get(1, highest_finite<T>), low = p.get(2, -highest_finite<T>);
        return where(x != x, Vec<T>(p.get(0, 0)), where(x == infinity<T>, high, where(x == -infinity<T>, low, x)));
    }
}
// p: the limits, of which one may be missing.
template <class T, class P> RUSHLIGHT_INLINE Vec<T> clamp_to(Vec<T> x, const P& p) {
    if (p.is_given[0]) x = maximum(x, Vec<T>(p.bound(0)));
    if (p.is_given[1]) x = minimum(x, Vec<T>(p.bound(1)));
    return x;
}
// p: how far from 0 and 1 the argument is kept, if at all.
template <class T, class P> RUSHLIGHT_INLINE Vec<T> logit(Vec<T> x, const P& p) {
    if (p.is_given[0]) x = clamp(x, Vec<T>(p[0]), Vec<T>(1 - p[0]));
    return log(x / (1 - x));
}
// p: decimal places, which may be negative.
template <class T, class P> RUSHLIGHT_INLINE Vec<T> round_decimals(Vec<T> x, const P& p) {
    if constexpr (!is_real<T>) return x;
    else {
        if (p[0] == 0) return round(x);
        double factor = 1;
        for (T i = p[0] < 0 ? -p[0] : p[0]; i > 0 && factor < infinity<double>; i -= 1) factor *= 10;
        return p[0] > 0 ? round(x * factor) / factor : round(x / factor) * factor;
    }
}
template <class T> RUSHLIGHT_INLINE Mask<T> isposinf(Vec<T> x) {
    if constexpr (is_real<T>) return x == infinity<T>;
    else return Mask<T>::of(false);
}
template <class T> RUSHLIGHT_INLINE Mask<T> isneginf(Vec<T> x) {
    if constexpr (is_real<T>) return x == -infinity<T>;
    else return Mask<T>::of(false);
}
template <class T> RUSHLIGHT_INLINE Vec<T> polygamma(Vec<T> x, Plain<T> order) {
    return lanes(x, [=](T a) { return T(scalar::polygamma(int(order), double(a))); });
}
// The complex functions of real numbers.
template <class T> RUSHLIGHT_INLINE Vec<T> conj(Vec<T> x) { return x; }
template <class T> RUSHLIGHT_INLINE Vec<T> sgn(Vec<T> x) { return sign(x); }
template <class T> RUSHLIGHT_INLINE Vec<T> angle(Vec<T> x) {
    return where(x < 0, Vec<T>(3.14159265358979323846), where(x != x, x, Vec<T>(0)));
}
template <class T> RUSHLIGHT_INLINE Vec<T> sinc(Vec<T> x) {
    Vec<T> angle = x * 3.14159265358979323846;
    return where(x == 0, Vec<T>(1), sin(angle) / angle);
}

}  // namespace isa
}  // namespace rushlight
