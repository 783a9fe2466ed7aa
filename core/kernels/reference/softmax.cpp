#include "kernels/reference/softmax.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/reference/values.h"

namespace rushlight::reference {

using kernels::ClassLoss;
using kernels::Extent;
using kernels::LossReduction;

namespace {

std::vector<Number> log_softmax_of(int64_t n, auto value) {
    Number top = -std::numeric_limits<Number>::infinity(), sum = 0;
    for (int64_t i = 0; i < n; ++i) top = std::max(top, value(i));
    for (int64_t i = 0; i < n; ++i) sum += std::exp(value(i) - top);
    std::vector<Number> out;
    for (int64_t i = 0; i < n; ++i) out.push_back(value(i) - top - std::log(sum));
    return out;
}

Number weight_of(const ClassLoss& s, DType t, int64_t c) { return s.weight ? Values{s.weight, t}[c] : 1; }

Number total_weight(const ClassLoss& s, DType t) {
    Number sum = 0;
    for (int64_t i = 0; i < s.batch * s.inner; ++i)
        if (s.target[i] != s.ignore_index) sum += weight_of(s, t, s.target[i]);
    return sum;
}

// The probability that entry i should give class c.
Number wanted(const ClassLoss& s, DType t, int64_t i, int64_t c) {
    Number share = Number(s.label_smoothing) / Number(s.classes) * weight_of(s, t, c);
    return share + (c == s.target[i] ? (1 - Number(s.label_smoothing)) * weight_of(s, t, c) : 0);
}

}  // namespace

void softmax(const void* src, DType t, void* dst, Extent e, bool log) {
    Values x{src, t};
    MutableValues y{dst, t};
    for (int64_t o = 0; o < e.outer; ++o)
        for (int64_t k = 0; k < e.inner; ++k) {
            auto at = [&](int64_t i) { return (o * e.n + i) * e.inner + k; };
            auto logs = log_softmax_of(e.n, [&](int64_t i) { return x[at(i)]; });
            for (int64_t i = 0; i < e.n; ++i) y.set(at(i), log ? logs[size_t(i)] : std::exp(logs[size_t(i)]));
        }
}

void softmax_backward(const void* grad, const void* output, DType t, void* grad_in, Extent e, bool log) {
    Values g{grad, t}, y{output, t};
    MutableValues out{grad_in, t};
    for (int64_t o = 0; o < e.outer; ++o)
        for (int64_t k = 0; k < e.inner; ++k) {
            auto at = [&](int64_t i) { return (o * e.n + i) * e.inner + k; };
            Number sum = 0;
            for (int64_t i = 0; i < e.n; ++i) sum += log ? g[at(i)] : g[at(i)] * y[at(i)];
            for (int64_t i = 0; i < e.n; ++i)
                out.set(at(i), log ? g[at(i)] - std::exp(y[at(i)]) * sum : y[at(i)] * (g[at(i)] - sum));
        }
}

void cross_entropy(const void* logits, DType t, const ClassLoss& s, void* loss) {
    Values x{logits, t};
    MutableValues y{loss, t};
    Number sum = 0;
    for (int64_t i = 0; i < s.batch * s.inner; ++i) {
        int64_t o = i / s.inner, k = i % s.inner;
        Number one = 0;
        auto logs =
            log_softmax_of(s.classes, [&](int64_t c) { return x[(o * s.classes + c) * s.inner + k]; });
        if (s.target[i] != s.ignore_index)
            for (int64_t c = 0; c < s.classes; ++c) one -= wanted(s, t, i, c) * logs[size_t(c)];
        sum += one;
        if (s.reduction == LossReduction::none) y.set(i, one);
    }
    if (s.reduction == LossReduction::sum) y.set(0, sum);
    if (s.reduction == LossReduction::mean) y.set(0, sum / total_weight(s, t));
}

void cross_entropy_backward(const void* grad_loss, const void* logits, DType t, const ClassLoss& s,
                            void* grad_logits) {
    Values x{logits, t}, g{grad_loss, t};
    MutableValues y{grad_logits, t};
    for (int64_t i = 0; i < s.batch * s.inner; ++i) {
        int64_t o = i / s.inner, k = i % s.inner;
        auto at = [&](int64_t c) { return (o * s.classes + c) * s.inner + k; };
        auto logs = log_softmax_of(s.classes, [&](int64_t c) { return x[at(c)]; });
        Number scale = g[s.reduction == LossReduction::none ? i : 0], all = 0;
        if (s.reduction == LossReduction::mean) scale /= total_weight(s, t);
        if (s.target[i] == s.ignore_index) scale = 0;
        else
            for (int64_t c = 0; c < s.classes; ++c) all += wanted(s, t, i, c);
        for (int64_t c = 0; c < s.classes; ++c)
            y.set(at(c), scale == 0 ? 0 : scale * (all * std::exp(logs[size_t(c)]) - wanted(s, t, i, c)));
    }
}

}  // namespace rushlight::reference
