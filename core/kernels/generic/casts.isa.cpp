#include "kernels/generic/casts.h"

#include "kernels/generic/vec.h"

namespace rushlight {
inline namespace RUSHLIGHT_ISA_SPACE {
namespace {

struct Half { uint16_t bits; };
struct BFloat16 { uint16_t bits; };
template <class R> struct Complex { R re, im; };
struct Bool { uint8_t value; };

template <class T> constexpr bool is_complex = false;
template <class R> constexpr bool is_complex<Complex<R>> = true;
template <class T> constexpr bool is_storage = same_type<T, Half> || same_type<T, BFloat16>;

RUSHLIGHT_INLINE float widen(BFloat16 h) { return bit_cast_to<float>(uint32_t(h.bits) << 16); }
RUSHLIGHT_INLINE float widen(Half h) {
    // The exponent is corrected by a multiplication, which also normalises subnormals; infinity and NaN keep all ones.
    float f = bit_cast_to<float>(uint32_t(h.bits & 0x7fff) << 13) * 0x1p112f;
    uint32_t u = bit_cast_to<uint32_t>(f);
    u |= f >= 65536.0f ? 0x7f800000u : 0u;
    return bit_cast_to<float>(u | (uint32_t(h.bits & 0x8000) << 16));
}
RUSHLIGHT_INLINE BFloat16 narrow_to(float x, BFloat16) {
    uint32_t u = bit_cast_to<uint32_t>(x);
    uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
    return {uint16_t(x != x ? 0x7fc0u : rounded)};
}
RUSHLIGHT_INLINE Half narrow_to(float x, Half) {
    uint32_t u = bit_cast_to<uint32_t>(x), sign = (u >> 16) & 0x8000u, a = u & 0x7fffffffu;
    // Subnormals are rounded by an addition that puts their last place at the end of a float's mantissa.
    uint32_t small = bit_cast_to<uint32_t>(bit_cast_to<float>(a) + 0.5f) - 0x3f000000u;
    uint32_t normal = (a - 0x38000000u + 0xfffu + ((a >> 13) & 1u)) >> 13;
    uint32_t r = a < 0x38800000u ? small : normal;
    r = a >= 0x477ff000u ? 0x7c00u : r;
    r = a > 0x7f800000u ? 0x7e00u : r;
    return {uint16_t(sign | r)};
}

// Clamps before converting, so that nothing is ever converted out of range and the loop stays free of branches.
template <class I, class R>
RUSHLIGHT_INLINE I saturate(R x) {
    constexpr bool has_sign = I(-1) < I(0);
    constexpr int value_bits = 8 * int(sizeof(I)) - (has_sign ? 1 : 0);
    constexpr R end = R(uint64_t(1) << (value_bits - 1)) * 2;                      // one beyond the largest
    constexpr int lost = value_bits - (sizeof(R) == 4 ? 24 : 53);
    constexpr R largest = lost > 0 ? end - R(uint64_t(1) << (lost > 0 ? lost : 0)) : end - 1;
    constexpr R least = has_sign ? -end : R(0);
    constexpr I highest = I(UnsignedFor<I>(-1) >> (has_sign ? 1 : 0));
    R c = x > least ? x : least;
    c = c < largest ? c : largest;
    c = x == x ? c : R(0);
    I converted = I(c);
    return x >= end ? highest : converted;
}

template <class To, class From>
RUSHLIGHT_INLINE To convert(From x) {
    if constexpr (same_type<To, From>) return x;
    else if constexpr (is_storage<From>) return convert<To>(widen(x));
    else if constexpr (same_type<From, Bool>) return convert<To>(x.value);
    else if constexpr (is_complex<From>) {
        if constexpr (is_complex<To>) return To{decltype(To::re)(x.re), decltype(To::im)(x.im)};
        else if constexpr (same_type<To, Bool>) return Bool{uint8_t((x.re != 0) | (x.im != 0))};
        else return convert<To>(x.re);
    } else if constexpr (is_complex<To>) return To{convert<decltype(To::re)>(x), 0};
    else if constexpr (is_storage<To>) return narrow_to(float(x), To{});
    else if constexpr (same_type<To, Bool>) return Bool{uint8_t(x != 0)};
    else if constexpr (is_real<From> && !is_real<To>) return saturate<To>(x);
    else return To(x);
}

template <class To, class From>
void cast(int64_t n, void* out, const void* in) {
    To* __restrict o = static_cast<To*>(out);
    const From* __restrict x = static_cast<const From*>(in);
    int64_t i = 0;
#if defined(__F16C__)
    if constexpr (same_type<To, float> && same_type<From, Half>) {
        for (; i + 8 <= n; i += 8)
            _mm256_storeu_ps(o + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i))));
    } else if constexpr (same_type<To, Half> && same_type<From, float>) {
        for (; i + 8 <= n; i += 8)
            _mm_storeu_si128(reinterpret_cast<__m128i*>(o + i), _mm256_cvtps_ph(_mm256_loadu_ps(x + i), 0));
    }
#endif
    for (; i < n; i++) o[i] = convert<To>(x[i]);
}

void stream(int64_t bytes, void* dst, const void* src) {
    char* to = static_cast<char*>(dst);
    const char* from = static_cast<const char*>(src);
    int64_t i = 0;
#if defined(__AVX512F__)
    for (; i + 64 <= bytes; i += 64)
        _mm512_stream_si512(reinterpret_cast<__m512i*>(to + i), _mm512_loadu_si512(from + i));
    _mm_sfence();
#elif defined(__x86_64__)
    for (; i + 16 <= bytes; i += 16)
        _mm_stream_si128(reinterpret_cast<__m128i*>(to + i),
                         _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i)));
    _mm_sfence();
#endif
    __builtin_memcpy(to + i, from + i, size_t(bytes - i));
}

#define CASTS_TO(TO)                                                                                              \
    {&cast<TO, uint8_t>, &cast<TO, int8_t>, &cast<TO, int16_t>, &cast<TO, int32_t>, &cast<TO, int64_t>,            \
     &cast<TO, Half>, &cast<TO, float>, &cast<TO, double>, &cast<TO, Complex<float>>, &cast<TO, Complex<double>>,  \
     &cast<TO, Bool>, &cast<TO, BFloat16>, &cast<TO, uint16_t>, &cast<TO, uint32_t>, &cast<TO, uint64_t>}

}  // namespace
}  // namespace isa

EXPORT_ISA_TABLE(CastTable, cast_table) = {{
    CASTS_TO(uint8_t), CASTS_TO(int8_t), CASTS_TO(int16_t), CASTS_TO(int32_t), CASTS_TO(int64_t), CASTS_TO(Half),
    CASTS_TO(float), CASTS_TO(double), CASTS_TO(Complex<float>), CASTS_TO(Complex<double>), CASTS_TO(Bool),
    CASTS_TO(BFloat16), CASTS_TO(uint16_t), CASTS_TO(uint32_t), CASTS_TO(uint64_t),
}, &stream};

}  // namespace rushlight
