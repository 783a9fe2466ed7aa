// Random numbers whose distribution a tensor states: gamma, Dirichlet and binomial, and how the first two move with
// their parameters.
#include "base/parallel.h"
#include "kernels/generic/implicit.h"
#include "ops/algebra.h"
#include "registry/rules.h"
#include "registry/vjp.h"
#include "tensor/random.h"

namespace rushlight {

namespace {

Generator& generator_of(const Call& c) {
    const Value& given = c["generator"];
    return given.is_none() ? *default_generator() : *given.generator_;
}

void run_standard_gamma(Call& c) {
    Tensor alpha = contiguous(Tensor(&c.tensor(0)));
    random::standard_gamma(generator_of(c), c.out[0].data(), alpha.data(), alpha.numel(), alpha.dtype(), c.name());
}

void infer_dirichlet(Call& c) {
    rules::require_floating(c, 0);
    require(c.tensor(0).sizes.size() > 0, ErrorKind::runtime, c.name(),
            ": input has no dimension; expected the concentrations along the last one");
    rules::same_as_first(c);
}

void run_dirichlet(Call& c) {
    GradMode off(false);
    Tensor alpha = contiguous(Tensor(&c.tensor(0)));
    Tensor gamma = empty_tensor(alpha.sizes(), DType::float64);
    random::standard_gamma_wide(generator_of(c), gamma.data_as<double>(), alpha.data(), alpha.numel(), alpha.dtype(),
                                c.name());
    int64_t parts = alpha.sizes().back(), rows = parts ? alpha.numel() / parts : 0;
    for (int64_t r = 0; r < rows; ++r) {
        double* row = gamma.data_as<double>() + r * parts;
        double total = 0;
        for (int64_t k = 0; k < parts; ++k) total += row[k];
        for (int64_t k = 0; k < parts; ++k) row[k] /= total;
    }
    // Inside the open simplex, whose logarithms are finite.
    double least = alpha.dtype() == DType::float64 ? 0x1p-1022 : alpha.dtype() == DType::float16 ? 0x1p-14 : 0x1p-126;
    double step = alpha.dtype() == DType::float64 ? 0x1p-53 : alpha.dtype() == DType::float32 ? 0x1p-24
                : alpha.dtype() == DType::float16 ? 0x1p-11 : 0x1p-8;
    for (int64_t i = 0; i < gamma.numel(); ++i) {
        double& x = gamma.data_as<double>()[i];
        x = std::min(std::max(x, least), 1 - step);
    }
    copy_values(*c.out[0].impl(), *gamma.impl());
}

void infer_binomial(Call& c) {
    rules::require_floating(c, 0);
    rules::require_floating(c, 1);
    rules::require_same_dtype(c, 0, 1);
    c.result(rules::broadcast(c, c.tensor(0).sizes, c.tensor(1).sizes), c.tensor(0).dtype);
}

void run_binomial(Call& c) {
    GradMode off(false);
    Tensor count = contiguous(invoke(required_op("expand"), Tensor(&c.tensor(0)), c.out[0].sizes()));
    Tensor p = contiguous(invoke(required_op("expand"), Tensor(&c.tensor(1)), c.out[0].sizes()));
    random::binomial(generator_of(c), c.out[0].data(), count.data(), p.data(), count.numel(), count.dtype(), c.name());
}

// ---- implicit gradients ---------------------------------------------------------------------------------------------

void infer_same_shapes(Call& c) {
    rules::require_floating(c, 0);
    for (int i = 1; i < int(c.op.parsed.params.size()); ++i) {
        rules::require_same_dtype(c, 0, i);
        rules::require_same_shape(c, 0, i);
    }
    rules::same_as_first(c);
}

// Each result from one double of each argument.
template <int N, class F>
void for_each_double(Call& c, F&& f) {
    GradMode off(false);
    Tensor wide[N];
    const double* from[N];
    for (int i = 0; i < N; ++i) {
        wide[i] = contiguous(cast(Tensor(&c.tensor(i)), DType::float64));
        from[i] = static_cast<const double*>(wide[i].data());
    }
    Tensor out = empty_tensor(c.out[0].sizes(), DType::float64);
    double* to = out.data_as<double>();
    parallel_for(out.numel(), 256, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) to[i] = f(from, i);
    });
    copy_values(*c.out[0].impl(), *out.impl());
}

void run_standard_gamma_grad(Call& c) {
    for_each_double<2>(c, [](const double** v, int64_t i) { return kernels::gamma_slope(v[0][i], v[1][i]); });
}

void run_dirichlet_grad(Call& c) {
    for_each_double<3>(c, [](const double** v, int64_t i) {
        return kernels::beta_slope(v[0][i], v[1][i], v[2][i] - v[1][i]);
    });
}

void vjp_standard_gamma(Vjp& d) {
    d.to(0, mul(d.grad(), invoke(required_op("standard_gamma_grad"), d.input(0), d.result())));
}

void vjp_dirichlet(Vjp& d) {
    Tensor g = d.grad(), x = d.result(), alpha = d.input(0);
    Tensor total = invoke(required_op("expand"), sum(alpha, -1, true), alpha.sizes());
    Tensor slope = invoke(required_op("dirichlet_grad"), x, alpha, total);
    d.to(0, mul(slope, sub(g, sum(mul(x, g), -1, true))));
}

void vjp_of_no_effect(Vjp& d) {
    for (int i = 0; i < 2; ++i)
        if (d.needs(i)) d.to(i, zeros(d.sizes(i), d.dtype(i)));
}

}  // namespace

OP(standard_gamma) = {
    .signature = "_standard_gamma(input: Tensor, generator: Generator | None = None) -> Tensor",
    .names = "_standard_gamma",
    .kind = Kind::random,
    .dtypes = "floating",
    .infer = rules::same_as_first_floating,
    .kernel = {"generic", run_standard_gamma},
    .derivative = {vjp_standard_gamma, "input result"},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {},
    .doc = "Gamma numbers of scale 1, each with the shape parameter at its place in `input`."};

OP(standard_gamma_grad) = {
    .signature = "_standard_gamma_grad(input: Tensor, output: Tensor) -> Tensor",
    .names = "_standard_gamma_grad",
    .kind = Kind::opaque,
    .dtypes = "floating",
    .infer = infer_same_shapes,
    .kernel = {"generic", run_standard_gamma_grad},
    .derivative = not_differentiable("the second derivative of a gamma draw is not offered"),
    .onnx = no_onnx("a derivative"),
    .samples = {.low = 0.1, .high = 3, .calls = "standard_gamma_grad(T(3, 4), T(3, 4))"},
    .doc = "How the gamma draws `output` move with their shape parameters `input`."};

OP(sample_dirichlet) = {
    .signature = "_sample_dirichlet(input: Tensor, generator: Generator | None = None) -> Tensor",
    .names = "_sample_dirichlet",
    .kind = Kind::random,
    .dtypes = "floating",
    .infer = infer_dirichlet,
    .kernel = {"generic", run_dirichlet},
    .derivative = {vjp_dirichlet, "input result"},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {},
    .doc = "Dirichlet draws along the last dimension, with the concentrations `input`."};

OP(dirichlet_grad) = {
    .signature = "_dirichlet_grad(x: Tensor, alpha: Tensor, total: Tensor) -> Tensor",
    .names = "_dirichlet_grad",
    .kind = Kind::opaque,
    .dtypes = "floating",
    .infer = infer_same_shapes,
    .kernel = {"generic", run_dirichlet_grad},
    .derivative = not_differentiable("the second derivative of a Dirichlet draw is not offered"),
    .onnx = no_onnx("a derivative"),
    .samples = {.low = 0.1, .high = 0.9, .calls = "dirichlet_grad(T(3, 4), T(3, 4), T(3, 4) + 1)"},
    .doc = "How the parts `x` of Dirichlet draws move with their own concentrations `alpha`, divided by 1 - x; `total` "
           "is the sum of all concentrations."};

OP(binomial) = {
    .signature = "binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor",
    .names = "binomial",
    .kind = Kind::random,
    .dtypes = "floating",
    .infer = infer_binomial,
    .kernel = {"generic", run_binomial},
    .derivative = {vjp_of_no_effect, ""},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {},
    .doc = "Binomial numbers: the successes among `count` trials of probability `prob`."};

}  // namespace rushlight
