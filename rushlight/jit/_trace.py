"""`trace`: a program as the graph of what it did for example inputs."""
import functools
import warnings
from contextlib import contextmanager
from importlib import import_module

from rushlight import _C
from rushlight._C import Tensor
from rushlight.jit._captured import CaptureError, arguments_of, capture, signature_of
from rushlight.jit._structure import call_told, flatten, rebuild
from rushlight.jit._symbolic import Example
from rushlight.nn.modules.module import Module
from rushlight.nn.parameter import Parameter

_MOST_SIZES = 64                     # of the programs that are kept for sizes of a family


class TracerWarning(Warning):
    """A trace may not do for other inputs what the program does."""


class TracingCheckError(Exception):
    """The program did other operators when it was traced again."""


def is_tracing():
    """Whether the program that runs is being captured.

    Example:
        >>> rushlight.jit.is_tracing()
        False
    """
    return _C.graph._is_capturing()


class Captures:
    """The captured calls of one program, by the shapes and dtypes of their inputs.

    Attributes:
        families (list of Family): graphs for all sizes of some dimensions; `generalize` finds one.
        metadata (dict): what the program's file tells of it.
    """

    def __init__(self, name, function=None, known=(), modules=(), dynamic_shapes=None):
        self.name = name
        self.function = function                     # None of a loaded program: it can't be traced for more shapes
        self.known = list(known)
        self.by_signature = {}
        self.families = []
        self.metadata = {}
        self._dynamic_shapes = dynamic_shapes
        self._flags = [(module, module.training) for module in modules]      # as they were when it was traced
        self._example = None                         # arguments to capture it at other sizes
        self._of_tensors = {}                        # the short way: of programs that take tensors and give one
        self._derived = {}                           # of families: the latest sizes' signatures, to be let go in turn

    def trace(self, args, kwargs):
        if self._example is None:
            self._example = Example(args, kwargs, self._dynamic_shapes)
        found, result = capture(self.function, args, kwargs, self.known, "trace")
        if isinstance(found, CaptureError):
            raise found
        self.add(found)
        return found, result

    def add(self, found):
        """Keeps a captured call for calls like it."""
        types = [(dtype, tuple(sizes)) for _, dtype, sizes in found.graph.inputs]
        signature = (repr(found.takes), *types)
        self.by_signature[signature] = found
        if types and found.takes == ["list", [["list", ["tensor"] * len(types)], ["dict", []]]] and (
                found.gives == "tensor"):
            self._of_tensors[tuple(types)] = found.program.run
        return signature

    def generalize(self):
        """Looks once for a graph that does for all sizes, by capturing the program at a few."""
        example, self._example = self._example, False
        if not example or not example.names:
            return
        with _flags_as(self._flags):
            self.families, ones = example.families(self.first, self._capture_at)
        for found in ones:
            self.add(found)

    def _capture_at(self, args, kwargs):
        with _Unchanged(self.first), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found, _ = capture(self.function, *_fresh(args, kwargs), self.known, "trace")
        if isinstance(found, CaptureError):
            raise found
        return found

    def _of_family(self, tensors, form):
        """The program of a family for these inputs; None where none fits."""
        for family in self.families:
            sizes = family.sizes_for(tensors, form)
            if sizes is not None:
                found = family.at(sizes)
                self._derived[self.add(found)] = tensors[0].shape
                if len(self._derived) > _MOST_SIZES:
                    self._forget(next(iter(self._derived)))
                return found
        return None

    def _by_names(self, args, kwargs):
        """The captured call, and its tensors in order, of arguments by the names of its inputs, if there is one."""
        for one in (*self.captured, *self.families):
            given = dict(zip(one.names, args, strict=False)) | kwargs
            tensors = [given.get(name) for name in one.names]
            if len(args) + len(kwargs) != len(tensors) or not all(isinstance(t, Tensor) for t in tensors):
                continue
            found = self.by_signature.get(signature_of(tensors, one.takes)) or self._of_family(tensors, one.takes)
            if found is not None:
                return found, tensors
        return None, []

    def _forget(self, signature):
        self._derived.pop(signature)
        self.by_signature.pop(signature)
        self._of_tensors.pop(signature[1:], None)

    @property
    def captured(self):
        """The captured calls, without those that a family gave."""
        return [found for signature, found in self.by_signature.items() if signature not in self._derived]

    def __call__(self, args, kwargs):
        if not kwargs and all(isinstance(t, Tensor) for t in args):
            run = self._of_tensors.get(tuple([(t.dtype, t.shape) for t in args]))
            if run is not None:
                return run(*args)[0]
        tensors, form = arguments_of(args, kwargs, f"{self.name}: the arguments")
        found = self.by_signature.get(signature_of(tensors, form))
        if found is None:
            if is_tracing() and self.function is not None:
                return self.function(*args, **kwargs)
            if self._example:
                self.generalize()
            found = self._of_family(tensors, form)
        if found is None and self.function is None:
            found, tensors = self._by_names(args, kwargs)
            if found is None:
                raise ValueError(self._unknown(*arguments_of(args, kwargs, self.name)))
        if found is None:
            with _flags_as(self._flags):
                found, _ = self.trace(*_fresh(args, kwargs))
        return found(tensors)

    def _unknown(self, tensors, form):
        given = ", ".join(f"{t.dtype} of shape {tuple(t.shape)}" for t in tensors)
        apart = [", ".join(f"{name}: {dtype} of shape {tuple(sizes)}" for name, dtype, sizes in found.graph.inputs)
                 for found in self.captured]
        known = "; ".join(apart + [family.describe() for family in self.families])
        takes = [found.takes for found in (*self.captured, *self.families)]
        called = "" if form in takes else f"; it was called with {call_told(form)}, expected {call_told(takes[0])}"
        return f"{self.name}: got {given or 'no tensors'}; the program was saved for {known}{called}"

    @property
    def first(self):
        """The captured call of the example; of a loaded program, its family at some size."""
        if not self.by_signature:
            family = self.families[0]
            sizes = dict.fromkeys(_C.graph.symbols(family.text), 2)
            self._derived[self.add(family.at(sizes))] = None
        return next(iter(self.by_signature.values()))

    def graphs_of(self, path):
        """The graph, and those that it calls."""
        return [self.first.graph, *self.first.called]

    def code_of(self, path):
        return self.first.text


def _fresh(args, kwargs):
    """The arguments with tensors of their own, so that the program may change them."""
    tensors, form = arguments_of(args, kwargs, "trace: the arguments")
    copies = [t.detach().clone().requires_grad_(t.requires_grad) if t.is_floating_point() else t.clone()
              for t in tensors]
    args, kwargs = rebuild(form, iter(copies))
    return tuple(args), kwargs


class _Program:
    """What traced and scripted functions and modules have in common: graphs, and a file to be kept in."""

    _path = ""                                       # of a module within the one that was scripted

    @property
    def metadata(self):
        """What was saved with the program to describe it: a dict."""
        return self._captures.metadata

    @property
    def graph(self):
        """The graph: of what was traced, the first example's; of a scripted module, that of `forward`. Printing it
        shows its text."""
        return self._captures.graphs_of(self._path)[0]

    @property
    def inlined_graph(self):
        """The graph with what it calls in the place of the calls."""
        main, *called = self._captures.graphs_of(self._path)
        return _C.graph.inline_calls([main, *called])[0] if called else main

    @property
    def code(self):
        """The program as text: of what was traced, its graph's; of what was scripted, as Python would say it."""
        return self._captures.code_of(self._path)

    def save(self, f, _extra_files=None, *, metadata=None, compress=False):
        """Writes the program to a file; see jit.save."""
        files = import_module("rushlight.jit._files")
        files.save(self, f, _extra_files=_extra_files, metadata=metadata, compress=compress)


class ScriptFunction(_Program):
    """A traced or scripted function: call it as the function.

    Attributes:
        name (str): the function's.
    """

    def __init__(self, captures):
        self._captures = captures
        self.name = captures.name

    def __call__(self, *args, **kwargs):
        return self._captures(args, kwargs)

    def _script_call(self, compiler, args, kwargs, node):
        """A call from a scripted program."""
        return compiler.call_embedded(compiler.unit.embed(self._captures), args, kwargs, node)


class _ScriptMeta(type):
    """Scripts what a class of the user's with scripted methods makes, once its __init__ has run."""

    def __call__(cls, *args, **kwargs):
        made = super().__call__(*args, **kwargs)
        if "_captures" not in vars(made):
            import_module("rushlight.jit._scripting").script_in_place(made)
        return made


class _TracedPart(Module):
    """A module in a traced one: its tensors, and the class that it was of."""

    def __init__(self, original_name):
        super().__init__()
        self.original_name = original_name

    def _get_name(self):
        return self.original_name

    def extra_repr(self):
        return f"original_name={self.original_name}"


def _classes_of(module):
    return {path: type(part).__name__ for path, part in module.named_modules(remove_duplicate=False)}


class ScriptModule(_Program, Module, metaclass=_ScriptMeta):
    """A traced module: its parameters and buffers under the names that the module gave them, and its graph.

    What it computes was fixed when it was traced: `train()` and `eval()` change its flag and not its graph, but for
    scripted modules in it.
    """

    def __init__(self, captures=None, tensors=(), original_name="Module", methods=(), classes=None):
        super().__init__()
        if captures is None:                         # a class of the user's with methods marked `script_method`
            self.original_name = type(self).__name__
            return
        self._captures = captures
        self._methods = dict(methods)                # besides forward: captures by name
        self.original_name = original_name
        for name, tensor in tensors:
            *path, last = name.split(".")
            holder = self
            for depth, part in enumerate(path, 1):
                if part not in holder._modules:
                    known = (classes or {}).get(".".join(path[:depth]))
                    holder.add_module(part, _TracedPart(known) if known else Module())
                holder = holder._modules[part]
            if isinstance(tensor, Parameter):
                holder.register_parameter(last, tensor)
            else:
                holder.register_buffer(last, tensor)

    def forward(self, *args, **kwargs):
        return self._captures(args, kwargs)

    def __getattr__(self, name):
        captures = self.__dict__.get("_methods", {}).get(name)
        return super().__getattr__(name) if captures is None else functools.partial(_called, captures)

    def extra_repr(self):
        return f"original_name={self.original_name}"


def _called(captures, *args, **kwargs):
    return captures(args, kwargs)


def trace(func=None, example_inputs=None, optimize=None, check_trace=True, check_inputs=None, check_tolerance=1e-5,
          strict=True, _force_outplace=False, _module_class=None, _compilation_unit=None, example_kwarg_inputs=None, *,
          dynamic_shapes=None):
    """Runs a function or module once and keeps what it did as a program of its own.

    The program takes the shapes and dtypes of the example, and other sizes of the first dimension (or of those that
    `dynamic_shapes` names): when such inputs come, or when it is saved, it is captured at a few sizes, and a graph is
    made that does for all, if there is one. For other shapes it is traced anew, as long as the function is there. What
    the function decided by the values of its inputs stays as it was for the example; a
    TracerWarning says so.

    Args:
        func (callable or Module): what to trace.
        example_inputs (tuple of Tensor, or Tensor): arguments to run it with; they are copied first.
        check_trace (bool): trace it again, and compare what the program and the function give. Default: True.
        check_inputs (list of tuple): arguments to check with. Default: the example.
        check_tolerance (float): the difference that the check allows, relative and absolute. Default: 1e-5.
        strict (bool): refuse to give back a list or dict, of which the program has a copy. Default: True.
        example_kwarg_inputs (dict of Tensor): arguments by name.
        dynamic_shapes (sequence): for each tensor of the example a dict of the dimensions that may vary and their
            names, or None; dimensions of one name are equal. Default: the first dimension of all tensors that have the
            first one's size there.
        optimize: without effect.

    Returns:
        ScriptFunction of a function, ScriptModule of a module.

    Raises:
        TypeError: an argument or result is no tensor or structure of tensors.
        RuntimeError: something changed memory that is no operator, or a result is a list or dict and `strict`.
        TracingCheckError: the program did other operators when it was traced again.

    Example:
        >>> double = rushlight.jit.trace(lambda x: x * 2, rushlight.ones(2))
        >>> double(rushlight.tensor([1., 5.]))
        tensor([ 2., 10.])
        >>> print(double.code)
        graph forward(%input: float32[2]) {
          %1: float32[2] = mul(%input, 2)
          return %1
        }
        <BLANKLINE>
    """
    if func is None:
        return functools.partial(trace, example_inputs=example_inputs, check_trace=check_trace,
                                 check_inputs=check_inputs, check_tolerance=check_tolerance, strict=strict,
                                 example_kwarg_inputs=example_kwarg_inputs, dynamic_shapes=dynamic_shapes)
    if isinstance(func, ScriptModule | ScriptFunction):
        return func
    if not callable(func):
        raise TypeError(f"trace: func={func!r} is a {type(func).__name__}; expected a function or a module")
    if example_inputs is None and example_kwarg_inputs is None:
        raise RuntimeError("trace: example_inputs is None; expected tensors to run the program with")
    kwargs = dict(example_kwarg_inputs or {})
    checks = [(_arguments(one), kwargs) for one in check_inputs] if check_inputs is not None else None
    captures = _traced(func, (_arguments(example_inputs), kwargs), check_trace, checks, check_tolerance, strict,
                       dynamic_shapes)
    if isinstance(func, Module):
        program = ScriptModule(captures, captures.known, type(func).__name__, classes=_classes_of(func))
        program.training = func.training
        return program
    return ScriptFunction(captures)


def trace_module(mod, inputs, optimize=None, check_trace=True, check_inputs=None, check_tolerance=1e-5, strict=True,
                 _force_outplace=False, _module_class=None, _compilation_unit=None, example_inputs_is_kwarg=False,
                 _store_inputs=True):
    """Runs methods of a module once each and keeps what they did as one program, with a method for each.

    Args:
        mod (Module): the module.
        inputs (dict): from names of methods to the arguments to run them with: a tuple of Tensors, or a Tensor.
        check_trace (bool): trace again, and compare, as `trace` does. Default: True.
        check_inputs (list of dict): more arguments to check with, as `inputs`. Default: `inputs`.
        check_tolerance (float): the difference that the check allows. Default: 1e-5.
        strict (bool): refuse to give back a list or dict. Default: True.
        example_inputs_is_kwarg (bool): the arguments are dicts of Tensors by name. Default: False.
        optimize: without effect.

    Returns:
        ScriptModule; a file has a signature for each method.

    Raises:
        AttributeError: the module has no method of that name.
        RuntimeError, TypeError, TracingCheckError: as of `trace`.

    Example:
        >>> class Net(rushlight.nn.Module):
        ...     def forward(self, x):
        ...         return x + 1
        ...     def twice(self, x):
        ...         return 2 * x
        >>> one = rushlight.ones(1)
        >>> traced = rushlight.jit.trace_module(Net(), {"forward": one, "twice": one})
        >>> traced(one), traced.twice(one + 4)
        (tensor([2.]), tensor([10.]))
    """
    if not isinstance(mod, Module) or not isinstance(inputs, dict) or not inputs:
        raise TypeError(f"trace_module: mod is a {type(mod).__name__} and inputs {inputs!r:.60}; expected a module and "
                        "a dict from names of methods to their arguments")

    def both(given):
        return ((), dict(given)) if example_inputs_is_kwarg else (_arguments(given), {})
    methods = {}
    for name, given in inputs.items():
        function = mod if name == "forward" else getattr(mod, name)
        checks = None if check_inputs is None else [both(one[name]) for one in check_inputs if name in one]
        methods[name] = _traced(function, both(given), check_trace, checks, check_tolerance, strict)
    program = ScriptModule(methods.pop("forward", None) or _no_forward(mod), _tensors_of(mod), type(mod).__name__,
                           methods, _classes_of(mod))
    program.training = mod.training
    return program


def _no_forward(module):
    def forward(*args, **kwargs):
        raise NotImplementedError(f"{type(module).__name__}: forward was not traced")
    return Captures(type(module).__name__, forward)


def _arguments(given):
    if given is None:
        return ()
    return (given,) if isinstance(given, Tensor | dict) else tuple(given)


def _traced(func, example, check_trace, checks, tolerance, strict, dynamic_shapes=None):
    """What a function or module did for (args, kwargs), compared with what it does for those of `checks`."""
    module = func if isinstance(func, Module) else getattr(func, "__self__", None)
    known = _tensors_of(module) if isinstance(module, Module) else []
    modules = list(module.modules()) if isinstance(module, Module) else []
    captures = Captures(getattr(func, "__name__", type(func).__name__), func, known, modules, dynamic_shapes)
    found, _ = captures.trace(*_fresh(*example))
    _refuse_containers(found.gives, strict)
    for how, where in dict.fromkeys(found.escapes):
        warnings.warn(f"trace: {where}: a tensor's value left to Python by {how}(); what the program decides by it "
                      "stays as it is for the example inputs", TracerWarning, stacklevel=3)
    if found.loses_history:
        warnings.warn("trace: the program reads a tensor with a gradient after a detached one changed its memory; "
                      "gradients of the trace do not pass there", TracerWarning, stacklevel=3)
    for name in found.functions:
        warnings.warn(f"trace: gradients of the trace are those of the operators in the forward of {name}, not of its "
                      "backward", TracerWarning, stacklevel=3)
    if check_trace:
        for args, kwargs in [example] if checks is None else checks:
            _check(captures, found, args, kwargs, tolerance)
    return captures


def _tensors_of(module):
    return [*module.named_parameters(), *module.named_buffers()]


def _refuse_containers(form, strict):
    if strict and isinstance(form, list) and form[0] in ("list", "dict"):
        raise RuntimeError(f"trace: the result is a {form[0]}, of which the program gives a new one each time; "
                           "expected a tensor or a tuple of tensors, or strict=False")


@contextmanager
def _flags_as(flags):
    """Modules in training or evaluation mode as they were."""
    now = [(module, module.training) for module, _ in flags]
    for module, training in flags:
        module.training = training
    try:
        yield
    finally:
        for module, training in now:
            module.training = training


class _Unchanged:
    """Puts the random stream and the program's state back where they were."""

    def __init__(self, found):
        constants = found.constants
        self._states = [constants[key] for key in found.states]

    def __enter__(self):
        self._random = _C.default_generator.get_state()
        self._values = [t.detach().clone() for t in self._states]

    def __exit__(self, *error):
        _C.default_generator.set_state(self._random)
        for state, values in zip(self._states, self._values, strict=True):
            state.detach().copy_(values)


def _check(captures, found, args, kwargs, tolerance):
    """Traces again and compares operators, results of the function with each other, and with the program's."""
    graph = found.graph
    with _Unchanged(found):
        again, expected = capture(captures.function, *_fresh(args, kwargs), captures.known, "trace")
    if isinstance(again, CaptureError):
        raise TracingCheckError(str(again))
    operators, others = ([node[0] for node in g.nodes] for g in (graph, again.graph))
    if operators != others:
        at = next((i for i, (a, b) in enumerate(zip(operators, others, strict=False)) if a != b),
                  min(len(operators), len(others)))
        raise TracingCheckError(
            f"trace: node {at} was {(*operators, 'the end')[at]} and is {(*others, 'the end')[at]} when traced again; "
            "expected the same operators. What depends on values or on Python's state can't be traced")
    random = [node for one in (graph, *found.called) for node in one.nodes if node[1] == "random"]
    if random:
        listed = ", ".join(f"{node[0]} at {node[2]}" for node in random[:5])
        warnings.warn(f"trace: the program draws random numbers ({listed}), so that results are not compared; a "
                      "module in training mode may have been meant to be in eval()", TracerWarning, stacklevel=3)
        return
    fresh, named = _fresh(args, kwargs)
    with _Unchanged(found):
        got = captures(fresh, named)
    _compare(flatten(expected, "trace")[0], flatten(got, "trace")[0], tolerance)


def _compare(expected, got, tolerance):
    for i, (a, b) in enumerate(zip(expected, got, strict=True)):
        if a.dtype.is_floating_point or a.dtype.is_complex:
            wide = "complex128" if a.dtype.is_complex else "float64"
            a, b = (t.detach().to(getattr(_C, wide)) for t in (a, b))
            off = int((~a.isclose(b, rtol=tolerance, atol=tolerance, equal_nan=True)).sum())
        else:
            off = int((a != b).sum())
        if off:
            warnings.warn(f"trace: result {i} of the program differs from the function's in {off} of {a.numel()} "
                          f"elements (check_tolerance={tolerance})", TracerWarning, stacklevel=5)
