// Householder's factors of a large matrix, and their product, block by block.
#include "kernels/lapack/large.h"

namespace rushlight::lapack {

namespace {

// columns -= V T' V^H columns: the product of the reflections of a panel, whose vectors are the columns of V, on chunks
// of the columns beside it.
template <class T>
class Reflections {
public:
    Reflections(int64_t m, int64_t k, const T* v, int64_t v_rows, const T* t)
        : m_(int(m)), k_(int(k)), v_rows_(int(v_rows)), v_(v), t_(t) {}

    void apply(bool adjoint, T* c, int64_t columns, int64_t c_rows) const {
        const char op = !adjoint ? 'N' : is_complex_v<T> ? 'C' : 'T';
        const int n = int(columns), rows = int(c_rows), ldt = block_rows;
        Scratch work(size_t(columns * k_) * sizeof(T));
        routines<T>().larfb("L", &op, "F", "C", &m_, &n, &k_, v_, &v_rows_, t_, &ldt, c, &rows, work.as<T>(), &n, 1, 1,
                            1, 1);
    }

private:
    int m_, k_, v_rows_;
    const T *v_, *t_;
};

}  // namespace

// The next panel is factored as soon as its own columns are up to date, while other threads bring those right of it up
// to date; a panel's T lies in one half of `memory`, the next one's in the other.
template <class T>
void large_qr(int64_t m, int64_t n, T* a, T* tau) {
    const int64_t k = std::min(m, n), square = block_rows * block_rows;
    Scratch memory(size_t(2 * square) * sizeof(T));
    auto t_of = [&](int64_t j) { return memory.as<T>() + j / block_rows % 2 * square; };
    auto factor_panel = [&](int64_t j) {
        const int rows = int(m - j), columns = int(std::min(block_rows, k - j)), ld = int(m), ldt = block_rows;
        int info;
        T* t = t_of(j);
        routines<T>().geqrt3(&rows, &columns, a + j * (m + 1), &ld, t, &ldt, &info);
        for (int64_t i = 0; i < columns; ++i) tau[j + i] = t[i * (block_rows + 1)];
    };
    factor_panel(0);
    for (int64_t j = 0; j < k; j += block_rows) {
        const int64_t next = std::min(j + block_rows, k), after = std::min(next + block_rows, n);
        if (next == n) break;
        const Reflections<T> panel(m - j, next - j, a + j * (m + 1), m, t_of(j));
        const int64_t chunks = (n - after + chunk_columns - 1) / chunk_columns;
        each_task(1 + chunks, [&](int64_t i) {
            const int64_t first = i == 0 ? next : after + (i - 1) * chunk_columns;
            const int64_t last = i == 0 ? after : std::min(first + chunk_columns, n);
            panel.apply(true, a + j + first * m, last - first, m);
            if (i == 0 && next < k) factor_panel(next);
        });
    }
}

// Columns of the identity, on which the last panel works first.
template <class T>
void large_householder(int64_t m, int64_t n, T* a, const T* tau, int64_t reflections) {
    Scratch vectors(size_t(m * block_rows) * sizeof(T)), factor(size_t(block_rows * block_rows) * sizeof(T));
    T *v = vectors.as<T>(), *t = factor.as<T>();
    auto become_identity = [&](int64_t begin, int64_t end) {
        std::fill_n(a + begin * m, (end - begin) * m, T(0));
        for (int64_t j = begin; j < end; ++j) a[j * (m + 1)] = 1;
    };
    become_identity(reflections, n);
    for (int64_t j = (reflections - 1) / block_rows * block_rows; j >= 0; j -= block_rows) {
        const int64_t count = std::min(block_rows, reflections - j);
        const int rows = int(m - j), columns = int(count), ldt = block_rows;
        for (int64_t i = 0; i < count; ++i) std::copy_n(a + j + (j + i) * m, m - j, v + i * (m - j));
        routines<T>().larft("F", "C", &rows, &columns, v, &rows, tau + j, t, &ldt, 1, 1);
        become_identity(j, j + count);
        const Reflections<T> panel(m - j, count, v, m - j, t);
        each_chunk(j, n, [&](int64_t first, int64_t wide) { panel.apply(false, a + j + first * m, wide, m); });
    }
}

#define FOR_TYPE(T)                                                    \
    template void large_qr<T>(int64_t, int64_t, T*, T*);               \
    template void large_householder<T>(int64_t, int64_t, T*, const T*, int64_t);
FOR_TYPE(float)
FOR_TYPE(double)
FOR_TYPE(std::complex<float>)
FOR_TYPE(std::complex<double>)
#undef FOR_TYPE

}  // namespace rushlight::lapack
