// Integer arithmetic that reports overflow instead of wrapping: every size and offset goes through here.
#pragma once

#include <cstdint>

#include "base/error.h"

namespace rushlight {

inline int64_t checked_mul(int64_t a, int64_t b, const char* what) {
    int64_t product;
    if (__builtin_mul_overflow(a, b, &product)) [[unlikely]]
        fail(ErrorKind::runtime, what, ": ", a, " * ", b, " overflows a 64-bit integer");
    return product;
}

inline int64_t checked_add(int64_t a, int64_t b, const char* what) {
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum)) [[unlikely]]
        fail(ErrorKind::runtime, what, ": ", a, " + ", b, " overflows a 64-bit integer");
    return sum;
}

}  // namespace rushlight
