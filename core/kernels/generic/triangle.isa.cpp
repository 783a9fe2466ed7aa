#include "kernels/generic/triangle.h"

#include "kernels/generic/vec.h"

#define UNROLL _Pragma("GCC unroll 8")

namespace rushlight {
inline namespace RUSHLIGHT_ISA_SPACE {
namespace {

// V registers of each row: as many running values as hide the latency of a fused multiplication.
template <class T, int V>
void columns(const SmallTriangle& p, T* x) {
    constexpr int w = Vec<T>::width;
    for (int64_t s = 0; s < p.n; s++) {
        const int64_t i = p.lower ? s : p.n - 1 - s;
        const T* t = static_cast<const T*>(p.t) + i * p.n;
        T* row = x + i * p.step;
        Vec<T> value[V];
        UNROLL for (int v = 0; v < V; v++) value[v] = Vec<T>::load(row + v * w);
        for (int64_t k = p.lower ? 0 : i + 1, end = p.lower ? i : p.n; k < end; k++) {
            const Vec<T> factor(-t[k]);
            const T* known = x + k * p.step;
            UNROLL for (int v = 0; v < V; v++) value[v] = fma(factor, Vec<T>::load(known + v * w), value[v]);
        }
        if (!p.unit) UNROLL for (int v = 0; v < V; v++) value[v] = value[v] / Vec<T>(t[i]);
        UNROLL for (int v = 0; v < V; v++) value[v].store(row + v * w);
    }
}

template <class T>
void solve(const SmallTriangle& p) {
    constexpr int w = Vec<T>::width, many = 8;
    T* x = static_cast<T*>(p.x);
    int64_t j = 0;
    for (; j + many * w <= p.step; j += many * w) columns<T, many>(p, x + j);
    for (; j + 4 * w <= p.step; j += 4 * w) columns<T, 4>(p, x + j);
    for (; j < p.step; j += w) columns<T, 1>(p, x + j);
}

}  // namespace
}  // namespace RUSHLIGHT_ISA_SPACE

EXPORT_ISA_TABLE(TriangleTable, triangle_table) = {
    {Vec<float>::width, Vec<double>::width},
    {solve<float>, solve<double>},
};

}  // namespace rushlight
