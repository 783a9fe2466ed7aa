// Products and convolutions as the formulas say, one element after another with wide accumulators: the oracle
// of the fast kernels.
#pragma once

#include "kernels/compute/problem.h"

namespace rushlight::reference {

void matmul(const compute::Matmul& p);

void convolution_forward(const compute::Convolution& p, const void* input, const void* weights, const void* bias,
                         void* output);
void convolution_backward_input(const compute::Convolution& p, const void* grad_output, const void* weights,
                                void* grad_input);
void convolution_backward_weights(const compute::Convolution& p, const void* input, const void* grad_output,
                                  void* grad_weights, void* grad_bias);

void quantized_convolution(const compute::QuantizedConvolution& p, const void* input, const int8_t* weights,
                           void* output);

}  // namespace rushlight::reference
