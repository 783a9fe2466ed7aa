// Recurrent layers in one direction, given the input's part of the gates.
#include "kernels/generic/recurrent.h"

#include <string_view>
#include <vector>

#include "kernels/compute/compute.h"
#include "ops/algebra.h"
#include "ops/recurrent.h"
#include "registry/rules.h"
#include "registry/vjp.h"

namespace rushlight {

namespace {

using kernels::Recurrent;

Recurrent::Mode mode_of(const Call& c, const Value& v) {
    std::string_view name = v.to_string();
    if (name == "tanh") return Recurrent::tanh;
    if (name == "relu") return Recurrent::relu;
    if (name == "lstm") return Recurrent::lstm;
    require(name == "gru", ErrorKind::value, c.name(), ": mode='", name, "'; expected 'tanh', 'relu', 'lstm' or 'gru'");
    return Recurrent::gru;
}

int64_t last(const Dims& sizes) { return sizes[sizes.size() - 1]; }

// (steps, batch, width) that lies as (batch, steps, width).
bool is_batch_first(const TensorImpl& t) {
    return t.rank() == 3 && !t.contiguous && t.strides[2] == 1 && t.strides[0] == t.sizes[2] &&
           t.strides[1] == t.sizes[0] * t.sizes[2];
}

// A result with a row for each of `like`'s, in the same order.
void add_rows(Call& c, const TensorImpl& like, int64_t width, DType t) {
    Dims sizes = like.sizes;
    sizes[sizes.size() - 1] = width;
    Geometry& g = c.result(sizes, t);
    if (!is_batch_first(like)) return;
    g.strides = {width, sizes[0] * width, 1};
    g.strided = true;
}

// `t` with its rows in the order of `like`, one after the other.
Tensor rows_like(const Tensor& t, const TensorImpl& like) {
    if (!is_batch_first(like)) return contiguous(t);
    if (is_batch_first(*t.impl())) return t;
    int64_t width = last(t.sizes());
    Tensor copy = empty_strided_tensor(t.sizes(), {width, t.size(0) * width, 1}, t.dtype());
    copy_values(*copy.impl(), *t.impl());
    return copy;
}

// Where the rows of each step lie.
struct Steps {
    std::vector<int64_t> first, size;
    Recurrent spec;

    // `rows`: (steps, batch, width), or (rows, width) with the batch's size at each step.
    Steps(const Call& c, const TensorImpl& rows, const Value& mode, const Value& reverse, const Value& batch_sizes) {
        if (batch_sizes.is_none()) {
            int64_t steps = rows.sizes[0], batch = rows.sizes[1];
            spec.between = is_batch_first(rows) ? steps : 1;
            for (int64_t t = 0; t < steps; ++t) {
                first.push_back(spec.between == 1 ? t * batch : t);
                size.push_back(batch);
            }
            spec.batch = batch;
        } else {
            int64_t row = 0;
            for (int64_t n : batch_sizes.to_ints()) {
                first.push_back(row);
                size.push_back(n);
                row += n;
            }
            spec.batch = size.empty() ? 0 : size[0];
        }
        spec.mode = mode_of(c, mode);
        spec.dtype = rows.dtype;
        spec.reverse = reverse.to_bool();
        spec.steps = int64_t(first.size());
        spec.first = first.data(), spec.size = size.data();
    }
};

void check_shape(const Call& c, int param, const Dims& expected, DType t) {
    const TensorImpl& x = c.tensor(param);
    require(x.sizes == expected && x.dtype == t, ErrorKind::runtime, c.name(), ": ", rules::param_name(c, param),
            " has shape ", x.sizes, " and dtype ", name_of(x.dtype), "; expected ", expected, " and ", name_of(t));
}

// The batch's size at the first step, which no later one exceeds.
int64_t check_steps(const Call& c, int rows_at, int sizes_at) {
    const Dims& rows = c.tensor(rows_at).sizes;
    const Value& given = c[sizes_at];
    require(rows.size() == (given.is_none() ? 3 : 2), ErrorKind::runtime, c.name(), ": ", rules::param_name(c, rows_at),
            " has shape ", rows, "; expected (steps, batch, width), or (rows, width) with batch_sizes");
    if (given.is_none()) return rows[1];
    int64_t total = 0, previous = given.to_ints().empty() ? 0 : given.to_ints()[0];
    int64_t batch = previous;
    for (int64_t n : given.to_ints()) {
        require(n > 0 && n <= previous, ErrorKind::runtime, c.name(), ": batch_sizes holds ", n, " after ", previous,
                "; expected positive sizes that do not grow");
        total += previous = n;
    }
    require(total == rows[0], ErrorKind::runtime, c.name(), ": batch_sizes add up to ", total, " for ",
            rules::param_name(c, rows_at), " of shape ", rows, "; expected ", rows[0]);
    return batch;
}

void infer_recurrence(Call& c) {
    const TensorImpl& gates = c.tensor(0);
    DType t = gates.dtype;
    require(t == DType::float32 || t == DType::float64, ErrorKind::runtime, c.name(), ": gates has dtype ", name_of(t),
            "; expected float32 or float64");
    Recurrent::Mode mode = mode_of(c, c[5]);
    int64_t batch = check_steps(c, 0, 7), count = kernels::gate_count(mode);
    require(last(gates.sizes) % count == 0, ErrorKind::runtime, c.name(), ": gates has shape ", gates.sizes,
            "; expected a last size that ", count, " divides");
    int64_t hidden = last(gates.sizes) / count;
    check_shape(c, 1, {batch, hidden}, t);
    check_shape(c, 3, {count * hidden, hidden}, t);
    bool lstm = mode == Recurrent::lstm;
    require(c.has(2) == lstm, ErrorKind::runtime, c.name(), ": c0 is ", c.has(2) ? "a Tensor" : "None", " for mode='",
            c[5].to_string(), "'; expected ", lstm ? "a Tensor" : "None");
    if (lstm) check_shape(c, 2, {batch, hidden}, t);
    require(!c.has(4) || mode == Recurrent::gru, ErrorKind::runtime, c.name(), ": bias is a Tensor for mode='",
            c[5].to_string(), "'; expected None, with the bias in the gates");
    if (c.has(4)) check_shape(c, 4, {count * hidden}, t);
    Recurrent spec;
    spec.mode = mode, spec.hidden = hidden;
    add_rows(c, gates, hidden, t);
    c.result({batch, hidden}, t);
    c.result(lstm ? Dims{batch, hidden} : Dims{0}, t);
    if (c[8].to_bool()) add_rows(c, gates, kernels::saved_width(spec), t);
    else c.result({0}, t);
}

void run_recurrence(Call& c) {
    Tensor gates = rows_like(Tensor(&c.tensor(0)), c.tensor(0)), weight = contiguous(Tensor(&c.tensor(3)));
    Tensor bias = c.has(4) ? contiguous(Tensor(&c.tensor(4))) : Tensor();
    Steps s(c, *gates.impl(), c[5], c[6], c[7]);
    s.spec.hidden = weight.size(1);
    s.spec.weight = weight.data();
    s.spec.bias = bias.defined() ? bias.data() : nullptr;
    copy_values(*c.out[1].impl(), c.tensor(1));
    if (c.has(2)) copy_values(*c.out[2].impl(), c.tensor(2));
    kernels::recurrent(s.spec, gates.data(), c.out[1].data(), c.has(2) ? c.out[2].data() : nullptr, c.out[0].data(),
                       c[8].to_bool() ? c.out[3].data() : nullptr);
}

void vjp_recurrence(Vjp& d) {
    if (d.create_graph) return composed_recurrence_grad(d);
    static const Op& fused = required_op("recurrence_grad");
    Call done = invoke_call(fused, d.input(3), d.result(0), d.result(3), d.grad(0), d.grad(1), d.grad(2), d[5], d[6],
                            d[7]);
    bool gru = d[5].to_string() == "gru";
    d.to(0, done.out[0]);
    if (d.needs(1)) d.to(1, done.out[1]);
    if (d.needs(2)) d.to(2, done.out[2]);
    if (d.needs(3)) d.to(3, done.out[3]);
    if (d.needs(4)) d.to(4, sum_to(gru ? done.out[2] : done.out[0], d.sizes(4)));
}

// weight, output, saved, grad_output, grad_h, grad_c, mode, reverse, batch_sizes
void infer_recurrence_grad(Call& c) {
    const TensorImpl &weight = c.tensor(0), &out = c.tensor(1);
    Recurrent spec;
    spec.mode = mode_of(c, c[6]);
    DType t = weight.dtype;
    require(t == DType::float32 || t == DType::float64, ErrorKind::runtime, c.name(), ": weight has dtype ", name_of(t),
            "; expected float32 or float64");
    rules::require_rank(c, 0, 2);
    int64_t batch = check_steps(c, 1, 8), hidden = spec.hidden = weight.sizes[1];
    int64_t width = kernels::gate_count(spec.mode) * hidden;
    check_shape(c, 0, {width, hidden}, t);
    Dims rows = out.sizes;
    rows[rows.size() - 1] = hidden;
    check_shape(c, 1, rows, t);
    if (c.has(3)) check_shape(c, 3, rows, t);
    rows[rows.size() - 1] = kernels::saved_width(spec);
    check_shape(c, 2, rows, t);
    bool lstm = spec.mode == Recurrent::lstm;
    if (c.has(4)) check_shape(c, 4, {batch, hidden}, t);
    if (c.has(5) && lstm) check_shape(c, 5, {batch, hidden}, t);
    add_rows(c, out, width, t);
    c.result({batch, hidden}, t);
    if (spec.mode == Recurrent::gru) add_rows(c, out, width, t);
    else c.result(lstm ? Dims{batch, hidden} : Dims{0}, t);
    c.result({width, hidden}, t);
}

// A gradient into the tensor that the kernel carries along.
void start_with(const Tensor& to, const Call& c, int param) {
    if (c.has(param)) copy_values(*to.impl(), c.tensor(param));
    else std::fill_n(static_cast<char*>(to.data()), to.numel() * size_of(to.dtype()), char(0));
}

void run_recurrence_grad(Call& c) {
    Tensor weight = contiguous(Tensor(&c.tensor(0))), out = rows_like(Tensor(&c.tensor(1)), c.tensor(1));
    Tensor saved = rows_like(Tensor(&c.tensor(2)), *out.impl());
    Tensor grad = c.has(3) ? rows_like(Tensor(&c.tensor(3)), *out.impl()) : Tensor();
    Steps s(c, *out.impl(), c[6], c[7], c[8]);
    s.spec.hidden = weight.size(1);
    s.spec.weight = weight.data();
    bool gru = s.spec.mode == Recurrent::gru, lstm = s.spec.mode == Recurrent::lstm;
    start_with(c.out[1], c, 4);
    if (lstm) start_with(c.out[2], c, 5);
    kernels::recurrent_backward(s.spec, grad.defined() ? grad.data() : nullptr, out.data(), saved.data(),
                                c.out[1].data(), lstm ? c.out[2].data() : nullptr, c.out[0].data(),
                                gru ? c.out[2].data() : nullptr);
    compute::Matmul p;
    p.dtype = weight.dtype();
    p.m = weight.size(0), p.n = weight.size(1), p.k = weight.size(1) ? out.numel() / weight.size(1) : 0;
    p.a = (gru ? c.out[2] : c.out[0]).data(), p.a_row = 1, p.a_column = p.m;
    p.b = saved.data(), p.b_row = kernels::saved_width(s.spec);
    p.c = c.out[3].data(), p.c_row = p.n;
    compute::matmul(p);
}

}  // namespace

OP(recurrence) = {
    .signature = "recurrence(gates: Tensor, h0: Tensor, c0: Tensor | None, weight: Tensor, bias: Tensor | None, "
                 "mode: str, reverse: bool, batch_sizes: int[] | None, save: bool) -> "
                 "(output: Tensor, h_n: Tensor, c_n: Tensor, saved: Tensor)",
    .names = "_ops.recurrence",
    .dtypes = "floating",
    .infer = infer_recurrence,
    .kernel = {"generic", run_recurrence},
    .derivative = {vjp_recurrence, "gates h0 c0 weight bias output saved", nullptr, false, 3},
    .onnx = no_onnx("LSTM, GRU and RNN with the input's product; written by the exporter"),
    .samples = {.calls = "recurrence(T(3, 2, 8), T(2, 2), T(2, 2), T(8, 2), None, 'lstm', False, None, True)[0]; "
                         "recurrence(T(3, 2, 6), T(2, 2), None, T(6, 2), T(6), 'gru', True, None, True)[0]; "
                         "recurrence(T(5, 3), T(3, 3), None, T(3, 3), None, 'tanh', False, [3, 2], True)[0]"},
    .doc = "All steps of a recurrent layer in one direction: `gates` holds the input's part, (steps, batch, gates), or "
           "(rows, gates) with the size of the batch at each step."};

OP(recurrence_grad) = {
    .signature = "recurrence_grad(weight: Tensor, output: Tensor, saved: Tensor, grad_output: Tensor | None, "
                 "grad_h: Tensor | None, grad_c: Tensor | None, mode: str, reverse: bool, batch_sizes: int[] | None) "
                 "-> (grad_gates: Tensor, grad_h0: Tensor, grad_c0: Tensor, grad_weight: Tensor)",
    .names = "_ops.recurrence_grad",
    .dtypes = "floating",
    .infer = infer_recurrence_grad,
    .kernel = {"generic", run_recurrence_grad},
    .derivative = fused_gradient,
    .onnx = no_onnx("a gradient"),
    .samples = {},
    .doc = "The gradients of recurrence; of a GRU, `grad_c0` is that of state @ weight^T + bias by rows."};

}  // namespace rushlight
