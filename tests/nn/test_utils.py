"""Clipping gradients, and parameters as one vector, beside PyTorch's."""
import numpy as np
import pytest

import rushlight as rl

torch = pytest.importorskip("torch", reason="PyTorch is the reference of these tests")


def parameters(package):
    rng = np.random.default_rng(0)
    found = []
    for i, shape in enumerate([(3, 4), (5,), (), (2, 2)]):
        param = package.nn.Parameter(package.from_numpy(np.asarray(rng.normal(size=shape), dtype=np.float32)))
        if i != 1:
            param.grad = package.from_numpy(np.asarray(rng.normal(size=shape), dtype=np.float32))
        found.append(param)
    return found


def gradients(params):
    return [param.grad.numpy() for param in params if param.grad is not None]


@pytest.mark.parametrize("options", [
    {"max_norm": 1.0}, {"max_norm": 100.0}, {"max_norm": 0.5, "norm_type": 1},
    {"max_norm": 0.5, "norm_type": float("inf")},
    {"max_norm": 0.5, "norm_type": 3.0}])
def test_clip_grad_norm(options):
    own, reference = parameters(rl), parameters(torch)
    total = rl.nn.utils.clip_grad_norm_(own, **options)
    expected = torch.nn.utils.clip_grad_norm_(reference, **options)
    np.testing.assert_allclose(total.item(), expected.item(), rtol=1e-5)
    for mine, theirs in zip(gradients(own), gradients(reference), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5)


def test_clip_grad_value():
    own, reference = parameters(rl), parameters(torch)
    rl.nn.utils.clip_grad_value_(iter(own), 0.3)
    torch.nn.utils.clip_grad_value_(iter(reference), 0.3)
    for mine, theirs in zip(gradients(own), gradients(reference), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_norm_that_is_not_finite():
    for package in (torch, rl):
        param = package.nn.Parameter(package.ones(2))
        param.grad = package.tensor([float("nan"), 1.0])
        with pytest.raises(RuntimeError, match="non-finite"):
            package.nn.utils.clip_grad_norm_(param, 1.0, error_if_nonfinite=True)


def test_nothing_to_clip():
    assert rl.nn.utils.clip_grad_norm_([rl.nn.Parameter(rl.ones(1))], 1.0).item() == 0.0


def test_vectors():
    params = parameters(rl)
    vector = rl.nn.utils.parameters_to_vector(params)
    np.testing.assert_array_equal(vector.detach().numpy(),
                                  torch.nn.utils.parameters_to_vector(parameters(torch)).detach().numpy())
    rl.nn.utils.vector_to_parameters(rl.arange(float(vector.numel())), params)
    assert params[0].tolist()[1] == [4.0, 5.0, 6.0, 7.0] and params[2].item() == 17.0 and params[0].requires_grad
    with pytest.raises(TypeError):
        rl.nn.utils.vector_to_parameters([1.0], params)
