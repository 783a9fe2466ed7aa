"""Compiled programs: equal to eager, captured anew when what was taken for granted changes."""
import collections
import copy
import pickle
import threading
import warnings

import numpy as np
import pytest
from jit.programs import convolutional, draws, views_and_writes

import rushlight as rl
from rushlight.jit import CompileWarning


def same(a, b):
    np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


def test_module_equals_eager_for_several_shapes():
    module = convolutional()
    compiled = rl.compile(module, fullgraph=True)
    with rl.no_grad():
        for n in (1, 2, 1, 3, 2, 1):
            x = rl.randn(n, 3, 8, 8)
            same(compiled(x), module(x))
    assert len(compiled.graphs) == 3 and "6 nodes; planned: 5 direct, 0 dispatched" in compiled.report()
    assert compiled.training is False and next(iter(compiled.state_dict())) == "_orig_mod.0.weight"


def test_writes_and_views():
    compiled = rl.compile(views_and_writes, fullgraph=True)
    for _ in range(4):
        x = rl.randn(2, 3)
        for a, b in zip(compiled(x), views_and_writes(x), strict=True):
            same(a, b)


def test_random_numbers_come_from_the_same_stream():
    compiled = rl.compile(draws, fullgraph=True)
    for _ in range(3):
        rl.manual_seed(5)
        a = compiled(rl.ones(2, 3)), rl.rand(2)
        rl.manual_seed(5)
        b = draws(rl.ones(2, 3)), rl.rand(2)
        same(a[0], b[0])
        same(a[1], b[1])


def test_parameters_are_by_reference_and_running_statistics_advance():
    module, twin = convolutional().train(), convolutional().train()
    compiled = rl.compile(module, fullgraph=True)
    with rl.no_grad():
        for _ in range(4):
            x = rl.randn(2, 3, 8, 8)
            same(compiled(x), twin(x))
            same(module[1].running_mean, twin[1].running_mean)
            assert module[1].num_batches_tracked == twin[1].num_batches_tracked
            for m in (module, twin):
                m[5].bias.add_(1)
    assert len(compiled.graphs) == 1 and "1.running_mean" in compiled.graphs[0].states


def test_inputs_that_are_written_are_written():
    compiled = rl.compile(lambda x: x.add_(1) * 2, fullgraph=True)
    x = rl.zeros(3)
    for n in (1, 2, 3):
        assert compiled(x).tolist() == [2.0 * n] * 3 and x.tolist() == [float(n)] * 3


def test_what_changes_is_captured_anew():
    module = rl.nn.Sequential(rl.nn.Linear(3, 3), rl.nn.Dropout(0.5)).eval()
    compiled = rl.compile(module)
    x = rl.randn(2, 3)
    with rl.no_grad():
        same(compiled(x), module(x))
        module.train()
        rl.manual_seed(0)
        a = compiled(x)
        rl.manual_seed(0)
        same(a, module(x))
        module.eval()
        module[0].weight = rl.nn.Parameter(rl.eye(3))
        same(compiled(x), module(x))
        same(compiled(x.t().contiguous().t()), module(x))
    assert len(compiled.graphs) == 4
    power = rl.compile(lambda x, n, by=1.0: x ** n * by)
    assert [power(rl.tensor([2.0]), n).item() for n in (1, 2, 3, 2)] == [2, 4, 8, 4] and len(power.graphs) == 3
    assert power(rl.tensor([2.0]), 2, by=3).item() == 12 and power(rl.tensor([2]), 2).item() == 4


def test_values_that_leave_to_python():
    def branches(x):
        return x * 2 if x.sum() > 0 else x * 3

    compiled = rl.compile(branches)
    with pytest.warns(CompileWarning, match=r"test_compile\.py:\d+ a tensor's value leaves to Python by __bool__"):
        assert compiled(rl.ones(2)).tolist() == [2, 2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compiled(-rl.ones(2)).tolist() == [-3, -3]
    leaks = [branches, lambda x: x * x.max().item(), lambda x: x + rl.tensor(x.numpy()), lambda x: x * x.tolist()[0],
             lambda x: x + rl.tensor(x), lambda x: x[: int(x.sum())], lambda x: x * rl.nonzero(x).shape[0]]
    for leak in leaks:
        with pytest.raises(RuntimeError, match=r"no single graph.*test_compile\.py:\d+"):
            rl.compile(leak, fullgraph=True)(rl.ones(2))


def test_memory_changed_past_the_operators_is_refused():
    weight = rl.nn.Parameter(rl.ones(2))
    weight.grad = rl.ones(2)
    optimizer = rl.optim.SGD([weight], 0.1)

    def step(x):
        y = x * weight.detach()
        optimizer.step()
        return y + weight.detach()

    twin = rl.ones(2)
    compiled = rl.compile(step)
    for _ in range(3):
        before = twin.clone()
        twin -= 0.1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CompileWarning)
            np.testing.assert_allclose(compiled(rl.ones(2)).numpy(), (before + twin).numpy(), rtol=1e-6)


def test_gradients():
    module = convolutional()
    compiled = rl.compile(module)
    x = rl.randn(2, 3, 8, 8)
    compiled(x).sum().backward()
    got = [p.grad.clone() for p in module.parameters()]
    module.zero_grad()
    module(x).sum().backward()
    for a, p in zip(got, module.parameters(), strict=True):
        same(a, p.grad)
    weight = rl.nn.Parameter(rl.ones(3))
    closed = rl.compile(lambda x: (x * weight).sum())
    for _ in range(3):
        weight.grad = None
        closed(rl.tensor([1.0, 2.0, 3.0])).backward()
        assert weight.grad.tolist() == [1, 2, 3]


def test_gradients_of_memory_that_was_written_through_a_view():
    def row_scaled(x):
        y = x * 2
        y[0].mul_(3)
        return y.sum() + y.t()[1].sum() + y[1:].tanh().sum()

    def joined_later(x):
        y = rl.zeros(3, 4)
        y[1] = x[0]
        y[:, 2].add_(x[:, 0])
        return (y * y).sum() + y[1].exp().sum()

    for function in (row_scaled, joined_later):
        compiled, traced = rl.compile(function, fullgraph=True), rl.jit.trace(function, rl.randn(3, 4))
        for _ in range(3):
            x = rl.randn(3, 4, requires_grad=True)
            expected = rl.autograd.grad(function(x), x)[0]
            same(rl.autograd.grad(compiled(x), x)[0], expected)
            same(rl.autograd.grad(traced(x), x)[0], expected)


def test_memory_that_a_detached_tensor_changes_keeps_its_gradient():
    def scaled(x):
        y = x * 2
        y.detach().mul_(3)
        with rl.no_grad():                           # the first to read what was written
            shift = y - y
        return (y + shift).sum()

    compiled = rl.compile(scaled)
    with pytest.warns(CompileWarning, match="after a detached one changed its memory"):
        compiled(rl.ones(2, requires_grad=True))
    x = rl.ones(2, requires_grad=True)
    compiled(x).backward()
    assert x.grad.tolist() == [2, 2]
    assert rl.compile(scaled, fullgraph=True)(rl.ones(2)).item() == 12
    with pytest.warns(rl.jit.TracerWarning, match="gradients of the trace do not pass there"):
        rl.jit.trace(scaled, rl.ones(2, requires_grad=True))


def test_changes_of_arguments_are_recorded():
    def doubled(y):
        y.mul_(2)

    compiled = rl.compile(doubled, fullgraph=True)
    for _ in range(3):
        x = rl.ones(2, requires_grad=True)
        y = x * 3
        compiled(y)
        y.sum().backward()
        assert x.grad.tolist() == [6, 6]


def test_the_backward_of_a_custom_function_is_asked():
    class Clipped(rl.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clamp(-1, 1)

        @staticmethod
        def backward(ctx, grad):
            return grad * 10

    def outside(x):
        return Clipped.apply(x * 2).sum()

    def inside(x):
        outside(x).backward()
        return x + 0

    compiled = rl.compile(outside)
    with pytest.warns(CompileWarning, match="a gradient through Clipped.*, whose backward a walk outside"):
        compiled(rl.ones(2, requires_grad=True))
    for _ in range(3):
        x = rl.ones(2, requires_grad=True)
        compiled(x).backward()
        assert x.grad.tolist() == [20, 20]
    with rl.no_grad():
        assert rl.compile(outside, fullgraph=True)(rl.ones(2)).item() == 2
    walks = rl.compile(inside)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CompileWarning)
        for _ in range(4):
            x = rl.ones(2, requires_grad=True)
            walks(x)
            assert x.grad.tolist() == [20, 20]
    with pytest.warns(rl.jit.TracerWarning, match="not of its backward"):
        rl.jit.trace(outside, rl.ones(2, requires_grad=True))


def test_out_that_is_resized_is_refused():
    def added(x, out):
        return rl.add(x, x, out=out) * 2

    compiled = rl.compile(added)
    with pytest.warns(CompileWarning, match="add resized the tensor that it was given by out="):
        compiled(rl.ones(5), rl.zeros(0))
    for _ in range(2):
        out = rl.zeros(0)
        assert compiled(rl.ones(5), out).tolist() == [4] * 5 and out.tolist() == [2] * 5


def test_zero_and_minus_zero_are_different_arguments():
    compiled = rl.compile(lambda x, by: x / by)
    for by in (0.0, -0.0, 0.0, -0.0):
        assert compiled(rl.ones(1), by).item() == (np.inf if np.signbit(by) == 0 else -np.inf)


def test_threads_share_a_program():
    module = convolutional()
    compiled = rl.compile(module, fullgraph=True)
    inputs = [rl.randn(2, 3, 8, 8) for _ in range(8)]
    with rl.no_grad():
        expected = [module(x) for x in inputs]
        compiled(inputs[0])
    wrong = []

    def work(i):
        with rl.no_grad():
            for _ in range(30):
                if not rl.equal(compiled(inputs[i]), expected[i]):
                    wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_outputs_are_new_tensors():
    compiled = rl.compile(lambda x: (x + 1, x.view(-1), x), fullgraph=True)
    x = rl.zeros(2, 2)
    results = [compiled(x) for _ in range(3)]
    results[0][0].fill_(9)
    assert results[1][0].tolist() == [[1, 1], [1, 1]] and results[2][0].tolist() == [[1, 1], [1, 1]]
    results[2][1].fill_(4)
    assert x.tolist() == [[4, 4], [4, 4]] and results[2][2].tolist() == x.tolist()


def test_two_names_of_one_tensor():
    compiled = rl.compile(lambda a, b: a * 2 + b)
    x, y = rl.ones(2), rl.full((2,), 5.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CompileWarning)
        assert compiled(x, x).tolist() == [3, 3] and compiled(x, y).tolist() == [7, 7]


def test_wrong_use():
    with pytest.raises(TypeError, match="expected a function or a module"):
        rl.compile(3)
    program = rl._C.graph.Program(rl.jit.trace(lambda x: x + 1, rl.ones(2)).graph)
    with pytest.raises(ValueError, match=r"input input is float32 of shape \(3,\); expected float32 of shape \(2,\)"):
        program.run(rl.ones(3))
    with pytest.raises(TypeError, match="got 2 tensors; expected 1"):
        program.run(rl.ones(2), rl.ones(2))


def test_copies_and_pickles_of_compiled_modules():
    module = rl.nn.Linear(3, 2)
    compiled = rl.compile(module)
    x = rl.randn(4, 3)
    expected = compiled(x)
    for again in (copy.deepcopy(compiled), pickle.loads(pickle.dumps(compiled))):
        assert again(x).equal(expected) and again(x).equal(expected) and again.graphs
        assert again.weight is not module.weight
        with rl.no_grad():
            again.weight.zero_()
    assert compiled(x).equal(expected)


Pair = collections.namedtuple("Pair", "low high")


def test_named_tuples():
    x = rl.tensor([[3., 1.], [2., 5.]])
    for function in (lambda x: x.max(1), lambda x: (x.sort(1), 3), lambda x: Pair(x - 1, [x + 1]),
                     lambda x: Pair(x, 2)):
        compiled = rl.compile(function, fullgraph=True)
        for given in (x, x, x + 1, x[:1]):
            expected, got = function(given), compiled(given)
            assert type(expected) is type(got) and repr(expected) == repr(got)
    added = rl.compile(lambda pair: pair.low + pair.high * 2, fullgraph=True)
    for pair in (Pair(x, x + 1), Pair(x, x * 2), Pair(x + 1, x)):
        assert added(pair).equal(pair.low + pair.high * 2)


def test_one_tensor_as_several_arguments():
    attention = rl.nn.MultiheadAttention(8, 2).eval()
    x = rl.randn(5, 3, 8)
    compiled = rl.compile(attention, fullgraph=True)
    with rl.no_grad():
        for given in ((x, x, x), (x, x, x), (x, x * 2, x), (x + 1,) * 3, (x[:4],) * 3):
            assert compiled(*given)[0].equal(attention(*given)[0])

    def step(a, rest, b=None):
        a.mul_(2)
        return a + rest[0] if rest[0] is b else a - rest[0]

    compiled = rl.compile(step, fullgraph=True)
    for _ in range(2):
        for alike in (False, True):
            ours, theirs = ((t, [o if alike else t], {"b": o}) for t, o in ((x.clone(), x + 1), (x.clone(), x + 1)))
            got, expected = compiled(*ours[:2], **ours[2]), step(*theirs[:2], **theirs[2])
            assert got.equal(expected) and ours[0].equal(theirs[0])
