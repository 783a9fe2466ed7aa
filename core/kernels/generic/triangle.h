// Systems of equations with a small triangular matrix and many right sides, compiled per instruction set: the innermost
// step of the blocked solutions of kernels/lapack/large.cpp.
#pragma once

#include "kernels/generic/isa.h"

namespace rushlight {

// x becomes the solution of t x = x. Both lie row after row; the rows of x are `step` elements apart, a multiple of
// `lanes`, and are worked on whole.
struct SmallTriangle {
    int64_t n;
    const void* t;
    bool lower, unit;              // unit: the diagonal counts as ones
    void* x;
    int64_t step;
};

struct TriangleTable {
    int64_t lanes[2];              // float32, float64
    void (*solve[2])(const SmallTriangle&);
};

#ifndef RUSHLIGHT_ISA
DECLARE_ISA_TABLE(TriangleTable, triangle_table);
#endif

}  // namespace rushlight
