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


BY_INDEX = {
    "gather": lambda x, src, index: x.gather(0, index),
    "scatter": lambda x, src, index: x.scatter(0, index, src),
    "scatter of a number": lambda x, src, index: x.scatter(0, index, 2.0),
    "scatter that adds": lambda x, src, index: x.scatter(0, index, src, reduce="add"),
    "scatter_add": lambda x, src, index: x.scatter_add(0, index, src),
} | {
    f"{reduce} {own}": lambda x, src, index, reduce=reduce, own=own: x.scatter_reduce(0, index, src, reduce,
                                                                                   include_self=own)
    for reduce in ("sum", "prod", "mean", "amax", "amin") for own in (True, False)
}


@pytest.mark.parametrize("shape", [(0,), (0, 2), (2, 0), (2, 0, 3), (0, 1, 1, 1)])
@pytest.mark.parametrize("name", BY_INDEX)
def test_gradients_of_an_empty_index_of_any_rank(name, shape):
    x = rl.tensor([[1.0, 0.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True)
    src = rl.tensor([[2.0, 2.0, 2.0], [4.0, 0.0, 6.0]], requires_grad=True)
    result = BY_INDEX[name](x, src, rl.zeros(shape, dtype=rl.int64))
    result.sum().backward()
    stays = name != "gather"
    assert result.tolist() == x.tolist() if stays else result.shape == shape
    assert x.grad.tolist() == [[float(stays)] * 3] * 2
    assert src.grad is None or src.grad.tolist() == [[0.0] * 3] * 2
