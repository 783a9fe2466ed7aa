// Kernels that only move elements or write regular patterns: joins, flips, triangles, sequences.
#pragma once

#include <cstddef>
#include <vector>

#include "base/dims.h"
#include "base/dtype.h"

namespace rushlight::kernels {

// Rows side by side: row r of dst is row r of each part in turn. Parts are contiguous [rows, bytes of a part's row].
struct Part {
    const void* data;
    int64_t row_bytes;
};
void join_rows(void* dst, int64_t rows, const std::vector<Part>& parts);

// dst = src with the dimensions of the mask reversed; both contiguous of this shape.
void flip(const void* src, void* dst, int64_t element_bytes, const Dims& sizes, uint64_t dims);

// The lower triangle (column - row <= diagonal) or the upper one (>= diagonal) of contiguous [batch, rows, columns];
// the rest 0.
void triangle(const void* src, void* dst, int64_t element_bytes, int64_t batch, int64_t rows, int64_t columns,
              int64_t diagonal, bool lower);

// data[at its strided place] += src, element by element in order; several places may coincide. src is contiguous. bool:
// or.
void add_strided(void* data, DType t, const Dims& strides, const void* src, const Dims& sizes);

// dst[i] = start + i * step, computed in int64 or double.
void arange(void* dst, DType t, int64_t n, int64_t start, int64_t step);
void arange(void* dst, DType t, int64_t n, double start, double step);
// n values from start to end, both met exactly; as powers of `base` when `powers`.
void linspace(void* dst, DType t, int64_t n, double start, double end, bool powers, double base);
// Ones on the main diagonal of [rows, columns], zeros elsewhere.
void eye(void* dst, DType t, int64_t rows, int64_t columns);
// Rows, then columns, of the entries of a triangle of [rows, columns], row by row: dst is [2, count].
int64_t count_triangle(int64_t rows, int64_t columns, int64_t diagonal, bool lower);
void triangle_indices(void* dst, DType t, int64_t rows, int64_t columns, int64_t diagonal, bool lower, int64_t count);

// dst holds each i of [0, n) repeats[i] times.
void repeat_indices(const int64_t* repeats, int64_t n, int64_t* dst);

}  // namespace rushlight::kernels
