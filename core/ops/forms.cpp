// Operators that choose among others by their arguments: division with rounding, bounds that may be tensors, softmax of
// a given dimension, padding under autocast.
#include <algorithm>

#include "ops/algebra.h"
#include "ops/pointwise.h"
#include "registry/mode.h"

namespace rushlight {

namespace {

// Calls `op` in the caller's place, its destination included.
void pass_on(Call& c, const Op& op, const Value* values) {
    Call inner(op, values);
    inner.destination = c.destination;
    inner.in_place = c.in_place;
    dispatch(inner);
    c.out[0] = std::move(inner.out[0]);
}

// Arguments: 0 input, 1 other, 2 rounding_mode.
void compose_div(Call& c) {
    static const Op &plain = required_op("div"), &floor = required_op("floor_divide"),
                    &trunc = required_op("trunc_divide");
    Value values[max_params] = {c[0], c[1]};
    if (!c.has(2)) return pass_on(c, plain, values);
    std::string_view rounding = c[2].to_string();
    require(rounding == "floor" || rounding == "trunc", ErrorKind::runtime, c.name(), ": rounding_mode='", rounding,
            "'; expected None, 'trunc' or 'floor'");
    pass_on(c, rounding == "floor" ? floor : trunc, values);
}

// The nearest number of the dtypes that are computed in a wider one, from which a limit beyond them would wrap.
Value limit_within(DType t, const Value& v) {
    if (v.tag != Tag::integer || (t != DType::uint16 && t != DType::uint32)) return v;
    return std::clamp<int64_t>(v.to_int(), 0, t == DType::uint16 ? 0xffff : 0xffffffff);
}

// Arguments: 0 input, 1 min, 2 max.
void compose_clamp(Call& c) {
    static const Op &numbers = required_op("clamp"), &between = required_op("clamp_between"),
                    &least = required_op("clamp_min"), &most = required_op("clamp_max");
    require(c.has(1) || c.has(2), ErrorKind::runtime, c.name(), ": min and max are None; expected one at least");
    Value values[max_params] = {c[0], c[1], c[2]};
    if (!c[1].is_tensor() && !c[2].is_tensor()) {
        for (int i : {1, 2}) values[i] = limit_within(c.tensor(0).dtype, values[i]);
        return pass_on(c, numbers, values);
    }
    if (c.has(1) && c.has(2)) return pass_on(c, between, values);
    values[1] = c.has(1) ? c[1] : c[2];
    pass_on(c, c.has(1) ? least : most, values);
}

// Truth values count as integers, as in every power.
void compose_square(Call& c) {
    static const Op& op = required_op("square");
    if (c.tensor(0).dtype != DType::boolean) return pass_on(c, op, c.args);
    Tensor numbers = to_dtype(Tensor(&c.tensor(0)), DType::int64);
    Value values[max_params] = {Value(numbers)};
    pass_on(c, op, values);
}

// Arguments: 0 input, 1 dim, 2 dtype.
template <bool log>
void compose_softmax(Call& c) {
    static const Op& op = required_op(log ? "log_softmax" : "softmax");
    pass_on(c, op, c.args);
}

// Arguments: 0 input, 1 pad, 2 mode, 3 value. Under autocast PyTorch widens for these modes.
void compose_pad(Call& c) {
    static const Op& op = required_op("pad");
    std::string_view how = c[2].to_string();
    bool widened = how == "replicate" || (how == "reflect" && c[1].to_ints().size() <= 4);
    if (!mode.autocast || !widened || !is_reduced(c.tensor(0).dtype)) return pass_on(c, op, c.args);
    Tensor wide = to_dtype(Tensor(&c.tensor(0)), DType::float32);
    Value values[max_params] = {Value(wide), c[1], c[2], c[3]};
    pass_on(c, op, values);
}

}  // namespace

OP(div_rounded) = {
    .signature = "div(input: Tensor | Number, other: Tensor | Number, *, rounding_mode: str | None = None) -> Tensor",
    .names = "div Tensor.div Tensor.div_ divide Tensor.divide Tensor.divide_ out",
    .dtypes = "floating integral bool complex",
    .compose = compose_div,
    .samples = {.low = 0.2, .high = 5, .calls = "div_rounded(T(3, 4), T(3, 4)); div_rounded(T(3, 4), 2.0); "
                                                "div_rounded(T(3, 4), 0.3, rounding_mode='floor')"},
    .doc = R"(input / other, rounded towards zero ('trunc') or down ('floor') where rounding_mode says so.

Without rounding, integers give the default floating dtype; with it, they stay integers.

Example:
    >>> rushlight.div(rushlight.tensor([-3, 3]), 2, rounding_mode="floor")
    tensor([-2,  1]))"};

OP(clamp_any) = {
    .signature = "clamp(input: Tensor, min: Tensor | Number | None = None, max: Tensor | Number | None = None) "
                 "-> Tensor",
    .names = "clamp Tensor.clamp Tensor.clamp_ clamp_ clip Tensor.clip Tensor.clip_ clip_ out",
    .dtypes = "floating integral",
    .compose = compose_clamp,
    .samples = {.calls = "clamp_any(T(3, 4), -1, 1); clamp_any(T(3, 4), T(4)); clamp_any(T(3, 4), None, T(3, 1));"
                         "clamp_any(T(3, 4), T(4) - 1, T(4) + 1)"},
    .doc = R"(Each element, but at least `min` and at most `max`, which may be tensors.

Example:
    >>> rushlight.clamp(rushlight.tensor([-5, 0, 5]), -1, 1)
    tensor([-1,  0,  1]))"};

OP(square_any) = {
    .signature = "square(input: Tensor) -> Tensor",
    .names = "square Tensor.square Tensor.square_ square_ out",
    .dtypes = "floating integral bool complex",
    .compose = compose_square,
    .samples = {.calls = "square_any(T(3, 4))"},
    .doc = R"(Square of each element; of bool, int64.

Example:
    >>> rushlight.square(rushlight.tensor([1, -2]))
    tensor([1, 4]))"};

OP(pad_any) = {
    .signature = "pad(input: Tensor, pad: int[], mode: str = 'constant', value: Number | None = None) -> Tensor",
    .names = "nn.functional.pad",
    .dtypes = "all",
    .compose = compose_pad,
    .samples = {.calls = "pad_any(T(3, 4), (1, 2)); pad_any(T(2, 3, 4), (1, 2), 'reflect')"},
    .doc = R"(The tensor with `pad` elements added around its last dimensions, last first, two amounts each.

Negative amounts crop. Under autocast, modes 'reflect' (of two dimensions at most) and 'replicate' give float32.

Example:
    >>> rushlight.nn.functional.pad(rushlight.tensor([1, 2]), (1, 0))
    tensor([0, 1, 2]))"};

#define SOFTMAX_ALONG(NAME, LOG, DOC)                                                                \
    OP(NAME##_along) = {                                                                             \
        .signature = #NAME "(input: Tensor, dim: int, dtype: dtype | None = None) -> Tensor",        \
        .names = #NAME " Tensor." #NAME " special." #NAME " out",                                    \
        .dtypes = "floating",                                                                        \
        .compose = compose_softmax<LOG>,                                                             \
        .samples = {.calls = #NAME "_along(T(3, 4), 1); " #NAME "_along(T(3, 4), -2)"},              \
        .doc = DOC}

SOFTMAX_ALONG(softmax, false, "Exponentials along `dim`, scaled to sum to one.");
SOFTMAX_ALONG(log_softmax, true, "The logarithm of softmax along `dim`, without loss of precision.");

}  // namespace rushlight
