// Element-wise arithmetic of two arguments.
#include "ops/pointwise.h"

namespace rushlight {

BINARY(add, numeric_or_bool, (x, y, p), add_scaled(x, y, p[0]), SLOPES(1.0, p[0]),
       .attributes = "*, alpha: Number = 1", .doc = "input + alpha * other.", .number_first = true,
       .numbers_alone = true);
BINARY(sub, numeric, (x, y, p), sub_scaled(x, y, p[0]), SLOPES(1.0, -p[0]),
       .attributes = "*, alpha: Number = 1", .aliases = "subtract Tensor.subtract Tensor.subtract_",
       .doc = "input - alpha * other.", .number_first = true, .numbers_alone = true);
BINARY(mul, numeric_or_bool, (x, y), x * y, SLOPES(y, x),
       .aliases = "multiply Tensor.multiply Tensor.multiply_", .doc = "input * other.",
       .number_first = true, .numbers_alone = true);
BINARY(div, analytic, (x, y), x / y, SLOPES(1 / y, -(x / y) / y),
       .names = "true_divide Tensor.true_divide Tensor.true_divide_ out",
       .doc = "input / other; integers give the default floating dtype.", .domain = {0.2, 5}, .number_first = true,
       .numbers_alone = true);
BINARY(floor_divide, divide, (x, y), floor_divide(x, y), SLOPES(0.0, 0.0),
       .doc = "The largest whole number not above input / other.", .domain = {0.2, 5}, .number_first = true,
       .numbers_alone = true);
BINARY(floor_quotient, divide, (x, y), floor_quotient(x, y), NO_SLOPE("the quotient is piecewise constant"),
       .names = "_ops.floor_quotient", .doc = "input / other rounded down, infinities included.", .domain = {0.2, 5});
BINARY(trunc_divide, divide, (x, y), trunc_divide(x, y), SLOPES(0.0, 0.0),
       .names = "", .doc = "input / other without its fraction.", .domain = {0.2, 5}, .number_first = true,
       .numbers_alone = true);
BINARY(remainder, divide, (x, y), remainder(x, y), SLOPES(1.0, -floor(x / y)),
       .doc = "The remainder of input / other with the sign of `other`, as Python's %.", .domain = {0.2, 5},
       .number_first = true);
BINARY(fmod, divide, (x, y), fmod(x, y), SLOPES(1.0, -trunc(x / y)),
       .doc = "The remainder of input / other with the sign of `input`, as C's.", .domain = {0.2, 5});
BINARY(pow, numeric, (x, y), pow(x, y),
       SLOPES(where(y == 0, 0, y * pow(x, y - 1)), where((x == 0) & (real(y) >= 0), 0, pow(x, y) * log(x))),
       .doc = "input to the power of other.", .domain = {0.2, 3}, .natural_exponent = true, .number_first = true);
BINARY(atan2, float_result, (x, y), atan2(x, y), SLOPES(y / (x * x + y * y), -x / (x * x + y * y)),
       .aliases = "arctan2 Tensor.arctan2 Tensor.arctan2_", .doc = "The angle of the point (other, input), in radians.",
       .domain = {0.2, 5});
BINARY(hypot, floating_only, (x, y), hypot(x, y), SLOPES(x / sqrt(x * x + y * y), y / sqrt(x * x + y * y)),
       .doc = "The length of the hypotenuse, without overflow.", .domain = {0.2, 5});
BINARY(maximum, same_or_bool, (x, y), maximum(x, y),
       SLOPES(where(x > y, 1, where(x == y, 0.5, 0)), where(y > x, 1, where(x == y, 0.5, 0))),
       .names = "maximum Tensor.maximum out", .doc = "The larger of two elements; a NaN on either side wins.");
BINARY(minimum, same_or_bool, (x, y), minimum(x, y),
       SLOPES(where(x < y, 1, where(x == y, 0.5, 0)), where(y < x, 1, where(x == y, 0.5, 0))),
       .names = "minimum Tensor.minimum out", .doc = "The smaller of two elements; a NaN on either side wins.");
BINARY(fmax, same_or_bool, (x, y), fmax(x, y), SLOPES((x >= y) | isnan(y), !((x >= y) | isnan(y))),
       .names = "fmax Tensor.fmax out", .doc = "The larger of two elements; a number wins over a NaN.");
BINARY(fmin, same_or_bool, (x, y), fmin(x, y), SLOPES((x <= y) | isnan(y), !((x <= y) | isnan(y))),
       .names = "fmin Tensor.fmin out", .doc = "The smaller of two elements; a number wins over a NaN.");
BINARY(copysign, float_result, (x, y), copysign(x, y), SLOPES(where(x == 0, 0, copysign(x, y) / x), 0.0),
       .doc = "The magnitude of `input` with the sign of `other`.");
BINARY(nextafter, floating_only, (x, y), nextafter(x, y), SLOPES(!(x == y), 0.0),
       .doc = "The floating number next to `input` in the direction of `other`.");
BINARY(logaddexp, inexact, (x, y), logaddexp(x, y), SLOPES(sigmoid(x - y), sigmoid(y - x)),
       .names = "logaddexp Tensor.logaddexp out", .doc = "log(exp(input) + exp(other)), without overflow.");
BINARY(logaddexp2, floating_only, (x, y), logaddexp2(x, y),
       SLOPES(sigmoid(0.69314718055994530942 * (x - y)), sigmoid(0.69314718055994530942 * (y - x))),
       .names = "logaddexp2 Tensor.logaddexp2 out", .doc = "log2(2 ** input + 2 ** other), without overflow.");
BINARY(heaviside, same_or_bool, (x, y), heaviside(x, y), NO_SLOPE("the step has no derivative"),
       .doc = "0 where `input` is negative, 1 where it is positive, `other` where it is zero.");
BINARY(xlogy, float_result, (x, y), xlogy(x, y), SLOPES(where((x == 0) & (y <= 0), 0, log(y)), x / y),
       .aliases = "xlogy_ special.xlogy", .doc = "input * log(other), and 0 where input is 0.", .domain = {0.2, 5},
       .number_first = true);
BINARY(xlog1py, float_result, (x, y), where((x == 0) & (y == y), 0, x * log1p(y)),
       SLOPES(where((x == 0) & (y <= -1), 0, log1p(y)), x / (1 + y)),
       .names = "special.xlog1py out", .doc = "input * log(1 + other), and 0 where input is 0.", .domain = {0.2, 5},
       .number_first = true);
BINARY(clamp_min, same_or_bool, (x, y), maximum(x, y), SLOPES(x >= y, x < y),
       .signature = "clamp_min(input: Tensor, min: Tensor | Number) -> Tensor", .aliases = "clamp_min_",
       .doc = "Each element, but at least `min`.");
BINARY(clamp_max, same_or_bool, (x, y), minimum(x, y), SLOPES(x <= y, x > y),
       .signature = "clamp_max(input: Tensor, max: Tensor | Number) -> Tensor", .aliases = "clamp_max_",
       .doc = "Each element, but at most `max`.");

}  // namespace rushlight
