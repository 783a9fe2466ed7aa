"""What holds for any shape, arrangement of memory, dtype and value: operators equal their oracles on NumPy.

Hypothesis draws the inputs (ops/arrays.py): views, expanded and overlapping memory, NumPy's negative strides, no
elements and no dimensions, NaN, infinities, denormals and the ends of each dtype. RUSHLIGHT_EXAMPLES=2000 draws that
many for each operator, and other ones at each run.
"""
import math
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ops.arrays import arrays, broadcast_shapes, shapes, tensor_over, values
from ops.samples import BY_ID, RECORDS, tensors_of
from ops.ulps import FUNCTIONS, exact_values, units
from oracles import ORACLES

import rushlight as rl

EXAMPLES = int(os.environ.get("RUSHLIGHT_EXAMPLES", 0))
DTYPES = {"floating": ["f4", "f8"], "integral": ["u1", "i1", "i2", "i4", "i8"], "bool": ["?"]}
TOLERANCE = {"f4": (2e-5, 2e-6), "f8": (1e-11, 1e-12)}

# Where the references compute in a way of their own at the ends of the range: drawn from the record's domain instead.
TAME = {
    "i0", "i1", "i1e", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "spherical_bessel_j0", "airy_ai",
    "digamma", "lgamma", "erfinv", "sinc", "frac", "hardswish", "silu", "mish", "gelu", "gelu_tanh", "softsign",
    "softplus", "tanhshrink", "logit", "zeta", "igamma", "igammac", "polygamma", "pow", "xlogy", "xlog1py",
    "floor_divide", "floor_quotient", "trunc_divide", "remainder", "fmod", "addcmul", "addcdiv", "lerp", "bce_term",
    "bce_logits_term", "squared_error", "absolute_error", "logaddexp", "logaddexp2", "heaviside",
    "bitwise_left_shift", "bitwise_right_shift", "gcd", "lcm", "erfcx", "nan_to_num",
}
REAL_ONLY = {"sign", "sgn"}                                   # NumPy has them for numbers only, not for bool


def examples(short):
    """`short` examples, the same ones each time; as many as asked for, and others each time."""
    return settings(max_examples=EXAMPLES or short, derandomize=not EXAMPLES, database=None, deadline=None,
                    report_multiple_bugs=False, suppress_health_check=list(HealthCheck))


def required(op):
    return [p["type"] for p in RECORDS[op]["params"] if not p["has_default"]]


def dtypes_of(op):
    kinds = RECORDS[op]["dtypes"].replace("all", "floating integral bool").replace("real", "floating integral").split()
    return [d for kind in kinds for d in DTYPES.get(kind, []) if not (op in REAL_ONLY and d == "?")]


POINTWISE = [op for op in ORACLES if op in RECORDS and RECORDS[op]["kind"] == "pointwise"
             and set(required(op)) == {"Tensor"} and dtypes_of(op)]


def check(got, want, scale=1.0):
    """Equal where exact, within the dtype's tolerance where floating; `scale` is the size of what was added up."""
    assert got.shape == np.shape(want)
    if got.dtype.kind != "f":
        np.testing.assert_array_equal(got, np.asarray(want).astype(got.dtype))
        return
    rtol, atol = TOLERANCE[got.dtype.str[1:]]
    np.testing.assert_allclose(got, np.asarray(want).astype(got.dtype), rtol=rtol, atol=atol * scale)


@pytest.mark.parametrize("op", POINTWISE)
@examples(6)
@given(data=st.data())
def test_pointwise(op, data):
    low, high = RECORDS[op]["domain"] if op in TAME else (-np.inf, np.inf)
    dtype = data.draw(st.sampled_from(dtypes_of(op)), "dtype")
    xs = [data.draw(arrays("?" if op == "where" and i == 0 else dtype, shape, low, high))
          for i, shape in enumerate(data.draw(broadcast_shapes(len(required(op)))))]
    got = BY_ID[op](*map(tensor_over, xs)).numpy()
    with np.errstate(all="ignore"):
        if got.dtype.kind == "f":                                # integers become that dtype first
            xs = [x.astype(got.dtype).astype("f8") for x in xs]
        check(got, ORACLES[op](*xs))


ALONG = ["sum", "mean", "prod", "amax", "amin", "all", "any", "argmax", "argmin", "max_dim", "min_dim", "var", "std",
         "logsumexp", "count_nonzero", "cumsum", "cumprod", "cummax", "cummin", "sort", "median_dim", "softmax",
         "log_softmax"]
KEEPS = {op for op in ALONG if "keepdim" in [p["name"] for p in RECORDS[op]["params"]]}
NEED_ELEMENTS = {"amax", "amin", "argmax", "argmin", "max_dim", "min_dim", "var", "std", "logsumexp", "median_dim",
                 "softmax", "log_softmax", "mean", "cummax", "cummin"}
ORDERS = {"sort", "cummax", "cummin"}                         # their oracles negate, which bools don't
COMPARE = {"amax", "amin", "argmax", "argmin", "max_dim", "min_dim", "sort", "all", "any", "count_nonzero"}


@pytest.mark.parametrize("op", ALONG)
@examples(8)
@given(data=st.data())
def test_along_a_dimension(op, data):
    dtype = data.draw(st.sampled_from([d for d in dtypes_of(op) if not (op in ORDERS and d == "?")]), "dtype")
    shape = data.draw(shapes(empty=op not in NEED_ELEMENTS).filter(len), "shape")
    dim = data.draw(st.integers(-len(shape), len(shape) - 1), "dim")
    bound = np.inf if op in COMPARE else 2.0 if "prod" in op else 1e3
    x = data.draw(arrays(dtype, shape, -bound, bound), "x")
    named = {"keepdim": True} if op in KEEPS and data.draw(st.booleans()) else {}
    with np.errstate(all="ignore"):
        exact = x.astype("f8") if dtype == "f4" else x.astype("i8") if op in {"sum", "prod", "cumsum", "cumprod"} and \
            x.dtype.kind != "f" else x
        want = ORACLES[op](exact, dim, **named)
    got = tensors_of(BY_ID[op](tensor_over(x), dim, **named))
    # What was added up or cancelled: rounding is relative to that, not to the result.
    size = float(np.abs(x.astype("f8")).max(initial=1.0)) * max(x.shape[dim], 1) if op not in COMPARE else 1.0
    for g, w in zip(got, want if isinstance(want, tuple) else [want], strict=True):
        check(g.numpy(), w, size**2 if op == "var" else size)


@pytest.mark.parametrize("make", [rl.tensor, rl.as_tensor, rl.asarray, rl.from_numpy])
@examples(10)
@given(x=shapes(dims=3).flatmap(lambda shape: arrays("i4", shape)))
def test_arrays_of_numpy(make, x):
    """Any arrangement is taken as it is, but for negative strides: those are refused in words, and a copy taken."""
    if any(stride < 0 for stride in x.strides):
        with pytest.raises(ValueError, match=rf"^{make.__name__}: stride -\d+ bytes of dimension \d is negative"):
            make(x)
        x = x.copy()
    t = make(x)
    assert tuple(t.shape) == x.shape
    np.testing.assert_array_equal(t.numpy(), x)
    np.testing.assert_array_equal(t.clone().numpy(), x)
    np.testing.assert_array_equal(t.flip(list(range(t.dim()))).numpy(), np.flip(x))


# Sizes beyond what one thread takes: rows, columns, the middle of three, and one long row.
LARGE = [((600, 700), 0), ((600, 700), 1), ((40, 100, 80), 1), ((300_001,), 0), ((3, 140_000), 1), ((140_000, 3), 0)]
SPLIT = [*ALONG, "vector_norm"]


def with_threads(count, work):
    before = rl.get_num_threads()
    rl.set_num_threads(count)
    try:
        return [t.numpy().copy() for t in tensors_of(work())]
    finally:
        rl.set_num_threads(before)


@pytest.mark.parametrize("op", SPLIT)
@examples(4)
@given(place=st.sampled_from(LARGE), seed=st.integers(0, 2**32 - 1), dtype=st.sampled_from(["f4", "f8", "i4"]),
       turned=st.booleans())
def test_as_many_threads_as_one_likes(op, place, seed, dtype, turned):
    """The number of threads changes no bit."""
    (shape, dim), dtype = place, dtype if dtype in dtypes_of(op) else "f4"
    x = tensor_over((np.random.default_rng(seed).standard_normal(shape) * 10).astype(dtype))
    if turned and x.dim() == 2:
        x, dim = x.t(), 1 - dim
    further = (2, dim) if op == "vector_norm" else (dim,)
    one, *others = (with_threads(n, lambda: BY_ID[op](x, *further)) for n in (1, 2, 3))
    for other in others:
        for a, b in zip(one, other, strict=True):
            assert a.tobytes() == b.tobytes()


def magnitudes(kind, count, rng):
    x = rng.standard_normal(count)
    return {"positive": lambda: abs(x), "any sign": lambda: x, "wide": lambda: x * 10.0 ** rng.uniform(-15, 15, count),
            "cancelling": lambda: np.where(rng.random(count) < 0.5, 1, -1) * 1e8 + x}[kind]()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@examples(12)
@given(kind=st.sampled_from(["positive", "any sign", "wide", "cancelling"]), seed=st.integers(0, 2**32 - 1),
       count=st.sampled_from([1, 2, 7, 100, 1000, 65_536, 65_537, 200_001]), row=st.booleans())
def test_sums_are_accurate(dtype, kind, seed, count, row):
    """Against the exact sum: off by no more than one rounding of all that was added up, two in float64."""
    x = magnitudes(kind, count, np.random.default_rng(seed)).astype(dtype)
    exact, size = math.fsum(x.tolist()), math.fsum(np.abs(x).tolist())
    t = tensor_over(x).reshape(1, -1) if row else tensor_over(x).reshape(-1, 1)
    dim, eps = int(row), float(np.finfo(dtype).eps)
    roundings = {"f4": 1, "f8": 2}[dtype]
    assert abs(t.sum().item() - exact) <= roundings * eps * size
    assert abs(t.sum(dim).item() - exact) <= roundings * eps * size
    assert abs(t.mean(dim).item() * count - exact) <= (roundings + 1) * eps * size
    squares = math.sqrt(math.fsum(v * v for v in x.tolist()))
    assert abs(rl.linalg.vector_norm(t).item() - squares) <= 2 * eps * squares


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("name", FUNCTIONS)
@examples(5)
@given(data=st.data())
def test_elementary_functions(name, dtype, data):
    """Within 2 units in the last place over the whole range, and the same bits wherever in a tensor a number stands."""
    numbers = np.array(data.draw(st.lists(values(dtype, -np.inf, np.inf) | st.floats(-4, 4, width=32), min_size=1,
                                          max_size=24)), dtype)
    exact = exact_values(name, numbers)
    function, count = getattr(rl, name), data.draw(st.integers(1, 300), "count")
    got = function(rl.from_numpy(numbers)).numpy()
    assert units(got, exact).max() <= FUNCTIONS[name][dtype]
    many = function(rl.from_numpy(np.resize(numbers, count))).numpy()
    np.testing.assert_array_equal(many, np.resize(got, count))


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_a_huge_neighbour_changes_nothing(name):
    x = np.random.default_rng(1).uniform(-20000, 20000, 64_000).astype("f4")
    mixed, kept = x.copy(), np.arange(len(x)) % 7 != 0
    mixed[~kept] = np.resize(np.array([2.5e4, 3e6, -1e30, np.inf, np.nan], "f4"), (~kept).sum())
    alone, among = (getattr(rl, name)(rl.from_numpy(values)).numpy() for values in (x, mixed))
    np.testing.assert_array_equal(among[kept], alone[kept])
    assert units(alone, exact_values(name, x)).max() <= FUNCTIONS[name]["f4"]
    assert units(among, exact_values(name, mixed)).max() <= FUNCTIONS[name]["f4"]
