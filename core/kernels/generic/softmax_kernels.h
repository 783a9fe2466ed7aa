// What the passes of softmax.isa.cpp export.
#pragma once

#include "kernels/generic/float_kind.h"
#include "kernels/generic/isa.h"

namespace rushlight {

// Widest strip of columns in one call.
inline constexpr int64_t softmax_width = 256;

// The gradient of cross-entropy for `count` rows (or columns) of n classes: for class c of row r, with p its
// softmax,
//     factor[r] * p - smooth[r] * weight[c], less hit[r] where c is target[r].
struct ClassGradient {
    const void* src;
    void* dst;
    int64_t count, n, stride;               // stride: between classes, for columns
    const int64_t* target;                  // -1: none
    const double *lse, *factor, *smooth, *hit;
    const void* weight;                     // of the data's dtype; null: 1
};

struct SoftmaxTable {
    using RowsFn = void (*)(const void* src, void* dst, int64_t rows, int64_t n);
    using ColumnsFn = void (*)(const void* src, void* dst, int64_t n, int64_t stride, int64_t width);
    using BackRowsFn = void (*)(const void* grad, const void* output, void* dst, int64_t rows, int64_t n);
    using BackColumnsFn = void (*)(const void* grad, const void* output, void* dst, int64_t n, int64_t stride,
                                   int64_t width);
    // [0] softmax, [1] log_softmax.
    PerFloat<RowsFn> rows[2];
    PerFloat<ColumnsFn> columns[2];
    PerFloat<BackRowsFn> back_rows[2];
    PerFloat<BackColumnsFn> back_columns[2];
    // log(sum(exp(x))), and sum(weight * x) where `weighted` is not null.
    PerFloat<void (*)(const void* src, const void* weight, int64_t rows, int64_t n, double* lse,
                      double* weighted)>
        lse_rows;
    PerFloat<void (*)(const void* src, const void* weight, int64_t n, int64_t stride, int64_t width,
                      double* lse, double* weighted)>
        lse_columns;
    PerFloat<void (*)(const ClassGradient& g)> gradient_rows;
    PerFloat<void (*)(const ClassGradient& g)> gradient_columns;
};

#ifndef RUSHLIGHT_ISA
DECLARE_ISA_TABLE(SoftmaxTable, softmax_table);
#endif

}  // namespace rushlight
