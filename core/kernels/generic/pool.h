// Max and average pooling, adaptive or by windows, in one to three dimensions, forward and backward.
#pragma once

#include "base/dtype.h"

namespace rushlight::kernels {

// Unused dimensions come first and hold: in, out, kernel, stride, dilation 1 and pad 0. Data is [batch,
// channels, *in], or [batch, *in, channels] where channels_last; results likewise with *out.
struct Pool {
    int64_t batch, channels;
    int64_t in[3], out[3], kernel[3] = {}, stride[3] = {}, pad[3] = {}, dilation[3] = {};
    bool channels_last = false;
    bool count_include_pad = true;
    int64_t divisor_override = 0;        // 0: none
};

// The size of a pooled dimension: PyTorch's rule, by which with ceil_mode no window starts in the right
// padding.
int64_t pooled_size(int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation,
                    bool ceil_mode);

// Floating dtypes, and integers for max. `indices` (int64, laid out as dst) may be null: the flat place in
// the input's *in of each maximum, the first of equals; a NaN wins.
void max_pool(const void* src, DType t, void* dst, int64_t* indices, const Pool& p);
// p as in the forward pass; for adaptive_max_pool with kernel 0.
void max_pool_backward(const void* grad, const int64_t* indices, DType t, void* grad_in, const Pool& p);

void avg_pool(const void* src, DType t, void* dst, const Pool& p);
void avg_pool_backward(const void* grad, DType t, void* grad_in, const Pool& p);

// Windows from floor(o * in / out) to ceil((o + 1) * in / out): only batch, channels, in, out and
// channels_last are read.
void adaptive_avg_pool(const void* src, DType t, void* dst, const Pool& p);
void adaptive_avg_pool_backward(const void* grad, DType t, void* grad_in, const Pool& p);
void adaptive_max_pool(const void* src, DType t, void* dst, int64_t* indices, const Pool& p);

}  // namespace rushlight::kernels
