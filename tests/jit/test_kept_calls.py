"""Scripted programs within traced and compiled ones, and traced ones within scripted ones."""
import copy
import io
import json
import subprocess
import sys
import warnings
from typing import Dict, List, Optional, Tuple  # noqa: UP035  as programs write them

import pytest

import rushlight as rl
from rushlight import jit, nn


def saved(program):
    file = io.BytesIO()
    program.save(file)
    return jit.load(io.BytesIO(file.getvalue()))


@jit.script
def doubled_until(x, limit: float):
    while bool(x.sum() < limit):
        x = x * 2
    return x


@jit.script
def parts(x, names: List[str], scales: Dict[str, float], bias: Optional[rl.Tensor],  # noqa: UP006, UP045
          both: Tuple[int, rl.Tensor]):  # noqa: UP006
    out = [x * scales[name] for name in names]
    if bias is not None and bool(x.sum() > 0):
        out.append(bias + both[0] * both[1])
    return out, {"all": x.sum()}, (x, bias)


def around(x):
    return doubled_until(x + 1, 100.0) - 1


class Steps(nn.Module):
    """A recurrent loop over any length, with state."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(3, 3)
        self.register_buffer("turns", rl.zeros(()))

    def forward(self, x, h):
        out = []
        for i in range(x.size(0)):
            h = rl.tanh(self.inner(x[i]) + h)
            out.append(h)
            self.turns += 1
        if self.training:
            h = h + 1
        return rl.stack(out), h


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.steps = jit.script(Steps())
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        y, h = self.steps(x, rl.zeros(3))
        return self.head(y) + h.sum()


INPUTS = [rl.full((2, 2), value) for value in (1.0, 3.0, 40.0)] + [rl.ones(5, 2), rl.full((1, 2), 60.0)]


def traced_quietly(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("error", jit.TracerWarning)
        return jit.trace(*args, **kwargs)


@pytest.mark.parametrize("keep", [lambda t: t, saved], ids=["traced", "saved"])
def test_control_flow_stays_alive_in_a_trace(keep):
    program = keep(traced_quietly(around, rl.ones(2, 2)))
    assert "call" in program.graph.text() and "while" in program._captures.first.text
    for x in INPUTS:
        assert rl.equal(program(x), around(x))


def test_traced_as_pytorch_traces():
    torch = pytest.importorskip("torch")

    @torch.jit.script
    def theirs(x, limit: float):
        while bool(x.sum() < limit):
            x = x * 2
        return x
    mixed = torch.jit.trace(lambda x: theirs(x + 1, 100.0) - 1, torch.ones(2, 2))
    ours = traced_quietly(around, rl.ones(2, 2))
    for x in INPUTS:
        assert rl.equal(ours(x), rl.tensor(mixed(torch.tensor(x.numpy())).numpy()))


def test_gradients_go_through_a_kept_call():
    program = traced_quietly(around, rl.ones(2, 2))
    for value in (1.0, 8.0):
        a, b = (rl.full((2, 2), value, requires_grad=True) for _ in range(2))
        program(a).sum().backward()
        around(b).sum().backward()
        assert rl.equal(a.grad, b.grad)


@pytest.mark.parametrize("keep", [lambda t: t, saved], ids=["traced", "saved"])
def test_a_scripted_module_in_a_traced_one(keep):
    net = Net().eval()
    program = keep(traced_quietly(net, rl.randn(4, 3)))
    assert set(program.state_dict()) == set(net.state_dict())
    for n in (4, 7, 2, 1):
        x = rl.randn(n, 3)
        assert rl.equal(program(x), net(x))


def test_state_and_mode_of_a_scripted_module_in_a_trace():
    net = Net().eval()
    before = net.steps.turns.item()
    program = traced_quietly(net, rl.ones(4, 3))
    net.steps.turns.fill_(before)
    program(rl.ones(6, 3))
    assert net.steps.turns.item() == before + 6
    quiet = program(rl.ones(2, 3))
    net.train()
    assert rl.allclose(program(rl.ones(2, 3)), quiet + 3)


def test_every_kind_of_value_goes_in_and_comes_out():
    def program(x):
        found, table, (same, bias) = parts(x, ["a", "b"], {"a": 2.0, "b": 3.0}, x + 1, (4, x))
        return found[0], found[1] + table["all"], same * bias
    with pytest.warns(jit.TracerWarning, match="a scripted program"):        # of how many there are
        traced = jit.trace(program, rl.ones(2), check_trace=False)
    for x in (rl.ones(2), rl.tensor([2.0, 5.0])):
        for got, want in zip(traced(x), program(x), strict=True):
            assert rl.equal(got, want)


def test_what_a_call_writes_is_seen():
    @jit.script
    def add_in_place(x, by: int):
        for _ in range(by):
            x += 1
        return x

    def program(x):
        y = x * 2
        view = y[0]
        add_in_place(y, x.size(0))
        return view + y
    traced = traced_quietly(program, rl.ones(3, 2))
    for x in (rl.ones(3, 2), rl.randn(5, 2)):
        assert rl.equal(traced(x), program(x))


def test_a_result_that_is_an_argument():
    @jit.script
    def either(x, y):
        if bool(x.sum() > 0):
            return x
        return y

    def program(x):
        y = x + 1
        z = either(y, x)
        z.mul_(3)
        return y + z
    traced = traced_quietly(program, rl.ones(2), check_trace=False)
    for x in (rl.ones(2), rl.full((2,), -4.0)):
        assert rl.equal(traced(x.clone()), program(x.clone()))


def test_straight_programs_are_taken_in():
    plain = jit.script(lambda_free)
    traced = traced_quietly(lambda x: plain(x) + 1, rl.ones(2))
    assert "call" not in traced.graph.text()


def lambda_free(x):
    return x.relu() * 2


def test_script_if_tracing_stays_alive():
    @jit.script_if_tracing
    def clipped(x):
        if bool(x.sum() > 3):
            x = x / x.sum()
        return x
    traced = traced_quietly(lambda x: clipped(x) * 2, rl.ones(2))
    for x in (rl.ones(2), rl.full((2,), 9.0)):
        assert rl.allclose(traced(x), clipped(x) * 2)


def test_draws_of_a_kept_call_are_no_mismatch():
    @jit.script
    def noisy(x, times: int):
        for _ in range(times):
            x = x + rl.rand_like(x)
        return x
    with pytest.warns(jit.TracerWarning, match="random"):
        traced = jit.trace(lambda x: noisy(x, 3), rl.ones(2))
    rl.manual_seed(3)
    want = noisy(rl.ones(2), 3)
    rl.manual_seed(3)
    assert rl.equal(traced(rl.ones(2)), want)


def test_compiled_programs_keep_calls_too():
    compiled = rl.compile(around, fullgraph=True)
    for x in INPUTS:
        for _ in range(3):
            assert rl.equal(compiled(x), around(x))
    assert all("call" in graph.text() for graph in compiled.graphs)


def test_compiled_gradients_go_through_a_kept_call():
    compiled = rl.compile(around)
    for value in (1.0, 1.0, 8.0):
        a, b = (rl.full((2, 2), value, requires_grad=True) for _ in range(2))
        compiled(a).sum().backward()
        around(b).sum().backward()
        assert rl.equal(a.grad, b.grad)


def test_a_compiled_step_takes_in_what_depends_on_sizes_only():
    nets = [Net().eval()]
    nets.append(copy.deepcopy(nets[0]))
    optimizers = [rl.optim.SGD(net.parameters(), lr=0.1) for net in nets]

    def step(net, optimizer, x):
        optimizer.zero_grad()
        loss = net(x).pow(2).mean()
        loss.backward()
        optimizer.step()
        return loss
    compiled = rl.compile(lambda x: step(nets[0], optimizers[0], x), fullgraph=True)
    for seed in range(6):
        rl.manual_seed(seed)
        x = rl.randn(4, 3)
        assert rl.equal(compiled(x), step(nets[1], optimizers[1], x))
    assert "call" not in compiled.graphs[0].text()


def test_a_compiled_walk_through_a_call_runs_as_written():
    weight = rl.ones(2, requires_grad=True)

    def step(x):
        weight.grad = None
        doubled_until(x * weight, 10.0).sum().backward()
        return weight.grad
    compiled = rl.compile(step)
    with pytest.warns(jit.CompileWarning, match=r"walks backwards behind a call of a scripted program \(at .*:\d+\)"):
        assert rl.equal(compiled(rl.ones(2)), rl.full((2,), 8.0))
    assert rl.equal(compiled(rl.full((2,), 3.0)), rl.full((2,), 6.0))


class Reshapes(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(6, 4)

    def forward(self, x):
        y = self.inner(x.reshape(x.shape[0], -1)) / x.shape[0]
        return y.view(x.shape[0] * 2, 2), y.mean()


class Around(nn.Module):
    def __init__(self, traced):
        super().__init__()
        self.traced = traced

    def forward(self, x, times: int):
        out, mean = self.traced(x)
        for _ in range(times):
            out = out + mean
        return out


@pytest.mark.parametrize("keep", [lambda t: t, saved], ids=["scripted", "saved"])
@pytest.mark.parametrize("loaded", [False, True])
def test_a_traced_module_in_a_scripted_one_takes_any_size(keep, loaded):
    module = Reshapes()
    traced = traced_quietly(module, rl.randn(3, 2, 3))
    program = keep(jit.script(Around(saved(traced) if loaded else traced)))
    for n in (3, 5, 2, 1, 9):
        x = rl.randn(n, 2, 3)
        out, mean = module(x)
        assert rl.allclose(program(x, 2), out + mean + mean)


def squeezed(x):
    return (x.squeeze(0) * x.shape[0]).sum(0)


def test_a_traced_function_that_treats_one_apart():
    traced = traced_quietly(squeezed, rl.randn(4, 3))

    @jit.script
    def program(x):
        return traced(x) + 1
    for n in (4, 7, 1, 2):
        x = rl.randn(n, 3)
        assert rl.allclose(program(x), squeezed(x) + 1)


def test_sizes_that_no_trace_does_for_are_named():
    def fixed(x):
        if x.shape[0] == 1:
            raise ValueError("one")
        return x.view(x.shape[0] * 2)
    traced = traced_quietly(fixed, rl.randn(4, 2))

    @jit.script
    def program(x):
        return traced(x)
    assert program(rl.ones(6, 2)).shape == (12,)
    with pytest.raises(ValueError, match=r"float32\[N, 2\] with sizes from 2 on"):
        program(rl.ones(1, 2))


def test_a_mixture_of_three_levels():
    inner = traced_quietly(squeezed, rl.randn(4, 3))

    @jit.script
    def middle(x, times: int):
        total = rl.zeros(3)
        for _ in range(times):
            if bool(x.sum() > 0):
                total = total + inner(x).sum()
        return total
    outer = saved(traced_quietly(lambda x: middle(x, 2) * 2, rl.ones(4, 3)))
    for x in (rl.ones(4, 3), -rl.ones(5, 3), rl.ones(1, 3)):
        assert rl.allclose(outer(x), middle(x, 2) * 2)


def test_a_kept_call_runs_without_python(tmp_path):
    path = tmp_path / "program.rush"
    traced_quietly(around, rl.ones(2, 2)).save(path)
    for x in (rl.ones(2, 2), rl.full((5, 2), 3.0), rl.ones(1, 2)):
        done = subprocess.run([sys.executable, "-m", "rushlight", "run-graph", str(path), "--json",
                               json.dumps({"input": x.tolist()})], capture_output=True, text=True, check=False)
        assert json.loads(done.stdout or "{}") == {"output": around(x).tolist()}, done.stderr


def test_what_calls_scripted_programs_is_frozen():
    class Loops(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(3, 2)

        def forward(self, x):
            return self.head(doubled_until(x, 100.0))
    net = Loops().eval()
    program = traced_quietly(net, rl.ones(4, 3))
    for changed in (jit.freeze(program), jit.optimize_for_inference(program)):
        for n in (4, 7):
            x = rl.rand(n, 3)
            assert rl.allclose(changed(x), net(x), atol=1e-4)
