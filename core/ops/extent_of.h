// How an operator along dimensions of a contiguous tensor looks to a kernel: [outer, n, inner].
#pragma once

#include "kernels/generic/extent.h"
#include "registry/rules.h"
#include "tensor/tensor.h"

namespace rushlight {

// Dimensions [first, last) of `sizes` as the middle one.
inline kernels::Extent extent_of(const Dims& sizes, int first, int last) {
    kernels::Extent e = {1, 1, 1};
    for (int i = 0; i < sizes.size(); ++i) (i < first ? e.outer : i < last ? e.n : e.inner) *= sizes[i];
    return e;
}

inline kernels::Extent extent_of(const Dims& sizes, int dim) {
    return sizes.empty() ? kernels::Extent{1, 1, 1} : extent_of(sizes, dim, dim + 1);
}

// The shape that remains after reducing the dims of `mask`.
inline Dims reduced_sizes(const Dims& sizes, uint64_t mask, bool keepdim) {
    Dims out;
    for (int i = 0; i < sizes.size(); ++i) {
        if (!(mask >> i & 1)) out.push_back(sizes[i]);
        else if (keepdim) out.push_back(1);
    }
    return out;
}

}  // namespace rushlight
