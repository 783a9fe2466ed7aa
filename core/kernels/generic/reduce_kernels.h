// What the passes of reduce.isa.cpp export.
#pragma once

#include "kernels/generic/float_kind.h"
#include "kernels/generic/isa.h"

namespace rushlight {

enum class Fold : uint8_t {
    sum,
    prod,
    amax,
    amin,
    nonzero,
    abs_sum,
    square_sum,
    abs_max,
    abs_min,
    power_sum
};
inline constexpr int fold_count = 10;

// Rows longer than this are folded block by block, each block's result in float64: a caller that shares out
// the blocks and combines them in order gets the bits that one call for the whole row gives.
inline constexpr int64_t fold_block = 1 << 16;

// `rows` rows of n elements, one result each. `power` is read by power_sum.
using FoldRowsFn = void (*)(const void* src, int64_t rows, int64_t n, double* dst, double power);
// Columns [0, width) of n rows that lie `stride` elements apart. width <= fold_width.
using FoldColumnsFn = void (*)(const void* src, int64_t n, int64_t stride, int64_t width, double* dst,
                               double power);
inline constexpr int64_t fold_width = 2048;

// Index of the first largest (sign 1) or smallest (sign -1) value of each row. A NaN wins.
using ArgRowsFn = void (*)(const void* src, int64_t rows, int64_t n, int64_t* dst, int sign);
using ArgColumnsFn = void (*)(const void* src, int64_t n, int64_t stride, int64_t width, int64_t* dst,
                              int sign);

// Mean and sum of squared distances from it.
struct Moments { double mean, distances; };
using MomentsRowsFn = void (*)(const void* src, int64_t rows, int64_t n, Moments* dst);
using MomentsColumnsFn = void (*)(const void* src, int64_t n, int64_t stride, int64_t width, Moments* dst);
inline constexpr int64_t moments_width = 512;

struct ReduceTable {
    PerFloat<FoldRowsFn> rows[fold_count];
    PerFloat<FoldColumnsFn> columns[fold_count];
    PerFloat<ArgRowsFn> arg_rows;
    PerFloat<ArgColumnsFn> arg_columns;
    PerFloat<MomentsRowsFn> moments_rows;
    PerFloat<MomentsColumnsFn> moments_columns;
    // sum(exp(x - highest)) of each row, and of each column; `highest` holds what amax gave.
    PerFloat<void (*)(const void* src, int64_t rows, int64_t n, const double* highest, double* dst)>
        exp_sum_rows;
    PerFloat<void (*)(const void* src, int64_t n, int64_t stride, int64_t width, const double* highest,
                      double* dst)>
        exp_sum_columns;
};

#ifndef RUSHLIGHT_ISA
DECLARE_ISA_TABLE(ReduceTable, reduce_table);
#endif

// Joins the moments of two disjoint sets.
inline Moments join_moments(Moments a, double count_a, Moments b, double count_b) {
    if (count_a == 0) return b;
    double n = count_a + count_b, delta = b.mean - a.mean;
    return {a.mean + delta * (count_b / n),
            a.distances + b.distances + delta * delta * (count_a * count_b / n)};
}

}  // namespace rushlight
