#include "kernels/reference/matmul.h"

#include "kernels/reference/wide.h"

namespace rushlight::reference {

namespace {

template <class T>
void one(const compute::Matmul& p, const T* a, const T* b, T* c) {
    using Sum = Wide<T>;
    const T* bias = static_cast<const T*>(p.bias);
    for (int64_t i = 0; i < p.m; ++i)
        for (int64_t j = 0; j < p.n; ++j) {
            Sum sum = p.accumulate ? widen(c[i * p.c_row + j]) : Sum(0);
            if (bias) sum = add(sum, widen(bias[j]));
            for (int64_t k = 0; k < p.k; ++k)
                sum = add(sum,
                          multiply(widen(a[i * p.a_row + k * p.a_column]), widen(b[k * p.b_row + j * p.b_column])));
            if (p.relu && sum < Sum(0)) sum = Sum(0);
            c[i * p.c_row + j] = narrow<T>(sum);
        }
}

template <class T>
void batches(const compute::Matmul& p, int dim, const T* a, const T* b, T* c) {
    if (dim == p.batch_rank) return one(p, a, b, c);
    for (int64_t i = 0; i < p.batch[dim]; ++i)
        batches(p, dim + 1, a + i * p.a_batch[dim], b + i * p.b_batch[dim], c + i * p.c_batch[dim]);
}

}  // namespace

void matmul(const compute::Matmul& p) {
    visit_real(p.dtype, "matmul", [&](auto zero) {
        using T = decltype(zero);
        batches(p, 0, static_cast<const T*>(p.a), static_cast<const T*>(p.b), static_cast<T*>(p.c));
    });
}

}  // namespace rushlight::reference
