"""The text of graphs: golden files, what the parser refuses, and what the verifier refuses."""
import random
from pathlib import Path

import pytest
from jit.programs import convolutional, draws, perceptron, views_and_writes

import rushlight as rl

GOLDEN = Path(__file__).parent / "golden"
PROGRAMS = {"convolutional": (convolutional, (2, 3, 8, 8)), "perceptron": (perceptron, (1, 4)),
            "views_and_writes": (lambda: views_and_writes, (2, 3)), "draws": (lambda: draws, (2, 3))}


@pytest.mark.parametrize("name", PROGRAMS)
def test_golden(name):
    make, shape = PROGRAMS[name]
    rl.manual_seed(1)
    compiled = rl.compile(make(), fullgraph=True)
    with rl.no_grad():
        compiled(rl.rand(shape) + 0.5)
    text = compiled.graphs[0].text()
    assert text == (GOLDEN / f"{name}.txt").read_text()
    assert rl._C.graph.parse(text).text() == text


HEAD = "graph f(%x: float32[2]) {\n"


@pytest.mark.parametrize("text, complaint", [
    ("", "line 1: found the end; expected 'graph'"),
    (HEAD + "  %y: float32[2] = no_such(%x)\n  return %y\n}", "there is none called no_such"),
    (HEAD + "  %y: float32[2] = relu(%z)\n  return %y\n}", "not %z"),
    (HEAD + "  %x: float32[2] = relu(%x)\n  return %x\n}", "another name than %x"),
    (HEAD + "  %y: float31[2] = relu(%x)\n  return %y\n}", "expected a dtype"),
    (HEAD + "  %y: float32[2] = relu@7(%x)\n  return %y\n}", "version 1 of relu"),
    (HEAD + "  %y: float32[2] = relu(%x, 3)\n  return %y\n}", "expected ')'"),
    (HEAD + "  %y: float32[2] = relu(3)\n  return %y\n}", "argument 'input' must be Tensor"),
    (HEAD + "  %y: float32[2] = relu(%x) into %x\n  %z: float32[2] = relu(%x)\n  return %y\n}",
     "relu uses %x, whose memory was overwritten"),
    (HEAD + "  %v: float32[2] = view(%x, [2])\n  %y: float32[2] = relu(%v) into %v\n  return %x\n}",
     "return uses %x, whose memory was overwritten"),
    (HEAD + "  %y: float32[2] = fill_(%x, 1)\n  return %y\n}", "expected 'into'"),
    (HEAD + "  const %a: float32[2] = \"a\"\n  const %b: float32[2] = \"a\"\n  return %a\n}", "two constants"),
    (HEAD + "  %y: float32[-2] = relu(%x)\n  return %y\n}", "expected sizes >= 0"),
    (HEAD + "  %y: float32[99999999999999999999] = relu(%x)\n  return %y\n}", "expected an integer"),
    (HEAD + "  return %x\n} more", "expected nothing after"),
])
def test_refused(text, complaint):
    with pytest.raises(ValueError, match="graph") as error:
        rl._C.graph.parse(text)
    assert complaint in str(error.value)


@pytest.mark.parametrize("value", ["1e-300", "-0.0", "inf", "-inf", "nan", "0.1", "18446744073709551615", "-5", "True",
                                   "complex(1.0, -2.5)"])
def test_numbers_round_trip(value):
    text = f"graph f(%x: float32[2]) {{\n  %y: float32[2] = mul(%x, {value})\n  return %y\n}}\n"
    assert rl._C.graph.parse(text).text() == text


def test_every_prefix_of_a_text_is_refused():
    text = (GOLDEN / "convolutional.txt").read_text().rstrip("\n")
    for n in range(len(text)):
        with pytest.raises(ValueError, match="graph"):
            rl._C.graph.parse(text[:n])


def test_a_wrong_text_raises_and_does_not_crash():
    """Bytes changed at random: parsed, or refused with a ValueError."""
    text = (GOLDEN / "views_and_writes.txt").read_text()
    chance, ran = random.Random(0), 0
    for _ in range(3000):
        at, new = chance.randrange(len(text)), chance.choice("%[](),:=>_x0-9 \"?\n#")
        changed = text[:at] + new + text[at + chance.randrange(3):]
        try:
            program = rl._C.graph.Program(rl._C.graph.parse(changed))
            program.run(rl.ones(2, 3))
            ran += 1
        except (ValueError, RuntimeError, TypeError, IndexError, NotImplementedError, OverflowError):
            continue
    assert 30 < ran < 1500


def test_simplify_removes_what_nobody_reads():
    text = """graph f(%x: float32[2]) {
  %a: float32[2] = exp(%x)
  %b: float32[2] = relu(%x)
  %c: float32[2] = relu(%x)
  %d: float32[2] = add(%b, %c, alpha=1)
  return %d
}
"""
    graph = rl._C.graph.simplify(rl._C.graph.parse(text))
    assert [node[0] for node in graph.nodes] == ["relu", "add"]
    assert rl._C.graph.Program(graph).run(rl.tensor([-1.0, 2.0]))[0].tolist() == [0.0, 4.0]


def test_simplify_keeps_writes_and_random_draws():
    text = """graph f(%x: float32[2]) {
  %a: float32[2] = mul(%x, 2)
  %r: float32[2] = rand_like(%x, dtype=None)
  %v: float32[2] = view(%x, [2])
  %w: float32[2] = fill_(%v, 7) into %v
  return %a
}
"""
    graph = rl._C.graph.simplify(rl._C.graph.parse(text))
    assert [node[0] for node in graph.nodes] == ["mul", "rand_like", "view", "fill_"]
    x = rl.tensor([1.0, 2.0])
    program = rl._C.graph.Program(graph)
    for expected in ([2.0, 4.0], [14.0, 14.0], [14.0, 14.0]):
        assert program.run(x)[0].tolist() == expected and x.tolist() == [7.0, 7.0]
