#include "kernels/reference/index.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "kernels/reference/values.h"

namespace rushlight::reference {

using kernels::AlongDim;
using kernels::Combine;
using kernels::Extent;

namespace {

// f(offset in data without the indexed dimension, offset in index, offset in other) in the index's order.
template <class F>
void for_each_index(const AlongDim& a, F&& f) {
    int64_t n = 1;
    for (int d = 0; d < a.rank; ++d) n *= a.sizes[d];
    for (int64_t i = 0; i < n; ++i) {
        int64_t rest = i, data = 0, index = 0, other = 0;
        for (int d = a.rank - 1; d >= 0; --d) {
            int64_t at = rest % a.sizes[d];
            rest /= a.sizes[d];
            if (d != a.dim) data += at * a.data_strides[d];
            index += at * a.index_strides[d];
            other += at * a.other_strides[d];
        }
        f(data, index, other);
    }
}

int64_t wrapped(int64_t i, int64_t n) { return i < 0 ? i + n : i; }

// The places that a call combines values into: 16-bit floats are rounded once, at the end.
class Places {
public:
    explicit Places(MutableValues to) : to_(to), wide_(is_floating(to.t) && size_of(to.t) == 2) {}
    ~Places() { for (auto [at, x] : sums_) to_.set(at, x); }
    Number operator[](int64_t at) const {
        auto found = sums_.find(at);
        return found == sums_.end() ? to_[at] : found->second;
    }
    void set(int64_t at, Number x) {
        if (wide_) sums_[at] = x;
        else to_.set(at, x);
    }

private:
    MutableValues to_;
    bool wide_;
    std::map<int64_t, Number> sums_;
};

}  // namespace

void gather(const void* data, DType t, const int64_t* index, void* other, const AlongDim& a) {
    for_each_index(a, [&](int64_t d, int64_t i, int64_t o) {
        MutableValues{other, t}.set(o, Values{data, t}[d + index[i] * a.data_strides[a.dim]]);
    });
}

void scatter(void* data, DType t, const int64_t* index, const void* other, const AlongDim& a,
             Combine combine) {
    Places to({data, t});
    for_each_index(a, [&](int64_t d, int64_t i, int64_t o) {
        int64_t at = d + index[i] * a.data_strides[a.dim];
        Number x = to[at], y = Values{other, t}[o];
        switch (combine) {
            case Combine::set: break;
            case Combine::add: y = x + y; break;
            case Combine::prod: y = x * y; break;
            case Combine::amax: y = std::isnan(x) || x > y ? x : y; break;
            case Combine::amin: y = std::isnan(x) || x < y ? x : y; break;
        }
        to.set(at, y);
    });
}

void index_select(const void* src, DType t, const int64_t* index, int64_t count, void* dst, Extent e) {
    for (int64_t o = 0; o < e.outer; ++o)
        for (int64_t i = 0; i < count; ++i)
            for (int64_t k = 0; k < e.inner; ++k)
                MutableValues{dst, t}.set((o * count + i) * e.inner + k,
                                          Values{src, t}[(o * e.n + wrapped(index[i], e.n)) * e.inner + k]);
}

void index_add(void* dst, DType t, const int64_t* index, int64_t count, const void* src, double alpha,
               Extent e) {
    Places to({dst, t});
    for (int64_t o = 0; o < e.outer; ++o)
        for (int64_t i = 0; i < count; ++i)
            for (int64_t k = 0; k < e.inner; ++k) {
                int64_t at = (o * e.n + wrapped(index[i], e.n)) * e.inner + k;
                to.set(at, to[at] + Number(alpha) * Values{src, t}[(o * count + i) * e.inner + k]);
            }
}

void index_copy(void* dst, DType t, const int64_t* index, int64_t count, const void* src, Extent e) {
    for (int64_t o = 0; o < e.outer; ++o)
        for (int64_t i = 0; i < count; ++i)
            for (int64_t k = 0; k < e.inner; ++k)
                MutableValues{dst, t}.set((o * e.n + wrapped(index[i], e.n)) * e.inner + k,
                                          Values{src, t}[(o * count + i) * e.inner + k]);
}

void embedding_backward(const void* grad, DType t, const int64_t* index, int64_t count, void* grad_table,
                        int64_t rows, int64_t width, int64_t padding_index, bool scale_by_frequency) {
    std::vector<Number> sum(static_cast<size_t>(rows * width)), times(static_cast<size_t>(rows));
    for (int64_t i = 0; i < count; ++i) {
        times[size_t(index[i])] += 1;
        for (int64_t j = 0; j < width; ++j)
            sum[size_t(index[i] * width + j)] += Values{grad, t}[i * width + j];
    }
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t j = 0; j < width; ++j) {
            Number x = r == padding_index ? 0 : sum[size_t(r * width + j)];
            if (scale_by_frequency && times[size_t(r)] > 0) x /= times[size_t(r)];
            MutableValues{grad_table, t}.set(r * width + j, x);
        }
}

}  // namespace rushlight::reference
