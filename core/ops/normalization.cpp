// Batch, layer, group and RMS normalisation.
#include "kernels/generic/norm.h"

#include <cstring>

#include "ops/activation.h"
#include "ops/algebra.h"
#include "ops/epilogue.h"
#include "ops/put_off.h"
#include "registry/rules.h"
#include "registry/vjp.h"

namespace rushlight {

namespace {

using compute::Layout;
using kernels::ChannelShape;

DType statistics_dtype(DType t) { return t == DType::float64 ? t : DType::float32; }

const void* data_or_null(const Tensor& t) { return t.defined() ? t.data() : nullptr; }
void* writable_or_null(const Tensor& t) { return t.defined() ? t.data() : nullptr; }

Tensor optional_tensor(const Call& c, int param) {
    return c.has(param) ? contiguous(Tensor(&c.tensor(param))) : Tensor();
}

void check_parameter(const Call& c, int param, const Dims& expected) {
    if (!c.has(param)) return;
    require(c.tensor(param).sizes == expected, ErrorKind::runtime, c.name(), ": ", rules::param_name(c, param),
            " has shape ", c.tensor(param).sizes, "; expected ", expected);
    require(c.tensor(param).dtype == c.tensor(0).dtype || c.tensor(param).dtype == statistics_dtype(c.tensor(0).dtype),
            ErrorKind::runtime, c.name(), ": ", rules::param_name(c, param), " has dtype ",
            name_of(c.tensor(param).dtype), "; expected ", name_of(c.tensor(0).dtype), ", the dtype of input");
}

DType parameter_dtype(const Call& c, int weight, int bias) {
    return c.has(weight) ? c.tensor(weight).dtype : c.has(bias) ? c.tensor(bias).dtype : c.tensor(0).dtype;
}

ChannelShape channel_shape(const Dims& x, Layout layout) {
    int64_t inner = 1;
    for (int i = 2; i < x.size(); ++i) inner *= x[i];
    return {x[0], x[1], inner, layout == Layout::channels_last};
}

// (1, C, 1, ...): a per-channel tensor that broadcasts against `x`.
Tensor per_channel(const Tensor& t, int rank) {
    Dims shape(rank, 1);
    shape[1] = t.numel();
    return reshape(t, shape);
}

Dims all_but_channel(int rank) {
    Dims dims = {0};
    for (int i = 2; i < rank; ++i) dims.push_back(i);
    return dims;
}

// ---- batch norm -----------------------------------------------------------------------------------------------------

// Arguments: 0 input, 1 weight, 2 bias, 3 running_mean, 4 running_var, 5 training, 6 momentum, 7 eps.
void infer_batch_norm(Call& c) {
    rules::require_floating(c, 0);
    const Dims& x = c.tensor(0).sizes;
    require(x.size() >= 2, ErrorKind::value, c.name(), ": input has shape ", x,
            "; expected at least two dimensions, (N, C, ...)");
    Dims channels = {x[1]};
    for (int i = 1; i <= 4; ++i) check_parameter(c, i, channels);
    bool training = c[5].to_bool();
    require(training || (c.has(3) && c.has(4)), ErrorKind::runtime, c.name(),
            ": running_mean and running_var are missing; expected both when training=False");
    int64_t per = x[1] ? c.tensor(0).numel / x[1] : 0;
    require(!training || per != 1, ErrorKind::value, c.name(), ": input of shape ", x,
            " has one value per channel; expected more than 1 when training");
    c.result(x, c.tensor(0).dtype);
    DType s = statistics_dtype(c.tensor(0).dtype);
    c.result({training ? x[1] : 0}, s);
    c.result({training ? x[1] : 0}, s);
}

// Running statistics are updated where they lie; of another dtype than the kernel's they go through a copy.
struct Running {
    Tensor target, work;
    Running(const Call& c, int param, DType s) {
        if (!c.has(param)) return;
        target = Tensor(&c.tensor(param));
        work = cast(target, s);
    }
    void finish() {
        if (!target.defined()) return;
        if (work.data() != target.data()) copy_values(*target.impl(), *work.impl());
        target->storage->bump();
    }
};

// Nothing to normalise: statistics and gradients of nothing are zero.
void clear(std::initializer_list<Tensor> results) {
    for (const Tensor& t : results)
        if (t.numel() > 0) std::memset(t.data(), 0, size_t(t.numel() * size_of(t.dtype())));
}

// The statistics and the running ones; then either all of the result, written to `out`, or what its last pass is.
void normalize(Call& c, const Activation& in, void* out, kernels::ChannelAffine* put_off) {
    Tensor x(&c.tensor(0));
    DType s = statistics_dtype(x.dtype()), param = parameter_dtype(c, 1, 2);
    Tensor weight = optional_tensor(c, 1), bias = optional_tensor(c, 2);
    ChannelShape shape = channel_shape(x.sizes(), in.layout());
    Running mean(c, 3, s), var(c, 4, s);
    if (c[5].to_bool()) {
        kernels::batch_norm_training(in.data(), x.dtype(), out, shape, data_or_null(weight), data_or_null(bias), param,
                                     writable_or_null(mean.work), writable_or_null(var.work), c[6].to_double(),
                                     c[7].to_double(), false, c.out[1].data(), c.out[2].data(), put_off);
        mean.finish();
        var.finish();
    } else {
        kernels::batch_norm_inference(in.data(), x.dtype(), out, shape, data_or_null(weight), data_or_null(bias), param,
                                      mean.work.data(), var.work.data(), c[7].to_double(), false, put_off);
    }
}

void run_batch_norm(Call& c) {
    Tensor x(&c.tensor(0)), y = c.out[0];
    if (x.numel() == 0) return clear({c.out[1], c.out[2]});
    Activation in(x);
    if (!in.channels_last() || !may_be_put_off(y, x)) return normalize(c, in, result_memory(y, in.layout()), nullptr);
    kernels::ChannelAffine affine;
    normalize(c, in, nullptr, &affine);
    put_off_affine(y, x, channel_shape(x.sizes(), in.layout()), std::move(affine));
}

// Arguments: as above, then 8 addend, 9 activation.
void infer_fused_batch_norm(Call& c) {
    Follows follows = activation_of(c);
    require(follows != Follows::gelu, ErrorKind::value, c.name(), ": activation='gelu'; expected 'none' or 'relu'");
    infer_batch_norm(c);
    check_addend(c, 8);
}

// The same bits as batch norm, addition and relu one by one.
void run_fused_batch_norm(Call& c) {
    Tensor x(&c.tensor(0)), y = c.out[0];
    if (x.numel() == 0) return clear({c.out[1], c.out[2]});
    Tensor addend = c.has(8) ? Tensor(&c.tensor(8)) : Tensor();
    bool relu = activation_of(c) == Follows::relu;
    Activation in(x);
    if (in.channels_last() && x.dtype() == DType::float32) {
        kernels::ChannelAffine affine;
        normalize(c, in, nullptr, &affine);
        std::optional<Activation> added;
        if (addend.defined()) added.emplace(addend, in.layout());
        kernels::apply_affine(static_cast<const float*>(in.data()),
                              static_cast<const float*>(added ? added->data() : nullptr),
                              static_cast<float*>(result_memory(y, in.layout())),
                              channel_shape(x.sizes(), in.layout()), affine, relu);
        return;
    }
    normalize(c, in, result_memory(y, in.layout()), nullptr);
    GradMode off(false);
    if (addend.defined()) invoke_in_place(required_op("add"), detach(y), addend);
    if (relu) invoke_in_place(required_op("relu"), detach(y));
}

// Differentiable again: everything in terms of x, the statistics included.
void composed_batch_norm_grad(Vjp& d) {
    Tensor x = d.input(0), g = d.grad();
    int rank = x.rank();
    Dims dims = all_but_channel(rank);
    bool training = d[5].to_bool();
    Tensor mu, inverse;
    if (training) {
        mu = mean(x, dims, true);
        inverse = rsqrt(add(mean(square(sub(x, mu)), dims, true), d[7].to_double()));
    } else {
        mu = per_channel(d.input(3), rank);
        inverse = rsqrt(add(per_channel(d.input(4), rank), d[7].to_double()));
    }
    Tensor normal = mul(sub(x, mu), inverse);
    if (d.needs(1)) d.to(1, sum(mul(g, normal), dims));
    if (d.needs(2)) d.to(2, sum(g, dims));
    if (!d.needs(0)) return;
    Tensor scaled = d.args[1].is_tensor() ? mul(g, per_channel(d.input(1), rank)) : g;
    if (!training) return d.to(0, mul(scaled, inverse));
    Tensor centred = sub(sub(scaled, mean(scaled, dims, true)), mul(normal, mean(mul(scaled, normal), dims, true)));
    d.to(0, mul(centred, inverse));
}

void vjp_batch_norm(Vjp& d) {
    if (d.create_graph) return composed_batch_norm_grad(d);
    static const Op& fused = required_op("batch_norm_grad");
    bool training = d[5].to_bool();
    Tensor mu = training ? d.result(1) : d.input(3), spread = training ? d.result(2) : d.input(4);
    Call done = invoke_call(fused, d.grad(), d.input(0), d.input(1), mu, spread, training, d[7].to_double());
    d.to(0, done.out[0]);
    if (d.needs(1)) d.to(1, done.out[1]);
    if (d.needs(2)) d.to(2, done.out[2]);
}

// Arguments: 0 grad, 1 input, 2 weight, 3 mean, 4 invstd (training) or var, 5 training, 6 eps.
void check_grad(const Call& c) {
    require(c.tensor(0).sizes == c.tensor(1).sizes && c.tensor(0).dtype == c.tensor(1).dtype, ErrorKind::runtime,
            c.name(), ": grad has shape ", c.tensor(0).sizes, " and dtype ", name_of(c.tensor(0).dtype),
            "; expected shape ", c.tensor(1).sizes, " and dtype ", name_of(c.tensor(1).dtype), ", those of input");
    rules::require_floating(c, 1);
}

void check_statistics(const Call& c, int param, const Dims& expected, bool any_dtype = false) {
    require(c.tensor(param).sizes == expected &&
                (any_dtype || c.tensor(param).dtype == statistics_dtype(c.tensor(1).dtype)),
            ErrorKind::runtime, c.name(), ": ", rules::param_name(c, param), " has shape ", c.tensor(param).sizes,
            "; expected ", expected);
}

void infer_batch_norm_grad(Call& c) {
    check_grad(c);
    const Dims& x = c.tensor(1).sizes;
    require(x.size() >= 2, ErrorKind::value, c.name(), ": input has shape ", x,
            "; expected at least two dimensions, (N, C, ...)");
    check_parameter(c, 2, {x[1]});
    for (int i : {3, 4}) check_statistics(c, i, {x[1]}, true);
    DType t = c.tensor(1).dtype, p = c.has(2) ? c.tensor(2).dtype : t;
    c.result(x, t);
    c.result({x[1]}, p);
    c.result({x[1]}, p);
}

void run_batch_norm_grad(Call& c) {
    Tensor g(&c.tensor(0)), x(&c.tensor(1)), weight = optional_tensor(c, 2);
    DType t = x.dtype(), s = statistics_dtype(t), param = c.has(2) ? c.tensor(2).dtype : t;
    Tensor mu = cast(Tensor(&c.tensor(3)), s), inverse = cast(Tensor(&c.tensor(4)), s);
    if (!c[5].to_bool()) {
        GradMode off(false);
        inverse = rsqrt(add(inverse, c[6].to_double()));
    }
    if (x.numel() == 0) return clear({c.out[1], c.out[2]});
    Activation in(x), out(g, in.layout());
    kernels::batch_norm_backward(out.data(), in.data(), nullptr, t, result_memory(c.out[0], in.layout()),
                                 channel_shape(x.sizes(), in.layout()), data_or_null(weight), param, mu.data(),
                                 inverse.data(), c[5].to_bool(), c.out[1].data(), c.out[2].data());
}

void compose_batch_norm(Call& c) {
    static const Op& op = required_op("batch_norm_forward");
    double eps = c[7].to_double();
    bool training = c[5].to_bool();
    require(!(training ? eps <= 0 : eps < 0), ErrorKind::value, c.name(), ": eps=", eps, "; expected a ",
            training ? "positive number when training" : "number of at least 0");
    // PyTorch's order of the public function: input, running_mean, running_var, weight, bias, training, momentum, eps.
    c.out[0] = invoke(op, c[0], c[3], c[4], c[1], c[2], c[5], c[6], c[7]);
}

}  // namespace

OP(batch_norm_forward) = {
    .signature = "batch_norm_forward(input: Tensor, weight: Tensor | None, bias: Tensor | None, "
                 "running_mean: Tensor | None, running_var: Tensor | None, "
                 "training: bool, momentum: float, eps: float) -> (output: Tensor, mean: Tensor, invstd: Tensor)",
    .names = "_ops.batch_norm_forward",
    .dtypes = "floating",
    .infer = infer_batch_norm,
    .kernel = {"generic", run_batch_norm},
    .derivative = {vjp_batch_norm, "input weight running_mean:!training running_var:!training mean invstd", nullptr,
                   false, 1},
    .onnx = {"BatchNormalization", 15},
    .samples = {.calls = "batch_norm_forward(T(4, 3, 2, 2), T(3), T(3), None, None, True, 0.1, 1e-5)[0]; "
                         "batch_norm_forward(T(4, 3), T(3), T(3), full((3,), 0.3, dtype=float64), "
                         "full((3,), 0.7, dtype=float64), False, 0.1, 1e-5)[0]"},
    .doc = "Batch normalisation with what its gradient needs; updates the running statistics when training."};

OP(batch_norm_fused) = {
    .signature = "batch_norm_fused(input: Tensor, weight: Tensor | None, bias: Tensor | None, "
                 "running_mean: Tensor | None, running_var: Tensor | None, training: bool, momentum: float, "
                 "eps: float, addend: Tensor | None, activation: str) -> "
                 "(output: Tensor, mean: Tensor, invstd: Tensor)",
    .names = "_ops.batch_norm_fused",
    .dtypes = "floating",
    .infer = infer_fused_batch_norm,
    .kernel = {"generic", run_fused_batch_norm},
    .derivative = fused_for_inference,
    .onnx = no_onnx("BatchNormalization, Add and Relu; only plans of captured programs have it"),
    .samples = {.calls = "batch_norm_fused(T(4, 3, 2, 2), T(3), T(3), None, None, True, 0.1, 1e-5, None, 'relu')[0]; "
                         "batch_norm_fused(T(4, 3), T(3), None, full((3,), 0.3, dtype=float64), "
                         "full((3,), 0.7, dtype=float64), False, 0.1, 1e-5, T(4, 3), 'none')[0]"},
    .doc = "activation(batch_norm_forward + addend), of 'none' and 'relu', in one pass; the same bits as one by one."};

OP(batch_norm_grad) = {
    .signature = "batch_norm_grad(grad: Tensor, input: Tensor, weight: Tensor | None, mean: Tensor, spread: Tensor, "
                 "training: bool, eps: float) -> "
                 "(input_grad: Tensor, weight_grad: Tensor, bias_grad: Tensor)",
    .names = "_ops.batch_norm_grad",
    .dtypes = "floating",
    .infer = infer_batch_norm_grad,
    .kernel = {"generic", run_batch_norm_grad},
    .derivative = fused_gradient,
    .onnx = no_onnx("a gradient"),
    .samples = {},
    .doc = "The gradients of batch normalisation; "
           "`spread` is 1 / std of the batch when training, else the running variance."};

OP(batch_norm) = {
    .signature = "batch_norm(input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, "
                 "weight: Tensor | None = None, "
                 "bias: Tensor | None = None, training: bool = False, momentum: float | None = 0.1, "
                 "eps: float = 1e-5) -> Tensor",
    .names = "nn.functional.batch_norm",
    .dtypes = "floating",
    .compose = compose_batch_norm,
    .samples = {.calls = "batch_norm(T(4, 3, 2), None, None, T(3), T(3), True)"},
    .doc = "Each channel of `input` (N, C, ...) shifted and scaled to mean 0 and variance 1 (of the batch when "
           "training, else the running ones), "
           "times `weight` plus `bias`."};

// ---- layer norm, RMS norm -------------------------------------------------------------------------------------------

namespace {

int64_t product_of(std::span<const int64_t> dims) {
    int64_t n = 1;
    for (int64_t d : dims) n *= d;
    return n;
}

Dims leading(const Dims& x, int n) {
    Dims out;
    for (int i = 0; i < x.size() - n; ++i) out.push_back(x[i]);
    return out;
}

// Arguments: 0 input, 1 normalized_shape, 2 weight, [3 bias,] eps.
// `input` and `shape_at` are the places of input and normalized_shape.
void check_shape(const Call& c, int input, int shape_at) {
    const Dims& x = c.tensor(input).sizes;
    Dims shape(c[shape_at].to_ints());
    bool fits = !shape.empty() && x.size() >= shape.size();
    for (int i = 0; fits && i < shape.size(); ++i) fits = x[x.size() - shape.size() + i] == shape[i];
    require(fits, ErrorKind::runtime, c.name(), ": input has shape ", x, " and normalized_shape=", shape,
            "; expected input to end with normalized_shape");
}

void check_rows(Call& c, int last_parameter) {
    rules::require_floating(c, 0);
    check_shape(c, 0, 1);
    const Dims& x = c.tensor(0).sizes;
    Dims shape(c[1].to_ints());
    for (int i = 2; i <= last_parameter; ++i) check_parameter(c, i, shape);
    c.result(x, c.tensor(0).dtype);
}

void infer_layer_norm(Call& c) {
    check_rows(c, 3);
    Dims rows = leading(c.tensor(0).sizes, int(c[1].to_ints().size()));
    DType s = statistics_dtype(c.tensor(0).dtype);
    c.result(rows, s);
    c.result(rows, s);
}

void run_layer_norm(Call& c) {
    Tensor x = contiguous(Tensor(&c.tensor(0))), weight = optional_tensor(c, 2), bias = optional_tensor(c, 3);
    int64_t n = product_of(c[1].to_ints());
    kernels::layer_norm(x.data(), x.dtype(), c.out[0].data(), n ? x.numel() / n : 0, n, data_or_null(weight),
                        data_or_null(bias), parameter_dtype(c, 2, 3), c[4].to_double(), c.out[1].data(),
                        c.out[2].data());
}

Dims last_dims(int rank, int n) {
    Dims dims;
    for (int i = rank - n; i < rank; ++i) dims.push_back(i);
    return dims;
}

void composed_layer_norm_grad(Vjp& d) {
    Tensor x = d.input(0), g = d.grad();
    Dims dims = last_dims(x.rank(), int(d[1].to_ints().size()));
    Tensor centred = sub(x, mean(x, dims, true));
    Tensor inverse = rsqrt(add(mean(square(centred), dims, true), d[4].to_double()));
    Tensor normal = mul(centred, inverse);
    if (d.needs(2)) d.to(2, mul(g, normal));
    if (d.needs(3)) d.to(3, g);
    if (!d.needs(0)) return;
    Tensor scaled = d.args[2].is_tensor() ? mul(g, d.input(2)) : g;
    d.to(0,
         mul(sub(sub(scaled, mean(scaled, dims, true)), mul(normal, mean(mul(scaled, normal), dims, true))), inverse));
}

void vjp_layer_norm(Vjp& d) {
    if (d.create_graph) return composed_layer_norm_grad(d);
    static const Op& fused = required_op("layer_norm_grad");
    Call done = invoke_call(fused, d.grad(), d.input(0), d[1], d.input(2), d.result(1), d.result(2));
    d.to(0, done.out[0]);
    if (d.needs(2)) d.to(2, done.out[1]);
    if (d.needs(3)) d.to(3, done.out[2]);
}

void check_rows_grad(const Call& c, int statistics_from, int statistics_to) {
    check_grad(c);
    check_shape(c, 1, 2);
    Dims shape(c[2].to_ints());
    check_parameter(c, 3, shape);
    for (int i = statistics_from; i <= statistics_to; ++i)
        check_statistics(c, i, leading(c.tensor(1).sizes, shape.size()));
}

void infer_layer_norm_grad(Call& c) {
    check_rows_grad(c, 4, 5);
    Dims shape(c[2].to_ints());
    DType t = c.tensor(1).dtype, p = c.has(3) ? c.tensor(3).dtype : t;
    c.result(c.tensor(1).sizes, t);
    c.result(shape, p);
    c.result(shape, p);
}

void run_layer_norm_grad(Call& c) {
    Tensor g = contiguous(Tensor(&c.tensor(0))), x = contiguous(Tensor(&c.tensor(1))), weight = optional_tensor(c, 3);
    int64_t n = product_of(c[2].to_ints());
    kernels::layer_norm_backward(g.data(), x.data(), x.dtype(), c.out[0].data(), n ? x.numel() / n : 0, n,
                                 data_or_null(weight), c.out[1].dtype(), c.tensor(4).data(), c.tensor(5).data(),
                                 c.out[1].data(), c.out[2].data());
}

void compose_layer_norm(Call& c) {
    static const Op& op = required_op("layer_norm_forward");
    c.out[0] = invoke(op, c[0], c[1], c[2], c[3], c[4]);
}

void infer_rms_norm(Call& c) {
    check_rows(c, 2);
    c.result(leading(c.tensor(0).sizes, int(c[1].to_ints().size())), statistics_dtype(c.tensor(0).dtype));
}

double rms_eps(const Value& v, DType t) {
    if (!v.is_none()) return v.to_double();
    return t == DType::float64   ? 2.220446049250313e-16
           : t == DType::float32 ? 1.1920928955078125e-07
           : t == DType::float16 ? 0.0009765625
                                 : 0.0078125;
}

void run_rms_norm(Call& c) {
    Tensor x = contiguous(Tensor(&c.tensor(0))), weight = optional_tensor(c, 2);
    int64_t n = product_of(c[1].to_ints());
    kernels::rms_norm(x.data(), x.dtype(), c.out[0].data(), n ? x.numel() / n : 0, n, data_or_null(weight),
                      parameter_dtype(c, 2, 2), rms_eps(c[3], x.dtype()), c.out[1].data());
}

void vjp_rms_norm(Vjp& d) {
    if (!d.create_graph) {
        static const Op& fused = required_op("rms_norm_grad");
        Call done = invoke_call(fused, d.grad(), d.input(0), d[1], d.input(2), d.result(1));
        d.to(0, done.out[0]);
        if (d.needs(2)) d.to(2, done.out[1]);
        return;
    }
    Tensor x = d.input(0), g = d.grad();
    Dims dims = last_dims(x.rank(), int(d[1].to_ints().size()));
    Tensor inverse = rsqrt(add(mean(square(x), dims, true), rms_eps(d[3], x.dtype())));
    Tensor normal = mul(x, inverse);
    if (d.needs(2)) d.to(2, mul(g, normal));
    Tensor scaled = d.args[2].is_tensor() ? mul(g, d.input(2)) : g;
    if (d.needs(0)) d.to(0, mul(sub(scaled, mul(normal, mean(mul(scaled, normal), dims, true))), inverse));
}

void infer_rms_norm_grad(Call& c) {
    check_rows_grad(c, 4, 4);
    c.result(c.tensor(1).sizes, c.tensor(1).dtype);
    c.result(Dims(c[2].to_ints()), c.has(3) ? c.tensor(3).dtype : c.tensor(1).dtype);
}

void run_rms_norm_grad(Call& c) {
    Tensor g = contiguous(Tensor(&c.tensor(0))), x = contiguous(Tensor(&c.tensor(1))), weight = optional_tensor(c, 3);
    int64_t n = product_of(c[2].to_ints());
    kernels::rms_norm_backward(g.data(), x.data(), x.dtype(), c.out[0].data(), n ? x.numel() / n : 0, n,
                               data_or_null(weight), c.out[1].dtype(), c.tensor(4).data(), c.out[1].data());
}

// As PyTorch defines it: by the mean of the squares, not of the squared absolute values.
Tensor complex_rms_norm(Call& c) {
    check_shape(c, 0, 1);
    check_parameter(c, 2, Dims(c[1].to_ints()));
    Tensor x(&c.tensor(0));
    Tensor squares = mean(square(x), last_dims(x.rank(), int(c[1].to_ints().size())), true);
    Tensor y = mul(x, rsqrt(add(squares, rms_eps(c[3], to_real(x.dtype())))));
    return c.has(2) ? mul(y, c[2]) : y;
}

void compose_rms_norm(Call& c) {
    if (is_complex(c.tensor(0).dtype)) {
        c.out[0] = complex_rms_norm(c);
        return;
    }
    static const Op& op = required_op("rms_norm_forward");
    c.out[0] = invoke(op, c[0], c[1], c[2], c[3]);
}

}  // namespace

OP(layer_norm_forward) = {
    .signature = "layer_norm_forward(input: Tensor, normalized_shape: int[], weight: Tensor | None, "
                 "bias: Tensor | None, eps: float) -> "
                 "(output: Tensor, mean: Tensor, rstd: Tensor)",
    .names = "_ops.layer_norm_forward",
    .dtypes = "floating",
    .infer = infer_layer_norm,
    .kernel = {"generic", run_layer_norm},
    .derivative = {vjp_layer_norm, "input weight mean rstd", nullptr, false, 1},
    .onnx = {"LayerNormalization", 17},
    .samples = {.calls = "layer_norm_forward(T(4, 3), (3,), T(3), T(3), 1e-5)[0]; "
                         "layer_norm_forward(T(2, 3, 4), (3, 4), None, None, 1e-5)[0]"},
    .doc = "Layer normalisation with what its gradient needs."};

OP(layer_norm_grad) = {
    .signature = "layer_norm_grad(grad: Tensor, input: Tensor, normalized_shape: int[], weight: Tensor | None, "
                 "mean: Tensor, rstd: Tensor) -> "
                 "(input_grad: Tensor, weight_grad: Tensor, bias_grad: Tensor)",
    .names = "_ops.layer_norm_grad",
    .dtypes = "floating",
    .infer = infer_layer_norm_grad,
    .kernel = {"generic", run_layer_norm_grad},
    .derivative = fused_gradient,
    .onnx = no_onnx("a gradient"),
    .samples = {},
    .doc = "The gradients of layer normalisation."};

OP(layer_norm) = {
    .signature = "layer_norm(input: Tensor, normalized_shape: int[], weight: Tensor | None = None, "
                 "bias: Tensor | None = None, eps: float = 1e-5) -> Tensor",
    .names = "layer_norm nn.functional.layer_norm",
    .dtypes = "floating",
    .compose = compose_layer_norm,
    .samples = {.calls = "layer_norm(T(4, 3), (3,), T(3), T(3))"},
    .doc = "The last dimensions, as many as `normalized_shape` has, shifted and scaled to mean 0 and variance 1, "
           "times `weight` plus `bias`."};

OP(rms_norm_forward) = {
    .signature = "rms_norm_forward(input: Tensor, normalized_shape: int[], weight: Tensor | None, "
                 "eps: float | None) -> (output: Tensor, rstd: Tensor)",
    .names = "_ops.rms_norm_forward",
    .dtypes = "floating",
    .infer = infer_rms_norm,
    .kernel = {"generic", run_rms_norm},
    .derivative = {vjp_rms_norm, "input weight rstd", nullptr, false, 1},
    .onnx = {"RMSNormalization", 23},
    .samples = {.calls = "rms_norm_forward(T(4, 3), (3,), T(3), 1e-5)[0]"},
    .doc = "RMS normalisation with what its gradient needs."};

OP(rms_norm_grad) = {
    .signature = "rms_norm_grad(grad: Tensor, input: Tensor, normalized_shape: int[], weight: Tensor | None, "
                 "rstd: Tensor) -> "
                 "(input_grad: Tensor, weight_grad: Tensor)",
    .names = "_ops.rms_norm_grad",
    .dtypes = "floating",
    .infer = infer_rms_norm_grad,
    .kernel = {"generic", run_rms_norm_grad},
    .derivative = fused_gradient,
    .onnx = no_onnx("a gradient"),
    .samples = {},
    .doc = "The gradients of RMS normalisation."};

OP(rms_norm) = {
    .signature = "rms_norm(input: Tensor, normalized_shape: int[], weight: Tensor | None = None, "
        "eps: float | None = None) -> Tensor",
    .names = "rms_norm nn.functional.rms_norm",
    .dtypes = "floating complex",
    .compose = compose_rms_norm,
    .samples = {.calls = "rms_norm(T(4, 3), (3,), T(3))"},
    .doc = "The last dimensions, as many as `normalized_shape` has, "
           "divided by their root mean square, times `weight`."};

// ---- group norm -----------------------------------------------------------------------------------------------------

namespace {

void check_groups(const Call& c, const Dims& x, int64_t groups) {
    require(x.size() >= 2, ErrorKind::runtime, c.name(), ": input has shape ", x,
            "; expected at least two dimensions, (N, C, ...)");
    require(groups >= 1 && x[1] % groups == 0, ErrorKind::runtime, c.name(), ": num_groups=", groups,
            " does not divide the ", x[1], " channels of input of shape ", x);
}

// Arguments: 0 input, 1 num_groups, 2 weight, 3 bias, 4 eps.
void infer_group_norm(Call& c) {
    rules::require_floating(c, 0);
    const Dims& x = c.tensor(0).sizes;
    int64_t groups = c[1].to_int();
    check_groups(c, x, groups);
    check_parameter(c, 2, {x[1]});
    check_parameter(c, 3, {x[1]});
    DType s = statistics_dtype(c.tensor(0).dtype);
    c.result(x, c.tensor(0).dtype);
    c.result({x[0], groups}, s);
    c.result({x[0], groups}, s);
}

void clear(const Tensor& t) {
    if (t.numel()) std::memset(t.data(), 0, size_t(t.numel() * size_of(t.dtype())));
}

void run_group_norm(Call& c) {
    Tensor x = contiguous(Tensor(&c.tensor(0))), weight = optional_tensor(c, 2), bias = optional_tensor(c, 3);
    ChannelShape s = channel_shape(x.sizes(), Layout::plain);
    if (x.numel() == 0) {
        clear(c.out[1]);
        clear(c.out[2]);
        return;
    }
    kernels::group_norm(x.data(), x.dtype(), c.out[0].data(), s.batch, s.channels, s.inner, c[1].to_int(),
                        data_or_null(weight), data_or_null(bias), parameter_dtype(c, 2, 3), c[4].to_double(),
                        c.out[1].data(), c.out[2].data());
}

void composed_group_norm_grad(Vjp& d) {
    Tensor x = d.input(0), g = d.grad();
    const Dims& sizes = d.sizes(0);
    int rank = sizes.size();
    Dims grouped = {sizes[0], d[1].to_int(), -1}, dims = {2};
    if (x.numel() == 0) return d.to(0, mul(g, 0.0));
    Tensor rows = reshape(x, grouped);
    Tensor centred = sub(rows, mean(rows, dims, true));
    Tensor inverse = rsqrt(add(mean(square(centred), dims, true), d[4].to_double()));
    Tensor normal = mul(centred, inverse);
    if (d.needs(2)) d.to(2, sum(mul(g, reshape(normal, sizes)), all_but_channel(rank)));
    if (d.needs(3)) d.to(3, sum(g, all_but_channel(rank)));
    if (!d.needs(0)) return;
    Tensor scaled = reshape(d.args[2].is_tensor() ? mul(g, per_channel(d.input(2), rank)) : g, grouped);
    Tensor inner = sub(sub(scaled, mean(scaled, dims, true)), mul(normal, mean(mul(scaled, normal), dims, true)));
    d.to(0, reshape(mul(inner, inverse), sizes));
}

void vjp_group_norm(Vjp& d) {
    if (d.create_graph) return composed_group_norm_grad(d);
    static const Op& fused = required_op("group_norm_grad");
    Call done = invoke_call(fused, d.grad(), d.input(0), d[1], d.input(2), d.result(1), d.result(2));
    d.to(0, done.out[0]);
    if (d.needs(2)) d.to(2, done.out[1]);
    if (d.needs(3)) d.to(3, done.out[2]);
}

void infer_group_norm_grad(Call& c) {
    check_grad(c);
    const Dims& x = c.tensor(1).sizes;
    int64_t groups = c[2].to_int();
    check_groups(c, x, groups);
    check_parameter(c, 3, {x[1]});
    for (int i : {4, 5}) check_statistics(c, i, {x[0], groups});
    DType p = c.has(3) ? c.tensor(3).dtype : c.tensor(1).dtype;
    c.result(x, c.tensor(1).dtype);
    c.result({x[1]}, p);
    c.result({x[1]}, p);
}

void run_group_norm_grad(Call& c) {
    Tensor g = contiguous(Tensor(&c.tensor(0))), x = contiguous(Tensor(&c.tensor(1))), weight = optional_tensor(c, 3);
    ChannelShape s = channel_shape(x.sizes(), Layout::plain);
    if (x.numel() == 0) {
        clear(c.out[1]);
        clear(c.out[2]);
        return;
    }
    kernels::group_norm_backward(g.data(), x.data(), x.dtype(), c.out[0].data(), s.batch, s.channels, s.inner,
                                 c[2].to_int(), data_or_null(weight), c.out[1].dtype(), c.tensor(4).data(),
                                 c.tensor(5).data(), c.out[1].data(), c.out[2].data());
}

void compose_group_norm(Call& c) {
    static const Op& op = required_op("group_norm_forward");
    c.out[0] = invoke(op, c[0], c[1], c[2], c[3], c[4]);
}

}  // namespace

OP(group_norm_forward) = {
    .signature = "group_norm_forward(input: Tensor, num_groups: int, weight: Tensor | None, bias: Tensor | None, "
                 "eps: float) -> "
                 "(output: Tensor, mean: Tensor, rstd: Tensor)",
    .names = "_ops.group_norm_forward",
    .dtypes = "floating",
    .infer = infer_group_norm,
    .kernel = {"generic", run_group_norm},
    .derivative = {vjp_group_norm, "input weight mean rstd", nullptr, false, 1},
    .onnx = {"GroupNormalization", 21},
    .samples = {.calls = "group_norm_forward(T(2, 4, 3), 2, T(4), T(4), 1e-5)[0]; "
                         "group_norm_forward(T(2, 4, 2, 2), 4, None, None, 1e-5)[0]"},
    .doc = "Group normalisation with what its gradient needs."};

OP(group_norm_grad) = {
    .signature = "group_norm_grad(grad: Tensor, input: Tensor, num_groups: int, weight: Tensor | None, mean: Tensor, "
                 "rstd: Tensor) -> "
                 "(input_grad: Tensor, weight_grad: Tensor, bias_grad: Tensor)",
    .names = "_ops.group_norm_grad",
    .dtypes = "floating",
    .infer = infer_group_norm_grad,
    .kernel = {"generic", run_group_norm_grad},
    .derivative = fused_gradient,
    .onnx = no_onnx("a gradient"),
    .samples = {},
    .doc = "The gradients of group normalisation."};

OP(group_norm) = {
    .signature = "group_norm(input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, "
                 "eps: float = 1e-5) -> Tensor",
    .names = "group_norm nn.functional.group_norm",
    .dtypes = "floating",
    .compose = compose_group_norm,
    .samples = {.calls = "group_norm(T(2, 4, 3), 2, T(4), T(4))"},
    .doc = "Each group of channels of each example shifted and scaled to mean 0 and variance 1, "
           "times `weight` plus `bias`."};

}  // namespace rushlight
