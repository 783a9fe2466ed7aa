"""Masked operations against NumPy on the elements that count, row by row."""
import numpy as np
import pytest
from scipy import special

import rushlight as rl

M = rl.masked
RANDOM = np.random.default_rng(5)
VALUES = RANDOM.normal(size=(4, 6))
MASK = RANDOM.random((4, 6)) < 0.6
MASK[:, 0] = True

ROWS = {
    "sum": np.sum, "prod": np.prod, "mean": np.mean, "amax": np.max, "amin": np.min, "logsumexp": special.logsumexp,
    "var": lambda x: np.var(x, ddof=1), "std": lambda x: np.std(x, ddof=1), "norm": np.linalg.norm,
    "median": lambda x: np.sort(x)[(len(x) - 1) // 2],
}


@pytest.mark.parametrize("name", ROWS)
def test_reductions(name):
    f, x, mask = getattr(M, name), rl.tensor(VALUES), rl.tensor(MASK)
    found = f(x, dim=1, mask=mask).numpy()
    wanted = [ROWS[name](row[kept]) for row, kept in zip(VALUES, MASK, strict=True)]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    assert f(x, dim=1, keepdim=True, mask=mask).shape == (4, 1)
    np.testing.assert_allclose(f(x, dim=1).numpy(), [ROWS[name](row) for row in VALUES], rtol=1e-12)
    if name != "median":
        whole = ROWS[name](VALUES[MASK])
        np.testing.assert_allclose([f(x, mask=mask).item(), f(x, dim=(), mask=mask).item()], whole, rtol=1e-12)
        np.testing.assert_allclose(f(x, dim=(0, -1), mask=mask[:, :1]).item(), ROWS[name](VALUES), rtol=1e-12)
    assert rl.autograd.gradcheck(lambda t: f(t, dim=1, mask=mask), [rl.tensor(VALUES).requires_grad_()])


@pytest.mark.parametrize("name, fill", [("argmax", -np.inf), ("argmin", np.inf)])
def test_places(name, fill):
    wanted = getattr(np, name)(np.where(MASK, VALUES, fill), axis=1)
    np.testing.assert_array_equal(getattr(M, name)(rl.tensor(VALUES), 1, dtype=rl.int64, mask=rl.tensor(MASK)), wanted)


@pytest.mark.parametrize("name, identity", [("cumsum", 0), ("cumprod", 1)])
def test_running(name, identity):
    found = getattr(M, name)(rl.tensor(VALUES), 1, mask=rl.tensor(MASK)).numpy()
    np.testing.assert_allclose(found, getattr(np, name)(np.where(MASK, VALUES, identity), axis=1), rtol=1e-12)


@pytest.mark.parametrize("name, call", [
    ("softmax", special.softmax), ("softmin", lambda x: special.softmax(-x)), ("log_softmax", special.log_softmax),
    ("normalize", lambda x: x / np.linalg.norm(x)),
])
def test_normalisations(name, call):
    arguments = (2.0, 1) if name == "normalize" else (1,)
    found = getattr(M, name)(rl.tensor(VALUES), *arguments, mask=rl.tensor(MASK)).numpy()
    for row, kept, got in zip(VALUES, MASK, found, strict=True):
        np.testing.assert_allclose(got[kept], call(row[kept]), rtol=1e-12)
        assert (got[~kept] == (-np.inf if name == "log_softmax" else 0)).all()


def test_integers_and_what_is_left_of_nothing():
    x, none = rl.tensor([[3, 1], [4, 2]]), rl.tensor([[True, True], [False, False]])
    assert M.sum(x, 1, mask=none).tolist() == [4, 0] and M.prod(x, 1, mask=none).tolist() == [3, 1]
    assert M.amax(x, 1, mask=none).tolist() == [3, rl.iinfo(rl.int64).min]
    assert M.amin(x, 1, mask=none).tolist() == [1, rl.iinfo(rl.int64).max]
    assert M.sum(x.to(rl.int8), mask=none).dtype == rl.int64
    assert M.mean(x, 1, mask=none).tolist()[0] == 2 and M.mean(x, 1, mask=none)[1].isnan()
    with pytest.raises(ValueError, match=r"masked\.median: mask leaves nothing of a row of rushlight\.int64"):
        M.median(x, 1, mask=none)


def test_logaddexp():
    x, y = VALUES[0], VALUES[1]
    found = M.logaddexp(rl.tensor(x), rl.tensor(y), input_mask=rl.tensor(MASK[0]), other_mask=rl.tensor(MASK[1]))
    wanted = np.logaddexp(np.where(MASK[0], x, -np.inf), np.where(MASK[1], y, -np.inf))
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-12)


@pytest.mark.parametrize("call, kind, message", [
    (lambda x: M.sum(x, 2), IndexError, r"masked.sum: dim=2 is out of range for input of shape .*; expected -2 <= "),
    (lambda x: M.sum(x, (0, 0)), RuntimeError, r"masked.sum: dim=\(0, 0\) names a dimension twice"),
    (lambda x: M.amax(x, mask=rl.ones(1, 4, 6) > 0), IndexError, r"masked.amax: mask has shape \(1, 4, 6\) for input"),
    (lambda x: M.var(x, unbiased=True, correction=1), RuntimeError, "masked.var: unbiased and correction are both"),
])
def test_what_is_refused(call, kind, message):
    with pytest.raises(kind, match=message):
        call(rl.tensor(VALUES))
