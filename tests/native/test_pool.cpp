// Pooling against the definition, in both layouts and one to three dimensions.
#include <limits>

#include "kernels/generic/pool.h"
#include "kernels/reference/pool.h"
#include "tests/native/kernel_check.h"

using namespace rushlight;
using kernels::Pool;

namespace {

int64_t product(const int64_t* v) { return v[0] * v[1] * v[2]; }

Pool make(int64_t batch, int64_t channels, std::vector<int64_t> in, std::vector<int64_t> kernel,
          std::vector<int64_t> stride, std::vector<int64_t> pad, std::vector<int64_t> dilation,
          bool ceil_mode) {
    Pool p{};
    p.batch = batch;
    p.channels = channels;
    for (int d = 0; d < 3; ++d) p.in[d] = p.out[d] = p.kernel[d] = p.stride[d] = p.dilation[d] = 1;
    for (size_t i = 0; i < in.size(); ++i) {
        size_t d = 3 - in.size() + i;
        p.in[d] = in[i];
        p.kernel[d] = kernel[i];
        p.stride[d] = stride[i];
        p.pad[d] = pad[i];
        p.dilation[d] = dilation[i];
        p.out[d] = kernels::pooled_size(in[i], kernel[i], stride[i], pad[i], dilation[i], ceil_mode);
    }
    p.count_include_pad = true;
    return p;
}

// Rounded values: ties are where indices go wrong.
Array with_ties(DType t, int64_t n) {
    Array x = random_array(t, n);
    for (int64_t i = 0; i < n; ++i)
        if (is_floating(t) && i % 2) x.set(i, std::round(x[i]));
    return x;
}

void check_max(DType t, Pool p, bool adaptive, bool nan) {
    int64_t planes = p.batch * p.channels, in = planes * product(p.in), out = planes * product(p.out);
    Array x = with_ties(t, in), got(t, out), wanted(t, out), plain(t, out);
    if (nan && is_floating(t)) x.set(random_in(0, in - 1), std::numeric_limits<double>::quiet_NaN());
    std::vector<int64_t> at(size_t(out), -7), wanted_at(size_t(out), -1);
    (adaptive ? kernels::adaptive_max_pool : kernels::max_pool)(x.data(), t, got.data(), at.data(), p);
    (adaptive ? kernels::adaptive_max_pool : kernels::max_pool)(x.data(), t, plain.data(), nullptr, p);
    reference::max_pool(x.data(), t, wanted.data(), wanted_at.data(), p, adaptive);
    CHECK(close(got, wanted, 1, 0, "max_pool") && close(plain, wanted, 1, 0, "max_pool without indices"));
    CHECK(same(at, wanted_at, "max_pool"));
    if (!is_floating(t)) return;
    Array g = random_array(t, out), back(t, in), wanted_back(t, in);
    reference::max_pool_backward(g.data(), wanted_at.data(), t, wanted_back.data(), p);
    Pool unknown = p;
    std::fill(unknown.kernel, unknown.kernel + 3, 0);
    kernels::max_pool_backward(g.data(), wanted_at.data(), t, back.data(), unknown);
    CHECK(close(back, wanted_back, 1, 2, "max_pool_backward without windows"));
    if (adaptive) return;
    kernels::max_pool_backward(g.data(), wanted_at.data(), t, back.data(), p);
    CHECK(close(back, wanted_back, 1, 2, "max_pool_backward"));
}

void check_avg(DType t, Pool p, bool adaptive) {
    int64_t planes = p.batch * p.channels, in = planes * product(p.in), out = planes * product(p.out);
    Array x = random_array(t, in), got(t, out), wanted(t, out), g = random_array(t, out), back(t, in),
          wanted_back(t, in);
    (adaptive ? kernels::adaptive_avg_pool : kernels::avg_pool)(x.data(), t, got.data(), p);
    reference::avg_pool(x.data(), t, wanted.data(), p, adaptive);
    CHECK(close(got, wanted, 1, 2, "avg_pool"));
    (adaptive ? kernels::adaptive_avg_pool_backward : kernels::avg_pool_backward)(g.data(), t, back.data(),
                                                                                  p);
    reference::avg_pool_backward(g.data(), t, wanted_back.data(), p, adaptive);
    CHECK(close(back, wanted_back, 1, 2, "avg_pool_backward"));
}

void check_all(Pool p, bool adaptive) {
    for (bool last : {false, true}) {
        p.channels_last = last;
        for (DType t : floating_dtypes) {
            check_max(t, p, adaptive, false);
            check_max(t, p, adaptive, true);
            bool dilated = p.dilation[0] != 1 || p.dilation[1] != 1 || p.dilation[2] != 1;
            if (dilated && !adaptive) continue;
            check_avg(t, p, adaptive);
            if (adaptive) continue;
            Pool q = p;
            q.count_include_pad = false;
            check_avg(t, q, false);
            q.divisor_override = 5;
            check_avg(t, q, false);
        }
        check_max(DType::int64, p, adaptive, false);
        check_max(DType::uint8, p, adaptive, false);
    }
}

void sizes() {
    CHECK(kernels::pooled_size(7, 3, 2, 0, 1, false) == 3 && kernels::pooled_size(8, 3, 2, 0, 1, true) == 4);
    CHECK(kernels::pooled_size(8, 3, 2, 1, 1, false) == 4 && kernels::pooled_size(5, 2, 2, 1, 1, true) == 3);
    CHECK(kernels::pooled_size(1, 2, 2, 1, 1, true) == 1);        // no window starts in the right padding
    CHECK(kernels::pooled_size(2, 5, 1, 0, 1, false) <= 0);
}

void body() {
    for (bool ceil : {false, true}) {
        check_all(make(2, 3, {17}, {3}, {2}, {1}, {1}, ceil), false);
        check_all(make(2, 3, {8, 8}, {2, 2}, {2, 2}, {0, 0}, {1, 1}, ceil), false);
        check_all(make(1, 20, {11, 40}, {3, 3}, {2, 2}, {1, 1}, {1, 1}, ceil), false);
        check_all(make(2, 35, {9, 7}, {3, 2}, {1, 3}, {1, 0}, {1, 1}, ceil), false);
        check_all(make(1, 4, {12, 19}, {3, 2}, {2, 2}, {1, 1}, {2, 3}, ceil), false);
        check_all(make(1, 5, {5, 6, 7}, {2, 3, 3}, {2, 1, 2}, {1, 1, 1}, {1, 1, 1}, ceil), false);
        check_all(make(1, 2, {2, 40}, {2, 2}, {1, 2}, {1, 1}, {3, 1}, ceil),
                  false);  // windows wholly in the padding
    }
    for (auto [in, out] : {std::pair<int64_t, int64_t>{7, 1}, {7, 3}, {5, 8}, {33, 4}}) {
        Pool p = make(2, 19, {in, in + 1}, {1, 1}, {1, 1}, {0, 0}, {1, 1}, false);
        p.out[1] = out;
        p.out[2] = out + 1;
        check_all(p, true);
    }
    Pool p = make(2, 3, {4, 5, 6}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {1, 1, 1}, false);
    p.out[0] = 2, p.out[1] = 2, p.out[2] = 3;
    check_all(p, true);
    sizes();
}

}  // namespace

int main() { return run_per_isa(body); }
