// Element-wise operators of two integers.
#include "ops/pointwise.h"

namespace rushlight {

BINARY(bitwise_and, integer_or_bool, (x, y), x & y, NO_SLOPE("integers have no derivative"),
       .doc = "Bits that both elements have.", .number_first = true);
BINARY(bitwise_or, integer_or_bool, (x, y), x | y, NO_SLOPE("integers have no derivative"),
       .doc = "Bits that one of the elements has.", .number_first = true);
BINARY(bitwise_xor, integer_or_bool, (x, y), x ^ y, NO_SLOPE("integers have no derivative"),
       .doc = "Bits that exactly one of the elements has.", .number_first = true);
BINARY(bitwise_left_shift, integer_only, (x, y), left_shift(x, y), NO_SLOPE("integers have no derivative"),
       .doc = "input * 2 ** other in the dtype's own bits; 0 where other is negative or not below the number of bits.",
       .number_first = true);
BINARY(bitwise_right_shift, integer_only, (x, y), right_shift(x, y), NO_SLOPE("integers have no derivative"),
       .doc = "input // 2 ** other; the sign alone where other is negative or not below the number of bits.",
       .number_first = true);
BINARY(gcd, integer_only, (x, y), gcd(x, y), NO_SLOPE("integers have no derivative"),
       .aliases = "gcd_", .doc = "The greatest common divisor.");
BINARY(lcm, integer_only, (x, y), lcm(x, y), NO_SLOPE("integers have no derivative"),
       .aliases = "lcm_", .doc = "The least common multiple.");

}  // namespace rushlight
