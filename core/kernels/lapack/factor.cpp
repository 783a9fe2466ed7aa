// Triangular and symmetric factors, and what is solved with them.
#include "kernels/lapack/large.h"

namespace rushlight::lapack {

void cholesky(const Batch& b, void* a, bool upper, int* info) {
    visit(b.dtype, [&]<class T>(T) {
        const auto& l = routines<T>();
        const int n = as_int(b.n), ld = leading(b.n);
        each_part(b.count, double(n) * n * n / 3, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
                T* one = static_cast<T*>(a) + i * b.n * b.n;
                l.potrf(upper ? "U" : "L", &n, one, &ld, info + i, 1);
                for (int64_t j = 0; j < b.n && info[i] == 0; ++j)                      // NaN is not positive either
                    if (!(std::real(one[j * b.n + j]) > 0)) info[i] = int(j) + 1;
            }
        });
    });
}

void lu(const Batch& b, void* a, int* pivots, int* info) {
    visit(b.dtype, [&]<class T>(T) {
        const auto& l = routines<T>();
        const int m = as_int(b.m), n = as_int(b.n), ld = leading(b.m), k = std::min(m, n);
        each_part(b.count, double(m) * n * k, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
                int* own = pivots + i * k;
                if (k >= large_lu_rows) {
                    large_lu(b.m, b.n, static_cast<T*>(a) + i * b.m * b.n, own, info + i);
                    continue;
                }
                l.getrf(&m, &n, static_cast<T*>(a) + i * b.m * b.n, &ld, own, info + i);
                for (int j = 0; j < k; ++j) own[j] = std::clamp(own[j], j + 1, m);     // NaN has no largest element
            }
        });
    });
}

void lu_solve(const Batch& b, const void* lu, const int* pivots, void* x, int64_t right, char op) {
    visit(b.dtype, [&]<class T>(T) {
        const auto& l = routines<T>();
        const int n = as_int(b.n), ld = leading(b.n), columns = as_int(right);
        each_part(b.count, double(n) * n * columns, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
                int info;
                const T* factors = static_cast<const T*>(lu) + i * b.n * b.n;
                T* own = static_cast<T*>(x) + i * b.n * right;
                if (b.n >= large_solution_rows) large_lu_solve(b.n, factors, pivots + i * b.n, own, right, op);
                else l.getrs(&op, &n, &columns, factors, &ld, pivots + i * b.n, own, &ld, &info, 1);
            }
        });
    });
}

void lu_inverse(const Batch& b, void* lu, const int* pivots, int* info) {
    visit(b.dtype, [&]<class T>(T) {
        const auto& l = routines<T>();
        const int n = as_int(b.n), ld = leading(b.n);
        each_part(b.count, 2.0 * n * n * n, [&](int64_t begin, int64_t end) {
            if (b.n >= large_solution_rows) {
                for (int64_t i = begin; i < end; ++i)
                    large_inverse(b.n, static_cast<T*>(lu) + i * b.n * b.n, pivots + i * b.n, info + i);
                return;
            }
            int ignored;
            Workspace<T> work([&](T* wish, In ask) { l.getri(&n, nullptr, &ld, nullptr, wish, ask, &ignored); });
            for (int64_t i = begin; i < end; ++i)
                l.getri(&n, static_cast<T*>(lu) + i * b.n * b.n, &ld, pivots + i * b.n, work.data(), work.size(),
                        info + i);
        });
    });
}

void solve_triangular(const Batch& b, const void* a, void* x, const Triangular& how) {
    visit(b.dtype, [&]<class T>(T) {
        const auto& l = routines<T>();
        const int m = as_int(b.m), n = as_int(b.n), lda = leading(how.a_rows), ldb = leading(b.m);
        const T one = 1;
        each_part(b.count, double(m) * n * (how.left ? m : n), [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
                const T* triangle = static_cast<const T*>(a) + i * how.a_step;
                T* own = static_cast<T*>(x) + i * b.m * b.n;
                if (how.left && b.m >= large_solution_rows) {
                    const Triangle<T> t{triangle, b.m, how.a_rows, how.upper, how.unit, how.op};
                    each_chunk(0, b.n, [&](int64_t first, int64_t columns) {
                        solve_columns(t, own + first * b.m, columns, b.m);
                    });
                    continue;
                }
                l.trsm(how.left ? "L" : "R", how.upper ? "U" : "L", &how.op, how.unit ? "U" : "N", &m, &n, &one,
                       triangle, &lda, own, &ldb, 1, 1, 1, 1);
            }
        });
    });
}

void ldl(const Batch& b, void* a, bool hermitian, int* pivots, int* info) {
    visit(b.dtype, [&]<class T>(T) {
        const auto& l = routines<T>();
        auto factor = hermitian ? l.hetrf : l.sytrf;
        const int n = as_int(b.n), ld = leading(b.n);
        each_part(b.count, double(n) * n * n / 3, [&](int64_t begin, int64_t end) {
            int ignored;
            Workspace<T> work([&](T* wish, In ask) { factor("L", &n, nullptr, &ld, nullptr, wish, ask, &ignored, 1); });
            for (int64_t i = begin; i < end; ++i)
                factor("L", &n, static_cast<T*>(a) + i * b.n * b.n, &ld, pivots + i * b.n, work.data(), work.size(),
                       info + i, 1);
        });
    });
}

void ldl_solve(const Batch& b, const void* a, const int* pivots, void* x, int64_t right, bool hermitian) {
    visit(b.dtype, [&]<class T>(T) {
        const auto& l = routines<T>();
        auto solve = hermitian ? l.hetrs : l.sytrs;
        const int n = as_int(b.n), ld = leading(b.n), columns = as_int(right);
        each_part(b.count, double(n) * n * columns, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
                int info;
                solve("L", &n, &columns, static_cast<const T*>(a) + i * b.n * b.n, &ld, pivots + i * b.n,
                      static_cast<T*>(x) + i * b.n * right, &ld, &info, 1);
            }
        });
    });
}

}  // namespace rushlight::lapack
