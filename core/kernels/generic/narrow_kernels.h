// The inner loops of narrow convolutions, compiled per instruction set; narrow_convolution.cpp divides the work.
#pragma once

#include "kernels/generic/isa.h"

namespace rushlight {

// Some rows of a few planes, convolved: out[o, y, x] (+)= sum of rows[c, y + r, x + s] * weights[c, r, s, o] + bias[o],
// then relu. Strides count elements. The rows are padded: a whole register can be read from wherever a tap stands.
struct NarrowRows {
    int64_t channels, kernel_height, kernel_width;
    const float* rows;
    int64_t plane, row;                        // from channel to channel, from row to row
    int64_t first_row, last_row;               // rows outside [first_row, last_row) are padding
    const float* weights;
    const float* bias;                         // one number per output, or null
    float* out;
    int64_t out_plane, width, height;          // of the output: from channel to channel, and the rows to make
    bool accumulate, relu;
};

// weights[o, r, s] += sum over y, x of grad[o, y, x] * rows[y + r, x + s], for one channel of rows.
struct NarrowWeights {
    int64_t kernel_height;
    const float* rows;
    int64_t row, first_row, last_row;
    const float* grad;
    int64_t grad_plane, width, height;
    float* weights;
    int64_t weights_plane;                     // from output to output
};

struct NarrowTable {
    static constexpr int max_outputs = 6, max_kernel_width = 7;
    void (*forward[max_outputs + 1])(const NarrowRows&);     // by the number of outputs
    int outputs_at_once[max_kernel_width + 1];               // by the kernel's width: at most so many per call of
    void (*weights[max_kernel_width + 1])(const NarrowWeights&, int outputs);
    float (*sum)(const float*, int64_t count);
};

#ifndef RUSHLIGHT_ISA
DECLARE_ISA_TABLE(NarrowTable, narrow_table);
#endif

}  // namespace rushlight
