"""NumPy's protocols and DLPack 1.x: who computes, who copies, and who shares memory."""
import gc
import operator

import numpy as np
import pytest

import rushlight as rl

ARITHMETIC = [operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod,
              operator.pow, operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]
ARRAY = np.array([[1.5, 2.0, 4.0], [3.0, 0.5, 2.5]])


@pytest.mark.parametrize("f", ARITHMETIC, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_operators_with_arrays(f, dtype):
    other = ARRAY[::-1].copy()
    for got in (f(rl.tensor(ARRAY), other.astype(dtype)), f(ARRAY.astype(dtype), rl.tensor(other))):
        assert isinstance(got, rl.Tensor)
        np.testing.assert_allclose(got.numpy(), f(ARRAY, other), rtol=1e-6)


@pytest.mark.parametrize("f", [*ARITHMETIC[:4], operator.lt], ids=lambda f: f.__name__)
@pytest.mark.parametrize("scalar", [np.float64(2), np.float32(2), np.int64(2), np.array(2.0)], ids=repr)
def test_operators_with_scalars(f, scalar):
    t = rl.tensor([1.0, 2.0, 3.0])
    for got, want in ((f(scalar, t), f(float(scalar), t)), (f(t, scalar), f(t, float(scalar)))):
        assert got.dtype == want.dtype
        assert got.tolist() == want.tolist()


def test_matrix_product_with_an_array():
    a, b = np.arange(6.0).reshape(2, 3), np.arange(3.0)
    for got in (rl.tensor(a) @ b, a @ rl.tensor(b)):
        assert isinstance(got, rl.Tensor)
        np.testing.assert_array_equal(got.numpy(), a @ b)


def test_an_array_beside_a_tensor_that_wants_a_gradient():
    t = rl.tensor([1.0, 2.0], requires_grad=True, dtype=rl.float64)
    (np.array([3.0, 4.0]) * t + np.array([1.0, 1.0])).sum().backward()
    assert t.grad.tolist() == [3.0, 4.0]


def test_in_place():
    t, a = rl.tensor([1.0, 2.0]), np.array([1.0, 2.0])
    before = t
    t += np.array([1.0, 1.0])                                # as in PyTorch: a new tensor, of the promoted dtype
    assert (t.tolist(), t.dtype, before.tolist()) == ([2.0, 3.0], rl.float64, [1.0, 2.0])
    kept = a
    a += t                                                   # NumPy leaves the sum to the tensor, which makes a new one
    assert isinstance(a, rl.Tensor)
    assert (a.tolist(), kept.tolist()) == ([3.0, 5.0], [1.0, 2.0])
    np.add(kept, t, out=kept)
    assert kept.tolist() == [3.0, 5.0]
    with pytest.raises(RuntimeError, match="float64"):
        rl.tensor([1, 2]).add_(rl.tensor(ARRAY[0, :2]))
    with pytest.raises(TypeError):
        t += "text"


def test_universal_functions_return_tensors():
    t = rl.tensor([1.0, 4.0])
    for got, want in ((np.sqrt(t), [1.0, 2.0]), (np.add(t, ARRAY[0, :2]), [2.5, 6.0]), (np.maximum(t, 2), [2.0, 4.0])):
        assert isinstance(got, rl.Tensor)
        assert got.tolist() == want
    assert np.isfinite(t).dtype == rl.bool
    assert np.stack([t, t]).tolist() == [[1.0, 4.0], [1.0, 4.0]]


def test_array_conversion_copies_where_asked():
    t = rl.tensor([1.0, 2.0])
    assert np.shares_memory(np.asarray(t), t.numpy())
    assert np.shares_memory(np.asarray(t, copy=False), t.numpy())
    assert np.shares_memory(np.asarray(t, dtype=np.float32, copy=False), t.numpy())
    assert not np.shares_memory(np.array(t, copy=True), t.numpy())
    assert not np.shares_memory(t.__array__(np.float32, copy=True), t.numpy())
    assert np.asarray(t, dtype=np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="__array__: copy=False and dtype=float64"):
        np.asarray(t, dtype=np.float64, copy=False)
    with pytest.raises(TypeError):
        t.__array__("no dtype")


@pytest.mark.parametrize("make", [rl.from_numpy, rl.as_tensor, rl.tensor], ids=["from_numpy", "as_tensor", "tensor"])
@pytest.mark.parametrize("array, error, text", [
    (np.arange(3, dtype=">i4"), ValueError, "data of format '>i' is big-endian; expected native byte order"),
    (np.arange(3, dtype=">f8"), ValueError, "data of format '>d' is big-endian"),
    (np.arange(3)[::-1], ValueError, "stride -8 bytes of dimension 0 is negative; expected strides >= 0"),
    (np.array(["a"]), TypeError, "data of format '1w' has no dtype here"),
    (np.zeros(2, np.longdouble), TypeError, "data of format 'g' has no dtype here"),
    (np.zeros(2, [("a", "i4")]), TypeError, "has no dtype here"),
    (np.datetime64("2020"), TypeError, "datetime64 has no shape and strides|expected a numpy.ndarray"),
])
def test_arrays_that_are_refused(make, array, error, text):
    with pytest.raises(error, match=text):
        make(array)


def test_read_only_arrays():
    a = np.arange(3.0)
    a.flags.writeable = False
    t = rl.from_numpy(a)
    with pytest.raises(RuntimeError, match="read-only"):
        t += 1
    with pytest.raises(BufferError, match="read-only"):
        t.__dlpack__()
    assert not np.from_dlpack(t).flags.writeable
    assert t.__array__().flags.writeable is False
    assert rl.from_dlpack(t).tolist() == [0.0, 1.0, 2.0]
    assert rl.from_dlpack(t, copy=True).add_(1).tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("array", [
    np.arange(24.0).reshape(2, 3, 4)[:, ::2, 1:3], np.arange(6).reshape(2, 3).T, np.zeros((0, 3)), np.array(2.5),
    np.broadcast_to(np.arange(3), (2, 3)), np.array([True, False]), np.array([1 + 2j]), np.arange(3, dtype=np.uint16),
], ids=lambda a: f"{a.dtype}{a.shape}")
def test_dlpack_with_numpy(array):
    t = rl.from_dlpack(array)
    assert t.numpy().dtype == array.dtype
    np.testing.assert_array_equal(t.numpy(), array)
    back = np.from_dlpack(t)
    np.testing.assert_array_equal(back, array)
    if array.size:
        assert np.shares_memory(t.numpy(), array)
        assert np.shares_memory(back, array)
        assert not np.shares_memory(np.from_dlpack(t, copy=True), array)
        assert not np.shares_memory(rl.from_dlpack(array, copy=True).numpy(), array)
        assert np.shares_memory(rl.from_dlpack(array, copy=False, device="cpu").numpy(), array)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "uint32", "float16", "bfloat16", "float32", "float64",
                                   "complex64", "bool"])
def test_dlpack_with_pytorch(dtype):
    torch = pytest.importorskip("torch")
    theirs = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype)).t()
    mine = rl.from_dlpack(theirs)
    assert (mine.data_ptr(), mine.stride(), mine.dtype.name) == (theirs.data_ptr(), theirs.stride(), dtype)
    assert mine.tolist() == theirs.tolist()
    again = torch.from_dlpack(mine)
    assert (again.data_ptr(), again.stride(), again.dtype) == (theirs.data_ptr(), theirs.stride(), theirs.dtype)
    copied = torch.from_dlpack(mine, copy=True)
    assert copied.data_ptr() != theirs.data_ptr()
    assert copied.tolist() == theirs.tolist()


def test_dlpack_with_jax():
    jax = pytest.importorskip("jax.numpy")
    mine = rl.arange(6, dtype=rl.float32).reshape(2, 3)
    theirs = jax.from_dlpack(mine)
    assert theirs.tolist() == mine.tolist()
    assert rl.from_dlpack(theirs).tolist() == mine.tolist()


def test_dlpack_keeps_memory_while_somebody_looks():
    array = np.from_dlpack(rl.arange(100000.0))
    gc.collect()
    rl.zeros(100000)
    assert array[-1] == 99999
    t = rl.from_dlpack(np.arange(100000.0))
    gc.collect()
    assert t[-1].item() == 99999


@pytest.mark.parametrize("call, error, text", [
    (lambda t: t.__dlpack__(stream=1), ValueError, "__dlpack__: a stream is given; expected None for the CPU"),
    (lambda t: t.__dlpack__(dl_device=(2, 0)), BufferError, r"__dlpack__: dl_device=\(2, 0\); expected \(1, 0\)"),
    (lambda t: t.__dlpack__(dl_device=1), TypeError, "dl_device|tuple"),
    (lambda t: t.clone().requires_grad_().__dlpack__(), BufferError, "can't export a Tensor that requires grad"),
    (lambda t: rl.from_dlpack(3), TypeError, "from_dlpack: expected an object with __dlpack__, not int"),
    (lambda t: rl.from_dlpack(t, device="cuda"), RuntimeError, "from_dlpack"),
    (lambda t: rl.from_dlpack(np.arange(3, dtype=">i4")), BufferError, "byte order"),
    (lambda t: rl.from_dlpack(np.arange(3)[::-1]), (ValueError, RuntimeError, BufferError), "stride"),
])
def test_dlpack_refuses(call, error, text):
    with pytest.raises(error, match=text):
        call(rl.tensor([1.0, 2.0]))


def test_dlpack_versions():
    t = rl.tensor([1.0, 2.0])
    assert "dltensor_versioned" in repr(t.__dlpack__(max_version=(1, 0)))
    assert "dltensor_versioned" in repr(t.__dlpack__(max_version=(2, 5), dl_device=(1, 0), copy=True))
    for old in (t.__dlpack__(), t.__dlpack__(max_version=(0, 8)), t.__dlpack__(max_version=None, stream=None)):
        assert '"dltensor"' in repr(old)
        assert rl.from_dlpack(old).data_ptr() == t.data_ptr()
        with pytest.raises(RuntimeError, match="used already"):
            rl.from_dlpack(old)
    assert t.__dlpack_device__() == (1, 0)
