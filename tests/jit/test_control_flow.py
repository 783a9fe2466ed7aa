"""Graphs with control flow, calls and values that are no tensors: text, refusals, runs, gradients.

To add a golden text: write it by hand as tests/jit/golden/NAME.graphs, as the printer would (two blanks for each
level), and name it in GOLDEN_RUNS with inputs and results, which are worked out by hand.
"""
import random
import signal
import threading
import time
from pathlib import Path

import pytest

import rushlight as rl
from rushlight.testing import assert_close

GOLDEN = Path(__file__).parent / "golden"


def program(text, constants=None):
    """The last graph of the text, which may call the others."""
    *others, last = rl._C.graph.parse_all(text)
    return rl._C.graph.Program(last, constants or {}, others)


def control_flow_runs():
    x = rl.tensor([[1.0, -2.0, 3.0]])
    names = ["x"]
    (both, four, nothing, lists), flags, left = program((GOLDEN / "control_flow.graphs").read_text(),
                                                        {"weight": rl.zeros(4, 3)}).run(x, 1, 0.5, names, None)
    expected = ((x.relu().tanh() + 0.5 * (1 + 2 + 3)) * 0.5).repeat(2, 1)
    assert_close(both, expected)
    assert (four, nothing, lists, left) == (1, None, {"a": [1, 2], "b": [1, 2, 3]}, [])
    assert flags.tolist() == [[True] * 3] * 2 and names == ["x"]                   # lists are copied on the way in


GOLDEN_RUNS = {"control_flow": control_flow_runs}


@pytest.mark.parametrize("name", GOLDEN_RUNS)
def test_golden(name, capsys):
    text = (GOLDEN / f"{name}.graphs").read_text()
    assert "".join(g.text() for g in rl._C.graph.parse_all(text)) == text
    GOLDEN_RUNS[name]()
    assert capsys.readouterr().out == "turn 0\nturn 1\n"


# ---- refusals -------------------------------------------------------------------------------------------------------

HEAD = "graph f(%x: tensor, %n: int, %c: bool, %l: list[int], %o: optional[int]) {\n"


@pytest.mark.parametrize("body, complaint", [
    ("%y: int = num_add(%n)", "num_add of (int) -> (int); expected (int, int) -> int"),
    ("%y: str = num_add(%n, 1)", "num_add of (int, int) -> (str)"),
    ("%y: int = num_add(%n, 1.5)", "num_add of (int, float) -> (int)"),
    ("%y: int = num_add(%o, 1)", "num_add of (optional[int], int)"),
    ("%y: int = num_add(%n, 99999999999999999999)", "expected an integer of 64 bits"),
    ("%y: int = num_add(%n, 9999999999999999999)", "num_add of (int, any)"),
    ("list_append(%l, 1.5)", "list_append of (list[int], float) -> ()"),
    ("list_append(%l, None)", "list_append of (list[int], none) -> ()"),
    ("%y: list[float] = same(%l)", "same of (list[int]) -> (list[float])"),
    ("%y: list[int] = list_make(1, %x)", "list_make of (int, tensor)"),
    ("%y: int = tuple_index(%l, 0)", "tuple_index of (list[int], int)"),
    ("%y: tuple[int] = tuple_make(1, 2)", "tuple_make of (int, int) -> (tuple[int])"),
    ("%y: tensor = relu(%n)", "relu: argument 'input' must be Tensor"),
    ("%y: tensor = relu([%n])", "relu: argument 'input' must be Tensor"),
    ("%y: tensor = view(%x, [%x])", "view: argument 'size' must be int[]"),
    ("%y: tensor = view(%x, [1, %x])", "view: %x is tensor; expected int"),
    ("%y: tensor = view(%x, %o)", "view: argument 'size' must be int[]"),
    ("%y: int = relu(%x)", "relu: %y is int; expected a tensor"),
    ("%y: int = if %n {\nyield 1\n} else {\nyield 2\n}", "if: expected one bool"),
    ("%y: int = if %c {\nyield 1\n}", "if: yields (); expected (int)"),
    ("%y: int = if %c {\nyield 1\n} else {\nyield 1.5\n}", "if: yields (float); expected (int)"),
    ("%y: int = if %c {\nyield 1, 2\n} else {\nyield 1\n}", "if: yields (int, int); expected (int)"),
    ("if %c {\n%y: int = same(1)\n}\n%z: int = same(%y)", "same uses %y, which is defined within a body"),
    ("if %c {\n%y: int = same(1)\n} else {\n%y: int = same(1)\n}", "another name than %y"),
    ("%y: int = while (%i: int = 0) {\nyield %i\n} do {\nyield 1\n}", "while: yields (int); expected (bool)"),
    ("%y: int = while (%i: int = 1.5) {\nyield %c\n} do {\nyield 1\n}", "while: begins with (float); expected (int)"),
    ("%y: float = while (%i: int = 1) {\nyield %c\n} do {\nyield 1\n}", "while: gives (int); expected (float)"),
    ("%y: int = while (%i: int = 0) {\nyield %c\n} do {\nyield %l\n}", "while: yields (list[int]); expected (int)"),
    ("%y: int = while (%i: int = 0) {\nyield %c\n}", "expected 'do'"),
    ("while (%i: int = 0) {\nyield %c\n} do {\nyield 1\n}", "while: expected as many results"),
    ("for %i: float in %l {\n}", "for: an item of list[int] is float"),
    ("for %i: int in %c {\n}", "for: an item of bool is int; expected items of a list"),
    ("for _ in %l {\n}", "expected a value for the item"),
    ("%y: int = call g(%n)", "there is no graph called g"),
    ("%y: int = call f(%n)", "call f: takes (int); expected (tensor, int, bool, list[int], optional[int])"),
    ("%y: float = call f(%x, %n, %c, %l, %o)", "call f: gives (int); expected (float)"),
    ("%y: int, %z: int = call f(%x, %n, %c, %l, %o)", "as many results as the graph gives"),
    ("%y: list = same(%l)", "expected '['"),
    ("%y: dict[int] = same(%l)", "expected 2 types within []"),
    ("%y: optional[optional[int]] = same(%l)", "expected an optional of something else"),
    ("%y: T = same(%l)", "expected a dtype or another type"),
    ("%y: any = same(%l)", "expected a dtype or another type"),
    ("%y: " + "list[" * 40 + "int" + "]" * 40 + " = list_make()", "types nested at most"),
    ("if %c {\n" * 70 + "}\n" * 70, "bodies nested at most 64 deep"),
    ("%y: int = unset(3)", "unset of (int)"),
    ("const %y: int = \"y\"", "constant %y is int; expected a tensor"),
    ("yield 3", "there is none called yield"),
])
def test_refused(body, complaint):
    with pytest.raises(ValueError, match="graph") as error:
        rl._C.graph.parse_all(HEAD + body + "\n  return %n\n}")
    assert complaint in str(error.value)


def test_texts_nested_without_end_are_refused():
    for text in ("list[" * 100_000, "if %c {" * 100_000, "while (%i: int = 0) {" * 10_000, "[" * 100_000):
        for start in ("%y: ", "", "%y: int = same("):
            with pytest.raises(ValueError, match="graph"):
                rl._C.graph.parse_all(HEAD + start + text)


def test_two_graphs_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two graphs have this name"):
        rl._C.graph.parse_all("graph f(%x: int) {\n  return %x\n}\n" * 2)


def test_every_prefix_of_a_text_is_refused():
    text = (GOLDEN / "control_flow.graphs").read_text()
    begins = text.index("graph forward")
    for n in range(begins + 1, len(text) - 2):
        with pytest.raises(ValueError, match="graph"):
            rl._C.graph.parse_all(text[:n])


def test_a_wrong_text_raises_and_does_not_crash():
    """Bytes and words changed at random: parsed and run, or refused."""
    text = (GOLDEN / "control_flow.graphs").read_text()
    words = sorted(set(text.split()) | set(rl._C.graph.primitives()))
    chance = random.Random(1)
    errors = (ValueError, RuntimeError, TypeError, IndexError, KeyError, NotImplementedError, OverflowError,
              MemoryError, NameError)
    ran = 0
    for turn in range(1500):
        at = chance.randrange(len(text))
        if turn % 2:
            end = min((text + " ").find(" ", at + 1), len(text))
            changed = text[:at] + chance.choice(words) + text[end:]
        else:
            changed = text[:at] + chance.choice("%[](){},:=>_x0-9 \"?\n#") + text[at + chance.randrange(3):]
        try:
            program(changed, {"weight": rl.zeros(4, 3)}).run(rl.ones(1, 3), 1, 0.5, ["x"], None)
            ran += 1
        except errors:
            continue
    assert ran > 10


# ---- runs -----------------------------------------------------------------------------------------------------------

COLLATZ = """graph steps(%n: int) {
  %count: int, %end: int = while (%i: int = 0, %k: int = %n) {
    %go: bool = num_gt(%k, 1)
    yield %go
  } do {
    %rest: int = num_mod(%k, 2)
    %odd: bool = num_eq(%rest, 1)
    %next: int = if %odd {
      %m: int = num_mul(%k, 3)
      %p: int = num_add(%m, 1)
      yield %p
    } else {
      %h: int = num_floordiv(%k, 2)
      yield %h
    }
    %j: int = num_add(%i, 1)
    yield %j, %next
  }
  return %count
}
"""


def test_a_loop_with_a_branch():
    def steps(n):
        count = 0
        while n > 1:
            n, count = (3 * n + 1 if n % 2 else n // 2), count + 1
        return count
    collatz = program(COLLATZ)
    assert [collatz.run(n)[0] for n in range(1, 100)] == [steps(n) for n in range(1, 100)]


def test_a_loop_swaps_its_values():
    swap = program("""graph f(%a: int, %b: int, %n: int) {
  %x: int, %y: int = for %i: int in %n (%p: int = %a, %q: int = %b) {
    yield %q, %p
  }
  return %x, %y
}""")
    assert [swap.run(1, 2, n) for n in range(3)] == [(1, 2), (2, 1), (1, 2)]


@pytest.mark.parametrize("kind, sequence, item, items", [
    ("int", 3, "int", [0, 1, 2]), ("int", -1, "int", []), ("list[str]", ["a", "b"], "str", ["a", "b"]),
    ("tuple[int, int]", (4, 5), "int", [4, 5]), ("str", "aé漢", "str", ["a", "é", "漢"])])
def test_what_a_loop_walks_over(kind, sequence, item, items):
    walk = program(f"""graph f(%s: {kind}) {{
  %out: list[{item}] = list_make()
  for %i: {item} in %s {{
    list_append(%out, %i)
  }}
  return %out
}}""")
    assert walk.run(sequence) == (items,)


def test_a_loop_over_the_rows_of_a_tensor():
    total = program("""graph f(%x: tensor) {
  %zero: tensor = mul(%x, 0)
  %first: tensor = sum(%zero, 0, False, dtype=None)
  %out: tensor = for %row: tensor in %x (%sum: tensor = %first) {
    %double: tensor = mul(%sum, 2)
    %next: tensor = add(%double, %row, alpha=1)
    yield %next
  }
  return %out
}""")
    x = rl.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], requires_grad=True)
    result = total.run(x)[0]
    assert result.tolist() == [15.0, 22.0]
    result.sum().backward()
    assert x.grad.tolist() == [[4.0, 4.0], [2.0, 2.0], [1.0, 1.0]]
    with pytest.raises(TypeError, match="0-d"):
        program("graph f(%x: tensor) {\n  for %i: tensor in %x {\n  }\n  return %x\n}").run(rl.tensor(1.0))


def test_a_list_that_the_loop_changes_is_walked_as_python_walks_it():
    walk = program("""graph f(%l: list[int]) {
  for %i: int in %l {
    %n: int = list_len(%l)
    %short: bool = num_lt(%n, 6)
    if %short {
      list_append(%l, %i)
    } else {
      %gone: int = list_pop(%l)
    }
  }
  return %l
}""")
    numbers = [1, 2, 3]
    for i in numbers:
        numbers.append(i) if len(numbers) < 6 else numbers.pop()
    assert walk.run([1, 2, 3]) == (numbers,)


def test_lists_are_references():
    assert program("""graph f(%l: list[list[int]]) {
  %first: list[int] = list_index(%l, 0)
  list_append(%first, 9)
  %copy: list[list[int]] = list_copy(%l)
  %t: tuple[list[int], int] = tuple_make(%first, 1)
  %same: list[int] = tuple_index(%t, 0)
  list_append(%same, 8)
  return %copy
}""").run([[1], [2]]) == ([[1, 9, 8], [2]],)


def test_a_literal_list_is_new_each_time():
    assert program("""graph f(%n: int) {
  %all: list[list[int]] = list_make()
  for %i: int in %n {
    %l: list[int] = same([1, 2])
    list_append(%l, %i)
    list_append(%all, %l)
  }
  return %all
}""").run(2) == ([[1, 2, 0], [1, 2, 1]],)


FIBONACCI = """graph fib(%n: int) {
  %small: bool = num_lt(%n, 2)
  %r: int = if %small {
    yield %n
  } else {
    %a: int = num_sub(%n, 1)
    %b: int = num_sub(%n, 2)
    %p: int = call fib(%a)
    %q: int = call fib(%b)
    %s: int = num_add(%p, %q)
    yield %s
  }
  return %r
}
"""


def test_graphs_call_each_other():
    assert program(FIBONACCI).run(15) == (610,)
    is_even = FIBONACCI + """graph odd(%n: int) {
  %zero: bool = num_eq(%n, 0)
  %r: bool = if %zero {
    yield False
  } else {
    %m: int = num_sub(%n, 1)
    %e: bool = call even(%m)
    yield %e
  }
  return %r
}
graph even(%n: int) {
  %zero: bool = num_eq(%n, 0)
  %r: bool = if %zero {
    yield True
  } else {
    %m: int = num_sub(%n, 1)
    %o: bool = call odd(%m)
    yield %o
  }
  return %r
}
"""
    assert program(is_even).run(100) == (True,) and program(is_even).run(101) == (False,)


def test_recursion_without_end_is_an_error_in_any_thread():
    """Also where bodies lie in each other as deep as they may, and on a thread with a small stack."""
    endless = ["graph f(%n: int) {\n  %r: int = call f(%n) at \"deep.py:3\"\n  return %r\n}"]
    endless.append("graph f(%n: int, %c: bool) {\n" + "if %c {\n" * 63 + "%r: int = call f(%n, %c) at \"deep.py:3\"\n" +
                   "}\n" * 63 + "return %n\n}")
    caught = []

    def run(made, n):
        try:
            made.run(1, *[True] * n)
        except RecursionError as error:
            caught.append(str(error))
    for n, text in enumerate(endless):
        made = program(text)
        run(made, n)
        for size in (0, 256 << 10):
            before = threading.stack_size(size)
            thread = threading.Thread(target=run, args=(made, n))
            thread.start()
            thread.join()
            threading.stack_size(before)
    assert len(caught) == 6 and all("maximum recursion depth exceeded" in text for text in caught)


def test_an_endless_loop_can_be_interrupted():
    loop = program("""graph f(%n: int) {
  %r: int = while (%i: int = %n) {
    yield True
  } do {
    yield %i
  }
  return %r
}""")

    def stop(*_):
        raise KeyboardInterrupt
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    start = time.perf_counter()
    try:
        with pytest.raises(KeyboardInterrupt):
            loop.run(1)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.perf_counter() - start < 5


def test_the_interpreter_is_free_meanwhile():
    """Another Python thread gets on while a loop runs."""
    counter = program(COLLATZ.replace("num_gt(%k, 1)", "num_lt(%i, 3000000)"))
    worker = threading.Thread(target=counter.run, args=(1,))
    worker.start()
    turns = 0
    while worker.is_alive():
        turns += 1
        time.sleep(0.001)
    assert turns > 20


def test_threads_share_a_program():
    fib = program(FIBONACCI)
    results = []
    threads = [threading.Thread(target=lambda: results.append(fib.run(14)[0])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [377] * 4


@pytest.mark.parametrize("kind, value, complaint", [
    ("int", 1.5, "input 'x' is float; expected int"), ("int", True, "input 'x' is bool; expected int"),
    ("float", "x", "input 'x' is str; expected float"), ("list[int]", [1, "x"], "f: input 'x': an item is str"),
    ("tuple[int, int]", (1,), "has 1 items; expected tuple[int, int]"),
    ("dict[str, int]", {1: 2}, "input 'x': a key is int"),
    ("str", None, "input 'x' is NoneType; expected str"), ("tensor", 3, "input 'x' is int; expected Tensor"),
    ("dtype", "float32", "expected dtype"), ("none", 3, "expected none"), ("bool", 1, "expected bool")])
def test_inputs_of_another_type_are_refused(kind, value, complaint):
    with pytest.raises(TypeError) as error:
        program(f"graph f(%x: {kind}) {{\n  return %x\n}}").run(value)
    assert complaint in str(error.value)


def test_the_number_of_inputs():
    with pytest.raises(TypeError, match="got 0 inputs; expected 1"):
        program("graph f(%x: int) {\n  return %x\n}").run()
    with pytest.raises(OverflowError):
        program("graph f(%x: int) {\n  return %x\n}").run(2 ** 64)


@pytest.mark.parametrize("kind, value", [
    ("int", -3), ("float", 2.5), ("float", 3), ("number", True), ("str", "é\0x"), ("none", None),
    ("optional[str]", None),
    ("list[optional[int]]", [1, None]), ("dict[tuple[int, str], list[float]]", {(1, "a"): [1.5]}), ("dtype", rl.int64)])
def test_values_pass_through(kind, value):
    assert program(f"graph f(%x: {kind}) {{\n  return %x\n}}").run(value) == (value,)


def test_errors_tell_the_place_once():
    text = """graph inner(%n: int) {
  %r: int = num_floordiv(1, %n) at "inner.py:2"
  return %r
}
graph outer(%n: int) {
  %r: int = call inner(%n) at "outer.py:7"
  return %r
}"""
    with pytest.raises(ZeroDivisionError) as error:
        program(text).run(0)
    assert str(error.value).count(".py:") == 1 and "(at inner.py:2)" in str(error.value)


# ---- tensors --------------------------------------------------------------------------------------------------------

RECURRENT = """graph forward(%x: tensor, %h: tensor, %w: tensor, %u: tensor) {
  %none: list[tensor] = list_make()
  %last: tensor, %all: list[tensor] = for %row: tensor in %x (%s: tensor = %h, %l: list[tensor] = %none) {
    %a: tensor = matmul(%row, %w)
    %b: tensor = matmul(%s, %u)
    %c: tensor = add(%a, %b, alpha=1)
    %t: tensor = tanh(%c)
    %mean: tensor = mean(%t, None, False, dtype=None)
    %m: float = to_float(%mean)
    %positive: bool = num_gt(%m, 0)
    %next: tensor = if %positive {
      %double: tensor = mul(%t, 2)
      yield %double
    } else {
      yield %t
    }
    list_append(%l, %next)
    yield %next, %l
  }
  %stacked: tensor = stack(%all, 0)
  return %last, %stacked
}
"""


def eager_recurrent(x, h, w, u):
    rows = []
    for row in x:
        h = rl.tanh(row @ w + h @ u)
        if float(h.mean()) > 0:
            h = h * 2
        rows.append(h)
    return h, rl.stack(rows)


@pytest.mark.parametrize("length", [1, 2, 9])
def test_gradients_through_loops_and_branches(length):
    rl.manual_seed(length)
    given = [rl.randn(length, 2, 3), rl.randn(2, 4), rl.randn(3, 4), rl.randn(4, 4)]
    ours = [t.clone().requires_grad_() for t in given]
    theirs = [t.clone().requires_grad_() for t in given]
    recurrent = program(RECURRENT)
    for result, expected in zip(recurrent.run(*ours), eager_recurrent(*theirs), strict=True):
        assert result.tolist() == expected.tolist()
        (result * result).sum().backward(retain_graph=True)
        (expected * expected).sum().backward(retain_graph=True)
    for t, other in zip(ours, theirs, strict=True):
        assert t.grad.tolist() == other.grad.tolist()


def test_gradients_through_while():
    grow = program("""graph f(%x: tensor) {
  %y: tensor = while (%s: tensor = %x) {
    %n: tensor = vector_norm(%s, 2.0, None, False, dtype=None)
    %small: tensor = lt(%n, 100)
    %go: bool = to_bool(%small)
    yield %go
  } do {
    %t: tensor = mul(%s, 2)
    yield %t
  }
  return %y
}""")
    x = rl.tensor([3.0, 4.0], requires_grad=True)
    y = grow.run(x)[0]
    assert y.tolist() == [96.0, 128.0]
    y.sum().backward()
    assert x.grad.tolist() == [32.0, 32.0]


def test_no_grad_holds_for_what_a_call_does():
    text = """graph inner(%x: tensor) {
  %y: tensor = mul(%x, 2)
  return %y
}
graph f(%x: tensor) {
  %a: tensor = call inner(%x) no_grad
  %b: tensor = call inner(%x)
  %c: tensor = add(%a, %b, alpha=1)
  return %a, %c
}"""
    x = rl.ones(2, requires_grad=True)
    a, c = program(text).run(x)
    assert not a.requires_grad
    c.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_writes_are_seen_by_every_view():
    x = rl.zeros(4)
    assert program("""graph f(%x: tensor, %n: int) {
  %v: tensor = view(%x, [2, -1])
  for %i: int in %n {
    %w: tensor = add(%x, 1, alpha=1) into %x
  }
  return %v
}""").run(x, 3)[0].tolist() == [[3.0, 3.0], [3.0, 3.0]]
    assert x.tolist() == [3.0] * 4


def test_values_as_arguments_of_operators():
    f = program("""graph f(%x: tensor, %sizes: list[int], %n: int, %scale: float, %d: dtype, %bias: optional[tensor],
        %k: bool) {
  %a: tensor = view(%x, %sizes)
  %b: tensor = view(%a, [%n, -1])
  %c: tensor = mul(%b, %scale)
  %e: tensor = sum(%c, 0, %k, dtype=%d)
  %w: tensor = ones([2, %n], dtype=None)
  %g: tensor = linear(%b, %w, %bias)
  return %b, %c, %e, %g
}""")
    for bias in (None, rl.ones(2)):
        b, c, e, g = f.run(rl.arange(4.0), [4], 2, 0.5, rl.float64, bias, True)
        assert b.tolist() == [[0, 1], [2, 3]] and c.tolist() == [[0, 0.5], [1, 1.5]]
        assert e.dtype == rl.float64 and e.tolist() == [[1.0, 2.0]]
        assert g.tolist() == rl.nn.functional.linear(b, rl.ones(2, 2), bias).tolist()


def test_a_float_as_input_of_a_planned_run():
    text = """graph f(%x: float32[2], %lr: float) {
  %y: float32[2] = mul(%x, %lr)
  %z: float32[2] = add(%y, %x, alpha=%lr)
  return %z
}
"""
    planned = program(text)
    for lr in (0.5, 2.0, 3, 0.25):
        assert planned.run(rl.tensor([1.0, 2.0]), lr)[0].tolist() == [2 * lr, 4 * lr]
    assert planned.planned == (2, 0)


def test_memory_is_let_go_within_the_run():
    """A chain in a loop holds a few tensors, however long it is."""
    chain = program("""graph f(%x: tensor, %n: int) {
  %y: tensor = for %i: int in %n (%s: tensor = %x) {
    %a: tensor = add(%s, 1, alpha=1)
    %b: tensor = mul(%a, 0.5)
    %c: tensor = exp(%b)
    %d: tensor = tanh(%c)
    yield %d
  }
  return %y
}""")
    x = rl.zeros(1 << 20)
    chain.run(x, 1)
    before = rl._C.memory_statistics()["in_use"]
    rl._C.reset_peak_memory()
    chain.run(x, 50)
    assert rl._C.memory_statistics()["peak_in_use"] - before <= 4 * x.numel() * 4


def test_a_capture_sees_what_a_program_does():
    recurrent = program(RECURRENT)
    rl.manual_seed(0)
    inputs = rl.randn(3, 2, 3), rl.randn(2, 4), rl.randn(3, 4), rl.randn(4, 4)
    with pytest.warns(rl.jit.TracerWarning, match="float"):
        traced = rl.jit.trace(lambda *a: recurrent.run(*a)[1], inputs, check_trace=False)
    assert_close(traced(*inputs), recurrent.run(*inputs)[1])


# ---- passes ---------------------------------------------------------------------------------------------------------

def test_constants_are_folded_and_their_branches_taken():
    text = """graph f(%x: tensor, %n: int) {
  %a: int = num_mul(6, 7)
  %b: float = num_add(%a, 0.5)
  %deep: bool = num_gt(%b, 40)
  %zero: float = num_div(1, 0)
  %y: tensor, %k: int = if %deep {
    %v: tensor = view(%x, [%a, %n, -1])
    yield %v, %a
  } else {
    %w: tensor = relu(%x)
    yield %w, 1
  }
  %l: list[int] = list_make(%k, %n)
  for %i: int in %k {
    %s: int = num_add(%k, 1)
    list_append(%l, %s)
  }
  %m: int = num_sub(%k, 2)
  return %y, %l, %m
}
"""
    folded = rl._C.graph.simplify(rl._C.graph.parse(text))
    assert folded.text() == """graph f(%x: tensor, %n: int) {
  %zero: float = num_div(1, 0)
  %y: tensor, %k: int = if True {
    %v: tensor = view(%x, [42, %n, -1])
    yield %v, 42
  } else {
    %w: tensor = relu(%x)
    yield %w, 1
  }
  %l: list[int] = list_make(%k, %n)
  for %i: int in %k {
    %s: int = num_add(%k, 1)
    list_append(%l, %s)
  }
  %m: int = num_sub(%k, 2)
  return %y, %l, %m
}
"""
    text = text.replace("return %y, %l, %m", "%z: tensor = relu(%y)\n  return %z, %l, %m").replace("num_div(1, 0)",
                                                                                                   "num_div(1, 2)")
    folded = rl._C.graph.simplify(rl._C.graph.parse(text))
    assert folded.text() == """graph f(%x: tensor, %n: int) {
  %v: tensor = view(%x, [42, %n, -1])
  %l: list[int] = list_make(42, %n)
  for %i: int in 42 {
    list_append(%l, 43)
  }
  %m: int = num_sub(42, 2)
  %z: tensor = relu(%v)
  return %z, %l, %m
}
"""
    x = rl.arange(84.0)
    results = [rl._C.graph.Program(g, {}).run(x, 2) for g in (rl._C.graph.parse(text), folded)]
    assert results[0][0].tolist() == results[1][0].tolist() and results[0][1:] == results[1][1:]


def test_folding_keeps_references_and_types():
    text = """graph f(%n: int) {
  %l: list[int] = if True {
    yield [1, 2]
  } else {
    yield [3]
  }
  list_append(%l, %n)
  %o: optional[int] = if True {
    yield None
  } else {
    yield 3
  }
  %p: optional[int] = same(None)
  %e: bool = value_eq(%o, 3)
  %d: bool = value_eq(%p, 3)
  return %l, %e, %d
}
"""
    folded = rl._C.graph.simplify(rl._C.graph.parse(text))
    assert folded.text() == text
    assert rl._C.graph.Program(folded, {}).run(7) == ([1, 2, 7], False, False)


@pytest.mark.parametrize("text", [COLLATZ, FIBONACCI, RECURRENT, (GOLDEN / "control_flow.graphs").read_text()])
def test_what_is_not_constant_stays(text):
    for graph in rl._C.graph.parse_all(text):
        assert rl._C.graph.simplify(graph).text() == graph.text()
