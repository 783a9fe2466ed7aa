// Element-wise operators of one argument that need no transcendental function: signs, rounding, limits, questions.
#include "ops/pointwise.h"

namespace rushlight {

UNARY(abs, magnitude, (x), abs(x), SLOPE(sgn(x)),
      .aliases = "absolute Tensor.absolute Tensor.absolute_", .doc = "Absolute value of each element.",
      .domain = {-3, 3}, .check = [](const Call& c) {
          require(!c.in_place || !is_complex(c.tensor(0).dtype), ErrorKind::runtime, c.name(), ": input has dtype ",
                  name_of(c.tensor(0).dtype), "; expected a real one, as the result is, to write it in place");
      }, .complex_vjp = complex_slope::abs);
UNARY(angle, argument, (x), angle(x), SLOPE(0.0),
      .names = "angle Tensor.angle out", .doc = "The angle of each complex number; of a real one 0 or pi, by its sign.",
      .complex_vjp = complex_slope::angle, .saves = "input");
UNARY(conj_physical, numeric_or_bool, (x), conj(x), SLOPE(1.0),
      .names = "conj_physical Tensor.conj_physical Tensor.conj_physical_ out",
      .doc = "Each complex number with the other sign of its imaginary part; real ones as they are.",
      .complex_vjp = complex_slope::conj);
UNARY(neg, numeric, (x), -x, SLOPE(-1.0),
      .aliases = "negative Tensor.negative Tensor.negative_", .doc = "Each element with the other sign.");
UNARY(positive, numeric, (x), x, SLOPE(1.0),
      .names = "positive Tensor.positive", .doc = "Each element as it is.");
UNARY(sign, same_or_bool, (x), sign(x), SLOPE(0.0),
      .doc = "-1, 0 or 1 by the sign of each element.");
UNARY(sgn, numeric_or_bool, (x), sgn(x), SLOPE(0.0),
      .doc = "Each complex number over its absolute value, 0 for 0; of a real one its sign.",
      .complex_vjp = complex_slope::sgn, .saves = "input result");
UNARY(square, numeric, (x), x * x, SLOPE(2 * x),
      .names = "", .doc = "Square of each element.");
UNARY(reciprocal, analytic, (x), 1 / x, SLOPE(-y * y),
      .doc = "1 / x of each element.", .domain = {0.2, 5});
UNARY(floor, same, (x), floor(x), SLOPE(0.0),
      .doc = "The largest whole number not above each element.");
UNARY(ceil, same, (x), ceil(x), SLOPE(0.0),
      .doc = "The smallest whole number not below each element.");
UNARY(trunc, same, (x), trunc(x), SLOPE(0.0),
      .aliases = "fix Tensor.fix Tensor.fix_", .doc = "Each element without its fraction.");
UNARY(round, same, (x, p), round_decimals(x, p), SLOPE(0.0),
      .attributes = "*, decimals: int = 0", .aliases = "special.round",
    .doc = "Each element rounded to that many decimals, halves to the even neighbour.");
UNARY(frac, floating_only, (x), x - trunc(x), SLOPE(1.0),
      .doc = "The fraction of each element, with its sign.");
UNARY(deg2rad, float_result, (x), x * 0.017453292519943295769, SLOPE(0.017453292519943295769),
      .doc = "Degrees to radians.", .domain = {-360, 360});
UNARY(rad2deg, float_result, (x), x * 57.295779513082320877, SLOPE(57.295779513082320877),
      .doc = "Radians to degrees.", .domain = {-7, 7});
UNARY(clamp, same, (x, p), clamp_to(x, p), SLOPE(!((x < p[0]) | (x > p[1]))),
      .attributes = "min: Number | None = None, max: Number | None = None", .names = "",
      .doc = "Each element, but at least `min` and at most `max`.", .samples = "(x, -1, 1); (x, 0); (x, None, 0.5)",
      .attributes_promote = true);
UNARY(nan_to_num, same_or_bool, (x, p), nan_to_num(x, p), SLOPE((x - x) == 0),
      .attributes = "nan: Number | None = 0.0, posinf: Number | None = None, neginf: Number | None = None",
      .doc = "Each element, with numbers in place of NaN and the infinities; "
             "the largest finite ones where none are given.",
      .finite_limits = true);

UNARY(isnan, finiteness, (x), isnan(x), NO_SLOPE("the result is bool"),
      .names = "isnan Tensor.isnan", .doc = "Is each element NaN?");
UNARY(isinf, finiteness, (x), isinf(x), NO_SLOPE("the result is bool"),
      .names = "isinf Tensor.isinf", .doc = "Is each element infinite?");
UNARY(isfinite, finiteness, (x), isfinite(x), NO_SLOPE("the result is bool"),
      .names = "isfinite Tensor.isfinite", .doc = "Is each element neither infinite nor NaN?");
UNARY(isposinf, predicate, (x), isposinf(x), NO_SLOPE("the result is bool"),
      .names = "isposinf Tensor.isposinf out", .doc = "Is each element plus infinity?");
UNARY(isneginf, predicate, (x), isneginf(x), NO_SLOPE("the result is bool"),
      .names = "isneginf Tensor.isneginf out", .doc = "Is each element minus infinity?");
UNARY(signbit, predicate, (x), signbit(x), NO_SLOPE("the result is bool"),
      .names = "signbit Tensor.signbit out", .doc = "Does each element carry a minus sign? -0.0 does.");
UNARY(logical_not, logical, (x), x == 0, NO_SLOPE("the result is bool"),
      .doc = "Is each element zero?");
UNARY(bitwise_not, integer_or_bool, (x), ~x, NO_SLOPE("integers have no derivative"),
      .doc = "Every bit of each element turned; of bool, its opposite.");

}  // namespace rushlight
