"""jit.trace: equal to the function, and its warnings."""
import warnings

import numpy as np
import pytest
from jit.programs import convolutional

import rushlight as rl
from rushlight.jit import TracerWarning, TracingCheckError


def test_module():
    module = convolutional()
    traced = rl.jit.trace(module, rl.randn(2, 3, 8, 8))
    assert list(traced.state_dict()) == list(module.state_dict())
    for n in (2, 1):
        x = rl.randn(n, 3, 8, 8)
        np.testing.assert_array_equal(traced(x).detach().numpy(), module(x).detach().numpy())
    traced(x).sum().backward()
    got = module[0].weight.grad.clone()
    module.zero_grad()
    module(x).sum().backward()
    np.testing.assert_array_equal(got.numpy(), module[0].weight.grad.numpy())
    assert "convolution" in traced.code and rl.jit.trace(traced, x) is traced


def test_structures():
    def program(pair, table):
        a, b = pair
        return a + table["w"], (b, [a * b])

    traced = rl.jit.trace(program, ((rl.ones(2), rl.zeros(2)), {"w": rl.ones(2)}))
    first, (second, (third,)) = traced((rl.ones(2) * 3, rl.ones(2)), {"w": rl.ones(2)})
    assert first.tolist() == [4, 4] and second.tolist() == [1, 1] and third.tolist() == [3, 3]
    with pytest.raises(RuntimeError, match="strict=False"):
        rl.jit.trace(lambda x: [x, x + 1], rl.ones(2))
    assert rl.jit.trace(lambda x: [x, x + 1], rl.ones(2), strict=False)(rl.zeros(1))[1].tolist() == [1]
    with pytest.raises(TypeError, match="holds int; expected tensors"):
        rl.jit.trace(lambda x, n: x, (rl.ones(2), 3))


def test_warnings():
    with pytest.warns(TracerWarning, match=r"test_trace\.py:\d+: a tensor's value left to Python by __bool__"):
        rl.jit.trace(lambda x: x * 2 if x.sum() > 0 else x, rl.ones(2))
    with pytest.warns(TracerWarning, match="draws random numbers"):
        rl.jit.trace(lambda x: x + rl.rand(2), rl.ones(2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rl.jit.trace(lambda x: x + 1, rl.ones(2))


def test_a_check_that_finds_a_difference():
    def by_value(x):
        return x * 2 if x.sum() > 0 else x * 3

    with pytest.warns(TracerWarning, match="result 0 of the program differs .* in 2 of 2"):
        rl.jit.trace(by_value, rl.ones(2), check_inputs=[(-rl.ones(2),)])
    calls = []

    def other_operators(x):
        calls.append(1)
        return x.exp() if len(calls) % 2 else x.log()

    with pytest.raises(TracingCheckError, match="node 0 was exp and is log"):
        rl.jit.trace(other_operators, rl.ones(2))


def test_tracing_leaves_inputs_streams_and_state():
    module = convolutional().train()
    x, before = rl.zeros(2, 3, 8, 8), module[1].running_var.clone()
    rl.manual_seed(3)
    expected = rl.rand(2)
    rl.manual_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TracerWarning)
        rl.jit.trace(lambda x: x.add_(1), x)
        rl.jit.trace(module, rl.randn(2, 3, 8, 8), check_trace=False)
    assert x.sum() == 0 and not rl.equal(before, module[1].running_var)      # the example is a call as any other
    rl.manual_seed(3)
    assert rl.equal(rl.rand(2), expected) and not rl.jit.is_tracing()
    state = module[1].running_var.clone()
    rl.jit.trace(module, rl.randn(2, 3, 8, 8).fill_(0.5))
    once = 0.9 * state + 0.1 * 0
    assert rl.allclose(module[1].running_var, once)


def test_an_error_in_the_program_ends_the_capture():
    def fails(x):
        raise KeyError("no")

    with pytest.raises(KeyError):
        rl.jit.trace(fails, rl.ones(2))
    assert not rl.jit.is_tracing()
    assert rl.jit.trace(lambda x: x + 1, rl.ones(2))(rl.ones(2)).tolist() == [2, 2]


def test_derivatives_may_be_traced_and_kept_gradients_may_not():
    weight = rl.randn(3, requires_grad=True)

    def slope(x):
        return rl.autograd.grad((x * weight).sin().sum(), weight)[0]

    traced = rl.jit.trace(slope, rl.randn(3))
    for _ in range(3):
        x = rl.randn(3)
        np.testing.assert_array_equal(traced(x).numpy(), slope(x).numpy())

    def walks(x):
        (x * weight).sum().backward()
        return weight.grad * 1

    with pytest.raises(RuntimeError, match="uses the gradients that tensors keep"):
        rl.jit.trace(walks, rl.randn(3))


def test_parts_of_a_traced_module_print_their_class():
    net = rl.nn.Sequential(rl.nn.Linear(2, 2), rl.nn.Sequential(rl.nn.Tanh(), rl.nn.Linear(2, 2)))
    for traced in (rl.jit.trace(net, rl.ones(1, 2)), rl.jit.trace_module(net, {"forward": rl.ones(1, 2)})):
        assert repr(traced) == """ScriptModule(
  original_name=Sequential
  (0): Linear(original_name=Linear)
  (1): Sequential(
    original_name=Sequential
    (1): Linear(original_name=Linear)
  )
)"""
