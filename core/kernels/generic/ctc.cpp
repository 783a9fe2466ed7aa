#include "kernels/generic/ctc.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/parallel.h"
#include "base/scratch.h"

namespace rushlight::kernels {

namespace {

template <class A> constexpr A never = -std::numeric_limits<A>::infinity();

template <class A>
A log_sum(A a, A b, A c = never<A>) {
    A most = std::max({a, b, c});
    return most == never<A> ? most : std::log(std::exp(a - most) + std::exp(b - most) + std::exp(c - most)) + most;
}

// One sample: its labels with blanks between them are the states, two for each label and one.
template <class A>
struct Sample {
    const A* log_probs;
    int64_t stride, blank, steps, states;
    const int64_t* label;

    Sample(const A* all, const Ctc& c, int64_t n)
        : log_probs(all + n * c.classes), stride(c.batch * c.classes), blank(c.blank), steps(c.input_length[n]),
          states(2 * c.label_length[n] + 1), label(c.label + n * c.labels) {}

    int64_t class_of(int64_t state) const { return state % 2 ? label[state / 2] : blank; }
    A log_prob(int64_t t, int64_t state) const { return log_probs[t * stride + class_of(state)]; }
    // May an alignment go from state - 2 to this one? Not over a label, nor between equal labels.
    bool skips_to(int64_t state) const { return state >= 2 && state % 2 && label[state / 2] != label[state / 2 - 1]; }
};

template <class A>
A likelihood(const Sample<A>& s, A* alpha, int64_t row) {
    if (s.steps == 0) return s.states == 1 ? A(0) : never<A>;
    for (int64_t t = 0; t < s.steps; ++t, alpha += row)
        for (int64_t i = 0; i < s.states; ++i) {
            const A* last = alpha - row;
            A before = t == 0        ? (i < 2 ? A(0) : never<A>)
                       : i == 0      ? last[0]
                                     : log_sum(last[i], last[i - 1], s.skips_to(i) ? last[i - 2] : never<A>);
            alpha[i] = before == never<A> ? before : before + s.log_prob(t, i);
        }
    const A* last = alpha - row;
    return s.states == 1 ? last[0] : log_sum(last[s.states - 1], last[s.states - 2]);
}

// The backward variables of step t from those of the next, in place.
template <class A>
void step_back(const Sample<A>& s, A* beta, int64_t t) {
    for (int64_t i = 0; i < s.states; ++i) {
        A after = t == s.steps - 1 ? (i >= s.states - 2 ? A(0) : never<A>)
                  : i + 1 == s.states
                      ? beta[i]
                      : log_sum(beta[i], beta[i + 1],
                                i + 2 < s.states && s.skips_to(i + 2) ? beta[i + 2] : never<A>);
        beta[i] = after == never<A> ? after : after + s.log_prob(t, i);
    }
}

template <class A>
void gradient(const Sample<A>& s, A grad, A loss, const A* alpha, int64_t row, A* grad_in, int64_t classes) {
    Scratch memory(size_t(s.states) * sizeof(A));
    A* beta = memory.as<A>();
    std::fill(beta, beta + s.states, never<A>);
    for (int64_t t = s.steps - 1; t >= 0; --t) {
        step_back(s, beta, t);
        const A *a = alpha + t * row, *p = s.log_probs + t * s.stride;
        A* g = grad_in + t * s.stride;
        std::fill(g, g + classes, never<A>);             // first log sums by class
        for (int64_t i = 0; i < s.states; ++i) {
            A& sum = g[s.class_of(i)];
            sum = log_sum(sum, a[i] + beta[i]);
        }
        for (int64_t k = 0; k < classes; ++k) g[k] = (std::exp(p[k]) - std::exp(g[k] + loss - p[k])) * grad;
    }
}

template <class A>
void forward(const A* log_probs, A* loss, A* log_alpha, const Ctc& c) {
    int64_t row = c.states();
    std::fill(log_alpha, log_alpha + c.batch * c.steps * row, never<A>);
    parallel_for(c.batch, 1, [&](int64_t from, int64_t to) {
        for (int64_t n = from; n < to; ++n)
            loss[n] = -likelihood(Sample<A>(log_probs, c, n), log_alpha + n * c.steps * row, row);
    });
}

template <class A>
void backward(const A* grad, const A* log_probs, const A* loss, const A* log_alpha, A* grad_in, bool zero_infinity,
              const Ctc& c) {
    int64_t row = c.states();
    std::fill(grad_in, grad_in + c.steps * c.batch * c.classes, A(0));
    parallel_for(c.batch, 1, [&](int64_t from, int64_t to) {
        for (int64_t n = from; n < to; ++n) {
            if (zero_infinity && std::isinf(loss[n])) continue;
            gradient(Sample<A>(log_probs, c, n), grad[n], loss[n], log_alpha + n * c.steps * row, row,
                     grad_in + n * c.classes, c.classes);
        }
    });
}

}  // namespace

void ctc(const void* log_probs, DType t, void* loss, void* log_alpha, const Ctc& c) {
    auto run = [&](auto zero) {
        using A = decltype(zero);
        forward(static_cast<const A*>(log_probs), static_cast<A*>(loss), static_cast<A*>(log_alpha), c);
    };
    t == DType::float64 ? run(double{}) : run(float{});
}

void ctc_backward(const void* grad, const void* log_probs, const void* loss, const void* log_alpha, DType t,
                  void* grad_in, bool zero_infinity, const Ctc& c) {
    auto run = [&](auto zero) {
        using A = decltype(zero);
        backward(static_cast<const A*>(grad), static_cast<const A*>(log_probs), static_cast<const A*>(loss),
                 static_cast<const A*>(log_alpha), static_cast<A*>(grad_in), zero_infinity, c);
    };
    t == DType::float64 ? run(double{}) : run(float{});
}

}  // namespace rushlight::kernels
