"""Scripted programs within captured ones: kept as calls of their graphs, so that their control flow stays alive."""
import re
import threading
from contextlib import contextmanager

from rushlight import _C

_CONTROL = {"if", "while", "for", "print"}
#: Operators whose results have shapes that only values tell.
_SHAPED_BY_VALUES = {"nonzero", "masked_select", "unique", "unique_dim", "unique_consecutive", "bincount",
                     "repeat_interleave"}
#: Primitives that turn what tensors hold into other values.
_READS = re.compile(r" = (?:to_bool|to_int|to_float|to_str|repr|tensor_item|tensor_list|str_format|str_percent|"
                    r"value_format)\((.*)\)")
_CONSTANT = re.compile(r"^  (?:const|state) %([\w.]+):", re.MULTILINE)
_TYPED = re.compile(r"%([\w.]+): ([\w.]+)")
_now = threading.local()


def renamed(text, names, keys):
    """The text of graphs with other names of graphs and of tensors."""
    text = re.sub(r"(?<=^graph )[\w.]+(?=\()", lambda m: names[m[0]], text, flags=re.MULTILINE)
    text = re.sub(r"(?<=\bcall )[\w.]+(?=\()", lambda m: names[m[0]], text)
    return re.sub(r'^(  (?:const|state) .* = )"(.*)"$', lambda m: f'{m[1]}"{keys[m[2]]}"', text, flags=re.MULTILINE)


def _reads_values(text):
    """Whether a graph looks at what tensors hold, constants aside: these stay as they are, or are looked at again."""
    constants, types = set(_CONSTANT.findall(text)), dict(_TYPED.findall(text))
    return any(name not in constants and (types[name].startswith("tensor") or hasattr(_C, types[name]))
               for found in _READS.findall(text) for name in re.findall(r"%([\w.]+)", found))


class KeptCalls:
    """The graphs that one capture calls.

    Args:
        known (list): (name, tensor) of tensors that keep their names.
        whole (bool): keep programs with any control flow, and not only those whose ways depend on values.

    Attributes:
        graphs (list of Graph), tensors (dict): by the keys that the graphs have for them.
    """

    def __init__(self, known, whole):
        self.graphs, self.tensors = [], {}
        self._keys = {id(t): name for name, t in known}
        self._taken = {name for name, _ in known} | {"forward"}
        self._calls = {}                             # by program and entry: the program, the graph's name, its shapes
        self._whole = whole

    def find(self, program, entry):
        """(name of the graph that is called, whether shapes of its results follow from its inputs').

        None where the program is as well captured by what it does.
        """
        key = id(program), entry
        if key not in self._calls:
            graphs = [program.graphs[entry], *program.called_by(entry)]
            nodes = {node[0] for graph in graphs for node in graph.nodes}
            reads = any(_reads_values(graph.text()) for graph in graphs)
            if reads or (self._whole and nodes & _CONTROL):
                found = self._add(program, graphs), not reads and not nodes & _SHAPED_BY_VALUES
            else:
                found = None
            self._calls[key] = program, found
        return self._calls[key][1]

    def _add(self, program, graphs):
        names = {graph.name: self._unique(f"{program.name}.{graph.name}") for graph in graphs}
        used = {key: program.tensors[key] for graph in graphs for key in graph.constants}
        keys = {key: self._keys.get(id(t)) or self._unique(f"{program.name}.{key}") for key, t in used.items()}
        self._keys |= {id(t): keys[key] for key, t in used.items()}
        self.tensors |= {keys[key]: t for key, t in used.items()}
        self.graphs += _C.graph.parse_all(renamed("".join(graph.text() for graph in graphs), names, keys))
        return names[graphs[0].name]

    def _unique(self, name):
        name = made = re.sub(r"[^\w.]", "_", name)
        count = 0
        while made in self._taken:
            count += 1
            made = f"{name}_{count}"
        self._taken.add(made)
        return made


def current():
    """The calls of the capture that is open in this thread; None where there is none."""
    return getattr(_now, "calls", None)


@contextmanager
def keeping(calls):
    """Within it, scripted programs that are called become calls of the capture."""
    _now.calls = calls
    try:
        yield
    finally:
        _now.calls = None
