"""Scripted programs as Python holds them: graphs that are called, functions, and trees of modules."""
import copy
import functools
import inspect
import re
from collections import namedtuple

from rushlight import _C
from rushlight.jit import _script_code
from rushlight.jit._kept_calls import current
from rushlight.jit._trace import ScriptFunction, ScriptModule
from rushlight.nn.modules.container import ModuleDict, ModuleList, Sequential
from rushlight.nn.modules.module import Module

_CONSTANT = re.compile(r'(  (?:const|state) %[^"]* = ")((?:[^"\\]|\\.)*)(")')


class Entry:
    """A graph of a scripted program that is called from Python.

    Attributes:
        name (str): the graph's.
        params (list): (name, type, default); gives (Type): what it returns.
        public (bool): files hold it; others are methods that only the program itself calls.
    """

    def __init__(self, name, params, gives, public=True):
        self.name, self.params, self.gives, self.public = name, params, gives, public
        self.plain = gives.kind not in ("tuple", "list", "dict", "optional")
        self.program = None

    def bound(self, args, kwargs):
        """The arguments in their order."""
        if len(args) == len(self.params) and not kwargs:
            return args
        names = [name for name, _, _ in self.params]
        if len(args) > len(names):
            raise RuntimeError(f"{self.name}() takes {len(names)} arguments but {len(args)} were given; expected "
                               f"{self.described()}")
        found = dict(zip(names, args, strict=False))
        for name, value in kwargs.items():
            if name not in names or name in found:
                what = "got several values for" if name in found else "got an unexpected"
                raise RuntimeError(f"{self.name}() {what} argument '{name}'; expected {self.described()}")
            found[name] = value
        for name, _, default in self.params:
            if name not in found:
                if default is inspect.Parameter.empty:
                    raise RuntimeError(f"{self.name}() is missing argument '{name}'; expected {self.described()}")
                found[name] = default
        return [found[name] for name in names]

    def described(self):
        shown = [f"{name}: {kind}" + ("" if default is inspect.Parameter.empty else f" = {default!r}")
                 for name, kind, default in self.params]
        return f"{self.name}({', '.join(shown)}) -> {self.gives}"


class Scripted:
    """A scripted program: its graphs, the tensors that they name, and the ones that Python calls.

    Attributes:
        name (str), text (str): all graphs.
        tensors (dict): by name, those that hold attributes included.
        entries (dict): from name to Entry; `entry` is what a call of the program runs.
    """

    def __init__(self, name, text, tensors, entries):
        self.name, self.text, self.tensors = name, text, tensors
        self.entries = {entry.name: entry for entry in entries}
        self.graphs = {graph.name: graph for graph in _C.graph.parse_all(text)}
        self.entry = entries[0]
        self.metadata = {}
        self.is_frozen = False

    def rebind(self, tensors):
        """Takes other tensors in place of those of these names."""
        self.tensors |= tensors
        for entry in self.entries.values():
            entry.program = None

    def called_by(self, name):
        """The graphs that a graph calls, those that they call included."""
        found, pending = {}, [name]
        while pending:
            for other in re.findall(r"\bcall ([\w.]+)\(", self.graphs[pending.pop()].text()):
                if other not in found:
                    found[other] = self.graphs[other]
                    pending.append(other)
        found.pop(name, None)
        return list(found.values())

    def freeze(self, mod, preserved, numerics):
        """A scripted module with `forward` and the methods among `preserved`, whose other attributes are constants."""
        return _freeze_module(mod, preserved, numerics)

    def optimize(self, program):
        """A frozen module or a function of this program, whose plans may join operators."""
        return _optimize(program)

    def call(self, entry, args, kwargs):
        args = entry.bound(args, kwargs)
        calls = current() and current().find(self, entry.name)
        if entry.program is None:
            entry.program = _C.graph.Program(self.graphs[entry.name], self.tensors, self.called_by(entry.name))
        try:
            found = entry.program.run(*args) if calls is None else entry.program.run_captured(*calls, *args)
        except TypeError as error:
            raise RuntimeError(f"{error}; the signature is {entry.described()}") from None
        if not found:
            return None
        return found[0] if entry.plain else rebuilt(found[0], entry.gives)

    def with_tensors(self, tensors):
        """The same program over other tensors."""
        entries = [Entry(e.name, e.params, e.gives, e.public) for e in self.entries.values()]
        return Scripted(self.name, self.text, tensors, entries)

    def __call__(self, args, kwargs):
        return self.call(self.entry, args, kwargs)

    def graphs_of(self, path):
        """The graph of `forward`, and those that it calls."""
        name = f"{path}.forward" if path else self.entry.name
        return [self.graphs[name], *self.called_by(name)]

    def code_of(self, path):
        """The graphs of a module as Python-like text."""
        prefix = path + "." if path else ""
        return "\n".join(_script_code.code_of(graph.text()) for name, graph in self.graphs.items()
                         if name.startswith(prefix))


def rebuilt(value, kind):
    """A result with the named tuples that its type names."""
    if kind.kind == "optional":
        return None if value is None else rebuilt(value, kind.args[0])
    if kind.kind == "tuple":
        items = [rebuilt(item, part) for item, part in zip(value, kind.args, strict=True)]
        return named_tuple(kind.fields)(*items) if kind.fields else tuple(items)
    if kind.kind == "list" and kind.args[0].kind in ("tuple", "list", "optional", "dict"):
        return [rebuilt(item, kind.args[0]) for item in value]
    return value


@functools.cache
def named_tuple(fields):
    """A named tuple's class, of (name, fields)."""
    return namedtuple(fields[0], fields[1:])


class ScriptedFunction(ScriptFunction):
    """A scripted function: call it as the function.

    Attributes:
        name (str): the function's.
    """

    def __init__(self, program, function=None):
        super().__init__(program)
        self.function = function
        if function is not None:
            functools.update_wrapper(self, function)

    @property
    def schema(self):
        """The arguments and the result with their types."""
        return self._captures.entry.described()

    def _script_call(self, compiler, args, kwargs, node):
        if self.function is None:
            return super()._script_call(compiler, args, kwargs, node)
        return compiler.call_function(self.function, args, kwargs, node)


class RecursiveScriptModule(ScriptModule):
    """A scripted module, or a module in one: its parameters, buffers, attributes, and the methods that were scripted.

    What was a ModuleList, Sequential or ModuleDict has its length, its parts by index or key, and the iteration.

    Attributes:
        original_name (str): the module's class.
    """

    def __init__(self, program, path, original_name, container=None):
        Module.__init__(self)
        self.__dict__.update(_captures=program, _path=path, original_name=original_name, _flags={},
                             _container=container)

    def _name_of(self, method):
        return f"{self._path}.{method}" if self._path else method

    def forward(self, *args, **kwargs):
        entry = self._captures.entries.get(self._name_of("forward"))
        if entry is None:
            raise NotImplementedError(f"{type(self).__name__}({self.original_name}): its calls are a part of the "
                                      "module "
                                      "around it; expected a call of that, or of a module that was scripted by itself")
        return self._captures.call(entry, args, kwargs)

    def __getattr__(self, name):
        flag = self.__dict__.get("_flags", {}).get(name)
        if flag is not None:
            return flag.item()
        entry = self.__dict__["_captures"].entries.get(self._name_of(name)) if "_captures" in self.__dict__ else None
        if entry is not None:
            return functools.partial(_method, self._captures, entry)
        if name in ("keys", "values", "items") and self.__dict__.get("_container") == "dict":
            return getattr(self._modules, name)
        return super().__getattr__(name)

    def _parts(self):
        """The container that this was, of scripted modules."""
        if self._container is None:
            raise NotImplementedError(f"{type(self).__name__}({self.original_name}): it is no container; expected what "
                                      "was a ModuleList, Sequential or ModuleDict")
        return ModuleDict(self._modules) if self._container == "dict" else ModuleList(self._modules.values())

    def __getitem__(self, key):
        return self._parts()[key]

    def __len__(self):
        return len(self._parts())

    def __iter__(self):
        return iter(self._parts())

    def __contains__(self, key):
        return key in self._parts()

    def __bool__(self):
        return True

    def __setattr__(self, name, value):
        flag = self._flags.get(name)
        if flag is not None:
            flag.fill_(value)
            if name == "training":
                object.__setattr__(self, name, value)
            return
        super().__setattr__(name, value)
        if isinstance(value, _C.Tensor):
            self._captures.rebind({self._name_of(name): value})

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        named = [*self.named_parameters(remove_duplicate=False), *self.named_buffers(remove_duplicate=False)]
        prefix = self._path + "." if self._path else ""
        self._captures.rebind({prefix + name: t for name, t in named})
        return self

    def __deepcopy__(self, memo):
        program, layout = self._captures, layout_of(self)
        tensors = {key: copy.deepcopy(t, memo) for key, t in program.tensors.items()}
        return assemble(program.with_tensors(tensors), layout)

def _method(program, entry, *args, **kwargs):
    return program.call(entry, args, kwargs)


def layout_of(module, key_of=None, flags_of=None):
    """What a tree of modules is made of, without its tensors: a dict for each module.

    Args:
        module: the outermost; of a scripted one its program knows the rest.
        key_of (callable, optional): from a tensor and its name in the tree to its key in the program.
        flags_of (callable, optional): from a module and its path to the keys of the tensors that hold its attributes.
    """
    if key_of is None:
        keys = {id(t): key for key, t in module._captures.tensors.items()}

        def key_of(tensor, name):
            return keys[id(tensor)]

        def flags_of(part, path):
            return {name: keys[id(t)] for name, t in getattr(part, "_flags", {}).items()}
    found = []
    for path, part in module.named_modules():
        prefix = path + "." if path else ""

        def keys_of(table, prefix=prefix):
            return {name: None if t is None else key_of(t, prefix + name) for name, t in table.items()}
        found.append({"path": path, "class": getattr(part, "original_name", type(part).__name__),
                      "training": part.training, "parameters": keys_of(part._parameters),
                      "buffers": keys_of(part._buffers), "non_persistent": sorted(part._non_persistent_buffers_set),
                      "flags": flags_of(part, path), "container": _container_of(part)})
    return found


def _container_of(module):
    if isinstance(module, ModuleDict):
        return "dict"
    return "list" if isinstance(module, ModuleList | Sequential) else getattr(module, "_container", None)


def assemble(program, layout):
    """The tree of modules that a layout describes."""
    modules = {}
    for record in layout:
        path = record["path"]
        made = modules[path] = RecursiveScriptModule(program, path, record["class"],
                                                     record.get("container"))
        for name, key in record["parameters"].items():
            made.register_parameter(name, None if key is None else program.tensors[key])
        for name, key in record["buffers"].items():
            tensor = None if key is None else program.tensors[key]
            made.register_buffer(name, tensor, name not in record["non_persistent"])
        object.__setattr__(made, "training", record["training"])
        made._flags.update((name, program.tensors[key]) for name, key in record["flags"].items())
        if path:
            outer, _, name = path.rpartition(".")
            modules[outer].add_module(name, made)
    return modules[""]


# -- freezing

class _Graphs:
    """The graphs of several entries in one program, with the tensors that they name."""

    def __init__(self):
        self.texts, self.tensors = {}, {}

    def add(self, graphs, name):
        """Adds an entry's graph, under this name, and those that it calls; a key that means another tensor already is
        another one."""
        old = graphs[0].name
        for graph in graphs:
            renamed = {}
            for key, tensor in graph.constants.items():
                free = key
                while free in self.tensors and not _are_equal(self.tensors[free], tensor):
                    free += "_"
                self.tensors.setdefault(free, tensor)
                renamed[key] = free
            text = _CONSTANT.sub(lambda m, names=renamed: m[1] + names.get(m[2], m[2]) + m[3], graph.text())
            for what in ("graph", "call"):
                text = text.replace(f"{what} {old}(", f"{what} {name}(")
            self.texts[text.split("(")[0]] = text

    def program(self, name, entries):
        made = Scripted(name, "\n".join(self.texts.values()), self.tensors, entries)
        made.is_frozen = True
        return made


def _are_equal(a, b):
    return a is b or (a.dtype == b.dtype and a.shape == b.shape and a.stride() == b.stride() and bool((a == b).all()))


def _graphs_of(program, name):
    return [program.graphs[name], *program.called_by(name)]


def _freeze_module(mod, preserved, numerics):
    program, path = mod._captures, getattr(mod, "_path", "")
    prefix, attributes = path + "." if path else "", getattr(mod, "_flags", {})
    if mod.training:
        raise RuntimeError(f"freeze: {mod.original_name} is in training mode; call eval() first")
    methods, tensors, flags = ["forward"], [], []
    known = dict([*mod.named_parameters(), *mod.named_buffers()])
    for name in preserved:
        if name in known:
            tensors.append(name)
        elif name in attributes:
            flags.append(name)
        elif prefix + name in program.entries:
            methods += [name] * (name not in methods)
        elif not hasattr(mod, name):
            raise AttributeError(f"freeze: preserved_attrs names {name!r}; {mod.original_name} has no such method or "
                                 "attribute")
    keys = {id(t): key for key, t in program.tensors.items()}
    kept = {name: keys[id(known[name])] for name in tensors} | {name: keys[id(attributes[name])] for name in flags}
    graphs, entries = _Graphs(), []
    for name in methods:
        entry = program.entries.get(prefix + name)
        if entry is None:
            raise RuntimeError(f"freeze: {mod.original_name} has no {name} of its own; expected the module that was "
                               "scripted")
        graphs.add(_C.graph.freeze_script(_graphs_of(program, entry.name), program.tensors, list(kept.values()),
                                          numerics), name)
        entries.append(Entry(name, entry.params, entry.gives))
    for key in kept.values():
        graphs.tensors.setdefault(key, program.tensors[key])
    made = assemble(graphs.program(program.name, entries), _layout(mod, kept, tensors, flags))
    for name in preserved:
        if name not in kept and name not in methods:
            object.__setattr__(made, name, getattr(mod, name))
    return made


def _layout(mod, kept, tensors, flags):
    """The modules that hold the tensors that were kept."""
    parts = dict(mod.named_modules())
    found = {"": _record(mod, "")}
    for name in tensors:
        *way, last = name.split(".")
        for depth in range(1, len(way) + 1):
            inner = ".".join(way[:depth])
            found.setdefault(inner, _record(parts[inner], inner))
        owner = parts[".".join(way)]
        table = "parameters" if last in owner._parameters else "buffers"
        found[".".join(way)][table][last] = kept[name]
        if last in owner._non_persistent_buffers_set:
            found[".".join(way)]["non_persistent"].append(last)
    found[""]["flags"] = {name: kept[name] for name in flags}
    return list(found.values())


def _record(part, path):
    return {"path": path, "class": getattr(part, "original_name", type(part).__name__), "training": False,
            "parameters": {}, "buffers": {}, "non_persistent": [], "flags": {}}


def _optimize(program):
    captures, texts = program._captures, {}
    for name in captures.entries:
        for graph in _C.graph.inline_calls(_graphs_of(captures, name)):
            texts[graph.name] = _C.graph.optimize_for_inference(graph).text()
    entries = [Entry(e.name, e.params, e.gives, e.public) for e in captures.entries.values()]
    made = Scripted(captures.name, "\n".join(texts.values()), captures.tensors, entries)
    made.is_frozen = program._captures.is_frozen
    if isinstance(program, RecursiveScriptModule):
        return assemble(made, layout_of(program))
    return ScriptedFunction(made, program.function)
