// The kernels of generic/softmax.h in long double, one line after another.
#pragma once

#include "kernels/generic/softmax.h"

namespace rushlight::reference {

void softmax(const void* src, DType t, void* dst, kernels::Extent e, bool log);
void softmax_backward(const void* grad, const void* output, DType t, void* grad_in, kernels::Extent e,
                      bool log);
void cross_entropy(const void* logits, DType t, const kernels::ClassLoss& s, void* loss);
// By the definition: the derivative of the loss, for a gradient of the loss as cross_entropy's result.
void cross_entropy_backward(const void* grad_loss, const void* logits, DType t, const kernels::ClassLoss& s,
                            void* grad_logits);

}  // namespace rushlight::reference
