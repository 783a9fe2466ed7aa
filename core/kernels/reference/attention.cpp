#include "kernels/reference/attention.h"

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/reference/values.h"

namespace rushlight::reference {

using kernels::Attention;
using kernels::Rows;

namespace {

Number element(const Rows& m, DType t, int64_t head, int64_t row, int64_t i) {
    return Values{m.data, t}[m.head[head] + row * m.row + i];
}

void add_to(const Rows& m, DType t, int64_t head, int64_t row, int64_t i, Number x) {
    int64_t at = m.head[head] + row * m.row + i;
    MutableValues{const_cast<void*>(m.data), t}.set(at, Values{m.data, t}[at] + x);
}

DType wide(DType t) { return t == DType::float64 ? t : DType::float32; }

Number score(const Attention& a, int64_t head, int64_t row, int64_t key) {
    Number sum = 0;
    for (int64_t i = 0; i < a.size; ++i)
        sum += element(a.query, a.dtype, head, row, i) * element(a.key, a.dtype, head / a.group, key, i);
    sum *= Number(a.scale);
    bool hidden = a.causal && key > row;
    if (a.mask.data && a.boolean) hidden |= element(a.mask, DType::boolean, head, row, key) == 0;
    else if (a.mask.data) sum += element(a.mask, wide(a.dtype), head, row, key);
    return hidden ? -std::numeric_limits<Number>::infinity() : sum;
}

// One row of the softmax, and the logarithm of its denominator.
std::vector<Number> weights(const Attention& a, int64_t head, int64_t row, Number* lse) {
    const Number infinity = std::numeric_limits<Number>::infinity();
    std::vector<Number> p;
    Number top = -infinity, sum = 0;
    for (int64_t k = 0; k < a.keys; ++k) {
        p.push_back(score(a, head, row, k));
        top = std::max(top, p.back());
    }
    for (Number& x : p) sum += x = top == -infinity ? 0 : std::exp(x - top);
    for (Number& x : p) x = sum == 0 ? 0 : x / sum;
    *lse = sum == 0 ? infinity : top + std::log(sum);
    return p;
}

}  // namespace

void attention(const Attention& a, const Rows& out, void* lse) {
    for (int64_t head = 0; head < a.heads; ++head)
        for (int64_t row = 0; row < a.length; ++row) {
            Number found;
            std::vector<Number> p = weights(a, head, row, &found);
            MutableValues{lse, wide(a.dtype)}.set(head * a.length + row, found);
            for (int64_t i = 0; i < a.value_size; ++i) {
                Number sum = 0;
                for (int64_t k = 0; k < a.keys; ++k)
                    sum += p[size_t(k)] * element(a.value, a.dtype, head / a.group, k, i);
                MutableValues{const_cast<void*>(out.data), a.dtype}.set(out.head[head] + row * out.row + i, sum);
            }
        }
}

void attention_backward(const Attention& a, const Rows& grad, const Rows& grad_query, const Rows& grad_key,
                        const Rows& grad_value) {
    for (int64_t head = 0; head < a.heads; ++head)
        for (int64_t row = 0; row < a.length; ++row) {
            Number lse, mean = 0;
            std::vector<Number> p = weights(a, head, row, &lse), slope(p.size(), 0);
            int64_t shared = head / a.group;
            for (int64_t k = 0; k < a.keys; ++k) {
                for (int64_t i = 0; i < a.value_size; ++i) {
                    Number g = element(grad, a.dtype, head, row, i);
                    slope[size_t(k)] += g * element(a.value, a.dtype, shared, k, i);
                    add_to(grad_value, a.dtype, shared, k, i, p[size_t(k)] * g);
                }
                mean += p[size_t(k)] * slope[size_t(k)];
            }
            for (int64_t k = 0; k < a.keys; ++k) {
                Number s = p[size_t(k)] * (slope[size_t(k)] - mean) * Number(a.scale);
                for (int64_t i = 0; i < a.size; ++i) {
                    add_to(grad_query, a.dtype, head, row, i, s * element(a.key, a.dtype, shared, k, i));
                    add_to(grad_key, a.dtype, shared, k, i, s * element(a.query, a.dtype, head, row, i));
                }
            }
        }
}

}  // namespace rushlight::reference
