// Accumulators wider than the elements, and the dtypes that have them.
#pragma once

#include <type_traits>

#include "base/dtype.h"

namespace rushlight::reference {

template <class T> struct WideFor { using type = std::conditional_t<std::is_same_v<T, double>, long double, double>; };
template <> struct WideFor<bool> { using type = bool; };
template <std::integral T>
    requires(!std::is_same_v<T, bool>)
struct WideFor<T> { using type = uint64_t; };        // wraps as the narrow type would

template <class T> using Wide = typename WideFor<T>::type;

template <class T> Wide<T> widen(T x) {
    if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) return double(float(x));
    else return Wide<T>(x);
}
template <class T> T narrow(Wide<T> x) {
    if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) return T(float(x));
    else return T(x);
}
template <class S> S add(S a, S b) {
    if constexpr (std::is_same_v<S, bool>) return a || b;
    else return a + b;
}
template <class S> S multiply(S a, S b) {
    if constexpr (std::is_same_v<S, bool>) return a && b;
    else return a * b;
}

// f(T{}) for every dtype but the complex ones.
template <class F>
void visit_real(DType dtype, const char* what, F&& f) {
    require(!is_complex(dtype), ErrorKind::not_implemented, what, ": dtype ", name_of(dtype),
            "; expected a real dtype");
    visit_dtype(dtype, [&](auto zero) {
        using T = decltype(zero);
        if constexpr (!std::is_same_v<T, std::complex<float>> && !std::is_same_v<T, std::complex<double>>) f(zero);
    });
}

// f(T{}) for the floating dtypes.
template <class F>
void visit_floating(DType dtype, const char* what, F&& f) {
    switch (dtype) {
        case DType::float32: return f(float{});
        case DType::float64: return f(double{});
        case DType::float16: return f(Half{});
        case DType::bfloat16: return f(BFloat16{});
        default: fail(ErrorKind::not_implemented, what, ": dtype ", name_of(dtype), "; expected a floating dtype");
    }
}

}  // namespace rushlight::reference
