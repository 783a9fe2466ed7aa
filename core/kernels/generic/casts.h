// Conversion of contiguous elements between any two dtypes.
#pragma once

#include "kernels/generic/isa.h"

namespace rushlight {

// `out` and `in` must not overlap. Floating to integer saturates and turns NaN into 0, integer to integer wraps,
// complex to real takes the real part, anything to bool asks whether it is not zero.
using CastFn = void (*)(int64_t n, void* out, const void* in);

struct CastTable {
    CastFn fn[15][15];          // [to][from], by the numbers of base/dtype.h
    // Copies past the caches, for results too large to stay in them. `dst` is aligned to 64 bytes.
    void (*stream)(int64_t bytes, void* dst, const void* src);
};

// From this size on, a result that streams past the caches costs less than one that first reads what it overwrites.
inline constexpr int64_t stream_bytes = int64_t(32) << 20;

#ifndef RUSHLIGHT_ISA
DECLARE_ISA_TABLE(CastTable, cast_table);
#endif

}  // namespace rushlight
