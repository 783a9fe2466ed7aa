// Convolutions in one to three dimensions, transposed ones, and their gradients, which are operators themselves so that
// they can be differentiated again.
#include "kernels/compute/compute.h"
#include "ops/activation.h"
#include "ops/algebra.h"
#include "ops/complex_parts.h"
#include "ops/epilogue.h"
#include "ops/weights.h"
#include "registry/rules.h"
#include "registry/vjp.h"

#include <algorithm>

namespace rushlight {

namespace {

using compute::Convolution;
using compute::Layout;

// ---- arguments ------------------------------------------------------------------------------------------------------

constexpr int64_t largest = int64_t(1) << 40;         // no window, step or border is larger: products stay in range

Dims per_dimension(const Call& c, std::string_view param, int rank, int64_t least) {
    std::span<const int64_t> given = c[param].to_ints();
    require(given.size() == 1 || int(given.size()) == rank, ErrorKind::runtime, c.name(), ": ", param, "=",
            to_text(given), " has ", given.size(), " values; expected one or ", rank);
    Dims out(rank, 0);
    for (int i = 0; i < rank; ++i) {
        out[i] = given[given.size() == 1 ? 0 : size_t(i)];
        require(out[i] >= least && out[i] < largest, ErrorKind::runtime, c.name(), ": ", param, "=", to_text(given),
                " is out of range; expected ", least, " <= ", param, " < 2**40");
    }
    return out;
}

struct Window {
    Dims stride, padding, dilation;
    int64_t groups;
};

Window window_of(const Call& c, int rank) {
    Window w = {per_dimension(c, "stride", rank, 1), per_dimension(c, "padding", rank, 0),
                per_dimension(c, "dilation", rank, 1), c["groups"].to_int()};
    require(w.groups >= 1, ErrorKind::runtime, c.name(), ": groups=", w.groups, "; expected groups >= 1");
    return w;
}

void check_dtypes(const Call& c, int a, int b) {
    if (!is_complex(c.tensor(a).dtype)) rules::require_floating(c, a);
    rules::require_same_dtype(c, a, b);
}

// input (N, C, spatial), weight (O, C / groups, kernel)
void check_shapes(const Call& c, const Dims& x, const Dims& w, int64_t groups, const char* x_name) {
    require(x.size() == w.size() && x.size() >= 3 && x.size() <= 5, ErrorKind::runtime, c.name(), ": ", x_name,
            " of shape ", x, " and weight of shape ", w, "; expected both with the same 3 to 5 dimensions");
    require(w[0] % groups == 0, ErrorKind::runtime, c.name(), ": weight of shape ", w, " has ", w[0],
            " output channels; expected a multiple of groups=", groups);
    require(x[1] == w[1] * groups, ErrorKind::runtime, c.name(), ": ", x_name, " of shape ", x, " has ", x[1],
            " channels; weight of shape ", w, " with groups=", groups, " expects ", w[1] * groups);
    for (int i = 2; i < w.size(); ++i)
        require(w[i] > 0, ErrorKind::runtime, c.name(), ": weight has shape ", w,
                "; expected a kernel of at least one element");
}

void check_bias(const Call& c, int param, int64_t channels) {
    if (!c.has(param)) return;
    rules::require_same_dtype(c, 0, param);
    const Dims& b = c.tensor(param).sizes;
    require(b.size() == 1 && b[0] == channels, ErrorKind::runtime, c.name(), ": bias has shape ", b, "; expected ",
            Dims{channels});
}

Dims convolved_sizes(const Call& c, const Dims& x, const Dims& w, const Window& v) {
    Dims out = {x[0], w[0]};
    for (int i = 2; i < x.size(); ++i) {
        int64_t padded = checked_add(x[i], 2 * v.padding[i - 2], c.name());
        int64_t kernel = checked_add(checked_mul(v.dilation[i - 2], w[i] - 1, c.name()), 1, c.name());
        require(padded >= kernel, ErrorKind::runtime, c.name(), ": the kernel spans ", kernel,
                " elements at dimension ", i, " and the padded input of shape ", x, " has ", padded,
                "; expected no more than that");
        out.push_back((padded - kernel) / v.stride[i - 2] + 1);
    }
    return out;
}

Convolution problem(const Dims& x, const Dims& w, const Dims& y, const Window& v, DType t) {
    Convolution p;
    p.dtype = t;
    p.rank = x.size() - 2;
    p.batch = x[0];
    p.in_channels = x[1];
    p.out_channels = w[0];
    p.groups = v.groups;
    for (int i = 0; i < p.rank; ++i) {
        p.input[i] = x[i + 2];
        p.kernel[i] = w[i + 2];
        p.output[i] = y[i + 2];
        p.stride[i] = v.stride[i];
        p.padding[i] = v.padding[i];
        p.dilation[i] = v.dilation[i];
    }
    return p;
}

Window window_of(const Vjp& d) {
    auto list = [&](std::string_view name) { return Dims(d[name].to_ints()); };
    return {list("stride"), list("padding"), list("dilation"), d["groups"].to_int()};
}

// ---- convolution ----------------------------------------------------------------------------------------------------

void infer_convolution(Call& c) {
    check_dtypes(c, 0, 1);
    const Dims &x = c.tensor(0).sizes, &w = c.tensor(1).sizes;
    require(x.size() >= 3 && x.size() <= 5, ErrorKind::runtime, c.name(), ": input has shape ", x,
            "; expected 3 to 5 dimensions");
    Window v = window_of(c, x.size() - 2);
    check_shapes(c, x, w, v.groups, "input");
    check_bias(c, 2, w[0]);
    c.result(convolved_sizes(c, x, w, v), c.tensor(0).dtype);
}

// act(convolution(x, w, bias) + addend)
void convolve(Call& c, const Tensor& addend, bool relu) {
    Tensor x(&c.tensor(0)), w = contiguous(Tensor(&c.tensor(1))), y = c.out[0];
    Tensor bias = c.has(2) ? contiguous(Tensor(&c.tensor(2))) : Tensor();
    Convolution p = problem(x.sizes(), w.sizes(), y.sizes(), window_of(c, x.rank() - 2), x.dtype());
    Activation in(x);
    p.input_layout = in.layout();
    p.output_layout = compute::output_layout(p);
    p.accumulate = addend.defined();
    p.relu = relu;
    auto packed = packed_weights(w);
    ResultMemory out(y, addend, p.output_layout);
    compute::convolution_forward(p, in.data(), w.data(), bias.defined() ? bias.data() : nullptr, out.data(),
                                 packed.get());
}

void run_convolution(Call& c) {
    if (c.out[0].numel() == 0) return;
    if (has_complex_result(c)) return run_bilinear(c, 0, 1, 2);
    convolve(c, Tensor(), false);
}

void require_relu(const Call& c) {
    require(activation_of(c) != Follows::gelu, ErrorKind::value, c.name(), ": activation='gelu'; expected 'none' or "
            "'relu'");
}

void infer_fused_convolution(Call& c) {
    rules::require_floating(c, 0);
    require_relu(c);
    infer_convolution(c);
    check_addend(c, 3);
}

void run_fused_convolution(Call& c) {
    if (c.out[0].numel() == 0) return;
    convolve(c, c.has(3) ? Tensor(&c.tensor(3)) : Tensor(), activation_of(c) == Follows::relu);
}

Tensor input_grad(const Tensor& g, const Tensor& w, const Dims& size, const Window& v) {
    static const Op& op = required_op("convolution_input_grad");
    return invoke(op, g, w, size, v.stride, v.padding, v.dilation, v.groups);
}

Tensor forward(const Tensor& x, const Tensor& w, const Window& v) {
    static const Op& op = required_op("convolution");
    return invoke(op, x, w, nullptr, v.stride, v.padding, v.dilation, v.groups);
}

Tensor weight_grad(const Tensor& x, const Tensor& g, const Dims& size, const Window& v, Tensor* bias_grad = nullptr) {
    static const Op& op = required_op("convolution_weight_grad");
    Call done = invoke_call(op, x, g, size, v.stride, v.padding, v.dilation, v.groups, bias_grad != nullptr);
    if (bias_grad) *bias_grad = done.out[1];
    return done.out[0];
}

void vjp_convolution(Vjp& d) {
    Window v = window_of(d);
    if (d.needs(0)) d.to(0, input_grad(d.grad(), conj(d.input(1)), d.sizes(0), v));
    if (d.needs(1)) {
        Tensor bias;
        d.to(1, weight_grad(conj(d.input(0)), d.grad(), d.sizes(1), v, d.needs(2) ? &bias : nullptr));
        if (d.needs(2)) d.to(2, bias);
    } else if (d.needs(2)) {
        Dims others = {0};
        for (int i = 2; i < d.sizes(0).size(); ++i) others.push_back(i);
        d.to(2, sum(d.grad(), others));
    }
}

// ---- its gradients --------------------------------------------------------------------------------------------------

// The gradient `g` belongs to the convolution of `x` with `w`.
void check_gradient(const Call& c, const Dims& x, const Dims& w, const Dims& g) {
    require(x.size() >= 3 && x.size() <= 5, ErrorKind::runtime, c.name(), ": the input has shape ", x,
            "; expected 3 to 5 dimensions");
    Window v = window_of(c, x.size() - 2);
    check_shapes(c, x, w, v.groups, "input");
    Dims expected = convolved_sizes(c, x, w, v);
    require(g == expected, ErrorKind::runtime, c.name(), ": grad has shape ", g, "; expected ", expected, " for input ",
            x, " and weight ", w);
}

void infer_input_grad(Call& c) {
    check_dtypes(c, 0, 1);
    Dims x(c[2].to_ints());
    check_gradient(c, x, c.tensor(1).sizes, c.tensor(0).sizes);
    c.result(x, c.tensor(0).dtype);
}

void run_input_grad(Call& c) {
    Tensor g(&c.tensor(0)), w = contiguous(Tensor(&c.tensor(1))), x = c.out[0];
    if (x.numel() == 0) return;
    if (has_complex_result(c)) return run_bilinear(c, 0, 1);
    Convolution p = problem(x.sizes(), w.sizes(), g.sizes(), window_of(c, x.rank() - 2), x.dtype());
    Activation out(g);
    p.output_layout = out.layout();
    p.input_layout = out.channels_last() ? compute::input_layout(p) : Layout::plain;
    compute::convolution_backward_input(p, out.data(), w.data(), nullptr, result_memory(x, p.input_layout));
}

void infer_weight_grad(Call& c) {
    check_dtypes(c, 0, 1);
    Dims w(c[2].to_ints());
    check_gradient(c, c.tensor(0).sizes, w, c.tensor(1).sizes);
    c.result(w, c.tensor(0).dtype);
    c.result({c[7].to_bool() ? w[0] : 0}, c.tensor(0).dtype);
}

void run_weight_grad(Call& c) {
    if (has_complex_result(c)) return run_bilinear(c, 0, 1);
    Tensor x(&c.tensor(0)), g(&c.tensor(1)), w = c.out[0];
    Convolution p = problem(x.sizes(), w.sizes(), g.sizes(), window_of(c, x.rank() - 2), x.dtype());
    Activation in(x), out(g);
    p.input_layout = in.layout();
    p.output_layout = out.layout();
    compute::convolution_backward_weights(p, in.data(), out.data(), w.data(),
                                          c[7].to_bool() ? c.out[1].data() : nullptr);
}

// ---- transposed -----------------------------------------------------------------------------------------------------

// input (N, I, spatial), weight (I, O / groups, kernel): the gradient of a convolution that maps O channels to I.
void infer_transposed(Call& c) {
    check_dtypes(c, 0, 1);
    const Dims &x = c.tensor(0).sizes, &w = c.tensor(1).sizes;
    require(x.size() >= 3 && x.size() <= 5 && x.size() == w.size(), ErrorKind::runtime, c.name(), ": input of shape ",
            x, " and weight of shape ", w, "; expected both with the same 3 to 5 dimensions");
    int rank = x.size() - 2;
    Window v = window_of(c, rank);
    Dims extra = per_dimension(c, "output_padding", rank, 0);
    require(x[1] == w[0], ErrorKind::runtime, c.name(), ": input of shape ", x, " has ", x[1],
            " channels; weight of shape ", w, " expects ", w[0]);
    require(w[0] % v.groups == 0, ErrorKind::runtime, c.name(), ": weight of shape ", w, " has ", w[0],
            " input channels; expected a multiple of groups=", v.groups);
    Dims out = {x[0], checked_mul(w[1], v.groups, c.name())};
    for (int i = 0; i < rank; ++i) {
        require(w[i + 2] > 0, ErrorKind::runtime, c.name(), ": weight has shape ", w,
                "; expected a kernel of at least one element");
        require(extra[i] < std::max(v.stride[i], v.dilation[i]), ErrorKind::runtime, c.name(),
                ": output_padding=", extra, "; expected less than stride or dilation at dimension ", i);
        int64_t span = checked_mul(v.dilation[i], w[i + 2] - 1, c.name());
        int64_t size = checked_add(checked_mul(x[i + 2] - 1, v.stride[i], c.name()),
                                   span - 2 * v.padding[i] + extra[i] + 1, c.name());
        require(size > 0 && x[i + 2] > 0, ErrorKind::runtime, c.name(), ": the result of input of shape ", x,
                " would have size ", size, " at dimension ", i + 2, "; expected a positive size");
        out.push_back(size);
    }
    check_bias(c, 2, out[1]);
    c.result(out, c.tensor(0).dtype);
}

void run_transposed(Call& c) {
    if (c.out[0].numel() == 0) return;
    if (has_complex_result(c)) return run_bilinear(c, 0, 1, 2);
    Tensor x(&c.tensor(0)), w = contiguous(Tensor(&c.tensor(1))), y = c.out[0];
    Tensor bias = c.has(2) ? contiguous(Tensor(&c.tensor(2))) : Tensor();
    Convolution p = problem(y.sizes(), w.sizes(), x.sizes(), window_of(c, x.rank() - 2), x.dtype());
    Activation in(x);
    p.output_layout = in.layout();
    p.input_layout = compute::input_layout(p);
    auto packed = packed_weights(w);
    compute::convolution_backward_input(p, in.data(), w.data(), bias.defined() ? bias.data() : nullptr,
                                        result_memory(y, p.input_layout), packed.get());
}

// An output_padding of a stride or more (less than the dilation) leaves room for windows past the last input.
void vjp_transposed(Vjp& d) {
    Window v = window_of(d);
    const Dims x = d.sizes(0);
    Dims past, pads;
    auto extra = d["output_padding"].to_ints();
    for (int i = 0; i < x.size() - 2; ++i) past.push_back(extra[extra.size() == 1 ? 0 : size_t(i)] / v.stride[i]);
    for (int i = past.size() - 1; i >= 0; --i) pads.push_back(0), pads.push_back(past[i]);
    bool any = std::ranges::any_of(past, [](int64_t n) { return n > 0; });
    if (d.needs(0)) {
        Tensor g = forward(d.grad(), conj(d.input(1)), v);
        for (int i = 2; any && i < x.size(); ++i) g = narrow(g, i, 0, x[i]);
        d.to(0, g);
    }
    if (d.needs(1)) {
        Tensor in = any ? invoke(required_op("pad"), d.input(0), pads) : d.input(0);
        d.to(1, weight_grad(d.grad(), conj(in), d.sizes(1), v));
    }
    if (d.needs(2)) {
        Dims others = {0};
        for (int i = 2; i < d.sizes(0).size(); ++i) others.push_back(i);
        d.to(2, sum(d.grad(), others));
    }
}

// ---- integers ----------------------------------------------------------------------------------------------------

// The windows of `x`, padded first, as rows of a matrix product.
Tensor by_products(Call& c, Tensor x, const Tensor& w, const Dims& pads, const Dims& stride, const Dims& dilation,
                   int64_t groups) {
    int rank = x.rank() - 2;
    x = invoke(required_op("pad"), x, pads);
    const Dims steps = x.strides();
    int64_t inputs = x.size(1) / groups, outputs = w.size(0) / groups, places = 1;
    Dims result = {x.size(0), w.size(0)}, sizes = {x.size(0), groups}, strides = {steps[0], inputs * steps[1]};
    for (int i = 0; i < rank; ++i) {
        int64_t n = x.size(i + 2) - checked_mul(dilation[i], w.size(i + 2) - 1, c.name());
        require(n > 0, ErrorKind::runtime, c.name(), ": weight of shape ", w.sizes(), " with dilation=", dilation,
                " is larger than the padded input, ", x.sizes());
        sizes.push_back((n - 1) / stride[i] + 1);
        strides.push_back(steps[i + 2] * stride[i]);
        result.push_back(sizes[i + 2]);
        places *= sizes[i + 2];
    }
    sizes.push_back(inputs);
    strides.push_back(steps[1]);
    for (int i = 0; i < rank; ++i) {
        sizes.push_back(w.size(i + 2));
        strides.push_back(steps[i + 2] * dilation[i]);
    }
    int64_t terms = w.numel() / std::max<int64_t>(w.size(0), 1);
    Tensor rows = reshape(as_strided(x, sizes, strides, x->offset),
                          {x.size(0), groups, places, terms});
    Tensor columns = transpose(reshape(w, {groups, outputs, terms}), 1, 2);
    Tensor y = reshape(transpose(matmul(rows, columns), 2, 3), result);
    if (!c.has(2)) return y;
    check_bias(c, 2, w.size(0));
    Dims shape(rank + 1, 1);
    shape[0] = w.size(0);
    return add(y, reshape(Tensor(&c.tensor(2)), shape));
}

Tensor convolution_by_products(Call& c, const Tensor& x, const Window& v) {
    rules::require_same_dtype(c, 0, 1);
    require(v.groups >= 1, ErrorKind::runtime, c.name(), ": groups=", v.groups, "; expected groups >= 1");
    check_shapes(c, x.sizes(), c.tensor(1).sizes, v.groups, "input");
    Dims pads;
    for (int i = x.rank() - 3; i >= 0; --i)
        for (int side = 0; side < 2; ++side) pads.push_back(v.padding[i]);
    return by_products(c, x, Tensor(&c.tensor(1)), pads, v.stride, v.dilation, v.groups);
}

// A convolution with the flipped kernel over an input with zeros between its elements.
Tensor transposed_by_products(Call& c, Tensor x, const Window& v, const Dims& extra) {
    rules::require_same_dtype(c, 0, 1);
    Tensor w(&c.tensor(1));
    require(x.size(1) == w.size(0) && w.size(0) % v.groups == 0, ErrorKind::runtime, c.name(), ": input of shape ",
            x.sizes(), " and weight of shape ", w.sizes(), " with groups=", v.groups, " do not fit");
    int rank = x.rank() - 2;
    Dims pads, turned, split = {v.groups, w.size(0) / v.groups, w.size(1)}, joined = {w.size(1) * v.groups,
                                                                                     w.size(0) / v.groups};
    for (int i = rank - 1; i >= 0; --i) {
        int64_t margin = checked_mul(v.dilation[i], w.size(i + 2) - 1, c.name()) - v.padding[i];
        pads.push_back(margin);
        pads.push_back(margin + extra[i]);
    }
    for (int i = 0; i < rank; ++i) {
        Dims spread = x.sizes();
        Tensor zeros_between = transpose(unsqueeze(x, i + 3), i + 3, x.rank());
        spread[i + 2] = checked_mul(x.size(i + 2), v.stride[i], c.name());
        zeros_between = invoke(required_op("pad"), zeros_between, Dims{0, v.stride[i] - 1});
        x = reshape(transpose(zeros_between, i + 3, x.rank()), spread);
        x = narrow(x, i + 2, 0, std::max<int64_t>(spread[i + 2] - v.stride[i] + 1, 0));
        turned.push_back(i + 2);
        split.push_back(w.size(i + 2));
        joined.push_back(w.size(i + 2));
    }
    w = transpose(reshape(flip(w, turned), split), 1, 2);
    return by_products(c, x, reshape(w, joined), pads, Dims(rank, 1), v.dilation, v.groups);
}

// ---- the public functions -------------------------------------------------------------------------------------------

// Adds a batch dimension to a single example and takes it away again; resolves padding='same'.
template <int rank>
void compose_convolution(Call& c) {
    Tensor x(&c.tensor(0));
    const Dims& w = c.tensor(1).sizes;
    require(x.rank() == rank + 2 || x.rank() == rank + 1, ErrorKind::runtime, c.name(), ": input has shape ", x.sizes(),
            "; expected ", rank + 1, " (one example) or ", rank + 2, " (a batch) dimensions");
    require(w.size() == rank + 2, ErrorKind::runtime, c.name(), ": weight has shape ", w, "; expected ", rank + 2,
            " dimensions");
    bool single = x.rank() == rank + 1;
    if (single) x = unsqueeze(x, 0);
    Dims stride = per_dimension(c, "stride", rank, 1), dilation = per_dimension(c, "dilation", rank, 1),
         padding(rank, 0);
    if (c["padding"].tag == Tag::string) {
        std::string_view mode = c["padding"].to_string();
        require(mode == "same" || mode == "valid", ErrorKind::runtime, c.name(), ": padding='", mode,
                "'; expected 'same', 'valid' or ints");
        if (mode == "same") {
            Dims uneven;
            for (int i = 0; i < rank; ++i) {
                require(stride[i] == 1, ErrorKind::runtime, c.name(),
                        ": padding='same' needs stride 1; got stride=", stride);
                int64_t total = checked_mul(dilation[i], w[i + 2] - 1, c.name());
                padding[i] = total / 2;
                uneven.push_back(total % 2);
            }
            for (int i = rank - 1; i >= 0; --i) {
                if (!uneven[i]) continue;
                Dims pads(2 * (rank - i), 0);
                pads[2 * (rank - i) - 1] = 1;
                x = invoke(required_op("pad"), x, pads);
            }
        }
    } else {
        padding = per_dimension(c, "padding", rank, 0);
    }
    static const Op& op = required_op("convolution");
    Tensor y = is_differentiable(x.dtype())
                   ? invoke(op, x, c[1], c[2], stride, padding, dilation, c["groups"])
                   : convolution_by_products(c, x, {stride, padding, dilation, c["groups"].to_int()});
    c.out[0] = single ? squeeze(y, 0) : y;
}

template <int rank>
void compose_transposed(Call& c) {
    Tensor x(&c.tensor(0));
    const Dims& w = c.tensor(1).sizes;
    require(x.rank() == rank + 2 || x.rank() == rank + 1, ErrorKind::runtime, c.name(), ": input has shape ", x.sizes(),
            "; expected ", rank + 1, " (one example) or ", rank + 2, " (a batch) dimensions");
    require(w.size() == rank + 2, ErrorKind::runtime, c.name(), ": weight has shape ", w, "; expected ", rank + 2,
            " dimensions");
    bool single = x.rank() == rank + 1;
    if (single) x = unsqueeze(x, 0);
    static const Op& op = required_op("convolution_transpose");
    Window v = window_of(c, rank);
    Dims extra = per_dimension(c, "output_padding", rank, 0);
    Tensor y = is_differentiable(x.dtype())
                   ? invoke(op, x, c[1], c[2], v.stride, v.padding, extra, c["groups"], v.dilation)
                   : transposed_by_products(c, x, v, extra);
    c.out[0] = single ? squeeze(y, 0) : y;
}

#define WINDOW "stride: int[], padding: int[], dilation: int[], groups: int"
#define CONV(N) "conv" N "d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int[" N "] = 1, " \
                "padding: int[" N "] | str = 0, " \
                "dilation: int[" N "] = 1, groups: int = 1) -> Tensor"
#define CONV_TRANSPOSE(N)                                                                            \
    "conv_transpose" N "d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int[" N \
    "] = 1, "                                                                                        \
    "padding: int[" N "] = 0, output_padding: int[" N "] = 0, groups: int = 1, dilation: int[" N "] = 1) -> Tensor"

}  // namespace

OP(convolution) = {
    .signature = "convolution(input: Tensor, weight: Tensor, bias: Tensor | None, " WINDOW ") -> Tensor",
    .names = "_ops.convolution",
    .dtypes = "floating complex",
    .infer = infer_convolution,
    .kernel = {"compute", run_convolution},
    .derivative = {vjp_convolution, "input:weight weight:input"},
    .onnx = {"Conv", 11},
    .samples = {.calls = "convolution(T(2, 3, 7), T(4, 3, 3), T(4), (1,), (1,), (1,), 1); "
                         "convolution(T(2, 4, 6, 5), T(6, 2, 3, 2), T(6), (2, 1), (1, 0), (1, 2), 2); "
                         "convolution(T(1, 2, 4, 4, 3), T(3, 2, 2, 2, 2), None, (1, 1, 1), (0, 1, 0), (1, 1, 1), 1)"},
    .doc = "The convolution (cross-correlation) of a batch in one to three dimensions."};

OP(convolution_fused) = {
    .signature = "convolution_fused(input: Tensor, weight: Tensor, bias: Tensor | None, addend: Tensor | None, " WINDOW
                 ", activation: str) -> Tensor",
    .names = "_ops.convolution_fused",
    .dtypes = "floating",
    .infer = infer_fused_convolution,
    .kernel = {"compute", run_fused_convolution},
    .derivative = fused_for_inference,
    .onnx = no_onnx("Conv, Add and Relu; export the program before optimize_for_inference"),
    .samples = {.calls = "convolution_fused(T(2, 3, 7), T(4, 3, 3), T(4), None, (1,), (1,), (1,), 1, 'relu'); "
                         "convolution_fused(T(2, 3, 7), T(4, 3, 3), None, T(2, 4, 7), (1,), (1,), (1,), 1, 'none'); "
                         "convolution_fused(T(2, 4, 6, 5), T(6, 2, 3, 2), T(6), T(2, 6, 3, 3), (2, 1), (1, 0), "
                         "(1, 2), 2, 'relu')"},
    .doc = "activation(convolution + addend), of 'none' and 'relu', in one pass.",
    .overwrites = "addend"};

OP(convolution_input_grad) = {
    .signature = "convolution_input_grad(grad: Tensor, weight: Tensor, input_size: int[], " WINDOW ") -> Tensor",
    .names = "_ops.convolution_input_grad",
    .dtypes = "floating complex",
    .infer = infer_input_grad,
    .kernel = {"compute", run_input_grad},
    .derivative = {[](Vjp& d) {
                       Window v = window_of(d);
                       if (d.needs(0)) d.to(0, forward(d.grad(), conj(d.input(1)), v));
                       if (d.needs(1)) d.to(1, weight_grad(d.grad(), conj(d.input(0)), d.sizes(1), v));
                   }, "grad:weight weight:grad"},
    .onnx = no_onnx("a gradient"),
    .samples = {.calls = "convolution_input_grad(T(2, 4, 7), T(4, 3, 3), (2, 3, 7), (1,), (1,), (1,), 1)"},
    .doc = "The gradient of a convolution with respect to its input."};

OP(convolution_weight_grad) = {
    .signature = "convolution_weight_grad(input: Tensor, grad: Tensor, weight_size: int[], " WINDOW
                 ", with_bias: bool) -> "
                 "(weight: Tensor, bias: Tensor)",
    .names = "_ops.convolution_weight_grad",
    .dtypes = "floating complex",
    .infer = infer_weight_grad,
    .kernel = {"compute", run_weight_grad},
    .derivative = {[](Vjp& d) {
                       Window v = window_of(d);
                       Tensor gw = d.grad(0), gb = d.grad(1);
                       if (d.needs(0) && gw.defined()) d.to(0, input_grad(conj(d.input(1)), gw, d.sizes(0), v));
                       if (!d.needs(1)) return;
                       Tensor total = gw.defined() ? forward(conj(d.input(0)), gw, v) : Tensor();
                       if (gb.defined() && gb.numel() > 0) {
                           Dims channel(d.sizes(1).size(), 1);
                           channel[1] = d.sizes(1)[1];
                           Tensor spread = expand(reshape(gb, channel), d.sizes(1));
                           total = total.defined() ? add(total, spread) : spread;
                       }
                       d.to(1, total);
                   },
                   "input:grad grad:input"},
    .onnx = no_onnx("a gradient"),
    .samples = {.calls = "convolution_weight_grad(T(2, 3, 7), T(2, 4, 7), (4, 3, 3), (1,), (1,), (1,), 1, True)"},
    .doc = "The gradients of a convolution with respect to its weight and bias."};

OP(convolution_transpose) = {
    .signature =
        "convolution_transpose(input: Tensor, weight: Tensor, bias: Tensor | None, stride: int[], padding: int[], "
        "output_padding: int[], groups: int, dilation: int[]) -> Tensor",
    .names = "_ops.convolution_transpose",
    .dtypes = "floating complex",
    .infer = infer_transposed,
    .kernel = {"compute", run_transposed},
    .derivative = {vjp_transposed, "input:weight weight:input"},
    .onnx = {"ConvTranspose", 11},
    .samples = {.calls =
                    "convolution_transpose(T(2, 3, 5), T(3, 4, 3), T(4), (2,), (1,), (1,), 1, (1,)); "
                    "convolution_transpose(T(2, 4, 3, 4), T(4, 2, 3, 2), T(4), (2, 1), (1, 0), (1, 0), 2, (1, 2)); "
                    "convolution_transpose(T(1, 2, 4), T(2, 3, 2), None, (2,), (3,), (2,), 1, (3,))"},
    .doc =
        "The transposed convolution of a batch in one to three dimensions: the gradient of a convolution with respect "
        "to its input."};

#define DEFINE_CONVOLUTION(N, SHAPES, TRANSPOSED_SHAPES)                                                               \
    OP(conv##N##d) = {                                                                                                 \
        .signature = CONV(#N),                                                                                         \
        .names = "conv" #N "d nn.functional.conv" #N "d",                                                              \
        .dtypes = "floating integral bool complex",                                                                    \
        .compose = compose_convolution<N>,                                                                             \
        .samples = {.calls = SHAPES},                                                                                  \
        .doc = "The convolution of `input` (N, C, spatial) with `weight` (O, C / groups, kernel); padding may be " \
               "'same' or 'valid'.",                                                                                   \
        .autocast = Autocast::lower};                                                                                  \
    OP(conv_transpose##N##d) = {                                                                                       \
        .signature = CONV_TRANSPOSE(#N),                                                                               \
        .names = "conv_transpose" #N "d nn.functional.conv_transpose" #N "d",                                          \
        .dtypes = "floating integral bool complex",                                                                    \
        .compose = compose_transposed<N>,                                                                              \
        .samples = {.calls = TRANSPOSED_SHAPES},                                                                       \
        .doc = "The transposed convolution of `input` (N, I, spatial) with `weight` (I, O / groups, kernel).",         \
        .autocast = Autocast::lower}

DEFINE_CONVOLUTION(1, "conv1d(T(2, 3, 8), T(4, 3, 3), T(4), padding='same')",
                   "conv_transpose1d(T(2, 3, 5), T(3, 4, 3), T(4), 2)");
DEFINE_CONVOLUTION(2, "conv2d(T(2, 3, 6, 6), T(4, 3, 3, 3), T(4), 2, 1)",
                   "conv_transpose2d(T(2, 3, 4, 4), T(3, 2, 2, 2), T(2), 2)");
DEFINE_CONVOLUTION(3, "conv3d(T(1, 2, 4, 4, 4), T(3, 2, 2, 2, 2), T(3))",
                   "conv_transpose3d(T(1, 2, 3, 3, 3), T(2, 3, 2, 2, 2), T(3))");

}  // namespace rushlight
