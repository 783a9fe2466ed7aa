"""Composites against NumPy, one line each: a call of random tensors, and what it means. Gradients by finite
differences.
"""

import numpy as np
import pytest
from scipy import integrate, special, stats

import rushlight as rl
from rushlight.functional._composite import COMPOSITES

F = rl.nn.functional


def norm(x, p=2, axis=None):
    return (np.abs(x) ** p).sum(axis=axis) ** (1 / p)


# Name: (call, oracle, shapes of the arguments).
LINES = {
    "softmin": (lambda x: F.softmin(x, dim=1), lambda x: special.softmax(-x, axis=1), [(3, 4)]),
    "glu": (lambda x: F.glu(x, dim=1), lambda x: x[:, :2] * special.expit(x[:, 2:]), [(3, 4)]),
    "cosine_similarity": (
        lambda x, y: F.cosine_similarity(x, y, dim=1),
        lambda x, y: (x * y).sum(1) / (norm(x, axis=1) * norm(y, axis=1)),
        [(3, 4), (3, 4)],
    ),
    "normalize": (lambda x: F.normalize(x, dim=1), lambda x: x / norm(x, axis=1)[:, None], [(3, 4)]),
    "pairwise_distance": (
        lambda x, y: F.pairwise_distance(x, y, eps=0.0),
        lambda x, y: norm(x - y, axis=1),
        [(3, 4), (3, 4)],
    ),
    "pixel_shuffle": (
        lambda x: F.pixel_shuffle(x, 2),
        lambda x: x.reshape(2, 3, 2, 2, 5, 6).transpose(0, 1, 4, 2, 5, 3).reshape(2, 3, 10, 12),
        [(2, 12, 5, 6)],
    ),
    "cdist": (
        lambda x, y: rl.cdist(x, y, p=3.0),
        lambda x, y: norm(x[:, :, None] - y[None, None], 3, axis=-1),
        [(2, 3, 4), (5, 4)],
    ),
    "trapezoid": (lambda y, x: rl.trapezoid(y, x, dim=1), lambda y, x: np.trapezoid(y, x, axis=1), [(3, 4, 2), (4,)]),
    "cumulative_trapezoid": (
        lambda y: rl.cumulative_trapezoid(y, dx=0.5, dim=0),
        lambda y: integrate.cumulative_trapezoid(y, dx=0.5, axis=0),
        [(4, 3)],
    ),
    "diff": (lambda x: rl.diff(x, 2, 0), lambda x: np.diff(x, 2, 0), [(5, 3)]),
    "gradient": (
        lambda x: rl.gradient(x, spacing=[2.0], dim=1, edge_order=2)[0],
        lambda x: np.gradient(x, 2.0, axis=1, edge_order=2),
        [(3, 5)],
    ),
    "aminmax": (lambda x: rl.aminmax(x, dim=1).max, lambda x: x.max(1), [(3, 4)]),
    "nansum": (lambda x: rl.nansum(x, (0, 2)), lambda x: np.nansum(x, (0, 2)), [(3, 4, 2)]),
    "nanmean": (lambda x: rl.nanmean(x, 0), lambda x: np.nanmean(x, 0), [(3, 4)]),
    "mode": (lambda x: rl.mode(x, 0).values, lambda x: stats.mode(x, axis=0).mode, [(5, 2)]),
    "quantile": (lambda x: rl.quantile(x, 0.3, 1), lambda x: np.quantile(x, 0.3, 1), [(3, 7)]),
    "nanquantile": (
        lambda x: rl.nanquantile(x, 0.3, interpolation="midpoint"),
        lambda x: np.nanquantile(x, 0.3, method="midpoint"),
        [(3, 7)],
    ),
    "cov": (lambda x: rl.cov(x, correction=0), lambda x: np.cov(x, ddof=0), [(3, 5)]),
    "corrcoef": (rl.corrcoef, np.corrcoef, [(3, 5)]),
    "dist": (lambda x, y: rl.dist(x, y, 3), lambda x, y: norm(x - y, 3), [(3, 4), (4,)]),
    "renorm": (
        lambda x: rl.renorm(x, 1, 1, 2.0),
        lambda x: x * np.minimum(1, 2 / (np.abs(x).sum((0, 2), keepdims=True) + 1e-7)),
        [(3, 4, 2)],
    ),
    "float_power": (lambda x: rl.float_power(x, 3), lambda x: np.float_power(x, 3), [(3, 4)]),
    "ldexp": (lambda x: rl.ldexp(x, rl.tensor([3, -2])), lambda x: np.ldexp(x, [3, -2]), [(3, 2)]),
    "frexp": (lambda x: rl.frexp(x).mantissa, lambda x: np.frexp(x)[0], [(3, 4)]),
    "rsub": (lambda x, y: rl.rsub(x, y, alpha=2), lambda x, y: y - 2 * x, [(3, 4), (4,)]),
    "mvlgamma": (
        lambda x: rl.mvlgamma(x * x + 2, 3),
        lambda x: np.reshape([special.multigammaln(v, 3) for v in (x * x + 2).ravel()], x.shape),
        [(2, 3)],
    ),
    "fill": (lambda x, v: rl.fill(x, v), lambda x, v: np.full_like(x, v), [(3, 4), ()]),
    "msort": (rl.msort, lambda x: np.sort(x, 0), [(5, 3)]),
    "index_reduce": (
        lambda x, y: rl.index_reduce(x, 0, rl.tensor([1, 1, 0]), y, "amax"),
        lambda x, y: np.stack([np.maximum(x[0], y[2]), np.max([x[1], y[0], y[1]], 0)]),
        [(2, 4), (3, 4)],
    ),
    "adjoint": (rl.adjoint, lambda x: x.swapaxes(-1, -2), [(2, 3, 4)]),
    "as_strided_scatter": (
        lambda x, y: rl.as_strided_scatter(x, y, (2,), (3,), 1),
        lambda x, y: np.concatenate([x[:1], y[:1], x[2:4], y[1:], x[5:]]),
        [(6,), (2,)],
    ),
    "diagonal_copy": (lambda x: rl.diagonal_copy(x, 1), lambda x: np.diagonal(x, 1), [(3, 4)]),
    "permute_copy": (lambda x: rl.permute_copy(x, (2, 0, 1)), lambda x: x.transpose(2, 0, 1), [(2, 3, 4)]),
}

# Whole numbers from whole numbers, exactly: (call, oracle).
X = np.array([[3, -1, 3, 2], [0, 5, 0, -7]])
EXACT = {
    "argsort": (lambda x: rl.argsort(x, 1, stable=True), np.argsort(X, 1, kind="stable")),
    "isin": (lambda x: rl.isin(x, rl.tensor([3, 0, 9]), invert=True), np.isin(X, [3, 0, 9], invert=True)),
    "isin with numbers": (lambda x: rl.isin(3, x), np.isin(3, X)),
    "isin of nothing": (lambda x: rl.isin(x, x[:0]), np.isin(X, [])),
    "unravel_index": (lambda x: rl.unravel_index(abs(x), (2, 4))[1], np.unravel_index(abs(X), (2, 4))[1]),
    "nonzero_static": (lambda x: rl.nonzero_static(x, size=6), np.argwhere(X)),
    "isreal": (rl.isreal, np.isreal(X)),
    "frexp": (lambda x: rl.frexp(x.double() * 1e-310).exponent, np.frexp(X * 1e-310)[1]),
    "diff of bool": (lambda x: rl.diff(x > 0), np.diff(X > 0)),
    "range": (lambda x: rl.range(1, 7, 3, dtype=rl.int64), np.arange(1, 8, 3)),
    "fill_diagonal_": (lambda x: x.t().contiguous().fill_diagonal_(9), np.where(np.eye(4, 2), 9, X.T)),
    "apply_": (lambda x: x.clone().apply_(lambda v: v * v), X * X),
    "map2_": (lambda x: x.clone().map2_(x, x, lambda a, b, c: a * b - c), X * X - X),
    "unsqueeze_copy": (lambda x: rl.unsqueeze_copy(x, 1), X[:, None]),
    "new": (lambda x: x.new(X.tolist()), X),
    "asarray": (lambda x: rl.asarray(X), X),
}


@pytest.mark.parametrize("name", EXACT)
def test_composite_of_integers(name):
    call, want = EXACT[name]
    found = call(rl.from_numpy(X.copy())).numpy()
    np.testing.assert_array_equal(found, want)


@pytest.mark.parametrize("density", [False, True])
@pytest.mark.parametrize("bins", [4, "edges"])
def test_histograms(bins, density):
    random = np.random.default_rng(3)
    x, weight = random.normal(size=50), random.uniform(size=50)
    edges = np.array([-1.0, -0.25, 0.5, 2.0])
    theirs, mine = (edges, rl.from_numpy(edges)) if bins == "edges" else (bins, bins)
    want = np.histogram(x, theirs, weights=weight, density=density)
    found = rl.histogram(rl.from_numpy(x), mine, weight=rl.from_numpy(weight), density=density)
    np.testing.assert_allclose(found.hist.numpy(), want[0], rtol=1e-12)
    np.testing.assert_allclose(found.bin_edges.numpy(), want[1], rtol=1e-12)
    points = random.normal(size=(50, 2))
    want = np.histogramdd(points, [theirs, theirs], weights=weight, density=density)
    found = rl.histogramdd(rl.from_numpy(points), [mine, mine], weight=rl.from_numpy(weight), density=density)
    np.testing.assert_allclose(found.hist.numpy(), want[0], rtol=1e-12)


def test_what_composites_refuse():
    x = rl.ones(2, 3)
    for error, says, call in [
        (RuntimeError, "quantile: q=2", lambda: rl.quantile(x, 2.0)),
        (RuntimeError, "quantile: interpolation='none'", lambda: rl.quantile(x, 0.5, interpolation="none")),
        (RuntimeError, "renorm: maxnorm=-1", lambda: rl.renorm(x, 2, 0, -1)),
        (RuntimeError, "gradient: dim=0 has size 2", lambda: rl.gradient(x, edge_order=2)),
        (RuntimeError, "histogram: range", lambda: rl.histogram(x, 3, range=(2.0, 1.0))),
        (RuntimeError, "index_reduce: reduce='sum'",
         lambda: rl.index_reduce(x, 0, rl.tensor([0, 1]), x, "sum")),
        (RuntimeError, "float_power_: input has dtype", lambda: x.to(rl.int64).float_power_(2)),
        (TypeError, "nonzero: out= with as_tuple=True", lambda: rl.nonzero(x, as_tuple=True, out=rl.empty(0))),
        (RuntimeError, "abs: input has dtype complex64", lambda: x.to(rl.complex64).abs_()),
        (RuntimeError, "diff: out= can't", lambda: rl.diff(x.clone().requires_grad_(), out=x.clone())),
        (TypeError, "isin: ", lambda: rl.isin(1, 2)),
        (ValueError, "asarray: copy=False", lambda: rl.asarray([1], copy=False)),
    ]:
        with pytest.raises(error, match=says):
            call()


def test_in_place_and_out_forms_of_composites():
    x = rl.tensor([[3.0, 4.0], [0.3, 0.4]])
    want, out = rl.renorm(x, 2, 0, 1), rl.empty(0)
    assert rl.renorm(x, 2, 0, 1, out=out) is out and rl.equal(out, want)
    assert x.renorm_(2, 0, 1) is x and rl.equal(x, want)
    values, places = rl.empty(0), rl.empty(0, dtype=rl.int64)
    rl.mode(x, 1, out=(values, places))
    assert values.tolist() == rl.mode(x, 1)[0].tolist()


def arguments(shapes):
    random = np.random.default_rng(3)
    return [random.normal(size=shape) for shape in shapes]


@pytest.mark.parametrize("name", LINES)
def test_composite_means_what_its_oracle_says(name):
    call, oracle, shapes = LINES[name]
    assert name in {function.__name__ for function, _ in COMPOSITES}, f"{name} is no composite"
    arrays = arguments(shapes)
    found = call(*(rl.from_numpy(array.copy()) for array in arrays))
    np.testing.assert_allclose(found.numpy(), oracle(*arrays), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", LINES)
def test_composite_differentiates_twice(name):
    call, _, shapes = LINES[name]
    leaves = [rl.from_numpy(array).requires_grad_() for array in arguments(shapes)]
    assert rl.autograd.gradcheck(call, leaves)
    if sum(leaf.numel() for leaf in leaves) < 50:
        assert rl.autograd.gradgradcheck(call, leaves)


def test_quantiles_of_more_elements_than_float32_can_count():
    n = (1 << 24) + 5
    x = rl.arange(n, dtype=rl.int32).remainder(2).to(rl.float32)
    x[0] = 7.0
    assert rl.quantile(x, 1.0).item() == 7 and rl.nanquantile(x, rl.tensor([1.0, 0.0])).tolist() == [7, 0]
    # The ranks of 1 begin behind the zeros: the last zero and the first one are told apart.
    zeros = int((x == 0).sum().item())
    for rank, wanted in ((zeros - 1, 0), (zeros, 1)):
        assert rl.quantile(x, (rank + 0.25) / (n - 1), interpolation="lower").item() == wanted


@pytest.mark.parametrize("call", [
    lambda: rl.arange(64.0).stft(16, return_complex=True),
    lambda: F.kl_div(rl.zeros(2), rl.ones(2)),
    lambda: F.grid_sample(rl.zeros(1, 1, 2, 2), rl.zeros(1, 2, 2, 2)),
    lambda: F.margin_ranking_loss(rl.ones(2), rl.ones(2), rl.ones(2), size_average=True),
    lambda: rl.nn.KLDivLoss()(rl.zeros(2), rl.ones(2)),
    lambda: rl.cuda.amp.GradScaler(),
    lambda: rl.cuda.amp.autocast(),
])
def test_warnings_point_at_the_program(call):
    with pytest.warns(UserWarning) as seen:
        call()
    assert [warning.filename for warning in seen] == [__file__]
