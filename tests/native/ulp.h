// The distance between a result and the exact value, in units of the last place of the result's type.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

// Infinite where one of them is NaN and the other is not, or where an exact zero comes with the wrong sign.
template <class T>
double ulp_distance(T got, long double exact) {
    constexpr double far = std::numeric_limits<double>::infinity();
    T rounded = static_cast<T>(exact);
    if (std::isnan(got) || std::isnan(exact)) return std::isnan(got) && std::isnan(exact) ? 0 : far;
    if (got == rounded) return exact == 0 && std::signbit(got) != std::signbit(exact) ? far : 0;
    if (std::isinf(got) || std::isinf(rounded)) {
        // Next to the largest number, infinity is one step away.
        constexpr T largest = std::numeric_limits<T>::max();
        T finite = std::isinf(got) ? rounded : got;
        return std::isinf(exact) || std::fabs(finite) != largest || std::signbit(got) != std::signbit(rounded) ? far
                                                                                                               : 1;
    }
    int exponent = std::ilogb(rounded == 0 ? std::numeric_limits<T>::denorm_min() : rounded);
    if (exponent < std::numeric_limits<T>::min_exponent - 1) exponent = std::numeric_limits<T>::min_exponent - 1;
    long double unit = std::ldexp(1.0L, exponent - std::numeric_limits<T>::digits + 1);
    return static_cast<double>(std::fabs(static_cast<long double>(got) - exact) / unit);
}
