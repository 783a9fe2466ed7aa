// The optimizers' updates, one pass over the tensors of one parameter. A rule says what happens to one vector of each
// array; `Pass` makes the loops of it.
#include "kernels/generic/optim_kernels.h"

#include "kernels/generic/tile.h"

namespace rushlight {
inline namespace RUSHLIGHT_ISA_SPACE {
namespace {

template <class V>
RUSHLIGHT_INLINE V towards(const Direction& h, V p, V g) {
    V d = g * V(h.sign);
    return h.weight_decay != 0 ? multiply_add(V(h.weight_decay), p, d) : d;
}
// keep * mean + (1 - keep) * x
template <class V>
RUSHLIGHT_INLINE V mean_of(double keep, V mean, V x) {
    return multiply_add(V(keep), mean, V(1 - keep) * x);
}

struct Sgd {
    using Numbers = SgdNumbers;
    template <class V> static RUSHLIGHT_INLINE void step(const Numbers& h, V& p, V g, V& buffer) {
        V d = towards(h.direction, p, g);
        if (h.buffered) {
            buffer = multiply_add(V(h.momentum), buffer, V(h.keep) * d);
            d = h.nesterov ? multiply_add(V(h.momentum), buffer, d) : buffer;
        }
        p = multiply_add(V(-h.rate), d, p);
    }
};

struct Adam {
    using Numbers = AdamNumbers;
    template <class V> static RUSHLIGHT_INLINE void step(const Numbers& h, V& p, V g, V& m, V& v, V& highest) {
        V d = towards(h.direction, p, g);
        m = mean_of(h.beta1, m, d);
        v = mean_of(h.beta2, v, d * d);
        if (h.amsgrad) highest = maximum(highest, v);
        V spread = sqrt(h.amsgrad ? highest : v);
        p = multiply_add(V(-h.rate), m / multiply_add(spread, V(h.inverse_root), V(h.eps)), p * V(h.decay));
    }
};

struct Nadam {
    using Numbers = NadamNumbers;
    template <class V> static RUSHLIGHT_INLINE void step(const Numbers& h, V& p, V g, V& m, V& v) {
        V d = towards(h.direction, p, g);
        m = mean_of(h.beta1, m, d);
        v = mean_of(h.beta2, v, d * d);
        V blend = multiply_add(V(h.grad_rate), d, V(h.mean_rate) * m);
        p = multiply_add(p, V(h.decay), -blend / multiply_add(sqrt(v), V(h.inverse_root), V(h.eps)));
    }
};

struct Radam {
    using Numbers = RadamNumbers;
    template <class V> static RUSHLIGHT_INLINE void step(const Numbers& h, V& p, V g, V& m, V& v) {
        V d = towards(h.direction, p, g);
        m = mean_of(h.beta1, m, d);
        v = mean_of(h.beta2, v, d * d);
        p = multiply_add(V(-h.rate), h.rectified ? m / (sqrt(v) + V(h.eps)) : m, p * V(h.decay));
    }
};

struct Adamax {
    using Numbers = AdamaxNumbers;
    template <class V> static RUSHLIGHT_INLINE void step(const Numbers& h, V& p, V g, V& m, V& largest) {
        V d = towards(h.direction, p, g);
        m = mean_of(h.beta1, m, d);
        largest = maximum(largest * V(h.beta2), abs(d) + V(h.eps));
        p = multiply_add(V(-h.rate), m / largest, p);
    }
};

struct Rmsprop {
    using Numbers = RmspropNumbers;
    template <class V> static RUSHLIGHT_INLINE void step(const Numbers& h, V& p, V g, V& square, V& mean, V& buffer) {
        V d = towards(h.direction, p, g);
        square = mean_of(h.alpha, square, d * d);
        V spread = square;
        if (h.centered) {
            mean = mean_of(h.alpha, mean, d);
            spread = square - mean * mean;
        }
        V move = d / (sqrt(spread) + V(h.eps));
        if (h.momentum != 0) move = buffer = multiply_add(V(h.momentum), buffer, move);
        p = multiply_add(V(-h.rate), move, p);
    }
};

struct Adagrad {
    using Numbers = AdagradNumbers;
    template <class V> static RUSHLIGHT_INLINE void step(const Numbers& h, V& p, V g, V& sum) {
        V d = towards(h.direction, p, g);
        sum = multiply_add(d, d, sum);
        p = multiply_add(V(-h.rate), d / (sqrt(sum) + V(h.eps)), p);
    }
};

struct Adadelta {
    using Numbers = AdadeltaNumbers;
    template <class V> static RUSHLIGHT_INLINE void step(const Numbers& h, V& p, V g, V& square, V& moved) {
        V d = towards(h.direction, p, g);
        square = mean_of(h.rho, square, d * d);
        V move = sqrt(moved + V(h.eps)) / sqrt(square + V(h.eps)) * d;
        moved = mean_of(h.rho, moved, move * move);
        p = multiply_add(V(-h.rate), move, p);
    }
};

struct Asgd {
    using Numbers = AsgdNumbers;
    template <class V> static RUSHLIGHT_INLINE void step(const Numbers& h, V& p, V g, V& average) {
        V d = towards(h.direction, p, g);
        p = multiply_add(V(-h.eta), d, p * V(h.decay));
        average = h.mu == 1 ? p : multiply_add(p - average, V(h.mu), average);
    }
};

struct Rprop {
    using Numbers = RpropNumbers;
    template <class V> static RUSHLIGHT_INLINE void step(const Numbers& h, V& p, V g, V& before, V& size) {
        V d = g * V(h.sign), same = d * before;
        V factor = where(same > V(0), V(h.plus), where(same < V(0), V(h.minus), V(1)));
        size = minimum(maximum(size * factor, V(h.smallest)), V(h.largest));
        before = where(same < V(0), V(0), d);
        p = p - sign(before) * size;
    }
};

struct Lerp {
    using Numbers = LerpNumbers;
    template <class V> static RUSHLIGHT_INLINE void step(const Numbers& h, V& p, V other) {
        V weight(h.weight), away = other - p;
        p = h.weight < 0.5 ? multiply_add(weight, away, p) : multiply_add(V(h.weight - 1), away, other);
    }
};

struct Scale {
    using Numbers = ScaleNumbers;
    template <class V> static RUSHLIGHT_INLINE void step(const Numbers& h, V& p, V) { p = p * V(h.factor); }
};

struct Clamp {
    using Numbers = ClampNumbers;
    template <class V> static RUSHLIGHT_INLINE void step(const Numbers& h, V& p, V) {
        p = minimum(maximum(p, V(h.low)), V(h.high));
    }
};

// A vector of each array at offset i, whole or in part.
template <class S> struct WholeAt {
    int64_t i;
    RUSHLIGHT_INLINE Vec<Compute<S>> load(const S* p) const { return load_tile(p + i); }
    RUSHLIGHT_INLINE void store(S* p, Vec<Compute<S>> x) const { store_tile(p + i, x); }
};
template <class S> struct PartAt {
    int64_t i, count;
    RUSHLIGHT_INLINE Vec<Compute<S>> load(const S* p) const { return load_tile(p + i, count); }
    RUSHLIGHT_INLINE void store(S* p, Vec<Compute<S>> x) const { store_tile(p + i, x, count); }
};

constexpr int64_t ahead = 2048;              // bytes

template <class Rule, int states>
struct Pass {
    template <class S> static void run(void* const* given, int64_t n, const void* numbers) {
        using V = Vec<Compute<S>>;
        constexpr int count = 2 + states;
        // A copy, so that the compiler knows that no store changes it.
        const auto h = *static_cast<const typename Rule::Numbers*>(numbers);
        S* arrays[count];
        for (int k = 0; k < count; ++k) arrays[k] = static_cast<S*>(given[k]);
        auto step = [&](auto io) {
            V x[count];
            for (int k = 0; k < count; ++k) x[k] = arrays[k] ? io.load(arrays[k]) : V(0);
            if constexpr (states == 0) Rule::step(h, x[0], x[1]);
            else if constexpr (states == 1) Rule::step(h, x[0], x[1], x[2]);
            else if constexpr (states == 2) Rule::step(h, x[0], x[1], x[2], x[3]);
            else Rule::step(h, x[0], x[1], x[2], x[3], x[4]);
            for (int k = 0; k < count; ++k)
                if (k != 1 && arrays[k]) io.store(arrays[k], x[k]);
        };
        for_each_tile<lanes_of<S>>(
            n,
            [&](int64_t i) {
                // The hardware's own reading ahead stops at the end of each page.
                for (int k = 0; k < count; ++k)
                    if (arrays[k]) __builtin_prefetch(arrays[k] + i + ahead / int64_t(sizeof(S)));
                step(WholeAt<S>{i});
            },
            [&](int64_t i, int64_t rest) { step(PartAt<S>{i, rest}); });
    }
};

// ---- Adafactor ------------------------------------------------------------------------------------------------------

template <class S>
void squares(const void* grad, int64_t rows, int64_t columns, double* row_sums, void* column_sums) {
    using V = Vec<Compute<S>>;
    auto* sums = static_cast<Compute<S>*>(column_sums);
    for (int64_t r = 0; r < rows; ++r) {
        const S* g = static_cast<const S*>(grad) + r * columns;
        V total(0);
        for_each_tile<lanes_of<S>>(
            columns,
            [&](int64_t i) {
                V x = load_tile(g + i);
                x = x * x;
                total += x;
                (V::load(sums + i) + x).store(sums + i);
            },
            [&](int64_t i, int64_t rest) {
                V x = load_tile(g + i, rest, V(0));
                x = x * x;
                total += x;
                (V::load(sums + i, rest) + x).store(sums + i, rest);
            });
        row_sums[r] = double(lane_sum(total));
    }
}

template <class S>
double factored_squares(const FactoredRows& f) {
    using V = Vec<Compute<S>>;
    const S* factors = static_cast<const S*>(f.column_factors);
    const V least(f.least);
    double sum = 0;
    for (int64_t r = 0; r < f.rows; ++r) {
        const S* g = static_cast<const S*>(f.grad) + r * f.columns;
        const V factor(f.row_factors[r]);
        V total(0);
        for_each_tile<lanes_of<S>>(
            f.columns,
            [&](int64_t i) {
                V x = load_tile(g + i);
                total += x * x / maximum(factor * load_tile(factors + i), least);
            },
            [&](int64_t i, int64_t rest) {
                V x = load_tile(g + i, rest, V(0));
                total += x * x / maximum(factor * load_tile(factors + i, rest, V(1)), least);
            });
        sum += double(lane_sum(total));
    }
    return sum;
}

template <class S>
void factored_step(void* param, const FactoredRows& f, double decay, double rate) {
    using V = Vec<Compute<S>>;
    const S* factors = static_cast<const S*>(f.column_factors);
    const V least(f.least), keep(decay), minus(-rate);
    for (int64_t r = 0; r < f.rows; ++r) {
        const S* g = static_cast<const S*>(f.grad) + r * f.columns;
        S* p = static_cast<S*>(param) + r * f.columns;
        const V factor(f.row_factors[r]);
        auto step = [&](auto io) {
            V move = io.load(g) / sqrt(maximum(factor * io.load(factors), least));
            io.store(p, multiply_add(minus, move, io.load(p) * keep));
        };
        for_each_tile<lanes_of<S>>(
            f.columns, [&](int64_t i) { step(WholeAt<S>{i}); },
            [&](int64_t i, int64_t rest) { step(PartAt<S>{i, rest}); });
    }
}

}  // namespace
}  // namespace isa

#define RULE(NAME, RULE_NAME, STATES) .NAME = PER_FLOAT(Pass<RULE_NAME, STATES>::run)

EXPORT_ISA_TABLE(OptimTable, optim_table) = {
    RULE(sgd, Sgd, 1),
    RULE(adam, Adam, 3),
    RULE(nadam, Nadam, 2),
    RULE(radam, Radam, 2),
    RULE(adamax, Adamax, 2),
    RULE(rmsprop, Rmsprop, 3),
    RULE(adagrad, Adagrad, 1),
    RULE(adadelta, Adadelta, 2),
    RULE(asgd, Asgd, 1),
    RULE(rprop, Rprop, 2),
    RULE(lerp, Lerp, 0),
    RULE(scale, Scale, 0),
    RULE(clamp, Clamp, 0),
    .squares = PER_FLOAT(squares),
    .factored_squares = PER_FLOAT(factored_squares),
    .factored_step = PER_FLOAT(factored_step),
};

}  // namespace rushlight
