"""Distinct values, counts and places in sorted rows, against NumPy and, where it is installed, PyTorch."""
import numpy as np
import pytest
from scipy.spatial import distance

import rushlight as rl

one_hot = rl.nn.functional.one_hot
RANDOM = np.random.default_rng(5)


DTYPES = [np.float32, np.float64, np.int64, np.int32, np.uint8, np.bool_]


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.__name__)
@pytest.mark.parametrize("shape", [(0,), (1,), (5,), (7, 9), (300,)], ids=str)
def test_unique(shape, dtype):
    x = RANDOM.integers(0, 6, shape).astype(dtype)
    got = rl.from_numpy(x).unique(return_inverse=True, return_counts=True)
    want = np.unique(x, return_inverse=True, return_counts=True)
    for g, w in zip(got, want, strict=True):
        np.testing.assert_array_equal(g.numpy(), w)
    assert got[0].numpy().dtype == dtype
    np.testing.assert_array_equal(rl.unique(rl.from_numpy(x)).numpy(), want[0])


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_unique_slices(dim):
    x = RANDOM.integers(0, 2, (6, 3, 4))
    got = rl.unique(rl.from_numpy(x), return_inverse=True, return_counts=True, dim=dim)
    want = np.unique(x, return_inverse=True, return_counts=True, axis=dim)
    for g, w in zip(got, want, strict=True):
        np.testing.assert_array_equal(g.numpy(), w)


def test_unique_consecutive():
    x = rl.tensor([[1, 1, 2], [2, 1, 1]])
    values, inverse, counts = rl.unique_consecutive(x, return_inverse=True, return_counts=True)
    assert values.tolist() == [1, 2, 1] and inverse.tolist() == [[0, 0, 1], [1, 2, 2]] and counts.tolist() == [2, 2, 2]
    rows = rl.tensor([[1, 1], [1, 1], [0, 1], [1, 1]])
    values, counts = rows.unique_consecutive(return_counts=True, dim=0)
    assert values.tolist() == [[1, 1], [0, 1], [1, 1]] and counts.tolist() == [2, 1, 1]


def test_every_nan_is_distinct():
    x = rl.tensor([float("nan"), 1.0, float("nan"), 1.0])
    values, counts = x.unique(return_counts=True)
    assert values[0] == 1 and values.isnan().tolist() == [False, True, True] and counts.tolist() == [2, 1, 1]


def test_empty_slices_are_refused():
    with pytest.raises(RuntimeError, match=r"unique: input has shape \(2, 0\)"):
        rl.unique(rl.ones(2, 0), dim=0)
    assert rl.unique(rl.ones(0, 2), dim=0).shape == (0, 2)
    with pytest.raises(IndexError, match="unique: dim=2"):
        rl.unique(rl.ones(2, 2), dim=2)


@pytest.mark.parametrize(
    "weights, dtype", [(None, rl.int64), (rl.float32, rl.float32), (rl.int32, rl.float64)], ids=str
)
def test_bincount(weights, dtype):
    x = RANDOM.integers(0, 9, 50)
    w = None if weights is None else rl.arange(50, dtype=weights)
    got = rl.bincount(rl.from_numpy(x), w, minlength=12)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got.numpy(), np.bincount(x, None if w is None else w.numpy(), 12))
    assert rl.bincount(rl.tensor([], dtype=rl.int64), minlength=2).tolist() == [0, 0]


@pytest.mark.parametrize("arguments, message", [
    (([-1, 2],), "input contains -1"), (([[1]],), "input has shape"), (([1.5],), "input has dtype"),
    (([1], [1.0, 2.0]), "weights has shape"), (([2**63 - 1],), "input contains"),
])
def test_bincount_refuses(arguments, message):
    with pytest.raises(RuntimeError, match="bincount: " + message):
        rl.bincount(*(rl.tensor(a) for a in arguments))
    with pytest.raises(RuntimeError, match="bincount: minlength=-1"):
        rl.bincount(rl.tensor([1]), minlength=-1)


def test_histc():
    x = RANDOM.normal(size=1000)
    for arguments in ((10,), (7, -1, 2), (3, -0.5, 0.5)):
        low, high = arguments[1:] or (x.min(), x.max())
        want = np.histogram(x, arguments[0], (low, high))[0]
        np.testing.assert_array_equal(rl.histc(rl.from_numpy(x), *arguments).numpy(), want)
    assert rl.histc(rl.tensor([2.0, 2.0]), 2).tolist() == [0, 2]
    assert rl.histc(rl.tensor([]), 2).tolist() == [0, 0]
    assert rl.histc(rl.tensor([1.0, float("nan")]), 2, 0, 3).tolist() == [1, 0]
    assert sum(rl.histc(rl.tensor([-3e38, 3e38]), 2).tolist()) == 2
    out = rl.empty(0)
    assert rl.histc(rl.tensor([1.0, 2.0]), 2, out=out) is out and out.tolist() == [1, 1]


@pytest.mark.parametrize("arguments, message", [
    ((0,), "bins=0"), ((2, 5, 1), "min=5 and max=1"), ((2, 0, float("inf")), "finite"),
])
def test_histc_refuses(arguments, message):
    with pytest.raises(RuntimeError, match="histc: .*" + message):
        rl.histc(rl.ones(3), *arguments)
    with pytest.raises(RuntimeError, match="histc: input has dtype"):
        rl.histc(rl.tensor([1, 2]))
    with pytest.raises(RuntimeError, match="histc: input reaches from nan"):
        rl.histc(rl.tensor([1.0, float("nan")]))


def test_one_hot():
    x = RANDOM.integers(0, 5, (2, 7))
    np.testing.assert_array_equal(one_hot(rl.from_numpy(x)).numpy(), np.eye(x.max() + 1, dtype=np.int64)[x])
    assert one_hot(rl.tensor(1), 3).tolist() == [0, 1, 0]
    assert one_hot(rl.empty(0, dtype=rl.int64), 3).shape == (0, 3)
    one = rl.tensor([1])
    for bad in ((rl.empty(0, dtype=rl.int64),), (rl.tensor([1.0]),), (-one,), (one, 1), (one, 0)):
        with pytest.raises(RuntimeError, match="one_hot: tensor"):
            one_hot(*bad)


@pytest.mark.parametrize("side", ["left", "right"])
def test_searchsorted(side):
    row, values = np.sort(RANDOM.integers(0, 9, 20)), RANDOM.integers(-1, 11, (3, 5))
    want = np.searchsorted(row, values, side)
    got = rl.searchsorted(rl.from_numpy(row), rl.from_numpy(values), side=side)
    np.testing.assert_array_equal(got.numpy(), want)
    cells = rl.bucketize(rl.from_numpy(values), rl.from_numpy(row), right=side == "right")
    np.testing.assert_array_equal(cells.numpy(), want)
    shuffled = RANDOM.permutation(row)
    order = rl.from_numpy(np.argsort(shuffled, kind="stable"))
    got = rl.searchsorted(rl.from_numpy(shuffled), rl.from_numpy(values), side=side, sorter=order, out_int32=True)
    assert got.dtype == rl.int32
    np.testing.assert_array_equal(got.numpy(), want)


def test_searchsorted_by_row_and_by_number():
    rows = rl.tensor([[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]])
    assert rl.searchsorted(rows, rl.tensor([[3.0], [7.0]])).tolist() == [[1], [3]]
    assert rl.searchsorted(rl.tensor([1, 2, 3]), 2.5).item() == 2
    assert rl.bucketize(2, rl.tensor([1.0, 2.0, 3.0]), right=True).item() == 2
    out = rl.empty(0, dtype=rl.int64)
    assert rl.searchsorted(rows, rows, out=out) is out and out.tolist() == [[0, 1, 2], [0, 1, 2]]


ROW = rl.tensor([1.0, 2.0])


@pytest.mark.parametrize("arguments, options", [
    ((rl.ones(2, 3), rl.ones(3, 3)), {}), ((rl.ones(2, 3), 1.0), {}), ((rl.tensor(1.0), ROW), {}),
    ((ROW, ROW), {"side": "up"}), ((ROW, ROW), {"side": "left", "right": True}),
    ((ROW, ROW), {"sorter": rl.tensor([0])}), ((ROW, ROW), {"sorter": rl.tensor([0, 7])}),
    ((ROW, ROW), {"sorter": rl.tensor([0, 1], dtype=rl.int32)}),
], ids=str)
def test_searchsorted_refuses(arguments, options):
    with pytest.raises(RuntimeError, match="searchsorted: "):
        rl.searchsorted(*arguments, **options)


@pytest.mark.parametrize("p", [0.0, 1.0, 2.0, 2.5, float("inf")])
@pytest.mark.parametrize("rows", [4, 30])
def test_cdist(p, rows):
    x, y = RANDOM.normal(size=(rows, 6)), RANDOM.normal(size=(5, 6))
    y[0] = x[0]
    kind = {0.0: "hamming", float("inf"): "chebyshev"}.get(p, "minkowski")
    want = distance.cdist(x, y, kind, **({"p": p} if kind == "minkowski" else {})) * (6 if p == 0 else 1)
    got = rl.cdist(rl.from_numpy(x), rl.from_numpy(y), p=p)
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-12, atol=3e-7 if rows == 30 and p == 2 else 1e-12)


def test_cdist_of_equal_rows_has_gradient_zero():
    for mode in ("use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist"):
        x = rl.ones(3, 2, requires_grad=True)
        rl.cdist(x, rl.ones(3, 2), compute_mode=mode).sum().backward()
        assert x.grad.tolist() == [[0, 0]] * 3


def test_results_of_unknown_size_fill_out():
    x = rl.tensor([1.0, 0.0, 3.0])
    def select(t, out):
        return rl.masked_select(t, t > 0.5, out=out)

    for function, dtype, want in ((rl.nonzero, rl.int64, [[0], [2]]), (select, rl.float32, [1, 3])):
        out = rl.empty(0, dtype=dtype)
        assert function(x, out=out) is out and out.tolist() == want
    with pytest.raises(RuntimeError, match="masked_select: out= can't be differentiated"):
        rl.masked_select(x.clone().requires_grad_(), x > 0, out=rl.empty(0))


@pytest.mark.parametrize("name, arguments", [
    ("unique", ([3.0, float("nan"), -0.0, 0.0, float("inf"), 3.0],)), ("unique_consecutive", ([1.0, 1.0, 2.0, 1.0],)),
    ("bincount", ([4, 4, 0],)), ("histc", ([0.1, 0.2, 0.30000001, 0.5, 0.7], 7)),
    ("bucketize", ([0.5, 2.0], [1.0, 2.0])),
])
def test_same_as_torch(name, arguments):
    torch = pytest.importorskip("torch")
    got, want = (getattr(package, name)(*(package.tensor(a) if isinstance(a, list) else a for a in arguments))
                 for package in (rl, torch))
    np.testing.assert_array_equal(got.numpy(), want.numpy())
