"""Batch norm of nothing, and gradient operators called by name with what no derivative would pass."""

import pytest

import rushlight as rl


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 0, 2), (0, 3, 2, 2), (2, 3, 0)])
def test_batch_norm_of_nothing(shape, training):
    weight, mean, variance = rl.ones(3, requires_grad=True), rl.full((3,), 0.5), rl.full((3,), 2.0)
    y = rl.nn.functional.batch_norm(rl.ones(*shape), mean, variance, weight, rl.zeros(3), training=training)
    y.sum().backward()
    assert tuple(y.shape) == shape
    assert weight.grad.tolist() == [0.0] * 3 and mean.tolist() == [0.5] * 3 and variance.tolist() == [2.0] * 3


@pytest.mark.parametrize("name", ["tan_grad", "relu_grad", "exp_grad", "sigmoid_grad"])
def test_pointwise_gradients_refuse_other_dtypes(name):
    gradient, whole, real = rl._C.operator(name), rl.ones(3, 4, dtype=rl.int64), rl.ones(3, 4)
    for arguments in ((whole, whole, whole), (real, whole, real), (real, real, whole)):
        with pytest.raises((RuntimeError, NotImplementedError), match=f"{name}: .*(dtype|expected)"):
            gradient(*arguments)
