// Vec<T>: one SIMD register of T, for the passes that compile a kernel once per instruction set (see isa.h).
//
// Everything is in an inline namespace named after the instruction set. A comparison gives a Mask<T>; `where(mask, a,
// b)` selects; numbers convert to Vec<T> by themselves, so that `where(x > 0, x, 0.01 * x)` reads as it would for
// tensors. Integer arithmetic wraps. Vec<bool> is a register of bytes that hold 0 or 1.
#pragma once

#ifndef RUSHLIGHT_ISA
#error "vec.h is for sources compiled per instruction set: list the source with isa_sources() or pointwise()"
#endif

#include <cstdint>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kernels/generic/isa.h"

#define RUSHLIGHT_INLINE inline __attribute__((always_inline))

namespace rushlight {
inline namespace RUSHLIGHT_ISA_SPACE {

#if defined(__AVX512F__)
inline constexpr int vector_bytes = 64;
#elif defined(__AVX2__)
inline constexpr int vector_bytes = 32;
#else
inline constexpr int vector_bytes = 16;
#endif

template <class A, class B> inline constexpr bool same_type = false;
template <class A> inline constexpr bool same_type<A, A> = true;
template <class T> inline constexpr bool is_real = same_type<T, float> || same_type<T, double>;
template <class T> inline constexpr bool is_bool = same_type<T, bool>;

template <int bytes> struct IntOfSize;
template <> struct IntOfSize<1> { using Signed = int8_t; using Unsigned = uint8_t; };
template <> struct IntOfSize<2> { using Signed = int16_t; using Unsigned = uint16_t; };
template <> struct IntOfSize<4> { using Signed = int32_t; using Unsigned = uint32_t; };
template <> struct IntOfSize<8> { using Signed = int64_t; using Unsigned = uint64_t; };
template <class T> using SignedFor = typename IntOfSize<sizeof(T)>::Signed;
template <class T> using UnsignedFor = typename IntOfSize<sizeof(T)>::Unsigned;

template <class T> struct LaneFor { using type = T; };
template <> struct LaneFor<bool> { using type = uint8_t; };

template <class T, int bytes> struct RawVector { typedef T type __attribute__((vector_size(bytes))); };
template <class T> using Raw = typename RawVector<T, vector_bytes>::type;

template <bool holds> struct EnableIf {};
template <> struct EnableIf<true> { using type = int; };
template <class S> inline constexpr bool is_number =
    same_type<S, float> || same_type<S, double> || same_type<S, bool> || same_type<S, int> || same_type<S, unsigned> ||
    same_type<S, long> || same_type<S, unsigned long> || same_type<S, long long> || same_type<S, unsigned long long> ||
    same_type<S, short> || same_type<S, unsigned short> || same_type<S, signed char> || same_type<S, unsigned char>;

template <class To, class From>
RUSHLIGHT_INLINE To bit_cast_to(const From& from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    __builtin_memcpy(&to, &from, sizeof(to));
    return to;
}

template <class T> struct Vec;

// ---- masks -------------------------------------------------------------------------------------------------------

// All-ones or all-zeros lanes of T's size.
template <class T>
struct Mask {
    using Lane = SignedFor<T>;
    static constexpr int width = vector_bytes / int(sizeof(T));
    Raw<Lane> v;

    static RUSHLIGHT_INLINE Mask of(bool b) {
        const Lane lane = b ? -1 : 0;
        return {lane - Raw<Lane>{}};
    }
    // From `width` bytes that hold 0 or 1.
    static RUSHLIGHT_INLINE Mask load(const void* p) {
#if defined(__AVX512F__)
        if constexpr (sizeof(T) == 4) {
            __m512i wide = _mm512_cvtepi8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)));
            return {(Raw<Lane>)_mm512_movm_epi32(_mm512_test_epi32_mask(wide, wide))};
        }
        if constexpr (sizeof(T) == 8) {
            __m512i wide = _mm512_cvtepi8_epi64(_mm_loadl_epi64(static_cast<const __m128i*>(p)));
            return {(Raw<Lane>)_mm512_movm_epi64(_mm512_test_epi64_mask(wide, wide))};
        }
#elif defined(__AVX2__)
        if constexpr (sizeof(T) == 4)
            return {(Raw<Lane>)_mm256_cvtepi8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(p))) != 0};
#endif
        typename RawVector<int8_t, width>::type bytes;
        __builtin_memcpy(&bytes, p, sizeof(bytes));
        return {Raw<Lane>(__builtin_convertvector(bytes, Raw<Lane>) != 0)};
    }
    static RUSHLIGHT_INLINE Mask load(const void* p, int64_t count) {
        int8_t bytes[width] = {};
        __builtin_memcpy(bytes, p, size_t(count));
        return load(bytes);
    }
    // To `width` bytes that hold 0 or 1.
    RUSHLIGHT_INLINE void store(void* p) const {
        typename RawVector<int8_t, width>::type bytes =
            __builtin_convertvector(v, typename RawVector<int8_t, width>::type) & int8_t(1);
        __builtin_memcpy(p, &bytes, sizeof(bytes));
    }
    RUSHLIGHT_INLINE void store(void* p, int64_t count) const {
        int8_t bytes[width];
        store(bytes);
        __builtin_memcpy(p, bytes, size_t(count));
    }

    friend RUSHLIGHT_INLINE Mask operator&(Mask a, Mask b) { return {a.v & b.v}; }
    friend RUSHLIGHT_INLINE Mask operator|(Mask a, Mask b) { return {a.v | b.v}; }
    friend RUSHLIGHT_INLINE Mask operator^(Mask a, Mask b) { return {a.v ^ b.v}; }
    friend RUSHLIGHT_INLINE Mask operator!(Mask a) { return {~a.v}; }
    friend RUSHLIGHT_INLINE Mask logical_and(Mask a, Mask b) { return a & b; }
    friend RUSHLIGHT_INLINE Mask logical_or(Mask a, Mask b) { return a | b; }
    friend RUSHLIGHT_INLINE Mask logical_not(Mask a) { return !a; }
    friend RUSHLIGHT_INLINE Mask where(Mask m, Mask a, Mask b) { return (m & a) | (!m & b); }
    friend RUSHLIGHT_INLINE Vec<T> where(Mask m, Vec<T> a, Vec<T> b) { return Vec<T>::raw(m.v ? a.v : b.v); }
    friend RUSHLIGHT_INLINE bool any(Mask m) {
#if defined(__AVX512F__)
        return _mm512_test_epi32_mask((__m512i)m.v, (__m512i)m.v) != 0;
#elif defined(__AVX2__)
        return !_mm256_testz_si256((__m256i)m.v, (__m256i)m.v);
#elif defined(__x86_64__)
        return _mm_movemask_epi8((__m128i)m.v) != 0;
#else
        Lane seen = 0;
        for (int i = 0; i < width; i++) seen |= m.v[i];
        return seen != 0;
#endif
    }
    friend RUSHLIGHT_INLINE bool all(Mask m) { return !any(!m); }
};

// ---- vectors -----------------------------------------------------------------------------------------------------

template <class T>
struct Vec {
    using Lane = typename LaneFor<T>::type;
    using Element = T;
    static constexpr int width = vector_bytes / int(sizeof(T));
    using M = Mask<T>;
    typedef UnsignedFor<T> UnsignedLane;
    Raw<Lane> v;

    Vec() = default;
    template <class S, typename EnableIf<is_number<S>>::type = 0>
    RUSHLIGHT_INLINE Vec(S s) : v(lane_from(s) - Raw<Lane>{}) {}
    static RUSHLIGHT_INLINE Vec raw(Raw<Lane> r) { Vec out; out.v = r; return out; }

    static RUSHLIGHT_INLINE Vec load(const void* p) {
        Vec out;
        __builtin_memcpy(&out.v, p, sizeof(out.v));
        return out;
    }
    RUSHLIGHT_INLINE void store(void* p) const { __builtin_memcpy(p, &v, sizeof(v)); }
    // The first `count` < width lanes; the others read as 1, which no operator stumbles over.
    static RUSHLIGHT_INLINE Vec load(const void* p, int64_t count) {
#if defined(__AVX512F__)
        Raw<Lane> ones = Raw<Lane>{} + Lane(1);
        uint64_t m = (uint64_t(1) << count) - 1;
        if constexpr (sizeof(T) == 8) return raw((Raw<Lane>)_mm512_mask_loadu_epi64((__m512i)ones, __mmask8(m), p));
        else if constexpr (sizeof(T) == 4)
            return raw((Raw<Lane>)_mm512_mask_loadu_epi32((__m512i)ones, __mmask16(m), p));
        else if constexpr (sizeof(T) == 2)
            return raw((Raw<Lane>)_mm512_mask_loadu_epi16((__m512i)ones, __mmask32(m), p));
        else return raw((Raw<Lane>)_mm512_mask_loadu_epi8((__m512i)ones, __mmask64(m), p));
#else
        Vec out(1);
        __builtin_memcpy(&out.v, p, size_t(count) * sizeof(T));
        return out;
#endif
    }
    RUSHLIGHT_INLINE void store(void* p, int64_t count) const {
#if defined(__AVX512F__)
        uint64_t m = (uint64_t(1) << count) - 1;
        if constexpr (sizeof(T) == 8) _mm512_mask_storeu_epi64(p, __mmask8(m), (__m512i)v);
        else if constexpr (sizeof(T) == 4) _mm512_mask_storeu_epi32(p, __mmask16(m), (__m512i)v);
        else if constexpr (sizeof(T) == 2) _mm512_mask_storeu_epi16(p, __mmask32(m), (__m512i)v);
        else _mm512_mask_storeu_epi8(p, __mmask64(m), (__m512i)v);
#else
        __builtin_memcpy(p, &v, size_t(count) * sizeof(T));
#endif
    }

    RUSHLIGHT_INLINE Lane operator[](int i) const { return v[i]; }

    friend RUSHLIGHT_INLINE Vec operator+(Vec a, Vec b) {
        if constexpr (is_real<T>) return raw(a.v + b.v);
        else if constexpr (is_bool<T>) return raw(a.v | b.v);
        else return raw((Raw<Lane>)((Raw<UnsignedLane>)a.v + (Raw<UnsignedLane>)b.v));
    }
    friend RUSHLIGHT_INLINE Vec operator-(Vec a, Vec b) {
        if constexpr (is_real<T>) return raw(a.v - b.v);
        else return raw((Raw<Lane>)((Raw<UnsignedLane>)a.v - (Raw<UnsignedLane>)b.v));
    }
    friend RUSHLIGHT_INLINE Vec operator*(Vec a, Vec b) {
        if constexpr (is_real<T>) return raw(a.v * b.v);
        else if constexpr (is_bool<T>) return raw(a.v & b.v);
        else return raw((Raw<Lane>)((Raw<UnsignedLane>)a.v * (Raw<UnsignedLane>)b.v));
    }
    friend RUSHLIGHT_INLINE Vec operator/(Vec a, Vec b) {
        static_assert(is_real<T>, "integers divide through floor_divide and trunc_divide");
        return raw(a.v / b.v);
    }
    friend RUSHLIGHT_INLINE Vec operator-(Vec a) {
        if constexpr (is_real<T>) return raw(-a.v);
        else return Vec(0) - a;
    }
    friend RUSHLIGHT_INLINE Vec operator&(Vec a, Vec b) { return raw(a.v & b.v); }
    friend RUSHLIGHT_INLINE Vec operator|(Vec a, Vec b) { return raw(a.v | b.v); }
    friend RUSHLIGHT_INLINE Vec operator^(Vec a, Vec b) { return raw(a.v ^ b.v); }
    friend RUSHLIGHT_INLINE Vec operator~(Vec a) {
        if constexpr (is_bool<T>) return raw(a.v ^ Lane(1));
        else return raw(~a.v);
    }
    RUSHLIGHT_INLINE Vec& operator+=(Vec b) { return *this = *this + b; }
    RUSHLIGHT_INLINE Vec& operator-=(Vec b) { return *this = *this - b; }
    RUSHLIGHT_INLINE Vec& operator*=(Vec b) { return *this = *this * b; }
    RUSHLIGHT_INLINE Vec& operator/=(Vec b) { return *this = *this / b; }

    friend RUSHLIGHT_INLINE M operator<(Vec a, Vec b) { return M{Raw<SignedFor<T>>(a.v < b.v)}; }
    friend RUSHLIGHT_INLINE M operator<=(Vec a, Vec b) { return M{Raw<SignedFor<T>>(a.v <= b.v)}; }
    friend RUSHLIGHT_INLINE M operator>(Vec a, Vec b) { return M{Raw<SignedFor<T>>(a.v > b.v)}; }
    friend RUSHLIGHT_INLINE M operator>=(Vec a, Vec b) { return M{Raw<SignedFor<T>>(a.v >= b.v)}; }
    friend RUSHLIGHT_INLINE M operator==(Vec a, Vec b) { return M{Raw<SignedFor<T>>(a.v == b.v)}; }
    friend RUSHLIGHT_INLINE M operator!=(Vec a, Vec b) { return M{Raw<SignedFor<T>>(a.v != b.v)}; }

    // A NaN on either side wins.
    friend RUSHLIGHT_INLINE Vec maximum(Vec a, Vec b) {
        if constexpr (is_real<T>) return where((a > b) | (a != a), a, b);
        else return where(a > b, a, b);
    }
    friend RUSHLIGHT_INLINE Vec minimum(Vec a, Vec b) {
        if constexpr (is_real<T>) return where((a < b) | (a != a), a, b);
        else return where(a < b, a, b);
    }
    // A number wins over a NaN.
    friend RUSHLIGHT_INLINE Vec fmax(Vec a, Vec b) {
        if constexpr (is_real<T>) return where((a > b) | (b != b), a, b);
        else return where(a > b, a, b);
    }
    friend RUSHLIGHT_INLINE Vec fmin(Vec a, Vec b) {
        if constexpr (is_real<T>) return where((a < b) | (b != b), a, b);
        else return where(a < b, a, b);
    }

private:
    template <class S> static RUSHLIGHT_INLINE Lane lane_from(S s) {
        if constexpr (is_bool<T>) return Lane(s != S(0) ? 1 : 0);
        else return Lane(s);
    }
};

template <class T> RUSHLIGHT_INLINE Raw<UnsignedFor<T>> bits(Vec<T> x) { return (Raw<UnsignedFor<T>>)x.v; }
template <class T> RUSHLIGHT_INLINE Vec<T> from_bits(Raw<UnsignedFor<T>> b) {
    return Vec<T>::raw((Raw<typename LaneFor<T>::type>)b);
}
template <class T> inline constexpr UnsignedFor<T> sign_bit = UnsignedFor<T>(1) << (8 * sizeof(T) - 1);

template <class T> inline constexpr T infinity = T(__builtin_inf());
template <class T> inline constexpr T not_a_number = T(__builtin_nan(""));

// ---- lane by lane ------------------------------------------------------------------------------------------------

// f(T) on each lane, for what is not worth a vector version.
template <class T, class F>
RUSHLIGHT_INLINE Vec<T> lanes(Vec<T> x, F f) {
    typename LaneFor<T>::type a[Vec<T>::width];
    x.store(a);
    for (int i = 0; i < Vec<T>::width; i++) a[i] = f(a[i]);
    return Vec<T>::load(a);
}
template <class T, class F>
RUSHLIGHT_INLINE Vec<T> lanes(Vec<T> x, Vec<T> y, F f) {
    typename LaneFor<T>::type a[Vec<T>::width], b[Vec<T>::width];
    x.store(a);
    y.store(b);
    for (int i = 0; i < Vec<T>::width; i++) a[i] = f(a[i], b[i]);
    return Vec<T>::load(a);
}
// Replaces the lanes of `y` where the mask is set by f(x); for arguments outside a vector algorithm's range.
template <class T, class F>
__attribute__((noinline, cold)) Vec<T> repair_lanes(Mask<T> wrong, Vec<T> x, Vec<T> y, F f) {
    T a[Vec<T>::width], b[Vec<T>::width];
    x.store(a);
    y.store(b);
    for (int i = 0; i < Vec<T>::width; i++)
        if (wrong.v[i]) b[i] = T(f(a[i]));
    return Vec<T>::load(b);
}

// Folds the lanes with f, pairwise.
template <class T, class F>
RUSHLIGHT_INLINE typename LaneFor<T>::type reduce(Vec<T> x, F f) {
    typename LaneFor<T>::type a[Vec<T>::width];
    x.store(a);
    for (int half = Vec<T>::width / 2; half; half /= 2)
        for (int i = 0; i < half; i++) a[i] = f(a[i], a[i + half]);
    return a[0];
}
template <class T> RUSHLIGHT_INLINE T reduce_sum(Vec<T> x) {
    using U = typename LaneFor<T>::type;
    return reduce(x, [](U a, U b) {
        if constexpr (is_real<T>) return a + b;
        else return U(UnsignedFor<T>(a) + UnsignedFor<T>(b));
    });
}

// ---- float32 in float64 ------------------------------------------------------------------------------------------

RUSHLIGHT_INLINE Vec<double> widen_lower(Vec<float> x) {
#if defined(__AVX512F__)
    return Vec<double>::raw((Raw<double>)_mm512_cvtps_pd(_mm512_castps512_ps256((__m512)x.v)));
#elif defined(__AVX2__)
    return Vec<double>::raw((Raw<double>)_mm256_cvtps_pd(_mm256_castps256_ps128((__m256)x.v)));
#else
    return Vec<double>::raw(Raw<double>{double(x.v[0]), double(x.v[1])});
#endif
}
RUSHLIGHT_INLINE Vec<double> widen_upper(Vec<float> x) {
#if defined(__AVX512F__)
    return Vec<double>::raw((Raw<double>)_mm512_cvtps_pd(_mm512_extractf32x8_ps((__m512)x.v, 1)));
#elif defined(__AVX2__)
    return Vec<double>::raw((Raw<double>)_mm256_cvtps_pd(_mm256_extractf128_ps((__m256)x.v, 1)));
#else
    return Vec<double>::raw(Raw<double>{double(x.v[2]), double(x.v[3])});
#endif
}
RUSHLIGHT_INLINE Vec<float> narrow(Vec<double> lower, Vec<double> upper) {
#if defined(__AVX512F__)
    __m512 low = _mm512_castps256_ps512(_mm512_cvtpd_ps((__m512d)lower.v));
    return Vec<float>::raw((Raw<float>)_mm512_insertf32x8(low, _mm512_cvtpd_ps((__m512d)upper.v), 1));
#elif defined(__AVX2__)
    __m256 low = _mm256_castps128_ps256(_mm256_cvtpd_ps((__m256d)lower.v));
    return Vec<float>::raw((Raw<float>)_mm256_insertf128_ps(low, _mm256_cvtpd_ps((__m256d)upper.v), 1));
#else
    return Vec<float>::raw(Raw<float>{float(lower.v[0]), float(lower.v[1]), float(upper.v[0]), float(upper.v[1])});
#endif
}
// f on the lanes as float64, rounded to float32 once: nearly correctly rounded.
template <class F>
RUSHLIGHT_INLINE Vec<float> in_double(Vec<float> x, F f) {
    return narrow(f(widen_lower(x)), f(widen_upper(x)));
}
template <class F>
RUSHLIGHT_INLINE Vec<float> in_double(Vec<float> x, Vec<float> y, F f) {
    return narrow(f(widen_lower(x), widen_lower(y)), f(widen_upper(x), widen_upper(y)));
}

// ---- what every instruction set has ------------------------------------------------------------------------------

// x * y + z, fused where the instruction set fuses.
template <class T>
RUSHLIGHT_INLINE Vec<T> multiply_add(Vec<T> x, Vec<T> y, Vec<T> z) {
#if defined(__AVX512F__)
    if constexpr (same_type<T, float>)
        return Vec<T>::raw((Raw<T>)_mm512_fmadd_ps((__m512)x.v, (__m512)y.v, (__m512)z.v));
    else if constexpr (same_type<T, double>)
        return Vec<T>::raw((Raw<T>)_mm512_fmadd_pd((__m512d)x.v, (__m512d)y.v, (__m512d)z.v));
    else
#elif defined(__AVX2__)
    if constexpr (same_type<T, float>)
        return Vec<T>::raw((Raw<T>)_mm256_fmadd_ps((__m256)x.v, (__m256)y.v, (__m256)z.v));
    else if constexpr (same_type<T, double>)
        return Vec<T>::raw((Raw<T>)_mm256_fmadd_pd((__m256d)x.v, (__m256d)y.v, (__m256d)z.v));
    else
#endif
    return x * y + z;
}
RUSHLIGHT_INLINE Vec<float> fma(Vec<float> x, Vec<float> y, Vec<float> z) { return multiply_add(x, y, z); }
RUSHLIGHT_INLINE Vec<double> fma(Vec<double> x, Vec<double> y, Vec<double> z) { return multiply_add(x, y, z); }

RUSHLIGHT_INLINE Vec<float> sqrt(Vec<float> x) {
#if defined(__AVX512F__)
    return Vec<float>::raw((Raw<float>)_mm512_sqrt_ps((__m512)x.v));
#elif defined(__AVX2__)
    return Vec<float>::raw((Raw<float>)_mm256_sqrt_ps((__m256)x.v));
#elif defined(__x86_64__)
    return Vec<float>::raw((Raw<float>)_mm_sqrt_ps((__m128)x.v));
#else
    return lanes(x, [](float a) { return __builtin_sqrtf(a); });
#endif
}
RUSHLIGHT_INLINE Vec<double> sqrt(Vec<double> x) {
#if defined(__AVX512F__)
    return Vec<double>::raw((Raw<double>)_mm512_sqrt_pd((__m512d)x.v));
#elif defined(__AVX2__)
    return Vec<double>::raw((Raw<double>)_mm256_sqrt_pd((__m256d)x.v));
#elif defined(__x86_64__)
    return Vec<double>::raw((Raw<double>)_mm_sqrt_pd((__m128d)x.v));
#else
    return lanes(x, [](double a) { return __builtin_sqrt(a); });
#endif
}

template <class T> RUSHLIGHT_INLINE Vec<T> abs(Vec<T> x) {
    if constexpr (is_real<T>) return from_bits<T>(bits(x) & UnsignedFor<T>(~sign_bit<T>));
    else if constexpr (T(-1) < T(0)) return where(x < 0, -x, x);
    else return x;
}
template <class T> RUSHLIGHT_INLINE Vec<T> copysign(Vec<T> x, Vec<T> y) {
    return from_bits<T>((bits(x) & UnsignedFor<T>(~sign_bit<T>)) | (bits(y) & sign_bit<T>));
}
template <class T> RUSHLIGHT_INLINE Mask<T> isnan(Vec<T> x) { return x != x; }
template <class T> RUSHLIGHT_INLINE Mask<T> isinf(Vec<T> x) {
    if constexpr (is_real<T>) return abs(x) == infinity<T>;
    else return Mask<T>::of(false);
}
template <class T> RUSHLIGHT_INLINE Mask<T> isfinite(Vec<T> x) {
    if constexpr (is_real<T>) return abs(x) < infinity<T>;
    else return Mask<T>::of(true);
}
template <class T> RUSHLIGHT_INLINE Mask<T> signbit(Vec<T> x) {
    if constexpr (is_real<T>) return Mask<T>{Raw<SignedFor<T>>((Raw<SignedFor<T>>)x.v < 0)};
    else return x < 0;
}

enum class Rounding { nearest_even, down, up, toward_zero };

// Without a rounding instruction: adding and taking away 2^52 (2^23) rounds what is smaller than that.
template <Rounding mode, class T>
RUSHLIGHT_INLINE Vec<T> round_by_adding(Vec<T> x) {
    constexpr T big = sizeof(T) == 4 ? T(0x1p23) : T(0x1p52);
    Vec<T> a = abs(x), r = (a + big) - big;
    r = copysign(r, x);
    if constexpr (mode == Rounding::down) r = where(r > x, r - 1, r);
    if constexpr (mode == Rounding::up) r = where(r < x, r + 1, r);
    if constexpr (mode == Rounding::toward_zero) r = where(abs(r) > a, r - copysign(Vec<T>(1), x), r);
    return where(a < big, copysign(r, x), x);
}
template <Rounding mode>
RUSHLIGHT_INLINE Vec<float> round_to(Vec<float> x) {
    [[maybe_unused]] constexpr int code = int(mode) | 8;
#if defined(__AVX512F__)
    return Vec<float>::raw((Raw<float>)_mm512_roundscale_ps((__m512)x.v, code));
#elif defined(__AVX2__)
    return Vec<float>::raw((Raw<float>)_mm256_round_ps((__m256)x.v, code));
#else
    return round_by_adding<mode>(x);
#endif
}
template <Rounding mode>
RUSHLIGHT_INLINE Vec<double> round_to(Vec<double> x) {
    [[maybe_unused]] constexpr int code = int(mode) | 8;
#if defined(__AVX512F__)
    return Vec<double>::raw((Raw<double>)_mm512_roundscale_pd((__m512d)x.v, code));
#elif defined(__AVX2__)
    return Vec<double>::raw((Raw<double>)_mm256_round_pd((__m256d)x.v, code));
#else
    return round_by_adding<mode>(x);
#endif
}
template <class T> RUSHLIGHT_INLINE Vec<T> round(Vec<T> x) {
    if constexpr (is_real<T>) return round_to<Rounding::nearest_even>(x);
    else return x;
}
template <class T> RUSHLIGHT_INLINE Vec<T> floor(Vec<T> x) {
    if constexpr (is_real<T>) return round_to<Rounding::down>(x);
    else return x;
}
template <class T> RUSHLIGHT_INLINE Vec<T> ceil(Vec<T> x) {
    if constexpr (is_real<T>) return round_to<Rounding::up>(x);
    else return x;
}
template <class T> RUSHLIGHT_INLINE Vec<T> trunc(Vec<T> x) {
    if constexpr (is_real<T>) return round_to<Rounding::toward_zero>(x);
    else return x;
}

template <class T> RUSHLIGHT_INLINE Vec<T> clamp(Vec<T> x, Vec<T> low, Vec<T> high) {
    // As PyTorch: the upper limit wins where the limits cross, and a NaN anywhere gives NaN.
    return minimum(maximum(x, low), high);
}
template <class T> RUSHLIGHT_INLINE Vec<T> sign(Vec<T> x) {
    return where(x > 0, Vec<T>(1), where(x < 0, Vec<T>(T(0) - T(1)), Vec<T>(0)));
}

}  // namespace isa
}  // namespace rushlight
