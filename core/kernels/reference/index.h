// Gather, scatter and the rest, one index after another. Indices are good.
#pragma once

#include "kernels/generic/index.h"

namespace rushlight::reference {

void gather(const void* data, DType t, const int64_t* index, void* other, const kernels::AlongDim& a);
void scatter(void* data, DType t, const int64_t* index, const void* other, const kernels::AlongDim& a,
             kernels::Combine combine);
void index_select(const void* src, DType t, const int64_t* index, int64_t count, void* dst,
                  kernels::Extent e);
void index_add(void* dst, DType t, const int64_t* index, int64_t count, const void* src, double alpha,
               kernels::Extent e);
void index_copy(void* dst, DType t, const int64_t* index, int64_t count, const void* src, kernels::Extent e);
void embedding_backward(const void* grad, DType t, const int64_t* index, int64_t count, void* grad_table,
                        int64_t rows, int64_t width, int64_t padding_index, bool scale_by_frequency);

}  // namespace rushlight::reference
