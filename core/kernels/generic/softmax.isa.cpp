// Softmax along rows that stay in cache, and along the columns of strips that do.
#include "kernels/generic/softmax_kernels.h"

#include "kernels/generic/tile.h"
#include "kernels/generic/vec_math.h"

namespace rushlight {
inline namespace RUSHLIGHT_ISA_SPACE {
namespace {

template <class T> RUSHLIGHT_INLINE T log_of(T x) { return log(Vec<T>(x))[0]; }
template <class T> RUSHLIGHT_INLINE T exp_of(T x) { return exp(Vec<T>(x))[0]; }

template <class S>
RUSHLIGHT_INLINE Compute<S> exp_sum(const S* p, int64_t n, Compute<S> top) {
    using T = Compute<S>;
    const Vec<T> t(top);
    return lane_sum(sum_tiles<T>(
        n, [&](int64_t i) { return exp(load_tile(p + i) - t); },
        [&](int64_t i, int64_t count) { return exp(load_tile(p + i, count) - t); }));
}

// y = f(x), element by element.
template <class S, class F>
RUSHLIGHT_INLINE void map_row(const S* x, S* y, int64_t n, F f) {
    for_each_tile<lanes_of<S>>(
        n, [&](int64_t i) { store_tile(y + i, f(load_tile(x + i))); },
        [&](int64_t i, int64_t count) { store_tile(y + i, f(load_tile(x + i, count)), count); });
}

template <class S, bool log_form>
RUSHLIGHT_INLINE void softmax_row(const S* x, S* y, int64_t n) {
    using T = Compute<S>;
    using V = Vec<T>;
    constexpr int64_t w = V::width;
    if (n <= w) {                                            // the whole row in one register
        V v = load_tile(x, n, V(-infinity<T>)), shifted = v - V(lane_max(v));
        V e = where(first_lanes<T>(n), exp(shifted), V(0));
        T sum = lane_sum(e);
        store_tile(y, log_form ? shifted - V(log_of(sum)) : e / V(sum), n);
        return;
    }
    const T top = max_of(x, n);
    const V t(top);
    if constexpr (log_form) {
        const V shift = V(log_of(exp_sum(x, n, top)));
        map_row(x, y, n, [&](V v) { return (v - t) - shift; });
    } else if constexpr (is_real<S>) {
        // The exponentials are kept in the result and scaled there.
        T sum = lane_sum(sum_tiles<T>(
            n,
            [&](int64_t i) {
                V e = exp(load_tile(x + i) - t);
                store_tile(y + i, e);
                return e;
            },
            [&](int64_t i, int64_t count) {
                V e = exp(load_tile(x + i, count) - t);
                store_tile(y + i, e, count);
                return e;
            }));
        const V factor(1 / sum);
        map_row(y, y, n, [&](V v) { return v * factor; });
    } else {
        const V factor(1 / exp_sum(x, n, top));
        map_row(x, y, n, [&](V v) { return exp(v - t) * factor; });
    }
}
template <class S, bool log_form>
void softmax_rows(const void* src, void* dst, int64_t rows, int64_t n) {
    for (int64_t r = 0; r < rows; ++r)
        softmax_row<S, log_form>(static_cast<const S*>(src) + r * n, static_cast<S*>(dst) + r * n, n);
}

// f(offset, load, store): one vector of columns, whole or in part.
template <class S, class F>
RUSHLIGHT_INLINE void for_each_column_tile(int64_t width, F f) {
    using V = Vec<Compute<S>>;
    using T = Compute<S>;
    struct Whole {
        RUSHLIGHT_INLINE V load(const S* p) const { return load_tile(p); }
        RUSHLIGHT_INLINE void store(S* p, V x) const { store_tile(p, x); }
        RUSHLIGHT_INLINE V get(const T* p) const { return V::load(p); }
        RUSHLIGHT_INLINE void put(T* p, V x) const { x.store(p); }
    };
    struct Part {
        int64_t count;
        RUSHLIGHT_INLINE V load(const S* p) const { return load_tile(p, count); }
        RUSHLIGHT_INLINE void store(S* p, V x) const { store_tile(p, x, count); }
        RUSHLIGHT_INLINE V get(const T* p) const {
            if constexpr (is_real<S>) return V::load(p, count);
            else return V::load(p);                          // buffers are whole vectors long
        }
        RUSHLIGHT_INLINE void put(T* p, V x) const { x.store(p); }
    };
    for_each_tile<V::width>(
        width, [&](int64_t j) { f(j, Whole{}); }, [&](int64_t j, int64_t count) { f(j, Part{count}); });
}

// Buffers of one number per column; a part of a vector may be stored whole.
template <class T> struct ColumnBuffer { T of[softmax_width + 16]; };

template <class S>
RUSHLIGHT_INLINE void column_tops(const S* x, int64_t n, int64_t stride, int64_t width, Compute<S>* top) {
    using V = Vec<Compute<S>>;
    for_each_column_tile<S>(width, [&](int64_t j, auto io) { io.put(top + j, io.load(x + j)); });
    for (int64_t i = 1; i < n; ++i)
        for_each_column_tile<S>(width, [&](int64_t j, auto io) {
            io.put(top + j, maximum(V(io.get(top + j)), V(io.load(x + i * stride + j))));
        });
}

template <class S, bool log_form>
void softmax_columns(const void* src, void* dst, int64_t n, int64_t stride, int64_t width) {
    using T = Compute<S>;
    using V = Vec<T>;
    const S* x = static_cast<const S*>(src);
    S* y = static_cast<S*>(dst);
    constexpr bool keep = !log_form && is_real<S>;           // the exponentials go into the result
    ColumnBuffer<T> top, sum;
    column_tops(x, n, stride, width, top.of);
    for_each_column_tile<S>(width, [&](int64_t j, auto io) { io.put(sum.of + j, V(0)); });
    for (int64_t i = 0; i < n; ++i)
        for_each_column_tile<S>(width, [&](int64_t j, auto io) {
            V e = exp(io.load(x + i * stride + j) - io.get(top.of + j));
            if constexpr (keep) io.store(y + i * stride + j, e);
            io.put(sum.of + j, io.get(sum.of + j) + e);
        });
    for_each_column_tile<S>(width, [&](int64_t j, auto io) {
        V s = io.get(sum.of + j);
        io.put(sum.of + j, log_form ? log(s) : 1 / s);
    });
    for (int64_t i = 0; i < n; ++i)
        for_each_column_tile<S>(width, [&](int64_t j, auto io) {
            V s = io.get(sum.of + j);
            V v = keep ? io.load(y + i * stride + j) : io.load(x + i * stride + j) - io.get(top.of + j);
            io.store(y + i * stride + j, log_form ? v - s : keep ? v * s : exp(v) * s);
        });
}

template <class S, bool log_form>
void back_rows(const void* grad, const void* output, void* dst, int64_t rows, int64_t n) {
    using T = Compute<S>;
    using V = Vec<T>;
    for (int64_t r = 0; r < rows; ++r) {
        const S* g = static_cast<const S*>(grad) + r * n;
        const S* y = static_cast<const S*>(output) + r * n;
        S* out = static_cast<S*>(dst) + r * n;
        const V sum(lane_sum(sum_tiles<T>(
            n, [&](int64_t i) { return log_form ? load_tile(g + i) : load_tile(g + i) * load_tile(y + i); },
            [&](int64_t i, int64_t c) {
                return log_form ? load_tile(g + i, c) : load_tile(g + i, c) * load_tile(y + i, c);
            })));
        auto one = [&](V gv, V yv) { return log_form ? gv - exp(yv) * sum : yv * (gv - sum); };
        for_each_tile<V::width>(
            n, [&](int64_t i) { store_tile(out + i, one(load_tile(g + i), load_tile(y + i))); },
            [&](int64_t i, int64_t c) {
                store_tile(out + i, one(load_tile(g + i, c), load_tile(y + i, c)), c);
            });
    }
}
template <class S, bool log_form>
void back_columns(const void* grad, const void* output, void* dst, int64_t n, int64_t stride, int64_t width) {
    using T = Compute<S>;
    using V = Vec<T>;
    const S* g = static_cast<const S*>(grad);
    const S* y = static_cast<const S*>(output);
    S* out = static_cast<S*>(dst);
    ColumnBuffer<T> sum;
    for_each_column_tile<S>(width, [&](int64_t j, auto io) { io.put(sum.of + j, V(0)); });
    for (int64_t i = 0; i < n; ++i)
        for_each_column_tile<S>(width, [&](int64_t j, auto io) {
            V gv = io.load(g + i * stride + j);
            if constexpr (!log_form) gv = gv * io.load(y + i * stride + j);
            io.put(sum.of + j, io.get(sum.of + j) + gv);
        });
    for (int64_t i = 0; i < n; ++i)
        for_each_column_tile<S>(width, [&](int64_t j, auto io) {
            V s = io.get(sum.of + j), gv = io.load(g + i * stride + j), yv = io.load(y + i * stride + j);
            io.store(out + i * stride + j, log_form ? gv - exp(yv) * s : yv * (gv - s));
        });
}

// ---- losses ---------------------------------------------------------------------------------------------------------

template <class S>
RUSHLIGHT_INLINE double weighted_sum(const S* x, const S* weight, int64_t n) {
    using T = Compute<S>;
    if (!weight)
        return double(lane_sum(sum_tiles<T>(
            n, [&](int64_t i) { return load_tile(x + i); },
            [&](int64_t i, int64_t c) { return load_tile(x + i, c); })));
    return double(lane_sum(sum_tiles<T>(
        n, [&](int64_t i) { return load_tile(x + i) * load_tile(weight + i); },
        [&](int64_t i, int64_t c) { return load_tile(x + i, c) * load_tile(weight + i, c); })));
}

template <class S>
void lse_rows(const void* src, const void* weight, int64_t rows, int64_t n, double* lse, double* weighted) {
    using T = Compute<S>;
    for (int64_t r = 0; r < rows; ++r) {
        const S* x = static_cast<const S*>(src) + r * n;
        T top = max_of(x, n), sum = exp_sum(x, n, top);
        lse[r] = double(top) + double(log_of(sum));
        if (weighted) weighted[r] = weighted_sum(x, static_cast<const S*>(weight), n);
    }
}

template <class S>
void lse_columns(const void* src, const void* weight, int64_t n, int64_t stride, int64_t width, double* lse,
                 double* weighted) {
    using T = Compute<S>;
    using V = Vec<T>;
    const S* x = static_cast<const S*>(src);
    const S* each = static_cast<const S*>(weight);
    ColumnBuffer<T> top, sum;
    column_tops(x, n, stride, width, top.of);
    for_each_column_tile<S>(width, [&](int64_t j, auto io) { io.put(sum.of + j, V(0)); });
    for (int64_t i = 0; i < n; ++i)
        for_each_column_tile<S>(width, [&](int64_t j, auto io) {
            io.put(sum.of + j, io.get(sum.of + j) + exp(io.load(x + i * stride + j) - io.get(top.of + j)));
        });
    for_each_column_tile<S>(width,
                            [&](int64_t j, auto io) { io.put(sum.of + j, log(V(io.get(sum.of + j)))); });
    for (int64_t j = 0; j < width; ++j) lse[j] = double(top.of[j]) + double(sum.of[j]);
    if (!weighted) return;
    for_each_column_tile<S>(width, [&](int64_t j, auto io) { io.put(sum.of + j, V(0)); });
    for (int64_t i = 0; i < n; ++i) {
        const V f(each ? load_one(each + i) : T(1));
        for_each_column_tile<S>(width, [&](int64_t j, auto io) {
            io.put(sum.of + j, io.get(sum.of + j) + f * io.load(x + i * stride + j));
        });
    }
    for (int64_t j = 0; j < width; ++j) weighted[j] = double(sum.of[j]);
}

// The element of the target's class.
template <class S>
RUSHLIGHT_INLINE void put_hit(const ClassGradient& g, int64_t r, const S* x, S* y) {
    using T = Compute<S>;
    int64_t c = g.target[r];
    T w = g.weight ? load_one(static_cast<const S*>(g.weight) + c) : T(1);
    T p = exp_of(T(load_one(x) - T(g.lse[r])));
    store_one(y, T(T(g.factor[r]) * p - T(g.smooth[r]) * w - T(g.hit[r])));
}

template <class S>
void gradient_rows(const ClassGradient& g) {
    using T = Compute<S>;
    using V = Vec<T>;
    const S* weight = static_cast<const S*>(g.weight);
    for (int64_t r = 0; r < g.count; ++r) {
        const S* x = static_cast<const S*>(g.src) + r * g.n;
        S* y = static_cast<S*>(g.dst) + r * g.n;
        const V lse(g.lse[r]), factor(g.factor[r]), smooth(g.smooth[r]);
        int64_t t = g.target[r];
        S target_score = t >= 0 ? x[t] : S{};
        if (g.smooth[r] == 0) {
            map_row(x, y, g.n, [&](V v) { return exp(v - lse) * factor; });
        } else if (!weight) {
            map_row(x, y, g.n, [&](V v) { return exp(v - lse) * factor - smooth; });
        } else {
            auto one = [&](V v, V w) { return exp(v - lse) * factor - smooth * w; };
            for_each_tile<V::width>(
                g.n, [&](int64_t i) { store_tile(y + i, one(load_tile(x + i), load_tile(weight + i))); },
                [&](int64_t i, int64_t c) {
                    store_tile(y + i, one(load_tile(x + i, c), load_tile(weight + i, c)), c);
                });
        }
        if (t >= 0) put_hit(g, r, &target_score, y + t);
    }
}

template <class S>
void gradient_columns(const ClassGradient& g) {
    using T = Compute<S>;
    using V = Vec<T>;
    const S* x = static_cast<const S*>(g.src);
    S* y = static_cast<S*>(g.dst);
    const S* weight = static_cast<const S*>(g.weight);
    ColumnBuffer<T> lse, factor, smooth;
    S scores[softmax_width];
    for (int64_t j = 0; j < g.count; ++j) {
        lse.of[j] = T(g.lse[j]);
        factor.of[j] = T(g.factor[j]);
        smooth.of[j] = T(g.smooth[j]);
        if (g.target[j] >= 0) scores[j] = x[g.target[j] * g.stride + j];
    }
    for (int64_t i = 0; i < g.n; ++i) {
        const V w(weight ? load_one(weight + i) : T(1));
        for_each_column_tile<S>(g.count, [&](int64_t j, auto io) {
            V p = exp(io.load(x + i * g.stride + j) - io.get(lse.of + j));
            io.store(y + i * g.stride + j, p * io.get(factor.of + j) - io.get(smooth.of + j) * w);
        });
    }
    for (int64_t j = 0; j < g.count; ++j)
        if (g.target[j] >= 0) put_hit(g, j, scores + j, y + g.target[j] * g.stride + j);
}

#define BOTH_FORMS(FN)                                                                          \
    {                                                                                           \
        {{FN<float, false>, FN<double, false>, FN<Float16, false>, FN<BrainFloat16, false>}}, { \
            { FN<float, true>, FN<double, true>, FN<Float16, true>, FN<BrainFloat16, true> }    \
        }                                                                                       \
    }

}  // namespace
}  // namespace isa

EXPORT_ISA_TABLE(SoftmaxTable, softmax_table) = {
    BOTH_FORMS(softmax_rows), BOTH_FORMS(softmax_columns), BOTH_FORMS(back_rows),
    BOTH_FORMS(back_columns), PER_FLOAT(lse_rows),         PER_FLOAT(lse_columns),
    PER_FLOAT(gradient_rows), PER_FLOAT(gradient_columns),
};

}  // namespace rushlight
