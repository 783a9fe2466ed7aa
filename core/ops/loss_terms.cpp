// The element-wise terms of losses; ops/loss.cpp reduces them.
#include "ops/pointwise.h"

namespace rushlight {

BINARY(squared_error, same, (x, y), square(x - y), SLOPES(2 * (x - y), 2 * (y - x)), .names = "",
       .doc = "(input - other) squared.");
BINARY(absolute_error, magnitude, (x, y), abs(x - y), SLOPES(sign(x - y), sign(y - x)), .names = "",
       .doc = "The absolute difference.", .complex_vjp = complex_slope::absolute_error);
BINARY(smooth_l1_term, floating_only, (x, y, p),
       where(abs(x - y) < p[0], 0.5 * square(x - y) / p[0], abs(x - y) - 0.5 * p[0]),
       SLOPES(where(abs(x - y) < p[0], (x - y) / p[0], sign(x - y)),
              where(abs(x - y) < p[0], (y - x) / p[0], sign(y - x))),
       .attributes = "beta: Number", .names = "", .doc = "Quadratic below beta, linear above.",
       .samples = "(x, x + 0.7, 1.0)");
BINARY(huber_term, floating_only, (x, y, p),
       where(abs(x - y) < p[0], 0.5 * square(x - y), p[0] * (abs(x - y) - 0.5 * p[0])),
       SLOPES(where(abs(x - y) < p[0], x - y, p[0] * sign(x - y)), where(abs(x - y) < p[0], y - x, p[0] * sign(y - x))),
       .attributes = "delta: Number", .names = "", .doc = "Quadratic below delta, linear above.",
    .samples = "(x, x + 0.7, 1.0)");
// PyTorch bounds the logarithms by -100, so that a wrong certainty costs 100 and not infinity.
BINARY(bce_term, floating_only, (x, y), -(y * maximum(log(x), -100.0) + (1 - y) * maximum(log1p(-x), -100.0)),
       SLOPES((x - y) / maximum(x * (1 - x), 1e-12), maximum(log1p(-x), -100.0) - maximum(log(x), -100.0)),
       .names = "", .doc = "The cross-entropy of a probability and a target.", .domain = {0.05, 0.95});
BINARY(bce_logits_term, floating_only, (x, y), maximum(x, 0) - x * y + log1p(exp(-abs(x))), SLOPES(sigmoid(x) - y, -x),
       .names = "", .doc = "The cross-entropy of a logit and a target.");

}  // namespace rushlight
