"""Complex arithmetic: values against NumPy, gradients against finite differences, the ends of the range against the C
library (through cmath), for every operator whose record takes complex numbers."""
import cmath
import math

import numpy as np
import pytest
from ops.samples import BY_ID, RECORDS, Maker, evaluate, expressions, tensors_of
from oracles import ORACLES

import rushlight as rl
from rushlight.testing import gradcheck, gradgradcheck

# Where NumPy or SciPy want another formula for complex arrays.
FOR_COMPLEX = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "logaddexp": lambda x, y: np.log(np.exp(x) + np.exp(y)),
}
# Samples that compare or clamp, which complex numbers can't.
REAL_SAMPLES = {"where"}
TAKES_COMPLEX = [op for op in ORACLES
                 if op in RECORDS and "complex" in RECORDS[op]["dtypes"] and op not in REAL_SAMPLES]
CALLS = [(op, text) for op in TAKES_COMPLEX for text in expressions(RECORDS[op])]
TOLERANCE = {rl.complex128: (1e-12, 1e-12), rl.complex64: (3e-5, 3e-6)}


class ComplexMaker(Maker):
    """Complex numbers whose parts are in the domain."""

    def T(self, *shape):
        low, high = max(self.low, -3), min(self.high, 3)
        values = self.random.uniform(low, high, shape) + 1j * self.random.uniform(low, high, shape)
        return rl.tensor(values.tolist() if shape else complex(values), dtype=self.dtype).reshape(shape)


def array_of(value):
    if isinstance(value, rl.Tensor):
        return value.detach().numpy()
    return type(value)(array_of(v) for v in value) if isinstance(value, (tuple, list)) else value


@pytest.mark.parametrize("dtype", [rl.complex128, rl.complex64], ids=str)
@pytest.mark.parametrize("op, expression", CALLS)
def test_values(op, expression, dtype):
    captured = []

    def capture(*args, **kwargs):
        captured.append((array_of(args), {k: array_of(v) for k, v in kwargs.items()}))
        return BY_ID[op](*args, **kwargs)

    got = tensors_of(evaluate(expression, ComplexMaker(RECORDS[op], dtype), {op: capture}))
    args, kwargs = captured[0]
    want = FOR_COMPLEX.get(op, ORACLES[op])(*args, **kwargs)
    rtol, atol = TOLERANCE[dtype]
    for g, w in zip(got, want if isinstance(want, tuple) else (want,), strict=True):
        assert g.shape == np.shape(w)
        assert g.is_complex() == np.iscomplexobj(w)
        np.testing.assert_allclose(g.numpy(), w, rtol=rtol, atol=atol)


@pytest.mark.parametrize("op, expression", [c for c in CALLS if RECORDS[c[0]]["differentiable"] is True])
def test_derivatives(op, expression):
    """Towards steepest descent, as gradcheck takes them; twice."""
    made, seed = [], ComplexMaker(RECORDS[op], rl.complex128)

    def collect(*shape):
        made.append(ComplexMaker.T(seed, *shape))
        return made[-1]

    first = Collecting(collect)
    evaluate(expression, first)
    inputs = tuple(t.detach().requires_grad_() for t in made)

    def function(*tensors):
        left = iter(tensors)
        results = tensors_of(evaluate(expression, Collecting(lambda *shape: next(left))))
        return tuple(t for t in results if t.is_complex() or t.is_floating_point())

    assert gradcheck(function, inputs)
    assert gradgradcheck(lambda *tensors: tuple(t * t for t in function(*tensors)), inputs)


class Collecting:
    def __init__(self, make):
        self.T = make

    def I(self, *shape, high):  # noqa: E743
        raise AssertionError("no sample of these takes indices")


@pytest.mark.parametrize("name", [op for op in TAKES_COMPLEX if RECORDS[op]["kind"] == "pointwise"
                                  and RECORDS[op]["differentiable"] is True and len(RECORDS[op]["params"]) == 1])
def test_derivatives_in_every_quadrant(name):
    corners = [2.5 + 0.7j, -2.5 + 0.7j, -2.5 - 0.7j, 2.5 - 0.7j, 0.3 + 0.4j, -0.3 + 0.4j]
    assert gradcheck(BY_ID[name], (rl.tensor(corners, dtype=rl.complex128, requires_grad=True),))


def test_real_inputs_get_real_gradients():
    x, z = rl.tensor([0.5, -1.5], dtype=rl.float64), rl.tensor([1 + 2j, -0.3j], dtype=rl.complex128)
    for function in (lambda x: x * z, lambda x: z / x, lambda x: x**z, lambda x: rl.complex(x, x * x) * z,
                     lambda x: rl.polar(x, x), lambda x: x + 1j * x, lambda x: rl.where(x > 0, x, z)):
        assert gradcheck(function, (x.requires_grad_(),))
    (g,) = rl.autograd.grad((x * z).abs().sum(), x)
    assert g.dtype is rl.float64


def test_convolutions():
    rl.manual_seed(0)
    x, b = (rl.randn(*s, dtype=rl.complex128, requires_grad=True) for s in ((2, 4, 6), (6,)))
    w = rl.randn(6, 2, 3, dtype=rl.complex128, requires_grad=True)
    y = rl.nn.functional.conv1d(x, w, b, stride=2, padding=1, groups=2)
    pad = np.pad(x.detach().numpy(), ((0, 0), (0, 0), (1, 1)))
    want = np.zeros(y.shape, complex)
    for o in range(6):
        for t in range(y.shape[2]):
            part = pad[:, 2 * (o // 3):2 * (o // 3) + 2, 2 * t:2 * t + 3]
            want[:, o, t] = (part * w.detach().numpy()[o]).sum((1, 2)) + b.detach().numpy()[o]
    np.testing.assert_allclose(y.detach().numpy(), want, rtol=1e-12)
    assert gradcheck(lambda *t: rl.nn.functional.conv1d(*t, stride=2, padding=1, groups=2), (x, w, b))
    v = rl.randn(4, 2, 3, dtype=rl.complex128, requires_grad=True)
    F = rl.nn.functional
    for function in (lambda x, v: F.conv_transpose1d(x, v, stride=2, groups=2, output_padding=1),
                     lambda x, v: F.conv1d(F.pad(x, (1, 1), "reflect"), v[:, :2], groups=2)):
        assert gradcheck(function, (x, v))
        assert gradgradcheck(function, (x, v))


LIBRARY = ["exp", "log", "log10", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh",
           "acosh", "atanh"]
ENDS = [complex(a, b) for a in (0.0, -0.0, 1e-320, 1.5, -1.5, 1e308, -1e308, math.inf, -math.inf)
        for b in (0.0, -0.0, 1e-320, 0.5, -0.5, 1e308)]


def same(got, want):
    """Equal to a few units in the last place of the larger part, or the same infinity or NaN."""
    if cmath.isnan(want):
        return cmath.isnan(got)
    if cmath.isinf(want):
        return (got.real == want.real and got.imag == want.imag) or cmath.isinf(got)
    return abs(got - want) <= 4e-16 * abs(want) * 4


@pytest.mark.parametrize("name", LIBRARY)
def test_ends_of_the_range(name):
    for z in ENDS:
        try:
            want = getattr(cmath, name)(z)
        except (ValueError, OverflowError):             # where Python raises, C gives infinities or NaN
            continue
        got = getattr(rl, name)(rl.tensor([z], dtype=rl.complex128)).item()
        assert same(got, want), (z, got, want)


def test_no_early_overflow():
    big = rl.tensor([3e300 + 4e300j], dtype=rl.complex128)
    assert big.abs().item() == pytest.approx(5e300)
    assert (big / big).item() == 1
    assert (1 / big).item() == pytest.approx((0.12 - 0.16j) * 1e-300)
    assert rl.sgn(big).item() == pytest.approx(0.6 + 0.8j)
    tiny = rl.tensor([1e-20 + 1e-20j], dtype=rl.complex128)
    assert rl.log1p(tiny).item() == rl.expm1(tiny).item() == 1e-20 + 1e-20j
    assert rl.logaddexp(rl.tensor([1000 + 1j]), rl.tensor([1000 + 1j])).item() == pytest.approx(1000 + math.log(2) + 1j)


def test_powers():
    z = rl.tensor([1 + 2j], dtype=rl.complex64)
    assert (z**3).item() == -11 - 2j                    # by products, exactly
    assert (z**0).item() == 1 and (z * 0)**0 == 1
    assert (z**-1).item() == pytest.approx(0.2 - 0.4j)
    assert (2**rl.tensor([1j], dtype=rl.complex128)).item() == pytest.approx(2**1j, rel=1e-15)
    assert (rl.tensor([-2.0], dtype=rl.float64)**(0.5 + 0j)).item() == pytest.approx((-2)**(0.5 + 0j))


@pytest.mark.parametrize("make, dtype", [
    (lambda: rl.ones(2) * 1j, rl.complex64), (lambda: rl.ones(2, dtype=rl.float64) + 1j, rl.complex128),
    (lambda: 1j - rl.ones(2, dtype=rl.int64), rl.complex64), (lambda: rl.ones(2) * rl.tensor(1j), rl.complex64),
    (lambda: rl.ones(2, dtype=rl.float64) * rl.ones(2, dtype=rl.complex64), rl.complex128),
    (lambda: rl.ones(2, dtype=rl.complex64) * rl.tensor(2.0, dtype=rl.float64), rl.complex64),
    (lambda: rl.full((2,), 1j), rl.complex64), (lambda: rl.linspace(0, 1j, 3), rl.complex64),
    (lambda: rl.ones(2, dtype=rl.complex128).abs(), rl.float64),
    (lambda: rl.ones(2, dtype=rl.complex64).var(), rl.float32),
    (lambda: rl.add(rl.ones(2, dtype=rl.complex64), 1, alpha=1j), rl.complex64),
], ids=range(11))
def test_result_dtypes(make, dtype):
    assert make().dtype is dtype


def test_complex_attributes():
    x, y = rl.tensor([1 + 1j], requires_grad=True), rl.tensor([2 - 1j], requires_grad=True)
    z = rl.add(x, y, alpha=3j)
    assert z.item() == 1 + 1j + 3j * (2 - 1j)
    z.backward(rl.tensor([1j]))
    assert x.grad.item() == 1j and y.grad.item() == 1j * -3j
    assert rl.addcmul(x, x, y, value=2j).item() == 1 + 1j + 2j * (1 + 1j) * (2 - 1j)
    assert rl.ones(2, dtype=rl.complex64).index_add(0, rl.tensor([1]), y.detach(), alpha=1j).tolist() == [1, 2 + 2j]


def test_parts():
    z = rl.tensor([[1 + 2j, 3 - 4j]])
    assert z.real.tolist() == [[1, 3]] and z.imag.tolist() == [[2, -4]]
    z.real, z.imag = rl.tensor([[5.0, 6.0]]), 1
    assert z.tolist() == [[5 + 1j, 6 + 1j]]
    assert z.conj().tolist() == [[5 - 1j, 6 - 1j]] and not z.conj().is_conj()
    assert z.H.tolist() == z.mH.tolist() == z.adjoint().tolist() == [[5 - 1j], [6 - 1j]]
    assert rl.isreal(rl.tensor([1 + 0j, 1j])).tolist() == [True, False]
    assert rl.vdot(z[0], z[0]).item() == 63 and rl.dot(z[0], z[0]).item() == (5 + 1j)**2 + (6 + 1j)**2
    x = rl.ones(3)
    assert x.conj() is x and x.real is x
    with pytest.raises(RuntimeError, match="imag"):
        print(x.imag)


def test_assigned_parts_keep_gradients():
    x = rl.tensor([1 + 2j, 3 + 4j], dtype=rl.complex128, requires_grad=True)
    v = rl.tensor([0.5, 0.25], dtype=rl.float64, requires_grad=True)

    def function(x, v):
        y = x * 1j
        y.real = v
        return y * y

    assert gradcheck(function, (x, v))


@pytest.mark.parametrize("call", [
    lambda z: z < z, lambda z: z.max(), lambda z: z.sort(), lambda z: rl.maximum(z, z), lambda z: z.sign(),
    lambda z: z.floor(), lambda z: z // z, lambda z: z % z, lambda z: rl.atan2(z, z), lambda z: rl.erf(z),
    lambda z: rl.clamp(z, 0, 1), lambda z: rl.relu(z), lambda z: z.nan_to_num(), lambda z: rl.signbit(z),
], ids=range(14))
def test_what_has_no_order_is_refused(call):
    with pytest.raises((RuntimeError, NotImplementedError), match="complex"):
        call(rl.ones(2, dtype=rl.complex64))


def test_real_destinations_are_refused():
    with pytest.raises(RuntimeError, match="complex64 can't be cast to float32"):
        rl.ones(2).add_(rl.ones(2) * 1j)
    with pytest.raises(NotImplementedError, match="complex32"):
        rl.ones(2, dtype=rl.complex64).chalf()


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "tanh", "asin", "reciprocal", "sgn", "abs", "angle"])
def test_layouts(name):
    base = rl.randn(6, 5, dtype=rl.complex128)
    function = getattr(rl, name)
    want = function(base.contiguous())
    assert rl.equal(function(base.t()).t(), want)
    assert rl.equal(function(base[::2, 1:4]), want[::2, 1:4])
    big = rl.randn(3, 1, dtype=rl.complex64) * rl.randn(40000, dtype=rl.complex64)[::2]
    assert rl.equal(function(big), function(big.t().contiguous()).t())


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_infinite_quotients_and_products_as_torch(dtype):
    torch = pytest.importorskip("torch")
    ends = [complex(a, b) for a in (0.0, 1.0, -2.0, math.inf, math.nan) for b in (0.0, -1.0, math.inf)]
    pairs = [(a, b) for a in ends for b in ends]
    x, y = ([p[i] for p in pairs] for i in (0, 1))
    for name in ("mul", "div"):
        # One element at a time: PyTorch's vectors treat infinities otherwise than its single values.
        want = [getattr(torch, name)(*(torch.tensor(v, dtype=getattr(torch, dtype)) for v in pair)).item()
                for pair in pairs]
        got = getattr(rl, name)(rl.tensor(x, dtype=getattr(rl, dtype)), rl.tensor(y, dtype=getattr(rl, dtype)))
        for w, g, pair in zip(want, got.tolist(), pairs, strict=True):
            assert (cmath.isnan(w) and cmath.isnan(g)) or g == pytest.approx(w, rel=1e-6), (name, pair, w, g)


def test_a_complex_factor_needs_a_complex_tensor():
    for call in (rl.Tensor.index_add, rl.Tensor.index_add_):
        with pytest.raises(RuntimeError, match=r"index_add_?: alpha is complex and input has dtype float32"):
            call(rl.zeros(3), 0, rl.tensor([2]), rl.ones(1), alpha=1j)
