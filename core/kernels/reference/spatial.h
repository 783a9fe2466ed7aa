// Padding, resizing and unfolding by their definitions.
#pragma once

#include "kernels/generic/spatial.h"

namespace rushlight::reference {

void pad(const void* src, DType t, void* dst, const kernels::Pad& p, const void* value);
void pad_backward(const void* grad, DType t, void* grad_in, const kernels::Pad& p);
void resize(const void* src, DType t, void* dst, const kernels::Resize& r);
void resize_backward(const void* grad, DType t, void* grad_in, const kernels::Resize& r);
void im2col(const void* src, DType t, void* dst, const kernels::Unfold& u);
void col2im(const void* src, DType t, void* dst, const kernels::Unfold& u);

}  // namespace rushlight::reference
