// What the passes of norm.isa.cpp export. "T" is float64 for float64 data, else float32.
#pragma once

#include "kernels/generic/float_kind.h"
#include "kernels/generic/isa.h"
#include "kernels/generic/reduce_kernels.h"

namespace rushlight {

// A block of data: `rows` rows of `n` elements that lie `stride` elements apart. One channel of [batch,
// channels, inner] is a block of `batch` rows; a strip of channels-last data is a block whose columns are
// channels.
struct NormBlock {
    int64_t rows, n, stride;
};

struct NormTable {
    // One channel per block.
    PerFloat<void (*)(const void* src, NormBlock b, Moments* dst)> channel_moments;
    // y = x * scale + shift, then max(0, y) where relu. Row r takes the factors numbered r * step.
    PerFloat<void (*)(const void* src, void* dst, NormBlock b, const double* scale, const double* shift,
                      int64_t step, bool relu)>
        channel_apply;
    // {sum(g), sum(g * (x - mean))}; g counts only where output > 0, unless that is null.
    PerFloat<void (*)(const void* grad, const void* src, const void* output, NormBlock b, double mean,
                      double* sums)>
        channel_sums;
    // a * g + b * x + c, g masked likewise.
    PerFloat<void (*)(const void* grad, const void* src, const void* output, void* dst, NormBlock block,
                      double a, double b, double c)>
        channel_gradient;

    // The same with a channel per column; the factors are arrays of T, one per column. n <= norm_width. `addend`,
    // where not null, is added before relu.
    PerFloat<void (*)(const void* src, const void* addend, void* dst, NormBlock b, const void* scale,
                      const void* shift, bool relu)>
        columns_apply;
    PerFloat<void (*)(const void* grad, const void* src, const void* output, NormBlock b, const void* mean,
                      double* sum, double* product)>
        columns_sums;
    PerFloat<void (*)(const void* grad, const void* src, const void* output, void* dst, NormBlock block,
                      const void* a, const void* b, const void* c)>
        columns_gradient;

    // Each row by its own moments: [0] by its root mean square, [1] by mean and variance. weight and bias are
    // arrays of T or null.
    PerFloat<void (*)(const void* src, void* dst, int64_t rows, int64_t n, const void* weight,
                      const void* bias, double eps, void* mean, void* rstd)>
        rows_apply[2];
    // Adds to grad_weight and grad_bias (T, or null).
    PerFloat<void (*)(const void* grad, const void* src, void* dst, int64_t rows, int64_t n,
                      const void* weight, const void* mean, const void* rstd, void* grad_weight,
                      void* grad_bias)>
        rows_gradient[2];
};
inline constexpr int64_t norm_width = 512;

#ifndef RUSHLIGHT_ISA
DECLARE_ISA_TABLE(NormTable, norm_table);
#endif

}  // namespace rushlight
