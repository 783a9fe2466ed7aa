"""The grid that every operator gets from its record: values against the oracle, and results that do not depend on the
number of threads. Layouts, in-place and `out=` forms: test_layouts.py. Dtypes: test_dtypes.py. Gradients:
test_gradients.py."""
import numpy as np
import pytest
from ops.samples import BY_ID, RECORDS, Maker, evaluate, expressions, tensors_of
from oracles import ORACLES

import rushlight as rl

TOLERANCE = {rl.float32: (2e-5, 2e-6), rl.float64: (1e-11, 1e-12)}
INTEGER_ONLY = {op for op, r in RECORDS.items() if r["dtypes"].startswith("integral")}
WITH_ORACLE = [(op, text) for op in ORACLES if op in RECORDS for text in expressions(RECORDS[op])]
UNARY = [op for op in ORACLES if op in RECORDS and RECORDS[op]["kind"] == "pointwise" and op not in INTEGER_ONLY
         and [p["type"] for p in RECORDS[op]["params"] if not p["has_default"]] == ["Tensor"]]


def dtype_of(op):
    return rl.int64 if op in INTEGER_ONLY else rl.float64


def array_of(value):
    if isinstance(value, rl.Tensor):
        return value.detach().numpy()
    return type(value)(array_of(v) for v in value) if isinstance(value, (tuple, list)) else value


def oracle_value(op, expression, maker):
    captured = []

    def capture(*args, **kwargs):
        if not captured:
            captured.append((array_of(args), {k: array_of(v) for k, v in kwargs.items()}))
        return BY_ID[op](*args, **kwargs)

    got = evaluate(expression, maker, {op: capture})
    args, kwargs = captured[0]
    with np.errstate(all="ignore"):
        return got, ORACLES[op](*args, **kwargs)


def recorded_call(op, expression):
    """The arguments of the call that a sample makes (None where it makes none directly), and the sample's tensors."""
    captured = []

    def capture(*args, **kwargs):
        captured.append((args, kwargs))
        return BY_ID[op](*args, **kwargs)

    results = tensors_of(evaluate(expression, Maker(RECORDS[op], dtype_of(op)), {op: capture}))
    return (captured[0] if captured else None), results


def assert_equal(got, want, rtol, atol):
    got = [t.detach().numpy() for t in tensors_of(got)]
    want = list(want) if isinstance(want, tuple) else [want]
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        assert g.shape == np.shape(w)
        np.testing.assert_allclose(g, np.asarray(w), rtol=rtol, atol=atol)


@pytest.mark.parametrize("dtype", [rl.float64, rl.float32], ids=str)
@pytest.mark.parametrize("op, expression", WITH_ORACLE)
def test_values(op, expression, dtype):
    maker = Maker(RECORDS[op], dtype_of(op) if op in INTEGER_ONLY else dtype)
    got, want = oracle_value(op, expression, maker)
    assert_equal(got, want, *TOLERANCE[dtype])


BESSEL = {"bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "i0", "i1", "i1e"}         # SciPy's have no limit at inf
SPECIAL = [0.0, -0.0, 1.0, -1.0, float("inf"), float("-inf"), float("nan"), 5e-324, 1e308, -1e308]


@pytest.mark.parametrize("op", UNARY)
def test_special_values(op):
    if op in {"polygamma", "lgamma", "digamma", "frac", "sinc", "spherical_bessel_j0", "airy_ai"} | BESSEL:
        pytest.skip("its edge cases differ between references; tests/native holds them against the C library")
    x = rl.tensor(SPECIAL, dtype=rl.float64)
    with np.errstate(all="ignore"):
        want = ORACLES[op](x.numpy())
    if op in {"hardswish", "silu", "mish", "gelu", "gelu_tanh", "softsign", "tanhshrink", "softplus", "logit"}:
        got = BY_ID[op](x).numpy()
        finite = np.isfinite(want) & (np.abs(np.array(SPECIAL)) < 1e300)
        np.testing.assert_allclose(got[finite], want[finite], rtol=1e-11)
        return
    got = BY_ID[op](x).numpy()
    np.testing.assert_allclose(got.astype(float), np.asarray(want).astype(float), rtol=1e-11)


@pytest.mark.parametrize(
    "op", ["sum", "mean", "amax", "argmax", "var", "logsumexp", "softmax", "cumsum", "sort", "exp", "matmul"]
)
def test_thread_count(op):
    rl.manual_seed(3)
    x = rl.randn(700, 500)
    args = {"logsumexp": (1,), "softmax": (1,), "cumsum": (0,), "matmul": (rl.randn(500, 300),)}.get(op, ())
    before = rl.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3):
            rl.set_num_threads(threads)
            results.append(tensors_of(BY_ID[op](x, *args))[0].numpy().copy())
    finally:
        rl.set_num_threads(before)
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)
