// LAPACK's routines as they are called, by element type. Only this room includes this.
#pragma once

#include <complex>
#include <cstddef>
#include <type_traits>

namespace rushlight::lapack {

template <class T> struct RealOf { using type = T; };
template <class T> struct RealOf<std::complex<T>> { using type = T; };
template <class T> using Real = typename RealOf<T>::type;
template <class T> inline constexpr bool is_complex_v = !std::is_same_v<T, Real<T>>;

using Len = size_t;                    // Fortran's hidden length of each text argument
using In = const int*;
using Text = const char*;

// What the complex form of a routine has and the real one lacks, or the other way round, is told apart by the caller.
template <class T>
struct Routines {
    using R = Real<T>;
    template <class RealForm, class ComplexForm>
    using Either = std::conditional_t<is_complex_v<T>, ComplexForm, RealForm>;

    void (*potrf)(Text uplo, In n, T* a, In lda, int* info, Len);
    void (*getrf)(In m, In n, T* a, In lda, int* pivots, int* info);
    void (*getrs)(Text trans, In n, In nrhs, const T* a, In lda, In pivots, T* b, In ldb, int* info, Len);
    void (*getri)(In n, T* a, In lda, In pivots, T* work, In lwork, int* info);
    void (*laswp)(In n, T* a, In lda, In first, In last, In pivots, In step);
    void (*gemm)(Text transa, Text transb, In m, In n, In k, const T* alpha, const T* a, In lda, const T* b, In ldb,
                 const T* beta, T* c, In ldc, Len, Len);
    void (*trsm)(Text side, Text uplo, Text trans, Text diag, In m, In n, const T* alpha, const T* a, In lda, T* b,
                 In ldb, Len, Len, Len, Len);
    void (*sytrf)(Text uplo, In n, T* a, In lda, int* pivots, T* work, In lwork, int* info, Len);
    void (*hetrf)(Text uplo, In n, T* a, In lda, int* pivots, T* work, In lwork, int* info, Len);
    void (*sytrs)(Text uplo, In n, In nrhs, const T* a, In lda, In pivots, T* b, In ldb, int* info, Len);
    void (*hetrs)(Text uplo, In n, In nrhs, const T* a, In lda, In pivots, T* b, In ldb, int* info, Len);
    void (*geqrf)(In m, In n, T* a, In lda, T* tau, T* work, In lwork, int* info);
    void (*orgqr)(In m, In n, In k, T* a, In lda, const T* tau, T* work, In lwork, int* info);
    void (*geqrt3)(In m, In n, T* a, In lda, T* t, In ldt, int* info);
    void (*larft)(Text direct, Text storev, In n, In k, const T* v, In ldv, const T* tau, T* t, In ldt, Len, Len);
    void (*larfb)(Text side, Text trans, Text direct, Text storev, In m, In n, In k, const T* v, In ldv, const T* t,
                  In ldt, T* c, In ldc, T* work, In ldwork, Len, Len, Len, Len);
    void (*gels)(Text trans, In m, In n, In nrhs, T* a, In lda, T* b, In ldb, T* work, In lwork, int* info, Len);
    Either<void (*)(In m, In n, In nrhs, T* a, In lda, T* b, In ldb, int* jpvt, const R* rcond, int* rank, T* work,
                    In lwork, int* info),
           void (*)(In m, In n, In nrhs, T* a, In lda, T* b, In ldb, int* jpvt, const R* rcond, int* rank, T* work,
                    In lwork, R* rwork, int* info)> gelsy;
    Either<void (*)(In m, In n, In nrhs, T* a, In lda, T* b, In ldb, R* s, const R* rcond, int* rank, T* work,
                    In lwork, int* iwork, int* info),
           void (*)(In m, In n, In nrhs, T* a, In lda, T* b, In ldb, R* s, const R* rcond, int* rank, T* work,
                    In lwork, R* rwork, int* iwork, int* info)> gelsd;
    Either<void (*)(In m, In n, In nrhs, T* a, In lda, T* b, In ldb, R* s, const R* rcond, int* rank, T* work,
                    In lwork, int* info),
           void (*)(In m, In n, In nrhs, T* a, In lda, T* b, In ldb, R* s, const R* rcond, int* rank, T* work,
                    In lwork, R* rwork, int* info)> gelss;
    Either<void (*)(Text jobz, Text uplo, In n, T* a, In lda, R* w, T* work, In lwork, int* iwork, In liwork,
                    int* info, Len, Len),
           void (*)(Text jobz, Text uplo, In n, T* a, In lda, R* w, T* work, In lwork, R* rwork, In lrwork, int* iwork,
                    In liwork, int* info, Len, Len)> syevd;
    Either<void (*)(Text jobvl, Text jobvr, In n, T* a, In lda, T* wr, T* wi, T* vl, In ldvl, T* vr, In ldvr, T* work,
                    In lwork, int* info, Len, Len),
           void (*)(Text jobvl, Text jobvr, In n, T* a, In lda, T* w, T* vl, In ldvl, T* vr, In ldvr, T* work,
                    In lwork, R* rwork, int* info, Len, Len)> geev;
    Either<void (*)(Text jobz, In m, In n, T* a, In lda, R* s, T* u, In ldu, T* vt, In ldvt, T* work, In lwork,
                    int* iwork, int* info, Len),
           void (*)(Text jobz, In m, In n, T* a, In lda, R* s, T* u, In ldu, T* vt, In ldvt, T* work, In lwork,
                    R* rwork, int* iwork, int* info, Len)> gesdd;
    Either<void (*)(Text jobu, Text jobvt, In m, In n, T* a, In lda, R* s, T* u, In ldu, T* vt, In ldvt, T* work,
                    In lwork, int* info, Len, Len),
           void (*)(Text jobu, Text jobvt, In m, In n, T* a, In lda, R* s, T* u, In ldu, T* vt, In ldvt, T* work,
                    In lwork, R* rwork, int* info, Len, Len)> gesvd;
};

// The routines; the first call opens the library. Raises when there is none.
template <class T> const Routines<T>& routines();

}  // namespace rushlight::lapack
