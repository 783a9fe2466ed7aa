// The two 16-bit floating types as storage, with exact conversions (round to nearest even). No arithmetic: kernels
// compute in float32.
#pragma once

#include <bit>
#include <cstdint>

namespace rushlight {

struct BFloat16 {
    uint16_t bits = 0;
    BFloat16() = default;
    explicit BFloat16(float x) : bits(round(x)) {}
    explicit operator float() const { return std::bit_cast<float>(uint32_t(bits) << 16); }

    static uint16_t round(float x) {
        uint32_t u = std::bit_cast<uint32_t>(x);
        if ((u & 0x7fffffffu) > 0x7f800000u) return 0x7fc0;
        return uint16_t((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
    }
};

struct Half {
    uint16_t bits = 0;
    Half() = default;
    explicit Half(float x) : bits(round(x)) {}
    explicit operator float() const { return widen(bits); }

    static uint16_t round(float x) {
        uint32_t u = std::bit_cast<uint32_t>(x);
        uint16_t sign = uint16_t((u >> 16) & 0x8000u);
        u &= 0x7fffffffu;
        if (u > 0x7f800000u) return uint16_t(sign | 0x7e00u);
        if (u >= 0x477ff000u) return uint16_t(sign | 0x7c00u);       // rounds to infinity
        if (u < 0x38800000u) {                                       // subnormal or zero: let float addition round
            float shifted = std::bit_cast<float>(u) + 0.5f;
            return uint16_t(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000u));
        }
        uint32_t odd = (u >> 13) & 1u;
        return uint16_t(sign | ((u - 0x38000000u + 0xfffu + odd) >> 13));
    }

    static float widen(uint16_t h) {
        uint32_t sign = uint32_t(h & 0x8000u) << 16;
        uint32_t exponent = (h >> 10) & 0x1fu, mantissa = h & 0x3ffu;
        if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
        if (exponent == 0) {
            float magnitude = float(mantissa) * 0x1p-24f;
            return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
        }
        return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (mantissa << 13));
    }
};

}  // namespace rushlight
