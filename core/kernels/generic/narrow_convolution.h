// Convolutions whose results have few channels, over plain float32 images of two dimensions, without stride or holes.
#pragma once

#include "kernels/compute/problem.h"

namespace rushlight::generic {

// Whether each of the three is worth doing here, where other kernels would leave most of a register empty. They look at
// the sizes alone: all activations must be plain (a single channel is so in any layout).
bool narrow_forward_takes(const compute::Convolution& p);
bool narrow_backward_input_takes(const compute::Convolution& p);
bool narrow_backward_weights_takes(const compute::Convolution& p);

void narrow_forward(const compute::Convolution& p, const float* input, const float* weights, const float* bias,
                    float* output);
// `bias` may be null: numbers to add to each channel of the result.
void narrow_backward_input(const compute::Convolution& p, const float* grad_output, const float* weights,
                           const float* bias, float* grad_input);
// Sums are formed over parts of the batch that do not depend on the number of threads. `grad_bias` may be null.
void narrow_backward_weights(const compute::Convolution& p, const float* input, const float* grad_output,
                             float* grad_weights, float* grad_bias);

}  // namespace rushlight::generic
