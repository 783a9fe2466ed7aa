// Softmax and the losses over classes against the reference.
#include <limits>

#include "kernels/generic/softmax.h"
#include "kernels/reference/softmax.h"
#include "tests/native/kernel_check.h"

using namespace rushlight;
using kernels::ClassLoss;
using kernels::Extent;
using kernels::LossReduction;

namespace {

const Extent geometries[] = {{1, 1, 1},    {5, 3, 1},   {40, 10, 1},  {7, 16, 1},   {6, 17, 1},
                             {9, 33, 1},   {4, 100, 1}, {3, 1000, 1}, {2, 9001, 1}, {3, 5, 7},
                             {2, 21, 300}, {1, 10, 64}, {2, 130, 33}};

void check_softmax(DType t, Extent e) {
    int64_t n = e.outer * e.n * e.inner;
    Array x = random_array(t, n, 4), g = random_array(t, n), got(t, n), wanted(t, n), back(t, n),
          wanted_back(t, n);
    for (bool log : {false, true}) {
        kernels::softmax(x.data(), t, got.data(), e, log);
        reference::softmax(x.data(), t, wanted.data(), e, log);
        CHECK(close(got, wanted, log ? 1 : 0.01, 2, "softmax"));
        kernels::softmax_backward(g.data(), wanted.data(), t, back.data(), e, log);
        reference::softmax_backward(g.data(), wanted.data(), t, wanted_back.data(), e, log);
        CHECK(close(back, wanted_back, log ? std::sqrt(double(e.n)) : 1, 2, "softmax_backward"));
        Array in_place = x;
        kernels::softmax(in_place.data(), t, in_place.data(), e, log);
        CHECK(close(in_place, got, 1, 0, "softmax in place"));
    }
}

void check_loss(DType t, Extent e, LossReduction reduction, double smoothing, bool weighted, bool ignoring) {
    int64_t n = e.outer * e.n * e.inner, entries = e.outer * e.inner;
    Array x = random_array(t, n, 3), weight = random_array(t, e.n);
    for (int64_t c = 0; c < e.n; ++c) weight.set(c, std::abs(weight[c]) + 0.1);
    std::vector<int64_t> target(static_cast<size_t>(entries));
    for (auto& c : target) c = ignoring && random_in(0, 3) == 0 ? -100 : random_in(0, e.n - 1);
    target[0] = 0;
    ClassLoss s{e.outer, e.n, e.inner, target.data()};
    s.weight = weighted ? weight.data() : nullptr;
    s.label_smoothing = smoothing;
    s.reduction = reduction;
    CHECK(!kernels::check_targets(s));
    int64_t losses = reduction == LossReduction::none ? entries : 1;
    DType stat = t == DType::float64 ? t : DType::float32;
    Array got(t, losses), wanted(t, losses), lse(stat, entries), total(stat, 1), g = random_array(t, losses);
    double scale = reduction == LossReduction::sum ? double(entries) : 1,
           slack = t == DType::float16 || t == DType::bfloat16 ? 2 : 4;
    kernels::cross_entropy(x.data(), t, s, got.data(), lse.data(), total.data());
    reference::cross_entropy(x.data(), t, s, wanted.data());
    if (t == DType::float16 && scale > 1000) return;
    CHECK(close(got, wanted, scale, slack, "cross_entropy"));
    Array back(t, n), wanted_back(t, n);
    kernels::cross_entropy_backward(g.data(), x.data(), t, s, lse.data(), total.data(), back.data());
    reference::cross_entropy_backward(g.data(), x.data(), t, s, wanted_back.data());
    CHECK(close(back, wanted_back, 1, slack, "cross_entropy_backward"));
    if (smoothing != 0) return;

    Array logs(t, n);
    reference::softmax(x.data(), t, logs.data(), e, true);
    kernels::nll_loss(logs.data(), t, s, got.data(), total.data());
    CHECK(close(got, wanted, scale, slack, "nll_loss"));
    // Chained with log_softmax's derivative, nll_loss's gives cross_entropy's.
    Array nll_back(t, n), chained(t, n);
    kernels::nll_loss_backward(g.data(), t, s, total.data(), nll_back.data());
    reference::softmax_backward(nll_back.data(), logs.data(), t, chained.data(), e, true);
    CHECK(close(chained, wanted_back, 1, 2 * slack, "nll_loss_backward"));
}

void extremes() {
    float x[4] = {1000, -1000, 0, 999}, y[4];
    kernels::softmax(x, DType::float32, y, {1, 4, 1}, false);
    CHECK(std::abs(y[0] - 0.7310586f) < 1e-6 && y[1] == 0 && std::abs(y[3] - 0.2689414f) < 1e-6);
    float low[40], out[40];
    for (int i = 0; i < 40; ++i) low[i] = i < 20 ? -INFINITY : 1.0f;
    kernels::softmax(low, DType::float32, out, {1, 40, 1}, false);
    CHECK(out[0] == 0 && std::abs(out[39] - 0.05f) < 1e-6);
    std::fill(low, low + 40, -INFINITY);
    kernels::softmax(low, DType::float32, out, {1, 40, 1}, false);
    CHECK(std::isnan(out[0]));
    int64_t targets[] = {0, 3, -100, 4, -1};
    auto fault = kernels::check_targets({5, 4, 1, targets});
    CHECK(fault && fault.position == 3 && fault.value == 4);
}

void threads_change_nothing() {
    Extent e{3000, 30, 1};
    Array x = random_array(DType::float32, 90000), lse(DType::float32, 3000), one(DType::float32, 1),
          three(DType::float32, 1), total(DType::float32, 1);
    std::vector<int64_t> target(3000, 7);
    ClassLoss s{e.outer, e.n, 1, target.data()};
    set_num_threads(1);
    kernels::cross_entropy(x.data(), DType::float32, s, one.data(), lse.data(), total.data());
    set_num_threads(3);
    kernels::cross_entropy(x.data(), DType::float32, s, three.data(), lse.data(), total.data());
    CHECK(one.same_bytes(three));
}

void body() {
    for (DType t : floating_dtypes)
        for (Extent e : geometries) {
            check_softmax(t, e);
            if (e.n < 2) continue;
            for (LossReduction r : {LossReduction::none, LossReduction::mean, LossReduction::sum})
                for (int which = 0; which < 4; ++which)
                    check_loss(t, e, r, which >= 2 ? 0.1 : 0, which % 2, which % 2);
        }
    extremes();
    threads_change_nothing();
}

}  // namespace

int main() { return run_per_isa(body); }
