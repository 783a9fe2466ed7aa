// Matrix products with kernels of our own, for every real dtype but the 16-bit floating ones.
#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace rushlight::generic {

// c (+)= a @ b + bias, then relu (floating dtypes only). Strides count elements; the columns of c lie next to
// each other.
struct Gemm {
    DType dtype;
    int64_t m, n, k;
    const void* a;
    int64_t a_row, a_column;
    const void* b;
    int64_t b_row, b_column;
    void* c;
    int64_t c_row;
    const void* bias = nullptr;
    bool accumulate = false, relu = false;
};

void gemm(const Gemm& p);

// The same on the calling thread, without packing where it does not pay: what a small product costs.
void gemm_small(const Gemm& p);

// May be called for this dtype.
bool gemm_takes(DType dtype);

}  // namespace rushlight::generic
