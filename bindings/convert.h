// Tensors and dtypes as arguments and results of nanobind functions.
#pragma once

#include <nanobind/nanobind.h>

#include "bindings/python.h"

namespace nanobind::detail {

template <>
struct type_caster<rushlight::Tensor> {
    NB_TYPE_CASTER(rushlight::Tensor, const_name("Tensor"))

    bool from_python(handle src, uint8_t, cleanup_list*) noexcept {
        if (src.is_none()) {
            value = rushlight::Tensor();
            return true;
        }
        if (!rushlight::python::is_tensor(src.ptr())) return false;
        value = rushlight::python::tensor_of(src.ptr());
        return true;
    }
    static handle from_cpp(const rushlight::Tensor& t, rv_policy, cleanup_list*) noexcept {
        return rushlight::python::wrap(t);
    }
};

template <>
struct type_caster<rushlight::DType> {
    NB_TYPE_CASTER(rushlight::DType, const_name("dtype"))

    bool from_python(handle src, uint8_t, cleanup_list*) noexcept {
        if (!rushlight::python::is_dtype(src.ptr())) return false;
        value = rushlight::python::dtype_of(src.ptr());
        return true;
    }
    static handle from_cpp(rushlight::DType t, rv_policy, cleanup_list*) noexcept {
        return rushlight::python::wrap_dtype(t);
    }
};

template <>
struct type_caster<rushlight::Dims> {
    NB_TYPE_CASTER(rushlight::Dims, const_name("tuple[int, ...]"))

    bool from_python(handle src, uint8_t, cleanup_list*) noexcept {
        try {
            return rushlight::python::to_ints(src.ptr(), &value);
        } catch (...) {
            PyErr_Clear();
            return false;
        }
    }
    static handle from_cpp(const rushlight::Dims& d, rv_policy, cleanup_list*) noexcept {
        return rushlight::python::wrap_size(d);
    }
};

}  // namespace nanobind::detail
