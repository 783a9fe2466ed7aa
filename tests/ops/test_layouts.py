"""Equal values in another arrangement of memory give equal results: inputs, gradients and destinations that are
transposed, spread out, shifted, expanded, empty or zero-dimensional, that overlap an input, or that a convolution left
channels-last."""
import numpy as np
import pytest
from ops.samples import BY_ID, RECORDS, Maker, evaluate, expressions, tensors_of
from ops.test_grid import TOLERANCE, array_of, dtype_of, recorded_call
from oracles import ORACLES

import rushlight as rl

UNINITIALISED = {"empty", "empty_like", "new_empty", "empty_strided"}
OF_MEMORY = {"restride", "as_strided", "view", "view_as", "view_as_complex", "view_as_real", "real", "imag"}


def samples(op, record):
    """The samples that mean the same in any layout; fused gradients take tensors of one shape."""
    fused = isinstance(record["differentiable"], str) and record["differentiable"].startswith("a fused gradient")
    if record["kind"] == "random" or op in UNINITIALISED | OF_MEMORY:
        return []
    if not fused or record["samples"]:
        return [text for text in expressions(record) if "dropout" not in text]
    numbers = any("Tensor" not in p["type"] and not p["has_default"] for p in record["params"])
    return [] if numbers else expressions(record)[:1]


SAMPLED = [(op, text) for op, record in RECORDS.items() for text in samples(op, record)]


def garbage(shape, dtype):
    """What nobody may read."""
    return rl.full(shape, float("nan") if dtype.is_floating_point or dtype.is_complex else 101).to(dtype)


def transposed(x):
    order = tuple(reversed(range(x.dim())))
    return x.permute(order).contiguous().permute(order)


def spread(x):
    wide = garbage([2 * size + 1 for size in x.shape], x.dtype)
    view = wide[tuple(slice(1, None, 2) for _ in x.shape)]
    view.copy_(x)
    return view


def shifted(x):
    line = garbage([x.numel() + 3], x.dtype)
    view = line[3:].view(x.shape)
    view.copy_(x)
    return view


def expanded(x):
    return x[:1].expand(x.shape) if x.dim() and x.shape[0] else x


LAYOUTS = {"transposed": transposed, "spread": spread, "shifted": shifted, "expanded": expanded}


class Arranged(Maker):
    """Tensors as `arrange` lays them out; of the floating ones, `leaves` remembers where they came from."""

    def __init__(self, record, arrange, differentiable, dtype=None):
        super().__init__(record, dtype)
        self.arrange, self.differentiable, self.leaves = arrange, differentiable, []

    def T(self, *shape):
        leaf = super().T(*shape)
        if self.differentiable and leaf.is_floating_point():
            self.leaves.append(leaf.requires_grad_())
        return self.arrange(leaf)

    def I(self, *shape, high):  # noqa: E743
        return self.arrange(super().I(*shape, high=high))

    def tensor(self, *args, **kwargs):
        return self.arrange(rl.tensor(*args, **kwargs))


def run(op, expression, arrange, differentiable, arrange_gradients=lambda g: g):
    """The results of a sample, and the gradients of its tensors."""
    maker = Arranged(RECORDS[op], arrange, differentiable, dtype_of(op))
    results = tensors_of(evaluate(expression, maker, {"tensor": maker.tensor}))
    followed = [t for t in results if t.requires_grad]
    if not followed:
        return results, []
    random = np.random.default_rng(11)
    grads = [arrange_gradients(rl.tensor(random.uniform(0.5, 1.5, t.shape)).to(t.dtype)) for t in followed]
    return results, rl.autograd.grad(followed, maker.leaves, grads, allow_unused=True)


def assert_same(got, want):
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        assert (g is None) == (w is None)
        if w is None:
            continue
        assert g.shape == w.shape and g.dtype == w.dtype
        rtol, atol = TOLERANCE.get(w.dtype, (0, 0))
        np.testing.assert_allclose(g.detach().numpy(), w.detach().numpy(), rtol=rtol, atol=atol)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("op, expression", SAMPLED)
def test_inputs(op, expression, layout):
    if layout == "expanded" and (RECORDS[op]["writes_first"] or op == "masked_scatter"):
        pytest.skip("writes into its first argument, or needs as many values as the mask has")
    arrange = LAYOUTS[layout]
    got, _ = run(op, expression, arrange, False)
    want, _ = run(op, expression, lambda x: arrange(x).clone().contiguous(), False)
    assert_same(got, want)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("op, expression", [(op, text) for op, text in SAMPLED if not RECORDS[op]["writes_first"]
                                            and (RECORDS[op]["differentiable"] is True or RECORDS[op]["composite"])])
def test_gradients(op, expression, layout):
    if layout == "expanded" and op == "masked_scatter":
        pytest.skip("needs as many values as the mask has")
    arrange = LAYOUTS[layout]
    got = run(op, expression, arrange, True, arrange)
    want = run(op, expression, lambda x: arrange(x).clone().contiguous(), True, lambda g: arrange(g).contiguous())
    assert_same(got[0], want[0])
    assert_same(got[1], want[1])


# ---- shapes ---------------------------------------------------------------------------------------------------------

POINTWISE = [op for op, record in RECORDS.items() if record["kind"] == "pointwise" and op in ORACLES]
TENSORS_ONLY = [op for op in POINTWISE if all(p["has_default"] or p["type"].startswith("Tensor")
                                              for p in RECORDS[op]["params"])]
SHAPES = {"zero_dim": ((), (), ()), "empty": ((2, 0, 3), (2, 1, 3), (3,)), "zero_dim_first": ((), (2, 3), (3,)),
          "one_empty": ((1,), (0,), (1, 1))}


def tensors_wanted(op):
    return sum(1 for p in RECORDS[op]["params"] if p["type"].startswith("Tensor") and not p["has_default"])


@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("op", TENSORS_ONLY)
def test_small_shapes_of_pointwise_operators(op, shapes):
    maker = Maker(RECORDS[op], dtype_of(op))
    tensors = [maker.T(*shape) for shape in SHAPES[shapes][: tensors_wanted(op)]]
    if op == "where":
        tensors[0] = tensors[0] > 0
    with np.errstate(all="ignore"):
        want = ORACLES[op](*array_of(tensors))
    got = BY_ID[op](*tensors)
    assert got.shape == np.shape(want)
    np.testing.assert_allclose(got.numpy(), want, *TOLERANCE[rl.float64])


ALONG = {"sum": (), "mean": (), "prod": (), "amax": (), "amin": (), "all": (), "any": (), "argmax": (), "argmin": (),
         "max_dim": (), "min_dim": (), "logsumexp": (), "cumsum": (), "cumprod": (), "cummax": (), "cummin": (),
         "logcumsumexp": (), "sort": (), "median_dim": (), "nanmedian_dim": (), "softmax": (), "log_softmax": (),
         "unbind": (), "flip": (), "count_nonzero": ()}


@pytest.mark.parametrize("op", ALONG)
@pytest.mark.parametrize("dim", [0, -1])
def test_a_zero_dimensional_tensor_is_one_element_along_a_dimension(op, dim):
    if op == "unbind":
        with pytest.raises((RuntimeError, IndexError)):
            BY_ID[op](rl.tensor(0.5), dim)
        return
    got = tensors_of(BY_ID[op](rl.tensor(0.5), dim))
    want = tensors_of(BY_ID[op](rl.tensor([0.5]), dim))
    assert [t.tolist() for t in got] == [t.reshape(()).tolist() for t in want]
    assert all(t.shape == () for t in got)


TORCH_NAMES = {"max_dim": "max", "min_dim": "min", "median_dim": "median", "nanmedian_dim": "nanmedian"}


@pytest.mark.parametrize("dim", [0, 1, 2])
@pytest.mark.parametrize("op", ALONG)
def test_empty_tensors_as_pytorch_has_them(op, dim):
    torch = pytest.importorskip("torch", reason="PyTorch is the reference")
    reference = getattr(torch, TORCH_NAMES.get(op, op))
    dims = (dim,) if op == "flip" else dim
    try:
        want = tensors_of_torch(torch, reference(torch.zeros(2, 0, 3), dims))
    except (RuntimeError, IndexError):
        with pytest.raises((RuntimeError, IndexError)):
            BY_ID[op](rl.zeros(2, 0, 3), dims)
        return
    got = tensors_of(BY_ID[op](rl.zeros(2, 0, 3), dims))
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        np.testing.assert_array_equal(g.numpy(), w.numpy(), strict=True)


def tensors_of_torch(torch, value):
    return [value] if isinstance(value, torch.Tensor) else list(value)


# ---- destinations ---------------------------------------------------------------------------------------------------

def larger(value):
    return rl.ones([size + 2 for size in value.shape] or [4], dtype=value.dtype)


def around(buffer, view):
    """The elements of `buffer` that `view` leaves out."""
    mine = buffer.numpy().copy()
    hole = np.lib.stride_tricks.as_strided(
        mine.reshape(-1)[view.storage_offset():], view.shape, [s * mine.itemsize for s in view.stride()])
    hole[...] = 0
    return mine


OUTS = {
    "nothing": lambda value: rl.empty(0, dtype=value.dtype),
    "fitting": lambda value: garbage(value.shape, value.dtype),
    "larger": larger,
    "smaller": lambda value: rl.ones(1 if value.numel() != 1 else (0, 2), dtype=value.dtype),
    "transposed": lambda value: transposed(garbage(value.shape, value.dtype)),
    "spread": lambda value: spread(garbage(value.shape, value.dtype)),
    "shifted": lambda value: shifted(garbage(value.shape, value.dtype)),
}
WITH_OUT = [op for op, record in RECORDS.items() if record["out"] and record["kernel"] and op not in UNINITIALISED
            and record["kind"] != "random"]


DIRECT = {"nonzero": ["nonzero(T(2, 3) > 0)", "nonzero(tensor(3))"]}          # samples that name it otherwise


def calls_with_results(op):
    """Every sample of an operator that calls it directly, as (arguments, keywords, results)."""
    calls = [(*call, results) for expression in DIRECT.get(op, expressions(RECORDS[op]))
             for call, results in [recorded_call(op, expression)] if call is not None]
    assert calls, f"no sample of {op} calls it"
    return calls


def call_into(op, args, kwargs, outs):
    BY_ID[op](*args, **kwargs, out=outs if len(outs) > 1 else outs[0])


@pytest.mark.parametrize("kind", OUTS)
@pytest.mark.parametrize("op", WITH_OUT)
def test_out(op, kind):
    for args, kwargs, want in calls_with_results(op):
        outs = tuple(OUTS[kind](t) for t in want)
        call_into(op, args, kwargs, outs)
        for out, value in zip(outs, want, strict=True):
            assert out.dtype == value.dtype
            np.testing.assert_array_equal(out.numpy(), value.numpy(), strict=True)


@pytest.mark.parametrize("op", WITH_OUT)
def test_out_leaves_what_lies_between_its_elements(op):
    for args, kwargs, want in calls_with_results(op):
        outs = tuple(spread(value) for value in want)
        buffers = [rl.as_strided(out, (out.untyped_storage().nbytes() // out.element_size(),), (1,), 0) for out in outs]
        before = [around(*pair) for pair in zip(buffers, outs, strict=True)]
        call_into(op, args, kwargs, outs)
        for buffer, out, rest in zip(buffers, outs, before, strict=True):
            np.testing.assert_array_equal(around(buffer, out), rest)


def channels_last():
    rl.manual_seed(3)
    y = rl.nn.functional.conv2d(rl.randn(2, 16, 24, 24), rl.randn(16, 16, 3, 3), padding=1)
    assert y.shape == (2, 16, 24, 24)
    return y


@pytest.mark.parametrize("op", WITH_OUT)
def test_out_that_a_convolution_left_channels_last(op):
    for args, kwargs, want in calls_with_results(op):
        if len(want) > 1 or want[0].dtype.is_complex:
            continue
        out = channels_last()
        BY_ID[op](*args, **kwargs, out=out)
        np.testing.assert_array_equal(out.numpy(), want[0].to(rl.float32).numpy(), strict=True)


@pytest.mark.parametrize("op", [op for op in TENSORS_ONLY if RECORDS[op]["out"] and dtype_of(op) == rl.float64
                                and tensors_wanted(op) <= 2])
def test_channels_last_inputs_and_destinations(op):
    """Of one shape, and of mixed arrangements."""
    plain = channels_last().clone().contiguous()
    other = plain.flip(0).contiguous()
    n = tensors_wanted(op)
    want = BY_ID[op](*(plain, other)[:n])
    for inputs in ((channels_last(), other), (channels_last(), channels_last().flip(0)), (plain, other)):
        np.testing.assert_array_equal(BY_ID[op](*inputs[:n]).numpy(), want.numpy())
        out = channels_last()
        if rl.can_cast(want.dtype, out.dtype):
            BY_ID[op](*inputs[:n], out=out)
            np.testing.assert_array_equal(out.numpy(), want.to(out.dtype).numpy())
    same = channels_last()
    if rl.can_cast(want.dtype, same.dtype):
        BY_ID[op](*(same, other)[:n], out=same)
        np.testing.assert_array_equal(same.numpy(), want.to(same.dtype).numpy())


def places_of(args, value):
    """Which arguments could be the destination themselves."""
    return [i for i, a in enumerate(args)
            if isinstance(a, rl.Tensor) and a.shape == value.shape and a.dtype == value.dtype]


def copies(args):
    return [a.clone() if isinstance(a, rl.Tensor) else a for a in args]


@pytest.mark.parametrize("op", WITH_OUT)
def test_out_is_an_argument(op):
    for args, kwargs, want in calls_with_results(op):
        if len(want) > 1:
            continue
        for place in places_of(args, want[0]):
            mine = copies(args)
            BY_ID[op](*mine, **kwargs, out=mine[place])
            np.testing.assert_array_equal(mine[place].numpy(), want[0].numpy())


def neighbours(value):
    """Two views of one memory, a step apart, the first with the values given."""
    line = garbage([value.numel() + 1], value.dtype)
    first, second = line[1:].view(value.shape), line[:-1].view(value.shape)
    first.copy_(value)
    return first, second


@pytest.mark.parametrize("op", WITH_OUT)
def test_out_overlaps_an_argument(op):
    for args, kwargs, want in calls_with_results(op):
        if len(want) > 1:
            continue
        for place in places_of(args, want[0]):
            mine = copies(args)
            mine[place], out = neighbours(args[place])
            BY_ID[op](*mine, **kwargs, out=out)
            np.testing.assert_array_equal(out.numpy(), want[0].numpy())


COMPOSITES = {
    "normal": lambda **out: rl.normal(2.0, 0.0, (2, 3), **out),
    "normalize": lambda **out: rl.nn.functional.normalize(rl.ones(2, 3), **out),
    "where": lambda **out: rl.where(rl.tensor([True, False, True]), rl.ones(2, 3), 0.0, **out),
    "max": lambda **out: rl.max(rl.ones(2, 3), rl.zeros(2, 3), **out),
    "min": lambda **out: rl.min(rl.ones(2, 3), rl.zeros(2, 3), **out),
}


@pytest.mark.parametrize("kind", OUTS)
@pytest.mark.parametrize("name", COMPOSITES)
def test_out_of_composites(name, kind):
    want = COMPOSITES[name]()
    out = OUTS[kind](want)
    COMPOSITES[name](out=out)
    np.testing.assert_array_equal(out.numpy(), want.numpy(), strict=True)


# ---- in place -------------------------------------------------------------------------------------------------------

IN_PLACE = [op for op, record in RECORDS.items() if record["in_place"] and record["kind"] != "random"
            and op not in OF_MEMORY]
TARGETS = {"plain": lambda x: x.clone(), "transposed": transposed, "spread": spread, "shifted": shifted}


def in_place_calls(op):
    """(method, arguments, keywords, result) of the samples that an in-place call can take."""
    names = [name for name in RECORDS[op]["names"] if name.startswith("Tensor.") and name.endswith("_")]
    calls = [(names[0][7:], args, kwargs, results[0]) for args, kwargs, results in calls_with_results(op)
             if isinstance(args[0], rl.Tensor) and args[0].shape == results[0].shape
             and rl.can_cast(results[0].dtype, args[0].dtype)]
    assert calls, f"no sample of {op} can be made in place"
    return calls


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("op", IN_PLACE)
def test_in_place(op, kind):
    for method, args, kwargs, want in in_place_calls(op):
        target = TARGETS[kind](args[0])
        assert getattr(target, method)(*args[1:], **kwargs) is target
        np.testing.assert_array_equal(target.numpy(), want.to(target.dtype).numpy())


@pytest.mark.parametrize("op", IN_PLACE)
def test_in_place_with_an_argument_that_overlaps(op):
    for method, args, kwargs, _ in in_place_calls(op):
        for place in places_of(args, args[0])[1:]:
            mine = copies(args)
            mine[place], mine[0] = neighbours(args[place])
            mine[0].copy_(args[0])
            separate = copies(mine)
            getattr(mine[0], method)(*mine[1:], **kwargs)
            want = getattr(separate[0], method)(*separate[1:], **kwargs)
            np.testing.assert_array_equal(mine[0].numpy(), want.numpy())


PARTS = {
    "tail": (slice(None), slice(None), slice(7, None)),
    "batch": (slice(1, 3),),
    "channels": (slice(None), slice(3, 20)),
    "all": (slice(1, 2), slice(2, 9), slice(5, 30)),
    "one position": (slice(None), slice(None), slice(4, 5)),
    "step": (slice(None), slice(None), slice(0, None, 3)),
    "one channel": (slice(None), slice(6, 7)),
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("rank", [1, 2])
def test_parts_of_convolutions_results(part, rank):
    # Results that keep their channels last are read, and their gradients put together, without being brought into plain
    # order; what is read must be what a plain copy holds.
    rl.manual_seed(0)
    layer = (rl.nn.Conv1d if rank == 1 else rl.nn.Conv2d)(8, 24, 3, padding=1)
    x = rl.randn(3, 8, 40) if rank == 1 else rl.randn(3, 8, 40, 6)
    kept, index = layer(x), PARTS[part]
    plain = rl.from_numpy(layer(x).detach().numpy().copy()).requires_grad_()
    leaf = kept.detach().requires_grad_()
    scale = rl.linspace(0.5, 2.0, 24 * 40).view(24, 40, *[1] * (rank - 1)).expand(3, 24, 40, *[6] * (rank - 1))

    def function(y):
        view = y[index]
        return (view.tanh() * scale[index] + view).square().sum() + (y * scale).sum()

    results = [function(leaf), function(plain)]
    for result in results:
        result.backward()
    assert rl.allclose(*results, rtol=1e-5)
    assert rl.allclose(leaf.grad, plain.grad, rtol=1e-5, atol=1e-6)
    assert rl.equal(kept[index], plain[index])


@pytest.mark.parametrize("part", PARTS)
def test_layers_after_a_part(part):
    rl.manual_seed(0)
    first, index = rl.nn.Conv1d(8, 24, 3, padding=1), PARTS[part]
    x = rl.randn(3, 8, 40)
    plain = rl.from_numpy(first(x).detach().numpy().copy())
    leaf = first(x).detach()
    second = rl.nn.Conv1d(leaf[index].shape[1], 24, 1)
    a, b = leaf.requires_grad_(), plain.requires_grad_()
    out = [second(y[index]) for y in (a, b)]
    for y in out:
        y.square().sum().backward()
    assert rl.allclose(*out, rtol=1e-5, atol=1e-6) and rl.allclose(a.grad, b.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("change", [rl.clone, lambda t: t.clone().mul_(1), lambda t: t.to(rl.float64)])
def test_copies_of_convolutions_results_are_their_own(change):
    rl.manual_seed(0)
    layer, x = rl.nn.Conv2d(3, 16, 3), rl.randn(2, 3, 9, 9)
    with rl.no_grad():
        kept, values = layer(x), layer(x).numpy().copy()
        copy = change(kept)
        assert copy.stride() == (784, 49, 7, 1)
        kept.fill_(7)
        np.testing.assert_array_equal(copy.numpy(), values.astype(copy.numpy().dtype))
        copy.zero_()
        assert (kept == 7).all()


def test_gradients_through_changes_in_place_of_convolutions_results():
    """The old values that the tape keeps are those before the change."""
    rl.manual_seed(0)
    layer, x = rl.nn.Conv2d(3, 16, 3), rl.randn(2, 3, 9, 9)
    found = []
    for in_place in (True, False):
        layer.zero_grad()
        rl.nn.functional.leaky_relu(layer(x), 0.2, inplace=in_place).square().sum().backward()
        found.append(layer.weight.grad.numpy().copy())
    np.testing.assert_array_equal(*found)
