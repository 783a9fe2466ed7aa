// Padding, resizing, and unfolding images into columns.
#pragma once

#include "base/dtype.h"

namespace rushlight::kernels {

enum class PadMode : uint8_t { constant, reflect, replicate, circular };

// Pads `rank` dimensions of a contiguous array; all dimensions are listed, outermost first (join those that
// are not padded). A negative amount crops. out[d] is in[d] + before[d] + after[d], never negative.
struct Pad {
    static constexpr int max_rank = 8;
    int rank;
    int64_t in[max_rank], before[max_rank], after[max_rank];
    PadMode mode = PadMode::constant;
};

// Any dtype: only the element's size counts. `value` points to one element (constant mode).
void pad(const void* src, DType t, void* dst, const Pad& p, const void* value);
// Floating dtypes: the gradient of the source.
void pad_backward(const void* grad, DType t, void* grad_in, const Pad& p);

enum class ResizeMode : uint8_t { nearest, nearest_exact, linear, cubic, lanczos };

// Unused dimensions come first, with in = out = 1. scale[d] is the size of an input step per output step (1 /
// scale_factor) where the user gave a factor, else 0: then the sizes give it.
struct Resize {
    int64_t planes;                      // batch * channels
    int64_t in[3], out[3];
    double scale[3] = {0, 0, 0};
    ResizeMode mode = ResizeMode::nearest;
    bool align_corners = false;
    bool antialias = false;              // filters as wide as the step where the result is smaller
};

// linear serves linear, bilinear and trilinear; cubic serves bicubic; lanczos is for antialias only. Floating dtypes,
// and uint8 for the nearest modes.
void resize(const void* src, DType t, void* dst, const Resize& r);
void resize_backward(const void* grad, DType t, void* grad_in, const Resize& r);

// Sliding blocks of [batch, channels, in0, in1] as columns [batch, channels * kernel0 * kernel1, blocks0 *
// blocks1].
struct Unfold {
    int64_t batch, channels;
    int64_t in[2], kernel[2], stride[2], pad[2], dilation[2], blocks[2];
};
int64_t block_count(int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation);
// Any dtype.
void im2col(const void* src, DType t, void* dst, const Unfold& u);
// Adds the columns up where blocks overlap. Floating dtypes.
void col2im(const void* src, DType t, void* dst, const Unfold& u);

}  // namespace rushlight::kernels
