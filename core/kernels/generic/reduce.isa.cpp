// Folds, arg-extrema and moments over rows and columns.
#include "kernels/generic/reduce_kernels.h"

#include "kernels/generic/tile.h"
#include "kernels/generic/vec_math.h"

namespace rushlight {
inline namespace RUSHLIGHT_ISA_SPACE {
namespace {

// What a fold does: `take` turns an element into what is folded, `join` folds. `join` of two doubles combines
// blocks.
template <class T> struct Sum {
    static constexpr double neutral = 0;
    template <class V> static RUSHLIGHT_INLINE V join(V a, V b) { return a + b; }
};
template <class T> struct SumOp : Sum<T> {
    explicit SumOp(double) {}
    RUSHLIGHT_INLINE Vec<T> take(Vec<T> x) const { return x; }
};
template <class T> struct ProdOp {
    static constexpr double neutral = 1;
    explicit ProdOp(double) {}
    RUSHLIGHT_INLINE Vec<T> take(Vec<T> x) const { return x; }
    template <class V> static RUSHLIGHT_INLINE V join(V a, V b) { return a * b; }
};
template <class T> struct Largest {
    static constexpr double neutral = -__builtin_inf();
    static RUSHLIGHT_INLINE Vec<T> join(Vec<T> a, Vec<T> b) { return maximum(a, b); }
    static RUSHLIGHT_INLINE T join(T a, T b) { return a > b || a != a ? a : b; }
};
template <class T> struct Smallest {
    static constexpr double neutral = __builtin_inf();
    static RUSHLIGHT_INLINE Vec<T> join(Vec<T> a, Vec<T> b) { return minimum(a, b); }
    static RUSHLIGHT_INLINE T join(T a, T b) { return a < b || a != a ? a : b; }
};
template <class T> struct MaxOp : Largest<T> {
    explicit MaxOp(double) {}
    RUSHLIGHT_INLINE Vec<T> take(Vec<T> x) const { return x; }
};
template <class T> struct MinOp : Smallest<T> {
    explicit MinOp(double) {}
    RUSHLIGHT_INLINE Vec<T> take(Vec<T> x) const { return x; }
};
template <class T> struct NonzeroOp : Sum<T> {
    explicit NonzeroOp(double) {}
    RUSHLIGHT_INLINE Vec<T> take(Vec<T> x) const { return where(x != 0, Vec<T>(1), Vec<T>(0)); }
};
template <class T> struct AbsSumOp : Sum<T> {
    explicit AbsSumOp(double) {}
    RUSHLIGHT_INLINE Vec<T> take(Vec<T> x) const { return abs(x); }
};
template <class T> struct SquareSumOp : Sum<T> {
    explicit SquareSumOp(double) {}
    RUSHLIGHT_INLINE Vec<T> take(Vec<T> x) const { return x * x; }
};
template <class T> struct AbsMaxOp : Largest<T> {
    explicit AbsMaxOp(double) {}
    RUSHLIGHT_INLINE Vec<T> take(Vec<T> x) const { return abs(x); }
};
template <class T> struct AbsMinOp : Smallest<T> {
    explicit AbsMinOp(double) {}
    RUSHLIGHT_INLINE Vec<T> take(Vec<T> x) const { return abs(x); }
};
template <class T> struct PowerSumOp : Sum<T> {
    Vec<T> p;
    explicit PowerSumOp(double power) : p(power) {}
    RUSHLIGHT_INLINE Vec<T> take(Vec<T> x) const { return pow(abs(x), p); }
};

// At most fold_block elements: four chains of vectors, each emptied into a second level after 32 links.
template <class Op, class S>
RUSHLIGHT_INLINE double fold_block_of(const S* p, int64_t n, const Op& op) {
    using T = Compute<S>;
    using V = Vec<T>;
    constexpr int64_t w = V::width, links = 32;
    const V none = V(Op::neutral);
    V total = none;
    int64_t i = 0;
    while (i + 4 * w <= n) {
        V a = none, b = none, c = none, d = none;
        int64_t end = i + links * 4 * w < n ? i + links * 4 * w : n;
        for (; i + 4 * w <= end; i += 4 * w) {
            a = Op::join(a, op.take(load_tile(p + i)));
            b = Op::join(b, op.take(load_tile(p + i + w)));
            c = Op::join(c, op.take(load_tile(p + i + 2 * w)));
            d = Op::join(d, op.take(load_tile(p + i + 3 * w)));
        }
        total = Op::join(total, Op::join(Op::join(a, b), Op::join(c, d)));
    }
    for (; i + w <= n; i += w) total = Op::join(total, op.take(load_tile(p + i)));
    if (i < n) total = Op::join(total, where(first_lanes<T>(n - i), op.take(load_tile(p + i, n - i)), none));
    return double(fold_lanes(total, [](V a, V b) { return Op::join(a, b); }));
}

template <template <class> class OpOf, class S>
void fold_rows(const void* src, int64_t rows, int64_t n, double* dst, double power) {
    const OpOf<Compute<S>> op(power);
    using Wide = OpOf<double>;
    for (int64_t r = 0; r < rows; ++r) {
        const S* p = static_cast<const S*>(src) + r * n;
        double result = Wide::neutral;
        for (int64_t i = 0; i < n; i += fold_block)
            result = Wide::join(result, fold_block_of(p + i, n - i < fold_block ? n - i : fold_block, op));
        dst[r] = result;
    }
}

// Eight rows at a time are joined as a tree and added to the accumulators; after 32 such groups those go to
// float64.
template <class Op, class S>
void fold_wide_columns(const S* p, int64_t n, int64_t stride, int64_t width, double* dst, const Op& op) {
    using T = Compute<S>;
    using V = Vec<T>;
    constexpr int64_t w = V::width, group = 8, groups = 32;
    T acc[fold_width];
    for (int64_t j = 0; j < width; ++j) dst[j] = Op::neutral;
    for (int64_t i = 0; i < n;) {
        for (int64_t j = 0; j < width; ++j) acc[j] = T(Op::neutral);
        int64_t end = i + group * groups < n ? i + group * groups : n;
        for (; i + group <= end; i += group) {
            const S* r = p + i * stride;
            auto tree = [&](auto load) {
                V a = Op::join(op.take(load(r)), op.take(load(r + stride)));
                V b = Op::join(op.take(load(r + 2 * stride)), op.take(load(r + 3 * stride)));
                V c = Op::join(op.take(load(r + 4 * stride)), op.take(load(r + 5 * stride)));
                V d = Op::join(op.take(load(r + 6 * stride)), op.take(load(r + 7 * stride)));
                return Op::join(Op::join(a, b), Op::join(c, d));
            };
            for_each_tile<w>(
                width,
                [&](int64_t j) {
                    Op::join(V::load(acc + j), tree([&](const S* q) { return load_tile(q + j); }))
                        .store(acc + j);
                },
                [&](int64_t j, int64_t count) {
                    V t = tree([&](const S* q) { return load_tile(q + j, count); });
                    Op::join(V::load(acc + j, count), t).store(acc + j, count);
                });
        }
        for (; i < end; ++i) {
            const S* r = p + i * stride;
            for_each_tile<w>(
                width,
                [&](int64_t j) { Op::join(V::load(acc + j), op.take(load_tile(r + j))).store(acc + j); },
                [&](int64_t j, int64_t count) {
                    Op::join(V::load(acc + j, count), op.take(load_tile(r + j, count))).store(acc + j, count);
                });
        }
        for (int64_t j = 0; j < width; ++j) dst[j] = Op::join_doubles(dst[j], double(acc[j]));
    }
}

// join for doubles whatever T is.
template <template <class> class OpOf, class T>
struct WithWideJoin : OpOf<T> {
    using OpOf<T>::OpOf;
    static RUSHLIGHT_INLINE double join_doubles(double a, double b) { return OpOf<double>::join(a, b); }
};

// A narrow array whose rows touch is read as fewer, wider rows.
constexpr int64_t narrow_width = 64, widened = 256;

template <template <class> class OpOf, class S>
void fold_columns(const void* src, int64_t n, int64_t stride, int64_t width, double* dst, double power) {
    using Op = WithWideJoin<OpOf, Compute<S>>;
    const Op op(power);
    const S* p = static_cast<const S*>(src);
    int64_t times = widened / width;
    if (width != stride || width > narrow_width || n < 4 * times)
        return fold_wide_columns(p, n, stride, width, dst, op);
    double wide[widened];
    fold_wide_columns(p, n / times, times * width, times * width, wide, op);
    fold_wide_columns(p + n / times * times * width, n % times, stride, width, dst, op);
    for (int64_t t = 0; t < times; ++t)
        for (int64_t j = 0; j < width; ++j) dst[j] = Op::join_doubles(dst[j], wide[t * width + j]);
}

// The largest value of each block; only the block that holds the first of the largest is searched for its
// place.
template <class S>
int64_t arg_row(const S* p, int64_t n, bool largest) {
    using T = Compute<S>;
    constexpr int64_t block = 4096, w = Vec<T>::width;
    const MaxOp<T> max_op(0);
    const MinOp<T> min_op(0);
    int64_t best_block = 0;
    T best = T(0);
    for (int64_t i = 0; i < n; i += block) {
        int64_t count = n - i < block ? n - i : block;
        T x = T(largest ? fold_block_of(p + i, count, max_op) : fold_block_of(p + i, count, min_op));
        if (i == 0 || (largest ? x > best : x < best) || x != x) {
            best = x;
            best_block = i;
            if (x != x) break;
        }
    }
    Vec<T> wanted(best);
    bool nan = best != best;
    for (int64_t i = best_block; i < n; i += w) {
        Vec<T> x = n - i >= w ? load_tile(p + i) : load_tile(p + i, n - i);
        Mask<T> hit = nan ? isnan(x) : x == wanted;
        if (n - i < w) hit = hit & first_lanes<T>(n - i);
        if (!any(hit)) continue;
        for (int64_t j = 0; j < w; ++j)
            if (hit.v[j]) return i + j;
    }
    return 0;
}
// Few elements: one by one costs less than setting out.
template <class T>
RUSHLIGHT_INLINE int64_t arg_short_row(const T* p, int64_t n, bool largest) {
    int64_t at = 0;
    for (int64_t i = 1; i < n; ++i)
        if ((largest ? p[i] > p[at] : p[i] < p[at]) || (p[i] != p[i] && p[at] == p[at])) at = i;
    return at;
}
template <class S>
void arg_rows(const void* src, int64_t rows, int64_t n, int64_t* dst, int sign) {
    if constexpr (is_real<S>)
        if (n <= 32) {
            for (int64_t r = 0; r < rows; ++r)
                dst[r] = arg_short_row(static_cast<const S*>(src) + r * n, n, sign > 0);
            return;
        }
    for (int64_t r = 0; r < rows; ++r) dst[r] = arg_row(static_cast<const S*>(src) + r * n, n, sign > 0);
}

template <class S, bool largest>
RUSHLIGHT_INLINE void arg_column_tile(const S* p, int64_t n, int64_t stride, int64_t count, int64_t* dst) {
    using T = Compute<S>;
    using Index = SignedFor<T>;
    constexpr int64_t w = Vec<T>::width;
    auto load = [&](const S* q) { return count == w ? load_tile(q) : load_tile(q, count); };
    Vec<T> best = load(p);
    Vec<Index> at(0);
    for (int64_t i = 1; i < n; ++i) {
        Vec<T> x = load(p + i * stride);
        Mask<T> better = ((largest ? x > best : x < best) | isnan(x)) & !isnan(best);
        best = where(better, x, best);
        at = where(Mask<Index>{better.v}, Vec<Index>(Index(i)), at);
    }
    for (int64_t j = 0; j < count; ++j) dst[j] = at[int(j)];
}
template <class S>
void arg_columns(const void* src, int64_t n, int64_t stride, int64_t width, int64_t* dst, int sign) {
    constexpr int64_t w = lanes_of<S>;
    const S* p = static_cast<const S*>(src);
    for (int64_t j = 0; j < width; j += w) {
        int64_t count = width - j < w ? width - j : w;
        if (sign > 0) arg_column_tile<S, true>(p + j, n, stride, count, dst + j);
        else arg_column_tile<S, false>(p + j, n, stride, count, dst + j);
    }
}

// Two passes over a block that stays in the first cache: its mean, then the distances from it. The second
// pass also adds up what the rounded mean has missed.
template <class S>
RUSHLIGHT_INLINE Moments moments_of_block(const S* p, int64_t n) {
    using T = Compute<S>;
    using V = Vec<T>;
    const double count = double(n);
    const T near = T(fold_block_of(p, n, SumOp<T>(0)) / count);
    const V center(near);
    V missed(0);
    V squares = sum_tiles<T>(
        n,
        [&](int64_t i) {
            V d = load_tile(p + i) - center;
            missed += d;
            return d * d;
        },
        [&](int64_t i, int64_t k) {
            V d = where(first_lanes<T>(k), load_tile(p + i, k) - center, V(0));
            missed += d;
            return d * d;
        });
    double sum = double(lane_sum(missed)), distances = double(lane_sum(squares)) - sum * sum / count;
    return {double(near) + sum / count, distances < 0 ? 0 : distances};
}
template <class S>
void moments_rows(const void* src, int64_t rows, int64_t n, Moments* dst) {
    constexpr int64_t block = 4096;
    for (int64_t r = 0; r < rows; ++r) {
        const S* p = static_cast<const S*>(src) + r * n;
        Moments all{0, 0};
        for (int64_t i = 0; i < n; i += block) {
            int64_t count = n - i < block ? n - i : block;
            all = join_moments(all, double(i), moments_of_block(p + i, count), double(count));
        }
        dst[r] = all;
    }
}

// The same for the columns of a block of rows: sums first, row by row as the memory lies, then the distances
// column by column.
template <class T> struct ColumnMoments {
    T means[moments_width], corrections[moments_width], distances[moments_width];
};

template <class S>
RUSHLIGHT_INLINE void moments_of_rows(const S* p, int64_t rows, int64_t stride, int64_t width,
                                      ColumnMoments<Compute<S>>& out) {
    using T = Compute<S>;
    using V = Vec<T>;
    constexpr int64_t w = V::width;
    const V share(1.0 / double(rows));
    for (int64_t j = 0; j < width; ++j) out.means[j] = 0;
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4) {
        const S* q = p + r * stride;
        auto four = [&](auto load) {
            return (load(q) + load(q + stride)) + (load(q + 2 * stride) + load(q + 3 * stride));
        };
        for_each_tile<w>(
            width,
            [&](int64_t j) {
                (V::load(out.means + j) + four([j](const S* x) {
                     return load_tile(x + j);
                 })).store(out.means + j);
            },
            [&](int64_t j, int64_t c) {
                (V::load(out.means + j, c) + four([j, c](const S* x) {
                     return load_tile(x + j, c);
                 })).store(out.means + j, c);
            });
    }
    for (; r < rows; ++r)
        for_each_tile<w>(
            width,
            [&](int64_t j) { (V::load(out.means + j) + load_tile(p + r * stride + j)).store(out.means + j); },
            [&](int64_t j, int64_t c) {
                (V::load(out.means + j, c) + load_tile(p + r * stride + j, c)).store(out.means + j, c);
            });
    auto column = [&](int64_t j, auto load, auto get, auto put) {
        const V mean = get(out.means + j) * share;
        V c(0), d(0), left(0), right(0);
        int64_t i = 0;
        for (; i + 2 <= rows; i += 2) {
            V x = load(p + i * stride + j) - mean, y = load(p + (i + 1) * stride + j) - mean;
            left += x;
            right += y;
            c = multiply_add(x, x, c);
            d = multiply_add(y, y, d);
        }
        if (i < rows) {
            V x = load(p + i * stride + j) - mean;
            left += x;
            c = multiply_add(x, x, c);
        }
        V missed = left + right, correction = missed * share;           // by the rounded mean
        put(out.means + j, mean);
        put(out.corrections + j, correction);
        put(out.distances + j, maximum(V(0), (c + d) - missed * correction));
    };
    for_each_tile<w>(
        width,
        [&](int64_t j) {
            column(
                j, [](const S* q) { return load_tile(q); }, [](const T* q) { return V::load(q); },
                [](T* q, V x) { x.store(q); });
        },
        [&](int64_t j, int64_t k) {
            column(j, [k](const S* q) { return load_tile(q, k); }, [k](const T* q) { return V::load(q, k); },
                   [k](T* q, V x) { x.store(q, k); });
        });
}

template <class S>
void moments_columns(const void* src, int64_t n, int64_t stride, int64_t width, Moments* dst) {
    constexpr int64_t cached = 12288, together = 8;          // `together` divides moments_width
    const int64_t padded = (width + together - 1) / together * together;
    const int64_t block = cached / width > 32 ? cached / width : 32;
    ColumnMoments<Compute<S>> part;
    double mean[moments_width], distances[moments_width];
    for (int64_t j = 0; j < padded; ++j) {
        mean[j] = distances[j] = 0;
        part.means[j] = part.corrections[j] = part.distances[j] = 0;
    }
    for (int64_t i = 0; i < n; i += block) {
        int64_t rows = n - i < block ? n - i : block;
        moments_of_rows(static_cast<const S*>(src) + i * stride, rows, stride, width, part);
        double share = double(rows) / double(i + rows), spread = double(i) * share;
        for (int64_t first = 0; first < padded; first += together)
            for (int64_t j = first; j < first + together; ++j) {
                double delta = (double(part.means[j]) - mean[j]) + double(part.corrections[j]);
                mean[j] += delta * share;
                distances[j] += double(part.distances[j]) + delta * delta * spread;
            }
    }
    for (int64_t j = 0; j < width; ++j) dst[j] = {mean[j], distances[j]};
}

template <class T> struct ExpSumOp : Sum<T> {
    Vec<T> highest;
    explicit ExpSumOp(double h) : highest(h) {}
    RUSHLIGHT_INLINE Vec<T> take(Vec<T> x) const { return exp(x - highest); }
};
template <class S>
void exp_sum_rows(const void* src, int64_t rows, int64_t n, const double* highest, double* dst) {
    for (int64_t r = 0; r < rows; ++r) {
        const S* p = static_cast<const S*>(src) + r * n;
        const ExpSumOp<Compute<S>> op(highest[r]);
        dst[r] = 0;
        for (int64_t i = 0; i < n; i += fold_block)
            dst[r] += fold_block_of(p + i, n - i < fold_block ? n - i : fold_block, op);
    }
}
template <class S>
void exp_sum_columns(const void* src, int64_t n, int64_t stride, int64_t width, const double* highest,
                     double* dst) {
    using T = Compute<S>;
    using V = Vec<T>;
    constexpr int64_t w = V::width, group = 128;             // rows added up before float64 takes over
    const S* p = static_cast<const S*>(src);
    for (int64_t j = 0; j < width; j += w) {
        int64_t count = width - j < w ? width - j : w;
        T top[w] = {}, result[w];
        for (int64_t k = 0; k < count; ++k) top[k] = T(highest[j + k]);
        const V h = V::load(top);
        for (int64_t k = 0; k < count; ++k) dst[j + k] = 0;
        for (int64_t i = 0; i < n;) {
            V sum(0);
            for (int64_t end = n - i < group ? n : i + group; i < end; ++i)
                sum += exp(
                    (count == w ? load_tile(p + i * stride + j) : load_tile(p + i * stride + j, count)) - h);
            sum.store(result);
            for (int64_t k = 0; k < count; ++k) dst[j + k] += double(result[k]);
        }
    }
}

#define FOLD(FN, OP) {{FN<OP, float>, FN<OP, double>, FN<OP, Float16>, FN<OP, BrainFloat16>}}
#define ALL_FOLDS(FN)                                                                        \
    {                                                                                        \
        FOLD(FN, SumOp),     FOLD(FN, ProdOp),    FOLD(FN, MaxOp),       FOLD(FN, MinOp),    \
        FOLD(FN, NonzeroOp), FOLD(FN, AbsSumOp),  FOLD(FN, SquareSumOp), FOLD(FN, AbsMaxOp), \
        FOLD(FN, AbsMinOp),  FOLD(FN, PowerSumOp)}

}  // namespace
}  // namespace isa

EXPORT_ISA_TABLE(ReduceTable, reduce_table) = {
    ALL_FOLDS(fold_rows),     ALL_FOLDS(fold_columns),    PER_FLOAT(arg_rows),     PER_FLOAT(arg_columns),
    PER_FLOAT(moments_rows),  PER_FLOAT(moments_columns), PER_FLOAT(exp_sum_rows), PER_FLOAT(exp_sum_columns),
};

}  // namespace rushlight
