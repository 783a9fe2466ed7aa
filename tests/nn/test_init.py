"""Initial values: for one seed, PyTorch's."""
import math
import warnings

import numpy as np
import pytest

import rushlight as rl

torch = pytest.importorskip("torch", reason="PyTorch is the reference of these tests")

CASES = [
    ("uniform_", (3, 5), {}), ("uniform_", (40, 50), {"a": -2.0, "b": 3.0}), ("normal_", (3, 5), {}),
    ("normal_", (40, 50), {"mean": 1.0, "std": 0.5}), ("trunc_normal_", (40, 50), {}),
    ("trunc_normal_", (7, 9), {"mean": 1.0, "std": 2.0, "a": 0.0, "b": 1.5}), ("constant_", (3, 4), {"val": 0.3}),
    ("ones_", (3, 4), {}), ("zeros_", (3, 4), {}), ("eye_", (3, 5), {}), ("dirac_", (4, 3, 5), {}),
    ("dirac_", (6, 2, 3, 3), {"groups": 3}), ("dirac_", (2, 3, 3, 3, 3), {}), ("xavier_uniform_", (30, 40), {}),
    ("xavier_uniform_", (6, 4, 3, 3), {"gain": 2.0}), ("xavier_normal_", (30, 40), {"gain": 0.5}),
    ("kaiming_uniform_", (30, 40), {}), ("kaiming_uniform_", (6, 4, 3), {"a": 0.3, "mode": "fan_out"}),
    ("kaiming_uniform_", (30, 40), {"nonlinearity": "tanh"}), ("kaiming_normal_", (30, 40), {"nonlinearity": "relu"}),
    ("kaiming_normal_", (6, 4, 3, 3), {"mode": "fan_out", "nonlinearity": "relu"}), ("orthogonal_", (6, 4), {}),
    ("orthogonal_", (4, 9), {"gain": 2.0}), ("orthogonal_", (8, 3, 2, 2), {}), ("orthogonal_", (30, 30), {}),
    ("sparse_", (20, 6), {"sparsity": 0.3}),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name,shape,options", CASES, ids=[f"{name}-{shape}" for name, shape, _ in CASES])
def test_values(name, shape, options, dtype):
    found = []
    for package in (rl, torch):
        package.manual_seed(21)
        tensor = package.empty(shape, dtype=getattr(package, dtype)).fill_(7.0).requires_grad_()
        result = getattr(package.nn.init, name)(tensor, **options)
        assert result is tensor and tensor.is_leaf and tensor.requires_grad
        # What follows in the stream must be the same too.
        found.append((tensor.detach().numpy(), package.rand(3).numpy()))
    for own, reference in zip(*found):
        np.testing.assert_allclose(own, reference, rtol=2e-5, atol=2e-6)


def test_generator():
    found = []
    for package in (rl, torch):
        tensor = package.empty(5, 4)
        package.nn.init.kaiming_uniform_(tensor, generator=package.Generator().manual_seed(3))
        found.append(tensor.numpy())
    np.testing.assert_allclose(*found, rtol=1e-6)


@pytest.mark.parametrize(
    "name", ["linear", "conv2d", "conv_transpose3d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"])
def test_gain(name):
    assert math.isclose(rl.nn.init.calculate_gain(name), torch.nn.init.calculate_gain(name))
    assert rl.nn.init.calculate_gain("leaky_relu", 0.3) == torch.nn.init.calculate_gain("leaky_relu", 0.3)


@pytest.mark.parametrize("call", [
    lambda p: p.nn.init.calculate_gain("sine"), lambda p: p.nn.init.calculate_gain("leaky_relu", "x"),
    lambda p: p.nn.init.xavier_uniform_(p.empty(3)), lambda p: p.nn.init.kaiming_uniform_(p.empty(3)),
    lambda p: p.nn.init.kaiming_normal_(p.empty(3, 3), mode="fan"), lambda p: p.nn.init.eye_(p.empty(3)),
    lambda p: p.nn.init.dirac_(p.empty(3, 3)), lambda p: p.nn.init.dirac_(p.empty(3, 3, 3), groups=2),
    lambda p: p.nn.init.orthogonal_(p.empty(3)), lambda p: p.nn.init.sparse_(p.empty(3), 0.1)])
def test_errors(call):
    for package in (torch, rl):
        with pytest.raises(ValueError):
            call(package)


def test_older_names_warn():
    with pytest.warns(FutureWarning):
        assert rl.nn.init.constant(rl.empty(2), 4.0).tolist() == [4.0, 4.0]


def test_empty_tensors():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert rl.nn.init.kaiming_uniform_(rl.empty(0, 3)).shape == (0, 3)
        assert rl.nn.Linear(0, 3)(rl.empty(2, 0)).shape == (2, 3)
