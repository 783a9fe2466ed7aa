"""Graphs in the making: nodes in blocks, and their text."""
import math
import re

from rushlight import _C
from rushlight.jit._script_values import Dyn

_SPECIAL = re.compile(r'["\\\x00-\x1f]')


class Block:
    """A body: what it takes, its lines, what it yields."""

    def __init__(self, outer=None):
        self.outer, self.depth = outer, 0 if outer is None else outer.depth + 1
        self.nodes = []
        self.yields = []

    def reaches(self, other):
        """Whether what `other` defines is seen from here."""
        block = self
        while block is not None:
            if block is other:
                return True
            block = block.outer
        return False


class Node:
    """A line of the graph, with bodies where it is control flow.

    Attributes:
        results (list of Dyn), what (str): `add(%1, 2)`, `if %3`, `for %k: int in %n`.
        bodies (list of Block), starts: (Dyn, operand) of what a loop carries.
    """

    def __init__(self, results, what, source="", bodies=(), starts=()):
        self.results, self.what, self.source = results, what, source
        self.bodies, self.starts = list(bodies), list(starts)


class GraphText:
    """One graph being written.

    Attributes:
        inputs (list of Dyn), constants (dict): from key to (ref, type text).
    """

    def __init__(self, name):
        self.name = name
        self.inputs, self.constants, self.outputs = [], {}, []
        self.top = self.block = Block()
        self._home = {}                              # by ref: the block that defines it
        self._names = set()
        self._count = 0

    def fresh(self, type, block=None, name=None):
        """A new value, defined in `block` (the current one)."""
        if name is None or name in self._names:
            self._count += 1
            name = str(self._count)
        self._names.add(name)
        made = Dyn("%" + name, type)
        self._home[made.ref] = block or self.block
        return made

    def is_seen(self, value):
        """Whether a value of the graph may be used in the current block."""
        return self.block.reaches(self._home[value.ref])

    def add(self, what, types, source="", bodies=(), starts=()):
        """A line at the end of the current block; gives its results."""
        results = [self.fresh(t) for t in types]
        self.block.nodes.append(Node(results, what, source, bodies, starts))
        return results

    def text(self):
        out = [f"graph {self.name}({', '.join(typed(v) for v in self.inputs)}) {{"]
        out += [f'  const {ref}: {kind} = {literal(key)}' for key, (ref, kind) in self.constants.items()]
        _write(self.top, out, "  ")
        out.append("  return " + (", ".join(self.outputs) or "nothing"))
        return "\n".join(out) + "\n}\n"


def typed(value):
    return f"{value.ref}: {value.type.text}"


def _write(block, out, indent):
    for node in block.nodes:
        results = ", ".join(map(typed, node.results))
        head = f"{indent}{results} = " if results else indent
        where = f" at {literal(node.source)}" if node.source else ""
        if not node.bodies:
            out.append(f"{head}{node.what}{where}")
            continue
        starts = ", ".join(f"{typed(v)} = {operand}" for v, operand in node.starts)
        starts = f" ({starts})" if starts or node.what == "while" else ""
        out.append(f"{head}{node.what}{starts}{where} {{")
        between = f"{indent}}} else {{" if node.what.startswith("if") else f"{indent}}} do {{"
        for i, body in enumerate(node.bodies):
            if i and not body.nodes and not body.yields and node.what.startswith("if"):
                continue
            if i:
                out.append(between)
            _write(body, out, indent + "  ")
            if body.yields:
                out.append(f"{indent}  yield {', '.join(body.yields)}")
        out.append(indent + "}")


def _escaped(found):
    return f"\\x{ord(found[0]):02x}" if ord(found[0]) < 0x20 else "\\" + found[0]


def literal(obj):
    """How graphs write a plain Python object."""
    if obj is None or isinstance(obj, bool):
        return str(obj)
    if isinstance(obj, int):
        if not -2**63 <= obj < 2**63:
            raise ty_error(obj)
        return str(int(obj))
    if isinstance(obj, float):
        return repr(float(obj)) if math.isfinite(obj) else "nan" if math.isnan(obj) else "inf" if obj > 0 else "-inf"
    if isinstance(obj, str):
        return '"' + _SPECIAL.sub(_escaped, obj) + '"'
    if isinstance(obj, _C.dtype):
        return str(obj).removeprefix("rushlight.")
    if isinstance(obj, complex):
        return f"complex({literal(obj.real)}, {literal(obj.imag)})"
    raise TypeError(f"{obj!r} is no literal")


def ty_error(number):
    return OverflowError(f"{number} does not fit the 64 bits of an int of scripted programs")
