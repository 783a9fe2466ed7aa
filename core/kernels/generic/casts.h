// Conversion of contiguous elements between any two dtypes.
#pragma once

#include "kernels/generic/isa.h"

namespace rushlight {

// `out` and `in` must not overlap. Floating to integer saturates and turns NaN into 0, integer to integer wraps, complex to real
// takes the real part, anything to bool asks whether it is not zero.
using CastFn = void (*)(int64_t n, void* out, const void* in);

struct CastTable {
    CastFn fn[12][12];          // [to][from], by the numbers of base/dtype.h
};

#ifndef RUSHLIGHT_ISA
DECLARE_ISA_TABLE(CastTable, cast_table);
#endif

}  // namespace rushlight
