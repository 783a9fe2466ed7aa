// Matrix products and convolutions on raw memory: one function each, which picks the implementation (a kernel
// of our own or oneDNN) by dtype, size and layout. All dtypes but the complex ones for
// products; the floating ones for convolutions. RUSHLIGHT_LOG=dispatch tells what was picked and why.
//
// Called from outside parallel_for; they use threads themselves. Called inside one they work on the calling
// thread. Where oneDNN applies relu, a NaN comes out as 0.
#pragma once

#include "kernels/compute/packed.h"
#include "kernels/compute/problem.h"

namespace rushlight::compute {

// `packed` holds b's layouts between calls; null when b may change. Whether a wish for gelu was granted.
bool matmul(const Matmul& p, PackedWeights* packed = nullptr);

// Has the processor instructions for products of these 16-bit floats?
bool multiplies_natively(DType dtype);

// `bias` may be null. `packed` holds the layouts of `weights` between calls; null when they may change.
void convolution_forward(const Convolution& p, const void* input, const void* weights, const void* bias, void* output,
                         PackedWeights* packed = nullptr);
// Also the forward of a transposed convolution, seen as the gradient of the convolution it inverts: `bias`
// (in_channels elements, may be null) is added to the result for it.
void convolution_backward_input(const Convolution& p, const void* grad_output, const void* weights, const void* bias,
                                void* grad_input, PackedWeights* packed = nullptr);
// Either gradient may be null. For a transposed convolution, input and grad_output change places and
// grad_bias is null.
void convolution_backward_weights(const Convolution& p, const void* input, const void* grad_output, void* grad_weights,
                                  void* grad_bias);

// Where the processor has no instructions for it, the products are formed in float32: exact up to 2^24.
void quantized_convolution(const QuantizedConvolution& p, const void* input, const int8_t* weights, void* output,
                           PackedWeights* packed = nullptr);

// The layout to make a result in, all else equal: of the convolution's output, given its input's layout, and of its
// input's gradient.
Layout output_layout(const Convolution& p);
Layout input_layout(const Convolution& p);

}  // namespace rushlight::compute
