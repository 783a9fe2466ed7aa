"""Calls that change nothing go before a program is planned: the graphs before and after, and equal bits."""
import numpy as np
import pytest

import rushlight as rl
from rushlight import _C

SPECIAL = [0.0, -0.0, 1.5, -2.5, float("inf"), float("-inf"), float("nan"), 1e-40, -1e-40, 3e38, 7.0, -9.0]


def values(dtype):
    x = rl.tensor(SPECIAL, dtype=rl.float64)
    return x.to(dtype) if dtype.is_floating_point else rl.arange(-6, 6).to(dtype)


def bits(t):
    return t.detach().clone().contiguous().view({1: rl.uint8, 2: rl.int16, 4: rl.int32, 8: rl.int64}[
        t.element_size()]).numpy()


def prepared(function, *tensors):
    """The operators before and after the passes; the program gives the same bits as eager mode, planned too."""
    traced = rl.jit.trace(function, tensors, check_trace=False)
    graph = traced.graph
    after, _ = _C.graph.prepare(graph)
    _C.graph.parse(after.text())                         # a valid graph
    expected = function(*tensors)
    for _ in range(3):
        got = traced(*tensors)
        for a, b in zip(*((r if isinstance(r, tuple) else (r,)) for r in (expected, got)), strict=True):
            assert a.dtype == b.dtype and a.shape == b.shape
            np.testing.assert_array_equal(bits(a), bits(b))
    return [[node[0] for node in g.nodes] for g in (graph, after)]


NEUTRAL = [
    lambda x: x * 1, lambda x: 1 * x, lambda x: x * 1.0, lambda x: x / 1, lambda x: x**1, lambda x: x - 0,
    lambda x: x - 0.0, lambda x: rl.neg(-x), lambda x: x + -0.0, lambda x: -0.0 + x,
]


@pytest.mark.parametrize("dtype", [rl.float32, rl.float64, rl.bfloat16, rl.float16], ids=str)
@pytest.mark.parametrize("which", range(len(NEUTRAL)))
def test_neutral_calculations_go(which, dtype):
    function = NEUTRAL[which]
    before, after = prepared(lambda x: function(x.abs()).sqrt(), values(dtype))
    assert len(before) > 2 and after == ["abs", "sqrt"]
    before, after = prepared(lambda x: function(x).exp(), values(dtype))
    assert after == ["exp"]


@pytest.mark.parametrize("dtype", [rl.int64, rl.int32, rl.uint8], ids=str)
def test_neutral_calculations_of_integers_go(dtype):
    for function in (lambda x: x * 1, lambda x: x + 0, lambda x: 0 + x, lambda x: x - 0, lambda x: x**1,
                     lambda x: rl.neg(-x)):
        assert prepared(lambda x, function=function: function(x) * 3, values(dtype))[1] == ["mul"]


@pytest.mark.parametrize("function,operators", [
    (lambda x: (x + 0).exp(), ["add", "exp"]),                            # -0.0 + 0.0 is 0.0
    (lambda x: (0 + x).exp(), ["add", "exp"]),
    (lambda x: (x - -0.0).exp(), ["sub", "exp"]),
    (lambda x: (0 - x).exp(), ["sub", "exp"]),
    (lambda x: (1 / x).exp(), None),
    (lambda x: (1**x).exp(), None),
    (lambda x: x.exp().log().sin(), ["exp", "log", "sin"]),               # not the same bits
    (lambda x: rl.div(x, 1, rounding_mode="floor").exp(), None),
    (lambda x: (x.int() / 1).exp(), None),                                # another dtype
    (lambda x: (x > 0) * 1 + 2, None),
    (lambda x: x * 1, ["mul"]),                                           # an output is a tensor of its own
    (lambda x: rl.neg(-x), ["neg", "neg"]),
    (lambda x: (x * 1).add_(1).exp(), ["mul", "add", "exp"]),             # and so is what is written
    (lambda x: rl.add(x, 0, alpha=2).exp(), None),
    (lambda x: (x[:1] * 1).exp(), None),                                  # a copy without gaps, which
    (lambda x: (x[::2] * 1).as_strided((3,), (1,)).exp(), None),          # shows others in its place
    (lambda x: (x[:1].expand(4) - 0).view(2, 2).exp(), None),
    (lambda x: rl.neg(-x.view(3, 4)[:, 1:]).view(9).exp(), None),
    (lambda x: (x.view(3, 4).t() * 1).exp(), ["view", "transpose", "exp"]),
    (lambda x: (x * x.new_ones(2, 1)).exp(), None),                       # broadcast
])
def test_what_changes_something_stays(function, operators):
    before, after = prepared(function, values(rl.float32))
    assert after == (before if operators is None else operators)


def test_complex_products_with_one_stay():
    before, after = prepared(lambda x: (x * 1).exp(), rl.tensor([1 + 2j, complex(float("inf"), 0), -0.0 + 0j]))
    assert before == after


def test_what_is_written_between_is_read_before():
    def function(x):
        y = x.exp()
        same = y * 1
        y.add_(1)
        return same + y

    assert prepared(function, values(rl.float32))[1].count("mul") == 1


@pytest.mark.parametrize("function,operators", [
    (lambda x: x.float().exp(), ["exp"]),
    (lambda x: x.view(3, 4).exp(), ["exp"]),
    (lambda x: x.expand(3, 4).exp(), ["exp"]),
    (lambda x: x.squeeze().exp(), ["exp"]),
    (lambda x: x.detach().exp(), ["exp"]),
    (lambda x: x.view(12).view(3, 4).exp(), ["exp"]),
    (lambda x: x.view(12).view(2, 6).exp(), ["view", "exp"]),
    (lambda x: x.t().t().exp(), ["exp"]),
    (lambda x: x.transpose(0, -1).transpose(1, 0).exp(), ["exp"]),
    (lambda x: x.permute(1, 0).permute(-1, 0).exp(), ["exp"]),
    (lambda x: x.view(2, 3, 2).permute(2, 0, 1).permute(1, 2, 0).sum(-1), ["view", "sum"]),
    (lambda x: x.view(2, 3, 2).permute(2, 0, 1).permute(1, 0, 2).sum(-1), ["view", "permute", "sum"]),
    (lambda x: x.view(2, 3, 2).transpose(0, 1).transpose(1, 2).sum(-1), ["view", "transpose", "transpose", "sum"]),
    (lambda x: x.view(12).view(3, 4), ["view"]),                          # an output is a view of its own
    (lambda x: x.half().float().exp(), ["to_dtype", "to_dtype", "exp"]),
])
def test_views_that_show_the_same_go(function, operators):
    before, after = prepared(function, rl.arange(12.0).view(3, 4))
    assert after == operators and len(before) >= len(after)


def test_a_view_that_is_written_is_written_through():
    def function(x):
        y = x.exp()
        y.view(3, 4).add_(1)
        return y * 2, y.view(12).view(3, 4)[1].exp()

    prepared(function, rl.arange(12.0).view(3, 4))


def test_the_report_tells():
    @rl.compile
    def function(x):
        return (x * 1 - 0).exp()

    with rl.no_grad():
        for _ in range(3):
            function(rl.ones(3))
    assert "dropped or joined: 2 calls that change nothing" in function.report()
    assert "mul" in function.calls[0].text                # the graph stays as it was captured
