// Running reductions along the middle dimension of a contiguous [outer, n, inner] array. `dst` has the shape
// of `src`.
#pragma once

#include "base/dtype.h"
#include "kernels/generic/extent.h"

namespace rushlight::kernels {

// in == out (floating or integer), or integer and bool -> int64. 16-bit floating types accumulate in float32.
// dst may be src where the dtypes agree.
void cumsum(const void* src, DType in, void* dst, DType out, Extent e);
void cumprod(const void* src, DType in, void* dst, DType out, Extent e);

// Running maximum (or minimum) and its index: of equal values the latest, and a NaN wins from where it
// stands.
void cummax(const void* src, DType t, void* values, int64_t* indices, Extent e);
void cummin(const void* src, DType t, void* values, int64_t* indices, Extent e);

// log(cumsum(exp(x))), without overflow. Floating dtypes.
void logcumsumexp(const void* src, DType t, void* dst, Extent e);

}  // namespace rushlight::kernels
