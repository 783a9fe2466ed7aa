// One argument of an operator, bound to its parameter. Values borrow: the caller keeps tensors and lists alive for the
// call.
#pragma once

#include <complex>
#include <cstdint>
#include <span>
#include <string_view>

#include "tensor/tensor.h"

namespace rushlight {

class Generator;

enum class Tag : uint8_t {
    none, boolean, integer, natural, real, complex, dtype, string, ints, reals, tensor, tensors, generator
};

struct Value {
    Tag tag = Tag::none;
    union {
        bool boolean_;
        int64_t integer_;                  // of a natural number the bits: it is larger than any int64, for uint64
        double real_;
        struct { double re, im; } complex_;
        DType dtype_;
        struct { const char* data; size_t n; } string_;
        struct { const int64_t* data; int64_t n; } ints_;
        struct { const double* data; int64_t n; } reals_;
        TensorImpl* tensor_;
        struct { TensorImpl* const* data; int64_t n; } tensors_;
        Generator* generator_;
    };

    Value() : integer_(0) {}
    Value(std::nullptr_t) : integer_(0) {}
    Value(bool x) : tag(Tag::boolean), boolean_(x) {}
    Value(int64_t x) : tag(Tag::integer), integer_(x) {}
    Value(int x) : Value(int64_t(x)) {}
    Value(uint64_t x) : tag(x >> 63 ? Tag::natural : Tag::integer), integer_(int64_t(x)) {}
    Value(double x) : tag(Tag::real), real_(x) {}
    Value(std::complex<double> x) : tag(Tag::complex) { complex_.re = x.real(); complex_.im = x.imag(); }
    Value(DType x) : tag(Tag::dtype), integer_(0) { dtype_ = x; }
    Value(const char* x) : Value(std::string_view(x)) {}
    Value(std::string_view x) : tag(Tag::string) { string_.data = x.data(); string_.n = x.size(); }
    Value(const Dims& x) : Value(std::span<const int64_t>(x)) {}
    Value(std::span<const int64_t> x) : tag(Tag::ints) { ints_.data = x.data(); ints_.n = int64_t(x.size()); }
    Value(std::span<const double> x) : tag(Tag::reals) { reals_.data = x.data(); reals_.n = int64_t(x.size()); }
    Value(const Tensor& x) : Value(x.impl()) {}
    Value(TensorImpl* x) : tag(x ? Tag::tensor : Tag::none), integer_(0) { if (x) tensor_ = x; }
    Value(std::span<TensorImpl* const> x) : tag(Tag::tensors) {
        tensors_.data = x.data();
        tensors_.n = int64_t(x.size());
    }
    Value(Generator* x) : tag(x ? Tag::generator : Tag::none), integer_(0) { if (x) generator_ = x; }

    bool is_none() const { return tag == Tag::none; }
    bool is_tensor() const { return tag == Tag::tensor; }
    bool is_number() const { return tag >= Tag::boolean && tag <= Tag::complex; }
    double to_double() const {
        switch (tag) {
            case Tag::real: return real_;
            case Tag::integer: return double(integer_);
            case Tag::natural: return double(uint64_t(integer_));
            case Tag::boolean: return double(boolean_);
            case Tag::complex: return complex_.re;
            default: return 0;
        }
    }
    int64_t to_int() const {
        if (tag == Tag::integer || tag == Tag::natural) return integer_;
        return tag == Tag::boolean ? int64_t(boolean_) : int64_t(to_double());
    }
    bool to_bool() const {
        return tag == Tag::boolean ? boolean_ : tag == Tag::integer ? integer_ != 0 : to_double() != 0;
    }
    std::string_view to_string() const { return {string_.data, string_.n}; }
    std::span<const int64_t> to_ints() const {         // an integer is a list of one
        if (tag == Tag::ints) return {ints_.data, size_t(ints_.n)};
        if (tag == Tag::integer) return {&integer_, 1};
        return {};
    }
    std::span<const double> to_reals() const { return {reals_.data, size_t(reals_.n)}; }
    std::span<TensorImpl* const> to_tensors() const {  // a tensor is a list of one
        if (tag == Tag::tensors) return {tensors_.data, size_t(tensors_.n)};
        if (tag == Tag::tensor) return {&tensor_, 1};
        return {};
    }
};

}  // namespace rushlight
