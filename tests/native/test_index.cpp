// Reading and writing by index against the reference, and the refusal of bad indices.
#include <limits>

#include "kernels/generic/index.h"
#include "kernels/reference/index.h"
#include "tests/native/kernel_check.h"

using namespace rushlight;
using kernels::AlongDim;
using kernels::Combine;
using kernels::Extent;

namespace {

std::vector<int64_t> random_indices(int64_t count, int64_t low, int64_t high) {
    std::vector<int64_t> v(static_cast<size_t>(count));
    for (auto& i : v) i = random_in(low, high);
    return v;
}

std::vector<int64_t> contiguous(const std::vector<int64_t>& sizes) {
    std::vector<int64_t> strides(sizes.size());
    int64_t step = 1;
    for (size_t d = sizes.size(); d-- > 0; step *= sizes[d]) strides[d] = step;
    return strides;
}
int64_t product(const std::vector<int64_t>& v) {
    int64_t n = 1;
    for (int64_t x : v) n *= x;
    return n;
}

void check_along(DType t, std::vector<int64_t> sizes, int dim, int64_t dim_size, bool expanded) {
    std::vector<int64_t> data_sizes = sizes;
    data_sizes[size_t(dim)] = dim_size;
    auto data_strides = contiguous(data_sizes), index_strides = contiguous(sizes),
         other_strides = index_strides;
    int64_t n = product(sizes);
    if (expanded) index_strides.back() = 0;
    auto index = random_indices(n, 0, dim_size - 1);
    AlongDim a{int(sizes.size()),   dim, dim_size, sizes.data(), data_strides.data(), index_strides.data(),
               other_strides.data()};
    Array data = random_array(t, product(data_sizes)), got(t, n), wanted(t, n);
    CHECK(!kernels::gather(data.data(), t, index.data(), got.data(), a));
    reference::gather(data.data(), t, index.data(), wanted.data(), a);
    CHECK(close(got, wanted, 1, 0, "gather"));
    for (Combine c : {Combine::set, Combine::add, Combine::prod, Combine::amax, Combine::amin}) {
        if (c == Combine::prod && !is_floating(t)) continue;                   // long double does not wrap
        if (c == Combine::add && t != DType::boolean && size_of(t) == 1) continue;
        Array source = random_array(t, n, 0.7), mine = data, theirs = data;
        if (is_floating(t) && n > 5) source.set(3, std::numeric_limits<double>::quiet_NaN());
        CHECK(!kernels::scatter(mine.data(), t, index.data(), source.data(), a, c));
        reference::scatter(theirs.data(), t, index.data(), source.data(), a, c);
        CHECK(close(mine, theirs, 4, 4, "scatter"));
    }
    Array value = random_array(t, 1), same_value(t, n), mine = data, theirs = data;
    for (int64_t i = 0; i < n; ++i) same_value.set(i, value[0]);
    CHECK(!kernels::scatter_value(mine.data(), t, index.data(), value.data(), a, Combine::set));
    reference::scatter(theirs.data(), t, index.data(), same_value.data(), a, Combine::set);
    CHECK(close(mine, theirs, 1, 0, "scatter_value"));
}

void check_one_dim(DType t, Extent e, int64_t count) {
    auto index = random_indices(count, -e.n, e.n - 1);
    Array data = random_array(t, e.outer * e.n * e.inner),
          source = random_array(t, e.outer * count * e.inner), got = source, wanted = source;
    CHECK(!kernels::index_select(data.data(), t, index.data(), count, got.data(), e, true));
    reference::index_select(data.data(), t, index.data(), count, wanted.data(), e);
    CHECK(close(got, wanted, 1, 0, "index_select"));
    Array mine = data, theirs = data;
    CHECK(!kernels::index_copy(mine.data(), t, index.data(), count, source.data(), e, true));
    reference::index_copy(theirs.data(), t, index.data(), count, source.data(), e);
    CHECK(close(mine, theirs, 1, 0, "index_copy"));
    if (size_of(t) == 1 && t != DType::boolean) return;
    mine = theirs = data;
    double alpha = t == DType::boolean ? 1 : is_floating(t) ? 0.5 : 2;
    CHECK(!kernels::index_add(mine.data(), t, index.data(), count, source.data(), alpha, e, true));
    reference::index_add(theirs.data(), t, index.data(), count, source.data(), alpha, e);
    CHECK(close(mine, theirs, 4, 8, "index_add"));
    Array value = random_array(t, 1), many(t, source.size());
    for (int64_t i = 0; i < many.size(); ++i) many.set(i, value[0]);
    mine = theirs = data;
    CHECK(!kernels::index_fill(mine.data(), t, index.data(), count, value.data(), e, true));
    reference::index_copy(theirs.data(), t, index.data(), count, many.data(), e);
    CHECK(close(mine, theirs, 1, 0, "index_fill"));
}

void check_embedding(DType t, int64_t rows, int64_t width, int64_t count) {
    auto index = random_indices(count, 0, rows - 1);
    Array g = random_array(t, count * width), got(t, rows * width), wanted(t, rows * width);
    for (bool scaled : {false, true})
        for (int64_t padding : {int64_t(-1), rows / 2}) {
            CHECK(!kernels::embedding_backward(g.data(), t, index.data(), count, got.data(), rows, width,
                                               padding, scaled));
            reference::embedding_backward(g.data(), t, index.data(), count, wanted.data(), rows, width,
                                          padding, scaled);
            CHECK(close(got, wanted, 4, 4, "embedding_backward"));
        }
}

void check_masks(DType t, int64_t n) {
    Array x = random_array(t, n), mask = random_array(DType::boolean, n), out(t, n);
    int64_t count = 0;
    for (int64_t i = 0; i < n; ++i) count += mask[i] != 0;
    CHECK(kernels::count_true(mask.data(), n) == count);
    kernels::masked_select(x.data(), t, mask.data(), n, out.data());
    int64_t at = 0;
    bool good = true;
    for (int64_t i = 0; i < n; ++i)
        if (mask[i] != 0) good &= out[at++] == x[i];
    CHECK(good);
    Array again(t, n);
    for (int64_t i = 0; i < n; ++i) again.set(i, 1);
    kernels::masked_scatter(again.data(), t, mask.data(), n, out.data());
    for (int64_t i = 0; i < n; ++i) good &= again[i] == (mask[i] != 0 ? x[i] : 1);
    CHECK(good);
}

void check_nonzero(DType t, std::vector<int64_t> sizes) {
    int64_t n = product(sizes), rank = int64_t(sizes.size());
    Array x = random_array(t, n);
    for (int64_t i = 0; i < n; ++i)
        if (random_in(0, 2)) x.set(i, 0);
    int64_t count = kernels::count_nonzeros(x.data(), t, n);
    std::vector<int64_t> got(size_t(count * rank + 1), -7), wanted;
    kernels::nonzero(x.data(), t, sizes.data(), int(rank), got.data());
    auto strides = contiguous(sizes);
    for (int64_t i = 0; i < n; ++i)
        if (x[i] != 0)
            for (size_t d = 0; d < sizes.size(); ++d) wanted.push_back(i / strides[d] % sizes[d]);
    CHECK(int64_t(wanted.size()) == count * rank && same(got, wanted, "nonzero") && got.back() == -7);
}

// x[:, i, j, :] of a transposed array.
void check_lists(DType t) {
    int64_t outer[] = {5}, outer_strides[] = {1}, inner[] = {3, 4},
            inner_strides[] = {1260, 5};  // [3, 9, 7, 4, 5] in memory
    int64_t sizes[] = {9, 7}, strides[] = {140, 20};
    inner_strides[0] = 9 * 7 * 4 * 5;
    constexpr int64_t points = 13;
    auto i = random_indices(points, -9, 8), j = random_indices(points, -7, 6);
    const int64_t* index[] = {i.data(), j.data()};
    kernels::IndexList list{2, index, sizes,         strides, points,       1,
                            2, outer, outer_strides, inner,   inner_strides};
    int64_t n = 5 * points * 12, offsets[points];
    Array data = random_array(t, 3 * 9 * 7 * 4 * 5), got(t, n), values = random_array(t, n);
    CHECK(!kernels::index_get(data.data(), t, got.data(), list, offsets));
    Array put = data, added = data, put_wanted = data, added_wanted = data;
    CHECK(!kernels::index_put(put.data(), t, values.data(), false, list, false, offsets));
    CHECK(!kernels::index_put(added.data(), t, values.data(), false, list, true, offsets));
    bool good = true;
    for (int64_t a = 0; a < 5; ++a)
        for (int64_t p = 0; p < points; ++p)
            for (int64_t b = 0; b < 3; ++b)
                for (int64_t c = 0; c < 4; ++c) {
                    int64_t at = a + b * inner_strides[0] + c * 5 + (i[p] + (i[p] < 0) * 9) * 140 +
                                 (j[p] + (j[p] < 0) * 7) * 20;
                    int64_t flat = ((a * points + p) * 3 + b) * 4 + c;
                    good &= got[flat] == data[at];
                    put_wanted.set(at, values[flat]);
                    added_wanted.set(at, added_wanted[at] + values[flat]);
                }
    CHECK(good);
    CHECK(close(put, put_wanted, 1, 0, "index_put"));
    if (size_of(t) > 1 || t == DType::boolean)
        CHECK(close(added, added_wanted, 1, 4, "index_put accumulating"));
    Array one = random_array(t, 1), filled = data;
    CHECK(!kernels::index_put(filled.data(), t, one.data(), true, list, false, offsets));
    CHECK(!kernels::index_get(filled.data(), t, got.data(), list, offsets));
    for (int64_t k = 0; k < n; ++k) good &= got[k] == one[0];
    CHECK(good);
    j[4] = 7;
    auto fault = kernels::index_put(filled.data(), t, one.data(), true, list, false, offsets);
    CHECK(fault && fault.which == 1 && fault.position == 4 && fault.value == 7);
}

void bad_indices_write_nothing() {
    std::vector<int64_t> index(1000, 3);
    index[700] = 5;
    index[900] = -1;
    auto fault = kernels::check_indices(index.data(), 1000, 0, 5);
    CHECK(fault && fault.position == 700 && fault.value == 5);
    CHECK(!kernels::check_indices(index.data(), 1000, -1, 6));
    Array data = random_array(DType::float32, 5), before = data, source = random_array(DType::float32, 1000);
    CHECK(kernels::index_copy(data.data(), DType::float32, index.data(), 1000, source.data(), {1, 5, 1}, true)
              .position == 700);
    CHECK(kernels::put(data.data(), DType::float32, 5, index.data(), 1000, source.data(), true).value == 5);
    int64_t sizes[] = {1000}, strides[] = {1};
    AlongDim a{1, 0, 5, sizes, strides, strides, strides};
    CHECK(kernels::scatter(data.data(), DType::float32, index.data(), source.data(), a, Combine::add)
              .position == 700);
    CHECK(kernels::gather(data.data(), DType::float32, index.data(), source.data(), a).position == 700);
    CHECK(kernels::embedding(data.data(), DType::float32, 5, 1, index.data(), 1000, source.data()).position ==
          700);
    CHECK(data.same_bytes(before));
    int64_t expanded_sizes[] = {1000, 3}, expanded[] = {1, 0}, rows[] = {3, 1}, data_rows[] = {3, 1};
    Array wide = random_array(DType::float32, 15), spread = random_array(DType::float32, 3000);
    AlongDim repeated{2, 0, 5, expanded_sizes, data_rows, expanded, rows};
    CHECK(kernels::scatter(wide.data(), DType::float32, index.data(), spread.data(), repeated, Combine::add)
              .position == 2100);
    index[700] = -6;
    CHECK(kernels::take(data.data(), DType::float32, 5, index.data(), 1000, source.data()).value == -6);
    CHECK(!kernels::check_indices(index.data(), 0, 0, 0) && kernels::check_indices(index.data(), 1, 0, 0));
}

void one_hot() {
    int64_t index[] = {2, 0}, dst[6];
    CHECK(!kernels::one_hot(index, 2, 3, dst));
    int64_t wanted[] = {0, 0, 1, 1, 0, 0};
    CHECK(std::equal(dst, dst + 6, wanted));
    CHECK(kernels::one_hot(index, 2, 2, dst).position == 0);
}

}  // namespace

int main() {
    set_num_threads(3);
    for (DType t : real_dtypes) {
        check_along(t, {40}, 0, 9, false);
        check_along(t, {6, 50}, 1, 7, false);
        check_along(t, {60, 7}, 0, 5, false);
        check_along(t, {60, 7}, 0, 5, true);
        check_along(t, {3, 20, 5, 1}, 1, 30, false);
        check_along(t, {4, 3, 300}, 0, 2, true);
        check_one_dim(t, {1, 10, 1}, 33);
        check_one_dim(t, {3, 5, 7}, 12);
        check_one_dim(t, {2, 4, 500}, 9);
        check_masks(t, 70001);
        check_masks(t, 0);
        check_nonzero(t, {5, 3, 4});
        check_nonzero(t, {70, 1001});
        check_nonzero(t, {});
        check_lists(t);
    }
    for (DType t : floating_dtypes) {
        check_embedding(t, 10, 3, 50);
        check_embedding(t, 300, 64, 20);
        check_embedding(t, 50, 17, 3000);
    }
    bad_indices_write_nothing();
    one_hot();
    return checks_failed();
}
