"""Resizing with antialiasing, against the filters written out as matrices."""
import numpy as np
import pytest

import rushlight as rl

F = rl.nn.functional


def triangle(t):
    return np.maximum(1 - np.abs(t), 0)


def keys(t):
    t = np.abs(t)
    return np.where(t < 1, 1.5 * t**3 - 2.5 * t**2 + 1, np.where(t < 2, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2, 0))


def lanczos(t):
    return np.where(np.abs(t) < 3, np.sinc(t) * np.sinc(t / 3), 0)


FILTERS = {"bilinear": (triangle, 1), "bicubic": (keys, 2), "lanczos": (lanczos, 3)}


def matrix(mode, size, wanted, step):
    filter, width = FILTERS[mode]
    rows = np.zeros((wanted, size))
    for i in range(wanted):
        center, support = step * (i + 0.5), width * max(step, 1)
        covered = np.arange(max(int(center - support + 0.5), 0), min(int(center + support + 0.5), size))
        rows[i, covered] = filter((covered - center + 0.5) / max(step, 1))
    return rows / rows.sum(1, keepdims=True)


@pytest.mark.parametrize("mode", FILTERS)
@pytest.mark.parametrize("size", [(3, 6), (13, 11), (20, 2), (1, 40)])
def test_sizes(mode, size):
    x = np.random.default_rng(4).normal(size=(2, 3, 13, 11))
    wanted = matrix(mode, 13, size[0], 13 / size[0]) @ x @ matrix(mode, 11, size[1], 11 / size[1]).T
    found = F.interpolate(rl.tensor(x), size, mode=mode, antialias=True)
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-13)
    single = F.interpolate(rl.tensor(x).float(), size, mode=mode, antialias=True)
    np.testing.assert_allclose(single.numpy(), wanted, atol=1e-5)


def test_factors_are_steps():
    x = np.random.default_rng(4).normal(size=(1, 1, 13, 11))
    wanted = matrix("bilinear", 13, 5, 2.5) @ x @ matrix("bilinear", 11, 4, 2.5).T
    found = F.interpolate(rl.tensor(x), scale_factor=0.4, mode="bilinear", antialias=True)
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-13)


def test_gradients():
    leaf = rl.tensor(np.random.default_rng(4).normal(size=(1, 2, 7, 5))).requires_grad_()
    for mode in FILTERS:
        assert rl.autograd.gradcheck(lambda x, m=mode: F.interpolate(x, (3, 6), mode=m, antialias=True), [leaf])


@pytest.mark.parametrize("mode, shape", [
    ("nearest", (1, 1, 4, 4)), ("linear", (1, 1, 4)), ("trilinear", (1, 1, 4, 4, 4)),
])
def test_other_modes_are_refused(mode, shape):
    with pytest.raises(ValueError, match=f"antialias=True with mode='{mode}' for input with {len(shape) - 2} spatial"):
        F.interpolate(rl.ones(*shape), 2, mode=mode, antialias=True)
