// What the passes of pool.isa.cpp export, and the windows they work on.
#pragma once

#include "kernels/generic/float_kind.h"
#include "kernels/generic/isa.h"

namespace rushlight {

// The windows of every dimension, worked out once: output o covers inputs begin[o], begin[o] + step, ...
// below end[o], all inside the input; an average divides by the product of the dimensions' divisors. Input i
// is covered by the outputs [covered_from[i], covered_to[i]) (where step is 1).
struct PoolDim {
    int64_t in, out, step;
    const int64_t *begin, *end, *covered_from, *covered_to;
    const double* scale;                 // 1 / divisor
};

struct PoolWindows {
    int64_t batch, channels;
    PoolDim dim[3];
    int64_t inputs() const { return dim[0].in * dim[1].in * dim[2].in; }
    int64_t outputs() const { return dim[0].out * dim[1].out * dim[2].out; }
};

struct PoolTable {
    // Planes [from, to) of [batch * channels, *in]. `scratch` holds max(in, out) of the last dimension, 32
    // bytes each.
    PerFloat<void (*)(const PoolWindows& w, const void* src, void* dst, int64_t* indices, int64_t from,
                      int64_t to, void* scratch)>
        max_planes;
    PerFloat<void (*)(const PoolWindows& w, const void* src, void* dst, int64_t from, int64_t to,
                      void* scratch)>
        avg_planes;
    PerFloat<void (*)(const PoolWindows& w, const void* grad, void* grad_in, int64_t from, int64_t to,
                      void* scratch)>
        avg_back_planes;
    // Channels-last: rows [from, to) of the output (batch, out0, out1), or for the gradients of the input.
    PerFloat<void (*)(const PoolWindows& w, const void* src, void* dst, int64_t* indices, int64_t from,
                      int64_t to)>
        max_rows;
    PerFloat<void (*)(const PoolWindows& w, const void* src, void* dst, int64_t from, int64_t to)> avg_rows;
    PerFloat<void (*)(const PoolWindows& w, const void* grad, void* grad_in, int64_t from, int64_t to)>
        avg_back_rows;
    PerFloat<void (*)(const PoolWindows& w, const void* grad, const int64_t* indices, void* grad_in,
                      int64_t from, int64_t to)>
        max_back_rows;
};

#ifndef RUSHLIGHT_ISA
DECLARE_ISA_TABLE(PoolTable, pool_table);
#endif

}  // namespace rushlight
