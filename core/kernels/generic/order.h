// Total order of values as unsigned keys: a < b as values exactly when key(a) < key(b); -0 and 0 share a key,
// all NaN share the largest. With the index beside the key, any sort is stable and any selection has one
// answer.
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

#include "base/dtype.h"

namespace rushlight::kernels {

template <class T> struct FloatBits;
template <> struct FloatBits<Half> { using Bits = uint16_t; static constexpr Bits infinity = 0x7c00; };
template <> struct FloatBits<BFloat16> { using Bits = uint16_t; static constexpr Bits infinity = 0x7f80; };
template <> struct FloatBits<float> { using Bits = uint32_t; static constexpr Bits infinity = 0x7f800000; };
template <> struct FloatBits<double> {
    using Bits = uint64_t;
    static constexpr Bits infinity = 0x7ff0000000000000;
};

template <class T>
inline auto order_key(T value) {
    if constexpr (std::is_same_v<T, bool>) {
        return uint8_t(value);
    } else if constexpr (std::is_integral_v<T>) {
        using U = std::make_unsigned_t<T>;
        return std::is_signed_v<T> ? U(U(value) ^ (U(1) << (8 * sizeof(T) - 1))) : U(value);
    } else {
        using U = typename FloatBits<T>::Bits;
        constexpr U sign = U(U(1) << (8 * sizeof(T) - 1));
        U bits = std::bit_cast<U>(value);
        U magnitude = U(bits & U(~sign));
        if (magnitude > FloatBits<T>::infinity) return U(~U(0));
        if (magnitude == 0) return sign;
        return U(bits & sign ? U(~bits) : U(bits | sign));
    }
}

// The value of a key; a zero comes back without its sign and a NaN without its payload.
template <class T, class U>
inline T order_value(U key) {
    if constexpr (std::is_same_v<T, bool>) {
        return key != 0;
    } else if constexpr (std::is_integral_v<T>) {
        return T(std::is_signed_v<T> ? U(key ^ (U(1) << (8 * sizeof(T) - 1))) : key);
    } else {
        constexpr U sign = U(U(1) << (8 * sizeof(T) - 1));
        return std::bit_cast<T>(U(key & sign ? U(key ^ sign) : U(~key)));
    }
}

// The keys whose values order_value does not give back bit by bit.
template <class T, class U>
inline bool is_lossy_key(U key) {
    if constexpr (std::is_integral_v<T>) return false;
    else return key == U(~U(0)) || key == U(U(1) << (8 * sizeof(T) - 1));
}

template <class T>
inline bool is_nan_key(decltype(order_key(T{})) key) {
    if constexpr (std::is_integral_v<T>) return false;
    else return key == decltype(key)(~decltype(key)(0));
}

// Key and index in one word, or in two where the key takes 64 bits.
struct NarrowItem {
    uint64_t word;
    static NarrowItem of(uint32_t key, uint64_t index) { return {uint64_t(key) << 32 | index}; }
    uint32_t key() const { return uint32_t(word >> 32); }
    uint32_t index() const { return uint32_t(word); }
    friend bool operator<(NarrowItem a, NarrowItem b) { return a.word < b.word; }
};
struct WideItem {
    uint64_t bits, at;
    static WideItem of(uint64_t key, uint64_t index) { return {key, index}; }
    uint64_t key() const { return bits; }
    uint64_t index() const { return at; }
    friend bool operator<(WideItem a, WideItem b) { return a.bits != b.bits ? a.bits < b.bits : a.at < b.at; }
};
template <class T> using Item = std::conditional_t<sizeof(T) == 8, WideItem, NarrowItem>;

// Calls f(T{}) for the real dtypes and bool; false for complex ones.
template <class F>
inline bool visit_real(DType t, F&& f) {
    if (is_complex(t)) return false;
    visit_dtype(t, [&](auto zero) {
        using T = decltype(zero);
        if constexpr (!std::is_same_v<T, std::complex<float>> && !std::is_same_v<T, std::complex<double>>)
            f(zero);
    });
    return true;
}

}  // namespace rushlight::kernels
