"""Tensors in one expression with NumPy's scalars and arrays."""

import operator

import numpy as np
import pytest

import rushlight as rl

SCALARS = [np.float32(2.5), np.float16(2.5), np.float64(2.5), np.int64(3), np.int8(3), np.uint8(3), np.bool_(True)]
OPERATORS = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.lt, operator.eq, operator.ne,
]


@pytest.mark.parametrize("scalar", SCALARS, ids=lambda scalar: scalar.dtype.name)
@pytest.mark.parametrize("operation", OPERATORS, ids=lambda operation: operation.__name__)
def test_numpy_scalars_are_numbers_on_both_sides(operation, scalar):
    x = rl.tensor([1.0, 2.5, 3.0])
    for got, want in [
        (operation(x, scalar), operation(x, scalar.item())),
        (operation(scalar, x), operation(scalar.item(), x)),
    ]:
        assert isinstance(got, rl.Tensor)
        assert got.dtype is want.dtype
        assert got.tolist() == want.tolist()


def test_numpy_scalars_keep_their_kind():
    assert (rl.tensor([1, 2]) + np.bool_(True)).dtype is rl.int64
    assert (rl.tensor([True]) + np.int8(1)).dtype is rl.int64
    assert (rl.tensor([1, 2]) + np.float32(1)).dtype is rl.float32
    assert rl.full((1,), np.complex64(1 + 2j)).item() == 1 + 2j
    assert rl.full((2,), np.int32(7)).tolist() == [7, 7]
    with pytest.raises(TypeError, match="argument 'other' must be"):
        rl.add(rl.ones(1), np.datetime64("2020-01-01"))
    with pytest.raises(TypeError, match="argument 'other' must be"):
        rl.add(rl.ones(1), np.ones(1))


def test_numpy_scalars_pass_gradients():
    x = rl.ones(2, requires_grad=True)
    (np.float32(3) * x * np.int64(2)).sum().backward()
    assert x.grad.tolist() == [6, 6]


def test_functions_of_numpy_return_tensors():
    x, array = rl.tensor([1.0, 2.0]), np.array([3.0, 4.0], dtype=np.float32)
    for got, want in [
        (np.sin(x), np.sin([1, 2])), (x * array, [3, 8]), (np.multiply(array, x), [3, 8]), (x @ array, 11),
        (np.isnan(x), [False, False]),
    ]:
        assert isinstance(got, rl.Tensor)
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-6)


@pytest.mark.parametrize("operation", ["iadd", "isub", "imul", "itruediv", "ipow", "ifloordiv"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_in_place_beside_an_array_makes_a_new_tensor(operation, dtype):
    """As in PyTorch, where the array's own operator answers."""
    array, x = np.array([1, 2, 3]).astype(dtype), rl.tensor([4.0, 5.0, 6.0])
    before = x.clone()
    got = getattr(operator, operation)(x, array)
    assert got is not x and rl.equal(x, before)
    assert got.dtype is (rl.float64 if dtype == "float64" else rl.float32)
    plain = getattr(operator, operation)(np.array([4, 5, 6], "float64"), array)
    np.testing.assert_allclose(got.numpy(), plain, rtol=1e-6)
    with pytest.raises(RuntimeError, match=r"^\w+: input requires grad and \w+ is a numpy.ndarray; expected a Tensor"):
        getattr(operator, operation)(rl.ones(3, requires_grad=True), array)


def test_equality_with_an_array_is_element_wise():
    x, array = rl.tensor([1.0, 2.0]), np.array([1.0, 3.0], dtype=np.float32)
    assert (x == array).tolist() == (array == x).tolist() == [True, False]
    assert (x != array).tolist() == (array != x).tolist() == [False, True]
    assert (x == None) is False  # noqa: E711
    assert (x == "text") is False


def test_named_results_print_a_line_each():
    assert repr(rl.tensor([1.0, 3.0]).max(0)) == (
        "rushlight.return_types.max(\nvalues=tensor(3.),\nindices=tensor(1))"
    )
