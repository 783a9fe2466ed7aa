// Sorting and what rests on it. Every real dtype and bool; NaN counts as the largest value; every sort is
// stable.
//
// Functions with a `workspace` argument need that many bytes, aligned to 64, for scratch: ask the function
// named *_workspace. Sizes may be zero, and then the pointer may be null.
#pragma once

#include <cstddef>

#include "base/dtype.h"
#include "kernels/generic/extent.h"

namespace rushlight::kernels {

// Sorts along the middle dimension of a contiguous [outer, n, inner] array. `values` or `indices` may be
// null. `values` may be `src`. n must be below 2^32.
size_t sort_workspace(DType t, Extent e);
void sort(const void* src, DType t, void* values, int64_t* indices, Extent e, bool descending,
          void* workspace);

// The k largest (or smallest) values along the middle dimension, in order, and their indices: results have
// [outer, k, inner] elements. Of equal values the lowest index comes first.
size_t topk_workspace(DType t, Extent e, int64_t k);
void topk(const void* src, DType t, void* values, int64_t* indices, Extent e, int64_t k, bool largest,
          void* workspace);

// The distinct values of src[n], ascending; returns how many. `values` has room for n; `inverse` (n) and
// `counts` (n) may be null. Each NaN is distinct.
size_t unique_workspace(DType t, int64_t n);
int64_t unique(const void* src, DType t, int64_t n, void* values, int64_t* inverse, int64_t* counts,
               void* workspace);
// The same without sorting: runs of equal values.
int64_t unique_consecutive(const void* src, DType t, int64_t n, void* values, int64_t* inverse,
                           int64_t* counts);

// Distinct rows of a [rows, width] array. Writes to `first` (room for rows) the row of src that stands for
// each distinct row, in lexicographic order (or in order of appearance where `consecutive`); returns how
// many.
int64_t unique_rows(const void* src, DType t, int64_t rows, int64_t width, bool consecutive, int64_t* first,
                    int64_t* inverse, int64_t* counts);

// For each of `m` values per row, the place in the sorted row of `n` where it would go: the first such place,
// or the last where `right`. `sorted` has rows * n elements, or n for all rows where `one_row`. `sorter`,
// which may be null, holds the order that sorts each row. Both arrays have dtype t.
void searchsorted(const void* sorted, const void* values, DType t, int64_t* dst, int64_t rows, int64_t n,
                  int64_t m, bool one_row, bool right, const int64_t* sorter);

// dst[v] counts the entries equal to v (int64), or adds up their weights (`weights` and dst in dtype `w`:
// float32 or float64). Every entry must lie in [0, bins): see `integer_range`.
void bincount(const void* src, DType t, int64_t n, const void* weights, DType w, void* dst, int64_t bins);
// Smallest and largest of n integers; {0, -1} where n is 0.
struct IntegerRange { int64_t low, high; };
IntegerRange integer_range(const void* src, DType t, int64_t n);

// Counts in `bins` equal cells of [low, high], in the dtype of the floating input; low < high. Values outside
// and NaN are left out.
void histc(const void* src, DType t, int64_t n, void* dst, int64_t bins, double low, double high);

}  // namespace rushlight::kernels
