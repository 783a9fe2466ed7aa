// The macros that define element-wise operators, as the complex pass expands them: the same formulas over Complex<T>,
// for the families that take complex numbers. The gradient of these is composed of operators, so slopes are left out.
#pragma once

#include <cstring>

#include "kernels/generic/complex_value.h"
#include "kernels/generic/pointwise_kernels.h"

namespace rushlight {

namespace family {

struct Real { static constexpr bool complex = false, boolean_first_input = false; };
struct Field : Real { static constexpr bool complex = true; };
struct floating_only : Real {};
struct float_result : Real {};
struct same : Real {};
struct same_or_bool : Real {};
struct integer_only : Real {};
struct integer_or_bool : Real {};
struct compare : Real {};
struct predicate : Real {};
struct divide : Real {};
struct inexact : Field {};
struct analytic : Field {};
struct argument : Field {};
struct magnitude : Field {};
struct numeric : Field {};
struct numeric_or_bool : Field {};
struct equality : Field {};
struct logical : Field {};
struct finiteness : Field {};
struct select : Field { static constexpr bool boolean_first_input = true; };

}  // namespace family

// The scalar attributes; the imaginary parts are where set_param puts what doubles can't hold.
template <class T>
struct ComplexParams {
    Complex<T> values[param_count];
    explicit ComplexParams(const double* p) {
        if (!p) return;
        for (int i = 0; i < param_count; i++) values[i] = {T(p[i]), T(p[param_count + i])};
    }
    Complex<T> operator[](int i) const { return values[i]; }
};

template <class T, class Family, class Definition>
void complex_tile(int64_t n, void* out, const void* const* in, const double* params) {
    using First = std::conditional_t<Family::boolean_first_input, bool, Complex<T>>;
    const ComplexParams<T> p(params);
    auto* x = static_cast<const First*>(in[0]);
    auto* y = static_cast<const Complex<T>*>(Definition::inputs > 1 ? in[1] : nullptr);
    auto* z = static_cast<const Complex<T>*>(Definition::inputs > 2 ? in[2] : nullptr);
    auto value = [&](int64_t i) {
        if constexpr (Definition::inputs == 1) return Definition::forward(x[i], p);
        else if constexpr (Definition::inputs == 2) return Definition::forward(x[i], y[i], p);
        else return Definition::forward(x[i], y[i], z[i], p);
    };
    // Logic on two bools comes out as int.
    using Value = decltype(value(0));
    using Result = std::conditional_t<std::is_same_v<Value, int>, bool, Value>;
    auto* result = static_cast<Result*>(out);
    for (int64_t i = 0; i < n; i++) result[i] = Result(value(i));
}

template <class Family, class Definition>
constexpr ComplexKernels complex_kernels_of() {
    if constexpr (Family::complex)
        return {{&complex_tile<float, Family, Definition>, &complex_tile<double, Family, Definition>}};
    else return {};
}

}  // namespace rushlight

#define SLOPE(...)
#define SLOPES(...)
#define NO_SLOPE(WHY)

#define UNARY(NAME, FAMILY, ARGUMENTS, FORWARD, ...) RUSHLIGHT_COMPLEX(NAME, FAMILY, 1, (FORWARD), class X, X x)
#define BINARY(NAME, FAMILY, ARGUMENTS, FORWARD, ...) \
    RUSHLIGHT_COMPLEX(NAME, FAMILY, 2, (FORWARD), class X COMMA_ class Y, X x COMMA_ Y y)
#define TERNARY(NAME, FAMILY, ARGUMENTS, FORWARD, ...) \
    RUSHLIGHT_COMPLEX(NAME, FAMILY, 3, (FORWARD), class X COMMA_ class Y COMMA_ class Z, X x COMMA_ Y y COMMA_ Z z)
#define COMMA_ ,

#define RUSHLIGHT_COMPLEX(NAME, FAMILY, INPUTS, FORWARD, TYPES, OPERANDS)                                 \
    namespace {                                                                                           \
    struct NAME##_definition {                                                                            \
        static constexpr int inputs = INPUTS;                                                             \
        template <TYPES, class P> static auto forward(OPERANDS, const P& p [[maybe_unused]]) {            \
            return FORWARD;                                                                               \
        }                                                                                                 \
    };                                                                                                    \
    }                                                                                                     \
    extern const ComplexKernels pointwise_##NAME##_complex;                                               \
    constinit const ComplexKernels pointwise_##NAME##_complex =                                           \
        complex_kernels_of<family::FAMILY, NAME##_definition>()
