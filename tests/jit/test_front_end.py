"""What jit offers beside trace and script: traced methods, futures, typed attributes, several programs in a file."""
import io
import json
import subprocess
import sys
import textwrap
from typing import Dict, List, Optional  # noqa: UP035  as programs write them

import numpy as np
import pytest

import rushlight as rl
from rushlight import jit, nn


def reloaded(program, **kwargs):
    file = io.BytesIO()
    jit.save(program, file, **kwargs)
    return jit.load(io.BytesIO(file.getvalue()))


def test_the_names_of_pytorch_are_there_or_out_of_scope():
    torch = pytest.importorskip("torch")
    outside = {"CompilationUnit", "Error", "enable_onednn_fusion", "onednn_fusion_enabled", "set_fusion_strategy",
               "strict_fusion"}
    assert set(torch.jit.__all__) - outside <= set(jit.__all__)
    assert not outside & set(dir(jit))


# ---- trace_module ----------------------------------------------------------------------------------------------------

class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(3, 2)

    def forward(self, x):
        return self.inner(x)

    def twice(self, x, bias):
        return self.inner(x) * 2 + bias


@pytest.mark.parametrize("keep", [lambda t: t, reloaded], ids=["traced", "saved"])
def test_methods_are_traced_together(keep):
    module = Two().eval()
    examples = {"forward": rl.randn(4, 3), "twice": (rl.randn(4, 3), rl.randn(2))}
    program = keep(jit.trace_module(module, examples, check_inputs=[examples, {"twice": (rl.ones(2, 3), rl.ones(2))}]))
    assert set(program.state_dict()) == {"inner.weight", "inner.bias"}
    for n in (4, 6):
        x, bias = rl.randn(n, 3), rl.randn(2)
        assert rl.equal(program(x), module(x)) and rl.equal(program.twice(x, bias), module.twice(x, bias))
    named = {"twice": {"x": rl.ones(1, 3), "bias": rl.ones(2)}}
    by_name = jit.trace_module(module, named, example_inputs_is_kwarg=True)
    assert rl.equal(by_name.twice(x=rl.ones(1, 3), bias=rl.zeros(2)), module.twice(rl.ones(1, 3), rl.zeros(2)))
    with pytest.raises(NotImplementedError, match="forward was not traced"):
        by_name(rl.ones(1, 3))


def test_trace_module_says_what_is_wrong():
    with pytest.raises(AttributeError, match="thrice"):
        jit.trace_module(Two(), {"thrice": rl.ones(1, 3)})
    with pytest.raises(TypeError, match="expected a module and a dict"):
        jit.trace_module(Two(), rl.ones(1, 3))


@pytest.mark.parametrize("training", [True, False])
def test_a_traced_module_is_loaded_in_the_mode_that_it_was_saved_in(training):
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).train(training)
    loaded = reloaded(jit.trace(module, rl.randn(4, 2), check_trace=False))
    assert loaded.training is training and all(part.training is training for part in loaded.modules())


# ---- futures ---------------------------------------------------------------------------------------------------------

def scaled(x, by: int):
    return x * by


def test_fork_and_wait():
    later = jit.fork(scaled, rl.ones(2), by=3)
    assert later.done() and rl.equal(jit.wait(later), rl.full((2,), 3.0)) and rl.equal(later.value(), later.wait())
    assert jit.wait(later.then(lambda f: f.wait().sum().item())) == 6
    failed = jit.fork(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        jit.wait(failed)
    with pytest.raises(TypeError, match=r"expected what jit\.fork gave"):
        jit.wait(3)


def test_fork_in_scripted_programs():
    @jit.script
    def program(x, n: int):
        futures: List[jit.Future[rl.Tensor]] = []  # noqa: UP006
        for i in range(n):
            futures.append(jit.fork(scaled, x, i))
        last = jit.fork(scaled, x, by=10)
        total = rl.zeros(2)
        for future in futures:
            total = total + jit.wait(future)
        return total + last.wait()
    assert rl.equal(program(rl.ones(2), 4), rl.full((2,), 16.0))
    assert rl.equal(reloaded(program)(rl.ones(2), 3), rl.full((2,), 13.0))


# ---- attributes and interfaces ---------------------------------------------------------------------------------------

@jit.interface
class Step(nn.Module):
    def forward(self, x: rl.Tensor) -> rl.Tensor:
        pass


class Typed(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = jit.Attribute(0.5, float)
        self.table = jit.Attribute({"a": 1}, Dict[str, int])  # noqa: UP006
        self.empty = jit.Attribute([], List[int])  # noqa: UP006
        self.steps = nn.ModuleList([nn.Linear(2, 2), nn.ReLU()])

    def forward(self, x, key: str):
        step: Step = self.steps[1]
        self.scale = self.scale * 2
        return step(x) * self.scale + self.table[key] + len(self.empty)


def test_attributes_with_types_and_interfaces():
    program = jit.script(Typed())
    assert rl.equal(program(rl.tensor([-1.0, 3.0]), "a"), rl.tensor([1.0, 4.0]))
    assert program.scale == 1.0 and program.table == {"a": 1}
    with pytest.raises(KeyError):
        program(rl.ones(2), "b")


def test_what_does_not_fit_an_interface_is_named():
    @jit.interface
    class Other(nn.Module):
        def missing(self, x):
            pass

    class Module(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.ReLU()

        def forward(self, x):
            step: Other = self.inner
            return step.missing(x)
    with pytest.raises(RuntimeError, match=r"(?s)interface Other and assigned .*methods missing.*test_front_end"):
        jit.script(Module())


def test_operators_of_a_program():
    assert jit.export_opnames(jit.trace(lambda x: (x + 1).relu() + 2, rl.ones(1))) == ["add", "relu"]
    assert "linear" in jit.export_opnames(jit.script(nn.Sequential(nn.Linear(2, 2))))


# ---- files -----------------------------------------------------------------------------------------------------------

@jit.script
def with_defaults(x, scale: float = 2.0, times: int = 3, mask: Optional[rl.Tensor] = None,  # noqa: UP045
                  sizes: List[int] = [1, 2]):  # noqa: B006, UP006
    if mask is not None:
        x = x * mask
    for _ in range(times):
        x = x * scale
    return x + len(sizes)


def test_several_programs_by_name_some_of_them_scripted():
    module = jit.script(Typed())
    traced = jit.trace(lambda x: x + 1, rl.ones(2))
    loaded = reloaded({"module": module, "function": with_defaults, "traced": traced}, metadata={"n": 1})
    assert set(loaded) == {"module", "function", "traced"} and loaded["function"].metadata == {"n": 1}
    x = rl.tensor([1.0, -2.0])
    assert rl.equal(loaded["module"](x, "a"), module(x, "a"))
    assert [name for name, _ in loaded["module"].named_parameters()] == [n for n, _ in module.named_parameters()]
    assert rl.equal(loaded["function"](x, times=1), with_defaults(x, times=1))
    assert rl.equal(loaded["traced"](x), x + 1)
    again = reloaded(loaded)
    assert rl.equal(again["module"](x, "a"), loaded["module"](x, "a"))


def test_defaults_are_there_without_python(tmp_path):
    path = tmp_path / "program.rush"
    with_defaults.save(path)
    np.save(tmp_path / "x.npy", np.ones(2, np.float32))

    def run(*more):
        done = subprocess.run([sys.executable, "-m", "rushlight", "run-graph", str(path), "--input",
                               f"x={tmp_path / 'x.npy'}", *more], capture_output=True, text=True, check=False)
        return json.loads(done.stdout)["output"] if done.returncode == 0 else done.stderr
    assert run() == with_defaults(rl.ones(2)).tolist()
    assert run("--json", '{"times": 1}') == with_defaults(rl.ones(2), times=1).tolist()
    assert run("--json", '{"times": 1, "scale": 5}') == with_defaults(rl.ones(2), 5.0, 1).tolist()
    assert "scale: float (may be left out)" in run("--json", '{"other": 1}')
    assert rl.equal(jit.load(path)(rl.ones(2), 3.0), with_defaults(rl.ones(2), 3.0))


# ---- programs --------------------------------------------------------------------------------------------------------

def nested(rows: List[List[int]], n: int):  # noqa: UP006
    flat = [x * 2 for row in rows for x in row if x > 1]
    pairs = [i * 10 + j for i in range(n) for j in range(i)]
    deep = [[i * j for i in range(n)] for j in range(2)]
    kept = [x for row in rows if len(row) > 1 for x in row]
    table = {str(i): i * i for i in range(n)}
    return flat, pairs, deep, kept, table


@pytest.mark.parametrize("n", [0, 1, 4])
def test_nested_comprehensions(n):
    rows = [[1, 2], [3], [], [4, 5, 0]]
    assert jit.script(nested)(rows, n) == nested(rows, n)


def test_a_list_that_grows_while_it_is_gone_over():
    def grows(n: int):
        found = [1]
        for x in found:
            if len(found) < n:
                found.append(x + 1)
        return found
    ours = jit.script(grows)
    assert ours(5) == [1, 2]                         # the length is taken at the start
    torch = pytest.importorskip("torch")
    assert torch.jit.script(grows)(5) == ours(5)


def test_indices_behind_dots():
    def program(x, i, j):
        return x[..., i], x[0, ..., i], x[:, ..., i, :], x[..., i, j], x[None, ..., i], x[..., i, None]
    x, i, j = rl.randn(3, 4, 5), rl.tensor([0, 2]), rl.tensor([1, 2])
    for got, want in zip(jit.script(program)(x, i, j), program(x, i, j), strict=True):
        assert rl.equal(got, want)

    def write(x, mask):
        y = x.clone()
        y[..., mask] = 0
        return y, x[..., mask]
    mask = rl.tensor([True, False, True, False, True])
    for got, want in zip(jit.script(write)(x, mask), write(x, mask), strict=True):
        assert rl.equal(got, want)


def give_true(n: int):
    return True


def give_none_test(n: int):
    return n is None


def give_text(n: int):
    return "x"


@pytest.mark.parametrize("function", [give_true, give_none_test, give_text])
def test_literals_are_results(function):
    assert jit.script(function)(1) == function(1) == reloaded(jit.script(function))(1)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_lstm_with_projections(bidirectional):
    layer = nn.LSTM(3, 5, proj_size=2, num_layers=2, bidirectional=bidirectional)
    script = jit.script(layer)
    for program in (script, reloaded(script)):
        for n in (1, 4, 7):
            x = rl.randn(n, 2, 3)
            for got, want in zip((program(x)[0], *program(x)[1]), (layer(x)[0], *layer(x)[1]), strict=True):
                assert rl.equal(got, want)


# ---- errors ----------------------------------------------------------------------------------------------------------

UNSUPPORTED = {
    "yield": "def f(x):\n    yield x",
    "try": "def f(x):\n    try:\n        return x\n    except ValueError:\n        return x",
    "a lambda": "def f(x):\n    g = lambda y: y\n    return g(x)",
    "a function within a function": "def f(x):\n    def g(y):\n        return y\n    return g(x)",
    "a class within a function": "def f(x):\n    class A:\n        pass\n    return x",
    "a set": "def f(x):\n    s = {1, 2}\n    return x",
    "global": "def f(x):\n    global G\n    return x",
    "import": "def f(x):\n    import math\n    return x",
    "with anything but": "def f(x):\n    with open('f') as g:\n        return x",
    r"\*args or \*\*kwargs": "def f(x, **kwargs):\n    return x",
    "a constant of type complex": "def f(x):\n    return 1j",
    "else after a loop": "def f(x):\n    for i in range(3):\n        x = x + 1\n    else:\n        x = x\n    return x",
    "match": "def f(x, n: int):\n    match n:\n        case 1:\n            return x\n    return x",
    "del of anything but": "def f(x):\n    del x.y\n    return x",
    "raise without an exception": "def f(x):\n    raise",
    "is raised": "def f(x):\n    raise 'a'",
    "earlier return statement": "def f(x):\n    if bool(x.sum() > 0):\n        return 1\n    return x",
    "not defined in the false branch": "def f(x):\n    if bool(x.sum() > 0):\n        y = x\n    return y",
    "one type for each variable": "def f(x):\n    x = 3\n    return x",
    "of a Tensor": "def f(x):\n    return x.numpy()",
    "can't be read": "def f(x: bytes):\n    return x",
    "which may be None|known type": "def f(x: Optional[rl.Tensor]):\n    return x + 1",
    "calls itself": "def f(n: int):\n    if n < 1:\n        return 1\n    return f(n - 1)",
    "has 3 items; expected 2": "def f(x):\n    a, b = (1, 2, 3)\n    return a",
    "only known when the program runs": "def f(n: int):\n    t = (1, 'a')\n    return t[n]",
    "differ in type": "def f(x):\n    return {'a': 1, 'b': 'x'}",
    "can't be called": "def f(x):\n    open('x')\n    return x",
    "unexpected argument": "def f(x):\n    return rl.relu(x, other=1)",
}


@pytest.mark.parametrize("says", UNSUPPORTED)
def test_errors_name_the_line(says, tmp_path, monkeypatch):
    name = f"program_{abs(hash(says))}"
    head = "from typing import Optional\nimport rushlight as rl\n\n\n"
    (tmp_path / f"{name}.py").write_text(head + textwrap.dedent(UNSUPPORTED[says]) + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = __import__(name)
    with pytest.raises(RuntimeError, match=rf'(?s){says}.*File ".*{name}\.py", line \d+'):
        jit.script(module.f)
