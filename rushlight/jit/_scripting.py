"""`script` and its modifiers: programs read from their source, with their control flow."""
import enum
import functools
import inspect
import types
import typing

from rushlight._C import Tensor
from rushlight.jit import _script_types as ty
from rushlight.jit._futures import fork, wait
from rushlight.jit._script import Entry, Scripted, ScriptedFunction, assemble, layout_of
from rushlight.jit._script_builtins import handles
from rushlight.jit._script_classes import check_class
from rushlight.jit._script_unit import Unit, plain
from rushlight.jit._script_values import Static
from rushlight.jit._trace import ScriptFunction, ScriptModule, is_tracing
from rushlight.jit.frontend import FrontendError
from rushlight.nn.modules.module import Module


def script(obj, optimize=None, _frames_up=0, _rcb=None, example_inputs=None):
    """A program read from its source: `if`, `for` and `while` on values of the run become a part of it.

    Arguments are Tensors unless they are annotated (int, float, bool, str, List, Dict, Tuple, Optional, NamedTuple,
    scripted classes); each variable has one type, and so has what a function returns. Lists, dicts and tuples, `break`,
    `continue`, early returns, `assert`, `raise`, `print`, texts and comprehensions are there. Functions that are called
    are scripted too. Results and gradients are those of the Python program.

    Args:
        obj (callable, Module or class): a function, a module (its `forward`, what that calls, and the methods marked
            with `jit.export`), or a class for use in scripted programs.
        optimize, example_inputs: without effect.

    Returns:
        ScriptFunction of a function, ScriptModule of a module, the class itself.

    Raises:
        RuntimeError: the program uses what scripted programs do not have (jit.frontend.NotSupportedError,
            UnsupportedNodeError), or types do not fit; with file, line and the source.

    Example:
        >>> @rushlight.jit.script
        ... def folded(x, times: int):
        ...     for i in range(times):
        ...         if x.sum() > 10:
        ...             return x - 10
        ...         x = x * 2
        ...     return x
        >>> folded(rushlight.tensor([1., 2.]), 100)
        tensor([-6., -2.])
    """
    if isinstance(obj, ScriptModule | ScriptFunction):
        return obj
    if isinstance(obj, Module):
        return script_module(obj)
    if inspect.isclass(obj):
        return _script_class(obj)
    if isinstance(obj, types.MethodType) and isinstance(obj.__self__, Module):
        return script_method_of(obj)
    if not isinstance(obj, types.FunctionType):
        raise FrontendError(f"script: obj={obj!r} is a {type(obj).__name__}; expected a function, module or class")
    return script_function(obj)


def _script_class(cls):
    if issubclass(cls, Module):
        raise FrontendError(f"script: class {cls.__name__} is a module's; expected a module: "
                            f"script({cls.__name__}(...))")
    if issubclass(cls, enum.Enum) or (issubclass(cls, tuple) and hasattr(cls, "_fields")):
        return cls
    return check_class(cls)


def script_function(function):
    """A function with the graphs of all that it calls."""
    unit = Unit()
    target = unit.function(function)
    entry = Entry(target.name, target.params, target.returns)
    return ScriptedFunction(Scripted(function.__name__, unit.texts(), unit.constants, [entry]), function)


def script_method_of(method):
    """A method of a module, as a function."""
    unit = Unit(method.__self__)
    target = unit.method(method.__self__, method.__func__)
    entry = Entry(target.name, target.params, target.returns)
    return ScriptedFunction(Scripted(target.name, unit.texts(), unit.constants, [entry]), method)


def script_module(module):
    """A module with the graphs of `forward`, exported methods, and all that they call."""
    program, layout = _program_of(module)
    made = assemble(program, layout)
    _keep_plain(module, made)
    return made


def script_in_place(module):
    """Scripts a module of a class that inherits from ScriptModule: its methods run the program from now on."""
    program, layout = _program_of(module)
    parts = dict(module.named_modules())
    for record in layout:
        parts[record["path"]].__dict__.setdefault("_flags", {}).update(
            (name, program.tensors[key]) for name, key in record["flags"].items())
    module.__dict__["_captures"] = program


def script_method(fn):
    """Marks a method of a class that inherits from ScriptModule: it is scripted when an object has been made.

    Args:
        fn (callable): the method.

    Example:
        >>> class Doubles(rushlight.jit.ScriptModule):
        ...     @rushlight.jit.script_method
        ...     def forward(self, x):
        ...         return 2 * x
        >>> Doubles()(rushlight.ones(1))
        tensor([2.])
    """
    @functools.wraps(fn)
    def form(self, *args, **kwargs):
        program = self.__dict__.get("_captures")
        if program is None:
            return fn(self, *args, **kwargs)
        return program.call(program.entries[fn.__name__], args, kwargs)

    form._script_exported = form._script_method = True
    return form


@functools.cache
def _exported(cls):
    """The methods of a class that are marked with `export`."""
    found = {}
    for base in reversed(cls.__mro__):
        found.update((name, value if hasattr(value, "_script_exported") else None)
                     for name, value in vars(base).items())
    return [function for function in found.values() if function is not None]


def _program_of(module):
    unit = Unit(module)
    methods = []
    forward = type(module).forward
    if not hasattr(forward, "_script_ignored") and forward not in (Module.forward, ScriptModule.forward):
        methods.append((module, forward))
    methods += [(part, function) for part in module.modules() for function in _exported(type(part))]
    public = {unit.method(part, function).name for part, function in methods}
    entries = [Entry(t.name, t.params, t.returns, t.name in public)
               for key, t in unit.targets.items() if key[0] in unit.paths]
    flags = {}
    for key, (path, name) in unit.flags.items():
        flags.setdefault(path, {})[name] = key
    layout = layout_of(module, unit.key_of, lambda part, path: flags.get(path, {}))
    if not entries:
        raise FrontendError(f"script: {type(module).__name__} has no forward and no exported method; expected one")
    first = next((e for e in entries if e.name == "forward"), entries[0])
    entries = [first, *(e for e in entries if e is not first)]
    return Scripted(type(module).__name__, unit.texts(), unit.constants, entries), layout


def _keep_plain(module, made):
    """Plain attributes stay readable; those that the program reads at the run have tensors of their own."""
    own = dict(made.named_modules())
    for path, part in module.named_modules():
        for name, value in vars(part).items():
            there = own[path]
            if not name.startswith("_") and name not in there._flags and name not in vars(there) and not isinstance(
                    value, Module | Tensor) and name not in there._parameters and name not in there._buffers:
                object.__setattr__(there, name, plain(value))


def ignore(drop=False, **kwargs):
    """Marks a method that stays in Python: scripting skips it, and a scripted program may not call it.

    Args:
        drop (bool): a call raises when the program runs, as `unused` does. Default: False.

    Example:
        >>> class Net(rushlight.nn.Module):
        ...     @rushlight.jit.ignore
        ...     def show(self, x):
        ...         import pdb
    """
    if callable(drop):
        drop._script_ignored = "ignore"
        return drop

    def mark(function):
        function._script_ignored = "unused" if drop else "ignore"
        return function
    return mark


def unused(fn):
    """Marks a method that scripted programs do not run: calling it there raises when the program runs.

    Example:
        >>> class Net(rushlight.nn.Module):
        ...     @rushlight.jit.unused
        ...     def slow(self, x):
        ...         return sorted(x.tolist())
    """
    fn._script_ignored = "unused"
    return fn


def export(fn):
    """Marks a method to be scripted with its module, besides `forward`.

    Example:
        >>> class Net(rushlight.nn.Module):
        ...     @rushlight.jit.export
        ...     def double(self, x):
        ...         return 2 * x
    """
    fn._script_exported = True
    return fn


def interface(obj):
    """Marks a class as a list of methods that a module has which a variable of scripted programs holds.

    Args:
        obj (class): its methods have no bodies that count.

    Example:
        >>> @rushlight.jit.interface
        ... class Step(rushlight.nn.Module):
        ...     def forward(self, x):
        ...         pass
    """
    if not inspect.isclass(obj):
        raise RuntimeError(f"interface: obj is a {type(obj).__name__}; expected a class")
    obj.__rushlight_interface__ = tuple(name for name, value in vars(obj).items() if inspect.isfunction(value))
    return obj


def export_opnames(m):
    """The operators that a traced or scripted program calls, sorted.

    Args:
        m (ScriptModule or ScriptFunction): the program.

    Example:
        >>> rushlight.jit.export_opnames(rushlight.jit.trace(lambda x: (x + 1).relu(), rushlight.ones(1)))
        ['add', 'relu']
    """
    captures = m._captures
    graphs = (captures.graphs.values() if isinstance(captures, Scripted)
              else [graph for found in captures.captured for graph in (found.graph, *found.called)])
    return sorted({node[0] for graph in graphs for node in graph.nodes if node[1] != "control"})


def is_scripting():
    """Whether the program runs as a scripted one: False in Python, True in scripted programs.

    Example:
        >>> rushlight.jit.is_scripting()
        False
    """
    return False


@handles(is_scripting)
def _is_scripting(c, args, kwargs, node):
    return Static(True)


@handles(fork)
def _fork(c, args, kwargs, node):
    return c.call(args[0], args[1:], kwargs, node)


@handles(wait)
def _wait(c, args, kwargs, node):
    return args[0]


@handles(is_tracing)
def _is_tracing(c, args, kwargs, node):
    return Static(False)


def annotate(the_type, the_value):
    """The value; in scripted programs it has the type, as an empty list needs one.

    Args:
        the_type: as in annotations, `List[int]`.
        the_value: any.

    Example:
        >>> rushlight.jit.annotate(list[int], [])
        []
    """
    return the_value


def isinstance_of(obj, target_type):
    """`isinstance` that also knows `List[int]` and the like.

    Args:
        obj: any value.
        target_type: a class, an annotation, or a tuple of them.

    Example:
        >>> rushlight.jit.isinstance([1], list[int])
        True
    """
    targets = target_type if isinstance(target_type, tuple) else (target_type,)
    for target in targets:
        if typing.get_origin(target) is None and isinstance(target, type):
            if isinstance(obj, target):
                return True
            continue
        found = ty.of_value(obj)
        if found is not None and ty.fits(found, ty.of_annotation(target)):
            return True
    return False


@handles(isinstance_of)
def _isinstance_of(c, args, kwargs, node):
    return c.handler_of(isinstance)(c, args, kwargs, node)


def script_if_tracing(fn):
    """A function that is scripted when a trace meets it first, so that the trace keeps its control flow.

    Args:
        fn (callable): a function.

    Example:
        >>> @rushlight.jit.script_if_tracing
        ... def doubled(x):
        ...     return 2 * x
        >>> doubled(rushlight.ones(1))
        tensor([2.])
    """
    made = None

    @functools.wraps(fn)
    def form(*args, **kwargs):
        nonlocal made
        if not is_tracing():
            return fn(*args, **kwargs)
        made = made or script(fn)
        return made(*args, **kwargs)

    form.__original_fn = fn
    return form
