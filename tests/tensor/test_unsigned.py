"""uint16, uint32 and uint64 beside NumPy's: the whole range, and what crosses int64."""
import io
import itertools
import operator

import numpy as np
import pytest

import rushlight as rl

UNSIGNED = ["uint16", "uint32", "uint64"]
OTHERS = ["bool", "int8", "int16", "int32", "int64", "uint8", *UNSIGNED]
OPERATORS = [operator.add, operator.sub, operator.mul, operator.floordiv, operator.mod, operator.and_, operator.or_,
             operator.xor, operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]


def same(got, want):
    got, want = np.asarray(got), np.asarray(want)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


@pytest.fixture(params=UNSIGNED)
def pair(request):
    """Two arrays over the whole range; the second has no zero."""
    limits, rng = np.iinfo(request.param), np.random.default_rng(0)
    a = rng.integers(0, limits.max, 100, dtype=request.param, endpoint=True)
    b = rng.integers(1, limits.max, 100, dtype=request.param, endpoint=True)
    a[:3], b[:3] = [0, limits.max, limits.max // 2 + 1], [1, limits.max, 7]
    return a, b


def tensors(*arrays):
    return [rl.from_numpy(a.copy()) for a in arrays]


@pytest.mark.parametrize("operation", OPERATORS, ids=lambda f: f.__name__)
def test_operators(pair, operation):
    same(operation(*tensors(*pair)), operation(*pair))


def test_bits_and_powers(pair):
    a, b = pair
    counts = (b % 8).astype(a.dtype)
    x, n = tensors(a, counts)
    same(x << n, a << counts)
    same(x >> n, a >> counts)
    same(~x, ~a)
    same(x**n, a**counts)


def test_reductions(pair):
    a, _ = pair
    (x,) = tensors(a)
    same(x.amax(), a.max())
    same(x.amin(), a.min())
    assert (x.argmax().item(), x.argmin().item()) == (a.argmax(), a.argmin())
    same(x.sum(), a.sum(dtype=np.uint64).astype(np.int64))
    same(x.sum(dtype=rl.uint64), a.sum(dtype=np.uint64))
    same(x.prod(dtype=rl.uint64), a.prod(dtype=np.uint64))
    same(x.cumsum(0, dtype=rl.uint64), a.cumsum(dtype=np.uint64))
    same(x.cummax(0).values, np.maximum.accumulate(a))
    same(x.view(10, 10).amax(0), a.reshape(10, 10).max(0))
    assert x.count_nonzero().item() == 99


def test_order(pair):
    a, b = pair
    x, y = tensors(a, b)
    same(x.sort().values, np.sort(a))
    same(x.topk(3).values, np.sort(a)[::-1][:3])
    same(rl.unique(x), np.unique(a))
    same(rl.searchsorted(x.sort().values, y), np.searchsorted(np.sort(a), b))
    same(rl.maximum(x, y), np.maximum(a, b))
    same(rl.where(x > y, x, y), np.where(a > b, a, b))


def test_selection(pair):
    a, b = pair
    x, y = tensors(a, b)
    same(x[rl.tensor([1, 5])], a[[1, 5]])
    same(x[x > 5], a[a > 5])
    same(x.flip(0), a[::-1])
    same(rl.cat([x, y]), np.concatenate([a, b]))
    same(x.view(10, 10) @ y.view(10, 10), a.reshape(10, 10) @ b.reshape(10, 10))
    x[1:3] = y[1:3]
    x += y
    a[1:3] = b[1:3]
    same(x, a + b)


@pytest.mark.parametrize("name", [*OTHERS, "float32", "float64", "complex64"])
def test_casts(pair, name):
    a, _ = pair
    (x,) = tensors(a)
    same(x.to(getattr(rl, name)), a.astype(name))
    if not name.startswith(("float", "complex")):
        other = np.arange(-50, 50).astype(name)
        same(rl.from_numpy(other).to(x.dtype), other.astype(a.dtype))


def test_numbers(pair):
    a, _ = pair
    (x,), largest = tensors(a), np.iinfo(a.dtype).max
    same(x + 5, a + a.dtype.type(5))
    same(x == int(largest), a == largest)
    same(x + 0.5, a.astype(np.float32) + np.float32(0.5))
    same(x.clamp(5, largest - 5), np.clip(a, 5, largest - 5))
    same(x.clamp(min=-1), a)
    same(rl.full((2,), largest, dtype=x.dtype), np.full(2, largest, a.dtype))
    same(rl.arange(largest - 4, largest, dtype=x.dtype), np.arange(largest - 4, largest, dtype=a.dtype))
    same(x.masked_fill(x > 5, largest), np.where(a > 5, largest, a).astype(a.dtype))
    assert x.tolist() == a.tolist()
    assert x[1].item() == largest
    assert str(int(largest)) in repr(x[1])
    assert rl.iinfo(x.dtype).max == largest


def test_exchange(pair):
    a, _ = pair
    (x,) = tensors(a)
    same(np.from_dlpack(x), a)
    same(rl.from_dlpack(a), a)
    assert np.shares_memory(x.numpy(), np.from_dlpack(x))
    file = io.BytesIO()
    rl.save({"x": x[3:], "y": x}, file)
    file.seek(0)
    loaded = rl.load(file)
    same(loaded["x"], a[3:])
    assert loaded["x"].dtype == x.dtype
    assert loaded["x"].untyped_storage()._key() == loaded["y"].untyped_storage()._key()


def test_files_of_pytorch(pair):
    torch = pytest.importorskip("torch")
    a, _ = pair
    file = io.BytesIO()
    torch.save(torch.from_numpy(a), file)
    file.seek(0)
    same(rl.load(file), a)
    file = io.BytesIO()
    rl.save(tensors(a)[0][2:], file)
    file.seek(0)
    same(torch.load(file).numpy(), a[2:])


@pytest.mark.parametrize("one, other", list(itertools.product(OTHERS, OTHERS)))
def test_promotion(one, other):
    want = np.result_type(one, other)
    if want.kind == "f":
        with pytest.raises(RuntimeError, match=r"uint64 and int\d+ have no common integer dtype"):
            rl.promote_types(getattr(rl, one), getattr(rl, other))
    else:
        assert rl.promote_types(getattr(rl, one), getattr(rl, other)).name == want.name


@pytest.mark.parametrize("call, error", [
    (lambda: rl.tensor(2**64 - 1), "tensor: the value 18446744073709551615 does not fit into int64"),
    (lambda: rl.tensor([1]) + 2**63, "add: other=9223372036854775808 does not fit into int64"),
    (lambda: rl.zeros(2**63), "zeros: argument 'size': 9223372036854775808 does not fit into a 64-bit integer"),
    (lambda: rl.tensor(2**64), "tensor: argument 'data': 18446744073709551616 does not fit"),
    (lambda: rl.full((1,), 2**63, dtype=rl.int64), "full: the value 9.22337e.18 can't be stored as int64"),
    (lambda: rl.tensor(-1, dtype=rl.uint16), "tensor: the value -1 does not fit into uint16"),
])
def test_too_large(call, error):
    with pytest.raises((OverflowError, RuntimeError), match=error):
        call()
