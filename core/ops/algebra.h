// The primitives as C++ functions: what derivatives are written in. Arguments that may be tensors or numbers are
// `Value`s, which borrow: they live as long as the expression.
#pragma once

#include "registry/invoke.h"

namespace rushlight {

inline const Op& required_op(const char* id) {
    const Op* op = find_op(id);
    require(op != nullptr, ErrorKind::not_implemented, "operator '", id, "' is not part of this build");
    return *op;
}

#define RUSHLIGHT_UNARY_FUNCTION(NAME)                          \
    inline Tensor NAME(const Tensor& x) {                       \
        static const Op& op = required_op(#NAME);               \
        return invoke(op, x);                                   \
    }
#define RUSHLIGHT_BINARY_FUNCTION(NAME)                         \
    inline Tensor NAME(const Value& x, const Value& y) {        \
        static const Op& op = required_op(#NAME);               \
        return invoke(op, x, y);                                \
    }

RUSHLIGHT_UNARY_FUNCTION(neg)
RUSHLIGHT_UNARY_FUNCTION(abs)
RUSHLIGHT_UNARY_FUNCTION(sign)
RUSHLIGHT_UNARY_FUNCTION(sgn)
RUSHLIGHT_UNARY_FUNCTION(exp)
RUSHLIGHT_UNARY_FUNCTION(exp2)
RUSHLIGHT_UNARY_FUNCTION(expm1)
RUSHLIGHT_UNARY_FUNCTION(log)
RUSHLIGHT_UNARY_FUNCTION(log2)
RUSHLIGHT_UNARY_FUNCTION(log1p)
RUSHLIGHT_UNARY_FUNCTION(sqrt)
RUSHLIGHT_UNARY_FUNCTION(rsqrt)
RUSHLIGHT_UNARY_FUNCTION(square)
RUSHLIGHT_UNARY_FUNCTION(reciprocal)
RUSHLIGHT_UNARY_FUNCTION(sin)
RUSHLIGHT_UNARY_FUNCTION(cos)
RUSHLIGHT_UNARY_FUNCTION(tan)
RUSHLIGHT_UNARY_FUNCTION(sinh)
RUSHLIGHT_UNARY_FUNCTION(cosh)
RUSHLIGHT_UNARY_FUNCTION(tanh)
RUSHLIGHT_UNARY_FUNCTION(erf)
RUSHLIGHT_UNARY_FUNCTION(erfc)
RUSHLIGHT_UNARY_FUNCTION(erfinv)
RUSHLIGHT_UNARY_FUNCTION(sigmoid)
RUSHLIGHT_UNARY_FUNCTION(relu)
RUSHLIGHT_UNARY_FUNCTION(digamma)
RUSHLIGHT_UNARY_FUNCTION(floor)
RUSHLIGHT_UNARY_FUNCTION(trunc)
RUSHLIGHT_UNARY_FUNCTION(isnan)
RUSHLIGHT_UNARY_FUNCTION(logical_not)
RUSHLIGHT_UNARY_FUNCTION(clone)
RUSHLIGHT_UNARY_FUNCTION(detach)
RUSHLIGHT_UNARY_FUNCTION(real)
RUSHLIGHT_UNARY_FUNCTION(imag)
RUSHLIGHT_UNARY_FUNCTION(view_as_real)
RUSHLIGHT_UNARY_FUNCTION(view_as_complex)
RUSHLIGHT_UNARY_FUNCTION(conj_physical)

RUSHLIGHT_BINARY_FUNCTION(add)
RUSHLIGHT_BINARY_FUNCTION(sub)
RUSHLIGHT_BINARY_FUNCTION(mul)
RUSHLIGHT_BINARY_FUNCTION(div)
RUSHLIGHT_BINARY_FUNCTION(floor_divide)
RUSHLIGHT_BINARY_FUNCTION(pow)
RUSHLIGHT_BINARY_FUNCTION(maximum)
RUSHLIGHT_BINARY_FUNCTION(minimum)
RUSHLIGHT_BINARY_FUNCTION(atan2)
RUSHLIGHT_BINARY_FUNCTION(eq)
RUSHLIGHT_BINARY_FUNCTION(ne)
RUSHLIGHT_BINARY_FUNCTION(lt)
RUSHLIGHT_BINARY_FUNCTION(le)
RUSHLIGHT_BINARY_FUNCTION(gt)
RUSHLIGHT_BINARY_FUNCTION(ge)
RUSHLIGHT_BINARY_FUNCTION(logical_and)
RUSHLIGHT_BINARY_FUNCTION(logical_or)
RUSHLIGHT_BINARY_FUNCTION(bitwise_and)
RUSHLIGHT_BINARY_FUNCTION(bitwise_or)
RUSHLIGHT_BINARY_FUNCTION(logaddexp)
RUSHLIGHT_BINARY_FUNCTION(xlogy)
RUSHLIGHT_BINARY_FUNCTION(copysign)
RUSHLIGHT_BINARY_FUNCTION(matmul)

#undef RUSHLIGHT_UNARY_FUNCTION
#undef RUSHLIGHT_BINARY_FUNCTION

#define RUSHLIGHT_FUNCTION(NAME, PARAMETERS, ...)               \
    inline Tensor NAME PARAMETERS {                             \
        static const Op& op = required_op(#NAME);               \
        return invoke(op, __VA_ARGS__);                         \
    }

RUSHLIGHT_FUNCTION(polygamma, (const Tensor& x, double order), x, order)
RUSHLIGHT_FUNCTION(where, (const Tensor& condition, const Value& x, const Value& y), condition, x, y)
RUSHLIGHT_FUNCTION(sum, (const Tensor& x, const Value& dims, bool keepdim = false), x, dims, keepdim)
RUSHLIGHT_FUNCTION(mean, (const Tensor& x, const Value& dims, bool keepdim = false), x, dims, keepdim)
RUSHLIGHT_FUNCTION(sum_to, (const Tensor& x, const Dims& size), x, size)             // the inverse of a broadcast
RUSHLIGHT_FUNCTION(expand, (const Tensor& x, const Dims& size), x, size)
RUSHLIGHT_FUNCTION(reshape, (const Tensor& x, const Dims& shape), x, shape)
RUSHLIGHT_FUNCTION(view, (const Tensor& x, const Dims& shape), x, shape)
RUSHLIGHT_FUNCTION(permute, (const Tensor& x, const Dims& dims), x, dims)
RUSHLIGHT_FUNCTION(transpose, (const Tensor& x, int64_t a, int64_t b), x, a, b)
RUSHLIGHT_FUNCTION(unsqueeze, (const Tensor& x, int64_t dim), x, dim)
RUSHLIGHT_FUNCTION(squeeze, (const Tensor& x, const Value& dim), x, dim)
RUSHLIGHT_FUNCTION(select, (const Tensor& x, int64_t dim, int64_t index), x, dim, index)
RUSHLIGHT_FUNCTION(narrow, (const Tensor& x, int64_t dim, int64_t start, int64_t length), x, dim, start, length)
RUSHLIGHT_FUNCTION(slice, (const Tensor& x, int64_t dim, int64_t start, int64_t stop, int64_t step), x, dim, start,
                   stop, step)
RUSHLIGHT_FUNCTION(as_strided, (const Tensor& x, const Dims& size, const Dims& stride, int64_t offset), x, size, stride,
                   offset)
RUSHLIGHT_FUNCTION(gather, (const Tensor& x, int64_t dim, const Tensor& index), x, dim, index)
RUSHLIGHT_FUNCTION(scatter_add, (const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src), x, dim, index,
                   src)
RUSHLIGHT_FUNCTION(index_select, (const Tensor& x, int64_t dim, const Tensor& index), x, dim, index)
RUSHLIGHT_FUNCTION(index_add, (const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src), x, dim, index,
                   src)
RUSHLIGHT_FUNCTION(masked_fill, (const Tensor& x, const Tensor& mask, const Value& value), x, mask, value)
RUSHLIGHT_FUNCTION(flip, (const Tensor& x, const Dims& dims), x, dims)
RUSHLIGHT_FUNCTION(cumsum, (const Tensor& x, int64_t dim), x, dim)
RUSHLIGHT_FUNCTION(to_dtype, (const Tensor& x, DType dtype), x, dtype)  // the tape's own cast; itself when equal
RUSHLIGHT_FUNCTION(full, (const Dims& size, const Value& value, DType dtype), size, value, dtype)
RUSHLIGHT_FUNCTION(tril, (const Tensor& x, int64_t diagonal), x, diagonal)
RUSHLIGHT_FUNCTION(triu, (const Tensor& x, int64_t diagonal), x, diagonal)
RUSHLIGHT_FUNCTION(diagonal, (const Tensor& x, int64_t offset, int64_t dim1, int64_t dim2), x, offset, dim1, dim2)

#undef RUSHLIGHT_FUNCTION

inline Tensor cat(std::span<const Tensor> parts, int64_t dim) {
    static const Op& op = required_op("cat");
    std::vector<TensorImpl*> list;
    for (const Tensor& t : parts) list.push_back(t.impl());
    return invoke(op, std::span<TensorImpl* const>(list), dim);
}
// What a gradient is multiplied by instead of a complex factor; real numbers are their own.
inline Tensor conj(const Tensor& x) { return is_complex(x.dtype()) ? conj_physical(x) : x; }
inline Tensor zeros(const Dims& size, DType dtype) { return full(size, 0, dtype); }
inline Tensor ones(const Dims& size, DType dtype) { return full(size, 1, dtype); }

inline Tensor operator-(const Tensor& x) { return neg(x); }
inline Tensor operator+(const Tensor& x, const Tensor& y) { return add(x, y); }
inline Tensor operator-(const Tensor& x, const Tensor& y) { return sub(x, y); }
inline Tensor operator*(const Tensor& x, const Tensor& y) { return mul(x, y); }
inline Tensor operator/(const Tensor& x, const Tensor& y) { return div(x, y); }
#define RUSHLIGHT_NUMBER_OPERATORS(OPERATOR, NAME)                                                \
    inline Tensor operator OPERATOR(const Tensor& x, double y) { return NAME(x, y); }             \
    inline Tensor operator OPERATOR(double x, const Tensor& y) { return NAME(x, y); }
RUSHLIGHT_NUMBER_OPERATORS(+, add)
RUSHLIGHT_NUMBER_OPERATORS(-, sub)
RUSHLIGHT_NUMBER_OPERATORS(*, mul)
RUSHLIGHT_NUMBER_OPERATORS(/, div)
#undef RUSHLIGHT_NUMBER_OPERATORS
inline Tensor operator==(const Tensor& x, const Tensor& y) { return eq(x, y); }
inline Tensor operator!=(const Tensor& x, const Tensor& y) { return ne(x, y); }
inline Tensor operator<(const Tensor& x, const Tensor& y) { return lt(x, y); }
inline Tensor operator<=(const Tensor& x, const Tensor& y) { return le(x, y); }
inline Tensor operator>(const Tensor& x, const Tensor& y) { return gt(x, y); }
inline Tensor operator>=(const Tensor& x, const Tensor& y) { return ge(x, y); }
inline Tensor operator==(const Tensor& x, double y) { return eq(x, y); }
inline Tensor operator!=(const Tensor& x, double y) { return ne(x, y); }
inline Tensor operator<(const Tensor& x, double y) { return lt(x, y); }
inline Tensor operator<=(const Tensor& x, double y) { return le(x, y); }
inline Tensor operator>(const Tensor& x, double y) { return gt(x, y); }
inline Tensor operator>=(const Tensor& x, double y) { return ge(x, y); }
inline Tensor operator&(const Tensor& x, const Tensor& y) { return logical_and(x, y); }
inline Tensor operator|(const Tensor& x, const Tensor& y) { return logical_or(x, y); }
inline Tensor operator!(const Tensor& x) { return logical_not(x); }

// What the ISA passes' slopes may also call.
inline Tensor min(const Tensor& x, const Value& y) { return minimum(x, y); }
inline Tensor max(const Tensor& x, const Value& y) { return maximum(x, y); }

}  // namespace rushlight
