"""jit.script against Python on programs that are written at random: numbers, lists, tensors, nested control flow.

RUSHLIGHT_RANDOM_PROGRAMS sets how many; each is known by its number, and the same at each run.
"""
import copy
import importlib.util
import os
import random

import pytest
from jit.script_programs import plain, reloaded

import rushlight as rl

COUNT = int(os.environ.get("RUSHLIGHT_RANDOM_PROGRAMS", "300"))
BATCH = 25
HEADER = '''from typing import List, Optional, Tuple
import rushlight as rl
from rushlight import Tensor

'''


class Writer:
    """Writes one function; what it computes stays small, so that ints of 64 bits do."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.lines, self.loops, self.counters = [], 0, 0

    def pick(self, *choices):
        return self.random.choice(choices)

    def integer(self, depth=2):
        if depth == 0 or self.random.random() < 0.3:
            return self.pick("a", "b", "len(items)", str(self.random.randint(-5, 9)))
        x, y = self.integer(depth - 1), self.integer(depth - 1)
        return self.pick(f"({x} + {y})", f"({x} - {y})", f"({x} * {y}) % 101", f"({x} // {self.random.randint(1, 5)})",
                         f"({x} % {self.random.randint(2, 9)})", f"min({x}, {y})", f"max({x}, {y})", f"abs({x})",
                         f"({x} if {self.truth(depth)} else {y})", f"items[{x} % len(items)]", f"int(f) + {x}",
                         f"(best if best is not None else {x})", f"sum([k + {x} for k in items]) % 77",
                         f"helper({x}, f)")

    def real(self, depth=1):
        x = self.integer(depth)
        return self.pick("f * 0.5", f"float({x}) / 4", f"f - {x}", f"{x} / 8.0", f"(f if {self.truth(depth)} else 1.5)",
                         "f + 0.25")

    def tensor(self):
        x = self.integer(1)
        return self.pick(f"x + {x}", "x * 0.5", "x - y", "rl.tanh(x)", "rl.relu(y)", "x * f", "y @ rl.ones(3, 3)",
                         f"x[{self.random.randint(0, 2)}] + y", "rl.stack([x, y]).mean(0)", "x.flip(0)",
                         f"rl.where(x > {x}, x, y)", f"x.clamp(min=0.0) + {x}")

    def truth(self, depth=2):
        depth -= 1
        if depth <= 0 or self.random.random() < 0.5:
            sign = self.pick("<", "<=", ">", "==", "!=")
            return self.pick(f"{self.integer(max(0, depth))} {sign} {self.integer(0)}",
                             "x.sum() > y.sum()", "f > 1.0", "flag", f"{self.integer(0)} in items", "best is None",
                             "a < b <= 5")
        x, y = self.truth(depth), self.truth(depth)
        return self.pick(f"({x} and {y})", f"({x} or {y})", f"not ({x})")

    def say(self, indent, text):
        self.lines.append("    " * indent + text)

    def block(self, indent, depth):
        for _ in range(self.random.randint(1, 3)):
            self.statement(indent, depth)

    def statement(self, indent, depth):
        kinds = ["int", "int", "float", "tensor", "list", "flag", "update", "optional", "pair"]
        kinds += ["if", "if", "for", "while", "over"] if depth > 0 else []
        kinds += ["break", "continue"] if self.loops else []
        kinds += ["return"] if indent > 1 else []
        getattr(self, "do_" + self.random.choice(kinds))(indent, depth)

    def do_int(self, indent, depth):
        self.say(indent, f"{self.pick('a', 'b')} = {self.integer()} % 1009")

    def do_float(self, indent, depth):
        self.say(indent, f"f = {self.real()}")

    def do_tensor(self, indent, depth):
        self.say(indent, f"{self.pick('x', 'y')} = {self.tensor()}")

    def do_list(self, indent, depth):
        self.say(indent, self.pick(f"items.append({self.integer(1)})", f"items[0] = {self.integer(1)}",
                                   "items = items[-4:]", f"items = [k * 2 % 50 for k in items] + [{self.integer(0)}]"))

    def do_flag(self, indent, depth):
        self.say(indent, f"flag = bool({self.truth()})")

    def do_update(self, indent, depth):
        self.say(indent, self.pick(f"a += {self.integer(0)} % 13", "b -= 1", "f *= 0.5", "x = x.clone()\n"
                                   + "    " * indent + "x += 1", "y = y - 1"))

    def do_optional(self, indent, depth):
        self.say(indent, f"best = {self.pick('None', self.integer(1))}")

    def do_pair(self, indent, depth):
        self.say(indent, f"a, b = {self.integer(1)} % 500, {self.pick('a', 'b')}")

    def do_if(self, indent, depth):
        self.say(indent, f"if {self.truth()}:")
        self.block(indent + 1, depth - 1)
        if self.random.random() < 0.3:
            self.say(indent, f"elif {self.truth(1)}:")
            self.block(indent + 1, depth - 1)
        if self.random.random() < 0.6:
            self.say(indent, "else:")
            self.block(indent + 1, depth - 1)

    def _in_loop(self, indent, depth):
        self.loops += 1
        self.block(indent, depth - 1)
        self.loops -= 1

    def do_for(self, indent, depth):
        self.say(indent, f"for i{depth} in range({self.pick('3', 'abs(a) % 4', '1, 6, 2', 'len(items) % 4')}):")
        self.say(indent + 1, f"a = (a + i{depth}) % 997")
        self._in_loop(indent + 1, depth)

    def do_over(self, indent, depth):
        over = self.pick("enumerate(items[:4])", "zip(items[:3], [1, 2, 3])")
        self.say(indent, f"for k{depth}, v{depth} in {over}:")
        self.say(indent + 1, f"b = (b * 2 + k{depth} - v{depth}) % 499")
        self._in_loop(indent + 1, depth)

    def do_while(self, indent, depth):
        self.counters += 1
        name = f"n{self.counters}"
        self.say(indent, f"{name} = 0")
        self.say(indent, f"while {name} < 4 and {self.truth(1)}:")
        self.say(indent + 1, f"{name} += 1")
        self._in_loop(indent + 1, depth)

    def do_break(self, indent, depth):
        self.say(indent, f"if {self.truth(1)}:")
        self.say(indent + 1, "break")

    def do_continue(self, indent, depth):
        self.say(indent, f"if {self.truth(0)}:")
        self.say(indent + 1, "continue")

    def do_return(self, indent, depth):
        self.say(indent, "return a, b, f, x, y, items, flag, best")

    def function(self, name):
        self.say(0, f"def {name}_helper(n: int, f: float) -> int:")
        self.say(1, f"if {self.pick('n > 3', 'f < 2', 'n % 2 == 0')}:")
        self.say(2, f"return {self.pick('n', '-n', 'n * 2')}")
        self.say(1, "return n + 1\n\n")
        self.say(0, f"def {name}(a: int, b: int, f: float, x, y, items: List[int], flag: bool, best: Optional[int]\n"
                    "         ) -> Tuple[int, int, float, Tensor, Tensor, List[int], bool, Optional[int]]:")
        for _ in range(self.random.randint(2, 5)):
            self.statement(1, 3)
        self.say(1, "return a, b, f, x, y, items, flag, best")
        text = "\n".join(self.lines).replace("helper(", f"{name}_helper(")
        return text.replace(f"{name}_{name}_", f"{name}_") + "\n\n"


def arguments(seed):
    choose = random.Random(seed)
    rl.manual_seed(seed)
    return (choose.randint(-9, 9), choose.randint(0, 99), choose.random() * 4, rl.randn(3), rl.randn(3),
            [choose.randint(0, 9), 3], choose.random() < 0.5, choose.choice([None, 4]))


def outcome(program, args):
    """What a program gives, or which error it raises."""
    try:
        return repr(plain(program(*copy.deepcopy(args))))
    except Exception as error:
        return type(error).__name__


@pytest.mark.parametrize("start", range(0, COUNT, BATCH))
def test_programs(start, tmp_path):
    path = tmp_path / f"programs{start}.py"
    numbers = range(start, min(start + BATCH, COUNT))
    path.write_text(HEADER + "".join(Writer(n).function(f"program{n}") for n in numbers))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    ended = 0
    for n in numbers:
        function = getattr(module, f"program{n}")
        scripted = rl.jit.script(function)
        programs = [scripted, reloaded(scripted)] if n % 5 == 0 else [scripted]
        for seed in range(3):
            args = arguments(100 * n + seed)
            expected = outcome(function, args)
            ended += not expected.endswith("Error")
            for program in programs:
                assert outcome(program, args) == expected, (n, seed, path.read_text())
    assert ended > 2 * len(numbers), "most programs of most batches raise, and show little"
