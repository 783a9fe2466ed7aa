"""jit.script: each program gives what the Python function gives, saved and reloaded too, and so do its gradients."""
import copy
import math

import pytest
from jit.script_programs import PROGRAMS, plain, raises, reloaded, same

import rushlight as rl


@pytest.mark.parametrize(("function", "make"), PROGRAMS,
                         ids=[f"{f.__name__}-{i}" for i, (f, _) in enumerate(PROGRAMS)])
def test_program(function, make):
    scripted = rl.jit.script(function)
    for program in (scripted, reloaded(scripted)):
        rl.manual_seed(3)
        args = copy.deepcopy(make())
        rl.manual_seed(4)
        expected = function(*copy.deepcopy(args))
        rl.manual_seed(4)
        given = copy.deepcopy(args)
        got = program(*given)
        assert same(got, expected), (plain(got), plain(expected))


def folded(x, w, n: int):
    total = rl.zeros(2)
    for i in range(n):
        if x.sum() > 0:
            x = rl.tanh(x @ w)
        else:
            x = x * w.sum() + i
        total = total + x.sum(0)
    return total.sum()


@pytest.mark.parametrize("n", [0, 1, 5, 20])
def test_gradients(n):
    found = []
    for program in (folded, rl.jit.script(folded)):
        rl.manual_seed(0)
        x, w = rl.randn(3, 2).requires_grad_(), rl.randn(2, 2).requires_grad_()
        loss = program(x, w, n)
        if n:
            loss.backward()
        found.append((loss.item(), None if x.grad is None else x.grad.tolist(), w.grad.tolist() if n else 0))
    assert found[0] == found[1]


def test_function():
    scripted = rl.jit.script(folded)
    assert isinstance(scripted, rl.jit.ScriptFunction)
    assert scripted.name == scripted.__name__ == "folded"
    assert rl.jit.script(scripted) is scripted
    assert scripted.code.startswith("def folded(x: Tensor,\n           w: Tensor,\n           n: int):\n")
    assert "while" not in scripted.code
    assert "for _" in scripted.code
    assert "at \"" in str(scripted.graph)
    assert scripted(rl.ones(1, 2), n=1, w=rl.ones(2, 2)).item() == pytest.approx(2 * math.tanh(2))
    with pytest.raises(RuntimeError, match=r"missing argument 'n'.*folded\(x: Tensor, w: Tensor, n: int\) -> Tensor"):
        scripted(rl.ones(1, 2), rl.ones(2, 2))
    with pytest.raises(RuntimeError, match="takes 3 arguments but 4"):
        scripted(rl.ones(1, 2), rl.ones(2, 2), 1, 2)
    with pytest.raises(RuntimeError, match="unexpected argument 'm'"):
        scripted(rl.ones(1, 2), rl.ones(2, 2), m=2)
    with pytest.raises(RuntimeError, match="int"):
        scripted(rl.ones(1, 2), rl.ones(2, 2), "2")


@pytest.mark.parametrize("n", [1, 2, 5])
def test_errors_of_a_run(n):
    with pytest.raises(Exception) as expected:  # noqa: PT011
        raises(rl.ones(2), n)
    for program in (rl.jit.script(raises), reloaded(rl.jit.script(raises))):
        with pytest.raises(type(expected.value)) as got:
            program(rl.ones(2), n)
        assert "out of range for" in str(got.value) if n == 5 else str(expected.value) in str(got.value)
        assert "script_programs.py:" in str(got.value)


def divides(a: int, b: int):
    return a // b


def test_division_by_zero():
    with pytest.raises(ZeroDivisionError):
        rl.jit.script(divides)(1, 0)


def test_many_early_returns(tmp_path):
    lines = ["def table(n: int, x: float) -> float:", "    y = x"]
    for k in range(150):
        lines += [f"    if n == {k}:", f"        return y + {k}", f"    y = y * 0.5 + {k % 7}"]
    path = tmp_path / "table.py"
    path.write_text("\n".join([*lines, "    return y"]) + "\n")
    names = {}
    exec(compile(path.read_text(), str(path), "exec"), names)  # noqa: S102
    scripted = rl.jit.script(names["table"])
    for n in (0, 1, 30, 77, 149, 150):
        assert scripted(n, 3.0) == names["table"](n, 3.0)
