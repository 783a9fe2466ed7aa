// LU factors, and what is solved with them, block by block.
#include "kernels/lapack/large.h"

#include <numeric>

#include "kernels/generic/geometry.h"

namespace rushlight::lapack {

namespace {

// c -= op(a) b, c of m x n.
template <class T>
void subtract_product(char op, int64_t m, int64_t n, int64_t k, const T* a, int64_t a_rows, const T* b, int64_t b_rows,
                      T* c, int64_t c_rows) {
    if (m <= 0 || n <= 0) return;
    const int rows = int(m), columns = int(n), depth = int(k), lda = int(a_rows), ldb = int(b_rows), ldc = int(c_rows);
    const T minus = -1, one = 1;
    routines<T>().gemm(&op, "N", &rows, &columns, &depth, &minus, a, &lda, b, &ldb, &one, c, &ldc, 1, 1);
}

// Rows first+1 to last, counted from 1, change places with those that `pivots` says.
template <class T>
void swap_rows(T* x, int64_t columns, int64_t x_rows, const int* pivots, int64_t first, int64_t last, int step = 1) {
    const int count = int(columns), ld = int(x_rows), from = int(first) + 1, to = int(last);
    if (columns > 0 && first < last) routines<T>().laswp(&count, x, &ld, &from, &to, pivots, &step);
}

// A block on the diagonal and its right sides, row after row as the kernel of generic/triangle.h wants them.
template <class T>
class DiagonalBlock {
public:
    explicit DiagonalBlock(const Triangle<T>& t) : t_(t) {
        if constexpr (!is_complex_v<T>) {
            triangle_ = Scratch(size_t(block_rows * block_rows) * sizeof(T));
            sides_ = Scratch(size_t(block_rows * padded(chunk_columns)) * sizeof(T));
        }
    }

    // Columns of the solution for the `n` rows from `k` on; x points at the first of them.
    void solve(int64_t k, int64_t n, T* x, int64_t columns, int64_t x_rows) {
        const T* a = t_.a + k * (t_.rows + 1);
        if constexpr (is_complex_v<T>) {
            const int rows = int(n), count = int(columns), lda = int(t_.rows), ldb = int(x_rows);
            const T one = 1;
            routines<T>().trsm("L", t_.upper ? "U" : "L", &t_.op, t_.unit ? "U" : "N", &rows, &count, &one, a, &lda, x,
                               &ldb, 1, 1, 1, 1);
        } else {
            const bool plain = t_.op == 'N';
            copy_block(sizeof(T), n, n, triangle_.data(), n, 1, a, plain ? 1 : t_.rows, plain ? t_.rows : 1);
            for (int64_t first = 0; first < columns; first += chunk_columns)
                solve_chunk(n, x + first * x_rows, std::min(chunk_columns, columns - first), x_rows);
        }
    }

private:
    static int64_t padded(int64_t columns) {
        const int64_t lanes = triangle_table.active().lanes[sizeof(T) == 8];
        return (columns + lanes - 1) / lanes * lanes;
    }

    void solve_chunk(int64_t n, T* x, int64_t columns, int64_t x_rows) {
        const int64_t step = padded(columns);
        T* sides = sides_.as<T>();
        for (int64_t i = 0; i < n && columns < step; ++i) std::fill_n(sides + i * step + columns, step - columns, T(0));
        copy_block(sizeof(T), n, columns, sides, step, 1, x, 1, x_rows);
        triangle_table.active().solve[sizeof(T) == 8](
            {n, triangle_.data(), t_.upper == (t_.op != 'N'), t_.unit, sides, step});
        copy_block(sizeof(T), n, columns, x, 1, x_rows, sides, step, 1);
    }

    const Triangle<T>& t_;
    Scratch triangle_, sides_;
};

}  // namespace

template <class T>
void solve_columns(const Triangle<T>& t, T* x, int64_t columns, int64_t x_rows) {
    const bool plain = t.op == 'N', downwards = t.upper != plain;
    const int64_t blocks = (t.n + block_rows - 1) / block_rows;
    DiagonalBlock<T> diagonal(t);
    for (int64_t step = 0; step < blocks; ++step) {
        const int64_t k = (downwards ? step : blocks - 1 - step) * block_rows, n = std::min(block_rows, t.n - k);
        diagonal.solve(k, n, x + k, columns, x_rows);
        const int64_t rest = downwards ? k + n : 0, rows = downwards ? t.n - rest : k;
        const T* beside = plain ? t.a + rest + k * t.rows : t.a + k + rest * t.rows;
        subtract_product(t.op, rows, columns, n, beside, t.rows, x + k, x_rows, x + rest, x_rows);
    }
}

namespace {

// Right-looking, by panels of block_rows columns. The next panel is factored as soon as its own columns are up to date,
// while other threads bring the columns right of it up to date.
template <class T>
class LuFactors {
public:
    LuFactors(int64_t m, int64_t n, T* a, int* pivots, int* info)
        : m_(m), n_(n), k_(std::min(m, n)), a_(a), pivots_(pivots), info_(info) {}

    void run() {
        *info_ = 0;
        factor_panel(0);
        for (int64_t k = 0; k < k_; k += block_rows) {
            const int64_t next = std::min(k + block_rows, k_), after = std::min(next + block_rows, n_);
            const int64_t chunks = (n_ - after + chunk_columns - 1) / chunk_columns;
            if (next == n_) break;
            each_task(1 + chunks, [&](int64_t i) {
                const int64_t first = i == 0 ? next : after + (i - 1) * chunk_columns;
                const int64_t last = i == 0 ? after : std::min(first + chunk_columns, n_);
                update(k, next, first, last - first);
                if (i == 0 && next < k_) factor_panel(next);
            });
        }
        each_chunk(0, k_, [&](int64_t first, int64_t columns) {
            for (int64_t j = first; j < first + columns; j += block_rows)     // what came right of a panel moves it too
                swap_rows(a_ + j * m_, std::min(block_rows, k_ - j), m_, pivots_, std::min(j + block_rows, k_), k_);
        });
    }

private:
    void factor_panel(int64_t k) {
        const int rows = int(m_ - k), columns = int(std::min(block_rows, k_ - k)), ld = int(m_);
        int info = 0;
        routines<T>().getrf(&rows, &columns, a_ + k * (m_ + 1), &ld, pivots_ + k, &info);
        if (info > 0 && *info_ == 0) *info_ = int(k) + info;
        for (int64_t j = k; j < k + columns; ++j)                              // NaN has no largest element
            pivots_[j] = int(std::clamp(pivots_[j] + k, j + 1, m_));
    }

    // Columns that lie right of the panel of columns [k, next).
    void update(int64_t k, int64_t next, int64_t first, int64_t columns) {
        T* x = a_ + first * m_;
        swap_rows(x, columns, m_, pivots_, k, next);
        solve_columns<T>({a_ + k * (m_ + 1), next - k, m_, false, true, 'N'}, x + k, columns, m_);
        subtract_product('N', m_ - next, columns, next - k, a_ + next + k * m_, m_, x + k, m_, x + next, m_);
    }

    const int64_t m_, n_, k_;
    T* a_;
    int *pivots_, *info_;
};

}  // namespace

template <class T>
void large_lu(int64_t m, int64_t n, T* a, int* pivots, int* info) {
    LuFactors<T>(m, n, a, pivots, info).run();
}

template <class T>
void large_lu_solve(int64_t n, const T* lu, const int* pivots, T* x, int64_t columns, char op) {
    const Triangle<T> lower{lu, n, n, false, true, op}, upper{lu, n, n, true, false, op};
    each_chunk(0, columns, [&](int64_t first, int64_t count) {
        T* own = x + first * n;
        if (op == 'N') swap_rows(own, count, n, pivots, 0, n);
        solve_columns(op == 'N' ? lower : upper, own, count, n);
        solve_columns(op == 'N' ? upper : lower, own, count, n);
        if (op != 'N') swap_rows(own, count, n, pivots, 0, n, -1);
    });
}

// The columns of U^-1 L^-1, whose order P changes last. A column of L^-1 is zero above the diagonal.
template <class T>
void large_inverse(int64_t n, T* lu, const int* pivots, int* info) {
    *info = 0;
    for (int64_t i = 0; i < n && *info == 0; ++i)
        if (lu[i * (n + 1)] == T(0)) *info = int(i) + 1;
    if (*info != 0) return;
    Scratch places(size_t(n) * sizeof(int64_t)), memory(size_t(n * n) * sizeof(T));
    int64_t* place = places.as<int64_t>();                                      // of each column in the result
    std::iota(place, place + n, int64_t(0));
    for (int64_t i = 0; i < n; ++i) std::swap(place[i], place[pivots[i] - 1]);
    T* x = memory.as<T>();
    each_chunk(0, n, [&](int64_t first, int64_t count) {
        T* own = x + first * n;
        std::fill_n(own, count * n, T(0));
        for (int64_t j = 0; j < count; ++j) own[j * n + first + j] = 1;
        solve_columns<T>({lu + first * (n + 1), n - first, n, false, true, 'N'}, own + first, count, n);
        solve_columns<T>({lu, n, n, true, false, 'N'}, own, count, n);
    });
    each_chunk(0, n, [&](int64_t first, int64_t count) {
        for (int64_t j = first; j < first + count; ++j) std::copy_n(x + j * n, n, lu + place[j] * n);
    });
}

#define FOR_TYPE(T)                                                                             \
    template void solve_columns<T>(const Triangle<T>&, T*, int64_t, int64_t);                   \
    template void large_lu<T>(int64_t, int64_t, T*, int*, int*);                                \
    template void large_lu_solve<T>(int64_t, const T*, const int*, T*, int64_t, char);          \
    template void large_inverse<T>(int64_t, T*, const int*, int*);
FOR_TYPE(float)
FOR_TYPE(double)
FOR_TYPE(std::complex<float>)
FOR_TYPE(std::complex<double>)
#undef FOR_TYPE

}  // namespace rushlight::lapack
