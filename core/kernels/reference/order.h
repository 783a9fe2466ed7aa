// The kernels of generic/sort.h by the standard library's stable sort.
#pragma once

#include "kernels/generic/sort.h"

namespace rushlight::reference {

void sort(const void* src, DType t, void* values, int64_t* indices, kernels::Extent e, bool descending);
void topk(const void* src, DType t, void* values, int64_t* indices, kernels::Extent e, int64_t k,
          bool largest);
int64_t unique(const void* src, DType t, int64_t n, void* values, int64_t* inverse, int64_t* counts);
void searchsorted(const void* sorted, const void* values, DType t, int64_t* dst, int64_t rows, int64_t n,
                  int64_t m, bool one_row, bool right);

}  // namespace rushlight::reference
