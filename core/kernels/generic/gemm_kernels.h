// The inner loops of matrix products, compiled per instruction set; gemm.cpp divides a product into them.
#pragma once

#include "kernels/generic/isa.h"

namespace rushlight {

// c (+)= a @ b + bias, then relu. Strides count elements. The columns of b and of c lie next to each other. A
// product is worked on in panels of `panel_rows` rows of a and `panel_columns` columns of b; `a_panel` and
// `b_panel` lead from one to the next, so that both packed and unpacked matrices fit.
struct GemmBlock {
    int64_t m, n, k;
    const void* a;
    int64_t a_row, a_column, a_panel;
    const void* b;
    int64_t b_row, b_panel;
    void* c;
    int64_t c_row;
    const void* bias;            // n elements or null
    bool accumulate, relu;
};

// c[i * c_row + j * c_column] (+)= dot(a's row i, b's row j) + bias[j * bias_step], then relu; rows of k
// elements.
struct GemmDots {
    int64_t m, n, k;
    const void* a;
    int64_t a_row;
    const void* b;
    int64_t b_row;
    void* c;
    int64_t c_row, c_column;
    const void* bias;            // or null
    int64_t bias_step;
    bool accumulate, relu;
};

struct GemmTable {
    struct Floating {
        int panel_rows, panel_columns, wide_columns;
        void (*block)(const GemmBlock&);
        void (*row)(const GemmBlock&);  // m is 1, b unpacked: panels of `wide_columns`, for products bound by memory
        void (*dots)(const GemmDots&);
    } floating[2];                             // float32, float64
    // Unpacked, by the element's size (1, 2, 4, 8): sums wrap. No relu.
    void (*integer[4])(const GemmBlock&);
    void (*boolean)(const GemmBlock&);         // sums are "or"
};

#ifndef RUSHLIGHT_ISA
DECLARE_ISA_TABLE(GemmTable, gemm_table);
#endif

}  // namespace rushlight
