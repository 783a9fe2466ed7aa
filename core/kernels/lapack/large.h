// One large matrix on all threads. LAPACK runs on one thread here (loader.cpp), so these take a matrix apart into
// blocks for LAPACK and share out what does not depend on each other. The parts depend on the matrix alone, never on
// the number of threads, and so do the results. Inside a parallel region the same parts run one after another.
#pragma once

#include <algorithm>
#include <atomic>

#include "kernels/generic/triangle.h"
#include "kernels/lapack/each.h"

namespace rushlight::lapack {

// From this many rows (and columns) on the blocks pay: for LU factors, for Householder's, and for solutions.
inline constexpr int64_t large_lu_rows = 192, large_qr_rows = 128, large_solution_rows = 64;

// Rows and columns of a block that is factored or solved at once, and columns that one thread works on at a time.
inline constexpr int64_t block_rows = 64, chunk_columns = 128;

// Calls `f(i)` for each i below `count`, on several threads that take the next one whenever they are done: few and
// unequal pieces of work, of which parallel_for would tie some together.
template <class F>
void each_task(int64_t count, F&& f) {
    std::atomic<int64_t> next{0};
    parallel_for(std::min<int64_t>(count, get_num_threads()), 1, [&](int64_t, int64_t) {
        for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) f(i);
    });
}

// Calls `f(first, columns)` for chunks of columns from `begin` to `end`, as tasks.
template <class F>
void each_chunk(int64_t begin, int64_t end, F&& f) {
    each_task((end - begin + chunk_columns - 1) / chunk_columns, [&](int64_t i) {
        const int64_t first = begin + i * chunk_columns;
        f(first, std::min(chunk_columns, end - first));
    });
}

// A triangular matrix whose columns lie `rows` apart, read as it is ('N'), transposed or adjoint.
template <class T>
struct Triangle {
    const T* a;
    int64_t n, rows;
    bool upper, unit;
    char op;
};

// The n x columns values at x, `x_rows` between columns, become the solution of op(a) x = x; on the calling thread.
template <class T>
void solve_columns(const Triangle<T>& t, T* x, int64_t columns, int64_t x_rows);

template <class T>
void large_lu(int64_t m, int64_t n, T* a, int* pivots, int* info);
template <class T>
void large_lu_solve(int64_t n, const T* lu, const int* pivots, T* x, int64_t columns, char op);
template <class T>
void large_inverse(int64_t n, T* lu, const int* pivots, int* info);
template <class T>
void large_qr(int64_t m, int64_t n, T* a, T* tau);
template <class T>
void large_householder(int64_t m, int64_t n, T* a, const T* tau, int64_t reflections);

}  // namespace rushlight::lapack
