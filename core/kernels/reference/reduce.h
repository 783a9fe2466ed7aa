// The kernels of generic/reduce.h and generic/scan.h, one element after another in long double.
#pragma once

#include "kernels/generic/reduce.h"

namespace rushlight::reference {

void reduce(kernels::Reduction op, const void* src, DType in, void* dst, DType out, kernels::Extent e);
void arg_reduce(bool largest, const void* src, DType t, int64_t* index, void* value, kernels::Extent e);
void norm(const void* src, DType t, void* dst, kernels::Extent e, double p);
void var(const void* src, DType t, void* dst, void* mean, kernels::Extent e, double correction,
         bool take_root);
void logsumexp(const void* src, DType t, void* dst, kernels::Extent e);
void kthvalue(const void* src, DType t, void* value, int64_t* index, kernels::Extent e, int64_t k);

void cumsum(const void* src, DType in, void* dst, DType out, kernels::Extent e);
void cumprod(const void* src, DType in, void* dst, DType out, kernels::Extent e);
void cummax(const void* src, DType t, void* values, int64_t* indices, kernels::Extent e);
void cummin(const void* src, DType t, void* values, int64_t* indices, kernels::Extent e);
void logcumsumexp(const void* src, DType t, void* dst, kernels::Extent e);

}  // namespace rushlight::reference
