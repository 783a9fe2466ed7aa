"""Graphs whose sizes may vary: against eager mode at sizes that the program was not captured with."""

import io

import pytest

import rushlight as rl
from rushlight import _C
from rushlight.jit._symbolic import generalize

graph = _C.graph


def calls(function):
    def counted(*args):
        counted.count += 1
        return function(*args)
    counted.count = 0
    return counted


def lstm():
    return rl.nn.LSTM(5, 6, batch_first=True).eval(), (3, 4, 5), [{0: "N", 1: "T"}]


def encoder():
    return rl.nn.TransformerEncoderLayer(16, 4, 32, batch_first=True).eval(), (1, 7, 16), [{0: "N", 1: "T"}]


def network():
    layers = rl.nn.Conv2d(3, 8, 3), rl.nn.BatchNorm2d(8), rl.nn.ReLU(), rl.nn.AdaptiveAvgPool2d(2), rl.nn.Flatten()
    return rl.nn.Sequential(*layers, rl.nn.Linear(32, 10)).eval(), (4, 3, 8, 8), None


@pytest.mark.parametrize("make", [lstm, encoder, network])
def test_every_size_equals_eager_mode_traced_and_loaded(make):
    module, shape, dims = make()
    first = rl.randn(shape)
    traced = rl.jit.trace(module, (first,), strict=False, dynamic_shapes=dims)
    file = io.BytesIO()
    traced.save(file)
    loaded = rl.jit.load(io.BytesIO(file.getvalue()))
    with rl.no_grad():
        for n in (1, 2, 3, 8):
            for t in ((1, 2, 9) if dims else (shape[1],)):
                x = rl.randn(n, t, *shape[2:])
                expected = module(x)
                for program in (traced, loaded):
                    got = program(x)
                    while isinstance(got, tuple):
                        got, expected = got[0], expected[0]
                    assert got.equal(expected)
                    expected = module(x)


def test_a_program_is_captured_at_a_few_sizes_and_no_more():
    function = calls(lambda x: (x.reshape(-1, 2) * 2).mean() + x.sum() / x.shape[0])
    traced = rl.jit.trace(function, rl.randn(6, 4), check_trace=False)
    assert function.count == 1
    for n in (3, 9):
        traced(rl.randn(n, 4))
    settled = function.count
    for n in (12, 1, 40):
        x = rl.randn(n, 4)
        assert traced(x).equal(function(x))
    assert function.count == settled + 3


def test_gradients_at_other_sizes():
    layer = rl.nn.Linear(3, 2)
    traced = rl.jit.trace(layer, rl.randn(4, 3))
    x = rl.randn(7, 3)
    traced(x).square().mean().backward()
    got = layer.weight.grad.clone()
    layer.zero_grad()
    layer(x).square().mean().backward()
    assert got.equal(layer.weight.grad)


def test_two_inputs_vary_together_and_others_stay():
    traced = rl.jit.trace(lambda a, b, c: (a * b).sum(1) + c, (rl.randn(4, 3), rl.randn(4, 3), rl.randn(1)))
    a, b, c = rl.randn(9, 3), rl.randn(9, 3), rl.randn(1)
    assert traced(a, b, c).equal((a * b).sum(1) + c)
    assert len(traced._captures.families) == 1


def test_sizes_that_decide_keep_a_graph_each():
    def doubled_when_few(x):
        return x * 2 if len(x) < 3 else x + 1
    traced = rl.jit.trace(doubled_when_few, rl.ones(4))
    for n in (2, 3, 5, 1):
        assert traced(rl.ones(n)).equal(doubled_when_few(rl.ones(n)))
    assert not traced._captures.families

    def one_is_different(x):
        return x.squeeze() * 2
    traced = rl.jit.trace(one_is_different, rl.ones(4, 3))
    for n in (5, 1, 2):
        assert traced(rl.ones(n, 3)).shape == one_is_different(rl.ones(n, 3)).shape
    assert traced._captures.families[0].least == 2


def test_modes_stay_those_of_the_trace():
    module = rl.nn.Sequential(rl.nn.Linear(3, 3), rl.nn.Dropout(0.5)).eval()
    traced = rl.jit.trace(module, rl.randn(2, 3))
    module.train()
    x = rl.randn(5, 3)
    got = traced(x)
    assert module.training and module[1].training and got.equal(module[0](x))


def test_capturing_at_other_sizes_changes_neither_streams_nor_statistics():
    module = rl.nn.BatchNorm1d(3).train()
    traced = rl.jit.trace(lambda x: rl.nn.functional.dropout(module(x), 0.5), rl.randn(4, 3), check_trace=False)
    x, mean, stream = rl.randn(6, 3), module.running_mean.clone(), rl.get_rng_state()
    got = traced(x)
    assert not module.running_mean.equal(mean)
    after = module.running_mean.clone()
    module.running_mean.copy_(mean)
    rl.set_rng_state(stream)
    expected = rl.nn.functional.dropout(module(x), 0.5)
    assert got.equal(expected) and module.running_mean.equal(after)


def test_programs_for_many_sizes_are_let_go():
    traced = rl.jit.trace(lambda x: x * 2, rl.ones(4))
    for n in range(1, 200):
        assert traced(rl.ones(n)).sum() == 2 * n
    assert len(traced._captures.by_signature) < 70


@pytest.mark.parametrize("dims, text", [([], "0 entries for 1"), ([{3: "N"}], "dimension 3"), ([{0: "a b"}], "'a b'")])
def test_dynamic_shapes_that_do_not_fit(dims, text):
    with pytest.raises(ValueError, match=text):
        rl.jit.trace(lambda x: x, rl.ones(4), dynamic_shapes=dims)


# ---- the text -------------------------------------------------------------------------------------------------------

def test_expressions():
    text = 'graph f(%x: float32[<N>, 3, <2*T+1>], %y: int64[<N*T>]) { [<-1*N+4>, <3*N-2>], "<a>", <0.5/N> }'
    assert graph.symbols(text) == ["N", "T"]
    assert graph.solve(text, [[4, 3, 7], [12]]) == {"N": 4, "T": 3}
    assert graph.solve(text, [[4, 3, 7], [13]]) is None and graph.solve(text, [[4, 3, 6], [12]]) is None
    assert graph.solve(text, [[4, 3, 7]]) is None and graph.solve(text, [[0, 3, 7], [0]]) is None
    assert graph.instantiate(text, {"N": 4, "T": 3}) == (
        'graph f(%x: float32[4, 3, 7], %y: int64[12]) { [0, 10], "<a>", 0.125 }')


@pytest.mark.parametrize("function", [
    lambda n, t: 7, lambda n, t: n, lambda n, t: 3 * n - 1, lambda n, t: n * t, lambda n, t: 2 * n * t - t + 5,
    lambda n, t: -n, lambda n, t: 1.0 / n, lambda n, t: 0.1 / t])
def test_what_follows_from_sizes_is_found(function):
    texts = {(n, t): f"view(%2, [{function(n, t)}])" for n in (2, 3) for t in (2, 3)}
    text = generalize(["N", "T"], texts)
    for n, t in ((5, 7), (1, 100), (64, 3)):
        assert graph.instantiate(text, {"N": n, "T": t}) == f"view(%2, [{function(n, t)}])"


@pytest.mark.parametrize("texts", [{(2,): "a", (3,): "a b"}, {(2,): "add", (3,): "sub"}, {(2,): "0.5", (3,): "0.75"},
                                   {(2,): '"1"', (3,): '"2"'}, {(2,): "1", (3,): "1.5"}])
def test_other_differences_are_refused(texts):
    assert generalize(["N"], texts) is None


@pytest.mark.parametrize("text", ["<>", "<N+>", "<*N>", "<1/>", "<0.5/N*M>", "<", "<9999999999999999999*N>", "<N N>",
                                  "<2*N*>", "<N*N*N*N>", "<" + "N" * 40 + ">", "<1e999/N>", "<N/2>"])
def test_damaged_expressions_are_refused(text):
    with pytest.raises(ValueError, match="graph: "):
        graph.instantiate(text, {"N": 1 << 20, "M": 1})


def test_a_size_that_is_not_told_or_too_small():
    with pytest.raises(ValueError, match="size M is not told"):
        graph.instantiate("<M>", {"N": 1})
    with pytest.raises(ValueError, match="size N is 0; expected 1 or more"):
        graph.instantiate("<N>", {"N": 0})


# ---- compiled calls -------------------------------------------------------------------------------------------------

def training(seed=3):
    rl.manual_seed(seed)
    layers = rl.nn.Conv2d(1, 4, 3), rl.nn.BatchNorm2d(4), rl.nn.ReLU(), rl.nn.Flatten(), rl.nn.Dropout(0.3)
    model = rl.nn.Sequential(*layers, rl.nn.Linear(4 * 36, 10))
    return model, rl.optim.Adam(model.parameters(), lr=1e-2)


RUNS = rl.ones(1)                                    # no guard sees attributes of tensors
RUNS.count = 0


def stepper(model, optimizer):
    def step(x, y):
        RUNS.count += 1
        optimizer.zero_grad()
        loss = rl.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss
    return step


@pytest.mark.parametrize("dynamic, runs", [
    (None, [1, 1, 0, 1, 1, 0, 0, 0, 1, 0, 1]), (False, [1, 1, 0, 1, 1, 1, 1, 0, 1, 0, 1]),
    (True, [1, 1, 0, 1, 1, 0, 0, 0, 1, 0, 0])])
def test_training_steps_of_other_batch_sizes_are_derived(dynamic, runs):
    ours, theirs = training(), training()
    eager, compiled = stepper(*ours), rl.compile(stepper(*theirs), dynamic=dynamic)
    ran = []
    for i, n in enumerate((8, 8, 8, 2, 32, 16, 5, 16, 1, 1, 40)):
        x, y = rl.randn(n, 1, 8, 8), rl.randint(0, 10, (n,))
        rl.manual_seed(i)
        expected = eager(x, y)
        rl.manual_seed(i)
        before = RUNS.count
        assert compiled(x, y).equal(expected)
        ran.append(RUNS.count - before)
        for a, b in zip(ours[0].parameters(), theirs[0].parameters(), strict=True):
            assert a.equal(b) and a.grad.equal(b.grad)
        assert ours[0][1].running_var.equal(theirs[0][1].running_var)
    assert ran == runs


def test_calls_that_decide_by_size_are_captured_each():
    compiled = rl.compile(lambda x: x * 2 if len(x) < 10 else x + 1)
    for n in (2, 4, 30, 3, 20, 12, 9):
        x = rl.ones(n)
        assert compiled(x).equal(x * 2 if n < 10 else x + 1)


def test_what_changes_around_ends_derived_calls():
    layer = rl.nn.Linear(3, 2)
    compiled = rl.compile(lambda x: layer(x) * 2)
    with rl.no_grad():
        for n in (2, 4, 8, 5):
            compiled(rl.ones(n, 3))
        layer.weight = rl.nn.Parameter(rl.zeros(2, 3))
        for n in (5, 6, 4):
            assert compiled(rl.ones(n, 3)).equal(layer(rl.ones(n, 3)) * 2)


def test_many_sizes():
    compiled = rl.compile(lambda x: x.sum() * 2)
    for n in (2, 300, 150, *range(3, 200)):
        assert float(compiled(rl.ones(n))) == 2 * n
