// Element-wise functions of one argument: exponentials, powers, trigonometry.
#include "ops/pointwise.h"

namespace rushlight {

UNARY(exp, analytic, (x), exp(x), SLOPE(y),
      .doc = "e to the power of each element.", .domain = {-20, 20});
UNARY(exp2, analytic, (x), exp2(x), SLOPE(0.69314718055994530942 * y),
      .aliases = "special.exp2", .doc = "2 to the power of each element.", .domain = {-20, 20});
UNARY(expm1, analytic, (x), expm1(x), SLOPE(y + 1),
      .aliases = "special.expm1", .doc = "exp(x) - 1 of each element, exact near zero.", .domain = {-20, 20});
UNARY(log, analytic, (x), log(x), SLOPE(1 / x),
      .doc = "Natural logarithm of each element.", .domain = {0.01, 20});
UNARY(log2, analytic, (x), log2(x), SLOPE(1.44269504088896340736 / x),
      .doc = "Logarithm to base 2 of each element.", .domain = {0.01, 20});
UNARY(log10, analytic, (x), log10(x), SLOPE(0.43429448190325182765 / x),
      .doc = "Logarithm to base 10 of each element.", .domain = {0.01, 20});
UNARY(log1p, analytic, (x), log1p(x), SLOPE(1 / (1 + x)),
      .aliases = "special.log1p", .doc = "log(1 + x) of each element, exact near zero.", .domain = {-0.9, 20});
UNARY(sqrt, analytic, (x), sqrt(x), SLOPE(0.5 / y),
      .doc = "Square root of each element.", .domain = {0.01, 20});
UNARY(rsqrt, analytic, (x), rsqrt(x), SLOPE(-0.5 * y / x),
      .doc = "Reciprocal of the square root of each element.", .domain = {0.01, 20});
UNARY(sin, analytic, (x), sin(x), SLOPE(cos(x)),
      .doc = "Sine of each element, in radians.", .domain = {-10, 10});
UNARY(cos, analytic, (x), cos(x), SLOPE(-sin(x)),
      .doc = "Cosine of each element, in radians.", .domain = {-10, 10});
UNARY(tan, analytic, (x), tan(x), SLOPE(1 + y * y),
      .doc = "Tangent of each element, in radians.", .domain = {-1.4, 1.4});
UNARY(asin, analytic, (x), asin(x), SLOPE(rsqrt(1 - x * x)),
      .aliases = "arcsin Tensor.arcsin Tensor.arcsin_", .doc = "Arc sine of each element, in radians.",
    .domain = {-0.95, 0.95});
UNARY(acos, analytic, (x), acos(x), SLOPE(-rsqrt(1 - x * x)),
      .aliases = "arccos Tensor.arccos Tensor.arccos_", .doc = "Arc cosine of each element, in radians.",
    .domain = {-0.95, 0.95});
UNARY(atan, analytic, (x), atan(x), SLOPE(1 / (1 + x * x)),
      .aliases = "arctan Tensor.arctan Tensor.arctan_", .doc = "Arc tangent of each element, in radians.",
    .domain = {-10, 10});
UNARY(sinh, analytic, (x), sinh(x), SLOPE(cosh(x)),
      .doc = "Hyperbolic sine of each element.", .domain = {-5, 5});
UNARY(cosh, analytic, (x), cosh(x), SLOPE(sinh(x)),
      .doc = "Hyperbolic cosine of each element.", .domain = {-5, 5});
UNARY(tanh, analytic, (x), tanh(x), SLOPE(1 - y * y),
      .doc = "Hyperbolic tangent of each element.", .domain = {-5, 5});
UNARY(asinh, analytic, (x), asinh(x), SLOPE(rsqrt(x * x + 1)),
      .aliases = "arcsinh Tensor.arcsinh Tensor.arcsinh_", .doc = "Inverse hyperbolic sine of each element.",
    .domain = {-10, 10});
UNARY(acosh, analytic, (x), acosh(x), SLOPE(rsqrt(x * x - 1)),
      .aliases = "arccosh Tensor.arccosh Tensor.arccosh_", .doc = "Inverse hyperbolic cosine of each element.",
    .domain = {1.05, 10}, .complex_vjp = complex_slope::acosh);
UNARY(atanh, analytic, (x), atanh(x), SLOPE(1 / (1 - x * x)),
      .aliases = "arctanh Tensor.arctanh Tensor.arctanh_", .doc = "Inverse hyperbolic tangent of each element.",
    .domain = {-0.95, 0.95});

}  // namespace rushlight
