// Images sampled at the places that a grid names, and the gradients of both.
#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace rushlight::kernels {

enum class SampleMode : uint8_t { linear, nearest, cubic };
enum class SamplePadding : uint8_t { zeros, border, reflection };

// Input (batch, channels, in...), grid (batch, points, rank) with the last dimension of the image first, output (batch,
// channels, points). An image of two dimensions has in[0] = 1.
struct GridSample {
    int64_t batch, channels, points, in[3];
    int rank;                                            // 2 or 3; cubic mode has 2
    SampleMode mode;
    SamplePadding padding;
    bool align_corners;
};

// float32 or float64.
void grid_sample(const void* input, const void* grid, DType t, void* out, const GridSample& s);
// Either gradient may be null; that of the input is added to what is there.
void grid_sample_backward(const void* grad, const void* input, const void* grid, DType t, void* grad_input,
                          void* grad_grid, const GridSample& s);

}  // namespace rushlight::kernels
