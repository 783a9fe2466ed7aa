// Normalisation kernels against the definition.
#include "kernels/generic/norm.h"
#include "kernels/reference/norm.h"
#include "tests/native/kernel_check.h"

using namespace rushlight;
using kernels::ChannelShape;
using reference::Sets;

namespace {

DType stat_of(DType t) { return t == DType::float64 ? t : DType::float32; }

Array from_doubles(const std::vector<double>& v, DType t) {
    Array a(t, int64_t(v.size()));
    for (size_t i = 0; i < v.size(); ++i) a.set(int64_t(i), v[i]);
    return a;
}

Array relu_of(const Array& x) {
    Array y = x;
    for (int64_t i = 0; i < x.size(); ++i)
        if (x[i] < 0) y.set(i, 0);
    return y;
}

// The gradient that passes a relu with this output.
Array masked(const Array& g, const Array& output) {
    Array m = g;
    for (int64_t i = 0; i < g.size(); ++i)
        if (!(output[i] > 0)) m.set(i, 0);
    return m;
}

int64_t channel_of(int64_t i, const void* context) {
    auto* s = static_cast<const ChannelShape*>(context);
    return s->channels_last ? i % s->channels : i / s->inner % s->channels;
}

void check_batch_norm(DType t, ChannelShape shape, bool relu) {
    int64_t c = shape.channels, n = shape.batch * c * shape.inner;
    double slack = t == DType::float64 ? 20 : 4;
    DType stat = stat_of(t);
    Array x = random_array(t, n, 2), g = random_array(t, n), w = random_array(t, c), b = random_array(t, c);
    for (int64_t i = 0; i < n; ++i) x.set(i, x[i] + 0.5);
    Sets sets{n, c, c, channel_of, channel_of, &shape};
    std::vector<double> mean(c, 0.0), rstd(c, 0.0);
    Array wanted(t, n), got(t, n), got_mean(stat, c), got_rstd(stat, c), running_mean = random_array(stat, c),
                                                                         running_var(stat, c);
    for (int64_t k = 0; k < c; ++k) running_var.set(k, 1.5);
    Array old_mean = running_mean;
    reference::normalize(x.data(), t, wanted.data(), sets, w.data(), b.data(), 1e-5, mean.data(),
                         rstd.data());
    if (relu) wanted = relu_of(wanted);
    kernels::batch_norm_training(x.data(), t, got.data(), shape, w.data(), b.data(), t, running_mean.data(),
                                 running_var.data(), 0.1, 1e-5, relu, got_mean.data(), got_rstd.data());
    CHECK(close(got, wanted, 4, slack, "batch_norm_training"));
    CHECK(close(got_mean, from_doubles(mean, stat), 2, 1, "mean") &&
          close(got_rstd, from_doubles(rstd, stat), 1, 2, "invstd"));
    double count = double(shape.batch * shape.inner);
    for (int64_t k = 0; k < c && count > 1; ++k) {
        double variance = (1 / (rstd[size_t(k)] * rstd[size_t(k)]) - 1e-5) * count / (count - 1);
        CHECK(std::abs(running_mean[k] - (0.9 * old_mean[k] + 0.1 * mean[size_t(k)])) < 1e-5);
        CHECK(std::abs(running_var[k] - (1.35 + 0.1 * variance)) < 1e-5 * (1 + variance));
    }

    Array var(stat, c);
    for (int64_t k = 0; k < c; ++k) var.set(k, 1 / (rstd[size_t(k)] * rstd[size_t(k)]) - 1e-5);
    kernels::batch_norm_inference(x.data(), t, got.data(), shape, w.data(), b.data(), t, got_mean.data(),
                                  var.data(), 1e-5, relu);
    CHECK(close(got, wanted, 4, 2 * slack, "batch_norm_inference"));

    for (bool training : {true, false}) {
        Array back(t, n), wanted_back(t, n), gw(t, c), gb(t, c), wanted_gw(t, c), wanted_gb(t, c);
        Array through = relu ? masked(g, wanted) : g;
        reference::normalize_backward(through.data(), x.data(), t, wanted_back.data(), sets, w.data(),
                                      mean.data(), rstd.data(), training, wanted_gw.data(), wanted_gb.data());
        kernels::batch_norm_backward(g.data(), x.data(), relu ? wanted.data() : nullptr, t, back.data(),
                                     shape, w.data(), t, got_mean.data(), got_rstd.data(), training,
                                     gw.data(), gb.data());
        CHECK(close(back, wanted_back, 2, slack, "batch_norm_backward"));
        CHECK(close(gw, wanted_gw, std::sqrt(count) + 1, slack, "grad_weight") &&
              close(gb, wanted_gb, std::sqrt(count) + 1, slack, "grad_bias"));
    }
}

int64_t row_of(int64_t i, const void* context) { return i / *static_cast<const int64_t*>(context); }
int64_t column_of(int64_t i, const void* context) { return i % *static_cast<const int64_t*>(context); }

void check_rows(DType t, int64_t rows, int64_t n, bool centered, bool affine) {
    int64_t size = rows * n;
    double slack = t == DType::float64 ? 20 : 4;
    DType stat = stat_of(t);
    Array x = random_array(t, size, 2), g = random_array(t, size), w = random_array(t, n),
          b = random_array(t, n);
    const void* weight = affine ? w.data() : nullptr;
    const void* bias = affine && centered ? b.data() : nullptr;
    Sets sets{size, rows, n, row_of, column_of, &n, centered};
    std::vector<double> mean(rows, 0.0), rstd(rows, 0.0);
    Array wanted(t, size), got(t, size), got_mean(stat, rows), got_rstd(stat, rows);
    reference::normalize(x.data(), t, wanted.data(), sets, weight, bias, 1e-5, mean.data(), rstd.data());
    if (centered)
        kernels::layer_norm(x.data(), t, got.data(), rows, n, weight, bias, t, 1e-5, got_mean.data(),
                            got_rstd.data());
    else kernels::rms_norm(x.data(), t, got.data(), rows, n, weight, t, 1e-5, got_rstd.data());
    // A row of one value has no spread: its reciprocal deviation is large, and so is what rounding leaves.
    CHECK(close(got, wanted, 4, n == 2 ? 100 * slack : slack, "layer_norm"));
    CHECK(close(got_rstd, from_doubles(rstd, stat), 1, n == 2 ? 100 * slack : slack, "rstd"));
    if (n <= 2) return;
    Array back(t, size), wanted_back(t, size), gw(t, n), gb(t, n), wanted_gw(t, n), wanted_gb(t, n);
    reference::normalize_backward(g.data(), x.data(), t, wanted_back.data(), sets, weight, mean.data(),
                                  rstd.data(), true, wanted_gw.data(), wanted_gb.data());
    if (centered)
        kernels::layer_norm_backward(g.data(), x.data(), t, back.data(), rows, n, weight, t, got_mean.data(),
                                     got_rstd.data(), gw.data(), gb.data());
    else
        kernels::rms_norm_backward(g.data(), x.data(), t, back.data(), rows, n, weight, t, got_rstd.data(),
                                   gw.data());
    CHECK(close(back, wanted_back, 4, 2 * slack, "layer_norm_backward"));
    double scale = std::sqrt(double(rows)) + 1;
    CHECK(close(gw, wanted_gw, scale, slack, "grad_weight") &&
          (!centered || close(gb, wanted_gb, scale, slack, "grad_bias")));
}

struct Groups { int64_t channels, inner, groups; };
int64_t group_of(int64_t i, const void* context) {
    auto* s = static_cast<const Groups*>(context);
    return i / (s->channels / s->groups * s->inner);
}
int64_t weight_of(int64_t i, const void* context) {
    auto* s = static_cast<const Groups*>(context);
    return i / s->inner % s->channels;
}

void check_group_norm(DType t, int64_t batch, Groups s) {
    int64_t n = batch * s.channels * s.inner, count = batch * s.groups;
    double slack = t == DType::float64 ? 20 : 4;
    DType stat = stat_of(t);
    Array x = random_array(t, n, 2), g = random_array(t, n), w = random_array(t, s.channels),
          b = random_array(t, s.channels);
    Sets sets{n, count, s.channels, group_of, weight_of, &s};
    std::vector<double> mean(count, 0.0), rstd(count, 0.0);
    Array wanted(t, n), got(t, n), got_mean(stat, count), got_rstd(stat, count);
    reference::normalize(x.data(), t, wanted.data(), sets, w.data(), b.data(), 1e-5, mean.data(),
                         rstd.data());
    kernels::group_norm(x.data(), t, got.data(), batch, s.channels, s.inner, s.groups, w.data(), b.data(), t,
                        1e-5, got_mean.data(), got_rstd.data());
    CHECK(close(got, wanted, 4, slack, "group_norm"));
    Array back(t, n), wanted_back(t, n), gw(t, s.channels), gb(t, s.channels), wanted_gw(t, s.channels),
        wanted_gb(t, s.channels);
    reference::normalize_backward(g.data(), x.data(), t, wanted_back.data(), sets, w.data(), mean.data(),
                                  rstd.data(), true, wanted_gw.data(), wanted_gb.data());
    kernels::group_norm_backward(g.data(), x.data(), t, back.data(), batch, s.channels, s.inner, s.groups,
                                 w.data(), t, got_mean.data(), got_rstd.data(), gw.data(), gb.data());
    CHECK(close(back, wanted_back, 4, 2 * slack, "group_norm_backward"));
    double scale = std::sqrt(double(batch * s.inner)) + 1;
    CHECK(close(gw, wanted_gw, scale, slack, "grad_weight") &&
          close(gb, wanted_gb, scale, slack, "grad_bias"));
}

void threads_change_nothing() {
    for (bool last : {false, true}) {
        ChannelShape shape{8, 24, 900, last};
        int64_t n = 8 * 24 * 900;
        Array x = random_array(DType::float32, n), y1(DType::float32, n), y3(DType::float32, n),
              m1(DType::float32, 24), m3(DType::float32, 24), r(DType::float32, 24);
        set_num_threads(1);
        kernels::batch_norm_training(x.data(), DType::float32, y1.data(), shape, nullptr, nullptr,
                                     DType::float32, nullptr, nullptr, 0.1, 1e-5, false, m1.data(), r.data());
        set_num_threads(3);
        kernels::batch_norm_training(x.data(), DType::float32, y3.data(), shape, nullptr, nullptr,
                                     DType::float32, nullptr, nullptr, 0.1, 1e-5, false, m3.data(), r.data());
        CHECK(y1.same_bytes(y3) && m1.same_bytes(m3));
    }
}

void body() {
    for (DType t : floating_dtypes) {
        const ChannelShape shapes[] = {{4, 3, 49, false},    {2, 16, 64, false}, {5, 7, 1, false},
                                       {2, 2, 20000, false}, {3, 5, 17, false},  {4, 3, 49, true},
                                       {2, 16, 64, true},    {64, 10, 1, true},  {3, 600, 9, true},
                                       {2, 70, 400, true},   {1, 1, 5000, true}, {2, 64, 1000, true},
                                       {2, 1, 3, false}};
        for (ChannelShape s : shapes)
            for (bool relu : {false, true}) check_batch_norm(t, s, relu);
        for (bool centered : {false, true})
            for (bool affine : {false, true})
                for (auto [rows, n] : {std::pair<int64_t, int64_t>{1, 10},
                                       {7, 2},
                                       {300, 16},
                                       {5, 33},
                                       {200, 128},
                                       {3, 1000},
                                       {2, 5001}})
                    check_rows(t, rows, n, centered, affine);
        check_group_norm(t, 3, {6, 49, 2});
        check_group_norm(t, 2, {8, 64, 8});
        check_group_norm(t, 2, {4, 1, 1});
        check_group_norm(t, 1, {6, 300, 1});
    }
    threads_change_nothing();
}

}  // namespace

int main() { return run_per_isa(body); }
