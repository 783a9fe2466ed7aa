// Element-wise special functions of one argument.
#include "ops/pointwise.h"

namespace rushlight {

UNARY(erf, float_result, (x), erf(x), SLOPE(1.1283791670955126 * exp(-x * x)),
      .aliases = "special.erf", .doc = "Gauss error function of each element.", .domain = {-4, 4});
UNARY(erfc, float_result, (x), erfc(x), SLOPE(-1.1283791670955126 * exp(-x * x)),
      .aliases = "special.erfc", .doc = "1 - erf(x) of each element, exact where that is tiny.", .domain = {-4, 4});
UNARY(erfinv, float_result, (x), erfinv(x), SLOPE(0.88622692545275801365 * exp(y * y)),
      .aliases = "special.erfinv", .doc = "Inverse of erf of each element.", .domain = {-0.95, 0.95});
UNARY(lgamma, float_result, (x), lgamma(x), SLOPE(digamma(x)),
      .aliases = "special.gammaln", .doc = "Logarithm of the absolute value of the gamma function of each element.",
      .domain = {0.1, 20});
UNARY(digamma, float_result, (x), digamma(x), SLOPE(polygamma(x, 1)),
      .aliases = "special.digamma special.psi", .doc = "Derivative of lgamma of each element.", .domain = {0.1, 20});
UNARY(polygamma, float_result, (x, p), polygamma(x, p[0]), SLOPE(polygamma(x, p[0] + 1)),
      .attributes = "n: int", .names = "Tensor.polygamma Tensor.polygamma_",
      .doc = "The n-th derivative of digamma of each element.", .domain = {0.1, 20}, .samples = "(x, 1); (x, 2)");
UNARY(sinc, analytic, (x), sinc(x), SLOPE(where(x == 0, 0, (cos(3.14159265358979323846 * x) - y) / x)),
      .aliases = "special.sinc", .doc = "sin(pi x) / (pi x) of each element, and 1 at 0.", .domain = {0.1, 3});
UNARY(entr, float_result, (x), where(x < 0, -__builtin_inf(), where(x == 0, 0, -x * log(x))), SLOPE(-log(x) - 1),
      .names = "special.entr out", .doc = "-x log(x) of each element: 0 at 0, -inf below.", .domain = {0.1, 5});
UNARY(sigmoid, analytic, (x), sigmoid(x), SLOPE(y * (1 - y)),
      .aliases = "special.expit nn.functional.sigmoid", .doc = "1 / (1 + exp(-x)) of each element.",
    .domain = {-10, 10});
UNARY(logit, float_result, (x, p), logit(x, p), SLOPE(where((x < p[0]) | (x > 1 - p[0]), 0, 1 / (x * (1 - x)))),
      .attributes = "eps: float | None = None", .aliases = "special.logit",
      .doc = "log(x / (1 - x)) of each element, clamped to eps and 1 - eps first where eps is given.",
    .domain = {0.05, 0.95});
UNARY(logsigmoid, floating_only, (x), logsigmoid(x), SLOPE(sigmoid(-x)),
      .names = "nn.functional.logsigmoid out", .doc = "Logarithm of the sigmoid of each element, exact at both ends.",
      .domain = {-10, 10});

}  // namespace rushlight
