#include "kernels/generic/loop.h"

#include "base/parallel.h"
#include "kernels/generic/casts.h"
#include "kernels/generic/geometry.h"

namespace rushlight {

static_assert(int(Lane::uint8) == int(DType::uint8) && int(Lane::int8) == int(DType::int8) &&
              int(Lane::int16) == int(DType::int16) && int(Lane::int32) == int(DType::int32) &&
              int(Lane::int64) == int(DType::int64) && int(Lane::float32) == int(DType::float32) &&
              int(Lane::float64) == int(DType::float64) && int(Lane::boolean) == int(DType::boolean) &&
              int(Lane::uint64) == int(DType::uint64) && lane_dtypes == dtype_count);

// Elements that are packed at a time: five operands of four bytes then take 20 KB, which the first-level cache holds.
static constexpr int64_t tile_elements = 1024;
static constexpr int64_t direct_elements = 16384;
static constexpr int loop_operands = 5;

static CastFn cast_between(DType to, DType from) {
    return cast_table.active().fn[static_cast<int>(to)][static_cast<int>(from)];
}

static DType tile_dtype(const PointwiseLoop& loop, int input) {
    return input == 0 && loop.boolean_first_input ? DType::boolean : loop.compute;
}

// ---- the direct way ----------------------------------------------------------------------------------------------

static bool is_row_major(int ndim, const int64_t* sizes, const int64_t* strides) {
    int64_t expected = 1;
    for (int d = ndim - 1; d >= 0; d--) {
        if (sizes[d] != 1 && strides[d] != expected) return false;
        expected *= sizes[d];
    }
    return true;
}

static bool is_direct(const PointwiseLoop& loop) {
    if (loop.out.dtype != loop.result || !is_row_major(loop.ndim, loop.sizes, loop.out.strides)) return false;
    for (int k = 0; k < loop.inputs; k++)
        if (loop.in[k].dtype != tile_dtype(loop, k) || !is_row_major(loop.ndim, loop.sizes, loop.in[k].strides))
            return false;
    return true;
}

static void run_range(const PointwiseLoop& loop, TileFn fn, int64_t begin, int64_t end, void* out) {
    const void* in[loop_operands];
    for (int k = 0; k < loop.inputs; k++)
        in[k] = static_cast<const char*>(loop.in[k].data) + begin * size_of(loop.in[k].dtype);
    fn(end - begin, out, in, loop.params);
}

static char* output_at(const PointwiseLoop& loop, int64_t element) {
    return static_cast<char*>(loop.out.data) + element * size_of(loop.out.dtype);
}

// The result goes from a buffer past the caches to memory: see stream_bytes.
static void stream_range(const PointwiseLoop& loop, TileFn fn, int64_t begin, int64_t end) {
    constexpr int64_t buffer_bytes = 16384;
    alignas(64) char buffer[buffer_bytes];
    const auto stream = cast_table.active().stream;
    const int64_t size = size_of(loop.out.dtype), elements = buffer_bytes / size;
    // Up to the first aligned element, directly.
    int64_t first = begin;
    while (first < end && reinterpret_cast<uintptr_t>(output_at(loop, first)) % 64) first++;
    if (first > begin) run_range(loop, fn, begin, first, output_at(loop, begin));
    for (int64_t i = first; i < end; i += elements) {
        int64_t stop = std::min(end, i + elements);
        run_range(loop, fn, i, stop, buffer);
        stream((stop - i) * size, output_at(loop, i), buffer);
    }
}

static void run_direct(const PointwiseLoop& loop, TileFn fn, int64_t n) {
    if (n / 2 < loop.grain) return run_range(loop, fn, 0, n, loop.out.data);
    bool streams = n * size_of(loop.out.dtype) >= stream_bytes;
    for (int k = 0; k < loop.inputs; k++) streams = streams && loop.in[k].data != loop.out.data;
    parallel_for(n, loop.grain, [&](int64_t begin, int64_t end) {
        if (streams) stream_range(loop, fn, begin, end);
        else run_range(loop, fn, begin, end, output_at(loop, begin));
    });
}

// ---- by tiles ----------------------------------------------------------------------------------------------------

// One operand of a tile walk. Its elements come from memory in any dtype and strides, and go to (or come from) a buffer
// that is contiguous and of the tile's dtype, unless memory is so already.
struct TileOperand {
    char* data;
    int64_t size;                         // bytes of an element in memory
    int64_t column_stride, row_stride;    // in elements
    CastFn cast;                          // null where the dtypes agree
    char* buffer;
    // What the buffer holds, so that a broadcast operand is packed once.
    const char* held = nullptr;
    int64_t held_rows = 0, held_columns = 0;

    bool contiguous(int64_t rows, int64_t columns) const {
        return (column_stride == 1 || columns == 1) && (rows == 1 || row_stride == columns);
    }
};

static const void* pack(TileOperand& x, const char* from, int64_t rows, int64_t columns, char* staging) {
    bool contiguous = x.contiguous(rows, columns);
    if (contiguous && !x.cast) return from;
    if (x.held == from && rows <= x.held_rows && columns == x.held_columns) return x.buffer;
    x.held = from;
    x.held_rows = rows;
    x.held_columns = columns;
    if (contiguous) {
        x.cast(rows * columns, x.buffer, from);
        return x.buffer;
    }
    char* gathered = x.cast ? staging : x.buffer;
    copy_block(x.size, rows, columns, gathered, columns, 1, from, x.row_stride, x.column_stride);
    if (x.cast) x.cast(rows * columns, x.buffer, gathered);
    return x.buffer;
}

static void unpack(const TileOperand& x, char* to, int64_t rows, int64_t columns, char* staging) {
    if (x.contiguous(rows, columns)) {
        x.cast(rows * columns, to, x.buffer);
        return;
    }
    const char* converted = x.buffer;
    if (x.cast) {
        x.cast(rows * columns, staging, x.buffer);
        converted = staging;
    }
    copy_block(x.size, rows, columns, to, x.row_stride, x.column_stride, converted, columns, 1);
}

static void prepare(const PointwiseLoop& loop, const Geometry& g, TileOperand* operands,
                    char (*buffers)[tile_elements * 8]) {
    for (int k = 0; k < g.operands; k++) {
        const Operand& o = k ? loop.in[k - 1] : loop.out;
        DType tile = k ? tile_dtype(loop, k - 1) : loop.result;
        CastFn cast = nullptr;
        if (o.dtype != tile) cast = k ? cast_between(tile, o.dtype) : cast_between(o.dtype, tile);
        operands[k] = {static_cast<char*>(o.data), size_of(o.dtype), g.strides[k][0], g.ndim > 1 ? g.strides[k][1] : 0,
                       cast, buffers[k]};
    }
}

static void run_tiles(const PointwiseLoop& loop, const Geometry& g, TileShape shape, TileFn fn, int64_t begin,
                      int64_t end) {
    alignas(64) char buffers[loop_operands][tile_elements * 8];
    alignas(64) char staging[tile_elements * 16];
    TileOperand operands[loop_operands];
    prepare(loop, g, operands, buffers);
    const void* in[loop_operands];
    TileCursor cursor(g, shape, begin);
    for (int64_t unit = begin; unit < end; unit++, cursor.next()) {
        int64_t rows = cursor.rows(), columns = cursor.columns();
        for (int k = 1; k < g.operands; k++) {
            TileOperand& x = operands[k];
            in[k - 1] = pack(x, x.data + cursor.offset(k) * x.size, rows, columns, staging);
        }
        TileOperand& out = operands[0];
        char* to = out.data + cursor.offset(0) * out.size;
        bool direct = !out.cast && out.contiguous(rows, columns);
        fn(rows * columns, direct ? to : out.buffer, in, loop.params);
        if (!direct) unpack(out, to, rows, columns, staging);
    }
}

// The buffers hold tile_elements of 8 bytes.
static int64_t widest(const PointwiseLoop& loop) { return std::max<int64_t>(8, size_of(loop.compute)); }

// No operand needs a buffer, so rows may be long.
static bool has_direct_rows(const PointwiseLoop& loop, const Geometry& g) {
    if (g.sizes[0] < 128 || loop.out.dtype != loop.result || g.strides[0][0] != 1) return false;
    for (int k = 0; k < loop.inputs; k++)
        if (loop.in[k].dtype != tile_dtype(loop, k) || g.strides[k + 1][0] != 1) return false;
    return true;
}

void run_pointwise(const PointwiseLoop& loop, TileFn fn) {
    int64_t n = 1;
    for (int d = 0; d < loop.ndim; d++) n *= loop.sizes[d];
    if (n == 0) return;
    if (is_direct(loop)) return run_direct(loop, fn, n);
    Geometry g;
    const int64_t* strides[loop_operands] = {loop.out.strides};
    for (int k = 0; k < loop.inputs; k++) strides[k + 1] = loop.in[k].strides;
    make_geometry(g, loop.ndim, loop.sizes, loop.inputs + 1, strides);
    TileShape shape = has_direct_rows(loop, g) ? TileShape{1, std::min(g.sizes[0], direct_elements)}
                                               : choose_tile(g, tile_elements * 8 / widest(loop));
    int64_t grain = std::max<int64_t>(1, loop.grain / (shape.rows * shape.columns));
    parallel_for(TileCursor::count(g, shape), grain,
                 [&](int64_t begin, int64_t end) { run_tiles(loop, g, shape, fn, begin, end); });
}

template <class T>
static bool any_zero_of(const Geometry& g, const T* data) {
    int64_t outer = g.numel() / g.sizes[0];
    OuterIndex index(g, 1, 0);
    for (int64_t i = 0; i < outer; i++, index.next()) {
        const T* row = data + index.offset(0);
        bool found = false;
        if (g.strides[0][0] == 1)
            for (int64_t j = 0; j < g.sizes[0]; j++) found |= row[j] == 0;
        else
            for (int64_t j = 0; j < g.sizes[0]; j++) found |= row[j * g.strides[0][0]] == 0;
        if (found) return true;
    }
    return false;
}

bool any_zero(int ndim, const int64_t* sizes, const Operand& x) {
    Geometry g;
    make_geometry(g, ndim, sizes, 1, &x.strides);
    if (g.numel() == 0) return false;
    switch (size_of(x.dtype)) {
        case 1: return any_zero_of(g, static_cast<const uint8_t*>(x.data));
        case 2: return any_zero_of(g, static_cast<const uint16_t*>(x.data));
        case 4: return any_zero_of(g, static_cast<const uint32_t*>(x.data));
        default: return any_zero_of(g, static_cast<const uint64_t*>(x.data));
    }
}

}  // namespace rushlight
