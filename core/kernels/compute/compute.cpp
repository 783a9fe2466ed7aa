#include "kernels/compute/compute.h"

#include "base/log.h"
#include "kernels/onednn/api.h"
#include "kernels/reference/matmul.h"

namespace rushlight::compute {

void matmul(const Matmul& p, PackedWeights* packed) {
    const onednn::Table* t = onednn::table();
    if (t && t->supports(p.dtype) && p.batch_rank <= 1) return t->matmul(p, packed);
    reference::matmul(p);
}

void convolution_forward(const Convolution& p, const void* input, const void* weights, const void* bias, void* output,
                         PackedWeights* packed) {
    const onednn::Table* t = onednn::table();
    if (t && t->supports(p.dtype)) return t->convolution_forward(p, input, weights, bias, output, packed);
    reference::convolution_forward(p, input, weights, bias, output);
}

void convolution_backward_input(const Convolution& p, const void* grad_output, const void* weights, const void* bias,
                                void* grad_input, PackedWeights* packed) {
    const onednn::Table* t = onednn::table();
    if (t && t->supports(p.dtype)) return t->convolution_backward_input(p, grad_output, weights, grad_input, packed);
    reference::convolution_backward_input(p, grad_output, weights, grad_input);
}

void convolution_backward_weights(const Convolution& p, const void* input, const void* grad_output, void* grad_weights,
                                  void* grad_bias) {
    const onednn::Table* t = onednn::table();
    if (t && t->supports(p.dtype)) return t->convolution_backward_weights(p, input, grad_output, grad_weights, grad_bias);
    reference::convolution_backward_weights(p, input, grad_output, grad_weights, grad_bias);
}

Layout preferred_layout(const Convolution& p) { return Layout::channels_last; }

}  // namespace rushlight::compute
