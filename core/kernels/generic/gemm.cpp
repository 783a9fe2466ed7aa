#include "kernels/generic/gemm.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/error.h"
#include "base/parallel.h"
#include "base/scratch.h"
#include "kernels/generic/gemm_kernels.h"
#include "kernels/generic/geometry.h"

namespace rushlight::generic {

namespace {

constexpr int64_t thread_pays = 1 << 18;       // multiplications below which a second thread does not pay
constexpr int64_t packing_pays = 1 << 20;      // multiplications from which both matrices are packed
constexpr int64_t depth_bytes = 1 << 10;       // of one column of a packed panel: a panel of b stays in the first cache
constexpr int64_t most_block_rows = 256;       // of a, packed by each thread for itself: stays in the second cache
constexpr int64_t most_block_columns = 3072;   // of b, packed by all threads together

const char* at(const void* p, int64_t elements, int64_t size) { return static_cast<const char*>(p) + elements * size; }

bool is_float_kernel(DType t) { return t == DType::float32 || t == DType::float64; }
const GemmTable::Floating& kernels(DType t) { return gemm_table.active().floating[t == DType::float64]; }

GemmBlock unpacked(const Gemm& p) {
    GemmBlock g{};
    g.m = p.m, g.n = p.n, g.k = p.k;
    g.a = p.a, g.a_row = p.a_row, g.a_column = p.a_column;
    g.b = p.b, g.b_row = p.b_row;
    g.c = p.c, g.c_row = p.c_row;
    g.bias = p.bias, g.accumulate = p.accumulate, g.relu = p.relu;
    if (is_float_kernel(p.dtype)) {
        g.a_panel = kernels(p.dtype).panel_rows * p.a_row;
        g.b_panel = kernels(p.dtype).panel_columns;
    }
    return g;
}

void run_unpacked(const Gemm& p) {
    GemmBlock g = unpacked(p);
    if (p.dtype == DType::boolean) return gemm_table.active().boolean(g);
    if (is_float_kernel(p.dtype)) return p.m == 1 ? kernels(p.dtype).row(g) : kernels(p.dtype).block(g);
    gemm_table.active().integer[std::countr_zero(uint64_t(size_of(p.dtype)))](g);
}

GemmDots dots_of(const Gemm& p) {
    return {p.m, p.n, p.k, p.a, p.a_row, p.b, p.b_column, p.c, p.c_row, 1, p.bias, 1, p.accumulate, p.relu};
}

// Rows of a against columns of b, each of which lies in one piece.
bool runs_as_dots(const Gemm& p) { return is_float_kernel(p.dtype) && p.a_column == 1 && p.b_row == 1; }

// Few rows or few columns: the larger matrix is read once, so nothing is worth packing.
bool is_thin(const Gemm& p) { return p.m == 1 || p.n == 1 || (runs_as_dots(p) && (p.m <= 4 || p.n <= 4)); }

// b with its columns next to each other.
Gemm with_straight_b(const Gemm& p, Scratch& memory) {
    Gemm q = p;
    if (p.b_column == 1 || p.n == 1) return q;
    int64_t size = size_of(p.dtype);
    memory = Scratch(size_t(p.k * p.n * size));
    copy_block(size, p.k, p.n, memory.data(), p.n, 1, p.b, p.b_row, p.b_column);
    q.b = memory.data();
    q.b_row = p.n;
    q.b_column = 1;
    return q;
}

// Columns [begin, end) of the product.
Gemm columns_of(const Gemm& p, int64_t begin, int64_t end) {
    int64_t size = size_of(p.dtype);
    Gemm q = p;
    q.n = end - begin;
    q.b = at(p.b, begin * p.b_column, size);
    q.c = const_cast<char*>(at(p.c, begin, size));
    if (p.bias) q.bias = at(p.bias, begin, size);
    return q;
}

Gemm rows_of(const Gemm& p, int64_t begin, int64_t end) {
    int64_t size = size_of(p.dtype);
    Gemm q = p;
    q.m = end - begin;
    q.a = at(p.a, begin * p.a_row, size);
    q.c = const_cast<char*>(at(p.c, begin * p.c_row, size));
    return q;
}

// A vector among the operands, with its elements next to each other.
void straighten(const void*& data, int64_t& step, int64_t count, int64_t size, Scratch& memory) {
    if (step == 1) return;
    memory = Scratch(size_t(count * size));
    copy_block(size, 1, count, memory.data(), 0, 1, data, 0, step);
    data = memory.data();
    step = 1;
}

// Products with a vector, as a row times a matrix wherever that reads the matrix along its rows.
Gemm with_straight_vectors(const Gemm& p, Scratch& memory) {
    Gemm q = p;
    int64_t size = size_of(p.dtype);
    if (p.m == 1) straighten(q.a, q.a_column, p.k, size, memory);
    if (p.n != 1) return q;
    if (p.a_column != 1 && p.a_row == 1 && p.c_row == 1 && !p.bias) {
        std::swap(q.m, q.n);
        q.a = p.b, q.a_row = 0, q.a_column = p.b_row;
        q.b = p.a, q.b_row = p.a_column, q.b_column = 1;
        return q;
    }
    straighten(q.b, q.b_row, p.k, size, memory);
    return q;
}

void thin(const Gemm& p) {
    bool by_rows = p.n < p.m;
    int64_t length = by_rows ? p.m : p.n;
    int64_t grain = std::max<int64_t>(64, thread_pays / 4 / std::max<int64_t>(1, p.k * std::min(p.m, p.n)));
    parallel_for(length, grain, [&](int64_t begin, int64_t end) {
        Gemm part = by_rows ? rows_of(p, begin, end) : columns_of(p, begin, end);
        gemm_small(part);
    });
}

// One slice of the inner dimension against one range of columns, with both matrices packed.
class Packed {
public:
    explicit Packed(const Gemm& p)
        : p_(p), fn_(kernels(p.dtype)), size_(size_of(p.dtype)), depth_(depth_bytes / size_) {
        int64_t wanted = (p.m + 4 * get_num_threads() - 1) / (4 * get_num_threads());
        rows_ = std::clamp<int64_t>((wanted + fn_.panel_rows - 1) / fn_.panel_rows * fn_.panel_rows, 4 * fn_.panel_rows,
                                    most_block_rows);
        block_columns_ = most_block_columns / fn_.panel_columns * fn_.panel_columns;
        int64_t widest = std::min(block_columns_,
                                  (p.n + fn_.panel_columns - 1) / fn_.panel_columns * fn_.panel_columns);
        b_ = Scratch(size_t(std::min(depth_, p.k) * widest * size_));
    }

    void run() {
        for (int64_t j = 0; j < p_.n; j += block_columns_)
            for (int64_t k = 0; k < p_.k; k += depth_) {
                int64_t columns = std::min(block_columns_, p_.n - j), depth = std::min(depth_, p_.k - k);
                pack_b(j, k, columns, depth);
                multiply(j, k, columns, depth);
            }
    }

private:
    void pack_b(int64_t j, int64_t k, int64_t columns, int64_t depth) {
        int64_t step = fn_.panel_columns, panels = (columns + step - 1) / step;
        parallel_for(panels, std::max<int64_t>(1, 16384 / (step * depth)), [&](int64_t begin, int64_t end) {
            for (int64_t panel = begin; panel < end; ++panel)
                copy_block(size_, depth, std::min(step, columns - panel * step),
                           b_.as<char>() + panel * step * depth * size_, step, 1,
                           at(p_.b, k * p_.b_row + (j + panel * step) * p_.b_column, size_), p_.b_row, p_.b_column);
        });
    }

    void multiply(int64_t j, int64_t k, int64_t columns, int64_t depth) {
        int64_t blocks = (p_.m + rows_ - 1) / rows_;
        // Where the rows do not make enough blocks for the threads, the columns are divided too.
        int64_t step = fn_.panel_columns, panels = (columns + step - 1) / step;
        int64_t splits = std::clamp<int64_t>(2 * get_num_threads() / blocks, 1, panels);
        int64_t each = (panels + splits - 1) / splits;
        splits = (panels + each - 1) / each;
        parallel_for(blocks * splits, 1, [&](int64_t begin, int64_t end) {
            Scratch a(size_t(rows_ * depth * size_));
            for (int64_t unit = begin, packed = -1; unit < end; ++unit) {
                int64_t block = unit / splits, first = unit % splits * each * step;
                int64_t rows = std::min(rows_, p_.m - block * rows_);
                if (block != packed) pack_a(a.as<char>(), block * rows_, k, rows, depth);
                packed = block;
                multiply_block(a.data(), block * rows_, rows, j, first, std::min(each * step, columns - first), k,
                               depth);
            }
        });
    }

    void pack_a(char* to, int64_t i, int64_t k, int64_t rows, int64_t depth) {
        int64_t step = fn_.panel_rows;
        for (int64_t r = 0; r < rows; r += step)
            copy_block(size_, depth, std::min(step, rows - r), to + r * depth * size_, step, 1,
                       at(p_.a, (i + r) * p_.a_row + k * p_.a_column, size_), p_.a_column, p_.a_row);
    }

    void multiply_block(const void* a, int64_t i, int64_t rows, int64_t j, int64_t first, int64_t columns, int64_t k,
                        int64_t depth) {
        GemmBlock g{};
        g.m = rows, g.n = columns, g.k = depth;
        g.a = a, g.a_row = 1, g.a_column = fn_.panel_rows, g.a_panel = fn_.panel_rows * depth;
        g.b = b_.as<char>() + first * depth * size_, g.b_row = fn_.panel_columns, g.b_panel = fn_.panel_columns * depth;
        g.c = const_cast<char*>(at(p_.c, i * p_.c_row + j + first, size_)), g.c_row = p_.c_row;
        g.bias = p_.bias && k == 0 ? at(p_.bias, j + first, size_) : nullptr;
        g.accumulate = p_.accumulate || k > 0;
        g.relu = p_.relu && k + depth == p_.k;
        fn_.block(g);
    }

    const Gemm& p_;
    const GemmTable::Floating& fn_;
    int64_t size_, depth_, rows_, block_columns_;
    Scratch b_;
};

}  // namespace

bool gemm_takes(DType dtype) { return !is_complex(dtype) && !is_reduced(dtype); }

void gemm_small(const Gemm& p) {
    if (p.m == 0 || p.n == 0) return;
    if (is_thin(p) && runs_as_dots(p)) return kernels(p.dtype).dots(dots_of(p));
    Scratch memory;
    run_unpacked(with_straight_b(p, memory));
}

void gemm(const Gemm& p) {
    require(gemm_takes(p.dtype), ErrorKind::not_implemented, "gemm: dtype ", name_of(p.dtype), " has no kernel");
    if (p.m == 0 || p.n == 0) return;
    double work = double(p.m) * double(p.n) * double(p.k);
    if (work < double(thread_pays)) return gemm_small(p);
    if (p.m == 1 || p.n == 1) {
        Scratch memory;
        return thin(with_straight_vectors(p, memory));
    }
    if (is_thin(p)) return thin(p);
    if (is_float_kernel(p.dtype) && (work >= double(packing_pays) || p.b_column != 1)) return Packed(p).run();
    Scratch memory;
    Gemm q = with_straight_b(p, memory);
    int64_t grain = std::max<int64_t>(1, thread_pays / 4 / std::max<int64_t>(1, q.n * q.k));
    parallel_for(q.m, grain, [&](int64_t begin, int64_t end) { run_unpacked(rows_of(q, begin, end)); });
}

}  // namespace rushlight::generic
