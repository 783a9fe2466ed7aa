"""Factories, joins, copies and index operators against NumPy."""

import numpy as np
import pytest

import rushlight as rl

RNG = np.random.default_rng(3)
X, Y, V = RNG.standard_normal((2, 3)), RNG.standard_normal((2, 3)), RNG.standard_normal(3)
I, J = np.array([[0, 2], [1, 1]]), np.array([[1, 0, 1]])
MASK = X > 0


def scattered(data, index, source, combine=None):
    """scatter along dimension 1, one element after another."""
    out = data.copy()
    for (row, column), value in zip(np.ndindex(index.shape), source[: index.shape[0], : index.shape[1]].ravel()):
        place = row, index[row, column]
        out[place] = value if combine is None else combine(out[place], value)
    return out


def changed(array, change):
    out = array.copy()
    change(out)
    return out


CASES = {
    "arange": (lambda t: rl.arange(1, 10, 3), lambda: np.arange(1, 10, 3)),
    "arange down": (lambda t: rl.arange(5, 0, -2), lambda: np.arange(5, 0, -2)),
    "arange real": (lambda t: rl.arange(0, 1, 0.1, dtype=rl.float64), lambda: np.arange(0, 1, 0.1)),
    "linspace": (lambda t: rl.linspace(-3, 7, 11, dtype=rl.float64), lambda: np.linspace(-3, 7, 11)),
    "logspace": (lambda t: rl.logspace(0, 3, 7, dtype=rl.float64), lambda: np.logspace(0, 3, 7)),
    "eye": (lambda t: rl.eye(2, 4), lambda: np.eye(2, 4)),
    "zeros": (lambda t: rl.zeros(2, 3), lambda: np.zeros((2, 3))),
    "ones": (lambda t: rl.ones(2, 0), lambda: np.ones((2, 0))),
    "full": (lambda t: rl.full((2,), 2.5), lambda: np.full((2,), 2.5)),
    "zeros_like": (lambda t: rl.zeros_like(t(X)), lambda: np.zeros_like(X)),
    "ones_like": (lambda t: rl.ones_like(t(X)), lambda: np.ones_like(X)),
    "full_like": (lambda t: rl.full_like(t(X), 3), lambda: np.full_like(X, 3)),
    "new_full": (lambda t: t(X).new_full((2,), 3), lambda: np.full(2, 3.0)),
    "tril": (lambda t: t(X).tril(1), lambda: np.tril(X, 1)),
    "triu": (lambda t: t(X).triu(-1), lambda: np.triu(X, -1)),
    "tril_indices": (lambda t: rl.tril_indices(4, 3, -1), lambda: np.array(np.tril_indices(4, -1, 3))),
    "triu_indices": (lambda t: rl.triu_indices(3, 4, 1), lambda: np.array(np.triu_indices(3, 1, 4))),
    "diag": (lambda t: rl.diag(t(V), -1), lambda: np.diag(V, -1)),
    "diag_embed": (lambda t: rl.diag_embed(t(X)), lambda: np.stack([np.diag(row) for row in X])),
    "cat": (lambda t: rl.cat([t(X), t(Y)], 1), lambda: np.concatenate([X, Y], 1)),
    "cat transposed": (lambda t: rl.cat([t(X).t(), t(Y).t()]), lambda: np.concatenate([X.T, Y.T])),
    "stack": (lambda t: rl.stack([t(X), t(Y)], -1), lambda: np.stack([X, Y], -1)),
    "repeat": (lambda t: t(X).repeat(2, 1, 2), lambda: np.tile(X, (2, 1, 2))),
    "repeat_interleave": (lambda t: t(X).repeat_interleave(3, 1), lambda: np.repeat(X, 3, 1)),
    "repeats": (lambda t: t(X).repeat_interleave(rl.tensor([2, 0]), 0), lambda: np.repeat(X, [2, 0], 0)),
    "flip": (lambda t: t(X).flip(0, 1), lambda: np.flip(X, (0, 1))),
    "roll": (lambda t: t(X).roll((1, -1), (0, 1)), lambda: np.roll(X, (1, -1), (0, 1))),
    "rot90": (lambda t: t(X).rot90(), lambda: np.rot90(X)),
    "clone": (lambda t: t(X).t().clone(), lambda: X.T),
    "to_dtype": (lambda t: t(X * 9).int(), lambda: (X * 9).astype(np.int32)),
    "copy_": (lambda t: rl.zeros(2, 3, dtype=rl.float64).copy_(t(V)), lambda: np.broadcast_to(V, (2, 3))),
    "fill_": (lambda t: t(X.copy()).t().fill_(2), lambda: np.full((3, 2), 2.0)),
    "zero_": (lambda t: t(X.copy())[:, 1:].zero_(), lambda: np.zeros((2, 2))),
    "gather": (lambda t: t(X).gather(1, t(I)), lambda: np.take_along_axis(X, I, 1)),
    "take_along_dim": (lambda t: rl.take_along_dim(t(X), t(J), 0), lambda: np.take_along_axis(X, J, 0)),
    "take": (lambda t: t(X).take(t(I)), lambda: np.take(X, I)),
    "put": (
        lambda t: t(X).put(rl.tensor([5, 0]), t(V[:2])),
        lambda: changed(X, lambda a: np.put(a, [5, 0], V[:2])),
    ),
    "scatter": (lambda t: t(X).scatter(1, t(I), t(Y)), lambda: scattered(X, I, Y)),
    "scatter_add": (lambda t: t(X).scatter_add(1, t(I), t(Y)), lambda: scattered(X, I, Y, np.add)),
    "prod": (lambda t: t(X).scatter_reduce(1, t(I), t(Y), "prod"), lambda: scattered(X, I, Y, np.multiply)),
    "amax": (lambda t: t(X).scatter_reduce(1, t(I), t(Y), "amax"), lambda: scattered(X, I, Y, np.maximum)),
    "amin": (lambda t: t(X).scatter_reduce(1, t(I), t(Y), "amin"), lambda: scattered(X, I, Y, np.minimum)),
    "index_select": (lambda t: t(X).index_select(1, rl.tensor([2, 0, 2])), lambda: X[:, [2, 0, 2]]),
    "index_add": (
        lambda t: t(X).index_add(1, rl.tensor([2, 2, 0]), t(Y), alpha=2),
        lambda: changed(X, lambda a: np.add.at(a, (slice(None), [2, 2, 0]), 2 * Y)),
    ),
    "index_copy": (lambda t: t(X).index_copy(0, rl.tensor([1]), t(Y[:1])), lambda: np.stack([X[0], Y[0]])),
    "index_fill": (
        lambda t: t(X).index_fill(1, rl.tensor([-1]), 7),
        lambda: np.column_stack([X[:, :2], [7, 7]]),
    ),
    "index_put": (
        lambda t: t(X).index_put((t(I[0] % 2), t(I[1])), t(V[:2]), accumulate=True),
        lambda: changed(X, lambda a: np.add.at(a, (I[0] % 2, I[1]), V[:2])),
    ),
    "masked_fill": (lambda t: t(X).masked_fill(t(MASK), 9), lambda: np.where(MASK, 9, X)),
    "masked_select": (lambda t: t(X).masked_select(t(MASK)), lambda: X[MASK]),
    "masked_scatter": (
        lambda t: t(X).masked_scatter(t(MASK), t(Y)),
        lambda: changed(X, lambda a: np.place(a, MASK, Y)),
    ),
    "nonzero": (lambda t: rl.nonzero(t(MASK)), lambda: np.argwhere(MASK)),
    "embedding": (lambda t: rl.embedding(t(X), t(J)), lambda: X[J]),
    "meshgrid": (lambda t: rl.meshgrid(t(V), t(V[:2]), indexing="xy")[1], lambda: np.meshgrid(V, V[:2])[1]),
}


@pytest.mark.parametrize("ours, theirs", CASES.values(), ids=CASES)
def test_values(ours, theirs):
    result, expected = ours(lambda array: rl.tensor(array)), np.asarray(theirs())
    assert tuple(result.shape) == expected.shape
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    "dtype", [rl.uint8, rl.int16, rl.int64, rl.float16, rl.bfloat16, rl.float32, rl.bool, rl.complex64]
)
def test_every_dtype_moves_unchanged(dtype):
    x = rl.tensor([[0, 1, 2], [3, 4, 5]]).to(dtype)
    index = rl.tensor([1, 0, 1])
    for moved, back in [
        (x.flip(0), lambda m: m.flip(0)),
        (rl.cat([x, x])[2:], lambda m: m),
        (x.t().contiguous(), lambda m: m.t()),
        (x.index_select(0, index)[1:], lambda m: m),
        (x[index][1:], lambda m: m),
        (x.tril(5), lambda m: m),
        (rl.stack([x, x])[1], lambda m: m),
        (x.clone(), lambda m: m),
        (rl.zeros_like(x).masked_scatter(rl.ones(2, 3, dtype=rl.bool), x), lambda m: m),
    ]:
        assert moved.dtype == dtype
        assert back(moved).tolist() == x.tolist()


@pytest.mark.parametrize("bounds", [{"max": 1.5}, {"min": 0.5}, {"min": 0.5, "max": 1.5}, {"max": rl.tensor(1.5)}])
def test_clamp_of_integers_by_reals_is_real(bounds):
    result = rl.arange(3).clamp(**bounds)
    low, high = float(bounds.get("min", -9)), float(bounds.get("max", 9))
    assert result.dtype is rl.float32
    np.testing.assert_array_equal(result.numpy(), np.clip(np.arange(3.0), low, high))
    assert rl.arange(3).clamp(1, 2).dtype is rl.int64
    with pytest.raises(RuntimeError):
        rl.arange(3).clamp_(**bounds)


def test_arange_of_every_length():
    for n in [*range(40), 1000, 100003]:
        for start, step in ((0, 1), (3, 2), (-5, 7)):
            for dtype in ("int64", "int32", "float32", "float64"):
                ours = rl.arange(start, start + n * step, step, dtype=getattr(rl, dtype)).numpy()
                assert np.array_equal(ours, np.arange(start, start + n * step, step).astype(dtype)), (n, dtype)
