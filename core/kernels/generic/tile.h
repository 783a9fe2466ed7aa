// Floating storage as vectors of the type it is computed in: float64 as itself, everything else as float32.
// For ISA passes.
#pragma once

#include "kernels/generic/float_kind.h"
#include "kernels/generic/vec.h"

namespace rushlight {
inline namespace RUSHLIGHT_ISA_SPACE {

struct Float16 { uint16_t bits; };
struct BrainFloat16 { uint16_t bits; };

template <class S> struct ComputeType { using type = float; };
template <> struct ComputeType<double> { using type = double; };
template <class S> using Compute = typename ComputeType<S>::type;
template <class S> inline constexpr int lanes_of = Vec<Compute<S>>::width;

using HalfRaw = RawVector<uint16_t, vector_bytes / 2>::type;

RUSHLIGHT_INLINE Vec<float> widen_brain(HalfRaw h) {
    return from_bits<float>(__builtin_convertvector(h, Raw<uint32_t>) << 16);
}
RUSHLIGHT_INLINE HalfRaw narrow_brain(Vec<float> x) {
    Raw<uint32_t> u = bits(x);
    Raw<uint32_t> rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
    Raw<uint32_t> nan = Raw<uint32_t>{} + 0x7fc0u;
    return __builtin_convertvector((u & 0x7fffffffu) > 0x7f800000u ? nan : rounded, HalfRaw);
}
RUSHLIGHT_INLINE Vec<float> widen_half(HalfRaw h) {
#if defined(__AVX512F__)
    return Vec<float>::raw((Raw<float>)_mm512_cvtph_ps((__m256i)h));
#elif defined(__F16C__)
    return Vec<float>::raw((Raw<float>)_mm256_cvtph_ps((__m128i)h));
#else
    // The exponent is moved by a product, which also normalises the subnormals; infinity and NaN get theirs
    // by hand.
    Raw<uint32_t> u = __builtin_convertvector(h, Raw<uint32_t>);
    Raw<uint32_t> sign = (u & 0x8000u) << 16, magnitude = u & 0x7fffu;
    Vec<float> scaled = from_bits<float>(magnitude << 13) * 0x1p112f;
    Raw<uint32_t> finite = bits(scaled), special = (magnitude << 13) | 0x7f800000u;
    return from_bits<float>((magnitude >= 0x7c00u ? special : finite) | sign);
#endif
}
RUSHLIGHT_INLINE HalfRaw narrow_half(Vec<float> x) {
#if defined(__AVX512F__)
    return (HalfRaw)_mm512_cvtps_ph((__m512)x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(__F16C__)
    return (HalfRaw)_mm256_cvtps_ph((__m256)x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
    Raw<uint32_t> u = bits(x), sign = (u >> 16) & 0x8000u, a = u & 0x7fffffffu;
    Raw<uint32_t> normal = (a - 0x38000000u + 0xfffu + ((a >> 13) & 1u)) >> 13;
    Raw<uint32_t> tiny = bits(from_bits<float>(a) + 0.5f) - 0x3f000000u;       // the sum rounds at 2^-24
    Raw<uint32_t> infinite = Raw<uint32_t>{} + 0x7c00u, nan = Raw<uint32_t>{} + 0x7e00u;
    Raw<uint32_t> r = a < 0x38800000u ? tiny : a >= 0x477ff000u ? infinite : normal;
    r = a > 0x7f800000u ? nan : r;
    return __builtin_convertvector(r | sign, HalfRaw);
#endif
}

RUSHLIGHT_INLINE Vec<float> load_tile(const float* p) { return Vec<float>::load(p); }
RUSHLIGHT_INLINE Vec<double> load_tile(const double* p) { return Vec<double>::load(p); }
RUSHLIGHT_INLINE Vec<float> load_tile(const Float16* p) {
    HalfRaw h;
    __builtin_memcpy(&h, p, sizeof(h));
    return widen_half(h);
}
RUSHLIGHT_INLINE Vec<float> load_tile(const BrainFloat16* p) {
    HalfRaw h;
    __builtin_memcpy(&h, p, sizeof(h));
    return widen_brain(h);
}

RUSHLIGHT_INLINE void store_tile(float* p, Vec<float> x) { x.store(p); }
RUSHLIGHT_INLINE void store_tile(double* p, Vec<double> x) { x.store(p); }
RUSHLIGHT_INLINE void store_tile(Float16* p, Vec<float> x) {
    HalfRaw h = narrow_half(x);
    __builtin_memcpy(p, &h, sizeof(h));
}
RUSHLIGHT_INLINE void store_tile(BrainFloat16* p, Vec<float> x) {
    HalfRaw h = narrow_brain(x);
    __builtin_memcpy(p, &h, sizeof(h));
}

// The first `count` < width lanes; the others load as 1 or 0 and are not stored.
template <class S>
RUSHLIGHT_INLINE Vec<Compute<S>> load_tile(const S* p, int64_t count) {
    if constexpr (is_real<S>) return Vec<S>::load(p, count);
    else {
        S part[lanes_of<S>] = {};
        __builtin_memcpy(part, p, size_t(count) * sizeof(S));
        return load_tile(part);
    }
}
template <class S>
RUSHLIGHT_INLINE void store_tile(S* p, Vec<Compute<S>> x, int64_t count) {
    if constexpr (is_real<S>) x.store(p, count);
    else {
        S part[lanes_of<S>];
        store_tile(part, x);
        __builtin_memcpy(p, part, size_t(count) * sizeof(S));
    }
}

template <class T> struct LaneNumbers {
    SignedFor<T> of[64];
    constexpr LaneNumbers() : of() {
        for (int i = 0; i < 64; ++i) of[i] = SignedFor<T>(i);
    }
};
template <class T> inline constexpr LaneNumbers<T> lane_numbers;

template <class T> RUSHLIGHT_INLINE Vec<SignedFor<T>> lane_index() {
    return Vec<SignedFor<T>>::load(lane_numbers<T>.of);
}
// Set in the first `count` lanes.
template <class T> RUSHLIGHT_INLINE Mask<T> first_lanes(int64_t count) {
    return Mask<T>{(lane_index<T>() < SignedFor<T>(count)).v};
}
// As load_tile(p, count), with `rest` in the other lanes.
template <class S>
RUSHLIGHT_INLINE Vec<Compute<S>> load_tile(const S* p, int64_t count, Vec<Compute<S>> rest) {
    return where(first_lanes<Compute<S>>(count), load_tile(p, count), rest);
}

// One value.
template <class S> RUSHLIGHT_INLINE Compute<S> load_one(const S* p) {
    if constexpr (is_real<S>) return *p;
    else return load_tile(p, 1)[0];
}
template <class S> RUSHLIGHT_INLINE void store_one(S* p, Compute<S> x) {
    if constexpr (is_real<S>) *p = x;
    else store_tile(p, Vec<float>(x), 1);
}

// Lane i of the result is lane i + by, around the end.
template <int by, class T>
RUSHLIGHT_INLINE Vec<T> rotate(Vec<T> x) {
    constexpr int w = Vec<T>::width;
    if constexpr (w == 16)
        return Vec<T>::raw(__builtin_shufflevector(
            x.v, x.v, by, (1 + by) % w, (2 + by) % w, (3 + by) % w, (4 + by) % w, (5 + by) % w, (6 + by) % w,
            (7 + by) % w, (8 + by) % w, (9 + by) % w, (10 + by) % w, (11 + by) % w, (12 + by) % w,
            (13 + by) % w, (14 + by) % w, (15 + by) % w));
    else if constexpr (w == 8)
        return Vec<T>::raw(__builtin_shufflevector(x.v, x.v, by, (1 + by) % w, (2 + by) % w, (3 + by) % w,
                                                   (4 + by) % w, (5 + by) % w, (6 + by) % w, (7 + by) % w));
    else if constexpr (w == 4)
        return Vec<T>::raw(__builtin_shufflevector(x.v, x.v, by, (1 + by) % w, (2 + by) % w, (3 + by) % w));
    else
        return Vec<T>::raw(__builtin_shufflevector(x.v, x.v, by, (1 + by) % w));
}
// Folds the lanes with f, in pairs.
template <class T, class F>
RUSHLIGHT_INLINE T fold_lanes(Vec<T> x, F f) {
    constexpr int w = Vec<T>::width;
    if constexpr (w >= 16) x = f(x, rotate<8 % w>(x));
    if constexpr (w >= 8) x = f(x, rotate<4 % w>(x));
    if constexpr (w >= 4) x = f(x, rotate<2 % w>(x));
    return f(x, rotate<1>(x))[0];
}
template <class T> RUSHLIGHT_INLINE T lane_sum(Vec<T> x) {
    return fold_lanes(x, [](Vec<T> a, Vec<T> b) { return a + b; });
}
template <class T> RUSHLIGHT_INLINE T lane_max(Vec<T> x) {
    return fold_lanes(x, [](Vec<T> a, Vec<T> b) { return maximum(a, b); });
}

// whole(i) for each full vector of n elements, then part(i, count) for what is left.
template <int width, class Whole, class Part>
RUSHLIGHT_INLINE void for_each_tile(int64_t n, Whole whole, Part part) {
    int64_t i = 0;
    for (; i + width <= n; i += width) whole(i);
    if (i < n) part(i, n - i);
}

// Adds up full(i) for each full vector of n elements and part(i, count) for what is left, whose other lanes
// are left out. Chains are short: four of them, each emptied into a second level after 32 links.
template <class T, class Full, class Part>
RUSHLIGHT_INLINE Vec<T> sum_tiles(int64_t n, Full full, Part part) {
    using V = Vec<T>;
    constexpr int64_t w = V::width, links = 32;
    V total(0);
    int64_t i = 0;
    while (i + 4 * w <= n) {
        V a(0), b(0), c(0), d(0);
        int64_t end = i + links * 4 * w < n ? i + links * 4 * w : n;
        for (; i + 4 * w <= end; i += 4 * w) {
            a += full(i);
            b += full(i + w);
            c += full(i + 2 * w);
            d += full(i + 3 * w);
        }
        total += (a + b) + (c + d);
    }
    for (; i + w <= n; i += w) total += full(i);
    if (i < n) total += where(first_lanes<T>(n - i), part(i, n - i), V(0));
    return total;
}

// The largest of n elements.
template <class S>
RUSHLIGHT_INLINE Compute<S> max_of(const S* p, int64_t n) {
    using V = Vec<Compute<S>>;
    constexpr int64_t w = V::width;
    V a(-infinity<Compute<S>>), b = a;
    int64_t i = 0;
    for (; i + 2 * w <= n; i += 2 * w) {
        a = maximum(a, load_tile(p + i));
        b = maximum(b, load_tile(p + i + w));
    }
    if (i + w <= n) {
        a = maximum(a, load_tile(p + i));
        i += w;
    }
    if (i < n) b = maximum(b, load_tile(p + i, n - i, a));
    return lane_max(maximum(a, b));
}

}  // namespace isa
}  // namespace rushlight

// The four entries of a table: PER_FLOAT(f) is {f<float>, f<double>, f<Float16>, f<BrainFloat16>}.
#define PER_FLOAT(...)                                                                               \
    {                                                                                                \
        { __VA_ARGS__<float>, __VA_ARGS__<double>, __VA_ARGS__<Float16>, __VA_ARGS__<BrainFloat16> } \
    }
