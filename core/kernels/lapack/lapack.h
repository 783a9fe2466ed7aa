// Linear algebra over batches of column-major matrices, each following the one before without a gap. Matrices are
// float32, float64, complex64 or complex128; values that a routine overwrites with its result are its argument too.
// The batch is shared out over the threads of base/parallel.h. `info` of a matrix is LAPACK's: 0 when all went well.
#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace rushlight::lapack {

struct Batch {
    DType dtype;
    int64_t count, m, n;               // matrices, their rows and columns
};

// ---- factors and solutions ------------------------------------------------------------------------------------------

// The triangle of the symmetric (Hermitian) matrix that holds the values becomes its Cholesky factor.
void cholesky(const Batch& b, void* a, bool upper, int* info);
// a becomes L and U, P a = L U; `pivots` has min(m, n) row numbers of each, counted from 1.
void lu(const Batch& b, void* a, int* pivots, int* info);
// x, n x right, becomes the solution of op(a) x = b; op: 'N', 'T' or 'C'.
void lu_solve(const Batch& b, const void* lu, const int* pivots, void* x, int64_t right, char op);
// lu and pivots of square matrices; lu becomes the inverse.
void lu_inverse(const Batch& b, void* lu, const int* pivots, int* info);
// x becomes the solution of op(a) x = b, or of x op(a) = b when not `left`. b says the rows and columns of x; the
// triangular matrices lie `a_step` elements apart, 0 for one that serves all, and their columns `a_rows`.
struct Triangular {
    bool left, upper, unit;
    char op;
    int64_t a_step, a_rows;
};
void solve_triangular(const Batch& b, const void* a, void* x, const Triangular& how);
void ldl(const Batch& b, void* a, bool hermitian, int* pivots, int* info);                 // lower triangles
void ldl_solve(const Batch& b, const void* a, const int* pivots, void* x, int64_t right, bool hermitian);

// ---- orthogonal factors ---------------------------------------------------------------------------------------------

// a becomes R above, and Householder's vectors below the diagonal; tau has min(m, n) scales of each.
void qr(const Batch& b, void* a, void* tau);
// The first n columns of the product of `reflections` Householder matrices, in place.
void householder(const Batch& b, void* a, const void* tau, int64_t reflections);
enum class Driver : uint8_t { gels, gelsy, gelsd, gelss };
// x has max(m, n) rows and `right` columns: b on the way in, the solution in its first n rows on the way out. `rank`
// and the min(m, n) singular values of each are filled by the drivers that know them.
void least_squares(const Batch& b, void* a, void* x, int64_t right, double rcond, Driver driver, int* rank,
                   void* singular, int* info);

// ---- spectra --------------------------------------------------------------------------------------------------------

// `info` is `not_finite` where a matrix holds NaN or an infinity; its results are NaN.
inline constexpr int not_finite = 1 << 30;

// a becomes the eigenvectors when `vectors`; eigenvalues ascend.
void eigh(const Batch& b, void* a, void* values, bool upper, bool vectors, int* info);
// values, and vectors where not null, are complex, a real or complex.
void eig(const Batch& b, void* a, void* values, void* vectors, int* info);
// u and vh may be null. Without `full`, u is m x k and vh k x n for k = min(m, n).
enum class SvdDriver : uint8_t { gesdd, gesvd };
void svd(const Batch& b, void* a, void* u, void* s, void* vh, bool full, SvdDriver driver, int* info);

}  // namespace rushlight::lapack
