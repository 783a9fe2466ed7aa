// Reductions over the middle dimension of a contiguous [outer, n, inner] array; `dst` has outer * inner
// elements.
//
// Results never depend on the number of threads. Floating sums are added in several lanes and combined in
// pairs, 16-bit floating types are computed in float32, integers in int64. A NaN wins in amax, amin, argmax
// and argmin, and of equal values the first index.
#pragma once

#include "base/dtype.h"
#include "kernels/generic/extent.h"

namespace rushlight::kernels {

enum class Reduction : uint8_t { sum, mean, prod, amax, amin, all, any, count_nonzero };

// sum, prod:     floating -> the same dtype; float16/bfloat16 -> the same or float32; integer and bool ->
// int64.
//                complex -> the same dtype.
// mean:          floating -> the same dtype; float16/bfloat16 -> the same or float32; complex -> the same.
// amax, amin:    any real dtype or bool -> the same dtype; n must be positive.
// all, any:      any real dtype -> bool (or uint8).
// count_nonzero: any real dtype -> int64.
// Other pairs are refused by `reduce_supports`; the caller casts the input first.
bool reduce_supports(Reduction op, DType in, DType out);
void reduce(Reduction op, const void* src, DType in, void* dst, DType out, Extent e);

// The same for one row of floating numbers that comes block by block (fold_block elements each): what a block gives,
// and the result of n elements.
double fold_part(Reduction op, const void* src, DType in, int64_t n);
void join_parts(Reduction op, const double* parts, int64_t count, int64_t n, void* dst, DType out);

// Index along the dimension of the largest (or smallest) value, and the value itself where `value` is not
// null.
void arg_reduce(bool largest, const void* src, DType t, int64_t* index, void* value, Extent e);

// The p-norm; p may be 0 (count of non-zeros), infinity and minus infinity. Floating dtypes; dst has the same
// dtype.
void norm(const void* src, DType t, void* dst, Extent e, double p);

// Variance (or its root) with divisor max(0, n - correction), and the mean where `mean` is not null. Floating
// dtypes.
void var(const void* src, DType t, void* dst, void* mean, Extent e, double correction, bool take_root);

// log(sum(exp(x))), without overflow. Floating dtypes.
void logsumexp(const void* src, DType t, void* dst, Extent e);

// The k-th smallest value, 1 <= k <= n, NaN counting as the largest, and the index of the element that a
// stable sort puts there.
void kthvalue(const void* src, DType t, void* value, int64_t* index, Extent e, int64_t k);

// The lower median, indexed alike. NaN where a NaN is among the values (the first one's index), unless
// `ignore_nan`: then the median of the others, NaN where there are none.
void median(const void* src, DType t, void* value, int64_t* index, Extent e, bool ignore_nan);

}  // namespace rushlight::kernels
