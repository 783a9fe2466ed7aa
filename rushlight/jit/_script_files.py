"""Scripted programs in `.rush` files: their graphs, and what Python knows of them besides."""
import inspect

from rushlight._files.errors import CorruptFileError
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


def script_among_others(name, m, pool):
    """(what graph.json says of a scripted program that is saved with others under a name, its signatures)."""
    program = m._captures
    names = {key: pool.add(f"{name}.{key}", t) for key, t in program.tensors.items()}
    entries = [entry for entry in program.entries.values() if entry.public]
    called = {entry.name: name if entry is entries[0] else f"{name}.{entry.name}" for entry in entries}
    record = {"name": program.name, "tensors": names, "entries": [_written(entry) for entry in entries],
              "layout": layout_of(m) if isinstance(m, ScriptModule) else None, "signatures": called}
    return record, [_signature(program, entry, names) | {"name": called[entry.name]} for entry in entries]


def _signature(program, entry, names):
    """A graph that is called, as every reader of files sees it: its text, and those of the graphs that it calls."""
    graphs = [program.graphs[entry.name], *program.called_by(entry.name)]
    used = {key for graph in graphs for key in graph.constants}
    given = {name: _default_of(entry, name, default)[0] for name, _, default in entry.params
             if default is not inspect.Parameter.empty}
    takes = ["list", [["list", []], ["dict", [[name, _leaf(kind)] for name, kind, _ in entry.params]]]]
    return {"name": entry.name, "graph": "".join(graph.text() for graph in graphs), "takes": takes,
            "gives": _leaf(entry.gives), "defaults": given,
            "tensors": {key: names[key] for key in program.tensors if key in used}}


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


def script_programs(content, tensors):
    """The scripted programs that a file holds, by name; one that was saved by itself under "".

    Args:
        content (dict): what the file says.
        tensors (dict): its tensors by name, parameters as such.

    Raises:
        CorruptFileError: what the file says of its graphs does not fit them.
    """
    script, name = content["script"], content["name"]
    try:
        if "programs" not in script:
            return {"": _program(content, script | {"name": name}, tensors)}
        found = {}
        for name, one in script["programs"].items():
            found[name] = _program(content, one, tensors)
        return found
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise CorruptFileError(f"load: scripted program {name!r}: {error}") from error


def _program(content, script, tensors):
    tensors = {key: tensors[name] for key, name in script["tensors"].items()}
    entries = [Entry(e["name"], [(name, _type_of(kind), default[0] if default else inspect.Parameter.empty)
                                 for name, kind, default in e["params"]], _type_of(e["gives"]))
               for e in script["entries"]]
    texts, takes = {}, {}
    own = {signature: name for name, signature in script.get("signatures", {}).items()}
    for signature, graph, form, _, _, _, called in content["signatures"]:
        if own and signature not in own:
            continue
        takes[own.get(signature, signature)] = len(form[1][1][1])
        texts.update((one.name, one.text()) for one in (graph, *called))
    program = Scripted(script["name"], "".join(texts.values()), tensors, entries)
    program.metadata = content["metadata"]
    for entry in entries:
        if takes[entry.name] != len(entry.params):
            raise ValueError(f"{entry.name} takes {takes[entry.name]} inputs, and {len(entry.params)} are described")
    return ScriptedFunction(program) if script["layout"] is None else assemble(program, script["layout"])
