"""Composites against NumPy, one line each: a call of random tensors, and what it means. Gradients by finite
differences.
"""

import numpy as np
import pytest
from scipy import special

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
}


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
