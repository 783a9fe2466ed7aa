// Plain loops that the compiler turns into vectors.
#include "kernels/generic/quantize_kernels.h"

#include "kernels/generic/vec.h"

namespace rushlight {
inline namespace RUSHLIGHT_ISA_SPACE {
namespace {

template <class T> constexpr float lowest = same_type<T, int8_t> ? -128 : 0;
template <class T> constexpr float highest = same_type<T, int8_t> ? 127 : 255;

// The nearest integer, ties to even, of what lies within +-2^22: the sum with 1.5 * 2^23 has it in its last bits.
RUSHLIGHT_INLINE int32_t nearest(float x) {
    return bit_cast_to<int32_t>(x + 12582912.0f) - 0x4b400000;
}

// NaN becomes some number of the range.
template <class T>
RUSHLIGHT_INLINE T rounded(float x, int32_t zero) {
    float low = lowest<T> - float(zero), high = highest<T> - float(zero);
    x = x > low ? x : low;
    x = x < high ? x : high;
    return T(nearest(x) + zero);
}

template <class T>
void quantize(const float* __restrict src, void* dst, int64_t n, float scale, int32_t zero) {
    T* __restrict to = static_cast<T*>(dst);
    const float inverse = 1 / scale;
    for (int64_t i = 0; i < n; ++i) to[i] = rounded<T>(src[i] * inverse, zero);
}

template <class T>
void dequantize(const void* src, float* __restrict dst, int64_t n, float scale, int32_t zero) {
    const T* __restrict from = static_cast<const T*>(src);
    for (int64_t i = 0; i < n; ++i) dst[i] = float(int32_t(from[i]) - zero) * scale;
}

float quantize_row(const float* __restrict src, int8_t* __restrict dst, int64_t n) {
    int32_t largest = 0;                               // of magnitudes, as bits: they compare as integers do
    for (int64_t i = 0; i < n; ++i) {
        int32_t bits = bit_cast_to<int32_t>(src[i]) & 0x7fffffff;
        largest = bits > largest ? bits : largest;
    }
    if (largest < 0x01000000) largest = 0;             // below 2^-125 there is no inverse
    float scale = bit_cast_to<float>(largest) / 127;
    const float inverse = largest ? 1 / scale : 0;
    for (int64_t i = 0; i < n; ++i) dst[i] = rounded<int8_t>(src[i] * inverse, 0);
    return scale;
}

void scale_row(float* __restrict dst, int64_t n, float scale, const float* __restrict bias, bool relu) {
    if (bias)
        for (int64_t i = 0; i < n; ++i) dst[i] = dst[i] * scale + bias[i];
    else
        for (int64_t i = 0; i < n; ++i) dst[i] *= scale;
    if (relu)
        for (int64_t i = 0; i < n; ++i) dst[i] = dst[i] < 0 ? 0.0f : dst[i];
}

template <class T>
void finish(const float* __restrict sums, void* dst, int64_t n, const Requantize& how) {
    T* __restrict to = static_cast<T*>(dst);
    const float inverse = 1 / how.output_scale;
    for (int64_t i = 0; i < n; ++i) {
        float y = sums[i] * (how.scale * how.scales[i]);
        if (how.bias) y += how.bias[i];
        if (how.addend_scale != 0) y += how.addend_scale * (float(to[i]) - float(how.addend_zero));
        if (how.relu && y < 0) y = 0;
        if constexpr (is_real<T>) to[i] = y;
        else to[i] = rounded<T>(y * inverse, how.output_zero);
    }
}

}  // namespace
}  // namespace

EXPORT_ISA_TABLE(QuantizeTable, quantize_table) = {
    {quantize<uint8_t>, quantize<int8_t>}, {dequantize<uint8_t>, dequantize<int8_t>}, quantize_row, scale_row,
    {finish<float>, finish<int8_t>, finish<uint8_t>}};

}  // namespace rushlight
