#include "kernels/generic/gemm_kernels.h"

#include "kernels/generic/vec.h"

#define UNROLL _Pragma("GCC unroll 32")

namespace rushlight {
inline namespace RUSHLIGHT_ISA_SPACE {
namespace {

// Accumulators fill the registers but for a row of b and one element of a: 32 registers with AVX-512, 16
// before.
#if defined(__AVX512F__)
constexpr int tile_rows = 8, tile_vectors = 3, wide_vectors = 12;
#elif defined(__AVX2__)
constexpr int tile_rows = 4, tile_vectors = 3, wide_vectors = 8;
#else
constexpr int tile_rows = 4, tile_vectors = 2, wide_vectors = 8;
#endif

template <class T>
RUSHLIGHT_INLINE Vec<T> load_lanes(const T* p, int64_t lanes) {
    return lanes == Vec<T>::width ? Vec<T>::load(p) : Vec<T>::load(p, lanes);
}

template <class T>
RUSHLIGHT_INLINE void store_lanes(Vec<T> x, T* p, int64_t lanes) {
    if (lanes == Vec<T>::width) x.store(p);
    else x.store(p, lanes);
}

// R rows by V registers of the result; `last` lanes of the last register count.
template <class T, int R, int V>
void tile(const GemmBlock& g, const T* __restrict a, const T* __restrict b, T* __restrict c, const T* bias,
          int64_t last) {
    constexpr int w = Vec<T>::width;
    Vec<T> sum[R][V];
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int v = 0; v < V; v++) sum[r][v] = Vec<T>(T(0));
    if (last == w) {
        for (int64_t k = 0; k < g.k; k++) {
            Vec<T> row[V];
            UNROLL for (int v = 0; v < V; v++) row[v] = Vec<T>::load(b + v * w);
            UNROLL for (int r = 0; r < R; r++) {
                Vec<T> x(a[r * g.a_row]);
                UNROLL for (int v = 0; v < V; v++) sum[r][v] = fma(x, row[v], sum[r][v]);
            }
            a += g.a_column;
            b += g.b_row;
        }
    } else {
        for (int64_t k = 0; k < g.k; k++) {
            Vec<T> row[V];
            UNROLL for (int v = 0; v < V - 1; v++) row[v] = Vec<T>::load(b + v * w);
            row[V - 1] = Vec<T>::load(b + (V - 1) * w, last);
            UNROLL for (int r = 0; r < R; r++) {
                Vec<T> x(a[r * g.a_row]);
                UNROLL for (int v = 0; v < V; v++) sum[r][v] = fma(x, row[v], sum[r][v]);
            }
            a += g.a_column;
            b += g.b_row;
        }
    }
    UNROLL for (int v = 0; v < V; v++) {
        int64_t lanes = v == V - 1 ? last : w;
        Vec<T> offset(T(0));
        if (bias) offset = load_lanes(bias + v * w, lanes);
        UNROLL for (int r = 0; r < R; r++) {
            Vec<T> y = sum[r][v] + offset;
            T* to = c + r * g.c_row + v * w;
            if (g.accumulate) y = y + load_lanes<T>(to, lanes);
            if (g.relu) y = where(y < Vec<T>(T(0)), Vec<T>(T(0)), y);
            store_lanes(y, to, lanes);
        }
    }
}

template <class T> using Tile = void (*)(const GemmBlock&, const T*, const T*, T*, const T*, int64_t);

#if defined(__AVX512F__)
#define ROWS(V)                                                  \
    {tile<T, 1, V>, tile<T, 2, V>, tile<T, 3, V>, tile<T, 4, V>, \
     tile<T, 5, V>, tile<T, 6, V>, tile<T, 7, V>, tile<T, 8, V>}
#else
#define ROWS(V) {tile<T, 1, V>, tile<T, 2, V>, tile<T, 3, V>, tile<T, 4, V>}
#endif

template <class T>
struct Tiles {
#if defined(__AVX512F__) || defined(__AVX2__)
    static constexpr Tile<T> of[tile_vectors][tile_rows] = {ROWS(1), ROWS(2), ROWS(3)};
#else
    static constexpr Tile<T> of[tile_vectors][tile_rows] = {ROWS(1), ROWS(2)};
#endif
};

template <class T>
void block(const GemmBlock& g) {
    constexpr int w = Vec<T>::width, columns = tile_vectors * w;
    for (int64_t j = 0; j < g.n; j += columns) {
        int64_t wide = g.n - j < columns ? g.n - j : columns;
        int vectors = int((wide + w - 1) / w);
        int64_t last = wide - int64_t(vectors - 1) * w;
        const T* b = static_cast<const T*>(g.b) + j / columns * g.b_panel;
        const T* bias = g.bias ? static_cast<const T*>(g.bias) + j : nullptr;
        const T* a = static_cast<const T*>(g.a);
        for (int64_t i = 0; i < g.m; i += tile_rows, a += g.a_panel) {
            int rows = g.m - i < tile_rows ? int(g.m - i) : tile_rows;
            Tiles<T>::of[vectors - 1][rows - 1](g, a, b, static_cast<T*>(g.c) + i * g.c_row + j, bias, last);
        }
    }
}

template <class T>
void row(const GemmBlock& g) {
    constexpr int w = Vec<T>::width, columns = wide_vectors * w;
    int64_t j = 0;
    auto at = [&](const void* p, int64_t step) { return p ? static_cast<const T*>(p) + j * step : nullptr; };
    for (; j + columns <= g.n; j += columns)
        tile<T, 1, wide_vectors>(g, at(g.a, 0), at(g.b, 1), static_cast<T*>(g.c) + j, at(g.bias, 1), w);
    while (j < g.n) {
        int64_t wide = g.n - j < tile_vectors * w ? g.n - j : tile_vectors * w;
        int vectors = int((wide + w - 1) / w);
        Tiles<T>::of[vectors - 1][0](g, at(g.a, 0), at(g.b, 1), static_cast<T*>(g.c) + j, at(g.bias, 1),
                                     wide - int64_t(vectors - 1) * w);
        j += wide;
    }
}

// Lane i of the result is the sum of x[i % 4]'s lanes: two rounds of interleaving and adding leave every
// fourth lane a part of the same sum, and rotations add the parts.
template <class T>
RUSHLIGHT_INLINE Vec<T> sums_of_four(const Vec<T>* x) {
    constexpr int w = Vec<T>::width;
    typedef Raw<SignedFor<T>> Places;
    Places low, high;
    UNROLL for (int i = 0; i < w; i++) {
        low[i] = i / 2 + (i % 2 ? w : 0);
        high[i] = low[i] + w / 2;
    }
    auto zip_add = [&](Raw<T> a, Raw<T> b) { return __builtin_shuffle(a, b, low) + __builtin_shuffle(a, b, high); };
    Raw<T> sum = zip_add(zip_add(x[0].v, x[2].v), zip_add(x[1].v, x[3].v));
    UNROLL for (int step = w / 2; step >= 4; step /= 2) {
        Places turned;
        UNROLL for (int i = 0; i < w; i++) turned[i] = (i + step) % w;
        sum = sum + __builtin_shuffle(sum, turned);
    }
    return Vec<T>::raw(sum);
}

template <class T>
void finish_dot(const GemmDots& g, int64_t i, int64_t j, T sum) {
    T* to = static_cast<T*>(g.c) + i * g.c_row + j * g.c_column;
    if (g.bias) sum += static_cast<const T*>(g.bias)[j * g.bias_step];
    if (g.accumulate) sum += *to;
    if (g.relu && sum < T(0)) sum = T(0);
    *to = sum;
}

// Four neighbours of a row at once, where they and their bias lie next to each other.
template <class T>
RUSHLIGHT_INLINE bool finish_four(const GemmDots& g, int64_t i, int64_t j, Vec<T> sum) {
    if (g.c_column != 1 || (g.bias && g.bias_step != 1)) return false;
    T* to = static_cast<T*>(g.c) + i * g.c_row + j;
    if (g.bias) sum = sum + load_lanes<T>(static_cast<const T*>(g.bias) + j, 4);
    if (g.accumulate) sum = sum + load_lanes<T>(to, 4);
    if (g.relu) sum = where(sum < Vec<T>(T(0)), Vec<T>(T(0)), sum);
    store_lanes(sum, to, 4);
    return true;
}

// The last elements of a dot product, from `k` on.
template <class T>
RUSHLIGHT_INLINE T tail_dot(const GemmDots& g, int64_t i, int64_t j, int64_t k) {
    const T *a = static_cast<const T*>(g.a) + i * g.a_row, *b = static_cast<const T*>(g.b) + j * g.b_row;
    T sum = T(0);
    for (; k < g.k; k++) sum += a[k] * b[k];
    return sum;
}

template <class T, int M, int N>
void dot_tile(const GemmDots& g, int64_t i, int64_t j) {
    constexpr int w = Vec<T>::width;
    const T* a = static_cast<const T*>(g.a) + i * g.a_row;
    const T* b = static_cast<const T*>(g.b) + j * g.b_row;
    Vec<T> sum[M][N];
    UNROLL for (int p = 0; p < M; p++)
        UNROLL for (int q = 0; q < N; q++) sum[p][q] = Vec<T>(T(0));
    int64_t k = 0;
    for (; k + w <= g.k; k += w) {
        Vec<T> x[M];
        UNROLL for (int p = 0; p < M; p++) x[p] = Vec<T>::load(a + p * g.a_row + k);
        UNROLL for (int q = 0; q < N; q++) {
            Vec<T> y = Vec<T>::load(b + q * g.b_row + k);
            UNROLL for (int p = 0; p < M; p++) sum[p][q] = fma(x[p], y, sum[p][q]);
        }
    }
    if constexpr (N % 4 == 0 && Vec<T>::width >= 4) {
        UNROLL for (int p = 0; p < M; p++)
            UNROLL for (int q = 0; q < N; q += 4) {
                Vec<T> four = sums_of_four<T>(sum[p] + q);
                if (k == g.k && finish_four<T>(g, i + p, j + q, four)) continue;
                T rest[Vec<T>::width];
                four.store(rest);
                for (int r = 0; r < 4; r++)
                    finish_dot<T>(g, i + p, j + q + r, rest[r] + tail_dot<T>(g, i + p, j + q + r, k));
            }
    } else {
        UNROLL for (int p = 0; p < M; p++)
            UNROLL for (int q = 0; q < N; q++)
                finish_dot<T>(g, i + p, j + q, reduce_sum(sum[p][q]) + tail_dot<T>(g, i + p, j + q, k));
    }
}

template <class T>
void dots(const GemmDots& g) {
    int64_t i = 0;
    for (; i + 2 <= g.m; i += 2) {
        int64_t j = 0;
        for (; j + 4 <= g.n; j += 4) dot_tile<T, 2, 4>(g, i, j);
        for (; j < g.n; j++) dot_tile<T, 2, 1>(g, i, j);
    }
    for (; i < g.m; i++) {
        int64_t j = 0;
        for (; j + 8 <= g.n; j += 8) dot_tile<T, 1, 8>(g, i, j);
        for (; j < g.n; j++) dot_tile<T, 1, 1>(g, i, j);
    }
}

template <class U>
void integer(const GemmBlock& g) {
    for (int64_t i = 0; i < g.m; i++) {
        U* __restrict c = static_cast<U*>(g.c) + i * g.c_row;
        const U* bias = static_cast<const U*>(g.bias);
        for (int64_t j = 0; j < g.n; j++) c[j] = U((g.accumulate ? c[j] : U(0)) + (bias ? bias[j] : U(0)));
        for (int64_t k = 0; k < g.k; k++) {
            const U x = static_cast<const U*>(g.a)[i * g.a_row + k * g.a_column];
            const U* __restrict b = static_cast<const U*>(g.b) + k * g.b_row;
            // Through unsigned, since small types would otherwise be multiplied as signed int.
            for (int64_t j = 0; j < g.n; j++) c[j] = U(c[j] + U(uint64_t(x) * b[j]));
        }
    }
}

void boolean(const GemmBlock& g) {
    for (int64_t i = 0; i < g.m; i++) {
        uint8_t* __restrict c = static_cast<uint8_t*>(g.c) + i * g.c_row;
        const uint8_t* bias = static_cast<const uint8_t*>(g.bias);
        for (int64_t j = 0; j < g.n; j++) c[j] = uint8_t((g.accumulate ? c[j] : 0) | (bias ? bias[j] : 0));
        for (int64_t k = 0; k < g.k; k++) {
            if (!static_cast<const uint8_t*>(g.a)[i * g.a_row + k * g.a_column]) continue;
            const uint8_t* __restrict b = static_cast<const uint8_t*>(g.b) + k * g.b_row;
            for (int64_t j = 0; j < g.n; j++) c[j] = uint8_t(c[j] | b[j]);
        }
    }
}

template <class T>
constexpr GemmTable::Floating floating() {
    constexpr int w = Vec<T>::width;
    return {tile_rows, tile_vectors * w, wide_vectors * w, block<T>, row<T>, dots<T>};
}

}  // namespace
}  // namespace RUSHLIGHT_ISA_SPACE

EXPORT_ISA_TABLE(GemmTable, gemm_table) = {
    {floating<float>(), floating<double>()},
    {integer<uint8_t>, integer<uint16_t>, integer<uint32_t>, integer<uint64_t>},
    boolean,
};

}  // namespace rushlight
