"""Gradient checkpointing beside the plain run: values, gradients, random numbers, memory, and what it refuses."""
import pytest

import rushlight as rl
from rushlight import nn
from rushlight.testing import gradcheck, gradgradcheck
from rushlight.utils import checkpoint as room
from rushlight.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential


def _network():
    rl.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.BatchNorm1d(8), nn.Linear(8, 4),
                         nn.Dropout(0.3), nn.Linear(4, 1))


def _step(network, run, x):
    rl.manual_seed(1)
    network.zero_grad()
    y = run(x)
    y.sum().backward()
    return y, [p.grad.clone() for p in network.parameters()], rl.rand(2)


@pytest.mark.parametrize("segments", [1, 2, 3, 7])
@pytest.mark.parametrize("needs_grad", [False, True])
def test_a_checkpointed_network_is_the_same_network(segments, needs_grad):
    x = rl.randn(5, 4, requires_grad=needs_grad)
    net = _network()
    plain = _step(net, net, x)
    net = _network()
    again = _step(net, lambda x: checkpoint_sequential(net, segments, x), x)
    assert rl.equal(plain[0], again[0])
    assert all(rl.equal(a, b) for a, b in zip(plain[1], again[1], strict=True))
    assert rl.equal(plain[2], again[2])                  # what is drawn afterwards


def test_derivatives_of_both_orders_and_nested():
    def inner(x):
        return checkpoint(rl.tanh, x) * x.exp()

    x = rl.randn(3, dtype=rl.float64, requires_grad=True)
    assert gradcheck(lambda x: checkpoint(inner, x), (x,))
    assert gradgradcheck(lambda x: checkpoint(inner, x), (x,))


def test_backward_twice_and_partial_backward():
    x, w = rl.randn(3, requires_grad=True), rl.randn(3, requires_grad=True)
    y = checkpoint(lambda x: (x * w).sin().sum(), x)
    g, = rl.autograd.grad(y, w, retain_graph=True)
    assert rl.allclose(g, (x * w).cos() * x)
    y.backward(retain_graph=True)
    once = x.grad.clone()
    y.backward()
    assert rl.allclose(x.grad, 2 * once) and rl.allclose(once, (x * w).cos() * w)


def test_it_keeps_less_alive():
    # What the first run saves is counted by hooks outside of the checkpoint's.
    kept = []

    def run(call):
        kept.clear()
        with rl.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
            return call(rl.ones(100, requires_grad=True))

    def deep(x):
        for _ in range(20):
            x = x.sin()
        return x

    run(deep)
    assert sum(kept) == 2000
    run(lambda x: checkpoint(deep, x))
    assert sum(kept) == 0


def test_arguments_of_every_kind_reach_the_function():
    def function(x, scale, *, bias, names):
        return x * scale + bias, names

    x, bias = rl.ones(2, requires_grad=True), rl.ones(2, requires_grad=True)
    y, names = checkpoint(function, x, 3.0, bias=bias, names=["a"], use_reentrant=True)
    y.sum().backward()
    assert names == ["a"] and x.grad.tolist() == [3, 3] and bias.grad.tolist() == [1, 1]
    with rl.no_grad():
        assert not checkpoint(function, x, 3.0, bias=bias, names=[])[0].requires_grad


def test_autocast_is_as_it_was():
    w = rl.randn(4, 4, requires_grad=True)
    dtypes = []

    def function(x):
        y = x @ w
        dtypes.append(y.dtype)
        return y.float().sum()

    with rl.autocast("cpu"):
        y = checkpoint(function, rl.randn(2, 4), early_stop=False)
    y.backward()
    assert dtypes == [rl.bfloat16, rl.bfloat16]


def test_the_second_run_ends_early_unless_told_otherwise():
    runs = []

    def function(x):
        y = x.exp()
        runs.append(1)
        return y.sum()

    for early, expected in ((True, 1), (False, 2)):
        runs.clear()
        with room.set_checkpoint_early_stop(early):
            checkpoint(function, rl.ones(2, requires_grad=True)).backward()
        assert len(runs) == expected


def _changing(first, second):
    calls = iter((first, second))
    return lambda x: next(calls)(x)


@pytest.mark.parametrize("second", [
    lambda x: x.exp(), lambda x: x.exp().sin().cos().sin(), lambda x: x.sum().exp().sin()])
def test_a_function_that_changes_is_noticed(second):
    x = rl.ones(3, requires_grad=True)
    y = checkpoint(_changing(lambda x: x.exp().sin(), second), x, early_stop=False, debug=True)
    with pytest.raises(CheckpointError, match=r"(?s)checkpoint: when the function was.*first run: float32\[3\]"):
        y.sum().backward()


def test_a_changed_argument_is_noticed():
    x, w = rl.ones(3), rl.ones(3, requires_grad=True)
    y = checkpoint(lambda x: (x * w).sum(), x)
    x.add_(1)
    with pytest.raises(RuntimeError, match=r"checkpoint: tensor argument 0 of shape \(3,\) was modified by an inplace"):
        y.backward()


def test_bad_arguments():
    with pytest.raises(ValueError, match="determinism_check='no'"):
        checkpoint(rl.sin, rl.ones(1), determinism_check="no")
    for segments in (0, 3):
        with pytest.raises(ValueError, match=f"segments={segments} for 2 functions"):
            checkpoint_sequential([rl.sin, rl.cos], segments, rl.ones(1))


def test_an_exception_in_the_second_run_arrives():
    def fail(x):
        raise KeyError("lost")

    y = checkpoint(_changing(rl.exp, fail), rl.ones(2, requires_grad=True))
    with pytest.raises(KeyError, match="lost"):
        y.sum().backward()
    assert rl.ones(2, requires_grad=True).exp().grad_fn is not None  # no hook is left behind
