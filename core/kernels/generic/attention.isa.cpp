// Tiles of attention scores: softmax as the keys come by, and its gradient.
#include "kernels/generic/attention_kernels.h"

#include "kernels/generic/tile.h"
#include "kernels/generic/vec_math.h"

namespace rushlight {
inline namespace RUSHLIGHT_ISA_SPACE {
namespace {

template <class T>
RUSHLIGHT_INLINE Vec<T> load_some(const T* p, int64_t count) {
    return count == Vec<T>::width ? Vec<T>::load(p) : Vec<T>::load(p, count);
}

// exp(x), and 0 where it would be subnormal: hidden keys are common, and processors are slow at those.
template <class T>
RUSHLIGHT_INLINE Vec<T> weight_of(Vec<T> x) {
    const Vec<T> lowest(sizeof(T) == 4 ? T(-87) : T(-708));
    const Mask<T> hidden = x < lowest;
    return where(hidden, Vec<T>(T(0)), exp(where(hidden, lowest, x)));
}

// The scores of one row, a vector at a time.
template <class T>
struct NoMask {
    Vec<T> scale;
    RUSHLIGHT_INLINE Vec<T> operator()(const T* p, int64_t i, int64_t count) const {
        return load_some(p + i, count) * scale;
    }
};
template <class T>
struct AddedMask {
    Vec<T> scale;
    const T* mask;
    RUSHLIGHT_INLINE Vec<T> operator()(const T* p, int64_t i, int64_t count) const {
        return multiply_add(load_some(p + i, count), scale, load_some(mask + i, count));
    }
};
template <class T>
struct BooleanMask {
    Vec<T> scale;
    const uint8_t* mask;
    RUSHLIGHT_INLINE Vec<T> operator()(const T* p, int64_t i, int64_t count) const {
        Mask<T> seen = count == Vec<T>::width ? Mask<T>::load(mask + i) : Mask<T>::load(mask + i, count);
        return where(seen, load_some(p + i, count) * scale, Vec<T>(-infinity<T>));
    }
};

// f(row, keys that it sees, its scores) for each row.
template <class T, class F>
RUSHLIGHT_INLINE void for_each_row(const ScoreTile& t, F f) {
    const Vec<T> scale = Vec<T>(T(t.scale));
    for (int64_t r = 0; r < t.rows; ++r) {
        int64_t n = t.causal ? t.seen + r : t.keys;
        n = n < 0 ? 0 : n > t.keys ? t.keys : n;
        if (!t.mask) f(r, n, NoMask<T>{scale});
        else if (t.boolean) f(r, n, BooleanMask<T>{scale, static_cast<const uint8_t*>(t.mask) + r * t.mask_row});
        else f(r, n, AddedMask<T>{scale, static_cast<const T*>(t.mask) + r * t.mask_row});
    }
}

template <class T>
RUSHLIGHT_INLINE void fill_zeros(T* p, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) p[i] = T(0);
}

template <class T, class Score>
RUSHLIGHT_INLINE T largest(const T* x, int64_t n, Score score) {
    constexpr int64_t w = Vec<T>::width;
    Vec<T> a(-infinity<T>), b = a;
    int64_t i = 0;
    for (; i + 2 * w <= n; i += 2 * w) {
        a = maximum(a, score(x, i, w));
        b = maximum(b, score(x, i + w, w));
    }
    for (; i + w <= n; i += w) a = maximum(a, score(x, i, w));
    if (i < n) b = maximum(b, where(first_lanes<T>(n - i), score(x, i, n - i), Vec<T>(-infinity<T>)));
    return lane_max(maximum(a, b));
}

template <class T>
void accumulate(const ScoreTile& t, const SoftmaxState& s) {
    using V = Vec<T>;
    T *tops = static_cast<T*>(s.top), *sums = static_cast<T*>(s.sum);
    for_each_row<T>(t, [&](int64_t r, int64_t n, auto score) {
        T* x = static_cast<T*>(t.scores) + r * t.row;
        const T old = tops[r], found = largest<T>(x, n, score), top = found > old || found != found ? found : old;
        if (top == -infinity<T>) return fill_zeros(x, 0, t.keys);
        const V shift(top);
        T sum = lane_sum(sum_tiles<T>(
            n,
            [&](int64_t i) {
                V e = weight_of<T>(score(x, i, V::width) - shift);
                e.store(x + i);
                return e;
            },
            [&](int64_t i, int64_t count) {
                V e = weight_of<T>(score(x, i, count) - shift);
                e.store(x + i, count);
                return e;
            }));
        fill_zeros(x, n, t.keys);
        if (top != old && old != -infinity<T>) {
            const T factor = weight_of<T>(V(old - top))[0];
            sums[r] *= factor;
            T* v = static_cast<T*>(s.values) + r * s.row;
            for_each_tile<V::width>(
                s.width, [&](int64_t i) { (V::load(v + i) * V(factor)).store(v + i); },
                [&](int64_t i, int64_t c) { (V::load(v + i, c) * V(factor)).store(v + i, c); });
        }
        tops[r] = top;
        sums[r] += sum;
    });
}

template <class T>
void differentiate(const ScoreTile& t, const void* lse, const void* delta, void* slopes) {
    using V = Vec<T>;
    for_each_row<T>(t, [&](int64_t r, int64_t n, auto score) {
        T* x = static_cast<T*>(t.scores) + r * t.row;
        T* g = static_cast<T*>(slopes) + r * t.row;
        const V shift(static_cast<const T*>(lse)[r]), offset(static_cast<const T*>(delta)[r]), scale(T(t.scale));
        for_each_tile<V::width>(
            n,
            [&](int64_t i) {
                V p = weight_of<T>(score(x, i, V::width) - shift);
                p.store(x + i);
                (p * (V::load(g + i) - offset) * scale).store(g + i);
            },
            [&](int64_t i, int64_t c) {
                V p = weight_of<T>(score(x, i, c) - shift);
                p.store(x + i, c);
                (p * (V::load(g + i, c) - offset) * scale).store(g + i, c);
            });
        fill_zeros(x, n, t.keys);
        fill_zeros(g, n, t.keys);
    });
}

template <class S>
void finish(const SoftmaxState& s, const FinishedRows& f) {
    using T = Compute<S>;
    using V = Vec<T>;
    for (int64_t r = 0; r < f.rows; ++r) {
        const T top = static_cast<const T*>(s.top)[r], sum = static_cast<const T*>(s.sum)[r];
        const bool blind = top == -infinity<T>;
        const T* v = static_cast<const T*>(s.values) + r * s.row;
        S* out = static_cast<S*>(f.out) + r * f.row;
        const V factor(blind ? T(0) : T(1) / sum);
        static_cast<T*>(f.lse)[r] = blind ? infinity<T> : top + log(V(sum))[0];
        for_each_tile<V::width>(
            s.width, [&](int64_t i) { store_tile(out + i, V::load(v + i) * factor); },
            [&](int64_t i, int64_t c) { store_tile(out + i, V::load(v + i, c) * factor, c); });
    }
}

template <class S>
void row_products(int64_t rows, int64_t width, const void* x, int64_t x_row, const void* y, int64_t y_row,
                  void* sums) {
    using T = Compute<S>;
    for (int64_t r = 0; r < rows; ++r) {
        const S *a = static_cast<const S*>(x) + r * x_row, *b = static_cast<const S*>(y) + r * y_row;
        static_cast<T*>(sums)[r] = lane_sum(sum_tiles<T>(
            width, [&](int64_t i) { return load_tile(a + i) * load_tile(b + i); },
            [&](int64_t i, int64_t c) { return load_tile(a + i, c) * load_tile(b + i, c); }));
    }
}

}  // namespace
}  // namespace isa

EXPORT_ISA_TABLE(AttentionTable, attention_table) = {
    {accumulate<float>, accumulate<double>},
    {differentiate<float>, differentiate<double>},
    PER_FLOAT(finish),
    PER_FLOAT(row_products),
};

}  // namespace rushlight
