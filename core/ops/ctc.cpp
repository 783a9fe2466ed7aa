// Connectionist temporal classification.
#include "kernels/generic/ctc.h"

#include "ops/algebra.h"
#include "registry/rules.h"
#include "registry/vjp.h"

namespace rushlight {

namespace {

// What the kernel takes, and the tensors that hold it.
struct Arguments {
    Tensor log_probs, labels, input_lengths, label_lengths;
    kernels::Ctc spec;
};

void check_lengths(const Call& c, int param, const Tensor& lengths, int64_t batch, int64_t most) {
    require(lengths.rank() == 1 && lengths.numel() == batch, ErrorKind::runtime, c.name(), ": ",
            rules::param_name(c, param), " has shape ", lengths.sizes(), "; expected (", batch,
            "), one length for each sample");
    for (int64_t i = 0; i < batch; ++i) {
        int64_t length = lengths.data_as<int64_t>()[i];
        require(length >= 0 && length <= most, ErrorKind::runtime, c.name(), ": ", rules::param_name(c, param), "[", i,
                "]=", length, " is out of range; expected 0 <= length <= ", most);
    }
}

Tensor integers(const Call& c, int param) { return contiguous(cast(Tensor(&c.tensor(param)), DType::int64)); }

Arguments arguments_of(const Call& c, int first) {
    Tensor x(&c.tensor(first));
    Arguments a = {contiguous(cast(x, x.dtype() == DType::float64 ? DType::float64 : DType::float32)),
                   integers(c, first + 1), integers(c, first + 2), integers(c, first + 3), {}};
    kernels::Ctc& s = a.spec;
    s = {x.size(0), x.size(1), x.size(2), a.labels.size(1), c[first + 4].to_int(), a.labels.data_as<int64_t>(),
         a.input_lengths.data_as<int64_t>(), a.label_lengths.data_as<int64_t>()};
    require(s.blank >= 0 && s.blank < s.classes, ErrorKind::runtime, c.name(), ": blank=", s.blank,
            " is out of range; expected 0 <= blank < ", s.classes, ", the number of classes");
    check_lengths(c, first + 2, a.input_lengths, s.batch, s.steps);
    check_lengths(c, first + 3, a.label_lengths, s.batch, s.labels);
    for (int64_t n = 0; n < s.batch; ++n)
        for (int64_t i = 0; i < s.label_length[n]; ++i) {
            int64_t label = s.label[n * s.labels + i];
            require(label >= 0 && label < s.classes, ErrorKind::index, c.name(), ": targets holds ", label,
                    "; expected 0 <= label < ", s.classes, ", the number of classes");
        }
    return a;
}

void check_shapes(const Call& c, int first) {
    rules::require_floating(c, first);
    rules::require_rank(c, first, 3);
    rules::require_rank(c, first + 1, 2);
    for (int i = 1; i < 4; ++i) rules::require_index(c, first + i);
    require(c.tensor(first + 1).sizes[0] == c.tensor(first).sizes[1], ErrorKind::runtime, c.name(),
            ": targets has shape ", c.tensor(first + 1).sizes, "; expected one row for each of ",
            c.tensor(first).sizes[1], " samples");
}

void infer_ctc(Call& c) {
    check_shapes(c, 0);
    const Dims& x = c.tensor(0).sizes;
    c.result({x[1]}, c.tensor(0).dtype);
    c.result({x[1], x[0], 2 * c.tensor(1).sizes[1] + 1},
             c.tensor(0).dtype == DType::float64 ? DType::float64 : DType::float32);
}

void run_ctc(Call& c) {
    Arguments a = arguments_of(c, 0);
    Tensor loss = zeros(c.out[0].sizes(), a.log_probs.dtype());
    kernels::ctc(a.log_probs.data(), a.log_probs.dtype(), loss.data(), c.out[1].data(), a.spec);
    copy_values(*c.out[0].impl(), *loss.impl());
}

void vjp_ctc(Vjp& d) {
    static const Op& op = required_op("ctc_loss_grad");
    d.to(0, invoke(op, d.grad(), d.input(0), d.input(1), d.input(2), d.input(3), d[4], d.result(0), d.result(1), d[5]));
}

void infer_ctc_grad(Call& c) {
    check_shapes(c, 1);
    const Dims& x = c.tensor(1).sizes;
    Dims per_sample = {x[1]}, states = {x[1], x[0], 2 * c.tensor(2).sizes[1] + 1};
    require(c.tensor(0).sizes == per_sample && c.tensor(6).sizes == per_sample, ErrorKind::runtime, c.name(),
            ": grad and loss have shapes ", c.tensor(0).sizes, " and ", c.tensor(6).sizes, "; expected ", per_sample);
    require(c.tensor(7).sizes == states && is_floating(c.tensor(7).dtype), ErrorKind::runtime, c.name(),
            ": log_alpha has shape ", c.tensor(7).sizes, "; expected ", states, ", floating");
    c.result(x, c.tensor(1).dtype);
}

void run_ctc_grad(Call& c) {
    Arguments a = arguments_of(c, 1);
    DType t = a.log_probs.dtype();
    auto as_computed = [&](int param) { return contiguous(cast(Tensor(&c.tensor(param)), t)); };
    Tensor grad = as_computed(0), loss = as_computed(6), log_alpha = as_computed(7);
    Tensor out = zeros(c.out[0].sizes(), t);
    kernels::ctc_backward(grad.data(), a.log_probs.data(), loss.data(), log_alpha.data(), t, out.data(),
                          c[8].to_bool(), a.spec);
    copy_values(*c.out[0].impl(), *out.impl());
}

#define LABELLING \
    "log_probs: Tensor, targets: Tensor, input_lengths: Tensor, target_lengths: Tensor, blank: int"

}  // namespace

OP(ctc_loss_forward) = {
    .signature = "ctc_loss(" LABELLING ", zero_infinity: bool) -> (loss: Tensor, log_alpha: Tensor)",
    .names = "_ops.ctc_loss_forward",
    .dtypes = "floating",
    .infer = infer_ctc,
    .kernel = {"generic", run_ctc},
    .derivative = {vjp_ctc, "log_probs targets input_lengths target_lengths loss log_alpha", nullptr, false, 1},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "ctc_loss_forward(log_softmax(T(4, 2, 3), 2), I(2, 2, high=2) + 1, tensor([4, 3]), "
                         "tensor([2, 1]), 0, False)"},
    .doc = "Minus the log-likelihood of each sample's labelling (Graves et al., 2006), with the forward variables."};

OP(ctc_loss_grad) = {
    .signature = "ctc_loss_grad(grad: Tensor, " LABELLING ", loss: Tensor, log_alpha: Tensor, zero_infinity: bool) -> "
                 "Tensor",
    .names = "_ops.ctc_loss_grad",
    .dtypes = "floating",
    .infer = infer_ctc_grad,
    .kernel = {"generic", run_ctc_grad},
    .derivative = not_differentiable("the second derivative of the CTC loss is not implemented"),
    .onnx = no_onnx("a gradient"),
    .doc = "The gradient of ctc_loss with respect to what log_softmax was taken of."};

}  // namespace rushlight
