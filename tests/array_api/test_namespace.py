"""`rushlight.array_api`: what the standard's own suite (docs/array-api.md) is not needed to see."""
import inspect

import numpy as np
import pytest

import rushlight as rl
from rushlight import array_api as xp


def test_the_namespace_of_a_tensor():
    t = rl.ones(2)
    assert t.__array_namespace__() is xp
    assert t.__array_namespace__(api_version="2023.12") is xp
    with pytest.raises(ValueError, match=r"api_version='2020\.01'; expected one of"):
        t.__array_namespace__(api_version="2020.01")
    assert t.to_device("cpu") is t
    with pytest.raises(ValueError, match="to_device: stream=1; expected None"):
        t.to_device("cpu", stream=1)


def test_everything_says_what_it_is():
    for module in (xp, xp.linalg, xp.fft):
        for name, value in vars(module).items():
            if inspect.isfunction(value) and not name.startswith("_"):
                assert value.__doc__, name
                assert value.__name__ == name


def test_promotion_of_functions_looks_at_no_shape():
    small, large = xp.ones(3, dtype=xp.int8), xp.asarray(300, dtype=xp.int64)
    assert xp.add(small, large).dtype == xp.int64
    assert xp.add(small, large).tolist() == [301] * 3
    assert xp.less(small, large).tolist() == [True] * 3
    assert xp.result_type(small, large) == xp.int64
    assert xp.add(2, small).dtype == xp.int8
    assert xp.multiply(small, 1.5).dtype == xp.float32
    assert xp.where(small > 0, small, large).dtype == xp.int64
    assert xp.concat([xp.ones(1, dtype=xp.uint8), small]).dtype == xp.int16


def test_operators_are_the_standards_only_when_told():
    small, large = xp.ones(3, dtype=xp.int8), xp.asarray(1, dtype=xp.int64)
    infinite = xp.asarray([xp.inf, 5.0])
    assert (small + large).dtype == xp.int8
    assert np.isnan((infinite // 2.0)[0].item())
    with xp.standard_operators():
        assert (small + large).dtype == xp.int64
        assert (infinite // 2.0).tolist() == [float("inf"), 2.0]
        with xp.standard_operators(False):
            assert (small + large).dtype == xp.int8
        assert (small + large).dtype == xp.int64
        infinite //= 2.0
    assert infinite.tolist() == [float("inf"), 2.0]
    assert (small + large).dtype == xp.int8


@pytest.mark.parametrize("f", [xp.sum, xp.prod, xp.cumulative_sum, xp.cumulative_prod], ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype, wanted", [("int8", "int64"), ("uint8", "uint64"), ("uint32", "uint64"),
                                           ("float32", "float32")])
def test_dtypes_of_totals(f, dtype, wanted):
    assert f(xp.ones(3, dtype=getattr(xp, dtype))).dtype.name == wanted


def test_totals_over_axes():
    a = np.arange(1.0, 25.0).reshape(2, 3, 4)
    x = xp.asarray(a)
    for axis in (None, 0, -1, (0, 2), (2, 1), (0, 1, 2), ()):
        for keepdims in (False, True):
            for name in ("sum", "prod", "max", "min", "mean", "var", "all", "any", "count_nonzero"):
                got = getattr(xp, name)(x, axis=axis, keepdims=keepdims)
                want = getattr(np, name)(a, axis=axis, keepdims=keepdims)
                np.testing.assert_allclose(got.numpy(), want)
                assert got.shape == np.shape(want)


def test_gradients_pass():
    x = xp.asarray([[1.0, 2.0], [3.0, 4.0]])
    x.requires_grad_()
    xp.sum(xp.multiply(xp.permute_dims(x, (1, 0)), xp.asarray([1.0, 10.0]))).backward()
    assert x.grad.tolist() == [[1.0, 1.0], [10.0, 10.0]]


@pytest.mark.parametrize("dtype", [xp.complex64, xp.complex128], ids=str)
def test_expm1_of_infinities(dtype):
    """Annex G of C99 less one, where NumPy and PyTorch have NaN alone."""
    inf, nan = xp.inf, xp.nan
    x = xp.asarray([complex(-inf, inf), complex(-inf, nan), complex(inf, inf), complex(inf, nan), complex(1, inf)])
    got = xp.expm1(xp.astype(x, dtype)).tolist()
    assert got[:2] == [-1, -1]
    assert [abs(z.real) for z in got[2:4]] == [inf, inf]
    assert all(np.isnan(z.imag) for z in got[2:])
    assert np.isnan(got[4].real)


def test_unique_names_where_each_stands_first():
    whole = np.array([3, 1, 3, 2, 1, 1, 1, 1, 2, 4])
    for values in (whole, whole * 1j + whole[::-1], np.zeros((0, 2), np.complex64), np.array(2 - 1j)):
        got = xp.unique_all(xp.asarray(values))
        for mine, theirs in zip(got, np.unique_all(values), strict=True):
            assert mine.tolist() == theirs.tolist()
        assert xp.unique_values(xp.asarray(values)).tolist() == np.unique(values).tolist()


def test_complex_parts_round_alone():
    values = np.array([0.5 - 1.5j, 2.5 + 0.4j, complex(-0.2, np.inf)])
    np.testing.assert_array_equal(xp.round(xp.asarray(values)).numpy(), np.round(values))


@pytest.mark.parametrize("call, error, text", [
    (lambda x: xp.squeeze(x, axis=1), ValueError, r"squeeze: axis=1 of input of shape \(2, 3\) has length 3"),
    (lambda x: xp.expand_dims(x, axis=5), IndexError, "expand_dims: axis=5 is out of range"),
    (lambda x: xp.expand_dims(x, axis=(0, 0)), ValueError, "names a place twice"),
    (lambda x: xp.nonzero(x[0, 0]), ValueError, r"nonzero: input has shape \(\)"),
    (lambda x: xp.cumulative_sum(x), ValueError, "cumulative_sum: axis=None"),
    (lambda x: xp.take(x, xp.asarray([0])), ValueError, "take: axis=None"),
    (lambda x: xp.isdtype(x.dtype, "whole"), ValueError, "isdtype: kind='whole' is not known"),
    (lambda x: xp.broadcast_shapes((2,), (3,)), ValueError, "can't be broadcast"),
    (lambda x: xp.reshape(x.mT, (6,), copy=False), ValueError, "reshape: shape=.* needs a copy"),
    (lambda x: xp.asarray([1], copy=False), ValueError, "asarray: copy=False"),
    (lambda x: xp.result_type(1, 2), ValueError, "no array and no dtype"),
    (lambda x: xp.result_type(xp.uint64, xp.int8), RuntimeError, "no common integer dtype"),
    (lambda x: xp.astype(xp.asarray([1j]), xp.float32), TypeError, "astype: x has dtype complex64"),
])
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call(xp.ones((2, 3)))
