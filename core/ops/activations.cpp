// Element-wise activations.
#include "ops/pointwise.h"

namespace rushlight {

UNARY(relu, same, (x), maximum(x, 0), SLOPE(!(y <= 0)),
      .names = "relu relu_ Tensor.relu Tensor.relu_ nn.functional.relu_", .doc = "max(x, 0) of each element.",
      .inplace = true);
UNARY(relu6, same, (x), minimum(maximum(x, 0), 6), SLOPE((x > 0) & (x < 6)),
      .names = "", .doc = "Each element clamped to 0 and 6.", .domain = {-3, 9}, .inplace = true);
UNARY(leaky_relu, floating_only, (x, p), where(x > 0, x, x * p[0]), SLOPE(where(x > 0, 1, p[0])),
      .attributes = "negative_slope: Number = 0.01", .names = "nn.functional.leaky_relu_",
      .doc = "Each element, times `negative_slope` where it is negative.", .inplace = true);
UNARY(elu, floating_only, (x, p), where(x > 0, x, p[0] * expm1(x)), SLOPE(where(x > 0, 1, p[0] * exp(minimum(x, 0)))),
      .attributes = "alpha: Number = 1.0", .names = "nn.functional.elu_",
      .doc = "Each element, or alpha * (exp(x) - 1) where it is negative.", .inplace = true);
UNARY(selu, floating_only, (x), 1.0507009873554804934 * where(x > 0, x, 1.6732632423543772848 * expm1(x)),
      SLOPE(where(x > 0, 1.0507009873554804934, 1.7580993408473768600 * exp(minimum(x, 0)))),
      .names = "selu selu_ nn.functional.selu_", .doc = "The self-normalising exponential linear unit of each element.",
      .inplace = true);
UNARY(celu, floating_only, (x, p), where(x > 0, x, p[0] * expm1(x / p[0])),
      SLOPE(where(x > 0, 1, exp(minimum(x, 0) / p[0]))), .attributes = "alpha: Number = 1.0",
      .names = "celu celu_ nn.functional.celu_",
      .doc = "Each element, or alpha * (exp(x / alpha) - 1) where it is negative.", .inplace = true);
UNARY(gelu, floating_only, (x), 0.5 * x * (1 + erf(0.70710678118654752440 * x)),
      SLOPE(0.5 * (1 + erf(0.70710678118654752440 * x)) + 0.39894228040143267794 * x * exp(-0.5 * x * x)),
      .names = "", .doc = "x times the normal distribution function of x.");
UNARY(gelu_tanh, floating_only, (x), 0.5 * x * (1 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x))),
      SLOPE(0.5 * (1 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x))) +
            0.39894228040143267794 * x * (1 + 0.134145 * x * x) *
                (1 - square(tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x))))),
      .names = "", .doc = "The approximation of gelu by tanh.");
UNARY(silu, inexact, (x), x * sigmoid(x), SLOPE(sigmoid(x) * (1 + x * (1 - sigmoid(x)))),
      .names = "", .doc = "x * sigmoid(x) of each element.", .inplace = true);
UNARY(mish, floating_only, (x), x * tanh(logaddexp(x, 0)),
      SLOPE(tanh(logaddexp(x, 0)) + x * sigmoid(x) * (1 - square(tanh(logaddexp(x, 0))))),
      .names = "", .doc = "x * tanh(softplus(x)) of each element.", .inplace = true);
UNARY(softplus, floating_only, (x, p), where(x * p[0] > p[1], x, log1p(exp(x * p[0])) / p[0]),
      SLOPE(where(x * p[0] > p[1], 1, sigmoid(x * p[0]))),
      .attributes = "beta: Number = 1.0, threshold: Number = 20.0", .names = "nn.functional.softplus out",
      .doc = "log(1 + exp(beta * x)) / beta of each element, and x itself where beta * x is above the threshold.");
UNARY(softsign, analytic, (x), x / (1 + abs(x)), SLOPE(1 / square(1 + abs(x))),
      .names = "nn.functional.softsign", .doc = "x / (1 + |x|) of each element.",
      .complex_vjp = complex_slope::softsign);
UNARY(hardtanh, same, (x, p), minimum(maximum(x, p.bound(0)), p.bound(1)), SLOPE((x > p[0]) & (x < p[1])),
      .attributes = "min_val: Number = -1.0, max_val: Number = 1.0", .names = "nn.functional.hardtanh_",
      .doc = "Each element clamped to `min_val` and `max_val`.",
      .check = [](const Call& c) {
          require(!(c[1].to_double() > c[2].to_double()), ErrorKind::value, c.name(), ": min_val=", c[1].to_double(),
                  " and max_val=", c[2].to_double(), "; expected min_val <= max_val");
      }, .inplace = true);
UNARY(hardsigmoid, floating_only, (x), minimum(maximum(x + 3, 0), 6) / 6, SLOPE(where((x > -3) & (x < 3), 1.0 / 6, 0)),
      .names = "", .doc = "x / 6 + 1/2, clamped to 0 and 1.", .domain = {-5, 5}, .inplace = true);
UNARY(hardswish, floating_only, (x), x * minimum(maximum(x + 3, 0), 6) / 6,
      SLOPE(where(x <= -3, 0, where(x < 3, x / 3 + 0.5, 1))),
      .names = "", .doc = "x * hardsigmoid(x) of each element.", .domain = {-5, 5}, .inplace = true);
UNARY(tanhshrink, analytic, (x), x - tanh(x), SLOPE(square(tanh(x))),
      .names = "nn.functional.tanhshrink", .doc = "x - tanh(x) of each element.");
UNARY(softshrink, floating_only, (x, p), where(x > p[0], x - p[0], where(x < -p[0], x + p[0], x * 0)),
      SLOPE(abs(x) > p[0]), .attributes = "lambd: Number = 0.5", .names = "nn.functional.softshrink out",
      .doc = "Each element drawn towards zero by `lambd`, no further than to zero.",
      .check = [](const Call& c) {
          require(c[1].to_double() >= 0 && c[1].to_double() <= std::numeric_limits<float>::max(), ErrorKind::runtime,
                  c.name(), ": lambd=", c[1].to_double(), "; expected a finite number of 0 or more");
      });
UNARY(hardshrink, floating_only, (x, p), where(abs(x) <= p[0], 0, x), SLOPE(!(abs(x) <= p[0])),
      .attributes = "lambd: Number = 0.5", .names = "hardshrink Tensor.hardshrink nn.functional.hardshrink out",
      .doc = "Each element, or zero where it is within `lambd` of zero.");
UNARY(threshold, same, (x, p), where(x <= p[0], p[1], x), SLOPE(!(x <= p[0])),
      .attributes = "threshold: Number, value: Number", .names = "threshold threshold_ nn.functional.threshold_",
      .doc = "Each element, or `value` where it is not above `threshold`.", .samples = "(x, 0.1, -2.0)",
      .inplace = true);

}  // namespace rushlight
