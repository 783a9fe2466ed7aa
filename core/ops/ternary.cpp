// Element-wise operators of three arguments.
#include "ops/pointwise.h"

namespace rushlight {

TERNARY(where, select, (x, y, z), where(x, y, z), SLOPES(0.0, x, !x),
        .signature = "where(condition: Tensor, input: Tensor | Number, other: Tensor | Number) -> Tensor",
        .names = "_ops.where out", .doc = "`input` where the condition holds, `other` where it does not.",
        .samples = "(x > 0, x, y)");
TERNARY(addcmul, numeric, (x, y, z, p), x + p[0] * y * z, SLOPES(1.0, p[0] * z, p[0] * y),
        .signature = "addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor",
        .doc = "input + value * tensor1 * tensor2.");
TERNARY(addcdiv, inexact, (x, y, z, p), x + p[0] * y / z, SLOPES(1.0, p[0] / z, -p[0] * y / (z * z)),
        .signature = "addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor",
        .doc = "input + value * tensor1 / tensor2.", .domain = {0.2, 5});
TERNARY(lerp, inexact, (x, y, z), lerp(x, y, z), SLOPES(1 - z, z, y - x),
        .signature = "lerp(input: Tensor, end: Tensor, weight: Tensor | Number) -> Tensor",
        .doc = "input + weight * (end - input).");
TERNARY(clamp_between, same, (x, y, z), clamp(x, y, z),
        SLOPES(!((x < y) | (x > z)), (x < y) & (y < z), (x > z) | (z <= y)),
        .signature = "clamp_between(input: Tensor, min: Tensor | Number, max: Tensor | Number) -> Tensor", .names = "",
        .doc = "Each element, but at least `min` and at most `max`, which may be tensors.");

}  // namespace rushlight
