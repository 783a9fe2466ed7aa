// Reading and writing by index. Indices are int64. Every function that takes indices checks all of them
// before it writes, and returns the first bad one; with a fault nothing has been written. Where several
// indices name one place, the result is that of the order of the indices, whatever the number of threads.
#pragma once

#include "base/dtype.h"
#include "kernels/generic/extent.h"

namespace rushlight::kernels {

// The first index outside [low, high). Indices that may be negative count from the end: pass low = -size,
// high = size.
IndexFault check_indices(const int64_t* index, int64_t count, int64_t low, int64_t high);

enum class Combine : uint8_t { set, add, prod, amax, amin };

// gather and scatter along `dim`. `data` is the array that the indices point into, `other` the one of the
// index's shape (gather's result, scatter's source). Strides are in elements and may be 0 for an expanded
// index or source; data and a result must not overlap. Indices lie in [0, dim_size).
struct AlongDim {
    int rank;                            // 0 counts as one dimension of one element: pass rank 1
    int dim;
    int64_t dim_size;
    const int64_t* sizes;                // the index's
    const int64_t* data_strides;
    const int64_t* index_strides;
    const int64_t* other_strides;
};
IndexFault gather(const void* data, DType t, const int64_t* index, void* other, const AlongDim& a);
// data[index] (combine)= other. Combining other than `set` takes real dtypes and bool. For include_self =
// False the caller fills the touched places first: scatter the neutral element (0, 1, lowest, highest) with
// `set`.
IndexFault scatter(void* data, DType t, const int64_t* index, const void* other, const AlongDim& a,
                   Combine combine);
// The same with one value for all.
IndexFault scatter_value(void* data, DType t, const int64_t* index, const void* value, const AlongDim& a,
                         Combine combine);

// Along the middle dimension of contiguous [outer, n, inner] data: `count` indices in [0, n), or [-n, n)
// where `negative`. dst of index_select and src of the others are [outer, count, inner].
IndexFault index_select(const void* src, DType t, const int64_t* index, int64_t count, void* dst, Extent e,
                        bool negative);
// dst[index] += alpha * src, real dtypes (an integer alpha for integers).
IndexFault index_add(void* dst, DType t, const int64_t* index, int64_t count, const void* src, double alpha,
                     Extent e, bool negative);
IndexFault index_copy(void* dst, DType t, const int64_t* index, int64_t count, const void* src, Extent e,
                      bool negative);
IndexFault index_fill(void* dst, DType t, const int64_t* index, int64_t count, const void* value, Extent e,
                      bool negative);

// Flat indices in [-size, size) into contiguous data.
IndexFault take(const void* src, DType t, int64_t size, const int64_t* index, int64_t count, void* dst);
IndexFault put(void* dst, DType t, int64_t size, const int64_t* index, int64_t count, const void* src,
               bool accumulate);

// Masks hold bytes 0 or 1 (any other byte counts as 1).
int64_t count_true(const void* mask, int64_t n);
// The elements where the mask is true, in order; dst has room for count_true.
void masked_select(const void* src, DType t, const void* mask, int64_t n, void* dst);
// The elements of src in order, to where the mask is true; src has at least count_true.
void masked_scatter(void* dst, DType t, const void* mask, int64_t n, const void* src);

// Coordinates of the non-zeros of contiguous data of this shape, row by row: dst is [count, rank]. rank may
// be 0.
int64_t count_nonzeros(const void* src, DType t, int64_t n);
void nonzero(const void* src, DType t, const int64_t* sizes, int rank, int64_t* dst);

// dst[i] = table[index[i]], rows of `width` elements; indices in [0, rows).
IndexFault embedding(const void* table, DType t, int64_t rows, int64_t width, const int64_t* index,
                     int64_t count, void* dst);
// The dense gradient: grad_table (every row written) is the sum of the rows of grad per index, none for
// padding_index (-1: no such). With scale_by_frequency each is divided by how often its index occurs.
IndexFault embedding_backward(const void* grad, DType t, const int64_t* index, int64_t count,
                              void* grad_table, int64_t rows, int64_t width, int64_t padding_index,
                              bool scale_by_frequency);

// Several index arrays at once: x[..., i, j, k, ...]. The result (or the source of index_put) is contiguous
// [*outer, points, *inner]; `data` is strided. Indices may be negative.
struct IndexList {
    int count;                           // index arrays
    const int64_t* const* index;         // each with `points` entries
    const int64_t* sizes;                // of the indexed dimensions
    const int64_t* strides;
    int64_t points;
    int outer_rank = 0, inner_rank = 0;  // the dimensions before and after the indexed ones
    const int64_t* outer_sizes = nullptr;
    const int64_t* outer_strides = nullptr;
    const int64_t* inner_sizes = nullptr;
    const int64_t* inner_strides = nullptr;
};
// `offsets` is scratch for `points` values.
IndexFault index_get(const void* data, DType t, void* dst, const IndexList& list, int64_t* offsets);
// src: as index_get's result, or one element where one_value. accumulate adds (real and complex dtypes; bool:
// or).
IndexFault index_put(void* data, DType t, const void* src, bool one_value, const IndexList& list,
                     bool accumulate, int64_t* offsets);

// dst[i, index[i]] = 1, all else 0; dst is int64 [count, classes].
IndexFault one_hot(const int64_t* index, int64_t count, int64_t classes, int64_t* dst);

}  // namespace rushlight::kernels
