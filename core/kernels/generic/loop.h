// The drivers of everything element-wise: they take operands of any strides and dtypes to tile functions, which want
// contiguous elements of one dtype. Nothing here allocates.
#pragma once

#include <cstdint>

#include "base/dtype.h"
#include "kernels/generic/pointwise_kernels.h"

namespace rushlight {

struct Operand {
    void* data;
    DType dtype;
    const int64_t* strides;      // in elements; 0 where broadcast, negative strides are fine
};

struct PointwiseLoop {
    int ndim;
    const int64_t* sizes;
    int inputs;
    Operand out;                 // must not overlap an input, unless it is that input element for element
    Operand in[4];
    DType compute;               // what the tile function reads (but see boolean_first_input)
    DType result;                // what it writes: `compute` or boolean
    const double* params = nullptr;      // null or what set_param fills
    bool boolean_first_input = false;
    int64_t grain = 32768;       // elements below which a second thread does not pay
};

void run_pointwise(const PointwiseLoop& loop, TileFn fn);

// Is any element zero? For the integer divisions, whose callers refuse a zero divisor. Integer dtypes and bool.
bool any_zero(int ndim, const int64_t* sizes, const Operand& x);

// dst = src, converted. The operands must not overlap.
void copy_strided(int ndim, const int64_t* sizes, const Operand& dst, const Operand& src);

// Every element = *value, which points to one element of dst's dtype.
void fill_strided(int ndim, const int64_t* sizes, const Operand& dst, const void* value);

}  // namespace rushlight
