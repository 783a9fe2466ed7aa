"""Scripted programs whose steps run by plans: what the Python function gives, whatever changes between calls."""
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import rushlight as rl

TURNS = 6                                            # the second call makes a plan, the fourth runs on it


def equal(got, expected):
    if isinstance(expected, tuple | list):
        assert len(got) == len(expected)
        for a, b in zip(got, expected, strict=True):
            equal(a, b)
    elif isinstance(expected, rl.Tensor):
        np.testing.assert_array_equal(got.numpy(), expected.numpy())
    else:
        assert got == expected


def agrees(function, *calls):
    scripted = rl.jit.script(function)
    with rl.no_grad():
        for _ in range(TURNS):
            for args in calls:
                equal(scripted(*args), function(*args))
    return scripted


def straight(x, w, b):
    y = rl.nn.functional.linear(x, w, b)
    return rl.tanh(y) * y + x.shape[0]


def test_shapes_and_dtypes_have_plans_of_their_own():
    args = [(rl.randn(n, 3), rl.randn(4, 3), rl.randn(4)) for n in (1, 5, 2, 7, 9, 5)]
    args.append(tuple(t.double() for t in args[0]))
    args.append((rl.randn(3, 6).t(), *args[0][1:]))
    agrees(straight, *args)


def made(x):
    y = rl.zeros([3]) + x
    return y * rl.ones([3])


def test_the_default_dtype_changes():
    scripted = rl.jit.script(made)
    try:
        for _ in range(TURNS):
            for dtype in (rl.float32, rl.float64):
                rl.set_default_dtype(dtype)
                assert scripted(rl.ones(3, dtype=rl.float16)).dtype == dtype
    finally:
        rl.set_default_dtype(rl.float32)


def placed(x):
    y = x.as_strided([2], [1], 4) * 2
    return y + x.sum()


def test_places_in_the_whole_memory():
    base = rl.arange(20.0)
    agrees(placed, *[(base[k:k + 8],) for k in (0, 4, 6)])


def recurrent(x, h, w, u):
    out: list[rl.Tensor] = []
    for i in range(x.shape[0]):
        h = rl.tanh(x[i] @ w + h @ u)
        if i % 2 == 0:
            out.append(h)
    return rl.stack(out), h


def test_loops():
    agrees(recurrent, *[(rl.randn(n, 2, 3), rl.zeros(2, 4), rl.randn(3, 4), rl.randn(4, 4)) for n in (9, 3, 30)])


def decided(x, limit: float, times: int, extra: rl.Tensor | None):
    for _ in range(times):
        if float(x.abs().max()) > limit:
            x = x * 0.5 - 1
            x = x.relu()
        else:
            x = x + 1
            x = x * 3
    if extra is not None:
        x = x - extra
        x = x.exp()
    return x


def test_values_decide():
    x = rl.tensor([1.0, -2.0])
    agrees(decided, (x, 10.0, 7, None), (x, 0.5, 7, x * 2), (x * 100, 10.0, 3, None), (x, float("inf"), 7, x))


def twice(a, b):
    c = a * 2 + b
    d = c - a
    return a, c, d, c.view(-1)


def test_arguments_that_are_one_tensor_or_share_memory():
    x, y = rl.randn(2, 3), rl.randn(2, 3)
    whole = rl.randn(4, 3)
    calls = [(x, x), (x, y), (y, x), (whole[:2], whole[2:]), (whole[:2], whole[1:3])]
    agrees(twice, *calls, *reversed(calls))
    assert rl.jit.script(twice)(x, y)[0] is x


def in_place(x, y):
    z = x * 2 + y
    v = z[0]
    v.add_(1)
    w = z * 3 - v
    x.mul_(2)
    return w + x


def test_changes_in_place_happen_each_time():
    scripted = rl.jit.script(in_place)
    for _ in range(TURNS):
        a, b, y = rl.ones(2, 2), rl.ones(2, 2), rl.randn(2, 2)
        equal(scripted(a, y), in_place(b, y))
        equal(a, b)


def test_results_are_memory_of_their_own():
    scripted = rl.jit.script(straight)
    args = (rl.randn(2, 3), rl.randn(4, 3), rl.randn(4))
    results = [scripted(*args) for _ in range(TURNS)]
    expected = straight(*args)
    for i, one in enumerate(results):
        equal(one, expected)
        one.fill_(float(i))
    assert [float(one[0, 0]) for one in results] == [float(i) for i in range(TURNS)]


def views(x):
    y = x.reshape(2, -1)
    return y.t(), y[0]


def test_views_that_a_plan_gives_are_views():
    scripted = rl.jit.script(views)
    for _ in range(TURNS):
        x, weight = rl.randn(8), rl.randn(4, requires_grad=True)
        a, b = scripted(x)
        a.mul_(2)
        equal(b, x[:4])
        b.copy_(weight * 3)                           # on the tape, though the view was made by a plan
        x.sum().backward()
        equal(weight.grad, rl.full((4,), 3.0))


def told(x, n: int):
    y = x.reshape(2, -1)
    z = y.abs() + 1
    row = y[0]
    if n > 3:
        row = y[1]
        print("row 1")
    return row, z


def test_views_of_what_no_plan_can_do_are_views(capsys):
    scripted = rl.jit.script(told)
    for _ in range(TURNS):
        x, weight = rl.randn(8), rl.randn(4, requires_grad=True)
        row, _ = scripted(x, 5)
        row.copy_(weight * 3)                         # on the tape, though the steps were watched without gradients
        x.sum().backward()
        equal(weight.grad, rl.full((4,), 3.0))
    assert capsys.readouterr().out == "row 1\n" * TURNS


def test_gradients_come_and_go():
    scripted = rl.jit.script(straight)
    x, w, b = rl.randn(2, 3), rl.randn(4, 3), rl.randn(4)
    for i in range(3 * TURNS):
        if i % 3 == 2:
            weights = [w.clone().requires_grad_() for _ in range(2)]
            for function, weight in zip((scripted, straight), weights, strict=True):
                function(x, weight, b).sum().backward()
            equal(weights[0].grad, weights[1].grad)
        else:
            got = scripted(x, w, b)
            assert not got.requires_grad
            equal(got, straight(x, w, b))


class Counting(rl.nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = rl.nn.BatchNorm1d(3)
        self.drop = rl.nn.Dropout(0.5)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        y = self.drop(self.norm(x) * 2)
        if self.training:
            y = y + self.calls
        return y.relu() - self.calls


def test_modules_whose_state_changes():
    module = Counting()
    scripted = rl.jit.script(Counting())
    scripted.load_state_dict(module.state_dict())
    x = rl.randn(5, 3)
    with rl.no_grad():
        for turn in range(4 * TURNS):
            for one in (module, scripted):
                one.train(turn // TURNS % 2 == 1)
            rl.manual_seed(turn)
            expected = module(x)
            rl.manual_seed(turn)
            equal(scripted(x), expected)
            equal(scripted.norm.running_mean, module.norm.running_mean)
            assert scripted.calls == module.calls
            if turn == TURNS:
                for one in (module, scripted):
                    one.norm.weight.fill_(3.0)


def checked(x, index):
    y = x * 2 + 1
    return rl.nn.functional.embedding(index, y)


def test_errors_of_a_plan_name_the_line():
    scripted = rl.jit.script(checked)
    x = rl.randn(3, 2)
    for _ in range(TURNS):
        equal(scripted(x, rl.tensor([0, 2])), checked(x, rl.tensor([0, 2])))
    with pytest.raises(IndexError, match=r"test_stretches.py:\d+"):
        scripted(x, rl.tensor([0, 3]))
    equal(scripted(x, rl.tensor([1, 1])), checked(x, rl.tensor([1, 1])))


def drawn(x):
    y = rl.nn.functional.dropout(x * 2, 0.5, True)
    return y + rl.rand_like(y)


def test_random_numbers_are_new_each_time():
    scripted = rl.jit.script(drawn)
    x = rl.randn(20)
    for turn in range(TURNS):
        rl.manual_seed(turn)
        expected = drawn(x), drawn(x)
        rl.manual_seed(turn)
        equal((scripted(x), scripted(x)), expected)




def test_calls_of_others_and_of_itself():
    x = rl.randn(3)
    agrees(annotated, *[(x, n) for n in range(9)])


def annotated(x, n: int) -> rl.Tensor:
    if n <= 0:
        return x * 2 + 1
    return annotated(x * 0.5 - 1, n - 1)


def inner(x, k: int, flag: bool):
    y = x * k
    return (y + 1, y.shape[0]) if flag else (y - 1, 0)


def outer(x, k: int):
    total = x
    for i in range(k):
        a, n = inner(x, i, i % 2 == 0)
        total = total + a * n
    return total


def test_inlined_graph_has_no_calls():
    scripted = agrees(outer, (rl.randn(4), 5))
    assert "call inner" in scripted.graph.text()
    assert "call" not in scripted.inlined_graph.text()
    assert "call annotated" in rl.jit.script(annotated).inlined_graph.text()
    traced = rl.jit.trace(lambda x: x + 1, rl.ones(2))
    assert traced.inlined_graph.text() == traced.graph.text()


def test_threads_share_a_program():
    scripted = rl.jit.script(recurrent)
    args = [(rl.randn(n, 2, 3), rl.zeros(2, 4), rl.randn(3, 4), rl.randn(4, 4)) for n in range(1, 9)]
    expected = [recurrent(*one) for one in args]
    with rl.no_grad(), ThreadPoolExecutor(4) as pool:
        for _ in range(10):
            equal(list(pool.map(lambda one: scripted(*one), args)), expected)
