// The few operators that the tape itself calls. They live in a room above this one, so they are found by
// name.
#pragma once

#include "registry/invoke.h"

namespace rushlight::autograd {

namespace primitive {

inline const Op& required(const char* id) {
    const Op* op = find_op(id);
    require(op != nullptr, ErrorKind::not_implemented, "the tape needs operator '", id,
            "', which is not part of this build");
    return *op;
}

inline const Op& restride() {
    static const Op& op = required("restride");
    return op;
}
inline Tensor add(const Tensor& a, const Tensor& b) {
    static const Op& op = required("add");
    return invoke(op, a, b);
}
inline Tensor add_in_place(const Tensor& a, const Tensor& b) {
    static const Op& op = required("add");
    return invoke_in_place(op, a, b);
}
inline Tensor copy_in_place(const Tensor& to, const Tensor& from) {
    static const Op& op = required("copy_");
    return invoke_in_place(op, to, from);
}
inline Tensor ones(const Dims& sizes, DType dtype) {
    static const Op& op = required("ones");
    return invoke(op, sizes, dtype);
}
inline Tensor zeros(const Dims& sizes, DType dtype) {
    static const Op& op = required("zeros");
    return invoke(op, sizes, dtype);
}
inline Tensor empty_strided(const Dims& sizes, const Dims& strides, DType dtype) {
    static const Op& op = required("empty_strided");
    return invoke(op, sizes, strides, dtype);
}
inline Tensor clone(const Tensor& t) {
    static const Op& op = required("clone");
    return invoke(op, t);
}
inline Tensor sum_to(const Tensor& t, const Dims& sizes) {
    static const Op& op = required("sum_to");
    return invoke(op, t, sizes);
}
inline Tensor to_dtype(const Tensor& t, DType dtype) {
    static const Op& op = required("to_dtype");
    return invoke(op, t, dtype);
}
inline Tensor view_as_real(const Tensor& t) {
    static const Op& op = required("view_as_real");
    return invoke(op, t);
}
inline Tensor view_as_complex(const Tensor& t) {
    static const Op& op = required("view_as_complex");
    return invoke(op, t);
}
inline Tensor select_last(const Tensor& t, int64_t index) {
    static const Op& op = required("select");
    return invoke(op, t, -1, index);
}

}  // namespace primitive

// The memory of `t` seen in another dtype: complex numbers as real ones, and the reverse.
inline Tensor in_dtype_of(const Tensor& t, DType dtype) {
    if (t.dtype() == dtype) return t;
    require(is_complex(t.dtype()) != is_complex(dtype), ErrorKind::runtime, "the view has dtype ",
            name_of(dtype), ", its base ", name_of(t.dtype()), ": gradients can't follow a change in place "
            "through such a view");
    return is_complex(t.dtype()) ? primitive::view_as_real(t) : primitive::view_as_complex(t);
}

}  // namespace rushlight::autograd
