// What the passes of an element-wise operator export: one table of tile functions per instruction set.
#pragma once

#include "kernels/generic/isa.h"

namespace rushlight {

// Computes n elements. Every operand is contiguous and of the compute dtype (or bool, where the table says so); `out`
// may be one of the inputs and must not overlap them otherwise. `params` is null or what set_param fills.
using TileFn = void (*)(int64_t n, void* out, const void* const* in, const double* params);

// The numbers that a definition calls p[0] to p[3], and the same as the bits of int64, which doubles do not hold
// exactly: an array of param_slots, to start with all zero. NaN stands for an attribute that is None.
inline constexpr int param_count = 4, param_slots = 8;
inline void set_param(double* params, int i, double value, int64_t exact) {
    params[i] = value;
    __builtin_memcpy(&params[param_count + i], &exact, sizeof(exact));
}

// A dtype's place in the tables: its number in base/dtype.h, which loop.cpp checks.
enum class Lane : int {
    uint8 = 0, int8 = 1, int16 = 2, int32 = 3, int64 = 4, float32 = 6, float64 = 7, boolean = 10, uint64 = 14
};
inline constexpr int lane_dtypes = 15;

struct PointwiseKernels {
    // By compute dtype; null where the family does not compute in it. float16 and bfloat16 compute in float32, uint16
    // and uint32 in int64. The places of the complex dtypes are the records' to fill.
    TileFn forward[lane_dtypes];
    // Unary operators with a slope, float32 and float64: out = g * slope(x, y) with in = {g, x, y}. What the slope does
    // not read may be null.
    TileFn backward[2];
    int inputs;
    bool boolean_result;            // the result is bool, whatever the compute dtype
    bool boolean_first_input;       // the first input is bool, whatever the compute dtype
    bool integer_divisor_check;     // the caller must refuse a zero in the second input of an integer computation
    bool slope_reads_input, slope_reads_output;
};

// The tiles for complex64 and complex128, compiled once; null where the family does not take complex numbers. The
// imaginary part of a scalar attribute is in the slot of its exact bits.
struct ComplexKernels {
    TileFn forward[2];
};

struct PointwiseSet : PerIsa<PointwiseKernels> {};

}  // namespace rushlight

#ifndef RUSHLIGHT_ISA
// At namespace rushlight, before POINTWISE_KERNELS(NAME) names the PointwiseSet of that operator.
#define DECLARE_POINTWISE_KERNELS(NAME)             \
    extern const ComplexKernels pointwise_##NAME##_complex; \
    DECLARE_ISA_TABLES_AS(::rushlight::PointwiseSet, PointwiseKernels, pointwise_##NAME)
#define POINTWISE_KERNELS(NAME) (::rushlight::pointwise_##NAME)
#define COMPLEX_KERNELS(NAME) (::rushlight::pointwise_##NAME##_complex)
#endif
