// The passes of batch, layer, group and RMS normalisation over memory.
#include "kernels/generic/norm_kernels.h"

#include "kernels/generic/tile.h"

namespace rushlight {
inline namespace RUSHLIGHT_ISA_SPACE {
namespace {

// f(load, store) style access to one vector, whole or in part.
template <class S> struct WholeTile {
    using V = Vec<Compute<S>>;
    RUSHLIGHT_INLINE V load(const S* p) const { return load_tile(p); }
    RUSHLIGHT_INLINE void store(S* p, V x) const { store_tile(p, x); }
    RUSHLIGHT_INLINE V get(const Compute<S>* p) const { return V::load(p); }
    RUSHLIGHT_INLINE void put(Compute<S>* p, V x) const { x.store(p); }
};
template <class S> struct PartTile {
    using V = Vec<Compute<S>>;
    int64_t count;
    RUSHLIGHT_INLINE V load(const S* p) const { return load_tile(p, count); }
    RUSHLIGHT_INLINE void store(S* p, V x) const { store_tile(p, x, count); }
    RUSHLIGHT_INLINE V get(const Compute<S>* p) const { return V::load(p, count); }
    RUSHLIGHT_INLINE void put(Compute<S>* p, V x) const { x.store(p, count); }
};
template <class S, class F>
RUSHLIGHT_INLINE void over_row(int64_t n, F f) {
    for_each_tile<lanes_of<S>>(
        n, [&](int64_t i) { f(i, WholeTile<S>{}); },
        [&](int64_t i, int64_t count) { f(i, PartTile<S>{count}); });
}
template <class S, class F>
RUSHLIGHT_INLINE Vec<Compute<S>> sum_row(int64_t n, F term) {
    return sum_tiles<Compute<S>>(
        n, [&](int64_t i) { return term(i, WholeTile<S>{}); },
        [&](int64_t i, int64_t count) { return term(i, PartTile<S>{count}); });
}

template <class T> RUSHLIGHT_INLINE Vec<T> relu_of(Vec<T> x) {
    return where(x <= 0, Vec<T>(0), x);
}  // a NaN stays

// Where `output` is given, the gradient passes only where it is positive.
template <class S, class Io>
RUSHLIGHT_INLINE Vec<Compute<S>> load_gradient(const S* g, const S* output, Io io) {
    Vec<Compute<S>> x = io.load(g);
    return output ? where(io.load(output) > 0, x, Vec<Compute<S>>(0)) : x;
}
template <class S> RUSHLIGHT_INLINE const S* moved(const S* p, int64_t by) { return p ? p + by : nullptr; }

// ---- one channel per block ------------------------------------------------------------------------------------------

// Groups of rows that stay in the second cache: their mean, then their distances from it.
template <class S>
void channel_moments(const void* src, NormBlock b, Moments* dst) {
    using T = Compute<S>;
    using V = Vec<T>;
    constexpr int64_t cached = 1 << 14;
    const S* p = static_cast<const S*>(src);
    int64_t piece = b.n < cached ? b.n : cached, group = cached / piece;
    double done = 0;
    Moments all{0, 0};
    for (int64_t r = 0; r < b.rows; r += group) {
        int64_t rows = b.rows - r < group ? b.rows - r : group;
        for (int64_t j = 0; j < b.n; j += piece) {
            int64_t n = b.n - j < piece ? b.n - j : piece;
            const S* q = p + r * b.stride + j;
            double count = double(rows * n);
            V sum(0);
            for (int64_t i = 0; i < rows; ++i)
                sum += sum_row<S>(n, [&](int64_t k, auto io) { return io.load(q + i * b.stride + k); });
            const T near = T(double(lane_sum(sum)) / count);
            const V center(near);
            V squares(0), missed(0);                             // missed: by the rounded mean
            for (int64_t i = 0; i < rows; ++i)
                squares += sum_row<S>(n, [&](int64_t k, auto io) {
                    V d = io.load(q + i * b.stride + k) - center;
                    if constexpr (same_type<decltype(io), PartTile<S>>)
                        d = where(first_lanes<T>(io.count), d, V(0));
                    missed += d;
                    return d * d;
                });
            double off = double(lane_sum(missed)), distances = double(lane_sum(squares)) - off * off / count;
            double mean = double(near) + off / count;
            all = join_moments(all, done, {mean, distances < 0 ? 0 : distances}, count);
            done += count;
        }
    }
    *dst = all;
}

template <class S>
void channel_apply(const void* src, void* dst, NormBlock b, const double* scale, const double* shift,
                   int64_t step, bool relu) {
    using V = Vec<Compute<S>>;
    for (int64_t r = 0; r < b.rows; ++r) {
        const V s(scale[r * step]), t(shift[r * step]);
        const S* x = static_cast<const S*>(src) + r * b.stride;
        S* y = static_cast<S*>(dst) + r * b.stride;
        if (relu)
            over_row<S>(b.n, [&](int64_t i, auto io) {
                io.store(y + i, relu_of(multiply_add(V(io.load(x + i)), s, t)));
            });
        else
            over_row<S>(b.n,
                        [&](int64_t i, auto io) { io.store(y + i, multiply_add(V(io.load(x + i)), s, t)); });
    }
}

template <class S>
void channel_sums(const void* grad, const void* src, const void* output, NormBlock b, double mean,
                  double* sums) {
    using V = Vec<Compute<S>>;
    const V m(mean);
    constexpr int64_t piece = 4096, most = 1 << 14;  // elements that are added up before float64 takes over
    int64_t pending = 0;
    V a(0), c(0);
    sums[0] = sums[1] = 0;
    auto settle = [&] {
        sums[0] += double(lane_sum(a));
        sums[1] += double(lane_sum(c));
        a = c = V(0);
        pending = 0;
    };
    for (int64_t r = 0; r < b.rows; ++r) {
        const S* g = static_cast<const S*>(grad) + r * b.stride;
        const S* x = static_cast<const S*>(src) + r * b.stride;
        const S* y = moved(static_cast<const S*>(output), r * b.stride);
        for (int64_t j = 0; j < b.n; j += piece) {
            int64_t n = b.n - j < piece ? b.n - j : piece;
            V product(0);
            a += sum_row<S>(n, [&](int64_t i, auto io) {
                V gv = load_gradient(g + j + i, moved(y, j + i), io);
                V d = io.load(x + j + i) - m;
                if constexpr (same_type<decltype(io), PartTile<S>>)
                    product += where(first_lanes<Compute<S>>(io.count), gv * d, V(0));
                else product = multiply_add(gv, d, product);
                return gv;
            });
            c += product;
            pending += n;
            if (pending >= most) settle();
        }
    }
    settle();
}

template <class S>
void channel_gradient(const void* grad, const void* src, const void* output, void* dst, NormBlock block,
                      double a, double b, double c) {
    using V = Vec<Compute<S>>;
    const V va(a), vb(b), vc(c);
    for (int64_t r = 0; r < block.rows; ++r) {
        const S* g = static_cast<const S*>(grad) + r * block.stride;
        const S* x = static_cast<const S*>(src) + r * block.stride;
        const S* y = moved(static_cast<const S*>(output), r * block.stride);
        S* out = static_cast<S*>(dst) + r * block.stride;
        over_row<S>(block.n, [&](int64_t i, auto io) {
            V gv = load_gradient(g + i, moved(y, i), io);
            io.store(out + i, multiply_add(gv, va, multiply_add(V(io.load(x + i)), vb, vc)));
        });
    }
}

// ---- a channel per column -------------------------------------------------------------------------------------------

template <class S, bool adds>
void apply_columns(const S* src, const S* addend, S* dst, NormBlock b, const Compute<S>* s, const Compute<S>* t,
                   bool relu) {
    using V = Vec<Compute<S>>;
    for (int64_t r = 0; r < b.rows; ++r, src += b.stride, dst += b.stride, addend = moved(addend, b.stride))
        over_row<S>(b.n, [&](int64_t j, auto io) {
            V v = multiply_add(V(io.load(src + j)), V(io.get(s + j)), V(io.get(t + j)));
            if constexpr (adds) v = v + io.load(addend + j);
            io.store(dst + j, relu ? relu_of(v) : v);
        });
}

template <class S>
void columns_apply(const void* src, const void* addend, void* dst, NormBlock b, const void* scale, const void* shift,
                   bool relu) {
    using T = Compute<S>;
    auto apply = addend ? apply_columns<S, true> : apply_columns<S, false>;
    apply(static_cast<const S*>(src), static_cast<const S*>(addend), static_cast<S*>(dst), b,
          static_cast<const T*>(scale), static_cast<const T*>(shift), relu);
}

template <class S>
void columns_sums(const void* grad, const void* src, const void* output, NormBlock b, const void* mean,
                  double* sum, double* product) {
    using T = Compute<S>;
    using V = Vec<T>;
    constexpr int64_t group = 64;
    const T* m = static_cast<const T*>(mean);
    T sums[norm_width], products[norm_width];
    for (int64_t j = 0; j < b.n; ++j) sum[j] = product[j] = 0;
    for (int64_t first = 0; first < b.rows; first += group) {
        int64_t end = b.rows - first < group ? b.rows : first + group;
        for (int64_t j = 0; j < b.n; ++j) sums[j] = products[j] = 0;
        for (int64_t r = first; r < end; ++r) {
            const S* g = static_cast<const S*>(grad) + r * b.stride;
            const S* x = static_cast<const S*>(src) + r * b.stride;
            const S* y = moved(static_cast<const S*>(output), r * b.stride);
            over_row<S>(b.n, [&](int64_t j, auto io) {
                V gv = load_gradient(g + j, moved(y, j), io);
                V d = io.load(x + j) - io.get(m + j);
                io.put(sums + j, V(io.get(sums + j)) + gv);
                io.put(products + j, multiply_add(gv, d, V(io.get(products + j))));
            });
        }
        for (int64_t j = 0; j < b.n; ++j) {
            sum[j] += double(sums[j]);
            product[j] += double(products[j]);
        }
    }
}

template <class S>
void columns_gradient(const void* grad, const void* src, const void* output, void* dst, NormBlock block,
                      const void* a, const void* b, const void* c) {
    using T = Compute<S>;
    using V = Vec<T>;
    const T* pa = static_cast<const T*>(a);
    const T* pb = static_cast<const T*>(b);
    const T* pc = static_cast<const T*>(c);
    for (int64_t r = 0; r < block.rows; ++r) {
        const S* g = static_cast<const S*>(grad) + r * block.stride;
        const S* x = static_cast<const S*>(src) + r * block.stride;
        const S* y = moved(static_cast<const S*>(output), r * block.stride);
        S* out = static_cast<S*>(dst) + r * block.stride;
        over_row<S>(block.n, [&](int64_t j, auto io) {
            V gv = load_gradient(g + j, moved(y, j), io);
            V rest = multiply_add(V(io.load(x + j)), V(io.get(pb + j)), V(io.get(pc + j)));
            io.store(out + j, multiply_add(gv, V(io.get(pa + j)), rest));
        });
    }
}

// ---- each row by its own moments ------------------------------------------------------------------------------------

template <class T> RUSHLIGHT_INLINE T root_of(T x) { return sqrt(Vec<T>(x))[0]; }

template <class S, bool centered>
void rows_apply(const void* src, void* dst, int64_t rows, int64_t n, const void* weight, const void* bias,
                double eps, void* mean, void* rstd) {
    using T = Compute<S>;
    using V = Vec<T>;
    const T* w = static_cast<const T*>(weight);
    const T* b = static_cast<const T*>(bias);
    for (int64_t r = 0; r < rows; ++r) {
        const S* x = static_cast<const S*>(src) + r * n;
        S* y = static_cast<S*>(dst) + r * n;
        T m = 0;
        if constexpr (centered)
            m = T(double(lane_sum(sum_row<S>(n, [&](int64_t i, auto io) { return io.load(x + i); }))) /
                  double(n));
        const V center(m);
        T squares = lane_sum(sum_row<S>(n, [&](int64_t i, auto io) {
            V d = io.load(x + i) - center;
            return d * d;
        }));
        T scale = T(1 / root_of(double(squares) / double(n) + eps));
        const V s(scale);
        over_row<S>(n, [&](int64_t i, auto io) {
            V v = (io.load(x + i) - center) * s;
            if (w && b) v = multiply_add(v, V(io.get(w + i)), V(io.get(b + i)));
            else if (w) v = v * io.get(w + i);
            else if (b) v = v + io.get(b + i);
            io.store(y + i, v);
        });
        if (centered && mean) static_cast<T*>(mean)[r] = m;
        if (rstd) static_cast<T*>(rstd)[r] = scale;
    }
}

template <class S, bool centered>
void rows_gradient(const void* grad, const void* src, void* dst, int64_t rows, int64_t n, const void* weight,
                   const void* mean, const void* rstd, void* grad_weight, void* grad_bias) {
    using T = Compute<S>;
    using V = Vec<T>;
    const T* w = static_cast<const T*>(weight);
    T* gw = static_cast<T*>(grad_weight);
    T* gb = static_cast<T*>(grad_bias);
    for (int64_t r = 0; r < rows; ++r) {
        const S* g = static_cast<const S*>(grad) + r * n;
        const S* x = static_cast<const S*>(src) + r * n;
        const V center(centered ? static_cast<const T*>(mean)[r] : T(0)), s(static_cast<const T*>(rstd)[r]);
        V product(0);
        V sum = sum_row<S>(n, [&](int64_t i, auto io) {
            V gv = io.load(g + i), normal = (io.load(x + i) - center) * s, gn = gv * normal;
            if (gw) io.put(gw + i, V(io.get(gw + i)) + gn);
            if (gb) io.put(gb + i, V(io.get(gb + i)) + gv);
            if (w) {
                V wv = io.get(w + i);
                gv = gv * wv;
                gn = gn * wv;
            }
            if constexpr (same_type<decltype(io), PartTile<S>>)
                gn = where(first_lanes<T>(io.count), gn, V(0));
            product += gn;
            return gv;
        });
        if (!dst) continue;
        S* out = static_cast<S*>(dst) + r * n;
        const V mean_gradient(centered ? T(double(lane_sum(sum)) / double(n)) : T(0));
        const V mean_product(T(double(lane_sum(product)) / double(n)));
        over_row<S>(n, [&](int64_t i, auto io) {
            V gv = io.load(g + i), normal = (io.load(x + i) - center) * s;
            if (w) gv = gv * io.get(w + i);
            io.store(out + i, (gv - mean_gradient - normal * mean_product) * s);
        });
    }
}

#define BOTH_KINDS(FN)                                                                          \
    {                                                                                           \
        {{FN<float, false>, FN<double, false>, FN<Float16, false>, FN<BrainFloat16, false>}}, { \
            { FN<float, true>, FN<double, true>, FN<Float16, true>, FN<BrainFloat16, true> }    \
        }                                                                                       \
    }

}  // namespace
}  // namespace isa

EXPORT_ISA_TABLE(NormTable, norm_table) = {
    PER_FLOAT(channel_moments),  PER_FLOAT(channel_apply), PER_FLOAT(channel_sums),
    PER_FLOAT(channel_gradient), PER_FLOAT(columns_apply), PER_FLOAT(columns_sums),
    PER_FLOAT(columns_gradient), BOTH_KINDS(rows_apply),   BOTH_KINDS(rows_gradient),
};

}  // namespace rushlight
