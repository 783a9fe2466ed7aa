// What the operators of linear algebra share: matrices as LAPACK wants them, their errors, and derivatives' vocabulary.
#pragma once

#include "kernels/lapack/lapack.h"
#include "ops/algebra.h"
#include "registry/rules.h"
#include "registry/vjp.h"

namespace rushlight::linalg {

using lapack::Batch;

// ---- arguments ------------------------------------------------------------------------------------------------------

void require_matrix(const Call& c, int param);             // at least two dimensions, of a dtype that LAPACK has
void require_square(const Call& c, int param);
void require_same_types(const Call& c, int a, int b);

inline int64_t rows(const Dims& sizes) { return sizes[sizes.size() - 2]; }
inline int64_t columns(const Dims& sizes) { return sizes.back(); }
Dims leading_sizes(const Dims& sizes, int dropped = 2);    // without the last ones
Dims with(Dims leading, std::initializer_list<int64_t> last);
Dims broadcast_leading(const Call& c, const Dims& a, const Dims& b);
Batch batch_of(const Tensor& t);

// ---- results --------------------------------------------------------------------------------------------------------

// A result of column-major matrices, so that LAPACK writes straight into it.
void matrix_result(Call& c, const Dims& sizes, DType dtype);
// Copies values into a result of column-major matrices, broadcasting them.
inline void put(const Tensor& result, TensorImpl& values) { copy_values(*result.impl(), values); }
// A fresh batch of column-major matrices with these values.
Tensor column_major(const Tensor& values);
Tensor column_major_empty(const Dims& sizes, DType dtype);
void zero(const Tensor& t);
// Raises LinAlgError for the first matrix whose info is positive, naming it and saying what `say(info)` says.
template <class F>
void check_info(const Call& c, int param, const int* info, int64_t count, F&& say) {
    for (int64_t i = 0; i < count; ++i) {
        if (info[i] <= 0) continue;
        const Dims& sizes = c.tensor(param).sizes;
        std::string where = sizes.size() > 2 ? " (batch element " + std::to_string(i) + ")" : "";
        std::string what = info[i] == lapack::not_finite ? "the matrix holds NaN or an infinity" : say(info[i]);
        fail(ErrorKind::linalg, c.name(), ": ", rules::param_name(c, param), " of shape ", sizes, where, ": ", what);
    }
}
// The same where the caller wants `info` back: what LAPACK never saw counts as failed at once.
void plain_info(int* info, int64_t count);

// ---- derivatives ----------------------------------------------------------------------------------------------------

inline Tensor adjoint(const Tensor& x) { return conj(transpose(x, -2, -1)); }
inline Tensor diagonal_of(const Tensor& x) { return diagonal(x, 0, -2, -1); }
Tensor diagonal_matrix(const Tensor& x);                   // of the last dimension
inline Tensor row(const Tensor& x) { return unsqueeze(x, -2); }        // scales columns
inline Tensor column(const Tensor& x) { return unsqueeze(x, -1); }     // scales rows
Tensor identity_like(const Tensor& x);                     // of the size of x's last dimension
Tensor solve_triangular(const Tensor& a, const Tensor& b, bool upper, bool left = true, bool unit = false);
Tensor inverse(const Tensor& x);
// Rows in the order of `index`, whose last dimension numbers them.
Tensor take_rows(const Tensor& x, const Tensor& index);

}  // namespace rushlight::linalg
