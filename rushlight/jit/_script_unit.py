"""The graphs of one scripted program: of its functions and methods, and the tensors and attributes that they use."""
import ast
import inspect
import re
import types
import typing

from rushlight import _C
from rushlight._C import Tensor
from rushlight.jit import _script_library
from rushlight.jit import _script_types as ty
from rushlight.jit._attribute import Attribute
from rushlight.jit._kept_calls import renamed
from rushlight.jit._script_builtins import Methods
from rushlight.jit._script_calls import Calls, Frame, is_ours, known_names
from rushlight.jit._script_expr import Expressions
from rushlight.jit._script_flow import Flow, Unreachable
from rushlight.jit._script_graph import GraphText, Node
from rushlight.jit._script_members import Members
from rushlight.jit._script_operators import Operators
from rushlight.jit._script_source import Source
from rushlight.jit._script_traced import graphs_of
from rushlight.jit._script_values import NOTHING, Dyn, Map, Seq, Static, lift, lower, told, type_of
from rushlight.jit._structure import count
from rushlight.jit._trace import ScriptModule
from rushlight.jit.frontend import FrontendError, NotSupportedError, UnsupportedNodeError
from rushlight.nn.modules.container import ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from rushlight.nn.modules.rnn import LSTM, LSTMCell

_TYPING = {name: getattr(typing, name) for name in ("List", "Dict", "Tuple", "Optional", "Union", "Any", "Final")}
_TYPING["Tensor"] = Tensor
_FLAGS = {bool: _C.bool, int: _C.int64, float: _C.float64}
_KINDS = {bool: ty.BOOL, int: ty.INT, float: ty.FLOAT}
_COMMENT = re.compile(r"#\s*type:\s*\((.*)\)\s*->\s*(.*)")


class Target:
    """A graph of the program.

    Attributes:
        name (str), params (list): (name, type, default); returns (Type): None until it is known.
        text (str): the graph, once it is written.
    """

    def __init__(self, name):
        self.name, self.params, self.returns, self.text = name, [], None, None

    def returned(self, compiler, node):
        if self.returns is None:
            raise compiler.error(node, f"{self.name} calls itself, and the type of its result is not known yet; "
                                       "expected an "
                                "annotation: def ...(...) -> int")
        return self.returns


class Unit:
    """All graphs of a program, by what they were made of."""

    def __init__(self, root=None):
        self.targets, self.names = {}, set()
        self.modules, self.paths = {}, {}
        self.constants, self._keys = {}, {}
        self.flags = {}                              # by key: (path of the module, attribute)
        self.embedded = {}                           # by id: programs without source
        self._sources = {}
        if root is not None:
            for path, module in root.named_modules():
                self.paths[id(module)] = path
                self.modules[path] = module

    # -- graphs

    def function(self, function, compiler=None, node=None):
        """The graph of a function of the user's."""
        return self._target((function.__code__, tuple(map(id, _cells(function)))), function.__name__, function, None)

    def method(self, module, function):
        """The graph of a module's method."""
        function = getattr(function, "__wrapped__", function) if hasattr(function, "_script_method") else function
        path = self.paths[id(module)]
        name = f"{path}.{function.__name__}" if path else function.__name__
        return self._target((id(module), function.__code__), name, function, module)

    def _target(self, key, name, function, module):
        found = self.targets.get(key)
        if found is None:
            found = self.targets[key] = Target(self._unique(name))
            try:
                self._compile_any(found, function, module)
            except BaseException:
                del self.targets[key]
                raise
        return found

    def _compile_any(self, target, function, module):
        """Our own layers leave out what is optional where it can't be left open: sizes that are None or a list."""
        try:
            self._compile(target, function, module)
        except FrontendError:
            if not _is_library(function):
                raise
            target.params = []
            self._compile(target, function, module, True)

    def _unique(self, name):
        name = re.sub(r"[^\w.]", "_", name)
        made, count = name, 0
        while made in self.names:
            count += 1
            made = f"{name}_{count}"
        self.names.add(made)
        return made

    def _compile(self, target, function, module, required_only=False):
        compiler = Compiler(self, GraphText(target.name))
        source, definition = self.source_of(function, compiler, None)
        frame = Frame(function.__qualname__, source, known_names(function), _is_library(function))
        frame.at = definition
        compiler.frames.append(frame)
        if isinstance(definition, ast.Lambda):
            compiler.unsupported(definition)
        args = compiler.parameters(function, definition, module)
        frame.returns = target.returns = compiler.result_annotation(definition)
        for name, kind, default in args:
            if required_only and default is not inspect.Parameter.empty:
                frame.env[name] = lift(default)
                continue
            value = compiler.graph.fresh(kind, name=name)
            compiler.graph.inputs.append(value)
            frame.env[name], frame.types[name] = value, kind
            target.params.append((name, kind, default))
        result = compiler.body(definition)
        target.returns = frame.returns or frame.result_type or type_of(result)
        if result is not NOTHING or target.returns != ty.NONE:
            made = compiler.convert(result, target.returns, definition)
            operand = compiler.operand(made, definition)
            if not operand.startswith("%"):          # a graph gives values
                operand = compiler.line(f"same({operand})", [target.returns], definition)[0].ref
            compiler.graph.outputs.append(operand)
        target.text = compiler.graph.text()

    def embed(self, program, prefix="", entry=None):
        """A program without source as graphs of this one: its names and its tensors' get a prefix."""
        found = self.embedded.get((id(program), entry))
        if found is None:
            found = self.embedded[id(program), entry] = Embedded(self, program, prefix, entry)
        return found

    def texts(self):
        """All graphs, as one text."""
        return "".join([*(e.text for e in self.embedded.values()), *(target.text for target in self.targets.values())])

    def source_of(self, function, compiler, node):
        """The source and the definition of a function."""
        code = function.__code__
        if code not in self._sources:
            source = Source(function)
            self._sources[code] = source, _definition(source, function)
        return self._sources[code]

    def gives_objects(self, function):
        """Whether a function's annotation says that it gives an object of a scripted class."""
        made = getattr(function, "__annotations__", {}).get("return")
        return isinstance(made, type) and hasattr(made, "__rushlight_script_class__")

    # -- tensors

    def key_of(self, tensor, name=None):
        """The name of a tensor in the program."""
        found = self._keys.get(id(tensor))
        if found is None:
            found = name or f"constant.{len(self.constants)}"
            self._keys[id(tensor)] = found
            self.constants[found] = tensor
        return found

    def flag(self, module, name):
        """The tensor that holds a number or bool of a module."""
        path = self.paths[id(module)]
        key = f"{path}.{name}" if path else name
        if key not in self.flags:
            value = plain(getattr(module, name))
            self.flags[key] = (path, name)
            self.constants[key] = _C.tensor(value, dtype=_FLAGS[type(value)])
            self._keys[id(self.constants[key])] = key
        return self.constants[key]


class Embedded:
    """A traced or loaded program within another one.

    Attributes:
        target (Target): the graph that is called.
        takes, gives: the structures of a traced program's arguments and result; None of a scripted one.
    """

    def __init__(self, unit, program, path, entry):
        self.program = program                       # kept, so that no other takes its address
        scripted = hasattr(program, "entries")
        text, constants = (program.text, program.tensors) if scripted else graphs_of(program, "forward")
        names = re.findall(r"^graph ([\w.]+)\(", text, re.MULTILINE)
        known = {name: unit._unique(f"{path or 'traced'}.{name}") for name in names}
        keys = {key: unit.key_of(t, f"{path}.{key}" if path else None) for key, t in constants.items()}
        self.text = renamed(text, known, keys)
        called = (program.entries[entry] if entry else program.entry) if scripted else None
        self.target = Target(known[called.name if scripted else names[0]])
        if scripted:
            self.target.params, self.target.returns = called.params, called.gives
        self.takes, self.gives = (None, None) if scripted else (program.first.takes, program.first.gives)


def plain(value):
    """What an attribute of a module holds."""
    return value.value if isinstance(value, Attribute) else value


def _is_library(function):
    return is_ours(function) and function.__module__ != _script_library.__name__


def _cells(function):
    return [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]


def _is_filled(cell):
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _parsed(text, function):
    for form in (text, "(" + text.strip().rstrip(",") + ")"):             # a lambda in the middle of a call
        try:
            return ast.parse(form)
        except SyntaxError:
            continue
    raise FrontendError(f"script: {function!r} is in the middle of an expression and can't be read; expected def")


def _definition(source, function):
    tree = _parsed(source.text, function)
    name = function.__name__
    for node in ast.walk(tree):
        if (isinstance(node, ast.FunctionDef) and node.name == function.__code__.co_name) or (
                isinstance(node, ast.Lambda) and name == "<lambda>"):
            return node
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            return node
    raise FrontendError(f"script: {function!r} is defined in a way that can't be read; expected def")


class Compiler(Flow, Expressions, Operators, Members, Calls, Methods):
    """Evaluates functions and writes a graph."""

    def __init__(self, unit, graph):
        self.unit, self.graph = unit, graph
        self.frames, self.no_grad, self.left, self.ways = [], [], [], {}
        self.wanted = self.eval_callee = None

    @property
    def frame(self):
        return self.frames[-1]

    # -- errors and places

    def error(self, node, message, kind=FrontendError):
        """What to raise where a program can't be scripted: the message with file, line and source."""
        frame = next((f for f in reversed(self.frames) if not f.library), self.frame)
        if frame is not self.frame and frame.at is not None:
            # Within our own code: what the user wrote is where it was called.
            node, message = frame.at, f"{self.frame.name} can't be scripted with these arguments: {message}"
        return kind(frame.source.told(f"script: {message}", node))

    def unsupported(self, node, what=None):
        kind = UnsupportedNodeError if what is None else NotSupportedError
        raise self.error(node, f"{what or _described(node)} is not supported in scripted programs", kind)

    def place(self, node):
        frame = next((f for f in reversed(self.frames) if not f.library), self.frame)
        return frame.source.place(frame.at if frame is not self.frame or node is None else node)

    def add_if(self, test, results, blocks, node):
        self.graph.block.nodes.append(Node(results, f"if {self.operand(test, node)}", self.place(node), blocks))

    def _statement(self, node):
        self.frame.at = node
        super()._statement(node)

    def condition(self, node):
        self.frame.at = node
        return super().condition(node)

    # -- functions

    def body(self, definition):
        """Evaluates the graph's own function; its result."""
        self.run(definition.body)
        try:
            return self.finished(definition)
        except Unreachable:
            kind = self.frame.returns or self.frame.result_type or ty.NONE
            if kind == ty.NONE:
                return NOTHING
            return Dyn(self.placeholder(kind), kind)

    def parameters(self, function, definition, module):
        """(name, type, default) of the parameters of a function that becomes a graph."""
        spec = definition.args
        if spec.vararg is not None or spec.kwarg is not None:
            self.unsupported(definition, "an argument *args or **kwargs")
        names = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs]
        if module is not None:
            self.frame.env[names[0].arg] = Static(module)
            names = names[1:]
        comment = self._comment(definition)
        if comment is not None and len(comment[0]) != len(names):
            raise self.error(definition, f"the type comment has {len(comment[0])} types for {len(names)} arguments")
        defaults = {name: p.default for name, p in inspect.signature(function).parameters.items()}
        found = []
        for at, arg in enumerate(names):
            kind = comment[0][at] if comment is not None else self._annotated_type(arg, module, defaults.get(arg.arg))
            if kind.kind == "object":
                raise self.error(arg, f"argument '{arg.arg}' is an object of class {kind}; expected a value: what "
                                      "takes objects "
                               "can be called from scripted programs, and not from Python")
            default = defaults.get(arg.arg, inspect.Parameter.empty)
            if default is not inspect.Parameter.empty and not self._is_default(default, kind):
                raise self.error(arg, f"argument '{arg.arg}' has type {kind} and the default {default!r}; expected an "
                               "annotation of the default's type" + (", since an argument without one is a Tensor"
                                                                     if arg.annotation is None else ""))
            found.append((arg.arg, kind, default))
        return found

    def _is_default(self, default, kind):
        found = type_of(lift(default)) or ty.UNKNOWN
        return ty.fits(found, kind) or (kind == ty.FLOAT and type(default) is int) or isinstance(default, list | dict)

    def _annotated_type(self, arg, module, default):
        if arg.annotation is not None and not self.frame.library:
            return self.annotation(arg.annotation)
        if not self.frame.library or default is inspect.Parameter.empty:
            return ty.TENSOR
        if default is not None:                      # our own layers: what their defaults say
            return type_of(lift(default)) or ty.TENSOR
        if arg.arg == "output_size":
            return ty.optional_of(ty.list_of(ty.INT))
        pair = isinstance(module, LSTM | LSTMCell) and arg.arg == "hx"
        return ty.optional_of(ty.tuple_of(ty.TENSOR, ty.TENSOR) if pair else ty.TENSOR)

    def result_annotation(self, definition):
        if isinstance(definition, ast.Lambda) or self.frame.library:
            return None
        comment = self._comment(definition)
        if comment is not None:
            return comment[1]
        if definition.returns is None:
            return None
        kind = self.annotation(definition.returns)
        return None if kind.kind == "object" else kind

    def _comment(self, definition):
        """The types of a comment `# type: (Tensor, int) -> Tensor` below the def."""
        begin = definition.lineno - 1
        for line in self.frame.source.lines[begin:definition.body[0].lineno]:
            found = _COMMENT.search(line)
            if found:
                parts = ast.parse(f"({found[1]},)" if found[1].strip() else "()", mode="eval").body.elts
                result = ast.parse(found[2].strip(), mode="eval").body
                return [self.annotation(part) for part in parts], self.annotation(result)
        return None

    def annotation(self, node):
        """The type that an annotation means."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node = ast.copy_location(ast.parse(node.value, mode="eval").body, node)
        known = self.frame.known
        code = compile(ast.fix_missing_locations(ast.Expression(node)), "<annotation>", "eval")
        try:
            made = eval(code, _TYPING | known.globals | dict(known))  # noqa: S307  the user's own annotation
            return ty.of_annotation(made)
        except (NameError, AttributeError, TypeError) as error:
            raise self.error(node, f"the annotation {ast.unparse(node)} can't be read: {error}") from None

    def eval_Call(self, node):
        """jit.annotate(T, value), and calls."""
        if isinstance(node.func, ast.Attribute | ast.Name) and len(node.args) == 2 and (
                getattr(node.func, "attr", getattr(node.func, "id", "")) == "annotate"):
            kind = self.annotation(node.args[0])
            value = self.convert(self._wanting(kind, node.args[1]), kind, node, lambda got: (
                f"annotate: the value is {got}; expected {kind}"))
            value = self.settled(value, node)
            if kind.kind == "optional" and type_of(value) != kind:
                return self.prim("same", [value], kind, node)
            return value
        return super().eval_Call(node)

    def _wanting(self, kind, node):
        outer, self.wanted = self.wanted, kind
        try:
            return self.eval(node)
        finally:
            self.wanted = outer

    def do_AnnAssign(self, node):
        outer, self.wanted = self.wanted, self.annotation(node.annotation)
        try:
            super().do_AnnAssign(node)
        finally:
            self.wanted = outer

    def constant(self, tensor, node, key=None):
        """A tensor from outside as a value."""
        key = self.unit.key_of(tensor, key)
        found = self.graph.constants.get(key)
        if found is None:
            made = self.graph.fresh(ty.TENSOR, self.graph.top, "c_" + re.sub(r"[^\w.]", "_", key))
            found = self.graph.constants[key] = (made.ref, "tensor")
        return Dyn(found[0], ty.TENSOR)

    # -- modules

    def path_of(self, module, node):
        path = self.unit.paths.get(id(module))
        if path is None:
            raise self.error(node, f"a module of class {type(module).__name__} is no part of the module that is "
                                   "scripted; "
                            "expected an attribute of it")
        return path

    def module_attribute(self, module, name, node):
        path = self.path_of(module, node)
        key = f"{path}.{name}" if path else name
        for table in (module._parameters, module._buffers):
            if name in table:
                return NOTHING if table[name] is None else self.constant(table[name], node, key)
        if name in module._modules:
            return Static(module._modules[name])
        if name in vars(module):
            return self._plain_attribute(module, name, key, node)
        found = inspect.getattr_static(type(module), name, None)
        if isinstance(found, property):
            return self.call_module_method(module, found.fget, [], {}, node)
        if isinstance(found, staticmethod):
            return Static(found.__func__)
        if found is None and not hasattr(module, name):
            raise self.error(node, f"module {type(module).__name__} has no attribute '{name}'")
        if isinstance(found, types.FunctionType):
            return Static(types.MethodType(found, module))
        value = getattr(module, name)
        return self.constant(value, node, key) if isinstance(value, Tensor) else lift(value)

    def _plain_attribute(self, module, name, key, node):
        value = plain(vars(module)[name])
        if isinstance(value, Tensor):
            return self.constant(value, node, key)
        changes = name == "training" or not (is_ours(type(module)) or self._is_final(module, name))
        if changes and type(value) in _FLAGS:
            kind = _KINDS[type(value)]
            return self.prim("to_" + kind.kind, [self.constant(self.unit.flag(module, name), node)], kind, node)
        if isinstance(value, types.MethodType) and value.__self__ is module:
            return Static(value)
        if value is not vars(module)[name]:
            kind = ty.of_annotation(vars(module)[name].type)
            return self.settled(self.convert(self._with_tensors(value, node), kind, node), node)
        if isinstance(value, list | tuple | dict):
            return self._with_tensors(value, node)
        return lift(value)

    def _with_tensors(self, value, node):
        """A container from outside, with the tensors in it."""
        if isinstance(value, Tensor):
            return self.constant(value, node)
        if type(value) in (list, tuple):
            return Seq(type(value).__name__, [self._with_tensors(item, node) for item in value])
        return lift(value)

    def _is_final(self, module, name):
        if name in getattr(type(module), "__constants__", ()):
            return True
        made = getattr(type(module), "__annotations__", {}).get(name)
        return made is typing.Final or typing.get_origin(made) is typing.Final or (
            isinstance(made, str) and "Final" in made)

    def set_module_attribute(self, module, name, value, node):
        path = self.path_of(module, node)
        if is_ours(type(module)) and not self.frame.library:
            raise self.error(node, f"attribute '{name}' of a {type(module).__name__} is assigned; expected one of the "
                                   "program's "
                            "own modules")
        known = name in vars(module) or name in module._buffers
        if not known:
            raise self.error(node, f"attribute '{name}' of module {type(module).__name__} is first assigned outside "
                                   "__init__; "
                            "expected all attributes to be set in __init__")
        old = plain(vars(module).get(name, module._buffers.get(name)))
        key = f"{path}.{name}" if path else name
        if isinstance(old, Tensor) and type_of(value) == ty.TENSOR:
            self.operate("copy_", [self.constant(old, node, key), value], node)
            return
        if type(old) not in _FLAGS or self._is_final(module, name):
            raise self.error(node, f"attribute '{name}' of type {told(lift(old))} is assigned; expected a Tensor, "
                                   "int, float or "
                            "bool that is not Final")
        value = self.convert(value, _KINDS[type(old)], node, lambda got: (
            f"attribute '{name}' had type {_KINDS[type(old)]} and is assigned a value {got}; expected one type"))
        self.operate("fill_", [self.constant(self.unit.flag(module, name), node), value], node)

    def call_module(self, module, args, kwargs, node):
        if isinstance(module, ScriptModule) and "_captures" in vars(module):
            entry = module._name_of("forward") if hasattr(module, "_name_of") else None
            found = self.unit.embed(module._captures, self.path_of(module, node), entry)
            return self.call_embedded(found, args, kwargs, node)
        for table in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"):
            if vars(module).get(table):
                self.unsupported(node, f"a module with hooks ({type(module).__name__})")
        return self.call_module_method(module, type(module).forward, args, kwargs, node)

    def call_embedded(self, found, args, kwargs, node):
        """A call of a program without source."""
        if found.takes is None:
            return self.call_graph(found.target, args, kwargs, node)
        kind, ((_, positions), (_, named)) = found.takes
        if len(args) != len(positions) or set(kwargs) != {name for name, _ in named}:
            raise self.error(node, f"a traced program takes {len(positions)} arguments and {len(args)} are given; "
                                   "expected as in its example")
        pairs = [*zip(args, positions, strict=True), *((kwargs[name], form) for name, form in named)]
        tensors = [t for value, form in pairs for t in self._flat(value, form, node)]
        what = f"call {found.target.name}({', '.join(self.operand(t, node) for t in tensors)})"
        made = iter(self.line(what, [ty.TENSOR] * count(found.gives), node))
        return self._built(found.gives, made)

    def _flat(self, value, form, node):
        """The tensors of a traced program's argument."""
        if form == "tensor":
            return [self.convert(value, ty.TENSOR, node)]
        if form == "none":
            return []
        kind, parts = form
        if kind == "dict":
            return [t for name, part in parts for t in self._flat(self.item(value, Static(name), node), part, node)]
        items = self.unpacked(value, node, len(parts))
        return [t for item, part in zip(items, parts, strict=True) for t in self._flat(item, part, node)]

    def _built(self, form, tensors):
        """A traced program's result."""
        if form == "tensor":
            return next(tensors)
        if form == "none":
            return NOTHING
        kind, parts = form
        if kind == "dict":
            return Map({name: self._built(part, tensors) for name, part in parts})
        return Seq(kind, [self._built(part, tensors) for part in parts])

    def _items_of_modules(self, module, name, node):
        """What keys(), values() or items() of a container give."""
        keys = [Static(key) for key in module]
        values = [self.item(Static(module), key, node) for key in keys]
        pairs = [Seq("tuple", [k, v]) for k, v in zip(keys, values, strict=True)]
        return Seq("list", {"keys": keys, "values": values, "items": pairs}[name])

    def call_module_method(self, module, function, args, kwargs, node):
        if isinstance(module, ModuleDict | ParameterDict) and function.__name__ in ("keys", "values", "items"):
            return self._items_of_modules(module, function.__name__, node)
        self.path_of(module, node)
        while hasattr(function, "__wrapped__") and is_ours(function):
            function = function.__wrapped__
        if hasattr(function, "_script_ignored"):
            return self._call_ignored(function, node)
        if not is_ours(function) and self.has_graph_of_method(function, args, kwargs):
            return self.call_graph(self.unit.method(module, function), args, kwargs, node)
        return self.inline(function, [Static(module), *args], kwargs, node)

    def has_graph_of_method(self, function, args, kwargs):
        return self.has_graph(function, args, kwargs)

    def static_items(self, obj, node):
        """What a loop over a known object goes over, or None."""
        if isinstance(obj, ModuleDict):
            return [Static(name) for name in obj]
        if isinstance(obj, ModuleList | Sequential):
            return [Static(module) for module in obj]
        if isinstance(obj, ParameterList):
            path = self.path_of(obj, node)
            return [self.constant(p, node, f"{path}.{i}") for i, p in enumerate(obj)]
        if isinstance(obj, ParameterDict):
            return [Static(name) for name in obj]
        if isinstance(obj, list | tuple | range | dict | set | frozenset):
            return [lift(item) for item in obj]
        if isinstance(obj, type) and hasattr(obj, "__members__"):
            return [Static(member) for member in obj]
        if isinstance(obj, str) and self.frame.library:
            return [Static(c) for c in obj]
        return None

    def module_item(self, value, index, node):
        obj = value.obj
        if isinstance(obj, ModuleList | Sequential | ModuleDict | ParameterList | ParameterDict):
            try:
                found = obj[lower(index)]
            except LookupError:
                raise self.error(node, f"an item of a {type(obj).__name__} is taken by {told(index)}; expected a "
                                       "literal that is "
                                "in it, or a loop over the modules") from None
            if isinstance(obj, Sequential | ModuleList) and isinstance(lower(index), slice):
                return Seq("list", [Static(module) for module in found])
            if isinstance(found, Tensor):
                return self.constant(found, node, f"{self.path_of(obj, node)}.{lower(index)}")
            return Static(found)
        raise self.error(node, f"{told(value)} has no items")


def _described(node):
    return {"FunctionDef": "a function within a function", "ClassDef": "a class within a function", "Lambda": "a "
                                                                                                              "lambda",
            "Try": "try", "Global": "global", "Nonlocal": "nonlocal", "Yield": "yield", "YieldFrom": "yield from",
            "Await": "await", "AsyncFunctionDef": "async", "Import": "import", "ImportFrom": "import",
            "Delete": "del of anything but variables and items of lists and dicts",
            "Set": "a set", "SetComp": "a set", "Match": "match", "Starred": "a starred expression",
            "AsyncFor": "async for", "AsyncWith": "async with"}.get(type(node).__name__, type(node).__name__)


