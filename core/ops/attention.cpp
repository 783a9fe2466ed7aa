// Attention of queries to keys, and its gradient.
#include "kernels/generic/attention.h"

#include <limits>
#include <vector>

#include "ops/algebra.h"
#include "registry/rules.h"
#include "registry/vjp.h"

namespace rushlight {

namespace {

Dims batch_of(const Dims& sizes) {
    Dims batch;
    for (int i = 0; i < sizes.size() - 2; ++i) batch.push_back(sizes[i]);
    return batch;
}

Dims with_rows(const Dims& batch, int64_t rows, int64_t width) {
    Dims sizes = batch;
    sizes.push_back(rows);
    sizes.push_back(width);
    return sizes;
}

int64_t last(const Dims& sizes, int from_end = 1) { return sizes[sizes.size() - from_end]; }

// How many heads of the queries share one of the keys.
int64_t group_of(const Dims& query, const Dims& key) {
    bool shared = query.size() > 2 && last(key, 3) != last(query, 3);
    return shared ? last(query, 3) / std::max<int64_t>(1, last(key, 3)) : 1;
}

// Arguments from `first` on: query, key, value, mask.
void check_attention(const Call& c, int first) {
    const Dims &q = c.tensor(first).sizes, &k = c.tensor(first + 1).sizes, &v = c.tensor(first + 2).sizes;
    rules::require_floating(c, first);
    rules::require_same_dtype(c, first, first + 1);
    rules::require_same_dtype(c, first, first + 2);
    bool fits = q.size() >= 2 && k.size() == q.size() && v.size() == q.size() && batch_of(k) == batch_of(v) &&
                last(q) == last(k) && last(k, 2) == last(v, 2);
    for (int i = 0; fits && i < q.size() - 2; ++i)
        fits = q[i] == k[i] || (i == q.size() - 3 && k[i] > 0 && q[i] % k[i] == 0);
    require(fits, ErrorKind::runtime, c.name(), ": query, key and value have shapes ", q, ", ", k, " and ", v,
            "; expected (..., L, E), (..., S, E) and (..., S, Ev)");
    if (!c.has(first + 3)) return;
    const TensorImpl& mask = c.tensor(first + 3);
    require(mask.dtype == DType::boolean || is_floating(mask.dtype), ErrorKind::runtime, c.name(),
            ": attn_mask has dtype ", name_of(mask.dtype), "; expected bool or a floating dtype");
    Dims scores = with_rows(batch_of(q), last(q, 2), last(k, 2));
    bool broadcasts = mask.rank() <= scores.size();
    for (int i = 1; broadcasts && i <= mask.rank(); ++i)
        broadcasts = last(mask.sizes, i) == 1 || last(mask.sizes, i) == last(scores, i);
    require(broadcasts, ErrorKind::runtime, c.name(), ": attn_mask has shape ", mask.sizes,
            "; expected one that broadcasts to ", scores);
}

DType statistics_of(DType t) { return t == DType::float64 ? DType::float64 : DType::float32; }

void infer_attention(Call& c) {
    check_attention(c, 0);
    const Dims& q = c.tensor(0).sizes;
    DType t = c.tensor(0).dtype;
    Dims sizes = with_rows(batch_of(q), last(q, 2), last(c.tensor(2).sizes));
    Geometry& out = c.result(sizes, t);
    if (sizes.size() == 4) {
        // Positions before heads, which is how the layer that follows reads them; and before the batch where the
        // queries lie so.
        const Dims& given = c.tensor(0).strides;
        int64_t heads = sizes[1] * sizes[3];
        bool first = sizes[0] > 1 && given[2] > given[0];
        out.strides = first ? Dims{heads, sizes[3], sizes[0] * heads, 1} : Dims{sizes[2] * heads, sizes[3], heads, 1};
        out.strided = true;
    }
    Dims rows = batch_of(q);
    rows.push_back(last(q, 2));
    c.result(rows, statistics_of(t));
}

// A tensor of matrices as the kernel reads it.
class Heads {
public:
    // One matrix for each position of `batch`, which the tensor's own batch dimensions broadcast to.
    Heads(Tensor t, const Dims& batch) : tensor_(std::move(t)) {
        int64_t count = 1;
        for (int64_t n : batch) count *= n;
        starts_.reserve(size_t(count));
        starts_.push_back(0);
        int missing = batch.size() - (tensor_.rank() - 2);
        if (count == 0) starts_.clear();
        for (int i = 0; i < batch.size() && count > 0; ++i) {
            bool repeats = i < missing || tensor_.size(i - missing) == 1;
            int64_t stride = repeats ? 0 : tensor_.strides()[i - missing];
            std::vector<int64_t> finer;
            finer.reserve(size_t(count));
            for (int64_t start : starts_)
                for (int64_t j = 0; j < batch[i]; ++j) finer.push_back(start + j * stride);
            starts_ = std::move(finer);
        }
    }
    kernels::Rows rows() const {
        int64_t row = tensor_.size(tensor_.rank() - 2) == 1 ? 0 : tensor_.strides()[tensor_.rank() - 2];
        return {tensor_.data(), row, starts_.data()};
    }

private:
    Tensor tensor_;
    std::vector<int64_t> starts_;
};

// With the elements of a row next to each other.
Tensor in_rows(const Tensor& t) { return last(t.sizes()) <= 1 || last(t.strides()) == 1 ? t : contiguous(t); }

// The mask with a column for each key, in a dtype that the kernel reads.
Tensor mask_rows(const Tensor& mask, int64_t keys, DType t) {
    Tensor m = mask.dtype() == DType::boolean ? mask : cast(mask, t);
    Dims sizes = m.sizes(), strides = m.strides();
    while (sizes.size() < 2) {
        sizes.insert(0, 1);
        strides.insert(0, 0);
    }
    if (last(sizes) != keys) {
        sizes[sizes.size() - 1] = keys;
        strides[strides.size() - 1] = 0;
    }
    return in_rows(alias(m, sizes, strides, m->offset));
}

struct Arguments {
    Tensor query, key, value, mask;
    Dims batch, shared;
    Heads q, k, v, m;
    kernels::Attention spec;

    // `first`: of query, key, value and mask; `attributes`: of is_causal and scale.
    Arguments(const Call& c, int first, int attributes)
        : query(in_rows(Tensor(&c.tensor(first)))), key(in_rows(Tensor(&c.tensor(first + 1)))),
          value(in_rows(Tensor(&c.tensor(first + 2)))),
          mask(c.has(first + 3) ? mask_rows(Tensor(&c.tensor(first + 3)), last(key.sizes(), 2),
                                            statistics_of(query.dtype()))
                                : Tensor()),
          batch(batch_of(query.sizes())), shared(batch_of(key.sizes())), q(query, batch), k(key, shared),
          v(value, shared), m(mask.defined() ? mask : query, batch) {
        spec.dtype = query.dtype();
        spec.group = group_of(query.sizes(), key.sizes());
        spec.heads = 1;
        for (int64_t n : batch) spec.heads *= n;
        spec.length = last(query.sizes(), 2), spec.keys = last(key.sizes(), 2);
        spec.size = last(query.sizes()), spec.value_size = last(value.sizes());
        spec.causal = c[attributes].to_bool();
        spec.scale = c[attributes + 1].to_double();
        spec.query = q.rows(), spec.key = k.rows(), spec.value = v.rows();
        if (!mask.defined()) return;
        spec.mask = m.rows();
        spec.boolean = mask.dtype() == DType::boolean;
    }
};

void run_attention(Call& c) {
    Arguments a(c, 0, 4);
    Heads out(c.out[0], a.batch);
    kernels::attention(a.spec, out.rows(), c.out[1].data());
}

Tensor turned(const Tensor& x) { return transpose(x, -2, -1); }

// Keys and values with a head for each of the queries', and the gradients of those summed up again.
Tensor repeated(const Tensor& x, int64_t group) {
    if (group == 1) return x;
    Dims sizes = x.sizes(), apart = sizes;
    int at = sizes.size() - 2;
    apart.insert(at, group);
    sizes[at - 1] *= group;
    return reshape(expand(unsqueeze(x, at), apart), sizes);
}
Tensor summed(const Tensor& x, int64_t group) {
    if (group == 1) return x;
    Dims apart = x.sizes();
    int at = apart.size() - 2;
    apart[at - 1] /= group;
    apart.insert(at, group);
    return sum(reshape(x, apart), int64_t(at));
}

// In differentiable operators, with all the scores in memory.
void composed_attention_grad(Vjp& d) {
    Tensor q = d.input(0), k = d.input(1), v = d.input(2), mask = d.input(3), g = d.grad();
    int64_t group = group_of(q.sizes(), k.sizes());
    double scale = d[5].to_double(), none = -std::numeric_limits<double>::infinity();
    Tensor keys = repeated(k, group), values = repeated(v, group);
    Tensor scores = mul(matmul(q, turned(keys)), scale);
    if (mask.defined() && mask.dtype() != DType::boolean) scores = add(scores, to_dtype(mask, q.dtype()));
    else if (mask.defined()) scores = masked_fill(scores, logical_not(mask), none);
    if (d[4].to_bool()) {
        Tensor hidden = triu(ones({last(q.sizes(), 2), last(k.sizes(), 2)}, DType::boolean), 1);
        scores = masked_fill(scores, hidden, none);
    }
    Tensor blind = unsqueeze(eq(d.result(1), -none), -1);
    static const Op& softmax = required_op("softmax");
    Tensor p = masked_fill(invoke(softmax, masked_fill(scores, blind, 0), int64_t(-1)), blind, 0);
    Tensor slope = matmul(g, turned(values));
    Tensor grad = mul(p, sub(slope, sum(mul(slope, p), int64_t(-1), true)));
    if (d.needs(0)) d.to(0, mul(matmul(grad, keys), scale));
    if (d.needs(1)) d.to(1, summed(mul(matmul(turned(grad), q), scale), group));
    if (d.needs(2)) d.to(2, summed(matmul(turned(p), g), group));
    if (d.needs(3)) d.to(3, grad);
}

void vjp_attention(Vjp& d) {
    if (d.create_graph || d.needs(3)) return composed_attention_grad(d);
    static const Op& fused = required_op("attention_grad");
    Call done = invoke_call(fused, d.grad(), d.input(0), d.input(1), d.input(2), d.input(3), d.result(0), d.result(1),
                            d[4], d[5]);
    for (int i = 0; i < 3; ++i)
        if (d.needs(i)) d.to(i, done.out[size_t(i)]);
}

void infer_attention_grad(Call& c) {
    check_attention(c, 1);
    Dims sizes = with_rows(batch_of(c.tensor(1).sizes), last(c.tensor(1).sizes, 2), last(c.tensor(3).sizes));
    rules::require_same_dtype(c, 1, 0);
    rules::require_same_dtype(c, 1, 5);
    for (int i : {0, 5})
        require(c.tensor(i).sizes == sizes, ErrorKind::runtime, c.name(), ": ", rules::param_name(c, i), " has shape ",
                c.tensor(i).sizes, "; expected ", sizes);
    sizes.erase(sizes.size() - 1);
    DType wide = statistics_of(c.tensor(1).dtype);
    require(c.tensor(6).sizes == sizes && c.tensor(6).dtype == wide, ErrorKind::runtime, c.name(),
            ": lse has shape ", c.tensor(6).sizes, " and dtype ", name_of(c.tensor(6).dtype), "; expected ", sizes,
            " and ", name_of(wide));
    for (int i : {1, 2, 3}) {
        Geometry& g = c.result(c.tensor(i).sizes, c.tensor(i).dtype);
        g.strides = last(c.tensor(i).strides) == 1 ? dense_strides(c.tensor(i)) : contiguous_strides(g.sizes);
        g.strided = true;
    }
}

void run_attention_grad(Call& c) {
    Arguments a(c, 1, 7);
    Tensor lse = contiguous(Tensor(&c.tensor(6)));
    Heads grad(in_rows(Tensor(&c.tensor(0))), a.batch), result(in_rows(Tensor(&c.tensor(5))), a.batch);
    Heads gq(c.out[0], a.batch), gk(c.out[1], a.shared), gv(c.out[2], a.shared);
    kernels::attention_backward(a.spec, result.rows(), grad.rows(), lse.data(), gq.rows(), gk.rows(), gv.rows());
}

}  // namespace

OP(attention_forward) = {
    .signature = "attention_forward(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, is_causal: bool, "
                 "scale: float) -> (result: Tensor, lse: Tensor)",
    .names = "_ops.attention_forward",
    .dtypes = "floating",
    .infer = infer_attention,
    .kernel = {"generic", run_attention},
    .derivative = {vjp_attention, "query key value mask result lse", nullptr, false, 1},
    .onnx = no_onnx("products and softmax; written by the exporter"),
    .samples = {.calls = "attention_forward(T(3, 4), T(5, 4), T(5, 2), None, False, 0.5)[0]; "
                         "attention_forward(T(2, 4, 3, 4), T(2, 2, 5, 4), T(2, 2, 5, 2), T(3, 5), True, 0.3)[0]"},
    .doc = "softmax(query @ key^T * scale + mask) @ value in blocks of keys, and the logarithm of softmax's "
           "denominator. Keys may have fewer heads (dimension -3), each for several of the queries'."};

OP(attention_grad) = {
    .signature = "attention_grad(grad: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, "
                 "result: Tensor, lse: Tensor, is_causal: bool, scale: float) -> "
                 "(grad_query: Tensor, grad_key: Tensor, grad_value: Tensor)",
    .names = "_ops.attention_grad",
    .dtypes = "floating",
    .infer = infer_attention_grad,
    .kernel = {"generic", run_attention_grad},
    .derivative = fused_gradient,
    .onnx = no_onnx("a gradient"),
    .samples = {},
    .doc = "The gradients of attention_forward, from its scores computed again in blocks."};

}  // namespace rushlight
