"""Operators on 16-bit floats and on integers: the samples of the records, long reductions, and the ends of each dtype's
range. The reference computes in float64 or int64, or, where integers wrap, in NumPy's own dtype."""
import numpy as np
import pytest
from ops.samples import BY_ID, RECORDS, Maker, evaluate, expressions, tensors_of
from oracles import ORACLES

import rushlight as rl

# Half a unit in the last place, and a little for the float32 arithmetic before the one rounding.
EPS = {rl.float16: 2.0**-10, rl.bfloat16: 2.0**-7}
TINY = {rl.float16: 2.0**-24, rl.bfloat16: 2.0**-133}
LARGEST = {rl.float16: 65504 + 16, rl.bfloat16: (2 - 2.0**-8) * 2.0**127}        # rounds to infinity from there on
FLOATING = [(op, text) for op in ORACLES if op in RECORDS and "floating" in RECORDS[op]["dtypes"]
            for text in expressions(RECORDS[op])]
INTEGERS = [rl.uint8, rl.int8, rl.int16, rl.int32, rl.int64, rl.uint16, rl.uint32, rl.uint64]
# What NumPy refuses, or where it wraps and int64 does not.
NO_REFERENCE = {("threshold", rl.uint8), ("absolute_error", rl.uint8), ("absolute_error", rl.uint64), ("sign", rl.bool),
                ("sgn", rl.bool), ("sort", rl.bool), ("topk", rl.bool)}
INTEGRAL = [(op, text, dtype) for op in ORACLES if op in RECORDS and "integral" in RECORDS[op]["dtypes"]
            for dtype in [*INTEGERS, *([rl.bool] if "bool" in RECORDS[op]["dtypes"] else [])]
            if (op, dtype) not in NO_REFERENCE for text in expressions(RECORDS[op])]


class Whole(Maker):
    """Whole numbers that the dtype holds."""

    def T(self, *shape):
        low, high = int(np.ceil(max(self.low, -8))), int(np.floor(min(self.high, 8)))
        if not self.dtype.is_signed:
            low = max(low, 0)
        values = self.random.integers(min(low, high), max(low, high) + 1, shape)
        return rl.tensor(values).to(self.dtype).reshape(shape)


def wide(value, dtype):
    """Tensors as arrays of `dtype` (floats) or as they are (indices, masks)."""
    if isinstance(value, rl.Tensor):
        return value.to(rl.float64).numpy() if value.is_floating_point() else value.numpy().astype(dtype(value))
    return type(value)(wide(v, dtype) for v in value) if isinstance(value, (tuple, list)) else value


def call_of(op, expression, maker):
    """The operator's own results in a sample, with its arguments."""
    calls = []

    def capture(*args, **kwargs):
        calls.append((args, kwargs, BY_ID[op](*args, **kwargs)))
        return calls[-1][2]

    evaluate(expression, maker, {op: capture})
    assert calls, f"{expression} does not call {op}"
    args, kwargs, result = calls[0]
    return args, kwargs, tensors_of(result)


def same_type(value):
    return value.numpy().dtype


def wanted(op, args, kwargs, dtype):
    with np.errstate(all="ignore"):
        want = ORACLES[op](*wide(args, dtype), **{k: wide(v, dtype) for k, v in kwargs.items()})
    return list(want) if isinstance(want, tuple) else [want]


def assert_rounded(got, want):
    """A 16-bit result is the float64 one, rounded once."""
    assert got.shape == np.shape(want)
    if got.dtype not in EPS:
        np.testing.assert_array_equal(got.numpy(), want)
        return
    limit = LARGEST[got.dtype]
    want = np.asarray(want, np.float64)
    want = np.where(np.abs(want) >= limit, np.copysign(np.inf, want), want)
    np.testing.assert_allclose(got.to(rl.float64).numpy(), want, rtol=0.51 * EPS[got.dtype], atol=TINY[got.dtype])


@pytest.mark.parametrize("dtype", EPS, ids=str)
@pytest.mark.parametrize("op, expression", FLOATING)
def test_16_bit_values(op, expression, dtype):
    args, kwargs, got = call_of(op, expression, Maker(RECORDS[op], dtype))
    for g, w in zip(got, wanted(op, args, kwargs, same_type), strict=True):
        if op == "wide_product":                           # whose float32 sums are what it is there for
            assert g.dtype == rl.float32
            np.testing.assert_allclose(g.numpy(), w, rtol=1e-6, atol=1e-6)
        else:
            assert_rounded(g, w)


@pytest.mark.parametrize("dtype", EPS, ids=str)
@pytest.mark.parametrize("name, shapes", [
    ("addmm", [(48,), (32, 300), (300, 48)]), ("addmm", [(32, 48), (32, 300), (300, 48)]),
    ("addmm", [(32, 1), (32, 300), (300, 48)]), ("baddbmm", [(4, 9, 8), (4, 9, 70), (4, 70, 8)]),
    ("addbmm", [(9, 8), (4, 9, 70), (4, 70, 8)]), ("addmv", [(9,), (9, 70), (70,)]), ("addr", [(9, 8), (9,), (8,)]),
])
@pytest.mark.parametrize("beta, alpha", [(1, 1), (0.5, 1), (0, 2), (0.25, 0.7)])
def test_added_16_bit_products_are_rounded_once(dtype, name, shapes, beta, alpha):
    draw = np.random.default_rng(5)
    given = [rl.tensor(draw.standard_normal(shape)).to(dtype).requires_grad_() for shape in shapes]
    whole = [x.detach().double().requires_grad_() for x in given]
    got = getattr(rl, name)(*given, beta=beta, alpha=alpha)
    want = getattr(rl, name)(*whole, beta=beta, alpha=alpha)
    assert got.dtype == dtype
    # Half a unit of the last place, and what float32 sums of these lengths lose.
    np.testing.assert_allclose(got.detach().double().numpy(), want.detach().numpy(), rtol=0.51 * EPS[dtype], atol=1e-4)
    slope = rl.tensor(draw.standard_normal(tuple(got.shape))).to(dtype)
    got.backward(slope)
    want.backward(slope.double())
    for x, y in zip(given, whole, strict=True):
        if x.grad is not None:
            scale = float(y.grad.abs().max())
            np.testing.assert_allclose(x.grad.double().numpy(), y.grad.numpy(), rtol=2 * EPS[dtype],
                                       atol=EPS[dtype] * scale)


LONG = ["sum", "mean", "prod", "amax", "amin", "var", "std", "logsumexp", "vector_norm", "softmax", "log_softmax",
        "cumsum", "logcumsumexp", "max_dim", "cummax", "sort"]


@pytest.mark.parametrize("dtype", EPS, ids=str)
@pytest.mark.parametrize("op, shape, dim", [
    *((op, shape, dim) for op in LONG for shape, dim in (((3, 5000), 1), ((5000, 3), 0), ((40, 300, 2), 1))),
    *((op, (70, 3, 90), (0, 2)) for op in ("sum", "mean", "amax", "var", "std", "logsumexp")),
    *((op, (7, 3, 9, 2, 11), (0, 2, 4)) for op in ("sum", "mean")),
])
def test_long_16_bit_reductions(op, shape, dim, dtype):
    values = np.random.default_rng(8).uniform(0.5, 1.5, shape)
    x = rl.tensor(values).to(dtype)
    args, kwargs = ((x, 2, dim), {}) if op == "vector_norm" else ((x, dim), {})
    got = tensors_of(BY_ID[op](*args, **kwargs))
    for g, w in zip(got, wanted(op, args, kwargs, same_type), strict=True):
        assert_rounded(g, w)


@pytest.mark.parametrize("op, expression, dtype", INTEGRAL)
def test_integer_values(op, expression, dtype):
    args, kwargs, got = call_of(op, expression, Whole(RECORDS[op], dtype))
    floating = got[0].is_floating_point() and op != "bincount"
    want = wanted(op, args, kwargs, lambda v: np.float64 if floating else np.bool_ if v.dtype == rl.bool else np.int64)
    for g, w in zip(got, want, strict=True):
        assert g.shape == np.shape(w)
        if floating:
            assert g.dtype == rl.float32
            np.testing.assert_allclose(g.numpy(), w, rtol=2e-6, atol=1e-6)
        else:
            np.testing.assert_array_equal(g.numpy(), np.asarray(w).astype(g.numpy().dtype))


WRAPPING = ["add", "sub", "mul", "maximum", "minimum", "eq", "ne", "lt", "le", "gt", "ge", "bitwise_and", "bitwise_or",
            "bitwise_xor", "logical_and", "logical_or", "logical_xor", "fmax", "fmin", "floor_divide", "remainder",
            "fmod", "gcd"]


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@pytest.mark.parametrize("op", WRAPPING)
def test_integers_at_the_ends_of_their_range(op, dtype):
    limits = rl.iinfo(dtype)
    ends = [limits.min, limits.min + 1, limits.min // 2, -1, 0, 1, 2, 3, limits.max // 2, limits.max - 1, limits.max]
    kind = rl.empty(0, dtype=dtype).numpy().dtype
    line = np.array(sorted({e for e in ends if limits.min <= e <= limits.max}), kind)
    x, y = (np.tile(a, 7) for a in (np.repeat(line, len(line)), np.tile(line, len(line))))
    if op in ("floor_divide", "remainder", "fmod"):
        keep = (y != 0) & ~((x == limits.min) & (y.astype(np.int64) == -1))
        x, y = x[keep], y[keep]
    if op == "gcd":
        keep = (x != limits.min) & (y != limits.min) | (limits.min == 0)
        x, y = x[keep], y[keep]
    with np.errstate(all="ignore"):
        want = ORACLES[op](x, y)
    got = BY_ID[op](rl.tensor(x), rl.tensor(y)).numpy()
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


SUMMED = ["sum", "prod", "cumsum", "cumprod"]
ALONG = ["amax", "amin", "argmax", "argmin", "sort", "max_dim", "cummin", "all", "any"]


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@pytest.mark.parametrize("op", ["neg", "abs", "square", "sign", "bitwise_not", "relu", *SUMMED, *ALONG])
def test_one_integer_tensor_at_the_ends_of_its_range(op, dtype):
    limits = rl.iinfo(dtype)
    kind = rl.empty(0, dtype=dtype).numpy().dtype
    x = np.random.default_rng(9).integers(limits.min, limits.max, (4, 67), kind, endpoint=True)
    x[1, 5:9] = limits.min, limits.max, 0, 1
    dims = (1,) if op in SUMMED or op in ALONG else ()
    with np.errstate(all="ignore"):
        want = ORACLES[op](x.astype(np.int64) if op in SUMMED else x, *dims)
    want = list(want) if isinstance(want, tuple) else [want]
    for g, w in zip(tensors_of(BY_ID[op](rl.tensor(x), *dims)), want, strict=True):
        np.testing.assert_array_equal(g.numpy(), w)


@pytest.mark.parametrize("dtype", EPS, ids=str)
@pytest.mark.parametrize("shape", [(1,), (3, 1), (1, 3, 1), (1, 1, 90), (3, 90)])
def test_16_bit_gradients_of_what_was_broadcast(dtype, shape):
    x = rl.ones(shape, dtype=dtype, requires_grad=True)
    weights = rl.tensor(np.random.default_rng(10).integers(1, 16, (70, 3, 90)) / 8).to(dtype)
    (x * weights).backward(rl.ones(70, 3, 90, dtype=dtype))
    want = weights.to(rl.float64).numpy()
    full = (1,) * (3 - len(shape)) + shape
    axes = tuple(i for i in range(3) if full[i] == 1)
    assert_rounded(x.grad, want.sum(axis=axes, keepdims=True).reshape(shape))
