// The dtype table: the only place that knows sizes, names, categories and promotion.
#pragma once

#include <complex>
#include <cstdint>

#include "base/error.h"
#include "base/half.h"

namespace rushlight {

enum class DType : uint8_t {
    uint8, int8, int16, int32, int64, float16, float32, float64, complex64, complex128, boolean, bfloat16,
    uint16, uint32, uint64
};
inline constexpr int dtype_count = 15;

struct DTypeInfo {
    const char* name;      // as in `rushlight.float32`
    uint8_t size;          // bytes per element
    bool floating, complex, is_signed;
    char kind;             // NumPy's kind letter; 'V' where NumPy has no such type
};

extern const DTypeInfo dtype_table[dtype_count];

inline const DTypeInfo& info(DType t) { return dtype_table[static_cast<int>(t)]; }
inline int64_t size_of(DType t) { return info(t).size; }
inline const char* name_of(DType t) { return info(t).name; }
inline bool is_floating(DType t) { return info(t).floating; }
inline bool is_complex(DType t) { return info(t).complex; }
inline bool is_integral(DType t) { return !info(t).floating && !info(t).complex && t != DType::boolean; }
inline bool is_unsigned(DType t) { return info(t).kind == 'u'; }
inline bool is_differentiable(DType t) { return info(t).floating || info(t).complex; }
inline bool is_reduced(DType t) { return t == DType::float16 || t == DType::bfloat16; }

// PyTorch's promotion lattice for two tensors with dimensions; where PyTorch refuses unsigned integers, the
// smallest dtype that holds both. uint64 and a signed integer have none: an error.
DType promote(DType a, DType b);
// 0: bool, 1: integer, 2: floating, 3: complex; the category decides who wins between tensors and numbers.
inline int category(DType t) { return is_complex(t) ? 3 : is_floating(t) ? 2 : t == DType::boolean ? 0 : 1; }
DType to_complex(DType t);
DType to_real(DType t);       // the dtype of the absolute value
// May a result of dtype `from` be written into a tensor of dtype `to` (in-place and `out=`)?
bool can_cast(DType from, DType to);

template <class T> struct DTypeOf;
template <> struct DTypeOf<uint8_t> { static constexpr DType value = DType::uint8; };
template <> struct DTypeOf<int8_t> { static constexpr DType value = DType::int8; };
template <> struct DTypeOf<int16_t> { static constexpr DType value = DType::int16; };
template <> struct DTypeOf<int32_t> { static constexpr DType value = DType::int32; };
template <> struct DTypeOf<int64_t> { static constexpr DType value = DType::int64; };
template <> struct DTypeOf<Half> { static constexpr DType value = DType::float16; };
template <> struct DTypeOf<float> { static constexpr DType value = DType::float32; };
template <> struct DTypeOf<double> { static constexpr DType value = DType::float64; };
template <> struct DTypeOf<std::complex<float>> { static constexpr DType value = DType::complex64; };
template <> struct DTypeOf<std::complex<double>> { static constexpr DType value = DType::complex128; };
template <> struct DTypeOf<bool> { static constexpr DType value = DType::boolean; };
template <> struct DTypeOf<BFloat16> { static constexpr DType value = DType::bfloat16; };
template <> struct DTypeOf<uint16_t> { static constexpr DType value = DType::uint16; };
template <> struct DTypeOf<uint32_t> { static constexpr DType value = DType::uint32; };
template <> struct DTypeOf<uint64_t> { static constexpr DType value = DType::uint64; };

// Calls `f(T{})` with the C++ type of `t`.
template <class F>
decltype(auto) visit_dtype(DType t, F&& f) {
    switch (t) {
        case DType::uint8: return f(uint8_t{});
        case DType::int8: return f(int8_t{});
        case DType::int16: return f(int16_t{});
        case DType::int32: return f(int32_t{});
        case DType::int64: return f(int64_t{});
        case DType::float16: return f(Half{});
        case DType::float32: return f(float{});
        case DType::float64: return f(double{});
        case DType::complex64: return f(std::complex<float>{});
        case DType::complex128: return f(std::complex<double>{});
        case DType::boolean: return f(bool{});
        case DType::bfloat16: return f(BFloat16{});
        case DType::uint16: return f(uint16_t{});
        case DType::uint32: return f(uint32_t{});
        case DType::uint64: return f(uint64_t{});
    }
    __builtin_unreachable();
}

}  // namespace rushlight
