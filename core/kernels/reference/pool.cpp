#include "kernels/reference/pool.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/reference/values.h"

namespace rushlight::reference {

using kernels::Pool;

namespace {

int64_t product(const int64_t* v) { return v[0] * v[1] * v[2]; }

int64_t place(const Pool& p, const int64_t* sizes, int64_t n, int64_t c, int64_t flat) {
    return p.channels_last ? (n * product(sizes) + flat) * p.channels + c
                           : (n * p.channels + c) * product(sizes) + flat;
}

// The window of output `flat`: f(flat place in the input) for each; gives the divisor of an average.
template <class F>
int64_t for_window(const Pool& p, bool adaptive, int64_t flat, F&& f) {
    int64_t o[3] = {flat / p.out[2] / p.out[1], flat / p.out[2] % p.out[1], flat % p.out[2]};
    std::vector<int64_t> inside[3];
    int64_t padded = 1, valid = 1;
    for (int d = 0; d < 3; ++d) {
        if (adaptive) {
            for (int64_t i = o[d] * p.in[d] / p.out[d]; i * p.out[d] < (o[d] + 1) * p.in[d]; ++i)
                inside[d].push_back(i);
            padded *= int64_t(inside[d].size());
        } else {
            int64_t in_padding = 0;
            for (int64_t k = 0; k < p.kernel[d]; ++k) {
                int64_t i = o[d] * p.stride[d] - p.pad[d] + k * p.dilation[d];
                if (i < p.in[d] + p.pad[d]) ++in_padding;
                if (i >= 0 && i < p.in[d]) inside[d].push_back(i);
            }
            padded *= in_padding;
        }
        valid *= int64_t(inside[d].size());
    }
    for (int64_t a : inside[0])
        for (int64_t b : inside[1])
            for (int64_t c : inside[2]) f((a * p.in[1] + b) * p.in[2] + c);
    if (adaptive) return padded;
    return p.divisor_override ? p.divisor_override : p.count_include_pad ? padded : valid;
}

template <class F>
void for_planes(const Pool& p, F&& f) {
    for (int64_t n = 0; n < p.batch; ++n)
        for (int64_t c = 0; c < p.channels; ++c) f(n, c);
}

}  // namespace

void max_pool(const void* src, DType t, void* dst, int64_t* indices, const Pool& p, bool adaptive) {
    Values x{src, t};
    MutableValues y{dst, t};
    for_planes(p, [&](int64_t n, int64_t c) {
        for (int64_t o = 0; o < product(p.out); ++o) {
            int64_t best = -1;
            Number top = -std::numeric_limits<Number>::infinity();
            for_window(p, adaptive, o, [&](int64_t i) {
                Number v = x[place(p, p.in, n, c, i)];
                if (best >= 0 && !(v > top) && !std::isnan(v)) return;
                best = i;
                top = v;
            });
            y.set(place(p, p.out, n, c, o), top);
            if (indices) indices[place(p, p.out, n, c, o)] = std::max<int64_t>(best, 0);
        }
    });
}

void max_pool_backward(const void* grad, const int64_t* indices, DType t, void* grad_in, const Pool& p) {
    Values g{grad, t};
    MutableValues out{grad_in, t};
    for_planes(p, [&](int64_t n, int64_t c) {
        std::vector<Number> sum(size_t(product(p.in)));
        for (int64_t o = 0; o < product(p.out); ++o) {
            int64_t at = place(p, p.out, n, c, o);
            sum[size_t(indices[at])] += g[at];
        }
        for (int64_t i = 0; i < product(p.in); ++i) out.set(place(p, p.in, n, c, i), sum[size_t(i)]);
    });
}

void avg_pool(const void* src, DType t, void* dst, const Pool& p, bool adaptive) {
    Values x{src, t};
    MutableValues y{dst, t};
    for_planes(p, [&](int64_t n, int64_t c) {
        for (int64_t o = 0; o < product(p.out); ++o) {
            Number sum = 0;
            int64_t divisor =
                for_window(p, adaptive, o, [&](int64_t i) { sum += x[place(p, p.in, n, c, i)]; });
            y.set(place(p, p.out, n, c, o), sum / Number(divisor));
        }
    });
}

void avg_pool_backward(const void* grad, DType t, void* grad_in, const Pool& p, bool adaptive) {
    Values g{grad, t};
    MutableValues out{grad_in, t};
    for_planes(p, [&](int64_t n, int64_t c) {
        std::vector<Number> sum(size_t(product(p.in)));
        for (int64_t o = 0; o < product(p.out); ++o) {
            int64_t divisor = for_window(p, adaptive, o, [](int64_t) {});
            for_window(p, adaptive, o,
                       [&](int64_t i) { sum[size_t(i)] += g[place(p, p.out, n, c, o)] / Number(divisor); });
        }
        for (int64_t i = 0; i < product(p.in); ++i) out.set(place(p, p.in, n, c, i), sum[size_t(i)]);
    });
}

}  // namespace rushlight::reference
