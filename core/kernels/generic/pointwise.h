// The macros that define element-wise operators, as an ISA pass expands them: a tile function per compute dtype.
//
//     UNARY(erf, float_result, (x), erf(x), SLOPE(1.1283791670955126 * exp(-x * x)), .doc = "...")
//     UNARY(leaky_relu, floating_only, (x, p), where(x > 0, x, x * p[0]), SLOPE(where(x > 0, 1, p[0])), .doc = "...")
//     BINARY(atan2, float_result, (x, y), atan2(x, y), SLOPES(y / (x * x + y * y), -x / (x * x + y * y)), .doc = "...")
//     TERNARY(addcmul, same, (x, y, z, p), x + p[0] * y * z, SLOPES(1, p[0] * z, p[0] * y), .doc = "...")
//
// The operands are called x, y and z, the scalar attributes p[0] to p[3]; in the slope of UNARY, y is the output. A
// slope that is a comparison lets the gradient through or stops it. The family says which dtypes an operator computes
// in. The record fields at the end are read by the record pass only, which expands the same macros with tensors
// (registry/).
#pragma once

#include "kernels/generic/pointwise_kernels.h"
#include "kernels/generic/vec.h"
#include "kernels/generic/vec_math.h"
#include "kernels/generic/vec_ops.h"

namespace rushlight {
inline namespace RUSHLIGHT_ISA_SPACE {

// ---- families ----------------------------------------------------------------------------------------------------

namespace family {

struct Basic {
    static constexpr bool boolean_result = false, boolean_first_input = false, integer_divisor_check = false;
};
struct Boolean : Basic { static constexpr bool boolean_result = true; };
struct floating_only : Basic { template <class T> static constexpr bool accepts = is_real<T>; };
struct float_result : floating_only {};             // integers are converted to the default floating dtype first
struct same : Basic { template <class T> static constexpr bool accepts = !is_bool<T>; };
struct same_or_bool : Basic { template <class T> static constexpr bool accepts = true; };
struct integer_only : Basic { template <class T> static constexpr bool accepts = !is_real<T> && !is_bool<T>; };
struct integer_or_bool : Basic { template <class T> static constexpr bool accepts = !is_real<T>; };
struct compare : Boolean { template <class T> static constexpr bool accepts = true; };
struct logical : compare {};
struct predicate : compare {};
struct inexact : floating_only {};                  // the families that take complex numbers too
struct analytic : float_result {};
struct argument : float_result {};                  // complex numbers give real ones
struct magnitude : same {};                         // likewise
struct numeric : same {};
struct numeric_or_bool : same_or_bool {};
struct equality : compare {};
struct finiteness : predicate {};
struct divide : same { static constexpr bool integer_divisor_check = true; };
struct select : same_or_bool { static constexpr bool boolean_first_input = true; };

}  // namespace family

// ---- tiles -------------------------------------------------------------------------------------------------------

// The scalar attributes, converted to T once a tile.
template <class T>
struct Params {
    typename LaneFor<T>::type values[param_count], bounds[param_count];
    bool is_given[param_count];
    explicit Params(const double* p) : values{}, bounds{}, is_given{} {
        if (!p) return;
        for (int i = 0; i < param_count; i++) {
            values[i] = bounds[i] = number_as<T>(p[i]);
            is_given[i] = p[i] == p[i];
            if constexpr (!is_real<T> && !is_bool<T>) {
                int64_t exact;
                __builtin_memcpy(&exact, &p[param_count + i], sizeof(exact));
                values[i] = T(exact);
                if (sizeof(T) == 8 && !(T(0) < T(-1) && p[i] < 0)) bounds[i] = values[i];
            }
        }
    }
    // In integers modulo 2^bits, as their sums and products are.
    RUSHLIGHT_INLINE T operator[](int i) const { return T(values[i]); }
    // For comparisons: what lies beyond an integer type is the nearest number of it, and does not wrap.
    RUSHLIGHT_INLINE T bound(int i) const { return T(bounds[i]); }
    // An attribute that is None arrives as NaN.
    RUSHLIGHT_INLINE T get(int i, T otherwise) const { return is_given[i] ? T(values[i]) : otherwise; }
};

// One register, or the first `count` lanes of one.
template <class V> RUSHLIGHT_INLINE V load_lanes(const char* p, int64_t count) {
    return count < 0 ? V::load(p) : V::load(p, count);
}
template <class V> RUSHLIGHT_INLINE void store_lanes(V v, char* p, int64_t count) {
    if (count < 0) v.store(p);
    else v.store(p, count);
}

template <class T, class Family, class Definition>
struct Tile {
    using V = Vec<T>;
    static constexpr int size = sizeof(T);

    // Computes one register at element i; `count` < 0 means all lanes.
    static RUSHLIGHT_INLINE void step(char* out, const char* const* in, const Params<T>& p, int64_t i, int64_t count) {
        auto first = [&] {
            if constexpr (Family::boolean_first_input)
                return count < 0 ? Mask<T>::load(in[0] + i) : Mask<T>::load(in[0] + i, count);
            else
                return load_lanes<V>(in[0] + i * size, count);
        }();
        auto result = [&] {
            if constexpr (Definition::inputs == 1) return Definition::forward(first, p);
            else if constexpr (Definition::inputs == 2)
                return Definition::forward(first, load_lanes<V>(in[1] + i * size, count), p);
            else
                return Definition::forward(first, load_lanes<V>(in[1] + i * size, count),
                                           load_lanes<V>(in[2] + i * size, count), p);
        }();
        constexpr int result_size = Family::boolean_result ? 1 : size;
        static_assert(same_type<decltype(result), Mask<T>> == Family::boolean_result || is_bool<T>);
        store_lanes(result, out + i * result_size, count);
    }

    static void run(int64_t n, void* out, const void* const* in, const double* params) {
        const Params<T> p(params);
        const char* inputs[3];
        for (int k = 0; k < Definition::inputs; k++) inputs[k] = static_cast<const char*>(in[k]);
        int64_t i = 0;
        for (; i + V::width <= n; i += V::width) step(static_cast<char*>(out), inputs, p, i, -1);
        if (i < n) step(static_cast<char*>(out), inputs, p, i, n - i);
    }
};

// g * slope, where a comparison for a slope lets g through or stops it, whatever g is.
template <class T> RUSHLIGHT_INLINE Vec<T> times_slope(Vec<T> g, Mask<T> slope) { return where(slope, g, Vec<T>(0)); }
template <class T> RUSHLIGHT_INLINE Vec<T> times_slope(Vec<T> g, Vec<T> slope) { return g * slope; }
template <class T> RUSHLIGHT_INLINE Vec<T> times_slope(Vec<T> g, double slope) { return g * slope; }

template <class T, class Definition>
struct BackwardTile {
    using V = Vec<T>;
    static constexpr int size = sizeof(T);

    static RUSHLIGHT_INLINE void step(char* out, const char* const* in, const Params<T>& p, int64_t i, int64_t count) {
        V g = load_lanes<V>(in[0] + i * size, count), x = 1, y = 1;
        if constexpr (Definition::slope_reads_input) x = load_lanes<V>(in[1] + i * size, count);
        if constexpr (Definition::slope_reads_output) y = load_lanes<V>(in[2] + i * size, count);
        store_lanes(times_slope(g, Definition::slope(x, y, p)), out + i * size, count);
    }

    static void run(int64_t n, void* out, const void* const* in, const double* params) {
        const Params<T> p(params);
        const char* inputs[3] = {static_cast<const char*>(in[0]), nullptr, nullptr};
        if constexpr (Definition::slope_reads_input) inputs[1] = static_cast<const char*>(in[1]);
        if constexpr (Definition::slope_reads_output) inputs[2] = static_cast<const char*>(in[2]);
        int64_t i = 0;
        for (; i + V::width <= n; i += V::width) step(static_cast<char*>(out), inputs, p, i, -1);
        if (i < n) step(static_cast<char*>(out), inputs, p, i, n - i);
    }
};

template <class T, class Family, class Definition>
constexpr TileFn forward_tile() {
    if constexpr (Family::template accepts<T>) return &Tile<T, Family, Definition>::run;
    else return nullptr;
}
template <class T, class Definition>
constexpr TileFn backward_tile() {
    if constexpr (Definition::has_slope) return &BackwardTile<T, Definition>::run;
    else return nullptr;
}

template <class Family, class Definition>
constexpr PointwiseKernels kernels_of() {
    PointwiseKernels k = {};
    k.forward[int(Lane::uint8)] = forward_tile<uint8_t, Family, Definition>();
    k.forward[int(Lane::int8)] = forward_tile<int8_t, Family, Definition>();
    k.forward[int(Lane::int16)] = forward_tile<int16_t, Family, Definition>();
    k.forward[int(Lane::int32)] = forward_tile<int32_t, Family, Definition>();
    k.forward[int(Lane::int64)] = forward_tile<int64_t, Family, Definition>();
    k.forward[int(Lane::float32)] = forward_tile<float, Family, Definition>();
    k.forward[int(Lane::float64)] = forward_tile<double, Family, Definition>();
    k.forward[int(Lane::boolean)] = forward_tile<bool, Family, Definition>();
    k.forward[int(Lane::uint64)] = forward_tile<uint64_t, Family, Definition>();
    k.backward[0] = backward_tile<float, Definition>();
    k.backward[1] = backward_tile<double, Definition>();
    k.inputs = Definition::inputs;
    k.boolean_result = Family::boolean_result;
    k.boolean_first_input = Family::boolean_first_input;
    k.integer_divisor_check = Family::integer_divisor_check;
    k.slope_reads_input = Definition::slope_reads_input;
    k.slope_reads_output = Definition::slope_reads_output;
    return k;
}

// Does the text of an expression name this one-letter variable?
constexpr bool mentions(const char* text, char name) {
    auto in_word = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    };
    for (int i = 0; text[i]; i++)
        if (text[i] == name && (i == 0 || !in_word(text[i - 1])) && !in_word(text[i + 1])) return true;
    return false;
}

}  // namespace isa
}  // namespace rushlight

// ---- the macros --------------------------------------------------------------------------------------------------

#define SLOPE(...) true, (__VA_ARGS__), #__VA_ARGS__
#define SLOPES(...) false, 0, ""
#define NO_SLOPE(WHY) false, 0, ""

#define UNARY(NAME, FAMILY, ARGUMENTS, FORWARD, SLOPE_, ...) RUSHLIGHT_UNARY(NAME, FAMILY, (FORWARD), SLOPE_)
#define BINARY(NAME, FAMILY, ARGUMENTS, FORWARD, ...) \
    RUSHLIGHT_FORWARD_ONLY(NAME, FAMILY, 2, (FORWARD), class X COMMA_ class Y, X x COMMA_ Y y)
#define TERNARY(NAME, FAMILY, ARGUMENTS, FORWARD, ...) \
    RUSHLIGHT_FORWARD_ONLY(NAME, FAMILY, 3, (FORWARD), class X COMMA_ class Y COMMA_ class Z, X x COMMA_ Y y COMMA_ Z z)

#define RUSHLIGHT_UNARY(...) RUSHLIGHT_UNARY_EXPANDED(__VA_ARGS__)
#define RUSHLIGHT_UNARY_EXPANDED(NAME, FAMILY, FORWARD, HAS_SLOPE, SLOPE_, TEXT)                                   \
    inline namespace RUSHLIGHT_ISA_SPACE {                                                                         \
    namespace {                                                                                                    \
    struct NAME##_definition {                                                                                     \
        static constexpr int inputs = 1;                                                                           \
        static constexpr bool has_slope = HAS_SLOPE, slope_reads_input = mentions(TEXT, 'x'),                      \
                              slope_reads_output = mentions(TEXT, 'y');                                            \
        template <class T> static RUSHLIGHT_INLINE auto forward(Vec<T> x, const Params<T>& p) { return FORWARD; }  \
        template <class T> static RUSHLIGHT_INLINE auto slope(Vec<T> x, Vec<T> y, const Params<T>& p) {            \
            return SLOPE_;                                                                                         \
        }                                                                                                          \
    };                                                                                                             \
    }                                                                                                              \
    }                                                                                                              \
    RUSHLIGHT_EXPORT(NAME, FAMILY)

#define RUSHLIGHT_FORWARD_ONLY(NAME, FAMILY, INPUTS, FORWARD, TYPES, OPERANDS)                          \
    inline namespace RUSHLIGHT_ISA_SPACE {                                                              \
    namespace {                                                                                         \
    struct NAME##_definition {                                                                          \
        static constexpr int inputs = INPUTS;                                                           \
        static constexpr bool has_slope = false, slope_reads_input = false, slope_reads_output = false; \
        template <TYPES, class P> static RUSHLIGHT_INLINE auto forward(OPERANDS, const P& p) {          \
            return FORWARD;                                                                             \
        }                                                                                               \
    };                                                                                                  \
    }                                                                                                   \
    }                                                                                                   \
    RUSHLIGHT_EXPORT(NAME, FAMILY)

#define COMMA_ ,
#define RUSHLIGHT_EXPORT(NAME, FAMILY) \
    EXPORT_ISA_TABLE(PointwiseKernels, pointwise_##NAME) = kernels_of<family::FAMILY, NAME##_definition>()
