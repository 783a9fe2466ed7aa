"""`compile`: calls captured as graphs, guarded by what the capture took for granted."""
import functools
import types
import warnings

from rushlight import _C
from rushlight._C import Tensor
from rushlight.jit._captured import CaptureError, capture
from rushlight.jit._structure import flatten
from rushlight.nn.modules.module import Module

_RECAPTURES = 64
_ONE_TENSOR = "one tensor"


class CompileWarning(Warning):
    """A compiled program runs as it is written, and why."""


class CompiledFunction:
    """A compiled function: call it as the function.

    Attributes:
        captured: by what was taken for granted, the captured call or why there is none.
    """

    def __init__(self, function, module, fullgraph):
        functools.update_wrapper(self, function)
        self.function = function
        self.module = module
        self._modules = []                           # as they were at the last capture
        self._held = []                              # what guards know by its address
        self.fullgraph = fullgraph
        self.captured = {}                           # by guard: Captured, or why the program runs as it is
        self.name = getattr(function, "__name__", type(function).__name__)

    def _guard(self, tensors, form):
        """What must be the same for a captured call to do; None where something can't be compared."""
        text = form if form == _ONE_TENSOR else repr(form) if _is_plain(form) else None
        if text is None:
            return None
        guard = [text, _C.get_default_dtype(), _C._autocast() and _C._autocast_dtype(), _C.is_grad_enabled()]
        for t in tensors:
            guard += (t.dtype, t.shape, t.stride())
        for m in self._modules:                      # whatever a module is made of: tensors, modules, flags, numbers
            guard += map(id, vars(m).values())
        return tuple(guard)

    def __get__(self, owner, kind=None):
        return self if owner is None else types.MethodType(self, owner)

    def __call__(self, *args, **kwargs):
        if len(args) == 1 and not kwargs and isinstance(args[0], Tensor):
            tensors, form = args, _ONE_TENSOR
        else:
            tensors, form = flatten([list(args), dict(kwargs)], self.name, values=True)
        if _C.graph._is_capturing() or self._needs_tape(tensors):
            return self.function(*args, **kwargs)
        if self.module is not None and not self._modules:
            self._modules = list(self.module.modules())
        guard = self._guard(tensors, form)
        found = self.captured.get(guard) if guard is not None else "an argument can't be told from the next call's"
        if found is None:
            return self._capture(tensors, form, args, kwargs)
        if isinstance(found, str):
            return self.function(*args, **kwargs)
        return found(tensors)

    def _needs_tape(self, tensors):
        if not _C.is_grad_enabled():
            return False
        weights = _weights(self.module) if self.module is not None else []
        return any(t.requires_grad for t in (*tensors, *weights))

    def _capture(self, tensors, form, args, kwargs):
        module = self.module
        if module is not None:
            self._modules = list(module.modules())
            self._held += [value for m in self._modules for value in vars(m).values()]
        guard = self._guard(tensors, form)
        if len(self.captured) >= _RECAPTURES:
            return self._run_as_is(guard, f"it was captured {_RECAPTURES} times for different arguments", args, kwargs)
        known = [] if module is None else [*module.named_parameters(), *module.named_buffers()]
        found, result = capture(self.function, args, kwargs, known, self.name, values=True)
        if isinstance(found, CaptureError):
            self._tell(guard, str(found))
        elif found.escapes:
            how, where = found.escapes[0]
            self._tell(guard, f"at {where} a tensor's value leaves to Python by {how}()")
        elif _C.is_grad_enabled() and any(t.requires_grad for t in flatten(result, self.name, values=True)[0]):
            self.captured[guard] = "it records gradients"
        else:
            self.captured[guard] = found
        return result

    def _run_as_is(self, guard, why, args, kwargs):
        self._tell(guard, why)
        return self.function(*args, **kwargs)

    def _tell(self, guard, why):
        if self.fullgraph:
            raise RuntimeError(f"compile: {self.name} is no single graph: {why}")
        self.captured[guard] = why
        warnings.warn(f"compile: {self.name} runs as it is written: {why}", CompileWarning, stacklevel=5)

    def report(self):
        """For each captured call how many nodes it has, how many call their kernels directly, which were fused and why
        an element-wise one was not; or why there is no graph."""
        lines = []
        for found in self.captured.values():
            if isinstance(found, str):
                lines.append(f"runs as it is written: {found}")
            else:
                direct, funnel = found.program.planned
                shapes = ", ".join(f"{dtype} {tuple(sizes)}" for _, dtype, sizes in found.graph.inputs)
                lines.append(f"({shapes}): {len(found.graph.nodes)} nodes; planned: {direct} direct, "
                             f"{funnel} dispatched")
                lines += [f"    {line}" for line in found.program.fusion]
        return "\n".join(lines)

    @property
    def graphs(self):
        """The captured graphs; printing one shows its text."""
        return [found.graph for found in self.captured.values() if not isinstance(found, str)]


def _weights(module):
    return [*module.parameters(), *module.buffers()]


def _is_plain(form):
    """Whether every value in a description is one whose text tells it from others."""
    if form in ("tensor", "none"):
        return True
    kind, parts = form
    if kind == "value":
        return isinstance(parts, int | float | complex | str | bytes | _C.dtype) or parts is ...
    return all(_is_plain(part) for part in ([p for _, p in parts] if kind == "dict" else parts))


class OptimizedModule(Module):
    """A compiled module: called, it runs captured graphs; everything else is the module's own (`_orig_mod`)."""

    def __init__(self, module, fullgraph):
        super().__init__()
        self._orig_mod = module
        self.training = module.training
        object.__setattr__(self, "_compiled", CompiledFunction(module, module, fullgraph))

    def forward(self, *args, **kwargs):
        return self._compiled(*args, **kwargs)

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("_orig_mod"), name)

    @property
    def graphs(self):
        """The captured graphs; printing one shows its text."""
        return self._compiled.graphs

    def report(self):
        """What was captured, and what runs as it is written, and why."""
        return self._compiled.report()


def compile(model=None, *, fullgraph=False, dynamic=None, backend=None, mode=None, options=None, name=None,
            disable=False, recompile_limit=None, isolate_recompiles=False, shapes_spec=None):
    """A function or module whose calls are captured as graphs and then run without Python.

    A call is captured when it comes first, and again for other shapes, strides, dtypes, Python values, parameters or
    training flags. Calls that record gradients run as they are written, and so do programs that no graph can hold: a
    CompileWarning says once why, with file and line. Printing and other effects in Python happen when a call is
    captured, and not when it is replayed.

    Args:
        model (callable, optional): what to compile; without it, a decorator is returned.
        fullgraph (bool): raise where the program can't be captured. Default: False.
        disable (bool): gives back what it is given. Default: False.
        dynamic, backend, mode, options, name, recompile_limit, isolate_recompiles, shapes_spec: without effect.

    Returns:
        A CompiledFunction with `graphs` and `report()`, or an OptimizedModule, which has them too.

    Raises:
        TypeError: `model` is not callable.

    Example:
        >>> import rushlight as rl
        >>> scaled = rl.compile(lambda x, by: x * by + by)
        >>> scaled(rl.ones(2), 3)
        tensor([6., 6.])
        >>> print(scaled.graphs[0].text())
        graph forward(%input: float32[2]) {
          %1: float32[2] = mul(%input, 3)
          %2: float32[2] = add(%1, 3, alpha=1)
          return %2
        }
        <BLANKLINE>
    """
    if model is None:
        return functools.partial(compile, fullgraph=fullgraph, disable=disable)
    if not callable(model):
        raise TypeError(f"compile: model={model!r} is a {type(model).__name__}; expected a function or a module")
    if disable:
        return model
    if isinstance(model, Module):
        return OptimizedModule(model, fullgraph)
    owner = getattr(model, "__self__", None)
    return CompiledFunction(model, owner if isinstance(owner, Module) else None, fullgraph)
