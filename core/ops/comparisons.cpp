// Element-wise comparisons and logic: the result is bool.
#include "ops/pointwise.h"

namespace rushlight {

BINARY(eq, equality, (x, y), x == y, NO_SLOPE("the result is bool"),
       .doc = "input == other, element by element.");
BINARY(ne, equality, (x, y), x != y, NO_SLOPE("the result is bool"),
       .aliases = "not_equal Tensor.not_equal Tensor.not_equal_", .doc = "input != other, element by element.");
BINARY(lt, compare, (x, y), x < y, NO_SLOPE("the result is bool"),
       .aliases = "less Tensor.less Tensor.less_", .doc = "input < other, element by element.");
BINARY(le, compare, (x, y), x <= y, NO_SLOPE("the result is bool"),
       .aliases = "less_equal Tensor.less_equal Tensor.less_equal_", .doc = "input <= other, element by element.");
BINARY(gt, compare, (x, y), x > y, NO_SLOPE("the result is bool"),
       .aliases = "greater Tensor.greater Tensor.greater_", .doc = "input > other, element by element.");
BINARY(ge, compare, (x, y), x >= y, NO_SLOPE("the result is bool"),
       .aliases = "greater_equal Tensor.greater_equal Tensor.greater_equal_",
       .doc = "input >= other, element by element.");
BINARY(logical_and, logical, (x, y), (x != 0) & (y != 0), NO_SLOPE("the result is bool"),
       .doc = "Are both elements other than zero?");
BINARY(logical_or, logical, (x, y), (x != 0) | (y != 0), NO_SLOPE("the result is bool"),
       .doc = "Is one of the elements other than zero?");
BINARY(logical_xor, logical, (x, y), (x != 0) ^ (y != 0), NO_SLOPE("the result is bool"),
       .doc = "Is exactly one of the elements other than zero?");

}  // namespace rushlight
