// The optimizers' updates, one pass over the tensors of one parameter.
#include "kernels/generic/optim_kernels.h"

#include "kernels/generic/tile.h"

namespace rushlight {
inline namespace RUSHLIGHT_ISA_SPACE {
namespace {

// Loads and stores a vector of each array at offset i, whole or in part.
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
template <class S, class F>
RUSHLIGHT_INLINE void over(int64_t n, F f) {
    for_each_tile<lanes_of<S>>(
        n, [&](int64_t i) { f(WholeAt<S>{i}); }, [&](int64_t i, int64_t count) { f(PartAt<S>{i, count}); });
}

template <class S>
void sgd(void* param, const void* grad, void* momentum, int64_t n, const SgdUpdate& u) {
    using V = Vec<Compute<S>>;
    S* p = static_cast<S*>(param);
    const S* g = static_cast<const S*>(grad);
    S* m = static_cast<S*>(momentum);
    const V rate(-u.lr), mu(u.momentum), keep(u.keep), decay(u.weight_decay), sign(u.sign);
    over<S>(n, [&](auto io) {
        V pv = io.load(p), d = io.load(g) * sign;
        if (u.weight_decay != 0) d = multiply_add(decay, pv, d);
        if (m) {
            V mv = u.first ? d : multiply_add(mu, V(io.load(m)), keep * d);
            io.store(m, mv);
            d = u.nesterov ? multiply_add(mu, mv, d) : mv;
        }
        io.store(p, multiply_add(rate, d, pv));
    });
}

template <class S>
void adam(void* param, const void* grad, void* m, void* v, void* highest, int64_t n, const AdamUpdate& u) {
    using V = Vec<Compute<S>>;
    S* p = static_cast<S*>(param);
    const S* g = static_cast<const S*>(grad);
    S* pm = static_cast<S*>(m);
    S* pv = static_cast<S*>(v);
    S* ph = static_cast<S*>(highest);
    const V rate(-u.rate), beta1(u.beta1), rest1(1 - u.beta1), beta2(u.beta2), rest2(1 - u.beta2), eps(u.eps),
        decay(u.decay), weight_decay(u.weight_decay), inverse_root(u.inverse_root), sign(u.sign);
    over<S>(n, [&](auto io) {
        V x = io.load(p), d = io.load(g) * sign;
        if (u.weight_decay != 0) d = multiply_add(weight_decay, x, d);
        V mv = multiply_add(beta1, V(io.load(pm)), rest1 * d);
        V vv = multiply_add(beta2, V(io.load(pv)), rest2 * d * d);
        io.store(pm, mv);
        io.store(pv, vv);
        if (ph) {
            vv = maximum(V(io.load(ph)), vv);
            io.store(ph, vv);
        }
        V step = mv / multiply_add(sqrt(vv), inverse_root, eps);
        io.store(p, multiply_add(rate, step, x * decay));
    });
}

template <class S>
void rmsprop(void* param, const void* grad, void* square, void* grad_avg, void* momentum, int64_t n,
             const RmspropUpdate& u) {
    using V = Vec<Compute<S>>;
    S* p = static_cast<S*>(param);
    const S* g = static_cast<const S*>(grad);
    S* ps = static_cast<S*>(square);
    S* pa = static_cast<S*>(grad_avg);
    S* pm = static_cast<S*>(momentum);
    const V rate(-u.lr), alpha(u.alpha), rest(1 - u.alpha), eps(u.eps), decay(u.weight_decay), mu(u.momentum),
        sign(u.sign);
    over<S>(n, [&](auto io) {
        V x = io.load(p), d = io.load(g) * sign;
        if (u.weight_decay != 0) d = multiply_add(decay, x, d);
        V s = multiply_add(alpha, V(io.load(ps)), rest * d * d);
        io.store(ps, s);
        if (pa) {
            V a = multiply_add(alpha, V(io.load(pa)), rest * d);
            io.store(pa, a);
            s = s - a * a;
        }
        V step = d / (sqrt(s) + eps);
        if (pm) {
            step = multiply_add(mu, V(io.load(pm)), step);
            io.store(pm, step);
        }
        io.store(p, multiply_add(rate, step, x));
    });
}

template <class S>
void adagrad(void* param, const void* grad, void* sum, int64_t n, const AdagradUpdate& u) {
    using V = Vec<Compute<S>>;
    S* p = static_cast<S*>(param);
    const S* g = static_cast<const S*>(grad);
    S* ps = static_cast<S*>(sum);
    const V rate(-u.rate), eps(u.eps), decay(u.weight_decay), sign(u.sign);
    over<S>(n, [&](auto io) {
        V x = io.load(p), d = io.load(g) * sign;
        if (u.weight_decay != 0) d = multiply_add(decay, x, d);
        V s = multiply_add(d, d, V(io.load(ps)));
        io.store(ps, s);
        io.store(p, multiply_add(rate, d / (sqrt(s) + eps), x));
    });
}

}  // namespace
}  // namespace isa

EXPORT_ISA_TABLE(OptimTable, optim_table) = {
    PER_FLOAT(sgd), PER_FLOAT(adam), PER_FLOAT(rmsprop), PER_FLOAT(adagrad),
};

}  // namespace rushlight
