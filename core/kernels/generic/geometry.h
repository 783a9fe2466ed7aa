// Dimensions in the order in which memory is walked: what loop.cpp and copy.cpp share.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/dims.h"

namespace rushlight {

inline constexpr int max_operands = 24;

// Dimension 0 is the innermost. There is at least one dimension, and no dimension of size 1 unless it is the only one.
struct Geometry {
    int ndim, operands;
    int64_t sizes[max_rank];
    int64_t strides[max_operands][max_rank];      // in elements

    int64_t numel() const {
        int64_t n = 1;
        for (int d = 0; d < ndim; d++) n *= sizes[d];
        return n;
    }
};

// Drops dimensions of size 1, puts those with the smallest strides innermost (operand 0 decides first), and joins those
// which every operand walks as one.
void make_geometry(Geometry& g, int ndim, const int64_t* sizes, int operands, const int64_t* const* strides);

// Where the elements of an outer index start. Steps through the dimensions from `first` on, like an odometer.
class OuterIndex {
public:
    OuterIndex(const Geometry& g, int first, int64_t position);
    void next();
    int64_t offset(int operand) const { return offsets_[operand]; }

private:
    const Geometry& g_;
    int first_;
    int64_t index_[max_rank];
    int64_t offsets_[max_operands];
};

// The part of the two innermost dimensions (rows of dimension 1 by columns of dimension 0) that is worked on at a time:
// at most `elements`, but square where an operand runs along the rows, so that its memory is read in runs too.
struct TileShape { int64_t rows, columns; };
TileShape choose_tile(const Geometry& g, int64_t elements);

// The tiles of a geometry, numbered so that threads can share them.
class TileCursor {
public:
    TileCursor(const Geometry& g, TileShape shape, int64_t position);
    static int64_t count(const Geometry& g, TileShape shape);
    void next();
    int64_t rows() const { return std::min(shape_.rows, all_rows_ - row_); }
    int64_t columns() const { return std::min(shape_.columns, g_.sizes[0] - column_); }
    // Where an operand's tile starts, in elements.
    int64_t offset(int operand) const {
        int64_t o = outer_.offset(operand) + column_ * g_.strides[operand][0];
        return g_.ndim > 1 ? o + row_ * g_.strides[operand][1] : o;
    }

private:
    const Geometry& g_;
    TileShape shape_;
    int64_t all_rows_, row_, column_;
    OuterIndex outer_;
};

// Copies a block of elements of `size` bytes: dst[r * dst_rows + c * dst_columns] = src[r * src_rows + c *
// src_columns], strides in elements. Rows and columns may be exchanged freely, so it transposes as well.
void copy_block(int64_t size, int64_t rows, int64_t columns, void* dst, int64_t dst_rows, int64_t dst_columns,
                const void* src, int64_t src_rows, int64_t src_columns);

}  // namespace rushlight
