"""Forms of arguments that PyTorch takes: limits as tensors, rounding modes, integers in convolutions and pooling."""
import numpy as np
import pytest

import rushlight as rl

F = rl.nn.functional
rng = np.random.default_rng(0)


def close(got, want, dtype=None):
    assert dtype is None or got.dtype == dtype
    np.testing.assert_allclose(got.detach().numpy(), want, 1e-6, 1e-6)


@pytest.mark.parametrize("low, high", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("kind", [np.float32, np.int64])
def test_clamp_by_tensors(low, high, kind):
    x, a, b = (rng.integers(-9, 9, shape).astype(kind) for shape in ((4, 5), (5,), (4, 1)))
    b = b + 5
    bounds = {**({"min": rl.from_numpy(a)} if low else {}), **({"max": rl.from_numpy(b)} if high else {})}
    want = np.minimum(np.maximum(x, a) if low else x, b) if high else np.maximum(x, a)
    given = rl.from_numpy(x)
    close(rl.clamp(given, **bounds), want)
    close(rl.clamp(given, **bounds, out=rl.empty(0, dtype=given.dtype)), want)
    close(given.clamp_(**bounds), want)
    close(given, want)


def test_gradients_of_limits():
    x, low = rl.tensor([1.0, 5.0, 3.0]).requires_grad_(), rl.tensor([2.0, 2.0, 4.0]).requires_grad_()
    gx, glow = rl.autograd.grad(rl.clamp(x, min=low).sum(), (x, low))
    assert gx.tolist() == [0, 1, 0] and glow.tolist() == [1, 0, 1]
    with pytest.raises(RuntimeError, match=r"^clamp: min and max are None; "):
        rl.clamp(x)


@pytest.mark.parametrize("mode, reference", [("floor", np.floor), ("trunc", np.trunc)])
def test_rounded_quotients(mode, reference):
    x, y = rng.integers(-50, 50, (6, 4)), rng.integers(1, 7, 4)
    for kind in (np.float64, np.int64):
        a, b = rl.from_numpy(x.astype(kind)), rl.from_numpy(y.astype(kind))
        close(rl.div(a, b, rounding_mode=mode), reference(x / y), a.dtype)
        close(a.div_(3, rounding_mode=mode), reference(x / 3), a.dtype)
    z = rl.tensor([7.0]).requires_grad_()
    (grad,) = rl.autograd.grad(rl.div(z, 2, rounding_mode=mode).sum(), z)
    assert grad.tolist() == [0]
    with pytest.raises(ZeroDivisionError):
        rl.div(rl.tensor([1]), 0, rounding_mode=mode)


def test_a_rounding_mode_must_be_one():
    with pytest.raises(RuntimeError, match=r"^div: rounding_mode='up'; expected None, 'trunc' or 'floor'"):
        rl.div(rl.ones(1), 2, rounding_mode="up")


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("transposed", [False, True])
def test_convolutions_of_integers(rank, transposed):
    x = rng.integers(-9, 9, (2, 4) + (7, 6, 5)[:rank])
    w = rng.integers(-9, 9, ((4, 3) if transposed else (6, 2)) + (3, 2, 2)[:rank])
    bias = rng.integers(-9, 9, 6)
    more = {"stride": (2, 1, 3)[:rank], "padding": (1, 0, 1)[:rank], "dilation": (2, 1, 1)[:rank], "groups": 2}
    if transposed:
        more["output_padding"] = (1, 0, 2)[:rank]
    run = getattr(F, f"conv_transpose{rank}d" if transposed else f"conv{rank}d")
    exact = run(*(rl.from_numpy(v).double() for v in (x, w, bias)), **more)
    got = run(*map(rl.from_numpy, (x, w, bias)), **more)
    close(got, exact.numpy(), rl.int64)
    big = run(*map(rl.from_numpy, (x * 2**40, w * 2**10, bias)), **more) - rl.from_numpy(bias).view(-1, *[1] * rank)
    assert rl.equal(big, (got - rl.from_numpy(bias).view(-1, *[1] * rank)) * 2**50)  # wraps as integers do


@pytest.mark.parametrize("padded", [True, False])
def test_average_pooling_of_integers(padded):
    x = rng.integers(-20, 20, (2, 3, 7, 6))
    got = F.avg_pool2d(rl.from_numpy(x), 3, 2, 1, True, padded)
    exact = F.avg_pool2d(rl.from_numpy(x).double(), 3, 2, 1, True, padded).numpy()
    close(got, np.trunc(exact + np.sign(exact) * 1e-9), rl.int64)


def test_products_over_nothing():
    assert rl.equal(rl.matmul(rl.ones(5, 4, 0), rl.ones(0, 3)), rl.zeros(5, 4, 3))


def test_sums_of_products_of_integers_take_whole_factors():
    a, b, c = (rl.from_numpy(rng.integers(-5, 5, (2, 2))) for _ in range(3))
    close(rl.addmm(a, b, c, beta=0.5, alpha=2.5), 2 * (b.numpy() @ c.numpy()), rl.int64)
    assert rl.addr(rl.tensor([[True]]), rl.tensor([True]), rl.tensor([False]), beta=3).dtype == rl.bool


def test_tensordot_sums_what_meets_one():
    a, b = rng.random((3, 4)), rng.random((1, 5))
    close(rl.tensordot(rl.from_numpy(a), rl.from_numpy(b), ([0], [0])), a.sum(0)[:, None] * b)


def test_sections_in_tensors():
    x = rl.arange(10)
    assert [len(p) for p in rl.tensor_split(x, rl.tensor(3))] == [4, 3, 3]
    assert [p.tolist() for p in rl.tensor_split(x, rl.tensor([2, 3]))] == [[0, 1], [2], list(range(3, 10))]
    with pytest.raises(RuntimeError, match=r"^tensor_split: indices_or_sections has dtype float32"):
        rl.tensor_split(x, rl.tensor(3.0))


def test_places_from_the_end():
    x = rng.random((3, 4))
    close(rl.take_along_dim(rl.from_numpy(x), rl.tensor([[-1], [0], [-4]]), 1), x[[0, 1, 2], [-1, 0, -4]][:, None])


def test_steps_of_integers():
    assert rl.linspace(4.3, -3, 8, dtype=rl.int64).tolist() == [4, 3, 2, 1, 0, -1, -2, -3]
    assert rl.logspace(0, 1.2, 2, dtype=rl.int64).tolist() == [1, 10]


@pytest.mark.parametrize("pad", [(-1, 1, -2, 1), (2, -1, 0, 0)])
def test_circles_of_a_part(pad):
    x = rng.random((1, 1, 4, 5))
    part = x[..., max(-pad[2], 0):4 - max(-pad[3], 0), max(-pad[0], 0):5 - max(-pad[1], 0)]
    grow = [(0, 0), (0, 0), (max(pad[2], 0), max(pad[3], 0)), (max(pad[0], 0), max(pad[1], 0))]
    given = rl.from_numpy(x).requires_grad_()
    got = F.pad(given, pad, "circular")
    close(got, np.pad(part, grow, "wrap"))
    counts = np.pad(np.arange(20.0).reshape(x.shape)[..., max(-pad[2], 0):4 - max(-pad[3], 0),
                                                     max(-pad[0], 0):5 - max(-pad[1], 0)], grow, "wrap")
    (grad,) = rl.autograd.grad(got.sum(), given)
    close(grad.reshape(-1), np.bincount(counts.astype(int).ravel(), minlength=20))


@pytest.mark.parametrize("says, kind, call", [
    ("flipud: input has shape", RuntimeError, lambda: rl.flipud(rl.tensor(1.0))),
    ("fliplr: input has shape", RuntimeError, lambda: rl.fliplr(rl.ones(1))),
    ("roll: dims=\\(0,\\)", IndexError, lambda: rl.roll(rl.tensor(1.0), 0, 0)),
    ("unbind: input has shape", IndexError, lambda: rl.tensor(1).unbind(0)),
    ("hardtanh: min_val=0.5 and max_val=-0.5", ValueError, lambda: F.hardtanh(rl.ones(1), 0.5, -0.5)),
    ("softshrink: lambd=-0.5", RuntimeError, lambda: F.softshrink(rl.ones(1), -0.5)),
    ("rrelu: lower=0.3 and upper=0.1", RuntimeError, lambda: F.rrelu(rl.ones(1), 0.3, 0.1)),
    ("huber_loss: delta=0", RuntimeError, lambda: F.huber_loss(rl.ones(1), rl.ones(1), delta=0)),
    ("adaptive_avg_pool2d: input has shape", ValueError, lambda: F.adaptive_avg_pool2d(rl.ones(2, 2), 1)),
    ("amax: input of shape", RuntimeError, lambda: rl.amax(rl.ones(5, 0))),
    (r"einsum: index 52 of \[0, 52\] is out of range; expected 0 to 51", ValueError,
     lambda: rl.einsum(rl.ones(2, 3), [0, 52])),
    ("einsum: one operand and no list of its indices", ValueError, lambda: rl.einsum(rl.ones(2))),
    ("einsum: Tensor and Tensor are given", TypeError, lambda: rl.einsum(rl.ones(2), rl.ones(2))),
    ("isclose: rtol=-1 is negative", RuntimeError, lambda: rl.isclose(rl.ones(1), rl.ones(1), rtol=-1)),
    ("add: the shapes .*input has shape \\(2,\\), other \\(3,\\)", RuntimeError, lambda: rl.ones(2) + rl.ones(3)),
    ("erfinv_?: input has dtype complex64", NotImplementedError, lambda: rl.erfinv(rl.zeros(1, dtype=rl.complex64))),
])
def test_refusals(says, kind, call):
    with pytest.raises(kind, match="^" + says):
        call()


@pytest.mark.parametrize("shapes, lists", [
    ([(2, 3), (3, 4)], [[0, 1], [1, 2], [0, 2]]), ([(2, 3), (3, 4)], [[0, 1], [1, 2]]), ([(3, 3)], [[5, 5]]),
    ([(5, 2, 3), (3, 4)], [[..., 0, 1], [1, 30], [..., 0, 30]]), ([(2, 3)], [(51, 0), (0,)]),
    ([(2, 3), (2, 3)], [[0, 1], [0, 1], []]), ([(2, 3)], [[26, 1]]),
])
def test_einsum_of_lists_of_indices(shapes, lists):
    arrays = [rng.standard_normal(shape) for shape in shapes]
    given = [item for pair in zip(arrays, lists, strict=False) for item in pair] + lists[len(arrays):]
    tensors = [rl.from_numpy(item) if isinstance(item, np.ndarray) else item for item in given]
    close(rl.einsum(*tensors), np.einsum(*given))


@pytest.mark.parametrize("a, b", [((3,), (3,)), ((), (2, 3)), ((2, 3), ()), ((2, 3), (3,)), ((4, 2, 3), (5, 3))])
def test_inner_products_of_any_rank(a, b):
    x, y = rng.standard_normal(a), rng.standard_normal(b)
    close(rl.inner(rl.tensor(x, dtype=rl.float64), rl.tensor(y, dtype=rl.float64)), np.inner(x, y))
    close(rl.tensor(x, dtype=rl.float64).inner(rl.tensor(y, dtype=rl.float64)), np.inner(x, y))


def test_last_sizes_of_an_inner_product_agree():
    with pytest.raises(RuntimeError, match=r"^inner: input has shape \(2, 3\) and other \(3, 2\); "):
        rl.inner(rl.ones(2, 3), rl.ones(3, 2))


def test_truth_values_count_as_integers():
    x = rng.integers(0, 2, (3, 4)).astype(bool)
    t = rl.from_numpy(x)
    close(t.square(), x, rl.int64)
    close(rl.square(t, out=rl.empty(0)), x)
    with pytest.raises(RuntimeError, match=r"^square: "):
        t.square_()
    close(t[0, 0].sum_to_size(()), x[0, 0], rl.int64)
    close(t.logsumexp((0, 1)), np.log(np.exp(x * 1.0).sum()), rl.float32)
    close(rl.from_numpy(x * 50).logsumexp(1), np.log(np.exp(x * 50.0).sum(1)), rl.float32)


def test_truth_values_within_a_tolerance():
    a, b = rl.tensor([True, False, False]), rl.tensor([True, True, False])
    assert rl.isclose(a, b).tolist() == rl.isclose(b, a).tolist() == [True, False, True]
    assert rl.isclose(a, b, atol=1).tolist() == rl.isclose(b, a, atol=1).tolist() == [True, True, True]


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3, 4)])
def test_an_empty_index_picks_nothing(shape):
    x = rl.ones(5).requires_grad_()
    picked = x.gather(0, rl.empty(shape, dtype=rl.uint8))
    assert picked.shape == shape
    assert rl.autograd.grad(picked.sum(), x)[0].tolist() == [0] * 5


def test_weights_of_a_covariance_are_added_in_double_precision():
    x, w = rng.standard_normal((2, 3)), np.array([0.7, 0.7, 0.001], np.float32)
    want = np.cov(x, aweights=w.astype(np.float64), ddof=2)
    got = rl.cov(rl.tensor(x, dtype=rl.float32), aweights=rl.from_numpy(w), correction=2)
    close(got, want, rl.float32)


def test_distances_of_near_rows():
    x = rng.standard_normal((40, 3)) + 20
    y = x[:30] + rng.standard_normal((30, 3)) * 1e-3
    want = np.linalg.norm(x[:, None] - y, axis=-1)
    np.testing.assert_allclose(rl.cdist(rl.from_numpy(x), rl.from_numpy(y)).numpy(), want, 1e-6, 1e-9)


@pytest.mark.parametrize("batch, features, outputs", [(5, 3, 4), (128, 96, 80)])
def test_products_of_rows_that_stand_alone(batch, features, outputs):
    # The stride of a dimension of size 1 says nothing about where rows lie.
    x, w = rl.randn(1, batch, features).transpose(0, 1), rl.randn(outputs, features)
    wanted = x.numpy().reshape(batch, features) @ w.numpy().T
    for found in (rl.nn.functional.linear(x, w), x @ w.t()):
        np.testing.assert_allclose(found.numpy().reshape(batch, outputs), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "shapes"), [
    ("addmm", [(5, 2, 2), (2, 3), (3, 2)]), ("addmm", [(5, 2), (1, 3), (3, 2)]), ("addmm", [(3,), (2, 3), (3, 2)]),
    ("addmm", [(0, 2), (1, 3), (3, 2)]), ("addmv", [(5, 2), (2, 3), (3,)]), ("addr", [(5, 2, 3), (2,), (3,)]),
    ("addbmm", [(5, 2, 2), (5, 2, 3), (5, 3, 2)]), ("baddbmm", [(4, 5, 2, 2), (5, 2, 3), (5, 3, 2)])])
def test_what_is_added_to_a_product_does_not_widen_it(name, shapes):
    for form in (name, name + "_"):
        for beta in (1, 0):
            with pytest.raises(RuntimeError, match=rf"^{form}: input has shape .* broadcasts to the product's"):
                getattr(rl.ones(shapes[0]), form)(*map(rl.ones, shapes[1:]), beta=beta)


def test_tensors_as_integers():
    x = rl.ones(2, 3)
    assert x.unsqueeze(rl.tensor(1)).shape == (2, 1, 3) and x.reshape(rl.tensor([1]), 6).shape == (1, 6)
    for refused in (rl.tensor(True), rl.tensor(1.0), rl.tensor([0, 1])):
        for call in (lambda n: x.unsqueeze(n), lambda n: x.narrow(0, n, 1), lambda n: x.reshape(n, 6)):
            with pytest.raises(TypeError, match=r"must be (int|Size|int or tuple)"):
                call(refused)


def test_samples_of_a_larger_batch():
    x, samples = rl.from_numpy(rng.random((4, 5, 5, 5))), rl.from_numpy(rng.random((2, 4, 3)))
    results = [F.fractional_max_pool3d(x, 2, output_ratio=0.5, _random_samples=s) for s in (samples, samples[:1])]
    assert rl.equal(*results)
    with pytest.raises(RuntimeError, match=r"_random_samples has shape \(2, 3, 3\); expected \(1, 4, 3\)"):
        F.fractional_max_pool3d(x, 2, output_ratio=0.5, _random_samples=samples[:, :3])


class Answering:
    """No tensor, but it answers operators, as PyTorch's protocol has it."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func.__name__ == "exp":
            raise ValueError("not this one")
        return func.__name__, args, kwargs


def test_objects_that_answer_operators():
    own = Answering()
    assert rl.flatten(own, 1) == ("flatten", (own, 1), {})
    assert rl.flatten(input=own) == ("flatten", (), {"input": own})
    name, (parts,), named = rl.cat([rl.ones(1), own], dim=0)
    assert name == "cat" and parts[1] is own and named == {"dim": 0}
    assert rl.add(rl.ones(2), own, alpha=2)[0] == "add" and rl.Tensor.view(own, 3) == ("view", (own, 3), {})
    with pytest.raises(ValueError, match="not this one"):
        rl.exp(own)
    with pytest.raises(TypeError, match="flatten: argument 'input' must be Tensor, not int"):
        rl.flatten(3)
