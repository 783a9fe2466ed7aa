// Softmax, log-softmax, and the losses over classes.
#include "kernels/generic/softmax.h"

#include "ops/algebra.h"
#include "ops/extent_of.h"
#include "registry/vjp.h"

namespace rushlight {

namespace {

using kernels::ClassLoss;
using kernels::Extent;

// ---- softmax --------------------------------------------------------------------------------------------------------

// Without `dim`, the old rule of PyTorch: 0 for tensors of 0, 1 and 3 dimensions, otherwise 1.
int softmax_dim(const Value& dim, int rank) {
    if (dim.is_none()) return rank == 0 || rank == 1 || rank == 3 ? 0 : 1;
    int64_t d = dim.to_int();
    return int(d < 0 ? d + std::max(rank, 1) : d);
}

void infer_softmax(Call& c) {
    DType t = c.has(2) ? c[2].dtype_ : c.tensor(0).dtype;
    require(is_floating(t), ErrorKind::runtime, c.name(), ": input has dtype ", name_of(t),
            "; expected a floating dtype (pass dtype= to convert)");
    if (c.has(1)) rules::dim(c, c[1].to_int(), c.tensor(0).sizes);
    c.result(c.tensor(0).sizes, t);
}

template <bool log>
void run_softmax(Call& c) {
    Tensor x = cast(Tensor(&c.tensor(0)), c.out[0].dtype());
    kernels::softmax(x.data(), x.dtype(), c.out[0].data(), extent_of(x.sizes(), softmax_dim(c[1], x.rank())), log);
}

template <bool log>
void vjp_softmax(Vjp& d) {
    Tensor g = d.grad(), y = d.result();
    int64_t dim = softmax_dim(d[1], d.sizes(0).size());
    if (!d.create_graph) {
        static const Op& fused = required_op(log ? "log_softmax_grad" : "softmax_grad");
        return d.to(0, invoke(fused, g, y, dim));
    }
    if (log) d.to(0, sub(g, mul(exp(y), sum(g, dim, true))));
    else d.to(0, mul(y, sub(g, sum(mul(g, y), dim, true))));
}

void infer_softmax_grad(Call& c) {
    rules::same_as_first_floating(c);
    rules::require_same_dtype(c, 0, 1);
    rules::require_same_shape(c, 0, 1);
    rules::dim(c, c[2].to_int(), c.tensor(0).sizes);
}

template <bool log>
void run_softmax_grad(Call& c) {
    Tensor g = contiguous(Tensor(&c.tensor(0))), y = contiguous(Tensor(&c.tensor(1)));
    kernels::softmax_backward(g.data(), y.data(), g.dtype(), c.out[0].data(),
                              extent_of(y.sizes(), softmax_dim(c[2], y.rank())), log);
}

#define SOFTMAX(NAME) NAME "(input: Tensor, dim: int | None = None, dtype: dtype | None = None) -> Tensor"

}  // namespace

OP(softmax) = {
    .signature = SOFTMAX("softmax"),
    .names = "nn.functional.softmax",
    .kind = Kind::reduction,
    .dtypes = "floating",
    .infer = infer_softmax,
    .kernel = {"generic", run_softmax<false>},
    .derivative = {vjp_softmax<false>, "result"},
    .onnx = {"Softmax", 13},
    .samples = {.calls = "softmax(T(3, 4), 1); softmax(T(2, 3, 4), 1); softmax(T(3, 4), -1)"},
    .doc = "Exponentials along `dim`, scaled to sum to one."};

OP(log_softmax) = {
    .signature = SOFTMAX("log_softmax"),
    .names = "nn.functional.log_softmax",
    .kind = Kind::reduction,
    .dtypes = "floating",
    .infer = infer_softmax,
    .kernel = {"generic", run_softmax<true>},
    .derivative = {vjp_softmax<true>, "result"},
    .onnx = {"LogSoftmax", 13},
    .samples = {.calls = "log_softmax(T(3, 4), 1); log_softmax(T(2, 3, 4), 1)"},
    .doc = "The logarithm of softmax along `dim`, without loss of precision."};

OP(softmax_grad) = {
    .signature = "softmax_grad(grad: Tensor, result: Tensor, dim: int) -> Tensor",
    .names = "_ops.softmax_grad",
    .kind = Kind::reduction,
    .dtypes = "floating",
    .infer = infer_softmax_grad,
    .kernel = {"generic", run_softmax_grad<false>},
    .derivative = fused_gradient,
    .onnx = no_onnx("a gradient"),
    .samples = {.calls = "softmax_grad(T(3, 4), softmax(T(3, 4), 1), 1)"},
    .doc = "The gradient of softmax."};

OP(log_softmax_grad) = {
    .signature = "log_softmax_grad(grad: Tensor, result: Tensor, dim: int) -> Tensor",
    .names = "_ops.log_softmax_grad",
    .kind = Kind::reduction,
    .dtypes = "floating",
    .infer = infer_softmax_grad,
    .kernel = {"generic", run_softmax_grad<true>},
    .derivative = fused_gradient,
    .onnx = no_onnx("a gradient"),
    .samples = {.calls = "log_softmax_grad(T(3, 4), log_softmax(T(3, 4), 1), 1)"},
    .doc = "The gradient of log_softmax."};

// ---- losses over classes --------------------------------------------------------------------------------------------

namespace {

kernels::LossReduction reduction_of(const char* op, const Value& v) {
    std::string_view name = v.to_string();
    if (name == "mean") return kernels::LossReduction::mean;
    if (name == "sum") return kernels::LossReduction::sum;
    require(name == "none", ErrorKind::value, op, ": reduction='", name, "'; expected 'none', 'mean' or 'sum'");
    return kernels::LossReduction::none;
}

// Scores (N, C, ...) or (C,), targets (N, ...) or (): the dimension of the classes.
int class_dim(const Dims& scores) { return scores.size() == 1 ? 0 : 1; }

ClassLoss spec_of(const Dims& scores, const Tensor& target, const Tensor& weight, int64_t ignore_index,
                  double smoothing, kernels::LossReduction reduction) {
    Extent e = extent_of(scores, class_dim(scores));
    ClassLoss s = {e.outer, e.n, e.inner, target.data_as<int64_t>()};
    s.weight = weight.defined() ? weight.data() : nullptr;
    s.ignore_index = ignore_index;
    s.label_smoothing = smoothing;
    s.reduction = reduction;
    return s;
}

// `x` are the sizes of the scores.
void check_classes(const Call& c, const Dims& x, int target_at, int weight_at) {
    const Dims& y = c.tensor(target_at).sizes;
    require(!x.empty(), ErrorKind::runtime, c.name(), ": input has shape ", x, "; expected (C,) or (N, C, ...)");
    Dims expected = x;
    expected.erase(class_dim(x));
    bool other_batch = x.size() > 1 && (y.empty() || y[0] != x[0]);
    require(y == expected, other_batch ? ErrorKind::value : ErrorKind::runtime, c.name(), ": target has shape ", y,
            " and input ", x, "; expected target of shape ", expected);
    rules::require_index(c, target_at);
    int64_t classes = x[class_dim(x)];
    if (c.has(weight_at)) {
        rules::require_same_dtype(c, 0, weight_at);
        require(c.tensor(weight_at).sizes == Dims{classes}, ErrorKind::runtime, c.name(), ": weight has shape ",
                c.tensor(weight_at).sizes, "; expected ", Dims{classes}, ", one per class");
    }
}

void check_class_loss(const Call& c) {
    rules::require_floating(c, 0);
    check_classes(c, c.tensor(0).sizes, 1, 2);
}

// What a loss has kept for its gradient: `expected` elements of the dtype that sums are formed in.
void check_kept(const Call& c, int param, const Dims& expected) {
    const TensorImpl& t = c.tensor(param);
    DType wide = c.tensor(0).dtype == DType::float64 ? DType::float64 : DType::float32;
    require(t.sizes == expected && t.dtype == wide, ErrorKind::runtime, c.name(), ": ", rules::param_name(c, param),
            " has shape ", t.sizes, " and dtype ", name_of(t.dtype), "; expected ", expected, " and ", name_of(wide));
}

void check_loss_grad(const Call& c, const Dims& target) {
    rules::require_floating(c, 0);
    bool none = reduction_of(c.name(), c["reduction"]) == kernels::LossReduction::none;
    Dims expected = none ? target : Dims{};
    require(c.tensor(0).sizes == expected, ErrorKind::runtime, c.name(), ": grad has shape ", c.tensor(0).sizes,
            "; expected ", expected, " for this reduction");
}

void check_targets(const Call& c, const ClassLoss& s) {
    if (kernels::IndexFault f = kernels::check_targets(s))
        fail(ErrorKind::index, c.name(), ": target holds ", f.value, " at position ", f.position,
             "; expected 0 <= target < ", s.classes, " or ignore_index=", s.ignore_index);
}

// Arguments 0 input, 1 target, 2 weight; the rest by name. Results: the loss, and what the gradient needs.
void infer_class_loss(Call& c) {
    check_class_loss(c);
    const Dims& target = c.tensor(1).sizes;
    DType t = c.tensor(0).dtype, wide = t == DType::float64 ? t : DType::float32;
    bool none = reduction_of(c.name(), c["reduction"]) == kernels::LossReduction::none;
    c.result(none ? target : Dims{}, t);
    if (c.op.parsed.return_names.size() == 3) c.result(target, wide);
    c.result({}, wide);
}

struct LossArguments {
    Tensor scores, target, weight;
    ClassLoss spec;
    LossArguments(const Call& c, int scores_at, int target_at, int weight_at, double smoothing)
        : scores(contiguous(Tensor(&c.tensor(scores_at)))), target(cast(Tensor(&c.tensor(target_at)), DType::int64)),
          weight(c.has(weight_at) ? contiguous(Tensor(&c.tensor(weight_at))) : Tensor()),
          spec(spec_of(scores.sizes(), target, weight, c["ignore_index"].to_int(), smoothing,
                       reduction_of(c.name(), c["reduction"]))) {}
};

void infer_cross_entropy(Call& c) {
    double smoothing = c["label_smoothing"].to_double();
    require(smoothing >= 0 && smoothing <= 1, ErrorKind::runtime, c.name(), ": label_smoothing=", smoothing,
            "; expected 0 <= label_smoothing <= 1");
    infer_class_loss(c);
}

void run_cross_entropy(Call& c) {
    LossArguments a(c, 0, 1, 2, c["label_smoothing"].to_double());
    check_targets(c, a.spec);
    kernels::cross_entropy(a.scores.data(), a.scores.dtype(), a.spec, c.out[0].data(), c.out[1].data(),
                           c.out[2].data());
}

// Differentiable again: through log_softmax and gathers.
Tensor composed_cross_entropy_grad(const Vjp& d) {
    Tensor x = d.input(0), target = to_dtype(d.input(1), DType::int64), g = d.grad();
    int dim = class_dim(d.sizes(0));
    int64_t classes = d.sizes(0)[dim], ignore = d["ignore_index"].to_int();
    double smoothing = d["label_smoothing"].to_double();
    Tensor kept = to_dtype(ne(target, double(ignore)), g.dtype());
    Tensor safe = unsqueeze(masked_fill(target, eq(target, double(ignore)), 0), dim);
    // The target distribution times the class weights.
    Tensor picked = scatter_add(zeros(d.sizes(0), g.dtype()), dim, safe, ones(safe.sizes(), g.dtype()));
    Tensor wanted = smoothing > 0 ? add(mul(picked, 1 - smoothing), smoothing / double(classes)) : picked;
    Tensor total = sum(kept, Value());
    if (d.args[2].is_tensor()) {
        Dims shape(d.sizes(0).size(), 1);
        shape[dim] = classes;
        Tensor weight = reshape(d.input(2), shape);
        wanted = mul(wanted, weight);
        total = sum(mul(kept, sum(mul(picked, weight), int64_t(dim), false)), Value());
    }
    std::string_view reduction = d["reduction"].to_string();
    Tensor scale = reduction == "none" ? g : reduction == "mean" ? div(g, total) : g;
    scale = unsqueeze(mul(expand(scale, target.sizes()), kept), dim);
    static const Op& softmax = required_op("softmax");
    Tensor p = invoke(softmax, x, int64_t(dim));
    return mul(scale, sub(mul(p, sum(wanted, int64_t(dim), true)), wanted));
}

void vjp_cross_entropy(Vjp& d) {
    if (d.create_graph) return d.to(0, composed_cross_entropy_grad(d));
    static const Op& fused = required_op("cross_entropy_grad");
    d.to(0, invoke(fused, d.grad(), d.input(0), d.input(1), d.input(2), d.result(1), d.result(2), d["ignore_index"],
                   d["reduction"], d["label_smoothing"]));
}

void infer_cross_entropy_grad(Call& c) {
    const Dims &x = c.tensor(1).sizes, &target = c.tensor(2).sizes;
    rules::require_same_dtype(c, 0, 1);
    check_classes(c, x, 2, 3);
    check_loss_grad(c, target);
    check_kept(c, 4, target);
    check_kept(c, 5, {});
    c.result(x, c.tensor(1).dtype);
}

void run_cross_entropy_grad(Call& c) {
    LossArguments a(c, 1, 2, 3, c["label_smoothing"].to_double());
    check_targets(c, a.spec);
    Tensor g = contiguous(Tensor(&c.tensor(0))), lse = contiguous(Tensor(&c.tensor(4)));
    kernels::cross_entropy_backward(g.data(), a.scores.data(), a.scores.dtype(), a.spec, lse.data(),
                                    c.tensor(5).data(), c.out[0].data());
}

void run_nll_loss(Call& c) {
    LossArguments a(c, 0, 1, 2, 0);
    check_targets(c, a.spec);
    kernels::nll_loss(a.scores.data(), a.scores.dtype(), a.spec, c.out[0].data(), c.out[1].data());
}

void vjp_nll_loss(Vjp& d) {
    static const Op& op = required_op("nll_loss_grad");
    d.to(0, invoke(op, d.grad(), d.input(1), d.input(2), d.result(1), d.sizes(0), d["ignore_index"], d["reduction"]));
}

void infer_nll_loss_grad(Call& c) {
    Dims x(c["input_size"].to_ints());
    check_classes(c, x, 1, 2);
    check_loss_grad(c, c.tensor(1).sizes);
    check_kept(c, 3, {});
    c.result(x, c.tensor(0).dtype);
}

void run_nll_loss_grad(Call& c) {
    Tensor g = contiguous(Tensor(&c.tensor(0))), target = cast(Tensor(&c.tensor(1)), DType::int64);
    Tensor weight = c.has(2) ? contiguous(Tensor(&c.tensor(2))) : Tensor();
    ClassLoss s = spec_of(c.out[0].sizes(), target, weight, c["ignore_index"].to_int(), 0,
                          reduction_of(c.name(), c["reduction"]));
    check_targets(c, s);
    kernels::nll_loss_backward(g.data(), g.dtype(), s, c.tensor(3).data(), c.out[0].data());
}

// Linear in the gradient: differentiating again picks what was scattered.
void vjp_nll_loss_grad(Vjp& d) {
    static const Op& nll = required_op("nll_loss_forward");
    d.to(0, invoke(nll, d.grad(), d.input(1), d.input(2), d["ignore_index"], d["reduction"]));
}

}  // namespace

OP(cross_entropy_forward) = {
    .signature = "cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, "
                 "reduction: str, label_smoothing: float) -> "
                 "(loss: Tensor, lse: Tensor, total_weight: Tensor)",
    .names = "_ops.cross_entropy_forward",
    .kind = Kind::reduction,
    .dtypes = "floating",
    .infer = infer_cross_entropy,
    .kernel = {"generic", run_cross_entropy},
    .derivative = {vjp_cross_entropy, "input target weight lse total_weight", nullptr, false, 1},
    .onnx = {"SoftmaxCrossEntropyLoss", 13},
    .samples = {.calls = "cross_entropy_forward(T(4, 3), I(4, high=3), None, -100, 'mean', 0.0); "
                         "cross_entropy_forward(T(2, 3, 4), I(2, 4, high=3), None, 1, 'sum', 0.1)"},
    .doc = "The negative log-likelihood of softmax(input) at the targets, with what its gradient needs."};

OP(cross_entropy_grad) = {
    .signature = "cross_entropy_grad(grad: Tensor, input: Tensor, target: Tensor, weight: Tensor | None, lse: Tensor, "
                 "total_weight: Tensor, "
                 "ignore_index: int, reduction: str, label_smoothing: float) -> Tensor",
    .names = "_ops.cross_entropy_grad",
    .dtypes = "floating",
    .infer = infer_cross_entropy_grad,
    .kernel = {"generic", run_cross_entropy_grad},
    .derivative = fused_gradient,
    .onnx = no_onnx("a gradient"),
    .samples = {},
    .doc = "The gradient of cross_entropy with respect to its input."};

OP(nll_loss_forward) = {
    .signature = "nll_loss(input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str) -> "
                 "(loss: Tensor, total_weight: Tensor)",
    .names = "_ops.nll_loss_forward",
    .kind = Kind::reduction,
    .dtypes = "floating",
    .infer = infer_class_loss,
    .kernel = {"generic", run_nll_loss},
    .derivative = {vjp_nll_loss, "target weight total_weight", nullptr, false, 1},
    .onnx = {"NegativeLogLikelihoodLoss", 13},
    .samples = {.calls = "nll_loss_forward(T(4, 3), I(4, high=3), None, -100, 'mean'); "
                         "nll_loss_forward(T(2, 3, 4), I(2, 4, high=3), None, 1, 'none')"},
    .doc = "Minus the log-probabilities at the targets, with the total weight."};

OP(nll_loss_grad) = {
    .signature = "nll_loss_grad(grad: Tensor, target: Tensor, weight: Tensor | None, total_weight: Tensor, "
                 "input_size: int[], ignore_index: int, "
                 "reduction: str) -> Tensor",
    .names = "_ops.nll_loss_grad",
    .dtypes = "floating",
    .infer = infer_nll_loss_grad,
    .kernel = {"generic", run_nll_loss_grad},
    .derivative = {vjp_nll_loss_grad, "target weight"},
    .onnx = no_onnx("a gradient"),
    .samples = {},
    .doc = "The gradient of nll_loss with respect to its input."};

namespace {

void compose_nll_loss(Call& c) {
    static const Op& op = required_op("nll_loss_forward");
    c.out[0] = invoke(op, c[0], c[1], c[2], c["ignore_index"], c["reduction"]);
}

// Targets may be classes or, with the shape of the input, probabilities.
void compose_cross_entropy(Call& c) {
    const TensorImpl &x = c.tensor(0), &target = c.tensor(1);
    if (!(x.sizes == target.sizes && is_floating(target.dtype))) {
        static const Op& op = required_op("cross_entropy_forward");
        c.out[0] = invoke(op, c[0], c[1], c[2], c["ignore_index"], c["reduction"], c["label_smoothing"]);
        return;
    }
    static const Op& log_softmax = required_op("log_softmax");
    rules::require_floating(c, 0);
    require(c["ignore_index"].to_int() < 0, ErrorKind::runtime, c.name(), ": ignore_index=", c["ignore_index"].to_int(),
            " with a target of probabilities; expected a target of classes");
    require(x.rank() >= 1, ErrorKind::runtime, c.name(), ": input has shape ", x.sizes,
            "; expected (C,) or (N, C, ...)");
    int dim = class_dim(x.sizes);
    double smoothing = c["label_smoothing"].to_double();
    Tensor wanted(&c.tensor(1));
    if (smoothing > 0) wanted = add(mul(wanted, 1 - smoothing), smoothing / double(x.sizes[dim]));
    Tensor terms = mul(invoke(log_softmax, c[0], int64_t(dim)), wanted);
    if (c.has(2)) {
        Dims shape(x.rank(), 1);
        shape[dim] = x.sizes[dim];
        terms = mul(terms, reshape(Tensor(&c.tensor(2)), shape));
    }
    Tensor each = neg(sum(terms, int64_t(dim), false));
    kernels::LossReduction reduction = reduction_of(c.name(), c["reduction"]);
    if (reduction == kernels::LossReduction::none) c.out[0] = each;
    else if (reduction == kernels::LossReduction::sum) c.out[0] = sum(each, Value());
    else c.out[0] = mean(each, Value());
}

}  // namespace

OP(cross_entropy) = {
    .signature = "cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None, "
                 "size_average: bool | None = None, "
                 "ignore_index: int = -100, reduce: bool | None = None, reduction: str = 'mean', "
                 "label_smoothing: float = 0.0) -> Tensor",
    .names = "nn.functional.cross_entropy",
    .dtypes = "floating",
    .compose = compose_cross_entropy,
    .samples = {.calls = "cross_entropy(T(4, 3), I(4, high=3)); "
                         "cross_entropy(T(4, 3), I(4, high=3), reduction='none', label_smoothing=0.1)"},
    .doc = "The cross-entropy of logits `input` (N, C, ...) and `target`: class indices (N, ...) or probabilities (N, "
           "C, ...).",
    .autocast = Autocast::widen};

OP(nll_loss) = {
    .signature = "nll_loss(input: Tensor, target: Tensor, weight: Tensor | None = None, "
                 "size_average: bool | None = None, "
                 "ignore_index: int = -100, reduce: bool | None = None, reduction: str = 'mean') -> Tensor",
    .names = "nn.functional.nll_loss",
    .dtypes = "floating",
    .compose = compose_nll_loss,
    .samples = {.calls = "nll_loss(T(4, 3), I(4, high=3))"},
    .doc = "Minus the log-probabilities `input` (N, C, ...) at the class indices `target` (N, ...).",
    .autocast = Autocast::widen};

}  // namespace rushlight
