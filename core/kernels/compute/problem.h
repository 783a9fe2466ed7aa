// What a matrix product or a convolution is, in plain numbers and pointers: the language that the callers and
// the implementations (generic, onednn, reference) share. Sizes and strides count elements. Nothing here
// checks anything: the operators have done so, and every size fits its product.
#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace rushlight::compute {

// How activations lie in memory: plain is (batch, channels, spatial...) contiguous; channels_last is the same
// tensor with the channels innermost, (batch, spatial..., channels) contiguous.
enum class Layout : uint8_t { plain, channels_last };

// c = a @ b, or c += a @ b, for each item of a batch; then bias, then relu or gelu.
struct Matmul {
    DType dtype = DType::float32;              // of a and b, and of bias and c
    bool wide = false;                         // bias and c are float32, a and b 16-bit floats: nothing is rounded
    DType result() const { return wide ? DType::float32 : dtype; }
    bool accumulate = false;                   // add to what c holds
    bool relu = false;                         // of the sum, bias included
    bool gelu = false;                         // the same; a wish that only some implementations grant
    int64_t m = 0, n = 0, k = 0;
    const void* a = nullptr;                   // m x k
    int64_t a_row = 0, a_column = 1;
    const void* b = nullptr;                   // k x n
    int64_t b_row = 0, b_column = 1;
    void* c = nullptr;                         // m x n, columns next to each other; overlaps neither a nor b
    int64_t c_row = 0;
    const void* bias = nullptr;                // n elements next to each other, added to every row
    // Batch dimensions, outermost first; a stride of 0 repeats the matrix (broadcasting). `c_batch` has no
    // zeros.
    int batch_rank = 0;
    const int64_t* batch = nullptr;
    const int64_t* a_batch = nullptr;
    const int64_t* b_batch = nullptr;
    const int64_t* c_batch = nullptr;
};

// Input (batch, in_channels, input...), weights (out_channels, in_channels / groups, kernel...), output
// (batch, out_channels, output...). The caller has computed `output`, so a ragged end of the input is
// allowed. `*_layout` describes the physical order of the input (or its gradient), the output (or its
// gradient) and the weights (or their gradient; channels_last means (out_channels, kernel..., in_channels /
// groups)).
struct Convolution {
    DType dtype = DType::float32;
    Layout input_layout = Layout::plain, output_layout = Layout::plain, weights_layout = Layout::plain;
    bool relu = false;                         // not of gradients of weights: of the result, bias included
    bool accumulate = false;                   // forward only: add to what the output holds, before relu
    int rank = 2;                              // spatial dimensions, 1 to 3
    int64_t batch = 0, in_channels = 0, out_channels = 0, groups = 1;
    int64_t input[3] = {1, 1, 1}, kernel[3] = {1, 1, 1}, output[3] = {1, 1, 1};
    int64_t stride[3] = {1, 1, 1}, dilation[3] = {1, 1, 1};        // a dilation of 1 has no holes
    int64_t padding[3] = {0, 0, 0}; // zeros before the first element; those after the last follow from `output`
};

// A convolution of 8-bit integers with channels-last activations, its sums exact:
//     y = (sum of (input - input_zero) * weights) * input_scale * weight_scales[channel] + bias[channel]
// With `accumulate`, (what the output holds - addend_zero) * addend_scale is added; then relu; then what is no float32
// is divided by output_scale, rounded, moved by output_zero and cut to the range of the output's dtype.
struct QuantizedConvolution : Convolution {    // `dtype` is that of the output: float32, uint8 or int8
    DType input_dtype = DType::uint8;          // or int8; the weights are int8
    float input_scale = 1, output_scale = 1, addend_scale = 1;
    int32_t input_zero = 0, output_zero = 0, addend_zero = 0;
    const float* weight_scales = nullptr;      // out_channels of them
    const float* bias = nullptr;               // as many, or null
    float least() const { return float(output_zero) * output_scale; }      // what relu cuts at, moved by output_zero
};

}  // namespace rushlight::compute
