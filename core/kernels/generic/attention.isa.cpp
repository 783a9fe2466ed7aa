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

// The same for weights that are rounded to 16 bits: exp(r) - 1 - r over r^2 to 8e-6 of the result.
RUSHLIGHT_INLINE Vec<float> short_weight_of(Vec<float> x) {
    using F = Format<float>;
    const Vec<float> lowest(-87.0f);
    const Mask<float> hidden = x < lowest;
    const Vec<float> y = where(hidden, lowest, x);
    const Vec<float> n = multiply_add(y, Vec<float>(1.44269504f), Vec<float>(F::magic)) - F::magic;
    const Vec<float> r = multiply_add(n, Vec<float>(-0.693147181f), y);
    const Vec<float> tail = polynomial(r, 0.50006262, 0.16746614, 0.04108567);
    return where(hidden, Vec<float>(0.0f), scale(multiply_add(r * r, tail, r) + 1, n));
}

// f(offset, count) for each vector of n elements, the last of which may be partial. One call, not two: exponentials are
// long.
template <class T, class F>
RUSHLIGHT_INLINE void for_each_vector(int64_t n, F f) {
    constexpr int64_t w = Vec<T>::width;
    for (int64_t i = 0; i < n; i += w) f(i, n - i < w ? n - i : w);
}
template <class T>
RUSHLIGHT_INLINE void store_some(Vec<T> x, T* p, int64_t count) {
    if (count == Vec<T>::width) x.store(p);
    else x.store(p, count);
}

// How many of the keys row r may see at all.
RUSHLIGHT_INLINE int64_t keys_seen(const ScoreTile& t, int64_t r) {
    int64_t n = t.causal ? t.seen + r : t.keys;
    return n < 0 ? 0 : n > t.keys ? t.keys : n;
}

// Applies the mask to n products of row r; returns what they are still to be multiplied by. In a pass of its own, so
// that the exponentials stand here once and not for each kind of mask.
template <class T>
RUSHLIGHT_INLINE Vec<T> apply_mask(const ScoreTile& t, int64_t r, int64_t n) {
    T* x = static_cast<T*>(t.scores) + r * t.row;
    const Vec<T> scale = Vec<T>(T(t.scale));
    if (!t.mask) return scale;
    if (t.boolean) {
        const uint8_t* mask = static_cast<const uint8_t*>(t.mask) + r * t.mask_row;
        for_each_vector<T>(n, [&](int64_t i, int64_t c) {
            Mask<T> seen = c == Vec<T>::width ? Mask<T>::load(mask + i) : Mask<T>::load(mask + i, c);
            store_some(where(seen, load_some(x + i, c) * scale, Vec<T>(-infinity<T>)), x + i, c);
        });
    } else {
        const T* mask = static_cast<const T*>(t.mask) + r * t.mask_row;
        for_each_vector<T>(n, [&](int64_t i, int64_t c) {
            store_some(multiply_add(load_some(x + i, c), scale, load_some(mask + i, c)), x + i, c);
        });
    }
    return Vec<T>(T(1));
}

template <class T>
RUSHLIGHT_INLINE T largest(const T* x, int64_t n, Vec<T> scale) {
    constexpr int64_t w = Vec<T>::width;
    Vec<T> a(-infinity<T>), b = a;
    int64_t i = 0;
    for (; i + 2 * w <= n; i += 2 * w) {
        a = maximum(a, Vec<T>::load(x + i) * scale);
        b = maximum(b, Vec<T>::load(x + i + w) * scale);
    }
    for (; i < n; i += w) {
        int64_t c = n - i < w ? n - i : w;
        a = maximum(a, where(first_lanes<T>(c), load_some(x + i, c) * scale, a));
    }
    return lane_max(maximum(a, b));
}

// All bits of a zero are 0 in every type.
template <class T>
RUSHLIGHT_INLINE void fill_zeros(T* p, int64_t begin, int64_t end) {
    if (begin < end) __builtin_memset(static_cast<void*>(p + begin), 0, size_t(end - begin) * sizeof(T));
}

template <class S>
void accumulate(const ScoreTile& t, const SoftmaxState& s) {
    using T = Compute<S>;
    using V = Vec<T>;
    T *tops = static_cast<T*>(s.top), *sums = static_cast<T*>(s.sum);
    for (int64_t r = 0; r < t.rows; ++r) {
        const int64_t n = keys_seen(t, r);
        const V scale = apply_mask<T>(t, r, n);
        const T* x = static_cast<const T*>(t.scores) + r * t.row;
        S* weights = static_cast<S*>(t.weights) + r * t.row;
        const T old = tops[r], found = largest(x, n, scale), top = found > old || found != found ? found : old;
        if (top == -infinity<T>) {
            fill_zeros(weights, 0, t.keys);
            continue;
        }
        const V shift(top);
        V sum(T(0));
        for_each_vector<T>(n, [&](int64_t i, int64_t c) {
            V e = load_some(x + i, c);
            if constexpr (same_type<S, T>) e = weight_of<T>(e * scale - shift);
            else e = short_weight_of(multiply_add(e, scale, -shift));
            c == V::width ? store_tile(weights + i, e) : store_tile(weights + i, e, c);
            sum += c == V::width ? e : where(first_lanes<T>(c), e, V(T(0)));
        });
        fill_zeros(weights, n, t.keys);
        if (top != old && old != -infinity<T>) {
            const T factor = weight_of<T>(V(old - top))[0];
            sums[r] *= factor;
            T* v = static_cast<T*>(s.values) + r * s.row;
            for_each_vector<T>(s.width,
                               [&](int64_t i, int64_t c) { store_some(load_some(v + i, c) * V(factor), v + i, c); });
        }
        tops[r] = top;
        sums[r] += lane_sum(sum);
    }
}

template <class T>
void differentiate(const ScoreTile& t, const void* lse, const void* delta, void* slopes) {
    using V = Vec<T>;
    for (int64_t r = 0; r < t.rows; ++r) {
        const int64_t n = keys_seen(t, r);
        const V factor = apply_mask<T>(t, r, n);
        T* x = static_cast<T*>(t.scores) + r * t.row;
        T* g = static_cast<T*>(slopes) + r * t.row;
        const V shift(static_cast<const T*>(lse)[r]), offset(static_cast<const T*>(delta)[r]), scale(T(t.scale));
        for_each_vector<T>(n, [&](int64_t i, int64_t c) {
            V p = weight_of<T>(load_some(x + i, c) * factor - shift);
            store_some(p, x + i, c);
            store_some(p * (load_some(g + i, c) - offset) * scale, g + i, c);
        });
        fill_zeros(x, n, t.keys);
        fill_zeros(g, n, t.keys);
    }
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
    PER_FLOAT(accumulate),
    {differentiate<float>, differentiate<double>},
    PER_FLOAT(finish),
    PER_FLOAT(row_products),
};

}  // namespace rushlight
