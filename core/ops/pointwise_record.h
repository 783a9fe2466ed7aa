// The record pass of element-wise definitions: the macros of kernels/generic/pointwise.h, expanded to operator records.
#pragma once

#include "kernels/generic/pointwise_kernels.h"
#include "ops/algebra.h"
#include "ops/complex_slopes.h"
#include "registry/vjp.h"

namespace rushlight {

namespace family {

// Which dtype the arithmetic is done in, and which the result has. Whether a dtype is accepted is the kernel table's to
// say.
enum class Family : uint8_t {
    floating_only, float_result, same, same_or_bool, integer_only, integer_or_bool, compare, logical, predicate,
    divide, select,
    inexact, analytic, argument, magnitude, numeric, numeric_or_bool, equality, finiteness
};
using enum Family;

}  // namespace family

// A scalar attribute in a slope: real in comparisons and functions, which only real dtypes have, complex in products.
struct Attribute {
    std::complex<double> value;
    operator double() const { return value.real(); }
    operator Value() const { return value.imag() == 0 ? Value(value.real()) : Value(value); }
    Attribute operator-() const { return {-value}; }
    friend Tensor operator*(const Attribute& a, const Tensor& x) { return mul(Value(a), x); }
    friend Tensor operator*(const Tensor& x, const Attribute& a) { return mul(x, Value(a)); }
};

// What a slope evaluates to: a tensor, or a plain number.
struct Factor {
    Tensor tensor;
    std::complex<double> number = 0;
    Factor(Tensor t) : tensor(std::move(t)) {}
    Factor(double x) : number(x) {}
    Factor(const Attribute& x) : number(x.value) {}
    Tensor times(const Tensor& g) const;             // g times the conjugate, which points to steepest descent
};

using SlopeFn = Factor (*)(const Tensor& x, const Tensor& y, const Tensor& z, const Attribute* p);

struct Slopes {
    SlopeFn of[3] = {};
    const char* text[3] = {"", "", ""};
    const char* why_not = nullptr;
};

struct Domain {
    double low = -3, high = 3;
};

// The fields of a definition, after the formula.
struct PointwiseFields {
    const char* signature = nullptr;      // where the default, name(input[, other]), does not do
    // Numbers after the tensors: "negative_slope: Number = 0.01"; p[0], p[1]... in the formula.
    const char* attributes = "";
    const char* aliases = "";             // further public names
    const char* names = nullptr;          // instead of the default "name Tensor.name Tensor.name_ out"
    const char* doc = nullptr;
    Domain domain = {};
    const char* samples = nullptr;        // Python expressions, where domain alone does not do
    Onnx onnx = {nullptr, 0, "ONNX has no operator for it"};
    int version = 1;
    bool finite_limits = false;           // p[1] and p[2], where None, are the dtype's largest and smallest numbers
    bool attributes_promote = false;      // a real attribute makes the computation on integers a real one
    bool natural_exponent = false;        // argument 1, a number, must not be negative in integer arithmetic
    bool number_first = false;            // argument 0 may be a number
    bool numbers_alone = false;           // both may be
    void (*check)(const Call&) = nullptr;  // further conditions on the attributes
    bool inplace = false;                 // nn.functional.name takes a last argument `inplace`
    // Of functions that have no complex derivative (abs, sgn): the gradient for complex inputs, and what it reads.
    void (*complex_vjp)(Vjp&) = nullptr;
    const char* saves = nullptr;
};

// The record of `self`, which this is going to be.
Op pointwise_op(const Op& self, const char* name, family::Family family, int inputs, const PointwiseSet& kernels,
                const ComplexKernels& complex_kernels, const Slopes& slopes, const PointwiseFields& fields);

// Runs a tile function over tensors that broadcast to `out`. Numbers may stand in for inputs.
void run_tiles(TileFn fn, const Tensor& out, const Value* inputs, int count, DType compute, DType result,
               const double* params, bool boolean_first = false);

}  // namespace rushlight

#define RUSHLIGHT_SLOPE(EXPRESSION)                                                                          \
    [](const Tensor& x [[maybe_unused]], const Tensor& y [[maybe_unused]], const Tensor& z [[maybe_unused]], \
       const ::rushlight::Attribute* p [[maybe_unused]])                                                     \
        -> ::rushlight::Factor { return ::rushlight::Factor(EXPRESSION); }

#define SLOPE(...) (::rushlight::Slopes{{RUSHLIGHT_SLOPE((__VA_ARGS__))}, {#__VA_ARGS__}, nullptr})
#define NO_SLOPE(WHY) (::rushlight::Slopes{{}, {}, WHY})
#define RUSHLIGHT_SLOPES_2(A, B) (::rushlight::Slopes{{RUSHLIGHT_SLOPE((A)), RUSHLIGHT_SLOPE((B))}, {#A, #B}, nullptr})
#define RUSHLIGHT_SLOPES_3(A, B, C) \
    (::rushlight::Slopes{{RUSHLIGHT_SLOPE((A)), RUSHLIGHT_SLOPE((B)), RUSHLIGHT_SLOPE((C))}, {#A, #B, #C}, nullptr})
#define RUSHLIGHT_SLOPES_PICK(A, B, C, NAME, ...) NAME
#define SLOPES(...) RUSHLIGHT_SLOPES_PICK(__VA_ARGS__, RUSHLIGHT_SLOPES_3, RUSHLIGHT_SLOPES_2, )(__VA_ARGS__)

#define RUSHLIGHT_POINTWISE(NAME, FAMILY, INPUTS, SLOPES_, ...)                                               \
    DECLARE_POINTWISE_KERNELS(NAME);                                                                          \
    OP(NAME) = ::rushlight::pointwise_op(::rushlight::op_##NAME, #NAME, ::rushlight::family::FAMILY, INPUTS,  \
                                         POINTWISE_KERNELS(NAME), COMPLEX_KERNELS(NAME), SLOPES_,             \
                                         ::rushlight::PointwiseFields{__VA_ARGS__})
#define UNARY(NAME, FAMILY, ARGUMENTS, FORWARD, SLOPES_, ...) RUSHLIGHT_POINTWISE(NAME, FAMILY, 1, SLOPES_, __VA_ARGS__)
#define BINARY(NAME, FAMILY, ARGUMENTS, FORWARD, SLOPES_, ...) \
    RUSHLIGHT_POINTWISE(NAME, FAMILY, 2, SLOPES_, __VA_ARGS__)
#define TERNARY(NAME, FAMILY, ARGUMENTS, FORWARD, SLOPES_, ...) \
    RUSHLIGHT_POINTWISE(NAME, FAMILY, 3, SLOPES_, __VA_ARGS__)
