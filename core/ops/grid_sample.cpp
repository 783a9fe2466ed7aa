// Images sampled at the places of a grid.
#include "kernels/generic/grid_sample.h"

#include "ops/algebra.h"
#include "registry/rules.h"
#include "registry/vjp.h"

namespace rushlight {

namespace {

// Of an operator whose arguments are input and grid at `first`, then mode, padding_mode and align_corners by name.
kernels::GridSample sample_of(const Call& c, int first) {
    const TensorImpl &x = c.tensor(first), &g = c.tensor(first + 1);
    int rank = x.rank() - 2;
    std::string_view mode = c["mode"].to_string(), padding = c["padding_mode"].to_string();
    require(rank == 2 || rank == 3, ErrorKind::runtime, c.name(), ": input has shape ", x.sizes,
            "; expected 4 or 5 dimensions, (N, C, spatial...)");
    require(g.rank() == x.rank() && g.sizes[0] == x.sizes[0] && g.sizes[rank + 1] == rank, ErrorKind::runtime, c.name(),
            ": grid has shape ", g.sizes, " for input of shape ", x.sizes, "; expected (", x.sizes[0], ", spatial..., ",
            rank, ")");
    require(x.dtype == g.dtype, ErrorKind::runtime, c.name(), ": grid has dtype ", name_of(g.dtype), " and input ",
            name_of(x.dtype), "; expected the same dtype");
    bool linear = mode == "bilinear", nearest = mode == "nearest";
    require(linear || nearest || mode == "bicubic", ErrorKind::value, c.name(), ": mode='", mode,
            "'; expected 'bilinear', 'nearest' or 'bicubic'");
    require(linear || nearest || rank == 2, ErrorKind::runtime, c.name(), ": mode='bicubic' for input of shape ",
            x.sizes, "; expected 4 dimensions");
    bool zeros = padding == "zeros", border = padding == "border";
    require(zeros || border || padding == "reflection", ErrorKind::value, c.name(), ": padding_mode='", padding,
            "'; expected 'zeros', 'border' or 'reflection'");
    kernels::GridSample s;
    s.batch = x.sizes[0];
    s.channels = x.sizes[1];
    s.points = 1;
    s.in[0] = 1;
    for (int i = 0; i < rank; ++i) {
        require(x.sizes[i + 2] > 0, ErrorKind::runtime, c.name(), ": input has shape ", x.sizes,
                "; expected spatial dimensions that are not empty");
        s.in[3 - rank + i] = x.sizes[i + 2];
        s.points *= g.sizes[i + 1];
    }
    s.rank = rank;
    s.mode = linear ? kernels::SampleMode::linear : nearest ? kernels::SampleMode::nearest : kernels::SampleMode::cubic;
    s.padding = zeros    ? kernels::SamplePadding::zeros
                : border ? kernels::SamplePadding::border
                         : kernels::SamplePadding::reflection;
    s.align_corners = c["align_corners"].to_bool();
    return s;
}

Dims sampled_sizes(const Call& c, int first) {
    const Dims &x = c.tensor(first).sizes, &g = c.tensor(first + 1).sizes;
    Dims out = {x[0], x[1]};
    for (int i = 1; i + 1 < g.size(); ++i) out.push_back(g[i]);
    return out;
}

DType compute_dtype(DType t) { return t == DType::float64 ? t : DType::float32; }

Tensor plain(const Call& c, int param) {
    Tensor x(&c.tensor(param));
    return contiguous(cast(x, compute_dtype(x.dtype())));
}

void infer_sample(Call& c) {
    rules::require_floating(c, 0);
    sample_of(c, 0);
    c.result(sampled_sizes(c, 0), c.tensor(0).dtype);
}

void run_sample(Call& c) {
    Tensor x = plain(c, 0), g = plain(c, 1);
    bool direct = c.out[0].dtype() == x.dtype();
    Tensor out = direct ? c.out[0] : zeros(c.out[0].sizes(), x.dtype());
    kernels::grid_sample(x.data(), g.data(), x.dtype(), out.data(), sample_of(c, 0));
    if (!direct) copy_values(*c.out[0].impl(), *out.impl());
}

void vjp_sample(Vjp& d) {
    static const Op& op = required_op("grid_sample_grad");
    Call both = invoke_call(op, d.grad(), d.input(0), d.input(1), d[2], d[3], d[4]);
    if (d.needs(0)) d.to(0, both.out[0]);
    if (d.needs(1)) d.to(1, both.out[1]);
}

void infer_sample_grad(Call& c) {
    rules::require_floating(c, 0);
    sample_of(c, 1);
    rules::require_same_dtype(c, 0, 1);
    Dims expected = sampled_sizes(c, 1);
    require(c.tensor(0).sizes == expected, ErrorKind::runtime, c.name(), ": grad has shape ", c.tensor(0).sizes,
            "; expected ", expected);
    c.result(c.tensor(1).sizes, c.tensor(1).dtype);
    c.result(c.tensor(2).sizes, c.tensor(2).dtype);
}

void run_sample_grad(Call& c) {
    Tensor grad = plain(c, 0), x = plain(c, 1), g = plain(c, 2);
    Tensor grad_input = zeros(x.sizes(), x.dtype()), grad_grid = zeros(g.sizes(), g.dtype());
    kernels::grid_sample_backward(grad.data(), x.data(), g.data(), x.dtype(), grad_input.data(), grad_grid.data(),
                                  sample_of(c, 1));
    copy_values(*c.out[0].impl(), *grad_input.impl());
    copy_values(*c.out[1].impl(), *grad_grid.impl());
}

#define MODES "mode: str = 'bilinear', padding_mode: str = 'zeros', align_corners: bool = False"

}  // namespace

OP(grid_sample) = {
    .signature = "grid_sample(input: Tensor, grid: Tensor, " MODES ") -> Tensor",
    .names = "_ops.grid_sample",
    .dtypes = "floating",
    .infer = infer_sample,
    .kernel = {"generic", run_sample},
    .derivative = {vjp_sample, "input grid"},
    .onnx = {"GridSample", 16},
    .samples = {.calls = "grid_sample(T(2, 3, 4, 5), T(2, 3, 2, 2) / 2); "
                         "grid_sample(T(1, 2, 4, 5), T(1, 3, 2, 2), 'bilinear', 'reflection', True); "
                         "grid_sample(T(1, 2, 4, 5), T(1, 3, 2, 2), 'bicubic', 'border'); "
                         "grid_sample(T(1, 2, 3, 4, 5), T(1, 2, 1, 2, 3) / 2)"},
    .doc = "Images sampled at the places of `grid`, whose coordinates run from -1 to 1 over each dimension, last "
           "dimension first."};

OP(grid_sample_grad) = {
    .signature = "grid_sample_grad(grad: Tensor, input: Tensor, grid: Tensor, " MODES ") -> (grad_input: Tensor, "
                 "grad_grid: Tensor)",
    .names = "_ops.grid_sample_grad",
    .dtypes = "floating",
    .infer = infer_sample_grad,
    .kernel = {"generic", run_sample_grad},
    .derivative = not_differentiable("the second derivative of sampling by a grid is not implemented"),
    .onnx = no_onnx("a gradient"),
    .samples = {.calls = "grid_sample_grad(T(2, 3, 3, 2), T(2, 3, 4, 5), T(2, 3, 2, 2))"},
    .doc = "The gradients of grid_sample."};

}  // namespace rushlight
