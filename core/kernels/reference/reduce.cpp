#include "kernels/reference/reduce.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/reference/values.h"

namespace rushlight::reference {

using kernels::Extent;
using kernels::Reduction;

namespace {

// f(place of the result, place of element i) over all lines.
template <class F>
void for_each_line(Extent e, F&& f) {
    for (int64_t o = 0; o < e.outer; ++o)
        for (int64_t k = 0; k < e.inner; ++k)
            f(o * e.inner + k, [=](int64_t i) { return (o * e.n + i) * e.inner + k; });
}

Number reduce_line(Reduction op, int64_t n, auto value) {
    Number sum = 0, product = 1, best = n ? value(0) : 0;
    int64_t nonzero = 0;
    for (int64_t i = 0; i < n; ++i) {
        Number x = value(i);
        sum += x;
        product *= x;
        nonzero += x != 0;
        bool better = op == Reduction::amax ? x > best : x < best;
        if (!std::isnan(best) && (better || std::isnan(x))) best = x;
    }
    switch (op) {
        case Reduction::sum: return sum;
        case Reduction::mean: return sum / Number(n);
        case Reduction::prod: return product;
        case Reduction::amax: case Reduction::amin: return best;
        case Reduction::all: return nonzero == n;
        case Reduction::any: return nonzero > 0;
        case Reduction::count_nonzero: return Number(nonzero);
    }
    return 0;
}

}  // namespace

void reduce(Reduction op, const void* src, DType in, void* dst, DType out, Extent e) {
    Values x{src, in};
    MutableValues y{dst, out};
    for_each_line(
        e, [&](int64_t r, auto at) { y.set(r, reduce_line(op, e.n, [&](int64_t i) { return x[at(i)]; })); });
}

void arg_reduce(bool largest, const void* src, DType t, int64_t* index, void* value, Extent e) {
    Values x{src, t};
    MutableValues y{value, t};
    for_each_line(e, [&](int64_t r, auto at) {
        int64_t best = 0;
        for (int64_t i = 1; i < e.n; ++i) {
            Number now = x[at(i)], before = x[at(best)];
            if (std::isnan(before)) break;
            if (std::isnan(now) || (largest ? now > before : now < before)) best = i;
        }
        index[r] = best;
        if (y) y.set(r, x[at(best)]);
    });
}

void norm(const void* src, DType t, void* dst, Extent e, double p) {
    Values x{src, t};
    MutableValues y{dst, t};
    for_each_line(e, [&](int64_t r, auto at) {
        Number sum = 0, high = 0, low = std::numeric_limits<Number>::infinity();
        for (int64_t i = 0; i < e.n; ++i) {
            Number a = std::abs(x[at(i)]);
            high = std::isnan(high) || a < high ? high : a;
            low = std::isnan(low) || a > low ? low : a;
            sum += p == 0 ? Number(a != 0) : std::isinf(p) ? 0 : std::pow(a, Number(p));
        }
        y.set(r, std::isinf(p) ? (p > 0 ? high : low) : p == 0 ? sum : std::pow(sum, 1 / Number(p)));
    });
}

void var(const void* src, DType t, void* dst, void* mean, Extent e, double correction, bool take_root) {
    Values x{src, t};
    MutableValues y{dst, t}, m{mean, t};
    for_each_line(e, [&](int64_t r, auto at) {
        Number sum = 0, distances = 0;
        for (int64_t i = 0; i < e.n; ++i) sum += x[at(i)];
        Number center = sum / Number(e.n);
        for (int64_t i = 0; i < e.n; ++i) distances += (x[at(i)] - center) * (x[at(i)] - center);
        Number v = e.n == 0 ? std::numeric_limits<Number>::quiet_NaN()
                            : distances / std::max<Number>(0, Number(e.n) - correction);
        y.set(r, take_root ? std::sqrt(v) : v);
        if (m) m.set(r, center);
    });
}

void logsumexp(const void* src, DType t, void* dst, Extent e) {
    Values x{src, t};
    MutableValues y{dst, t};
    for_each_line(e, [&](int64_t r, auto at) {
        Number top = -std::numeric_limits<Number>::infinity(), sum = 0;
        for (int64_t i = 0; i < e.n; ++i) top = std::isnan(top) || x[at(i)] < top ? top : x[at(i)];
        if (std::isinf(top)) top = 0;
        for (int64_t i = 0; i < e.n; ++i) sum += std::exp(x[at(i)] - top);
        y.set(r, std::log(sum) + top);
    });
}

void kthvalue(const void* src, DType t, void* value, int64_t* index, Extent e, int64_t k) {
    Values x{src, t};
    MutableValues y{value, t};
    for_each_line(e, [&](int64_t r, auto at) {
        std::vector<int64_t> order(size_t(e.n));
        for (int64_t i = 0; i < e.n; ++i) order[size_t(i)] = i;
        std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
            Number p = x[at(a)], q = x[at(b)];
            return !std::isnan(p) && (std::isnan(q) || p < q);
        });
        index[r] = order[size_t(k - 1)];
        y.set(r, x[at(index[r])]);
    });
}

namespace {

void scan(bool product, const void* src, DType in, void* dst, DType out, Extent e) {
    Values x{src, in};
    MutableValues y{dst, out};
    for_each_line(e, [&](int64_t, auto at) {
        Number total = product;
        for (int64_t i = 0; i < e.n; ++i) {
            total = product ? total * x[at(i)] : total + x[at(i)];
            y.set(at(i), total);
        }
    });
}

void running_extremum(bool largest, const void* src, DType t, void* values, int64_t* indices, Extent e) {
    Values x{src, t};
    MutableValues y{values, t};
    for_each_line(e, [&](int64_t, auto at) {
        int64_t best = 0;
        for (int64_t i = 0; i < e.n; ++i) {
            Number now = x[at(i)], before = x[at(best)];
            if (std::isnan(now) || (!std::isnan(before) && (largest ? now >= before : now <= before)))
                best = i;
            y.set(at(i), x[at(best)]);
            indices[at(i)] = best;
        }
    });
}

}  // namespace

void cumsum(const void* src, DType in, void* dst, DType out, Extent e) { scan(false, src, in, dst, out, e); }
void cumprod(const void* src, DType in, void* dst, DType out, Extent e) { scan(true, src, in, dst, out, e); }
void cummax(const void* src, DType t, void* values, int64_t* indices, Extent e) {
    running_extremum(true, src, t, values, indices, e);
}
void cummin(const void* src, DType t, void* values, int64_t* indices, Extent e) {
    running_extremum(false, src, t, values, indices, e);
}

void logcumsumexp(const void* src, DType t, void* dst, Extent e) {
    Values x{src, t};
    MutableValues y{dst, t};
    for_each_line(e, [&](int64_t, auto at) {
        Number top = -std::numeric_limits<Number>::infinity(), sum = 0;         // the sum is of exp(x - top)
        for (int64_t i = 0; i < e.n; ++i) {
            Number now = x[at(i)];
            if (now > top) {
                sum = sum * std::exp(top - now) + 1;
                top = now;
            } else if (!std::isinf(now)) {
                sum += std::exp(now - top);
            }
            y.set(at(i), std::isinf(top) ? top : top + std::log(sum));
        }
    });
}

}  // namespace rushlight::reference
