"""x[...] and x[...] = v against NumPy, and against PyTorch where it is installed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rushlight as rl

try:
    import torch
except ImportError:
    torch = None


def pair(*shape):
    array = np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.float32).reshape(shape)
    return rl.tensor(array), array


def same(tensor, array):
    array = np.asarray(array)
    assert tuple(tensor.shape) == array.shape
    np.testing.assert_array_equal(tensor.numpy(), array)


# Indices as NumPy reads them; `I` makes an index array of the library at hand.
INDICES = [
    lambda I: 1,
    lambda I: -1,
    lambda I: (1, 2),
    lambda I: (1, -1, 3),
    lambda I: slice(0, 1),
    lambda I: slice(None, None, 2),
    lambda I: slice(5, 1),
    lambda I: slice(-100, 100),
    lambda I: (slice(None), 1),
    lambda I: (slice(None), slice(1, None), -2),
    lambda I: Ellipsis,
    lambda I: (Ellipsis, 0),
    lambda I: (0, Ellipsis),
    lambda I: (0, Ellipsis, slice(1, 3)),
    lambda I: None,
    lambda I: (None, 1, None),
    lambda I: (Ellipsis, None),
    lambda I: (),
    lambda I: np.int64(1),
    lambda I: (np.int32(1), slice(None)),
    lambda I: [0, 1],
    lambda I: [1, 1, 0, -1],
    lambda I: I([1, 0]),
    lambda I: I([[1, 0], [0, 0]]),
    lambda I: np.array([1, 0]),
    lambda I: (slice(None), [2, 0]),
    lambda I: (slice(None), I([2, 0]), slice(1, 3)),
    lambda I: ([0, 1], [2, 0]),
    lambda I: (I([0, 1]), I([2, 0]), I([3, -1])),
    lambda I: (I([[0], [1]]), I([[2, 0]])),
    lambda I: (I([0, 1]), slice(None), I([3, 0])),
    lambda I: (Ellipsis, I([3, 0, 0])),
    lambda I: (None, I([1, 0])),
    lambda I: (I([1]), None, I([2])),
    lambda I: True,
    lambda I: False,
    lambda I: (slice(None), True),
    lambda I: I([True, False]),
    lambda I: I([[True, False, True], [False, True, True]]),
    lambda I: (slice(None), I([True, False, True])),
    lambda I: (I([True, True]), slice(None), slice(0, 2)),
    lambda I: (I([[True, False, True], [False, True, True]]), slice(1, 3)),
    lambda I: (0, I([True, False, True])),
    lambda I: [True, False],
    lambda I: np.array([False, True]),
    lambda I: (I([1, 0]), I([True, False, True])),
    lambda I: [],
    lambda I: I([[False] * 3] * 2),
]


def index_makers():
    return (lambda v: rl.tensor(v)), (lambda v: np.array(v))


@pytest.mark.parametrize("make", INDICES, ids=[str(i) for i in range(len(INDICES))])
def test_reading(make):
    x, a = pair(2, 3, 4)
    ours, theirs = (make(maker) for maker in index_makers())
    theirs = np.array(theirs, dtype=np.int64) if isinstance(theirs, list) and not theirs else theirs
    same(x[ours], a[theirs])


@pytest.mark.parametrize("make", INDICES, ids=[str(i) for i in range(len(INDICES))])
@pytest.mark.parametrize("value", ["number", "integer", "array", "last", "view"])
def test_writing(make, value):
    x, a = pair(2, 3, 4)
    x, a = x.clone(), a.copy()
    ours, theirs = (make(maker) for maker in index_makers())
    theirs = np.array(theirs, dtype=np.int64) if isinstance(theirs, list) and not theirs else theirs
    shape = a[theirs].shape
    if value == "number":
        new = rl_new = 7.5
    elif value == "integer":
        new = rl_new = 3
    elif value == "last":
        new = np.arange(shape[-1] if shape else 1, dtype=np.float64) + 50
        new = new if shape else new[0]
        rl_new = rl.tensor(new)
    else:
        new = (np.arange(int(np.prod(shape, dtype=np.int64))) + 100).reshape(shape)
        rl_new = (
            rl.tensor(new)
            if value == "array"
            else rl.tensor(np.array(new.T, order="C")).permute(tuple(reversed(range(new.ndim))))
        )
    distinct = len(np.unique(np.arange(24).reshape(2, 3, 4)[theirs])) == int(np.prod(shape, dtype=np.int64))
    x[ours] = rl_new
    a[theirs] = new
    if distinct or np.ndim(new) == 0:
        same(x, a)
    else:
        untouched = np.ones((2, 3, 4), bool)
        untouched[theirs] = False
        np.testing.assert_array_equal(x.numpy()[untouched], a[untouched])


def test_plain_indices_are_views_and_arrays_copies():
    x, _ = pair(2, 3, 4)
    assert x[0].data_ptr() == x.data_ptr() and x[:, 1].storage_offset() == 4
    assert x[...] is not x and x[:] is not x and x[...].data_ptr() == x.data_ptr()
    y = x[[0, 1]]
    y.zero_()
    assert x.sum().item() == np.arange(24).sum()
    x[0][1] = 9
    assert x[0, 1].tolist() == [9, 9, 9, 9]


def test_writing_keeps_the_dtype_and_returns_nothing_new():
    x = rl.zeros(3, dtype=rl.int64)
    x[1] = 2.9
    x[rl.tensor([2])] = rl.tensor([5.5])
    assert x.tolist() == [0, 2, 5] and x.dtype is rl.int64
    y = rl.zeros(3)
    pointer = y.data_ptr()
    y[:] = [1, 2, 3]
    y[1:] = np.array([8.0, 9.0])
    y[rl.tensor([True, False, False])] = -1
    assert y.tolist() == [-1, 8, 9] and y.data_ptr() == pointer
    y[0] += 3
    assert y.tolist() == [2, 8, 9]
    y[1:] = y[:-1]  # overlapping
    assert y.tolist() == [2, 2, 8]


def test_repeated_indices_keep_the_last_value_and_accumulate():
    x = rl.zeros(3)
    x[[1, 1, 1]] = rl.tensor([1.0, 2.0, 3.0])
    assert x.tolist() == [0, 3, 0]
    assert rl.zeros(3).index_put_((rl.tensor([1, 1, 2]),), rl.tensor([1.0, 2.0, 3.0]), accumulate=True).tolist() == [
        0,
        3,
        3,
    ]


def test_masks():
    x, a = pair(3, 4)
    x[x > 5] = 0
    a[a > 5] = 0
    same(x, a)
    x[x == 0] = rl.arange(7.0)
    a[a == 0] = np.arange(7.0)
    same(x, a)
    mask = rl.tensor([1, 0, 1], dtype=rl.uint8)
    same(x[mask], a[np.array([True, False, True])])
    assert x[x > 1000].shape == (0,)
    assert rl.tensor(5.0)[rl.tensor(True)].tolist() == [5.0]


def test_zero_dimensional_and_empty():
    p = rl.tensor(4.0)
    assert p[...].item() == 4 and p[None].shape == (1,) and p[()].item() == 4
    p[...] = 5
    assert p.item() == 5
    e = rl.zeros(0, 3)
    assert e[:, 1].shape == (0,) and e[rl.tensor([], dtype=rl.int64)].shape == (0, 3) and e[e > 0].shape == (0,)
    assert rl.arange(3)[rl.tensor(1)].item() == 1
    assert rl.arange(5)[rl.tensor(1) : rl.tensor(4)].tolist() == [1, 2, 3]


ERRORS = [
    (
        lambda x: x[7],
        IndexError,
        r"index: 7 is out of range for dimension 0 of a tensor of shape \(2, 3, 4\); expected -2 <= index <= 1",
    ),
    (
        lambda x: x[0, -4],
        IndexError,
        r"index: -4 is out of range for dimension 1 of a tensor of shape \(2, 3, 4\); expected -3 <= index <= 2",
    ),
    (
        lambda x: x[0, 0, 0, 0],
        IndexError,
        r"index: 4 indices for a tensor of shape \(2, 3, 4\), which has 3 dimensions",
    ),
    (
        lambda x: x[0, 0, 0][0],
        IndexError,
        r"index: 1 indices for a tensor of shape \(\), which has 0 dimensions; use item\(\)",
    ),
    (lambda x: x[1.5], IndexError, r"index: an entry is of type float; expected integers, slices"),
    (lambda x: x["a"], IndexError, r"index: an entry is of type str"),
    (
        lambda x: x[rl.tensor([0.5])],
        IndexError,
        r"index: an array has dtype float32; expected int64, int32, bool or uint8",
    ),
    (lambda x: x[::-1], ValueError, r"index: a slice has step -1; expected step >= 1"),
    (lambda x: x[::0], ValueError, r"step"),
    (
        lambda x: x[rl.tensor([0, 5])],
        IndexError,
        r"index: index holds 5 at position \(1,\), which is out of range for dimension 0 of input of shape "
        r"\(2, 3, 4\); expected -2 <= index <= 1",
    ),
    (
        lambda x: x[:, rl.tensor([[0], [-9]])],
        IndexError,
        r"index: index holds -9 at position \(1, 0\), .* dimension 1",
    ),
    (
        lambda x: x[rl.tensor([True, False, True])],
        IndexError,
        r"index: a mask of shape \(3,\) does not match dimension 0 of a tensor of shape \(2, 3, 4\)",
    ),
    (
        lambda x: x[rl.tensor([0, 1]), rl.tensor([0, 1, 2])],
        IndexError,
        r"index: the shapes \(2,\) and \(3,\) can't be broadcast",
    ),
    (
        lambda x: x.__setitem__(0, rl.ones(5)),
        RuntimeError,
        r"index: src of shape \(5,\) can't be broadcast to the shape \(3, 4\)",
    ),
    (
        lambda x: x.__setitem__(rl.tensor([0, 1]), rl.ones(5)),
        RuntimeError,
        r"index: values of shape \(5,\) can't be broadcast to the indexed shape \(2, 3, 4\)",
    ),
    (
        lambda x: x.long().__setitem__(0, float("nan")),
        RuntimeError,
        r"index: the value nan can't be stored as int64",
    ),
    (lambda x: x.byte().__setitem__(0, 300), RuntimeError, r"index: the value 300 can't be stored as uint8"),
]


@pytest.mark.parametrize("call, kind, sentence", ERRORS, ids=[str(i) for i in range(len(ERRORS))])
def test_errors(call, kind, sentence):
    x, _ = pair(2, 3, 4)
    with pytest.raises(kind, match=sentence):
        call(x)


def test_a_failed_write_changes_nothing():
    x, a = pair(4)
    with pytest.raises(IndexError):
        x[rl.tensor([0, 9])] = -1.0
    with pytest.raises(RuntimeError):
        x.scatter_(0, rl.tensor([0, 9]), 5.0)
    same(x, a)


@st.composite
def random_index(draw, shape):
    """An index of integers, slices, None, `...`, arrays and masks for a tensor of this shape, as a list of pieces."""
    pieces, dim, ellipsis = [], 0, False
    points = draw(st.sampled_from([(3,), (2, 1), (1,), (0,), ()]))
    while dim < len(shape):
        kinds = ["int", "slice", "none", "array", "mask", "stop"] + ([] if ellipsis else ["ellipsis"])
        kind = draw(st.sampled_from(kinds))
        size = shape[dim]
        if kind == "stop":
            break
        if kind == "none":
            pieces.append(None)
            if len(pieces) > 6:
                break
            continue
        if kind == "ellipsis":
            pieces.append(Ellipsis)
            ellipsis = True
            skip = draw(st.integers(0, len(shape) - dim))
            pieces.append(("skip", skip))
            dim += skip
            continue
        if kind == "int" and size:
            pieces.append(draw(st.integers(-size, size - 1)))
        elif kind == "array" and size:
            n = int(np.prod(points, dtype=np.int64))
            values = draw(st.lists(st.integers(-size, size - 1), min_size=n, max_size=n))
            pieces.append(np.array(values, dtype=np.int64).reshape(points))
        elif kind == "mask" and not any(isinstance(p, np.ndarray) for p in pieces):
            pieces.append(np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)), dtype=bool))
        else:
            pieces.append(
                slice(
                    draw(st.integers(-5, 5)), draw(st.one_of(st.none(), st.integers(-5, 5))), draw(st.integers(1, 3))
                )
            )
        dim += 1
    # `...` must stand for exactly the dimensions that were skipped.
    rest = len(shape) - dim
    cleaned = []
    for p in pieces:
        if isinstance(p, tuple):
            continue
        cleaned.append(p)
    if ellipsis and rest:
        cleaned += [slice(None)] * rest
    return tuple(cleaned)


def numpy_differs(index):
    """Where NumPy's rule is not PyTorch's: an int, or an array without dimensions, beside arrays; or arrays that only
    an Ellipsis separates."""
    arrays = [i for i, p in enumerate(index) if isinstance(p, np.ndarray)]
    between = index[arrays[0]:arrays[-1]] if arrays else ()
    number = len(arrays) > 1 and any(index[i].ndim == 0 and index[i].dtype != bool for i in arrays)
    return bool(arrays) and (number or any(isinstance(p, int) for p in index) or any(p is Ellipsis for p in between))


def convert(index, maker):
    return tuple(maker(p) if isinstance(p, np.ndarray) else p for p in index)


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_random_indices(data):
    shape = tuple(data.draw(st.lists(st.sampled_from([0, 1, 2, 3, 4]), min_size=1, max_size=4)))
    x, a = pair(*shape)
    index = data.draw(random_index(shape))
    ours = convert(index, rl.tensor)
    if torch:
        t = torch.tensor(a)
        try:
            expected = t[convert(index, torch.tensor)]
        except (IndexError, RuntimeError) as e:
            with pytest.raises(type(e)):
                x[ours]
            return
        same(x[ours], expected.numpy())
    elif not numpy_differs(index):
        try:
            expected = a[index]
        except IndexError:
            with pytest.raises((IndexError, RuntimeError)):
                x[ours]
            return
        same(x[ours], expected)
    else:
        return
    value = data.draw(st.sampled_from([-1.0, 2]))
    x[ours] = value
    a = a.copy()
    if torch:
        t[convert(index, torch.tensor)] = value
        same(x, t.numpy())
    else:
        a[index] = value
        same(x, a)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_random_indices_of_transposed_tensors(data):
    x, a = pair(3, 4, 2)
    order = data.draw(st.permutations(range(3)))
    x, a = x.permute(order), a.transpose(order)
    index = data.draw(random_index(a.shape))
    if numpy_differs(index):
        return
    try:
        expected = a[index]
    except IndexError:
        return
    same(x[convert(index, rl.tensor)], expected)
    a = a.copy()
    x[convert(index, rl.tensor)] = 5.0
    a[index] = 5.0
    same(x, a)
