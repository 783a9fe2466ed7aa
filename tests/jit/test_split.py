"""Functions in parts: where a value leaves to Python the statement runs as it is written, the rest as graphs."""
import threading
import traceback
import warnings

import numpy as np
import pytest

import rushlight as rl
from rushlight.jit import CompileWarning
from rushlight.jit._structure import flatten

LOG = []


def small():
    rl.manual_seed(0)
    return rl.nn.Sequential(rl.nn.Linear(3, 4), rl.nn.Tanh(), rl.nn.Dropout(0.25), rl.nn.Linear(4, 3))


def branches(net, x):
    y = net(x) * 2
    y = y + 1
    if y.sum() > 0:
        y = y * 3
        side = y.exp()
    else:
        y = y - 2
        side = y.cos()
    return (y + side).tanh() * 2


def loops(net, x):
    total = x * 0
    for i in range(6):
        x = net(x).tanh() + i
        total = total + x
        if x.max() > 3:
            break
    else:
        total = total - 1
    return total * 2, x


def whiles(net, x):
    steps = 0
    while x.abs().sum() > 1:
        x = (x * 0.5 + 0.01).sin()
        steps += 1
    return net(x), steps


def early(net, x):
    y = net(x) + 1
    if y.mean().item() > 0.1:
        z = y * 2
        return z.sum()
    y = y.exp()
    return y.sum() * 3


def numbers(net, x):
    y = net(x)
    scale = float(y.abs().mean())
    LOG.append(scale)
    y = y * scale
    return {"y": y + 1, "scale": scale}


def lists(net, x):
    out = []
    for row in x:
        h = row * 2 + 1
        if h.sum().item() > 0:
            out.append(h.exp())
    return [rl.stack([o * 2 for o in out]).sum() if out else x.sum(), len(out)]


def sometimes_set(net, x):
    if x.sum() > 0:
        extra = x * 2
    y = net(x) + 1
    if y.sum().item() > -1e9 and x.sum() > 0:
        y = y + extra
    return y * y


def inner_functions(net, x):
    k = 2
    y = net(x) + k

    def scaled(t):
        return t * k
    k = 3 if y.sum().item() > 0 else 4
    y = y * 2 + 1
    return scaled(y) + 1


def variables_of_lambdas(net, x):
    scaled = lambda t: t * y                     # noqa: E731
    y = net(x) + 1
    if y.sum().item() > -1e9:
        y = y + 2
    z = scaled(x) + 1
    y = y * 2
    return z + scaled(x)


def deletes(net, x):
    base = net(x).sin() + 1
    y = base * 2
    z = y + 1
    del y
    try:
        if z.sum().item() > 0:
            z = z * 2
    except ZeroDivisionError as error:
        z = z + len(error.args)
    y = z * 3
    return y + 1


def in_modes(net, x):
    y = net(x) * 2
    with rl.no_grad():
        z = y * 3 + 1
        if z.sum().item() > 0:
            z = z + 1
        z = z.exp() * 0.1
    return (y * z).sum()


def in_place(net, x):
    y = net(x) * 2
    y.add_(1)
    y[0] = y[0] * 2
    if y.sum().item() > 0:
        y.mul_(2)
    y[:, 1] += 1
    return y + y.t().sum()


def draws(net, x):
    y = net(x) + rl.randn(3)
    if y.sum().item() > 0:
        y = y + rl.rand(3)
    return rl.dropout(y, 0.5, True) * 2


def helper(x):
    y = x * 2 + 1
    y = y * y.max().item()
    return y.tanh() + 1


def calls_helper(net, x):
    y = net(x) + 1
    y = helper(y) * 2
    return helper(y - 1) + y


def defaults(net, x, by=2, *more, also=3, **rest):
    y = net(x) * by + also
    y = y * y.max().item()
    return y + also + 1


PROGRAMS = [branches, loops, whiles, early, numbers, lists, sometimes_set, inner_functions, variables_of_lambdas,
            deletes, in_modes, in_place, draws, calls_helper, defaults]


def outcome(function, net, i):
    """What a call gives, its gradients, the random stream, and what it left."""
    LOG.clear()
    rl.manual_seed(i)
    net.zero_grad()
    x = rl.randn(4, 3) - 0.4 * (i % 2)
    x.requires_grad_()
    result = function(net, x)
    tensors, _ = flatten(result, "result", values=True)
    for t in tensors:
        if t.requires_grad:
            t.sum().backward(retain_graph=True)
    gradients = [p.grad for p in (x, *net.parameters())]
    return result, [t.detach().clone() for t in tensors], gradients, rl.rand(1), list(LOG)


def check_same(a, b):
    assert str(a[0]) == str(b[0]) and a[4] == b[4] and a[3].equal(b[3])
    for ours, theirs in ((a[1], b[1]), (a[2], b[2])):
        for t, u in zip(ours, theirs, strict=True):
            assert (t is None) == (u is None)
            if t is not None:
                np.testing.assert_array_equal(t.numpy(), u.numpy())


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_parts_equal_eager(program):
    net, twin = small(), small()
    compiled = rl.compile(program, on_break="split")
    with warnings.catch_warnings():
        warnings.simplefilter("error", CompileWarning)
        for i in range(6):
            check_same(outcome(compiled, net, i), outcome(program, twin, i))
    report = compiled.report()
    assert report.startswith("runs in parts: ") and "leaves to Python" in report and compiled.graphs
    assert all(f"{program.__name__}, lines" in part.name or "helper" in part.name for part in compiled.parts)


class Gated(rl.nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner
        self.seen = 0

    def forward(self, x):
        h = self.inner(x) * 2
        h = h + 1
        self.seen += 1
        if h.sum().item() > 0:
            h = h * 3 + 1
        return h


class Derived(Gated):
    def forward(self, x):
        x = x * 2 + 1
        y = super().forward(x)
        return y * 2 + 1


@pytest.mark.parametrize("make", [lambda: Gated(small()), lambda: Derived(small()),
                                  lambda: rl.nn.Sequential(small(), Gated(small()), small())],
                         ids=["a module", "a derived one", "one among others"])
@pytest.mark.parametrize("hooked", [False, True])
def test_parts_of_modules_equal_eager(make, hooked):
    net, twin = make(), make()
    told = []
    if hooked:
        for one in (net, twin):
            one.register_forward_pre_hook(lambda module, args: (args[0] + 1,))
            one.register_forward_hook(lambda module, args, output: told.append(type(module)) or output * 2)
    compiled = rl.compile(net, on_break="split")
    for i in range(5):
        x = rl.randn(4, 3)
        rl.manual_seed(i)
        a = compiled(x)
        rl.manual_seed(i)
        b = twin(x)
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
        a.sum().backward()
        b.sum().backward()
        for p, q in zip(net.parameters(), twin.parameters(), strict=True):
            np.testing.assert_array_equal(p.grad.numpy(), q.grad.numpy())
    gated = [next(m for m in one.modules() if isinstance(m, Gated)).seen for one in (net, twin)]
    assert gated == [5, 5] and compiled.graphs and (not hooked or len(told) == 10)


def test_modules_that_are_compiled_in_place():
    net, twin = Gated(small()), Gated(small())
    net.compile(on_break="split")
    for i in range(4):
        x = rl.randn(4, 3)
        rl.manual_seed(i)
        a = net(x)
        rl.manual_seed(i)
        np.testing.assert_array_equal(a.detach().numpy(), twin(x).detach().numpy())
    assert net.seen == 4 and net._compiled_call_impl.graphs


def test_training_steps_in_parts():
    def make():
        net = small()
        updates = rl.optim.Adam(net.parameters(), lr=0.01)
        losses = []

        def step(x, y):
            updates.zero_grad()
            loss = (net(x) - y).pow(2).mean()
            loss.backward()
            updates.step()
            losses.append(loss.item())
            return (net(x) * 2).detach() + 1
        return net, losses, step

    (net, losses, step), (twin, expected, plain) = make(), make()
    compiled = rl.compile(step, on_break="split")
    for i in range(8):
        x, y = rl.randn(5, 3), rl.randn(5, 3)
        rl.manual_seed(i)
        a = compiled(x, y)
        rl.manual_seed(i)
        np.testing.assert_array_equal(a.numpy(), plain(x, y).numpy())
        assert losses == expected
        for p, q in zip(net.parameters(), twin.parameters(), strict=True):
            np.testing.assert_array_equal(p.detach().numpy(), q.detach().numpy())
    assert any("walks backwards" in part.report() for part in compiled.parts)


@pytest.mark.parametrize("make", [lambda p: rl.optim.SGD(p, lr=0.01, momentum=0.9), rl.optim.Adam])
def test_the_first_step_of_an_optimizer_only_warms_up(make):
    net = small().eval()
    updates = make(net.parameters())

    @rl.compile(on_break="split")
    def step(x):
        loss = net(x).pow(2).mean()
        updates.zero_grad()
        loss.backward()
        updates.step()
        return loss.item()

    losses = [step(rl.ones(5, 3)) for _ in range(8)]
    assert sorted(losses, reverse=True) == losses
    (part,) = step.parts
    first = step.function.__code__.co_firstlineno
    assert part.name == f"step, lines {first + 2} to {first + 5}" and len(part.graphs) == 1


PAUSES = {}


def pauses(x, tells):
    y = x * 2 + 1
    if tells:
        y = y * y.sum().item()
        PAUSES["first"].set()
        PAUSES["second"].wait(60)
    return y.tanh() * 3


@pytest.mark.filterwarnings("error")
def test_threads_that_watch_at_once():
    PAUSES.update(first=threading.Event(), second=threading.Event())
    compiled = rl.compile(pauses, on_break="split")
    x, got = rl.arange(3.0), []
    thread = threading.Thread(target=lambda: got.append(compiled(x, True)))
    thread.start()
    assert PAUSES["first"].wait(60)
    other = compiled(x, False)                       # from its beginning to its end while the first is underway
    PAUSES["second"].set()
    thread.join()
    assert got[0].equal(pauses(x, True)) and other.equal(pauses(x, False))
    first = pauses.__code__.co_firstlineno
    assert {part.name for part in compiled.parts} == {f"pauses, lines {first + n} to {first + n}" for n in (1, 6)}


def raises(x, at):
    y = x * 2 + 1
    if y.sum().item() > 0:
        y = y * 2
        y = y + y[at]
    z = y + 1
    return z.reshape(-1)[at] * 2


def test_errors_and_their_lines():
    compiled, lines = rl.compile(raises, on_break="split"), raises.__code__.co_firstlineno
    for _ in range(3):
        compiled(rl.ones(3), 1)
    for x, at, line in ((rl.ones(3), 5, 4), (-rl.ones(3), 5, 6)):
        seen = []
        for function in (raises, compiled):
            with pytest.raises(IndexError) as caught:
                function(x, at)
            frames = [f for f in traceback.extract_tb(caught.value.__traceback__) if f.filename == __file__]
            seen.append((str(caught.value), frames[-1].lineno))
        assert seen[0] == seen[1] and seen[0][1] == lines + line


def test_a_clock_and_what_is_kept_break_too():
    import time
    times, kept = [], []

    def timed(x):
        start = time.perf_counter()
        y = x * 2 + 1
        y = y.tanh() * 3
        times.append(time.perf_counter() - start)
        kept.append(y)
        return y + 1

    compiled = rl.compile(timed, on_break="split")
    for i in range(6):
        assert compiled(rl.full((2,), float(i))).equal((rl.full((2,), float(i)) * 2 + 1).tanh() * 3 + 1)
    assert len(times) == len(kept) == 6 and kept[0].tolist() != kept[5].tolist() and compiled.graphs


def test_what_can_not_be_split_runs_as_it_is_written():
    space = {"rl": rl}
    exec("def made(x):\n    y = x * 2\n    return y * y.max().item()\n", space)
    for function, why in ((lambda x: x * x.max().item(), "it is no `def`"), (space["made"], "source is not there")):
        compiled = rl.compile(function, on_break="split")
        with pytest.warns(CompileWarning, match=rf"leaves to Python by item\(\); it can't be split: .*{why}"):
            compiled(rl.ones(2))
        assert compiled(rl.full((2,), 3.0)).equal(function(rl.full((2,), 3.0)))


def sorting(x):
    r = x.sort(1)
    if r.values.sum().item() > 1e9:
        x = x * 2 + 1
    return r.values + x


def test_parts_without_a_graph_say_why():
    compiled = rl.compile(sorting, on_break="split")
    for calls in range(4):
        compiled(rl.ones(2, 3))
        told = [line for line in compiled.report().splitlines() if line.startswith("    no graph: ")]
        assert told == ["    no graph: no call has come"] * (3 if calls == 0 else 1)

    updates = rl.optim.Adam(small().parameters())

    @rl.compile(on_break="split")
    def step(x):
        k = x.sum().item()
        for p in updates.param_groups[0]["params"]:
            p.grad = p.detach() * 2
        updates.step()
        return k

    for _ in range(2):
        step(rl.ones(2))
    assert "    no graph: it reads a tensor of shape (4, 3) that is no argument" in step.report()


def test_the_choices():
    with pytest.raises(ValueError, match="expected 'eager', 'split' or 'raise'"):
        rl.compile(helper, on_break="other")
    with pytest.raises(RuntimeError, match="is no single graph"):
        rl.compile(helper, on_break="raise")(rl.ones(2))
    with pytest.warns(CompileWarning, match="runs as it is written"):
        rl.compile(helper)(rl.ones(2))

    @rl.compile(on_break="split")
    def decorated(x):
        y = x * 2 + 1
        return (y * y.max().item()).tanh() + 1

    for _ in range(4):
        assert decorated(rl.ones(2)).equal((rl.full((2,), 9.0)).tanh() + 1)
    assert decorated.graphs
