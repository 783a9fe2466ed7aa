#include "tensor/normal_blocks.h"

#include <bit>
#include <cmath>
#include <numbers>

namespace rushlight::random {
namespace {

// PyTorch computes its float32 blocks with the single-precision polynomials of the Cephes library, evaluated
// with fused multiply-adds. The stream is defined by those roundings, so they are repeated here step by step:
// every fma below is one rounding in PyTorch, and nothing else may be fused (the build compiles this file
// with -ffp-contract=off).

// Natural logarithm of x in (0, 1].
inline __attribute__((always_inline)) float log_step(float x) {
    uint32_t bits = std::bit_cast<uint32_t>(x);
    float e = float(int32_t(bits >> 23) - 126);
    float m = std::bit_cast<float>((bits & 0x007fffffu) | 0x3f000000u);        // mantissa in [0.5, 1)
    bool low = m < 0.707106781186547524f;
    e -= low ? 1.0f : 0.0f;
    m = (m - 1.0f) + (low ? m : 0.0f);
    float z = m * m;
    float y = 7.0376836292e-2f;
    y = __builtin_fmaf(y, m, -1.1514610310e-1f);
    y = __builtin_fmaf(y, m, 1.1676998740e-1f);
    y = __builtin_fmaf(y, m, -1.2420140846e-1f);
    y = __builtin_fmaf(y, m, 1.4249322787e-1f);
    y = __builtin_fmaf(y, m, -1.6668057665e-1f);
    y = __builtin_fmaf(y, m, 2.0000714765e-1f);
    y = __builtin_fmaf(y, m, -2.4999993993e-1f);
    y = __builtin_fmaf(y, m, 3.3333331174e-1f);
    y *= m;
    y = __builtin_fmaf(y, z, e * -2.12194440e-4f);
    y = __builtin_fmaf(z, -0.5f, y);
    return __builtin_fmaf(e, 0.693359375f, m + y);
}

// Sine and cosine of x in [0, 2 pi).
inline __attribute__((always_inline)) void sincos_step(float x, float& sine, float& cosine) {
    int32_t octant = (int32_t(x * 1.27323954473516f) + 1) & ~1;
    float k = float(octant);
    x = __builtin_fmaf(k, -0.78515625f, x);
    x = __builtin_fmaf(k, -2.4187564849853515625e-4f, x);
    x = __builtin_fmaf(k, -3.77489497744594108e-8f, x);
    float z = x * x;
    float c = 2.443315711809948e-5f;
    c = __builtin_fmaf(c, z, -1.388731625493765e-3f);
    c = __builtin_fmaf(c, z, 4.166664568298827e-2f);
    c *= z;
    c = __builtin_fmaf(c, z, z * -0.5f) + 1.0f;
    float s = -1.9515295891e-4f;
    s = __builtin_fmaf(s, z, 8.3321608736e-3f);
    s = __builtin_fmaf(s, z, -1.6666654611e-1f);
    s *= z;
    s = __builtin_fmaf(s, x, x);
    bool swapped = (octant & 2) != 0;
    float from_sine = swapped ? c : s, from_cosine = swapped ? s : c;
    uint32_t sine_sign = uint32_t(octant & 4) << 29;
    uint32_t cosine_sign = uint32_t(~(octant - 2) & 4) << 29;
    sine = std::bit_cast<float>(std::bit_cast<uint32_t>(from_sine) ^ sine_sign);
    cosine = std::bit_cast<float>(std::bit_cast<uint32_t>(from_cosine) ^ cosine_sign);
}

inline __attribute__((always_inline)) void float_blocks(float* data, int64_t blocks, float mean, float std) {
    constexpr float two_pi = float(2 * std::numbers::pi);
    for (int64_t b = 0; b < blocks; ++b, data += 16) {
        for (int j = 0; j < 8; ++j) {
            float radius = __builtin_sqrtf(-2.0f * log_step(1.0f - data[j]));
            float sine, cosine;
            sincos_step(two_pi * data[j + 8], sine, cosine);
            data[j] = __builtin_fmaf(radius * cosine, std, mean);
            data[j + 8] = __builtin_fmaf(radius * sine, std, mean);
        }
    }
}

#if defined(__x86_64__)
// The same steps, vectorised; a processor without FMA gives the same numbers through the C library's fmaf,
// slowly.
__attribute__((target("avx2,fma"))) void float_blocks_fma(float* data, int64_t blocks, float mean,
                                                          float std) {
    float_blocks(data, blocks, mean, std);
}
#endif

}  // namespace

void normal_blocks(float* data, int64_t blocks, float mean, float std) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return float_blocks_fma(data, blocks, mean, std);
#endif
    float_blocks(data, blocks, mean, std);
}

void normal_blocks(double* data, int64_t blocks, double mean, double std) {
    for (int64_t b = 0; b < blocks; ++b, data += 16) {
        for (int j = 0; j < 8; ++j) {
            double radius = std::sqrt(-2 * std::log(1 - data[j]));
            double theta = 2 * std::numbers::pi * data[j + 8];
            data[j] = std::fma(radius * std::cos(theta), std, mean);
            data[j + 8] = std::fma(radius * std::sin(theta), std, mean);
        }
    }
}

}  // namespace rushlight::random
