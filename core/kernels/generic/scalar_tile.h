// Element-wise kernels of functions that take single numbers: compiled once, not once per instruction set, because such
// functions gain nothing from vectors. float32 computes in float64.
#pragma once

#include "kernels/generic/pointwise_kernels.h"

namespace rushlight {

template <class T, double (*function)(double)>
void scalar_tile(int64_t n, void* out, const void* const* in, const double*) {
    auto x = static_cast<const T*>(in[0]);
    auto y = static_cast<T*>(out);
    for (int64_t i = 0; i < n; ++i) y[i] = T(function(double(x[i])));
}

template <class T, double (*function)(double, double)>
void scalar_tile(int64_t n, void* out, const void* const* in, const double*) {
    auto x = static_cast<const T*>(in[0]), y = static_cast<const T*>(in[1]);
    auto z = static_cast<T*>(out);
    for (int64_t i = 0; i < n; ++i) z[i] = T(function(double(x[i]), double(y[i])));
}

template <auto function>
constexpr PointwiseKernels scalar_kernels_of(int inputs) {
    PointwiseKernels k = {};
    k.forward[int(Lane::float32)] = &scalar_tile<float, function>;
    k.forward[int(Lane::float64)] = &scalar_tile<double, function>;
    k.inputs = inputs;
    return k;
}
template <auto function, int inputs>
inline constexpr PointwiseKernels scalar_kernels = scalar_kernels_of<function>(inputs);

// The same table for every instruction set.
template <auto function, int inputs>
constexpr PointwiseSet scalar_set() {
    constexpr const PointwiseKernels* table = &scalar_kernels<function, inputs>;
    return {{{table, table, table}}};
}

}  // namespace rushlight
