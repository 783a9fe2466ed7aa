// Sorts, top-k, distinct values and searches against the standard library's stable sort.
#include <limits>

#include "kernels/generic/sort.h"
#include "kernels/reference/order.h"
#include "tests/native/kernel_check.h"

using namespace rushlight;
using kernels::Extent;

namespace {

const Extent geometries[] = {{1, 1, 1},    {1, 2, 1},     {3, 31, 1}, {2, 79, 1},  {2, 80, 1},   {5, 300, 1},
                             {1, 5000, 1}, {2, 70000, 1}, {2, 17, 5}, {1, 200, 3}, {1, 70000, 2}};

// Values that repeat, both zeros, infinities and NaN.
Array awkward(DType t, int64_t n) {
    Array x = random_array(t, n);
    if (!is_floating(t)) return x;
    double special[] = {0.0, -0.0, INFINITY, -INFINITY, NAN, 1.0};
    for (int64_t i = 0; i < n / 4; ++i) x.set(random_in(0, n - 1), special[random_in(0, 5)]);
    return x;
}

// Values are compared bit by bit as far as the sort keeps them: the sign of each zero included.
bool same_values(const Array& got, const Array& wanted) {
    bool fine = close(got, wanted, 1, 0, "values");
    for (int64_t i = 0; i < wanted.size(); ++i)
        fine &= std::isnan(wanted[i]) || std::signbit(got[i]) == std::signbit(wanted[i]);
    return fine;
}

struct Workspace {
    std::vector<unsigned char> bytes;
    explicit Workspace(size_t n) : bytes(n + 64) {}
    void* get() {
        return reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(bytes.data()) + 63) / 64 * 64);
    }
};

void check_sort(DType t, Extent e) {
    int64_t n = e.outer * e.n * e.inner;
    Array x = awkward(t, n), got(t, n), wanted(t, n);
    std::vector<int64_t> at(size_t(n), -7), wanted_at(size_t(n), -1);
    Workspace w(kernels::sort_workspace(t, e));
    for (bool descending : {false, true}) {
        kernels::sort(x.data(), t, got.data(), at.data(), e, descending, w.get());
        reference::sort(x.data(), t, wanted.data(), wanted_at.data(), e, descending);
        CHECK(same_values(got, wanted));
        CHECK(same(at, wanted_at, "sort"));
        std::fill(at.begin(), at.end(), -7);
        kernels::sort(x.data(), t, nullptr, at.data(), e, descending, w.get());
        CHECK(same(at, wanted_at, "argsort"));
        Array in_place = x;
        kernels::sort(in_place.data(), t, in_place.data(), nullptr, e, descending, w.get());
        CHECK(close(in_place, wanted, 1, 0, "sort in place"));
    }
}

void check_topk(DType t, Extent e) {
    Array x = awkward(t, e.outer * e.n * e.inner);
    for (int64_t k : {int64_t(0), int64_t(1), e.n / 3, e.n}) {
        int64_t n = e.outer * k * e.inner;
        Array got(t, n), wanted(t, n);
        std::vector<int64_t> at(size_t(n), -7), wanted_at(size_t(n), -1);
        Workspace w(kernels::topk_workspace(t, e, k));
        for (bool largest : {false, true}) {
            kernels::topk(x.data(), t, got.data(), at.data(), e, k, largest, w.get());
            reference::topk(x.data(), t, wanted.data(), wanted_at.data(), e, k, largest);
            CHECK(same_values(got, wanted));
            CHECK(same(at, wanted_at, "topk"));
        }
    }
}

void check_unique(DType t, int64_t n) {
    Array x = awkward(t, n), got(t, n), wanted(t, n);
    std::vector<int64_t> inverse(size_t(n), -7), wanted_inverse(size_t(n), 0), counts(size_t(n), -7),
        wanted_counts(size_t(n), 0);
    Workspace w(kernels::unique_workspace(t, n));
    int64_t found = kernels::unique(x.data(), t, n, got.data(), inverse.data(), counts.data(), w.get());
    CHECK(found ==
          reference::unique(x.data(), t, n, wanted.data(), wanted_inverse.data(), wanted_counts.data()));
    counts.resize(size_t(found));
    wanted_counts.resize(size_t(found));
    CHECK(same(inverse, wanted_inverse, "unique") && same(counts, wanted_counts, "unique counts"));
    for (int64_t i = 0; i < found; ++i)
        CHECK(got[i] == wanted[i] || (std::isnan(got[i]) && std::isnan(wanted[i])));

    // Runs of the sorted array are its distinct values; rows of width 1 are values.
    Array sorted(t, n), again(t, n);
    Workspace sorter(kernels::sort_workspace(t, {1, n, 1}));
    kernels::sort(x.data(), t, sorted.data(), nullptr, {1, n, 1}, false, sorter.get());
    std::vector<int64_t> run_counts(size_t(n), -7), first(size_t(n), -7), row_inverse(size_t(n), -7),
        row_counts(size_t(n), -7);
    CHECK(kernels::unique_consecutive(sorted.data(), t, n, again.data(), nullptr, run_counts.data()) ==
          found);
    run_counts.resize(size_t(found));
    CHECK(same(run_counts, wanted_counts, "unique_consecutive"));
    CHECK(kernels::unique_rows(x.data(), t, n, 1, false, first.data(), row_inverse.data(),
                               row_counts.data()) == found);
    CHECK(same(row_inverse, wanted_inverse, "unique_rows"));
}

void check_search(DType t, int64_t rows, int64_t n, int64_t m, bool one_row) {
    Array x = awkward(t, rows * n), sorted(t, rows * n), values = awkward(t, rows * m);
    std::vector<int64_t> order(size_t(rows * n), 0), got(size_t(rows * m), -7), wanted(size_t(rows * m), 0);
    reference::sort(x.data(), t, sorted.data(), order.data(), {rows, n, 1}, false);
    for (bool right : {false, true}) {
        kernels::searchsorted(sorted.data(), values.data(), t, got.data(), rows, n, m, one_row, right,
                              nullptr);
        reference::searchsorted(sorted.data(), values.data(), t, wanted.data(), rows, n, m, one_row, right);
        CHECK(same(got, wanted, "searchsorted"));
        kernels::searchsorted(x.data(), values.data(), t, got.data(), rows, n, m, one_row, right,
                              order.data());
        CHECK(same(got, wanted, "searchsorted with a sorter"));
    }
}

void counting() {
    int64_t values[] = {3, 0, 3, 5, 1, 3}, counts[7];
    double weights[] = {0.5, 1, 2, 4, 8, 16}, sums[7];
    kernels::bincount(values, DType::int64, 6, nullptr, DType::float64, counts, 7);
    int64_t wanted[] = {1, 1, 0, 3, 0, 1, 0};
    CHECK(std::equal(counts, counts + 7, wanted));
    kernels::bincount(values, DType::int64, 6, weights, DType::float64, sums, 7);
    CHECK(sums[3] == 18.5 && sums[5] == 4 && sums[0] == 1 && sums[6] == 0);
    auto range = kernels::integer_range(values, DType::int64, 6);
    CHECK(range.low == 0 && range.high == 5);
    float x[] = {0, 0.5f, 1, 1.5f, 2, -1, 3, NAN}, cells[2];
    kernels::histc(x, DType::float32, 8, cells, 2, 0, 2);
    CHECK(cells[0] == 2 && cells[1] == 3);
}

void body() {
    for (DType t : real_dtypes) {
        for (Extent e : geometries) {
            if (e.n > 10000 && t != DType::float32 && t != DType::int64) continue;
            check_sort(t, e);
            check_topk(t, e);
        }
        for (int64_t n : {0, 1, 5, 100, 3000}) check_unique(t, n);
        check_search(t, 3, 40, 11, false);
        check_search(t, 2, 1, 7, true);
    }
    set_num_threads(3);
    check_sort(DType::float32, {1, 200000, 1});
    check_sort(DType::float64, {1, 200000, 1});
    counting();
}

}  // namespace

int main() { return run_per_isa(body); }
