// Eigenvalues and singular values. Matrices with NaN or infinities never reach LAPACK, whose iterations need not end
// there.
#include "kernels/lapack/each.h"

namespace rushlight::lapack {

namespace {

// The three workspaces of a routine, as large as it asks for: `call(work, lwork, real, lreal, integer, linteger)`.
template <class T>
class Workspaces {
public:
    using R = Real<T>;

    template <class F>
    Workspaces(int64_t least_real, int64_t least_integer, F&& call) {
        T wish{};
        R real_wish = 0;
        int integer_wish = 0;
        size_ = real_size_ = integer_size_ = -1;
        call(&wish, &size_, &real_wish, &real_size_, &integer_wish, &integer_size_);
        size_ = std::max(1, int(std::nextafter(std::real(wish), R(INFINITY))));
        real_size_ = std::max({1, as_int(least_real), int(std::nextafter(real_wish, R(INFINITY)))});
        integer_size_ = std::max({1, as_int(least_integer), integer_wish});
        work_ = Scratch(sizeof(T) * size_t(size_));
        real_ = Scratch(sizeof(R) * size_t(real_size_));
        integer_ = Scratch(sizeof(int) * size_t(integer_size_));
    }

    template <class F>
    void operator()(F&& call) {
        call(work_.as<T>(), &size_, real_.as<R>(), &real_size_, integer_.as<int>(), &integer_size_);
    }

private:
    int size_, real_size_, integer_size_;
    Scratch work_, real_, integer_;
};

template <class T>
void one_eigh(const int* n, const int* ld, T* a, Real<T>* w, bool upper, bool vectors, int* info, T* work, In lwork,
              Real<T>* real, [[maybe_unused]] In lreal, int* integer, In linteger) {
    const auto& l = routines<T>();
    const char *job = vectors ? "V" : "N", *uplo = upper ? "U" : "L";
    if constexpr (is_complex_v<T>)
        l.syevd(job, uplo, n, a, ld, w, work, lwork, real, lreal, integer, linteger, info, 1, 1);
    else l.syevd(job, uplo, n, a, ld, w, work, lwork, integer, linteger, info, 1, 1);
}

// Only the triangle that is read may hold the reason.
template <class T>
bool triangle_is_finite(const T* a, int64_t n, bool upper) {
    for (int64_t j = 0; j < n; ++j) {
        int64_t first = upper ? 0 : j, last = upper ? j + 1 : n;
        if (!all_finite(a + j * n + first, last - first)) return false;
    }
    return true;
}

// LAPACK gives real matrices' conjugate pairs as two real columns.
template <class T>
void join_pairs(int64_t n, const T* wr, const T* wi, const T* packed, std::complex<T>* values,
                std::complex<T>* vectors) {
    for (int64_t j = 0; j < n; ++j) values[j] = {wr[j], wi[j]};
    if (!vectors) return;
    for (int64_t j = 0; j < n; ++j) {
        const T *re = packed + j * n, *im = packed + (j + 1) * n;
        std::complex<T>* to = vectors + j * n;
        if (wi[j] == 0 || j + 1 == n) {
            std::copy_n(re, n, to);
            continue;
        }
        for (int64_t i = 0; i < n; ++i) to[i] = {re[i], im[i]}, to[n + i] = {re[i], -im[i]};
        ++j;
    }
}

template <class T>
void real_eig(const Batch& b, int64_t begin, int64_t end, T* a, std::complex<T>* values, std::complex<T>* vectors,
              int* info) {
    const auto& l = routines<T>();
    const int n = as_int(b.n), ld = leading(b.n);
    const char* job = vectors ? "V" : "N";
    Scratch parts(sizeof(T) * size_t(2 * b.n + 1)), packed(vectors ? sizeof(T) * size_t(b.n * b.n) : 0);
    T *wr = parts.as<T>(), *wi = wr + b.n;
    int ignored;
    Workspace<T> work([&](T* wish, In ask) {
        l.geev("N", job, &n, nullptr, &ld, nullptr, nullptr, nullptr, &ld, nullptr, &ld, wish, ask, &ignored, 1, 1);
    });
    for (int64_t i = begin; i < end; ++i) {
        if (info[i] == not_finite) continue;
        l.geev("N", job, &n, a + i * b.n * b.n, &ld, wr, wi, nullptr, &ld, packed.as<T>(), &ld, work.data(),
               work.size(), info + i, 1, 1);
        join_pairs(b.n, wr, wi, packed.as<T>(), values + i * b.n, vectors ? vectors + i * b.n * b.n : nullptr);
    }
}

template <class T>
void complex_eig(const Batch& b, int64_t begin, int64_t end, T* a, T* values, T* vectors, int* info) {
    const auto& l = routines<T>();
    const int n = as_int(b.n), ld = leading(b.n);
    const char* job = vectors ? "V" : "N";
    Scratch real(sizeof(Real<T>) * size_t(2 * b.n + 1));
    int ignored;
    Workspace<T> work([&](T* wish, In ask) {
        l.geev("N", job, &n, nullptr, &ld, nullptr, nullptr, &ld, nullptr, &ld, wish, ask, real.as<Real<T>>(), &ignored,
               1, 1);
    });
    for (int64_t i = begin; i < end; ++i)
        if (info[i] != not_finite)
            l.geev("N", job, &n, a + i * b.n * b.n, &ld, values + i * b.n, nullptr, &ld,
                   vectors ? vectors + i * b.n * b.n : nullptr, &ld, work.data(), work.size(), real.as<Real<T>>(),
                   info + i, 1, 1);
}

template <class T>
struct Svd {
    using R = Real<T>;
    int m, n, lda, ldu, ldv;
    char job;                          // 'A': all, 'S': the first min(m, n) vectors, 'N': none
    SvdDriver driver;

    void call(T* a, R* s, T* u, T* vh, int* info, T* work, In lwork, R* real, int* integer) const {
        const auto& l = routines<T>();
        if constexpr (is_complex_v<T>) {
            if (driver == SvdDriver::gesdd)
                l.gesdd(&job, &m, &n, a, &lda, s, u, &ldu, vh, &ldv, work, lwork, real, integer, info, 1);
            else l.gesvd(&job, &job, &m, &n, a, &lda, s, u, &ldu, vh, &ldv, work, lwork, real, info, 1, 1);
        } else {
            if (driver == SvdDriver::gesdd)
                l.gesdd(&job, &m, &n, a, &lda, s, u, &ldu, vh, &ldv, work, lwork, integer, info, 1);
            else l.gesvd(&job, &job, &m, &n, a, &lda, s, u, &ldu, vh, &ldv, work, lwork, info, 1, 1);
        }
    }

    // What LAPACK's documentation asks for where it takes no query.
    int64_t real_needed() const {
        int64_t small = std::min(m, n), large = std::max(m, n);
        if (driver == SvdDriver::gesvd || job == 'N') return 7 * small;
        return std::max(5 * small * small + 5 * small, 2 * large * small + 2 * small * small + small);
    }
};

}  // namespace

void eigh(const Batch& b, void* a, void* values, bool upper, bool vectors, int* info) {
    visit(b.dtype, [&]<class T>(T) {
        using R = Real<T>;
        const int n = as_int(b.n), ld = leading(b.n);
        each_part(b.count, 9.0 * n * n * n, [&](int64_t begin, int64_t end) {
            int ignored;
            Workspaces<T> work(0, 0, [&](T* w, In lw, R* r, In lr, int* i, In li) {
                one_eigh<T>(&n, &ld, nullptr, nullptr, upper, vectors, &ignored, w, lw, r, lr, i, li);
            });
            for (int64_t at = begin; at < end; ++at) {
                T* one = static_cast<T*>(a) + at * b.n * b.n;
                R* own = static_cast<R*>(values) + at * b.n;
                if (!triangle_is_finite(one, b.n, upper)) {
                    info[at] = not_finite;
                    fill_nan<R>(own, b.n);
                    fill_nan<T>(one, b.n * b.n);
                    continue;
                }
                work([&](T* w, In lw, R* r, In lr, int* i, In li) {
                    one_eigh<T>(&n, &ld, one, own, upper, vectors, info + at, w, lw, r, lr, i, li);
                });
            }
        });
    });
}

void eig(const Batch& b, void* a, void* values, void* vectors, int* info) {
    visit(b.dtype, [&]<class T>(T) {
        using C = std::complex<Real<T>>;
        each_part(b.count, 25.0 * double(b.n) * double(b.n) * double(b.n), [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
                info[i] = all_finite(static_cast<T*>(a) + i * b.n * b.n, b.n * b.n) ? 0 : not_finite;
                if (info[i] == 0) continue;
                fill_nan<C>(static_cast<C*>(values) + i * b.n, b.n);
                if (vectors) fill_nan<C>(static_cast<C*>(vectors) + i * b.n * b.n, b.n * b.n);
            }
            if constexpr (is_complex_v<T>)
                complex_eig<T>(b, begin, end, static_cast<T*>(a), static_cast<C*>(values), static_cast<C*>(vectors),
                               info);
            else
                real_eig<T>(b, begin, end, static_cast<T*>(a), static_cast<C*>(values), static_cast<C*>(vectors), info);
        });
    });
}

void svd(const Batch& b, void* a, void* u, void* s, void* vh, bool full, SvdDriver driver, int* info) {
    visit(b.dtype, [&]<class T>(T) {
        using R = Real<T>;
        const int64_t k = std::min(b.m, b.n), u_size = b.m * (full ? b.m : k), v_size = (full ? b.n : k) * b.n;
        Svd<T> one{as_int(b.m), as_int(b.n), leading(b.m), leading(b.m), leading(full ? b.n : k),
                   u ? (full ? 'A' : 'S') : 'N', driver};
        each_part(b.count, 20.0 * double(b.m) * double(b.n) * double(k), [&](int64_t begin, int64_t end) {
            int ignored;
            Workspaces<T> work(one.real_needed(), 8 * k, [&](T* w, In lw, R* r, In, int* i, In) {
                one.call(nullptr, nullptr, nullptr, nullptr, &ignored, w, lw, r, i);
            });
            for (int64_t at = begin; at < end; ++at) {
                T* matrix = static_cast<T*>(a) + at * b.m * b.n;
                R* own = static_cast<R*>(s) + at * k;
                T *left = u ? static_cast<T*>(u) + at * u_size : nullptr,
                  *right = vh ? static_cast<T*>(vh) + at * v_size : nullptr;
                if (!all_finite(matrix, b.m * b.n)) {
                    info[at] = not_finite;
                    fill_nan<R>(own, k);
                    fill_nan<T>(left, u_size);
                    fill_nan<T>(right, v_size);
                    continue;
                }
                work([&](T* w, In lw, R* r, In, int* i, In) {
                    one.call(matrix, own, left, right, info + at, w, lw, r, i);
                });
            }
        });
    });
}

}  // namespace rushlight::lapack
