// Copies and fills.
#include <cstring>

#include "base/parallel.h"
#include "kernels/generic/casts.h"
#include "kernels/generic/geometry.h"
#include "kernels/generic/loop.h"

namespace rushlight {

static constexpr int64_t copy_grain = 1 << 19;      // bytes below which a second thread does not pay
static constexpr int64_t block_side = 128;          // of the blocks that a transposition goes by

// A plane of `columns` (contiguous in dst) by `rows` (contiguous in src), repeated over the other dimensions.
static void copy_transposed(const Geometry& g, int row_dim, char* dst, const char* src, int64_t size) {
    const int64_t columns = g.sizes[0], rows = g.sizes[row_dim];
    const int64_t column_blocks = (columns + block_side - 1) / block_side,
                  row_blocks = (rows + block_side - 1) / block_side;
    Geometry rest = g;                               // the dimensions but those two, from index 0 on
    rest.ndim = 0;
    for (int d = 1; d < g.ndim; d++) {
        if (d == row_dim) continue;
        rest.sizes[rest.ndim] = g.sizes[d];
        for (int k = 0; k < 2; k++) rest.strides[k][rest.ndim] = g.strides[k][d];
        rest.ndim++;
    }
    const int64_t blocks = column_blocks * row_blocks, planes = rest.numel();
    const int64_t grain = std::max<int64_t>(1, copy_grain / (block_side * block_side * size));
    parallel_for(planes * blocks, grain, [&](int64_t begin, int64_t end) {
        OuterIndex plane(rest, 0, begin / blocks);
        for (int64_t unit = begin, block = begin % blocks; unit < end; unit++) {
            int64_t c = block % column_blocks * block_side, r = block / column_blocks * block_side;
            copy_block(size, std::min(block_side, rows - r), std::min(block_side, columns - c),
                       dst + (plane.offset(0) + r * g.strides[0][row_dim] + c) * size, g.strides[0][row_dim], 1,
                       src + (plane.offset(1) + r + c * g.strides[1][0]) * size, 1, g.strides[1][0]);
            if (++block < blocks) continue;
            block = 0;
            plane.next();
        }
    });
}

// The dimension that `src` walks contiguously while `dst` walks dimension 0, or 0 where it is no transposition.
static int transposed_dim(const Geometry& g) {
    if (g.strides[0][0] != 1 || g.strides[1][0] == 1 || g.strides[1][0] == 0 || g.sizes[0] < 4) return 0;
    for (int d = 1; d < g.ndim; d++)
        if (g.strides[1][d] == 1 && g.sizes[d] >= 4) return d;
    return 0;
}

static void copy_contiguous(int64_t n, char* dst, int64_t dst_size, const char* src, int64_t src_size, CastFn cast) {
    const bool streams = !cast && n * dst_size >= stream_bytes && reinterpret_cast<uintptr_t>(dst) % 64 == 0;
    const auto stream = cast_table.active().stream;
    parallel_for(n, copy_grain / dst_size, [&](int64_t begin, int64_t end) {
        if (streams) stream((end - begin) * dst_size, dst + begin * dst_size, src + begin * src_size);
        else if (cast) cast(end - begin, dst + begin * dst_size, src + begin * src_size);
        else std::memcpy(dst + begin * dst_size, src + begin * src_size, size_t((end - begin) * dst_size));
    });
}

// Same dtype: rows (or strided rows) of the two innermost dimensions.
static void copy_planes(const Geometry& g, char* dst, const char* src, int64_t size) {
    const int64_t columns = g.sizes[0], rows = g.ndim > 1 ? g.sizes[1] : 1;
    const int64_t dst_rows = g.ndim > 1 ? g.strides[0][1] : 0, src_rows = g.ndim > 1 ? g.strides[1][1] : 0;
    const int64_t outer = g.numel() / (rows * columns);
    // The rows of all planes count as units, so that threads share one large plane as well as many small ones.
    const int64_t grain = std::max<int64_t>(1, copy_grain / (columns * size));
    parallel_for(outer * rows, grain, [&](int64_t begin, int64_t end) {
        OuterIndex plane(g, 2, begin / rows);
        for (int64_t row = begin; row < end; plane.next()) {
            int64_t r = row % rows, count = std::min(rows - r, end - row);
            copy_block(size, count, columns, dst + (plane.offset(0) + r * dst_rows) * size, dst_rows, g.strides[0][0],
                       src + (plane.offset(1) + r * src_rows) * size, src_rows, g.strides[1][0]);
            row += count;
        }
    });
}

// Different dtypes, any strides: by tiles that are gathered, converted and scattered.
static void copy_converted(const Geometry& g, char* dst, int64_t dst_size, const char* src, int64_t src_size,
                           CastFn cast) {
    constexpr int64_t elements = 1024;
    const TileShape shape = choose_tile(g, elements);
    const int64_t grain = std::max<int64_t>(1, copy_grain / (shape.rows * shape.columns * dst_size));
    parallel_for(TileCursor::count(g, shape), grain, [&](int64_t begin, int64_t end) {
        alignas(64) char gathered[elements * 16], converted[elements * 16];
        TileCursor tile(g, shape, begin);
        auto stride = [&](int k, int d) { return d < g.ndim ? g.strides[k][d] : 0; };
        for (int64_t unit = begin; unit < end; unit++, tile.next()) {
            const int64_t rows = tile.rows(), columns = tile.columns();
            copy_block(src_size, rows, columns, gathered, columns, 1, src + tile.offset(1) * src_size, stride(1, 1),
                       stride(1, 0));
            cast(rows * columns, converted, gathered);
            copy_block(dst_size, rows, columns, dst + tile.offset(0) * dst_size, stride(0, 1), stride(0, 0), converted,
                       columns, 1);
        }
    });
}

void copy_strided(int ndim, const int64_t* sizes, const Operand& dst, const Operand& src) {
    Geometry g;
    const int64_t* strides[2] = {dst.strides, src.strides};
    make_geometry(g, ndim, sizes, 2, strides);
    if (g.numel() == 0) return;
    char* to = static_cast<char*>(dst.data);
    const char* from = static_cast<const char*>(src.data);
    const int64_t size = size_of(dst.dtype);
    const bool contiguous = g.ndim == 1 && ((g.strides[0][0] == 1 && g.strides[1][0] == 1) || g.sizes[0] == 1);
    CastFn cast = nullptr;
    if (dst.dtype != src.dtype) cast = cast_table.active().fn[static_cast<int>(dst.dtype)][static_cast<int>(src.dtype)];
    if (contiguous) copy_contiguous(g.sizes[0], to, size, from, size_of(src.dtype), cast);
    else if (cast) copy_converted(g, to, size, from, size_of(src.dtype), cast);
    else if (int row_dim = transposed_dim(g)) copy_transposed(g, row_dim, to, from, size);
    else copy_planes(g, to, from, size);
}

static bool same_bytes(const unsigned char* value, int64_t size) {
    for (int64_t i = 1; i < size; i++)
        if (value[i] != value[0]) return false;
    return true;
}

void fill_strided(int ndim, const int64_t* sizes, const Operand& dst, const void* value) {
    Geometry g;
    make_geometry(g, ndim, sizes, 1, &dst.strides);
    if (g.numel() == 0) return;
    char* to = static_cast<char*>(dst.data);
    const int64_t size = size_of(dst.dtype);
    if (g.ndim == 1 && (g.strides[0][0] == 1 || g.sizes[0] == 1)) {
        const unsigned char* bytes = static_cast<const unsigned char*>(value);
        const bool repeated = same_bytes(bytes, size);
        parallel_for(g.sizes[0], copy_grain / size, [&](int64_t begin, int64_t end) {
            if (repeated) std::memset(to + begin * size, bytes[0], size_t((end - begin) * size));
            else copy_block(size, 1, end - begin, to + begin * size, 0, 1, value, 0, 0);
        });
        return;
    }
    // As a copy of one element that is broadcast.
    g.operands = 2;
    for (int d = 0; d < g.ndim; d++) g.strides[1][d] = 0;
    copy_planes(g, to, static_cast<const char*>(value), size);
}

}  // namespace rushlight
