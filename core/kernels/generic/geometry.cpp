#include "kernels/generic/geometry.h"

#include <cstdlib>
#include <cstring>

namespace rushlight {

// Should dimension `a` be inside dimension `b`? The first operand whose strides differ (and are not broadcast) decides.
static bool belongs_inside(const Geometry& g, int a, int b) {
    for (int k = 0; k < g.operands; k++) {
        int64_t sa = std::abs(g.strides[k][a]), sb = std::abs(g.strides[k][b]);
        if (sa == 0 || sb == 0 || sa == sb) continue;
        return sa < sb;
    }
    return false;
}

static void swap_dims(Geometry& g, int a, int b) {
    std::swap(g.sizes[a], g.sizes[b]);
    for (int k = 0; k < g.operands; k++) std::swap(g.strides[k][a], g.strides[k][b]);
}

static bool joins(const Geometry& g, int inner, int outer) {
    for (int k = 0; k < g.operands; k++)
        if (g.strides[k][outer] != g.strides[k][inner] * g.sizes[inner]) return false;
    return true;
}

void make_geometry(Geometry& g, int ndim, const int64_t* sizes, int operands, const int64_t* const* strides) {
    g.ndim = 0;
    g.operands = operands;
    for (int d = ndim - 1; d >= 0; d--) {
        if (sizes[d] == 1) continue;
        int at = g.ndim++;
        g.sizes[at] = sizes[d];
        for (int k = 0; k < operands; k++) g.strides[k][at] = strides[k][d];
        for (; at > 0 && belongs_inside(g, at, at - 1); at--) swap_dims(g, at, at - 1);
    }
    if (g.ndim == 0) {
        g.ndim = 1;
        g.sizes[0] = 1;
        for (int k = 0; k < operands; k++) g.strides[k][0] = 1;
        return;
    }
    int last = 0;
    for (int d = 1; d < g.ndim; d++) {
        if (joins(g, last, d)) {
            g.sizes[last] *= g.sizes[d];
            continue;
        }
        last++;
        g.sizes[last] = g.sizes[d];
        for (int k = 0; k < operands; k++) g.strides[k][last] = g.strides[k][d];
    }
    g.ndim = last + 1;
}

OuterIndex::OuterIndex(const Geometry& g, int first, int64_t position) : g_(g), first_(first) {
    for (int k = 0; k < g.operands; k++) offsets_[k] = 0;
    for (int d = first; d < g.ndim; d++) {
        index_[d] = position % g.sizes[d];
        position /= g.sizes[d];
        for (int k = 0; k < g.operands; k++) offsets_[k] += index_[d] * g.strides[k][d];
    }
}

void OuterIndex::next() {
    for (int d = first_; d < g_.ndim; d++) {
        for (int k = 0; k < g_.operands; k++) offsets_[k] += g_.strides[k][d];
        if (++index_[d] < g_.sizes[d]) return;
        for (int k = 0; k < g_.operands; k++) offsets_[k] -= g_.sizes[d] * g_.strides[k][d];
        index_[d] = 0;
    }
}

// ---- tiles -------------------------------------------------------------------------------------------------------

static int64_t rows_of(const Geometry& g) { return g.ndim > 1 ? g.sizes[1] : 1; }
static int64_t pieces(int64_t n, int64_t of) { return (n + of - 1) / of; }

TileShape choose_tile(const Geometry& g, int64_t elements) {
    constexpr int64_t side = 32;
    const int64_t columns = g.sizes[0], rows = rows_of(g);
    bool transposes = false;
    for (int k = 0; k < g.operands && g.ndim > 1; k++)
        transposes = transposes || (g.strides[k][1] == 1 && g.strides[k][0] > 1);
    if (transposes && columns >= 8 && rows >= 8) return {std::min(rows, side), std::min(columns, side)};
    if (columns >= 128 || rows == 1) return {1, std::min(columns, elements)};
    return {std::min(rows, elements / columns), columns};
}

int64_t TileCursor::count(const Geometry& g, TileShape shape) {
    int64_t n = pieces(g.sizes[0], shape.columns) * pieces(rows_of(g), shape.rows);
    for (int d = 2; d < g.ndim; d++) n *= g.sizes[d];
    return n;
}

TileCursor::TileCursor(const Geometry& g, TileShape shape, int64_t position)
    : g_(g),
      shape_(shape),
      all_rows_(rows_of(g)),
      row_(position / pieces(g.sizes[0], shape.columns) % pieces(all_rows_, shape.rows) * shape.rows),
      column_(position % pieces(g.sizes[0], shape.columns) * shape.columns),
      outer_(g, 2, position / (pieces(g.sizes[0], shape.columns) * pieces(all_rows_, shape.rows))) {}

void TileCursor::next() {
    column_ += shape_.columns;
    if (column_ < g_.sizes[0]) return;
    column_ = 0;
    row_ += shape_.rows;
    if (row_ < all_rows_) return;
    row_ = 0;
    outer_.next();
}

// ---- blocks ------------------------------------------------------------------------------------------------------

struct Sixteen { uint64_t low, high; };

template <class T> struct SixteenBytesOf { typedef T type __attribute__((vector_size(16))); };
template <class T> using Register = typename SixteenBytesOf<T>::type;

template <class T> static inline Register<T> zip_low(Register<T> a, Register<T> b) {
    if constexpr (sizeof(T) == 1)
        return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    else if constexpr (sizeof(T) == 2) return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
    else if constexpr (sizeof(T) == 4) return __builtin_shufflevector(a, b, 0, 4, 1, 5);
    else return __builtin_shufflevector(a, b, 0, 2);
}
template <class T> static inline Register<T> zip_high(Register<T> a, Register<T> b) {
    if constexpr (sizeof(T) == 1)
        return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    else if constexpr (sizeof(T) == 2) return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
    else if constexpr (sizeof(T) == 4) return __builtin_shufflevector(a, b, 2, 6, 3, 7);
    else return __builtin_shufflevector(a, b, 1, 3);
}

// A square of 16 / sizeof(T) elements a side. Interleaving register i with register i + n / 2, as often as n halves,
// transposes.
template <class T>
static inline void transpose_square(T* dst, int64_t dst_stride, const T* src, int64_t src_stride) {
    constexpr int n = 16 / int(sizeof(T));
    Register<T> a[n], b[n];
    for (int i = 0; i < n; i++) std::memcpy(&a[i], src + i * src_stride, 16);
    for (int round = 1; round < n; round *= 2) {
        for (int i = 0; i < n / 2; i++) {
            b[2 * i] = zip_low<T>(a[i], a[i + n / 2]);
            b[2 * i + 1] = zip_high<T>(a[i], a[i + n / 2]);
        }
        for (int i = 0; i < n; i++) a[i] = b[i];
    }
    for (int i = 0; i < n; i++) std::memcpy(dst + i * dst_stride, &a[i], 16);
}

// dst[c * dst_stride + r] = src[r * src_stride + c].
template <class T>
static void transpose_block(int64_t rows, int64_t columns, T* dst, int64_t dst_stride, const T* src,
                            int64_t src_stride) {
    int64_t whole_rows = 0, whole_columns = 0;
    if constexpr (sizeof(T) < 16) {
        constexpr int n = 16 / int(sizeof(T));
        whole_rows = rows - rows % n;
        whole_columns = columns - columns % n;
        // Whole cache lines first, so that lines which fall on one another's place are used up before they are evicted.
        constexpr int64_t line = 64 / int64_t(sizeof(T));
        for (int64_t c0 = 0; c0 < whole_columns; c0 += line)
            for (int64_t r0 = 0; r0 < whole_rows; r0 += line)
                for (int64_t c = c0; c < std::min(c0 + line, whole_columns); c += n)
                    for (int64_t r = r0; r < std::min(r0 + line, whole_rows); r += n)
                        transpose_square(dst + c * dst_stride + r, dst_stride, src + r * src_stride + c, src_stride);
    }
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = r < whole_rows ? whole_columns : 0; c < columns; c++)
            dst[c * dst_stride + r] = src[r * src_stride + c];
}

template <class T>
static void copy_rows(int64_t rows, int64_t columns, T* dst, int64_t dst_rows, int64_t dst_columns, const T* src,
                      int64_t src_rows, int64_t src_columns) {
    for (int64_t r = 0; r < rows; r++, dst += dst_rows, src += src_rows) {
        if (dst_columns == 1 && src_columns == 1) {
            if (columns >= 64) std::memcpy(dst, src, size_t(columns) * sizeof(T));
            else
                for (int64_t c = 0; c < columns; c++) dst[c] = src[c];
        } else if (dst_columns == 1 && src_columns == 0) {
            const T value = *src;
            for (int64_t c = 0; c < columns; c++) dst[c] = value;
        } else if (dst_columns == 1) {
            for (int64_t c = 0; c < columns; c++) dst[c] = src[c * src_columns];
        } else {
            for (int64_t c = 0; c < columns; c++) dst[c * dst_columns] = src[c * src_columns];
        }
    }
}

template <class T>
static void copy_block_of(int64_t rows, int64_t columns, void* dst_data, int64_t dst_rows, int64_t dst_columns,
                          const void* src_data, int64_t src_rows, int64_t src_columns) {
    T* dst = static_cast<T*>(dst_data);
    const T* src = static_cast<const T*>(src_data);
    if (dst_columns == 1 && src_rows == 1 && columns > 1 && rows > 1)
        transpose_block(columns, rows, dst, dst_rows, src, src_columns);
    else if (dst_rows == 1 && src_columns == 1 && columns > 1 && rows > 1)
        transpose_block(rows, columns, dst, dst_columns, src, src_rows);
    else if (dst_rows == 1 && dst_columns != 1)
        copy_rows(columns, rows, dst, dst_columns, dst_rows, src, src_columns, src_rows);
    else
        copy_rows(rows, columns, dst, dst_rows, dst_columns, src, src_rows, src_columns);
}

void copy_block(int64_t size, int64_t rows, int64_t columns, void* dst, int64_t dst_rows, int64_t dst_columns,
                const void* src, int64_t src_rows, int64_t src_columns) {
    auto with = [&](auto element) {
        copy_block_of<decltype(element)>(rows, columns, dst, dst_rows, dst_columns, src, src_rows, src_columns);
    };
    switch (size) {
        case 1: return with(uint8_t{});
        case 2: return with(uint16_t{});
        case 4: return with(uint32_t{});
        case 8: return with(uint64_t{});
        default: return with(Sixteen{});
    }
}

}  // namespace rushlight
