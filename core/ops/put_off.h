// Batch norm's last pass over channels-last data, put off until the result is read, so that the addition and the relu
// that follow it in most networks join that pass instead of making two of their own.
#pragma once

#include "kernels/generic/norm.h"
#include "tensor/tensor.h"

namespace rushlight {

// Whether it is worth it and nobody else sees y's bytes yet. x keeps channels last.
bool may_be_put_off(const Tensor& y, const Tensor& x);
// y is to be x * scale + shift per channel.
void put_off_affine(const Tensor& y, const Tensor& x, kernels::ChannelShape shape, kernels::ChannelAffine affine);

// out = relu(in), out = a + b: true where the work on `in` or `a` is still put off, and now includes this. `out` is the
// operand itself or fresh.
bool relu_joins(const Tensor& in, const Tensor& out);
bool add_joins(const Tensor& a, const Tensor& b, const Tensor& out);

}  // namespace rushlight
