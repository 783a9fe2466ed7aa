#include "kernels/reference/order.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/reference/values.h"

namespace rushlight::reference {

using kernels::Extent;

namespace {

// a before b; NaN stand last.
bool below(Number a, Number b) { return !std::isnan(a) && (std::isnan(b) || a < b); }

std::vector<int64_t> order_of(int64_t n, bool descending, auto value) {
    std::vector<int64_t> order(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) order[size_t(i)] = i;
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
        return descending ? below(value(b), value(a)) : below(value(a), value(b));
    });
    return order;
}

}  // namespace

void topk(const void* src, DType t, void* values, int64_t* indices, Extent e, int64_t k, bool largest) {
    Values x{src, t};
    MutableValues y{values, t};
    for (int64_t o = 0; o < e.outer; ++o)
        for (int64_t c = 0; c < e.inner; ++c) {
            auto value = [&](int64_t i) { return x[(o * e.n + i) * e.inner + c]; };
            auto order = order_of(e.n, largest, value);
            for (int64_t j = 0; j < k; ++j) {
                int64_t at = (o * k + j) * e.inner + c;
                if (y) y.set(at, value(order[size_t(j)]));
                if (indices) indices[at] = order[size_t(j)];
            }
        }
}

void sort(const void* src, DType t, void* values, int64_t* indices, Extent e, bool descending) {
    topk(src, t, values, indices, e, e.n, descending);
}

int64_t unique(const void* src, DType t, int64_t n, void* values, int64_t* inverse, int64_t* counts) {
    Values x{src, t};
    MutableValues y{values, t};
    auto order = order_of(n, false, [&](int64_t i) { return x[i]; });
    int64_t found = 0;
    for (size_t j = 0; j < order.size(); ++j) {
        Number now = x[order[j]];
        if (j == 0 || now != x[order[j - 1]]) {
            y.set(found, now);
            counts[found++] = 0;
        }
        inverse[order[j]] = found - 1;
        ++counts[found - 1];
    }
    return found;
}

void searchsorted(const void* sorted, const void* values, DType t, int64_t* dst, int64_t rows, int64_t n,
                  int64_t m, bool one_row, bool right) {
    Values s{sorted, t}, v{values, t};
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t j = 0; j < m; ++j) {
            Number x = v[r * m + j];
            int64_t count = 0;
            for (int64_t i = 0; i < n; ++i) {
                Number y = s[(one_row ? 0 : r * n) + i];
                count += right ? !below(x, y) : below(y, x);
            }
            dst[r * m + j] = std::isnan(x) ? n : count;
        }
}

}  // namespace rushlight::reference
