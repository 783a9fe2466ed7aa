"""Calls in scripted programs: functions, modules, classes.

Functions of the user become graphs of their own, with the types that they are annotated with. Our own Python code
(composites, layers) is evaluated in place with what is known of its arguments. So is a function of the user's that
takes or gives what is no value of a graph: an object of a scripted class, a module, a function.
"""
import ast
import builtins
import inspect
import types

from rushlight._C import Tensor
from rushlight.jit import _script_library
from rushlight.jit import _script_types as ty
from rushlight.jit._script_flow import FLOW, RAISED, RESULT, RUN, Unreachable
from rushlight.jit._script_operators import Operator
from rushlight.jit._script_values import (
    NOTHING,
    Bound,
    Closure,
    Conflict,
    Dyn,
    Instance,
    Items,
    Map,
    Seq,
    Static,
    is_known,
    lift,
    lower,
    told,
    type_of,
)
from rushlight.nn.modules.module import Module

_MODIFIERS = {"no_grad": True, "enable_grad": False, "inference_mode": True}
_DEPTH = 60


def is_ours(function):
    """Whether a function is a part of Rushlight, and so no program of the user's."""
    code = getattr(function, "__code__", None)
    if code is not None and code.co_filename.startswith("<"):          # an example in a docstring, run by doctest
        return False
    name = getattr(function, "__module__", None) or ""
    return name == "rushlight" or name.startswith("rushlight.")


class Frame:
    """One function that is being evaluated.

    Attributes:
        env (dict): what its names mean; types: of the variables of the user's functions.
        library (bool): it is our own code; inlined: it has no graph of its own.
        returns (Type), result_type (Type): as annotated, and as found.
    """

    def __init__(self, name, source, known, library, outer=None):
        self.name, self.source, self.known, self.library, self.outer = name, source, known, library, outer
        self.env, self.types = {FLOW: Static(RUN)}, {}
        self.returns = self.result_type = None
        self.inlined = self.initializing = False
        self.at = None                               # the statement that runs


class Calls:
    """Calls; a part of the compiler."""

    # -- names

    def lookup(self, name, node):
        frame = self.frame
        while frame is not None:
            if name in frame.env:
                return frame.env[name]
            frame = frame.outer
        frame = self.frame
        if name in frame.known:
            return self._global(name, frame.known[name], node)
        if hasattr(builtins, name):
            return Static(getattr(builtins, name))
        raise self.error(node, f"name '{name}' is not defined")

    def _global(self, name, obj, node):
        if self.frame.library:
            return self.constant(obj, node) if isinstance(obj, Tensor) else lift(obj)
        if isinstance(obj, bool | int | float | str | list | dict | set | Tensor) or (
                isinstance(obj, tuple) and not isinstance(obj, type)):
            if not hasattr(type(obj), "__members__"):
                raise self.error(node, f"'{name}' is a global {type(obj).__name__}, which may change after the "
                                       "program is "
                                "scripted; expected an argument, an attribute of the module, or a local variable")
        return lift(obj)

    def closure(self, node):
        return Closure(node, self.frame)

    def eval_Lambda(self, node):
        if not self.frame.library:
            self.unsupported(node)
        return self.closure(node)

    # -- calls

    def eval_Call(self, node):
        if isinstance(node.func, ast.Name) and node.func.id == "super" and not node.args:
            return self._super(node)
        function = self.eval(node.func)
        args, kwargs = [], {}
        for arg in node.args:
            if not isinstance(arg, ast.Starred):
                args.append(self.eval(arg))
                continue
            value = self.eval(arg.value)
            items = self.items_of(value, arg)
            if items.parts is None:                  # sizes that only the run knows: one list, as operators take them
                args = self._joined_list(args, value, node.args[node.args.index(arg) + 1:], node)
                break
            args += items.parts
        for keyword in node.keywords:
            value = self.eval(keyword.value)
            if keyword.arg is not None:
                kwargs[keyword.arg] = value
            elif isinstance(value, Map) or (isinstance(value, Static) and isinstance(value.obj, dict)):
                kwargs.update((value if isinstance(value, Map) else lift(value.obj)).items)
            else:
                self.unsupported(node, "** of a dict that only the run knows")
        return self.call(function, args, kwargs, node)

    def _joined_list(self, before, value, rest, node):
        first = next((i for i, v in enumerate(before) if type_of(v) == ty.INT), len(before))
        whole = self._spliced(before[first:], value, rest, node)
        return [*before[:first], whole]

    def _super(self, node):
        frame = self.frame
        cls, owner = frame.known.get("__class__"), frame.env.get("self")
        if cls is None or not isinstance(owner, Static):
            self.unsupported(node, "super() outside a method of a module")
        return Static(super(cls, owner.obj))

    def call(self, function, args, kwargs, node):
        if isinstance(function, Bound):
            if isinstance(function.function, str):
                return self.method(function.owner, function.function, args, kwargs, node)
            return self.call_function(function.function, [function.owner, *args], kwargs, node)
        if isinstance(function, Closure):
            return self._call_closure(function, args, kwargs, node)
        if not isinstance(function, Static):
            raise self.error(node, f"{told(function)} is called; expected a function, method or module")
        obj = function.obj
        if isinstance(obj, Module):
            return self.call_module(obj, args, kwargs, node)
        if isinstance(obj, Operator):
            return self.call_operator(obj, args, kwargs, node)
        handler = self.handler_of(obj)
        if handler is not None:
            return handler(self, args, kwargs, node)
        if isinstance(obj, types.MethodType) and not isinstance(obj.__func__, Operator):
            return self._call_method(obj, args, kwargs, node)
        if isinstance(obj, type):
            return self._call_class(obj, args, kwargs, node)
        if hasattr(obj, "_script_call"):
            return obj._script_call(self, args, kwargs, node)
        if isinstance(obj, types.FunctionType):
            return self.call_function(obj, args, kwargs, node)
        return self._call_known(obj, args, kwargs, node)

    def _call_method(self, obj, args, kwargs, node):
        if isinstance(obj.__self__, Module):
            return self.call_module_method(obj.__self__, obj.__func__, args, kwargs, node)
        return self.call_function(obj.__func__, [lift(obj.__self__), *args], kwargs, node)

    def _call_known(self, obj, args, kwargs, node):
        """A function of Python's own or of another library, evaluated now where its arguments are known."""
        name = getattr(obj, "__name__", repr(obj))
        if getattr(obj, "__module__", None) == "math":
            return self._math(name, obj, args, node)
        if not all(map(is_known, [*args, *kwargs.values()])) or not (self.frame.library or is_ours(obj)):
            raise self.error(node, f"'{name}' can't be called; expected an operator of Rushlight, a function that can "
                                   "be scripted, or a function of math")
        found = obj(*map(lower, args), **{key: lower(value) for key, value in kwargs.items()})
        return self.constant(found, node) if isinstance(found, Tensor) else lift(found)

    def _math(self, name, obj, args, node):
        if all(map(is_known, args)):
            try:
                return Static(obj(*map(lower, args)))
            except (ValueError, OverflowError, ZeroDivisionError):
                pass
        if any(type_of(a) not in (*ty.NUMBERS, ty.NUMBER, ty.TENSOR) for a in args):
            raise self.error(node, f"math.{name} of {', '.join(map(told, args))}; expected numbers")
        args = [self.number(a, ty.FLOAT, node) if type_of(a) in (ty.TENSOR, ty.NUMBER) else a for a in args]
        kind = ty.INT if name in ("floor", "ceil", "trunc", "gcd") else ty.BOOL if name.startswith("is") else ty.FLOAT
        return self.prim("math_" + name, args, kind, node)

    def number(self, value, kind, node):
        """int(value), float(value) or bool(value)."""
        convert = {"int": int, "float": float, "bool": bool}[kind.kind]
        if is_known(value):
            try:
                return Static(convert(lower(value)))
            except (ValueError, TypeError, OverflowError):
                pass
        return value if type_of(value) == kind else self.prim("to_" + kind.kind, [value], kind, node)

    # -- functions

    def call_function(self, function, args, kwargs, node):
        """A Python function, of ours or of the user's."""
        while hasattr(function, "__wrapped__") and is_ours(function):
            if getattr(function, "takes_out", False) and "out" in kwargs:
                break
            function = function.__wrapped__
        handler = self.handler_of(function)
        if handler is not None:
            return handler(self, args, kwargs, node)
        overwrites = getattr(function, "overwrites", None)
        if overwrites is not None:
            made = self.call_function(overwrites, args, kwargs, node)
            return self.operate("copy_", [args[0], made], node)
        if hasattr(function, "_script_ignored"):
            return self._call_ignored(function, node)
        if not is_ours(function) and self.has_graph(function, args, kwargs):
            return self.call_graph(self.unit.function(function, self, node), args, kwargs, node)
        return self.inline(function, args, kwargs, node)

    def _call_ignored(self, function, node):
        how = function._script_ignored
        if how == "unused":
            self.raise_error("NotImplementedError", Static(
                f"{function.__qualname__} is marked unused: a scripted program may not call it"), node)
        raise self.error(node, f"{function.__qualname__} is marked ignore, and runs in Python; expected a function "
                               "that the "
                        "program can hold, or jit.unused where it is never called")

    def has_graph(self, function, args, kwargs):
        """Whether a call can go to a graph of its own: all arguments are values, and no class is among them."""
        if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in inspect.signature(function).parameters.values()):
            return False
        kinds = [type_of(v) for v in [*args, *kwargs.values()]]
        values = all(kind is not None and not _holds_objects(kind) for kind in kinds)
        return values and not self.unit.gives_objects(function)

    def call_helper(self, name, args, node):
        return self.call_graph(self.unit.function(getattr(_script_library, name), self, node), args, {}, node)

    def call_graph(self, target, args, kwargs, node):
        """A call of another graph of the program."""
        given = self.matched(target.name, target.params, args, kwargs, node)
        operands = []
        for (name, kind, _), value in zip(target.params, given, strict=True):
            value = self.argument_as(value, kind, node, lambda got, name=name, kind=kind: (
                f"{target.name}: argument '{name}' is {got}; expected {kind}" + (
                    " (an argument without annotation is a Tensor)" if kind == ty.TENSOR else "")))
            operands.append(self.operand(value, node))
        what = f"call {target.name}({', '.join(operands)})"
        returns = target.returned(self, node)
        if returns == ty.NONE:
            self.line(what, [], node)
            return NOTHING
        made = self.line(what, [returns], node)[0]
        return made

    def argument_as(self, value, kind, node, complaint):
        made = self.convert(value, kind, node, complaint)
        return self.made(made, node, kind) if isinstance(made, Seq) and type_of(made) != kind else made

    def matched(self, name, params, args, kwargs, node):
        """A value for each parameter (name, type, default)."""
        if len(args) > len(params):
            raise self.error(node, f"{name}: takes {len(params)} arguments but {len(args)} were given")
        names = [p[0] for p in params]
        found = dict(zip(names, args, strict=False))
        for key, value in kwargs.items():
            if key not in names:
                raise self.error(node, f"{name}: unexpected argument '{key}'; expected {', '.join(names) or 'none'}")
            if key in found:
                raise self.error(node, f"{name}: got several values for argument '{key}'")
            found[key] = value
        for key, _, default in params:
            if key not in found:
                if default is inspect.Parameter.empty:
                    raise self.error(node, f"{name}: missing argument '{key}'; expected {', '.join(names)}")
                found[key] = lift(default)
        return [found[key] for key in names]

    def inline(self, function, args, kwargs, node):
        """Evaluates a Python function in place."""
        if len(self.frames) > _DEPTH:
            raise self.error(node, f"{function.__qualname__} is called too deep; expected no recursion of what is "
                                   "inlined")
        source, definition = self.unit.source_of(function, self, node)
        frame = Frame(function.__qualname__, source, known_names(function), is_ours(function))
        frame.inlined = True
        frame.initializing = function.__name__ == "__init__"
        bound = self._bound(function, args, kwargs, node)
        return self._evaluate(frame, definition, bound)

    def _evaluate(self, frame, definition, bound):
        self.frames.append(frame)
        try:
            if not frame.library:
                self.annotate_arguments(definition, bound)
                frame.returns = self.result_annotation(definition)
            frame.env.update(bound)
            if isinstance(definition, ast.Lambda):
                return self.eval(definition.body)
            self.run(definition.body)
            return self.finished(definition)
        finally:
            self.frames.pop()

    def annotate_arguments(self, definition, bound):
        spec = definition.args
        for arg in [*spec.posonlyargs, *spec.args, *spec.kwonlyargs]:
            if arg.annotation is None or arg.arg not in bound:
                continue
            kind = self.annotation(arg.annotation)
            if kind.kind == "object":
                continue
            self.frame.types[arg.arg] = kind
            bound[arg.arg] = self.convert(bound[arg.arg], kind, arg, lambda got, arg=arg, kind=kind: (
                f"{self.frame.name}: argument '{arg.arg}' is {got}; expected {kind}"))

    def finished(self, definition):
        """The result of a function whose statements have run."""
        env = self.frame.env
        flow = env[FLOW]
        if isinstance(flow, Static) and flow.obj == RAISED:
            raise Unreachable
        if isinstance(flow, Static) and flow.obj == RUN:
            self._falls_off(definition)
        elif isinstance(flow, Dyn):
            self._when_running(definition, lambda: self._falls_off(definition))
        found = self.frame.env.get(RESULT, NOTHING)
        if isinstance(found, Conflict):
            raise self.error(definition, f"the result {found.why}; expected one type")
        return found

    def _falls_off(self, definition):
        self.leave(NOTHING, definition)

    def _bound(self, function, args, kwargs, node):
        try:
            bound = inspect.signature(function, follow_wrapped=False).bind(*args, **kwargs)
        except TypeError as error:
            raise self.error(node, f"{function.__qualname__}: {error}") from None
        given = bound.arguments
        found = {}
        for name, p in bound.signature.parameters.items():
            if p.kind == p.VAR_POSITIONAL:
                found[name] = Seq("tuple", list(given.get(name, ())))
            elif p.kind == p.VAR_KEYWORD:
                found[name] = Map(dict(given.get(name, {})))
            elif name in given:
                found[name] = given[name]
            else:
                found[name] = self.constant(p.default, node) if isinstance(p.default, Tensor) else lift(p.default)
        return found

    def _call_closure(self, closure, args, kwargs, node):
        frame = Frame("lambda", closure.frame.source, closure.frame.known, closure.frame.library, closure.frame)
        frame.inlined = True
        spec = closure.node.args
        names = [a.arg for a in [*spec.posonlyargs, *spec.args]]
        bound = dict(zip(names, args, strict=False))
        if spec.vararg is not None:
            bound[spec.vararg.arg] = Seq("tuple", args[len(names):])
        bound.update(kwargs)
        for name, default in zip(names[len(names) - len(spec.defaults):], spec.defaults, strict=True):
            if name not in bound:
                bound[name] = self.eval(default)
        return self._evaluate(frame, closure.node, bound)

    # -- classes

    def _call_class(self, cls, args, kwargs, node):
        if issubclass(cls, BaseException):
            return Static(cls)
        if issubclass(cls, tuple) and hasattr(cls, "_fields"):
            return self._named_tuple(cls, args, kwargs, node)
        if hasattr(cls, "__rushlight_script_class__"):
            made = Instance(cls, {})
            self.inline(cls.__init__, [made, *args], kwargs, node)
            return made
        if hasattr(cls, "__members__") and all(map(is_known, args)):
            return Static(cls(*map(lower, args)))
        if hasattr(cls, "_script_refusal"):
            raise self.error(node, cls._script_refusal)
        if self.frame.library:
            return self._call_known(cls, args, kwargs, node)
        raise self.error(node, f"class {cls.__name__} is not scripted; expected @jit.script on it, or a NamedTuple")

    def _named_tuple(self, cls, args, kwargs, node):
        kind = ty.of_annotation(cls)
        defaults = getattr(cls, "_field_defaults", {})
        params = [(name, t, defaults.get(name, inspect.Parameter.empty))
                  for name, t in zip(cls._fields, kind.args, strict=True)]
        given = self.matched(cls.__name__, params, args, kwargs, node)
        if not self.frame.library:
            given = [self.settled(self.convert(v, t, node, lambda got, name=name, t=t: (
                f"{cls.__name__}: field '{name}' is {got}; expected {t}")), node)
                for v, (name, t, _) in zip(given, params, strict=True)]
        return Seq("tuple", given, cls)

    # -- exceptions and contexts

    def exception(self, node):
        """The kind and the text of what is raised."""
        value = args = None
        if isinstance(node, ast.Call):
            value, args = self.eval(node.func), [self.eval(a) for a in node.args]
        else:
            value, args = self.eval(node), []
        if not (isinstance(value, Static) and isinstance(value.obj, type) and issubclass(value.obj, BaseException)):
            raise self.error(node, f"{told(value)} is raised; expected an exception as ValueError(\"...\")")
        kind = next((c for c in value.obj.__mro__ if getattr(builtins, c.__name__, None) is c), RuntimeError)
        text = Static("") if not args else self.text_of(args[0], node)
        return kind.__name__, text

    def enter(self, node, target):
        value = self.eval(node.func) if isinstance(node, ast.Call) else self.eval(node)
        name = getattr(value.obj, "__name__", "") if isinstance(value, Static) else ""
        if name in _MODIFIERS and is_ours(value.obj) and target is None:
            self.no_grad.append(_MODIFIERS[name])
            return
        if name == "set_grad_enabled" and is_ours(value.obj) and node.args:
            mode = self.eval(node.args[0])
            if is_known(mode):
                self.no_grad.append(not lower(mode))
                return
        self.unsupported(node, "with anything but no_grad() and enable_grad()")


def _holds_objects(kind):
    return kind.kind == "object" or any(isinstance(part, ty.Type) and _holds_objects(part) for part in kind.args)


def known_names(function):
    """What a function's free names mean: its module's globals, and the variables around it."""
    closed = inspect.getclosurevars(function).nonlocals if function.__closure__ else {}
    if "__class__" in function.__code__.co_freevars:
        cell = function.__closure__[function.__code__.co_freevars.index("__class__")]
        closed = {**closed, "__class__": cell.cell_contents}
    return _Names(closed, function.__globals__)


class _Names(dict):
    """Names around a function; those of its module are looked up when they are needed."""

    def __init__(self, closed, globals):
        super().__init__(closed)
        self.globals = globals

    def __contains__(self, name):
        return super().__contains__(name) or name in self.globals

    def __getitem__(self, name):
        return super().__getitem__(name) if super().__contains__(name) else self.globals[name]


def as_items(compiler, start, stop, step, node):
    """range(start, stop, step)."""
    if all(map(is_known, (start, stop, step))) and compiler.frame.library:
        return Items(parts=[Static(i) for i in range(*map(lower, (start, stop, step)))])
    if is_known(start) and is_known(step) and (lower(start), lower(step)) == (0, 1):
        zero = Static(0)
        count = Static(max(0, stop.obj)) if isinstance(stop, Static) else compiler.prim(
            "num_max", [stop, zero], ty.INT, node)
        return Items(count, lambda k: k)
    count = compiler.prim("range_len", [start, stop, step], ty.INT, node)

    def at(k):
        scaled = k if is_known(step) and lower(step) == 1 else compiler.prim("num_mul", [k, step], ty.INT, node)
        return scaled if is_known(start) and lower(start) == 0 else compiler.prim(
            "num_add", [start, scaled], ty.INT, node)
    return Items(count, at)


