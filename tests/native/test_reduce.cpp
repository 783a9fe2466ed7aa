// Reductions and scans against the reference, in every dtype and geometry, per instruction set.
#include <limits>

#include "kernels/generic/reduce.h"
#include "kernels/generic/scan.h"
#include "kernels/reference/reduce.h"
#include "tests/native/kernel_check.h"

using namespace rushlight;
using kernels::Extent;
using kernels::Reduction;

namespace {

const Extent geometries[] = {{1, 1, 1},     {1, 7, 1},      {3, 16, 1},      {5, 17, 1},   {2, 1000, 1},
                             {1, 70001, 1}, {1, 200003, 1}, {300, 10, 1},    {1, 3, 5},    {4, 33, 7},
                             {2, 100, 64},  {1, 1000, 9},   {1, 40, 2500},   {3, 9, 300},  {1, 5000, 3},
                             {1, 3000, 70}, {2, 4, 4100},   {1, 100000, 11}, {9, 130, 129}};

double magnitude(const Array& x) {
    double top = 1;
    for (int64_t i = 0; i < x.size(); ++i)
        if (std::isfinite(double(x[i]))) top = std::max(top, std::abs(double(x[i])));
    return top;
}

// Factors whose logarithms are small and add up to little.
Array factors(DType t, int64_t n, int64_t length) {
    Array a(t, n);
    for (int64_t i = 0; i < n; ++i)
        a.set(i, is_floating(t) ? std::exp(random_normal() / std::sqrt(double(length))) : random_in(1, 2));
    return a;
}

void put_nan(Array& x) {
    for (int k = 0; k < 3; ++k) x.set(random_in(0, x.size() - 1), std::numeric_limits<double>::quiet_NaN());
}

void check_reductions(DType t, Extent e) {
    int64_t results = e.outer * e.inner;
    for (Reduction op : {Reduction::sum, Reduction::mean, Reduction::prod, Reduction::amax, Reduction::amin,
                         Reduction::all, Reduction::any, Reduction::count_nonzero}) {
        for (DType out : {t, DType::int64, DType::float32, DType::boolean}) {
            if (!kernels::reduce_supports(op, t, out) ||
                (out != t && out == DType::float32 && !is_reduced(t)))
                continue;
            Array x = op == Reduction::prod ? factors(t, results * e.n, e.n) : random_array(t, results * e.n);
            Array got(out, results), wanted(out, results);
            kernels::reduce(op, x.data(), t, got.data(), out, e);
            reference::reduce(op, x.data(), t, wanted.data(), out, e);
            if (op == Reduction::prod && !is_floating(t) && e.n > 60) continue;  // long double does not wrap
            if (op == Reduction::prod && e.n > 5000) continue;  // the roundings of n products
            double scale = op == Reduction::sum ? std::sqrt(double(e.n)) : 1;
            CHECK(close(got, wanted, scale, op == Reduction::prod ? 20 : 1, "reduce"));
        }
    }
}

void check_arg(DType t, Extent e, bool nan) {
    int64_t results = e.outer * e.inner;
    Array x = random_array(t, results * e.n);
    if (nan) put_nan(x);
    for (bool largest : {true, false}) {
        std::vector<int64_t> got(size_t(results), -7), wanted(size_t(results), -1);
        Array value(t, results), wanted_value(t, results);
        kernels::arg_reduce(largest, x.data(), t, got.data(), value.data(), e);
        reference::arg_reduce(largest, x.data(), t, wanted.data(), wanted_value.data(), e);
        CHECK(same(got, wanted, "arg_reduce"));
        CHECK(close(value, wanted_value, 1, 0, "arg_reduce value"));
        Array extreme(t, results);
        kernels::reduce(largest ? Reduction::amax : Reduction::amin, x.data(), t, extreme.data(), t, e);
        CHECK(close(extreme, wanted_value, 1, 0, "amax"));
    }
}

void check_floating(DType t, Extent e) {
    int64_t results = e.outer * e.inner;
    Array x = random_array(t, results * e.n, 3), got(t, results), wanted(t, results), mean(t, results),
          wanted_mean(t, results);
    for (double p : {0.0, 1.0, 2.0, 3.0, 0.5, double(INFINITY), double(-INFINITY)}) {
        kernels::norm(x.data(), t, got.data(), e, p);
        reference::norm(x.data(), t, wanted.data(), e, p);
        CHECK(close(got, wanted, magnitude(x), p == 0.5 ? 20 : 2, "norm"));
    }
    for (double correction : {0.0, 1.0}) {
        kernels::var(x.data(), t, got.data(), mean.data(), e, correction, correction == 1);
        reference::var(x.data(), t, wanted.data(), wanted_mean.data(), e, correction, correction == 1);
        CHECK(close(got, wanted, 1, 4, "var"));
        CHECK(close(mean, wanted_mean, 3, 1, "var's mean"));
    }
    kernels::logsumexp(x.data(), t, got.data(), e);
    reference::logsumexp(x.data(), t, wanted.data(), e);
    CHECK(close(got, wanted, 3, 2, "logsumexp"));
}

// A large common offset must not cost the variance its digits.
void variance_survives_an_offset() {
    for (Extent e : {Extent{4, 5000, 1}, Extent{1, 5000, 30}}) {
        int64_t results = e.outer * e.inner;
        Array x(DType::float32, results * e.n), got(DType::float32, results), wanted(DType::float32, results);
        for (int64_t i = 0; i < x.size(); ++i) x.set(i, 10000 + random_normal());
        kernels::var(x.data(), DType::float32, got.data(), nullptr, e, 1, false);
        reference::var(x.data(), DType::float32, wanted.data(), nullptr, e, 1, false);
        CHECK(close(got, wanted, 1, 2, "variance with an offset"));
    }
}

void check_order_statistics(DType t, Extent e) {
    if (e.n > 5000) return;
    int64_t results = e.outer * e.inner, k = (e.n + 1) / 2;
    Array x = random_array(t, results * e.n), got(t, results), wanted(t, results);
    std::vector<int64_t> at(size_t(results), -7), wanted_at(size_t(results), -1);
    if (is_floating(t) && e.n > 3) put_nan(x);
    kernels::kthvalue(x.data(), t, got.data(), at.data(), e, k);
    reference::kthvalue(x.data(), t, wanted.data(), wanted_at.data(), e, k);
    CHECK(close(got, wanted, 1, 0, "kthvalue") && same(at, wanted_at, "kthvalue"));
    kernels::median(x.data(), t, got.data(), at.data(), e, false);
    for (int64_t r = 0; r < results; ++r) {
        int64_t first_nan = -1;
        for (int64_t i = e.n - 1; i >= 0; --i)
            if (std::isnan(x[(r / e.inner * e.n + i) * e.inner + r % e.inner])) first_nan = i;
        CHECK(at[size_t(r)] == (first_nan >= 0 ? first_nan : wanted_at[size_t(r)]));
    }
}

void check_scans(DType t, Extent e) {
    int64_t n = e.outer * e.n * e.inner;
    DType out = is_floating(t) ? t : DType::int64;
    Array x = random_array(t, n), got(out, n), wanted(out, n);
    kernels::cumsum(x.data(), t, got.data(), out, e);
    reference::cumsum(x.data(), t, wanted.data(), out, e);
    CHECK(close(got, wanted, std::sqrt(double(e.n)), 2, "cumsum"));
    if (is_floating(t) && e.n <= 5000) {
        Array y = factors(t, n, e.n);
        kernels::cumprod(y.data(), t, got.data(), t, e);
        reference::cumprod(y.data(), t, wanted.data(), t, e);
        CHECK(close(got, wanted, 1, 20, "cumprod"));
    }
    if (is_floating(t)) {
        kernels::logcumsumexp(x.data(), t, got.data(), e);
        reference::logcumsumexp(x.data(), t, wanted.data(), e);
        CHECK(close(got, wanted, 1, 2, "logcumsumexp"));
        if (e.n > 3) put_nan(x);
    }
    Array value(t, n), wanted_value(t, n);
    std::vector<int64_t> at(size_t(n), -7), wanted_at(size_t(n), -1);
    kernels::cummax(x.data(), t, value.data(), at.data(), e);
    reference::cummax(x.data(), t, wanted_value.data(), wanted_at.data(), e);
    CHECK(close(value, wanted_value, 1, 0, "cummax") && same(at, wanted_at, "cummax"));
    kernels::cummin(x.data(), t, value.data(), at.data(), e);
    reference::cummin(x.data(), t, wanted_value.data(), wanted_at.data(), e);
    CHECK(close(value, wanted_value, 1, 0, "cummin") && same(at, wanted_at, "cummin"));
}

void results_do_not_depend_on_threads() {
    for (Extent e : geometries) {
        Array x = random_array(DType::float32, e.outer * e.n * e.inner),
              one(DType::float32, e.outer * e.inner), three(DType::float32, e.outer * e.inner);
        for (int what = 0; what < 4; ++what) {
            auto run = [&](Array& y) {
                if (what == 0)
                    kernels::reduce(Reduction::sum, x.data(), DType::float32, y.data(), DType::float32, e);
                if (what == 1) kernels::var(x.data(), DType::float32, y.data(), nullptr, e, 1, false);
                if (what == 2) kernels::norm(x.data(), DType::float32, y.data(), e, 3);
                if (what == 3) kernels::logsumexp(x.data(), DType::float32, y.data(), e);
            };
            set_num_threads(1);
            run(one);
            set_num_threads(3);
            run(three);
            CHECK(one.same_bytes(three));
        }
    }
}

void empty_dimensions() {
    Extent e{2, 0, 3};
    Array x(DType::float32, 0), y(DType::float32, 6), b(DType::boolean, 6);
    kernels::reduce(Reduction::sum, x.data(), DType::float32, y.data(), DType::float32, e);
    CHECK(y[5] == 0);
    kernels::reduce(Reduction::prod, x.data(), DType::float32, y.data(), DType::float32, e);
    CHECK(y[5] == 1);
    kernels::reduce(Reduction::mean, x.data(), DType::float32, y.data(), DType::float32, e);
    CHECK(std::isnan(y[0]));
    kernels::reduce(Reduction::all, x.data(), DType::float32, b.data(), DType::boolean, e);
    CHECK(b[0] == 1);
    kernels::logsumexp(x.data(), DType::float32, y.data(), e);
    CHECK(std::isinf(y[3]) && y[3] < 0);
    kernels::var(x.data(), DType::float32, y.data(), nullptr, e, 1, false);
    CHECK(std::isnan(y[2]));
    kernels::reduce(Reduction::sum, x.data(), DType::float32, y.data(), DType::float32, {0, 5, 1});
    kernels::cumsum(x.data(), DType::float32, y.data(), DType::float32, e);
}

void body() {
    for (Extent e : geometries) {
        for (DType t : real_dtypes) {
            if (e.n * e.inner * e.outer > 60000 && t != DType::float32 && t != DType::int64) continue;
            check_reductions(t, e);
            check_arg(t, e, false);
            check_order_statistics(t, e);
            check_scans(t, e);
        }
        for (DType t : floating_dtypes) {
            check_arg(t, e, true);
            if (e.n * e.inner * e.outer < 60000 || t == DType::float32) check_floating(t, e);
        }
    }
    variance_survives_an_offset();
    results_do_not_depend_on_threads();
    empty_dimensions();
}

}  // namespace

int main() { return run_per_isa(body); }
