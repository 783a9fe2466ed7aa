// Convolutions as matrix products over gathered patches, for float32 and float64, any layouts.
#pragma once

#include "kernels/compute/problem.h"

namespace rushlight::generic {

void convolution_forward(const compute::Convolution& p, const void* input, const void* weights, const void* bias,
                         void* output);
void convolution_backward_input(const compute::Convolution& p, const void* grad_output, const void* weights,
                                void* grad_input);
void convolution_backward_weights(const compute::Convolution& p, const void* input, const void* grad_output,
                                  void* grad_weights, void* grad_bias);

}  // namespace rushlight::generic
