"""Scripted programs in `.rush` files: their graphs, and what Python knows of them besides."""
import inspect

from rushlight.io._errors import CorruptFileError
from rushlight.jit import _script_types as ty
from rushlight.jit._script import (
    Entry,
    Scripted,
    ScriptedFunction,
    assemble,
    layout_of,
)
from rushlight.jit._trace import ScriptModule
from rushlight.nn.parameter import Parameter

VERSION = 3


def script_content(m):
    """What graph.json says of a scripted program, and its tensors by name."""
    program = m._captures
    layout = layout_of(m) if isinstance(m, ScriptModule) else None
    names, tensors = {}, {}
    for key, t in program.tensors.items():
        same = next((name for name, other in tensors.items() if other is t), None)
        names[key] = same or key
        if same is None:
            tensors[key] = t
    kept = {key: t.detach().contiguous() for key, t in tensors.items()}
    parameters = [key for key, t in tensors.items() if isinstance(t, Parameter)]
    held = {} if layout is None else {key for record in layout for key in record["buffers"].values() if key is not None}
    entries = [entry for entry in program.entries.values() if entry.public]
    script = {"tensors": names, "layout": layout, "entries": [_written(entry) for entry in entries]}
    content = {"format": "rushlight graph", "version": VERSION, "name": program.name, "module": layout is not None,
               "original_name": layout[0]["class"] if layout else "", "parameters": parameters,
               "buffers": [key for key in tensors if key in held], "strides": {},
               "signatures": [_signature(program, entry, names) for entry in entries],
               "requires_grad": [key for key in parameters if tensors[key].requires_grad], "script": script}
    return content, kept


def _signature(program, entry, names):
    """A graph that is called, as every reader of files sees it: its text, and those of the graphs that it calls."""
    graphs = [program.graphs[entry.name], *program.called_by(entry.name)]
    used = {key for graph in graphs for key in graph.constants}
    takes = ["list", [["list", []], ["dict", [[name, _leaf(kind)] for name, kind, _ in entry.params]]]]
    return {"name": entry.name, "graph": "".join(graph.text() for graph in graphs), "takes": takes,
            "gives": _leaf(entry.gives), "tensors": {key: names[key] for key in program.tensors if key in used}}


def _leaf(kind):
    return kind.kind if kind in (ty.TENSOR, ty.NONE) else "value"


def _written(entry):
    params = [[name, _form_of(kind), _default_of(entry, name, default)] for name, kind, default in entry.params]
    return {"name": entry.name, "params": params, "gives": _form_of(entry.gives)}


def _default_of(entry, name, default):
    if default is inspect.Parameter.empty:
        return []
    plain = isinstance(default, bool | int | float | str | type(None)) or (
        isinstance(default, list | tuple) and all(isinstance(item, bool | int | float | str) for item in default))
    if not plain:
        raise ValueError(f"save: argument '{name}' of {entry.name} has the default {default!r}; expected a number, "
                         "text, None, or a list of them")
    return [list(default) if isinstance(default, tuple) else default]


def _form_of(kind):
    return [kind.kind, [_form_of(part) for part in kind.args], list(kind.fields)]


def _type_of(form):
    kind, args, fields = form
    return ty.Type(str(kind), tuple(_type_of(part) for part in args), tuple(map(str, fields)))


def script_program(content):
    """The scripted program that a file holds.

    Raises:
        CorruptFileError: what the file says of its graphs does not fit them.
    """
    try:
        return _program(content)
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise CorruptFileError(f"load: scripted program {content['name']!r}: {error}") from error


def _program(content):
    script, trained = content["script"], set(content["requires_grad"])
    tensors = dict(content["tensors"])
    for name in content["parameters"]:
        tensors[name] = Parameter(tensors[name], requires_grad=name in trained)
    tensors = {key: tensors[name] for key, name in script["tensors"].items()}
    entries = [Entry(e["name"], [(name, _type_of(kind), default[0] if default else inspect.Parameter.empty)
                                 for name, kind, default in e["params"]], _type_of(e["gives"]))
               for e in script["entries"]]
    texts, takes = {}, {}
    for name, graph, form, _, _, _, called in content["signatures"]:
        takes[name] = len(form[1][1][1])
        texts.update((one.name, one.text()) for one in (graph, *called))
    program = Scripted(content["name"], "".join(texts.values()), tensors, entries)
    program.metadata = content["metadata"]
    for entry in entries:
        if takes[entry.name] != len(entry.params):
            raise ValueError(f"{entry.name} takes {takes[entry.name]} inputs, and {len(entry.params)} are described")
    return ScriptedFunction(program) if script["layout"] is None else assemble(program, script["layout"])
