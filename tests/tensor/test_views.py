"""Views against NumPy (values, strides and shared memory) and against PyTorch where it is installed."""

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
    """The same numbers as a tensor and as an array."""
    array = np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.float32).reshape(shape)
    return rl.tensor(array), array


def same(tensor, array):
    assert tuple(tensor.shape) == array.shape
    np.testing.assert_array_equal(tensor.numpy(), array)


VIEWS = [
    ("view", lambda x: x.view(6, 4), lambda a: a.reshape(6, 4)),
    ("view -1", lambda x: x.view(-1, 3), lambda a: a.reshape(-1, 3)),
    ("reshape transposed", lambda x: x.transpose(0, 1).reshape(-1), lambda a: a.swapaxes(0, 1).reshape(-1)),
    ("permute", lambda x: x.permute(2, 0, 1), lambda a: a.transpose(2, 0, 1)),
    ("movedim", lambda x: x.movedim(0, -1), lambda a: np.moveaxis(a, 0, -1)),
    ("movedim lists", lambda x: x.movedim((0, 1), (2, 0)), lambda a: np.moveaxis(a, (0, 1), (2, 0))),
    ("swapaxes", lambda x: x.swapaxes(0, 2), lambda a: a.swapaxes(0, 2)),
    ("expand", lambda x: x[:, :1].expand(2, 5, 4), lambda a: np.broadcast_to(a[:, :1], (2, 5, 4))),
    ("expand front", lambda x: x.expand(2, -1, -1, 4), lambda a: np.broadcast_to(a, (2, 2, 3, 4))),
    ("broadcast_to", lambda x: rl.broadcast_to(x[0, 0], (3, 4)), lambda a: np.broadcast_to(a[0, 0], (3, 4))),
    ("narrow", lambda x: x.narrow(1, 1, 2), lambda a: a[:, 1:3]),
    ("select", lambda x: x.select(2, -1), lambda a: a[:, :, -1]),
    ("unsqueeze", lambda x: x.unsqueeze(-1), lambda a: a[..., None]),
    ("squeeze", lambda x: x.unsqueeze(0).squeeze(), lambda a: a),
    ("squeeze dims", lambda x: x[:1, :, :1].squeeze((0, 2)), lambda a: a[0, :, 0]),
    ("flatten", lambda x: x.flatten(1), lambda a: a.reshape(2, 12)),
    ("unflatten", lambda x: x.unflatten(-1, (2, -1)), lambda a: a.reshape(2, 3, 2, 2)),
    ("unfold", lambda x: x.unfold(2, 2, 1), lambda a: np.lib.stride_tricks.sliding_window_view(a, 2, axis=2)),
    (
        "unfold step",
        lambda x: x.unfold(2, 2, 2),
        lambda a: np.lib.stride_tricks.sliding_window_view(a, 2, axis=2)[:, :, ::2],
    ),
    ("diagonal", lambda x: x.diagonal(1, 1, 2), lambda a: np.diagonal(a, 1, 1, 2)),
    ("T", lambda x: x[0].T, lambda a: a[0].T),
    ("mT", lambda x: x.mT, lambda a: a.swapaxes(-1, -2)),
    ("t", lambda x: x[1].t(), lambda a: a[1].T),
    (
        "as_strided",
        lambda x: x.as_strided((3, 2), (1, 5), 2),
        lambda a: np.lib.stride_tricks.as_strided(a.reshape(-1)[2:], (3, 2), (4, 20)),
    ),
]


@pytest.mark.parametrize("ours, theirs", [case[1:] for case in VIEWS], ids=[case[0] for case in VIEWS])
def test_values_and_shared_memory(ours, theirs):
    x, a = pair(2, 3, 4)
    y, b = ours(x), theirs(a)
    same(y, b)
    shares = np.shares_memory(a, b)
    before = y.clone()
    x.add_(100)
    assert bool((y == before).all()) != shares or y.numel() == 0


@pytest.mark.parametrize(
    "ours, theirs",
    [case[1:] for case in VIEWS if "reshape" not in case[0]],
    ids=[case[0] for case in VIEWS if "reshape" not in case[0]],
)
def test_strides_are_numpys(ours, theirs):
    x, a = pair(2, 3, 4)
    y, b = ours(x), theirs(a)
    significant = [i for i, size in enumerate(b.shape) if size > 1]
    assert [y.stride(i) * 4 for i in significant] == [b.strides[i] for i in significant]


def test_lists_of_views():
    x, a = pair(5, 3)
    for ours, theirs in [
        (x.split(2), np.split(a, [2, 4])),
        (x.split([1, 4]), np.split(a, [1])),
        (x.chunk(2), np.split(a, [3])),
        (x.chunk(4), np.split(a, [2, 4])),
        (x.tensor_split(3), np.array_split(a, 3)),
        (x.tensor_split((1, 4)), np.split(a, [1, 4])),
        (x.unbind(1), [a[:, i] for i in range(3)]),
    ]:
        assert isinstance(ours, tuple) and len(ours) == len(theirs)
        for y, b in zip(ours, theirs):
            same(y, b)
    x.unbind(0)[2].zero_()
    assert x[2].sum().item() == 0


def test_no_elements_and_no_dimensions():
    empty = rl.zeros(0, 3)
    assert empty.view(3, 0).shape == (3, 0)
    assert empty.reshape(0, 5).shape == (0, 5)
    assert empty.t().shape == (3, 0)
    assert empty.expand(2, 0, 3).shape == (2, 0, 3)
    assert [p.shape for p in empty.split(2)] == [(0, 3)]
    assert empty.unbind(0) == ()
    point = rl.tensor(3.0)
    assert point.view(1, 1).shape == (1, 1)
    assert point.view(-1).shape == (1,)
    assert point.squeeze(0).shape == () and point.unsqueeze(0).shape == (1,)
    assert point.expand(2, 2).tolist() == [[3, 3], [3, 3]]
    assert point.flatten().shape == (1,)
    assert point.transpose(0, -1).shape == () and point.permute(()).shape == ()
    assert point.unfold(0, 1, 1).shape == (1,)


def test_bits_as_another_dtype():
    x = rl.tensor([1.0, -2.0])
    assert x.view(rl.int32).tolist() == np.array([1, -2], np.float32).view(np.int32).tolist()
    assert x.view(rl.uint8).tolist() == np.array([1, -2], np.float32).view(np.uint8).tolist()
    assert x.view(rl.float64).tolist() == np.array([1, -2], np.float32).view(np.float64).tolist()
    z = rl.view_as_complex(rl.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert z.tolist() == [1 + 2j, 3 + 4j]
    assert rl.view_as_real(z).tolist() == [[1, 2], [3, 4]]
    assert rl.real(z).tolist() == [1, 3] and rl.imag(z).tolist() == [2, 4]
    with pytest.raises(RuntimeError, match="view: the last size 3 is not a multiple of 2"):
        rl.zeros(3).view(rl.float64)


ERRORS = [
    (
        lambda x: x.view(5, 5),
        RuntimeError,
        r"view: size=\(5, 5\) does not fit an input of shape \(2, 3, 4\) with 24 elements",
    ),
    (lambda x: x.view(-1, -1), RuntimeError, r"view: size=\(-1, -1\) leaves two sizes open; expected at most one -1"),
    (lambda x: x.view(-2, 12), RuntimeError, r"view: size -2 in shape \(-2, 12\) is negative"),
    (
        lambda x: x.transpose(0, 1).view(24),
        RuntimeError,
        r"view: input of shape \(3, 2, 4\) and stride \(4, 12, 1\) has no view of shape \(24,\)",
    ),
    (
        lambda x: x.transpose(0, 7),
        IndexError,
        r"transpose: dim1=7 is out of range for input of shape \(2, 3, 4\); expected -3 <= dim1 <= 2",
    ),
    (lambda x: x.permute(0, 1), RuntimeError, r"permute: dims=\(0, 1\) has 2 entries; expected 3"),
    (lambda x: x.permute(0, 0, 1), RuntimeError, r"permute: dims=\(0, 0, 1\) names dimension 0 twice"),
    (
        lambda x: x.expand(5, 3, 4),
        RuntimeError,
        r"expand: input of shape \(2, 3, 4\) can't be expanded to size=\(5, 3, 4\); at dimension 0",
    ),
    (lambda x: x.expand(3, 4), RuntimeError, r"expand: size=\(3, 4\) has 2 dimensions; expected at least 3"),
    (
        lambda x: x.narrow(0, 1, 5),
        RuntimeError,
        r"narrow: start=1 and length=5 reach beyond dimension 0 of input of shape \(2, 3, 4\)",
    ),
    (lambda x: x.narrow(0, 5, 1), IndexError, r"narrow: start=5 is out of range for dimension 0"),
    (lambda x: x.narrow(0, 0, -1), RuntimeError, r"narrow: length=-1 is negative"),
    (
        lambda x: x.select(0, 7),
        IndexError,
        r"select: index=7 is out of range for dimension 0 of input of shape \(2, 3, 4\); expected -2 <= index <= 1",
    ),
    (lambda x: x.squeeze(5), IndexError, r"squeeze: dim=5 is out of range"),
    (lambda x: x.flatten(2, 1), RuntimeError, r"flatten: start_dim=2 comes after end_dim=1"),
    (lambda x: x.unflatten(1, (2, 2)), RuntimeError, r"unflatten: sizes=\(2, 2\) does not fit"),
    (lambda x: x.unfold(0, 5, 1), RuntimeError, r"unfold: size=5 is out of range for dimension 0"),
    (lambda x: x.unfold(0, 1, 0), RuntimeError, r"unfold: step=0 is not positive"),
    (lambda x: x.as_strided((100,), (1,)), RuntimeError, r"as_strided: .* need 400 bytes of a storage of 96"),
    (lambda x: x.as_strided((2,), (-1,)), RuntimeError, r"as_strided: stride \(-1,\) has a negative entry"),
    (lambda x: x.as_strided((2**40, 2**40), (2**40, 2**40)), RuntimeError, r"as_strided: .*overflows"),
    (lambda x: x.diagonal(0, 1, 1), RuntimeError, r"diagonal: dim1=1 and dim2=1 name one dimension"),
    (lambda x: x.split(0), RuntimeError, r"split: split_size=0 for dimension 0"),
    (lambda x: x.split([1, 2]), RuntimeError, r"split: split_sizes=\(1, 2\) add up to 3; expected 2"),
    (lambda x: x.chunk(0), RuntimeError, r"chunk: chunks=0; expected chunks >= 1"),
    (lambda x: x.t(), RuntimeError, r"t: input has shape \(2, 3, 4\); expected at most 2 dimensions"),
    (lambda x: x[0, 0, 0].expand(2**40, 2**40), RuntimeError, r"expand: the number of elements .* overflows"),
    (lambda x: x.view([1] * 65), RuntimeError, r"65 dimensions; expected at most 64"),
]


@pytest.mark.parametrize("call, kind, sentence", ERRORS, ids=[str(i) for i in range(len(ERRORS))])
def test_errors_name_operator_argument_and_range(call, kind, sentence):
    with pytest.raises(kind, match=sentence):
        call(pair(2, 3, 4)[0])


def test_rank_limit():
    x = rl.zeros([1] * 64)
    with pytest.raises(RuntimeError, match="unsqueeze: the result would have 65 dimensions; expected at most 64"):
        x.unsqueeze(0)


# Random programs of views: the same steps on our tensor, on an array and on PyTorch's tensor.


def steps_of(draw, shape):
    """One applicable step as (name, arguments) and the shape after it."""
    rank = len(shape)
    choices = ["unsqueeze", "flat"] + (["transpose", "permute", "slice", "select", "flip"] if rank else [])
    if 1 in shape:
        choices += ["squeeze", "expand"]
    name = draw(st.sampled_from(choices))
    dim = draw(st.integers(0, rank - 1)) if rank else 0
    if name == "transpose":
        return name, (dim, draw(st.integers(-rank, rank - 1)))
    if name == "permute":
        return name, (tuple(draw(st.permutations(range(rank)))),)
    if name == "slice":
        start, stop = draw(st.integers(-6, 6)), draw(st.one_of(st.none(), st.integers(-6, 6)))
        return name, (dim, start, stop, draw(st.integers(1, 3)))
    if name == "select":
        if shape[dim] == 0:
            return "unsqueeze", (0,)
        return name, (dim, draw(st.integers(-shape[dim], shape[dim] - 1)))
    if name == "unsqueeze":
        return name, (draw(st.integers(0, rank)),)
    if name == "squeeze":
        return name, ()
    if name == "expand":
        return name, (tuple(3 if s == 1 else s for s in shape),)
    return name, (dim,)


def apply_step(x, name, arguments):
    if isinstance(x, np.ndarray):
        if name == "slice":
            dim, start, stop, step = arguments
            return x[(slice(None),) * dim + (slice(start, stop, step),)]
        if name == "select":
            return x[(slice(None),) * arguments[0] + (arguments[1],)]
        return {
            "transpose": lambda: x.swapaxes(*arguments),
            "permute": lambda: x.transpose(*arguments),
            "unsqueeze": lambda: np.expand_dims(x, arguments[0]),
            "squeeze": lambda: np.squeeze(x),
            "expand": lambda: np.broadcast_to(x, arguments[0]),
            "flip": lambda: np.flip(x, arguments[0]),
            "flat": lambda: x.reshape(-1),
        }[name]()
    if name == "slice":
        dim, start, stop, step = arguments
        return x[(slice(None),) * dim + (slice(start, stop, step),)]
    if name == "flat":
        return x.reshape(-1)
    if name == "flip":
        return x.flip((arguments[0],)).contiguous()
    return getattr(x, name)(*arguments)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_random_programs_of_views(data):
    shape = tuple(data.draw(st.lists(st.sampled_from([0, 1, 2, 3, 4]), max_size=4)))
    x, a = pair(*shape)
    t = torch.tensor(a) if torch else None
    for _ in range(data.draw(st.integers(1, 6))):
        name, arguments = steps_of(data.draw, a.shape)
        x, a = apply_step(x, name, arguments), np.asarray(apply_step(a, name, arguments))
        same(x, a)
        if t is not None:
            t = apply_step(t, name, arguments)
            assert tuple(x.shape) == tuple(t.shape)
            if x.numel():
                significant = [i for i in range(x.dim()) if x.size(i) > 1]
                assert [x.stride(i) for i in significant] == [t.stride(i) for i in significant]
                assert x.storage_offset() == t.storage_offset()


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_reshape_of_anything(data):
    shape = data.draw(st.lists(st.sampled_from([1, 2, 3, 4]), min_size=1, max_size=4))
    x, a = pair(*shape)
    order = data.draw(st.permutations(range(len(shape))))
    x, a = x.permute(order), a.transpose(order)
    n = a.size
    cuts = []
    while n > 1 and data.draw(st.booleans()):
        divisor = data.draw(st.sampled_from([d for d in range(1, n + 1) if n % d == 0]))
        cuts.append(divisor)
        n //= divisor
    target = (*cuts, n)
    same(x.reshape(target), a.reshape(target))
    if torch:
        t = torch.tensor(np.ascontiguousarray(a.transpose(np.argsort(order)))).permute(order)
        try:
            expected = t.view(target).stride()
        except RuntimeError:
            with pytest.raises(RuntimeError, match="has no view of shape"):
                x.view(target)
        else:
            view = x.view(target)
            assert [view.stride(i) for i, s in enumerate(target) if s > 1] == [
                expected[i] for i, s in enumerate(target) if s > 1
            ]


def test_as_subclass():
    class Image(rl.Tensor):
        def __init__(self, *given):
            raise AssertionError("as_subclass makes no new object by calling the class")

    x = rl.arange(6.0).reshape(2, 3).T.requires_grad_()
    image = x.as_subclass(Image)
    assert type(image) is Image and image.data_ptr() == x.data_ptr() and image.stride() == (1, 3)
    assert type(image.as_subclass(rl.Tensor)) is rl.Tensor
    (image * image).sum().backward()
    assert rl.equal(x.grad, 2 * x.detach())
    plain = rl.zeros(2)
    plain.as_subclass(Image)[0] = 5
    assert plain.tolist() == [5, 0]
    for wrong, says in ((int, "cls is int"), (3, "cls is of type int"), (None, "cls is of type NoneType")):
        with pytest.raises(TypeError, match=f"as_subclass: {says}; expected a subclass of Tensor"):
            x.as_subclass(wrong)
