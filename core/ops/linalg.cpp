#include "ops/linalg.h"

#include <cstring>

namespace rushlight::linalg {

void require_matrix(const Call& c, int param) {
    const TensorImpl& t = c.tensor(param);
    require(t.rank() >= 2, ErrorKind::runtime, c.name(), ": ", rules::param_name(c, param), " has shape ", t.sizes,
            "; expected a matrix or a batch of them, at least 2 dimensions");
    bool known = t.dtype == DType::float32 || t.dtype == DType::float64 || is_complex(t.dtype);
    require(known, ErrorKind::runtime, c.name(), ": ", rules::param_name(c, param), " has dtype ", name_of(t.dtype),
            "; expected float32, float64, complex64 or complex128");
}

void require_square(const Call& c, int param) {
    require_matrix(c, param);
    const Dims& sizes = c.tensor(param).sizes;
    require(rows(sizes) == columns(sizes), ErrorKind::runtime, c.name(), ": ", rules::param_name(c, param),
            " has shape ", sizes, "; expected square matrices");
}

void require_same_types(const Call& c, int a, int b) {
    DType x = c.tensor(a).dtype, y = c.tensor(b).dtype;
    require(x == y, ErrorKind::runtime, c.name(), ": ", rules::param_name(c, a), " has dtype ", name_of(x), " and ",
            rules::param_name(c, b), " ", name_of(y), "; expected equal dtypes");
}

Dims leading_sizes(const Dims& sizes, int dropped) {
    Dims out;
    for (int i = 0; i < sizes.size() - dropped; ++i) out.push_back(sizes[i]);
    return out;
}

Dims with(Dims leading, std::initializer_list<int64_t> last) {
    for (int64_t n : last) leading.push_back(n);
    return leading;
}

Dims broadcast_leading(const Call& c, const Dims& a, const Dims& b) {
    return rules::broadcast(c, leading_sizes(a), leading_sizes(b));
}

Batch batch_of(const Tensor& t) {
    int64_t m = rows(t.sizes()), n = columns(t.sizes()), count = 1;
    for (int i = 0; i < t.rank() - 2; ++i) count *= t.size(i);
    return {t.dtype(), count, m, n};
}

static Dims column_major_strides(const Dims& sizes) {
    Dims strides = contiguous_strides(sizes);
    strides[sizes.size() - 2] = 1;
    strides[sizes.size() - 1] = std::max<int64_t>(rows(sizes), 1);
    return strides;
}

void matrix_result(Call& c, const Dims& sizes, DType dtype) {
    Geometry& g = c.result(sizes, dtype);
    g.strides = column_major_strides(sizes);
    g.strided = true;
}

Tensor column_major_empty(const Dims& sizes, DType dtype) {
    return empty_strided_tensor(sizes, column_major_strides(sizes), dtype);
}

Tensor column_major(const Tensor& values) {
    Tensor out = column_major_empty(values.sizes(), values.dtype());
    put(out, *values.impl());
    return out;
}

void zero(const Tensor& t) {
    if (t.numel()) std::memset(t.data(), 0, size_t(t.numel() * size_of(t.dtype())));
}

void plain_info(int* info, int64_t count) {
    for (int64_t i = 0; i < count; ++i)
        if (info[i] == lapack::not_finite) info[i] = 1;
}

Tensor diagonal_matrix(const Tensor& x) {
    static const Op& op = required_op("diag_embed");
    return invoke(op, x);
}

Tensor identity_like(const Tensor& x) {
    Dims sizes = leading_sizes(x.sizes());
    sizes.push_back(columns(x.sizes()));
    return diagonal_matrix(ones(sizes, x.dtype()));
}

Tensor solve_triangular(const Tensor& a, const Tensor& b, bool upper, bool left, bool unit) {
    static const Op& op = required_op("solve_triangular");
    return invoke(op, a, b, upper, left, unit);
}

Tensor inverse(const Tensor& x) {
    static const Op& op = required_op("inv_ex");
    return invoke(op, x);
}

Tensor take_rows(const Tensor& x, const Tensor& index) { return gather(x, -2, expand(column(index), x.sizes())); }

}  // namespace rushlight::linalg
